//go:build !linux || portable

package ipc

import (
	"math"
	"os"
	"time"

	"golang.org/x/sys/unix"
)

func newWaker() (*waker, error) {
	from, to, err := newPipe()
	if err != nil {
		return nil, err
	}
	for _, fd := range []int{from, to} {
		if err := unix.SetNonblock(fd, true); err != nil {
			_ = unix.Close(from)
			_ = unix.Close(to)
			return nil, os.NewSyscallError("fcntl F_SETFL", err)
		}
	}
	return &waker{from: from, to: to}, nil
}

// pollWait rounds up: poll counts milliseconds, and none would be a busy loop.
func pollWait(fds []unix.PollFd, timeout time.Duration) (int, error) {
	if timeout < 0 {
		return unix.Poll(fds, -1)
	}
	ms := (timeout + time.Millisecond - 1) / time.Millisecond
	return unix.Poll(fds, int(min(ms, math.MaxInt32)))
}
