//go:build !linux || portable

package ipc

import (
	"os"
	"syscall"

	"golang.org/x/sys/unix"
)

const atomicWrite = 512

func newPipe() (r, w int, err error) {
	var fds [2]int
	// Without pipe2 a program started between the two calls would inherit both
	// ends; starting one takes this lock.
	syscall.ForkLock.RLock()
	defer syscall.ForkLock.RUnlock()
	if err := unix.Pipe(fds[:]); err != nil {
		return 0, 0, os.NewSyscallError("pipe", err)
	}
	unix.CloseOnExec(fds[0])
	unix.CloseOnExec(fds[1])
	return fds[0], fds[1], nil
}

// growPipe does nothing: a wish is all that is lost.
func growPipe(int, int) {}

func pipeCapacity(int) int { return 0 }

func pollNow(fd int) (bool, error) {
	p := []unix.PollFd{{Fd: int32(fd), Events: unix.POLLIN}}
	var n int
	err := retry(func() (err error) {
		n, err = unix.Poll(p, 0)
		return err
	})
	if err != nil {
		return false, os.NewSyscallError("poll", err)
	}
	if p[0].Revents&unix.POLLNVAL != 0 {
		return false, os.NewSyscallError("poll", unix.EBADF)
	}
	return n > 0, nil
}
