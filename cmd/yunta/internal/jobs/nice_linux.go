package jobs

import (
	"os"
	"strconv"

	"golang.org/x/sys/unix"
)

// renice makes this process, and the jobs it starts, give way to others. Here niceness belongs to threads: a new one, or process, has that
// of the thread which made it (setpriority(2)).
func renice(n int) error {
	now, err := unix.Getpriority(unix.PRIO_PROCESS, 0)
	if err != nil {
		return os.NewSyscallError("getpriority", err)
	}
	threads, err := os.ReadDir("/proc/self/task")
	if err != nil {
		return err
	}
	for _, t := range threads {
		id, err := strconv.Atoi(t.Name())
		if err != nil {
			continue
		}
		// The system call returns 20 less niceness.
		if err := unix.Setpriority(unix.PRIO_PROCESS, id, 20-now+n); err != nil && err != unix.ESRCH {
			return os.NewSyscallError("setpriority", err)
		}
	}
	return nil
}
