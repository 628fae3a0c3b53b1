//go:build linux && !portable

package ipc

import (
	"errors"
	"os"
	"unsafe"

	"golang.org/x/sys/unix"
)

// Kernel versions: pipe2 2.6.27, F_SETPIPE_SZ 2.6.35, ppoll 2.6.16.

const atomicWrite = 4096

func newPipe() (r, w int, err error) {
	var fds [2]int
	if err := unix.Pipe2(fds[:], unix.O_CLOEXEC); err != nil {
		return 0, 0, os.NewSyscallError("pipe2", err)
	}
	return fds[0], fds[1], nil
}

func growPipe(fd, capacity int) {
	// Refused above the user's limit of pages (pipe(7)): the pipe works all
	// the same, and Capacity says what it has.
	_, _ = unix.FcntlInt(uintptr(fd), unix.F_SETPIPE_SZ, capacity)
}

func pipeCapacity(fd int) int {
	n, err := unix.FcntlInt(uintptr(fd), unix.F_GETPIPE_SZ, 0)
	if err != nil {
		return 0
	}
	return n
}

// pollNow is ppoll with a timeout of zero, which never blocks: so it need not
// tell the scheduler, which halves what one turn of a spin costs.
func pollNow(fd int) (bool, error) {
	p := unix.PollFd{Fd: int32(fd), Events: unix.POLLIN}
	var zero unix.Timespec
	for {
		n, _, errno := unix.RawSyscall6(unix.SYS_PPOLL, uintptr(unsafe.Pointer(&p)), 1,
			uintptr(unsafe.Pointer(&zero)), 0, 0, 0)
		switch {
		case errors.Is(errno, unix.EINTR):
		case errno != 0:
			return false, os.NewSyscallError("ppoll", errno)
		case p.Revents&unix.POLLNVAL != 0:
			return false, os.NewSyscallError("ppoll", unix.EBADF)
		default:
			return n > 0, nil
		}
	}
}
