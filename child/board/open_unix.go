//go:build unix

package board

import (
	"errors"
	"os"

	"golang.org/x/sys/unix"
)

// openFile follows no link and blocks on no named pipe.
func openFile(path string, write bool) (*os.File, error) {
	flags := unix.O_RDONLY
	if write {
		flags = unix.O_RDWR
	}
	for {
		fd, err := unix.Open(path, flags|unix.O_NOFOLLOW|unix.O_NONBLOCK|unix.O_CLOEXEC, 0)
		switch {
		case errors.Is(err, unix.EINTR):
		case err != nil:
			return nil, &os.PathError{Op: "open", Path: path, Err: err}
		default:
			// A blocking one is nothing for the runtime's poller, which a worker then
			// need not start.
			_ = unix.SetNonblock(fd, false)
			return os.NewFile(uintptr(fd), path), nil
		}
	}
}
