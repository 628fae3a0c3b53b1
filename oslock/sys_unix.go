//go:build unix

package oslock

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"time"

	"golang.org/x/sys/unix"
)

// The system calls that the registry and the lock files need. Descriptors are close-on-exec:
// a flock belongs to the open file, and a program that inherited it would keep its owner alive.

// flock modes, for files without an OS suffix.
const (
	flockShared    = unix.LOCK_SH
	flockExclusive = unix.LOCK_EX
)

// fileID is what tells one file of the machine from another.
type fileID struct{ dev, ino uint64 }

// mixed is the identity as one number, never 0.
func (id fileID) mixed() uint64 { return (id.ino<<20 ^ id.dev) | 1<<63 }

// openAt opens name in the open folder dir, never through a symbolic link.
func openAt(dir int, name string, flags int, mode uint32) (fd int, err error) {
	err = retry(func() (err error) {
		fd, err = unix.Openat(dir, name, flags|unix.O_CLOEXEC|unix.O_NOFOLLOW, mode)
		return err
	})
	if err != nil {
		return -1, &fs.PathError{Op: "open", Path: name, Err: err}
	}
	return fd, nil
}

// openFolder opens a folder to look into.
func openFolder(path string) (int, error) {
	return openAt(unix.AT_FDCWD, path, unix.O_RDONLY|unix.O_DIRECTORY, 0)
}

// openOrMake opens name in dir for reading and writing, and makes an empty file where there is none.
func openOrMake(dir int, name string, mode uint32) (int, error) {
	return openAt(dir, name, unix.O_RDWR|unix.O_CREAT, mode)
}

// openThere opens name in dir for reading and writing.
func openThere(dir int, name string) (int, error) { return openAt(dir, name, unix.O_RDWR, 0) }

// openToTest opens name in dir just to look at it, not waiting for the other end if it is a pipe. The
// others open for reading and writing, which needs no other end.
func openToTest(dir int, name string) (int, error) {
	return openAt(dir, name, unix.O_RDONLY|unix.O_NONBLOCK, 0)
}

// duplicate returns another descriptor of the same open file.
func duplicate(fd int) (dup int, err error) {
	err = retry(func() (err error) {
		dup, err = unix.FcntlInt(uintptr(fd), unix.F_DUPFD_CLOEXEC, 3)
		return err
	})
	return dup, os.NewSyscallError("fcntl", err)
}

func closeFD(fd int) { _ = unix.Close(fd) }

// cannotBeOurs reports whether opening failed because of what the file is: a folder, a
// symbolic link, a socket or device.
func cannotBeOurs(err error) bool {
	return errors.Is(err, unix.EISDIR) || errors.Is(err, unix.ELOOP) || errors.Is(err, unix.ENXIO) ||
		errors.Is(err, unix.EMLINK) || errors.Is(err, unix.EOPNOTSUPP)
}

// tryFlockFD takes a flock on fd if that needs no waiting. A refused conversion loses the flock
// that was there before (flock(2), "Notes").
func tryFlockFD(fd, how int) (bool, error) {
	err := retry(func() error { return unix.Flock(fd, how|unix.LOCK_NB) })
	if errors.Is(err, unix.EWOULDBLOCK) {
		return false, nil
	}
	return err == nil, os.NewSyscallError("flock", err)
}

// waitFlockFD takes a flock that others keep for moments only, and gives up with ErrBusy when
// somebody keeps it for longer than patience.
func waitFlockFD(fd, how int, patience time.Duration) error {
	end := time.Now().Add(patience)
	for pause := 20 * time.Microsecond; ; pause = min(2*pause, time.Millisecond) {
		if ok, err := tryFlockFD(fd, how); ok || err != nil {
			return err
		}
		if time.Now().After(end) {
			return ErrBusy
		}
		time.Sleep(pause)
	}
}

// dropFlockFD gives a flock back. Closing is not enough where a mapping of the file goes on.
func dropFlockFD(fd int) { _ = unix.Flock(fd, unix.LOCK_UN) }

// identify returns what fd is open on.
func identify(fd int) (id fileID, size int64, regular bool, err error) {
	var st unix.Stat_t
	if err := retry(func() error { return unix.Fstat(fd, &st) }); err != nil {
		return fileID{}, 0, false, os.NewSyscallError("fstat", err)
	}
	return idOf(&st), st.Size, st.Mode&unix.S_IFMT == unix.S_IFREG, nil
}

// identifyAt returns which file a name in dir leads to, without following a link.
func identifyAt(dir int, name string) (fileID, error) {
	var st unix.Stat_t
	if err := retry(func() error { return unix.Fstatat(dir, name, &st, unix.AT_SYMLINK_NOFOLLOW) }); err != nil {
		return fileID{}, &fs.PathError{Op: "stat", Path: name, Err: err}
	}
	return idOf(&st), nil
}

func idOf(st *unix.Stat_t) fileID {
	return fileID{widen(st.Dev), st.Ino}
}

// widen is for fields whose size the systems do not agree on.
func widen[T int32 | uint32 | int64 | uint64](v T) uint64 { return uint64(v) }

// workingFolder stands for the working directory where a dir is asked for.
const workingFolder = unix.AT_FDCWD

// retry calls again what a signal has interrupted.
func retry(call func() error) error {
	for {
		if err := call(); !errors.Is(err, unix.EINTR) {
			return err
		}
	}
}

// readAt fills as much of p as the file has from off on.
func readAt(fd int, p []byte, off int64) (n int, err error) {
	for n < len(p) {
		var m int
		err := retry(func() (err error) { m, err = unix.Pread(fd, p[n:], off+int64(n)); return err })
		if err != nil {
			return n, os.NewSyscallError("pread", err)
		}
		if m == 0 {
			break
		}
		n += m
	}
	return n, nil
}

// writeAt writes all of p at off.
func writeAt(fd int, p []byte, off int64) error {
	for n := 0; n < len(p); {
		var m int
		err := retry(func() (err error) { m, err = unix.Pwrite(fd, p[n:], off+int64(n)); return err })
		if err != nil {
			return os.NewSyscallError("pwrite", err)
		}
		if m == 0 {
			return fmt.Errorf("pwrite: %w", fs.ErrInvalid)
		}
		n += m
	}
	return nil
}

// setSize makes the file size bytes long.
func setSize(fd int, size int64) error {
	return os.NewSyscallError("ftruncate", retry(func() error { return unix.Ftruncate(fd, size) }))
}
