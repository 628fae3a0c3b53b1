package jobs

import (
	"errors"
	"os"
	"strconv"

	"golang.org/x/sys/unix"
)

// renice makes this process, and the jobs it starts, give way to others. Here niceness belongs to threads: a new one, or process, has that
// of the thread which made it (setpriority(2)).
func renice(n int) error {
	now, err := unix.Getpriority(unix.PRIO_PROCESS, 0) // 20 less niceness
	if err != nil {
		return os.NewSyscallError("getpriority", err)
	}
	// A thread that was being made meanwhile is found when they are looked at again.
	for settled := 0; settled < 2; settled++ {
		changed, err := reniceThreads(now, 20-now+n)
		if err != nil {
			return err
		}
		if changed {
			settled = -1
		}
	}
	return nil
}

// reniceThreads changes those threads whose priority is still what it was.
func reniceThreads(from, to int) (changed bool, err error) {
	threads, err := os.ReadDir("/proc/self/task")
	if err != nil {
		return false, err
	}
	for _, t := range threads {
		id, err := strconv.Atoi(t.Name())
		if err != nil {
			continue
		}
		is, err := unix.Getpriority(unix.PRIO_PROCESS, id)
		if err == nil && is == from {
			changed, err = true, unix.Setpriority(unix.PRIO_PROCESS, id, to)
			if err == nil {
				// Beyond the limits it is cut, and would look unchanged for ever.
				if is, err = unix.Getpriority(unix.PRIO_PROCESS, id); err == nil && is == from {
					return false, nil
				}
			}
		}
		if err != nil && !errors.Is(err, unix.ESRCH) {
			return false, os.NewSyscallError("setpriority", err)
		}
	}
	return changed, nil
}
