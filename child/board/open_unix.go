//go:build unix

package board

import (
	"os"

	"golang.org/x/sys/unix"
)

// openFile follows no link and blocks on no named pipe.
func openFile(path string, write bool) (*os.File, error) {
	flags := os.O_RDONLY
	if write {
		flags = os.O_RDWR
	}
	return os.OpenFile(path, flags|unix.O_NOFOLLOW|unix.O_NONBLOCK, 0)
}
