//go:build unix

package oslock

import (
	"errors"
	"io/fs"
	"os"

	"github.com/gofrs/flock"
	"golang.org/x/sys/unix"
)

// fileLockReplaced is how often in one attempt a lock is given back because the file is no longer the one at
// its path. Only a program that removes the file at every turn makes it more than one.
const fileLockReplaced = 4

// pathLocker locks by path through gofrs/flock, which opens the file for each attempt and closes it
// afterwards unless the lock was granted. It opens an existing file first without O_CREAT, which would
// be refused for a directory, and for another user's file in /tmp (sysctl fs.protected_regular, Linux 4.19).
type pathLocker struct {
	path             string
	existing, making *flock.Flock
	owned            *flock.Flock // the one of the two that has the lock
}

func newPathLocker(path string, mode fs.FileMode) *pathLocker {
	// O_NONBLOCK: opening a named pipe must not wait for its other end.
	const flags = os.O_RDONLY | unix.O_NONBLOCK
	return &pathLocker{
		path:     path,
		existing: flock.New(path, flock.SetFlag(flags), flock.SetPermissions(mode)),
		making:   flock.New(path, flock.SetFlag(flags|os.O_CREATE), flock.SetPermissions(mode)),
	}
}

func (p *pathLocker) try(shared bool) (bool, error) {
	for range fileLockReplaced {
		f := p.existing
		ok, err := tryFlock(f, shared)
		if errors.Is(err, fs.ErrNotExist) {
			f = p.making
			ok, err = tryFlock(f, shared)
		}
		if !ok || err != nil {
			return false, p.named(err)
		}
		if p.current(f) {
			p.owned = f
			return true, nil
		}
		if err := f.Unlock(); err != nil {
			return false, p.named(err)
		}
	}
	return false, nil
}

func tryFlock(f *flock.Flock, shared bool) (bool, error) {
	if shared {
		return f.TryRLock()
	}
	return f.TryLock()
}

// current says whether the path still leads to the file we locked. A program that removes its lock file while
// owning it leaves those who had opened it before with a lock that excludes nobody.
func (p *pathLocker) current(f *flock.Flock) bool {
	locked, err := f.Stat()
	if err != nil {
		return false
	}
	named, err := os.Stat(p.path)
	return err == nil && os.SameFile(locked, named)
}

func (p *pathLocker) unlock() error {
	if err := p.owned.Unlock(); err != nil {
		return p.named(err)
	}
	p.owned = nil
	return nil
}

// named gives a bare errno from flock(2) its call. Errors of open have it already.
func (p *pathLocker) named(err error) error {
	if errno, ok := err.(unix.Errno); ok { //nolint:errorlint // a bare one is meant: a wrapped one has its name
		return os.NewSyscallError("flock", errno)
	}
	return err
}

// descriptorLocker locks an open file. gofrs/flock would open it anew, and so make another lock of it.
type descriptorLocker struct{ f *os.File }

func (d *descriptorLocker) try(shared bool) (bool, error) {
	how := unix.LOCK_EX
	if shared {
		how = unix.LOCK_SH
	}
	err := d.flock(how | unix.LOCK_NB)
	if errors.Is(err, unix.EWOULDBLOCK) {
		return false, nil
	}
	return err == nil, err
}

func (d *descriptorLocker) unlock() error { return d.flock(unix.LOCK_UN) }

// flock goes through SyscallConn, which fails on a closed file instead of locking whatever has got the
// number since, and leaves a non-blocking descriptor as it is.
func (d *descriptorLocker) flock(how int) error {
	conn, err := d.f.SyscallConn()
	if err != nil {
		return err
	}
	var errno error
	if conn.Control(func(fd uintptr) {
		for {
			if errno = unix.Flock(int(fd), how); errno != unix.EINTR {
				return
			}
		}
	}) != nil {
		return os.ErrClosed // the only reason there is, in an error of an internal type
	}
	return os.NewSyscallError("flock", errno)
}
