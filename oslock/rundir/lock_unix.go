//go:build unix

package rundir

import (
	"io/fs"
	"os"
	"path/filepath"

	"golang.org/x/sys/unix"
)

// openAlive opens a folder's alive file, following no link and blocking on no pipe someone put there.
func openAlive(folder string) (*os.File, error) {
	return os.OpenFile(filepath.Join(folder, aliveName), os.O_RDWR|unix.O_NOFOLLOW|unix.O_NONBLOCK, 0)
}

// tryLock asks for an exclusive flock(2) and says whether it was granted.
func tryLock(f *os.File) (bool, error) { return flock(f, unix.LOCK_EX|unix.LOCK_NB) }

func tryLockShared(f *os.File) (bool, error) { return flock(f, unix.LOCK_SH|unix.LOCK_NB) }

// unlock cannot fail on a file that was locked.
func unlock(f *os.File) { _, _ = flock(f, unix.LOCK_UN) }

func flock(f *os.File, how int) (bool, error) {
	for {
		switch err := unix.Flock(int(f.Fd()), how); err {
		case nil:
			return true, nil
		case unix.EWOULDBLOCK:
			return false, nil
		case unix.EINTR:
		default:
			return false, &fs.PathError{Op: "flock", Path: f.Name(), Err: err}
		}
	}
}
