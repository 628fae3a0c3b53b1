//go:build linux && !portable

package oslock

import (
	"os"

	"golang.org/x/sys/unix"
)

// holdFlock keeps the flock of fd for the life of the process. On Linux a mapping keeps the open file, and so its
// flock, after the descriptor is closed: no stray close, and no loop that closes every descriptor, can
// make this process look dead. The descriptor stays open all the same, to be lent by Life.
func holdFlock(fd int) error {
	// Never touched, never unmapped: the file is empty and the pages are not accessible.
	_, err := unix.Mmap(fd, 0, 1, unix.PROT_NONE, unix.MAP_SHARED)
	return os.NewSyscallError("mmap", err)
}
