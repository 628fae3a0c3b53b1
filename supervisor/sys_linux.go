//go:build linux && !portable

package supervisor

import (
	"syscall"
)

// executable is the running image, even if the file was replaced or removed.
func executable() (string, error) { return "/proc/self/exe", nil }

// sysProcAttr: a process group of its own, and SIGTERM when the forking thread
// ends. Not SIGKILL: a worker so killed could not take along what it started.
func sysProcAttr() *syscall.SysProcAttr {
	return &syscall.SysProcAttr{Setpgid: true, Pdeathsig: syscall.SIGTERM}
}
