//go:build unix

package ipc

import (
	"errors"
	"os"

	"golang.org/x/sys/unix"
)

// preparePipe takes over an inherited descriptor: one that is not open must
// be found here, before the number is used for something else.
func preparePipe(fd int) error {
	if _, err := unix.FcntlInt(uintptr(fd), unix.F_SETFD, unix.FD_CLOEXEC); err != nil {
		return os.NewSyscallError("fcntl F_SETFD", err)
	}
	// O_NONBLOCK belongs to the pipe's end, not to the descriptor: whoever
	// passed it on may have left it set.
	return os.NewSyscallError("fcntl F_SETFL", unix.SetNonblock(fd, false))
}

// retry calls f again as long as a signal interrupts it.
func retry(f func() error) error {
	for {
		if err := f(); !errors.Is(err, unix.EINTR) {
			return err
		}
	}
}
