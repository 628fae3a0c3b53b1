//go:build !linux

package jobs

import (
	"os"

	"golang.org/x/sys/unix"
)

// renice makes this process, and the jobs it starts, give way to others.
func renice(n int) error {
	now, err := unix.Getpriority(unix.PRIO_PROCESS, 0)
	if err != nil {
		return os.NewSyscallError("getpriority", err)
	}
	return os.NewSyscallError("setpriority", unix.Setpriority(unix.PRIO_PROCESS, 0, now+n))
}
