//go:build linux && !portable

package oslock

import (
	"os"

	"golang.org/x/sys/unix"
)

// holdFlock keeps the flock of fd for the life of the process and returns a descriptor to keep, or
// -1. On Linux a mapping keeps the open file, and so its flock, after the descriptor is
// closed: no stray close, and no loop that closes every descriptor, can make this process look dead.
func holdFlock(fd int) (keep int, err error) {
	// Never touched, never unmapped: the file is empty and the pages are not accessible.
	if _, err := unix.Mmap(fd, 0, 1, unix.PROT_NONE, unix.MAP_SHARED); err != nil {
		return fd, os.NewSyscallError("mmap", err)
	}
	closeFD(fd)
	return -1, nil
}
