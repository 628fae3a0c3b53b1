//go:build linux && !portable

package ipc

import (
	"os"
	"time"

	"golang.org/x/sys/unix"
)

// Kernel versions: eventfd2 2.6.27, ppoll 2.6.16.

func newWaker() (*waker, error) {
	fd, err := unix.Eventfd(0, unix.EFD_CLOEXEC|unix.EFD_NONBLOCK)
	if err != nil {
		return nil, os.NewSyscallError("eventfd", err)
	}
	return &waker{from: fd, to: fd}, nil
}

func pollWait(fds []unix.PollFd, timeout time.Duration) (int, error) {
	if timeout < 0 {
		return unix.Ppoll(fds, nil, nil)
	}
	ts := unix.NsecToTimespec(int64(timeout))
	return unix.Ppoll(fds, &ts, nil)
}
