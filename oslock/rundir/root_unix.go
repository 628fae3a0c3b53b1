//go:build unix

package rundir

import (
	"errors"
	"io/fs"
	"os"
	"strconv"
	"strings"
	"syscall"

	"golang.org/x/sys/unix"
)

// openNoFollow opens a directory; a symbolic link as the last part of its path is an error.
func openNoFollow(path string) (*os.File, error) {
	for {
		fd, err := unix.Open(path, unix.O_RDONLY|unix.O_DIRECTORY|unix.O_NOFOLLOW|unix.O_CLOEXEC, 0)
		if err == nil {
			return os.NewFile(uintptr(fd), path), nil
		}
		if err != unix.EINTR {
			return nil, &fs.PathError{Op: "open", Path: path, Err: err}
		}
	}
}

// chmodOurs gives a directory of ours that we cannot even read the mode 0700. Between the look
// and the change only we could put something else there: the directories around it are sticky.
func chmodOurs(path string) bool {
	info, err := os.Lstat(path)
	if err != nil || !info.IsDir() {
		return false
	}
	_, ours := owner(info)
	return ours && os.Chmod(path, 0o700) == nil
}

// owner returns who owns a file, and whether that is us.
func owner(info fs.FileInfo) (uid int, ours bool) {
	st, ok := info.Sys().(*syscall.Stat_t)
	if !ok {
		return -1, false
	}
	return int(st.Uid), int(st.Uid) == os.Geteuid()
}

// writable fails where the file system has become read-only: a mode does not tell.
func writable(d *os.File) error {
	if err := unix.Access(d.Name(), unix.W_OK|unix.X_OK); err != nil {
		return &fs.PathError{Op: "access", Path: d.Name(), Err: err}
	}
	return nil
}

// unusable says whether an error means that a place as such cannot be used, so that the next one may be.
func unusable(err error) bool {
	if errors.Is(err, ErrForeign) || errors.Is(err, ErrUnsafe) {
		return false
	}
	for _, no := range []syscall.Errno{unix.ENOENT, unix.ENOTDIR, unix.EACCES, unix.EPERM, unix.EROFS, unix.ENOSYS, unix.ENODEV} {
		if errors.Is(err, no) {
			return true
		}
	}
	return false
}

// userName looks a user up in /etc/passwd, for the text of an error alone. The package os/user would
// know more users, and would link the C library into every program.
func userName(uid int) string {
	data, err := os.ReadFile("/etc/passwd")
	if err != nil {
		return ""
	}
	want := strconv.Itoa(uid)
	for line := range strings.Lines(string(data)) {
		if f := strings.Split(line, ":"); len(f) > 2 && f[2] == want {
			return f[0]
		}
	}
	return ""
}
