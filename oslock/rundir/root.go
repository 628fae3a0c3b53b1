package rundir

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strconv"
)

// Env names the environment variable that overrides the place of the run directory.
const Env = "YUNTA_DIR"

var (
	// ErrForeign says that the run directory belongs to another user.
	ErrForeign = errors.New("rundir: directory of another user")
	// ErrUnsafe says that the run directory is no directory, is a symbolic link, or is open to others
	// in a way that is not ours to repair.
	ErrUnsafe = errors.New("rundir: unsafe directory")
)

// Root returns the path of the user's run directory and makes it, with mode 0700, where it is missing.
//
// A directory that another user owns is an error that wraps [ErrForeign] and names the owner; a symbolic
// link in its place, or a file, is one that wraps [ErrUnsafe]. A mode other than 0700 is repaired
// when the directory is ours. One named by $YUNTA_DIR is repaired only while it is empty: a slip such as
// YUNTA_DIR=/tmp must not close a directory that others use.
//
// Nothing is cached: the environment and the directory are looked at anew by each call, a few system
// calls long.
func Root() (string, error) {
	d, err := openRoot()
	if err != nil {
		return "", err
	}
	path := d.Name()
	return path, d.Close()
}

// openRoot returns the run directory, checked, as an open file whose name is its path.
func openRoot() (*os.File, error) {
	if path, ok := os.LookupEnv(Env); ok && path != "" {
		if !filepath.IsAbs(path) {
			return nil, fmt.Errorf("rundir: $%s is %q, want an absolute path", Env, path)
		}
		return openPrivate(filepath.Clean(path), false)
	}
	return openFirst(places, os.Geteuid())
}

// openFirst opens the run directory of uid in the first of the given directories that can be used. Only a
// place that refuses to be written to is passed over. A directory that is there but belongs to
// somebody else ends the search: going on would give one user two run directories, at a stranger's choice.
func openFirst(places []string, uid int) (*os.File, error) {
	var errs []error
	for _, place := range places {
		d, err := openPrivate(filepath.Join(place, "yunta-"+strconv.Itoa(uid)), true)
		if err == nil {
			return d, nil
		}
		errs = append(errs, err)
		if !unusable(err) {
			break
		}
	}
	return nil, errors.Join(errs...)
}

// openPrivate opens the directory at path without following a link there, after making it if it is
// missing, and checks that it is a private one of ours. repair allows its mode to be set even if there is
// something in it.
func openPrivate(path string, repair bool) (*os.File, error) {
	if err := os.Mkdir(path, 0o700); err != nil && !errors.Is(err, fs.ErrExist) {
		return nil, fmt.Errorf("rundir: %w", err)
	}
	d, err := openNoFollow(path)
	if errors.Is(err, fs.ErrPermission) && chmodOurs(path) {
		d, err = openNoFollow(path) // a umask or a person took even our own right to read it
	}
	if err != nil {
		return nil, explainOpen(path, err)
	}
	if err := checkPrivate(d, repair); err != nil {
		d.Close()
		return nil, err
	}
	return d, nil
}

// explainOpen says what is at a path that could not be opened as a directory.
func explainOpen(path string, err error) error {
	info, lerr := os.Lstat(path)
	switch {
	case lerr != nil:
		return fmt.Errorf("rundir: %w", err)
	case info.Mode()&fs.ModeSymlink != 0:
		return fmt.Errorf("%w: %s is a symbolic link, want a directory", ErrUnsafe, path)
	case !info.IsDir():
		return fmt.Errorf("%w: %s is a file, want a directory", ErrUnsafe, path)
	}
	if uid, ours := owner(info); !ours {
		return foreign(path, uid)
	}
	return fmt.Errorf("rundir: %w", err)
}

func checkPrivate(d *os.File, repair bool) error {
	info, err := d.Stat()
	if err != nil {
		return fmt.Errorf("rundir: %w", err)
	}
	if uid, ours := owner(info); !ours {
		return foreign(d.Name(), uid)
	}
	if mode := info.Mode().Perm(); mode != 0o700 {
		if !repair && !empty(d) {
			return fmt.Errorf("%w: %s has mode %04o, want 0700 (chmod 700 it, or name another directory in $%s)",
				ErrUnsafe, d.Name(), mode, Env)
		}
		if err := d.Chmod(0o700); err != nil {
			return fmt.Errorf("rundir: %w", err)
		}
	}
	return writable(d)
}

func empty(d *os.File) bool {
	names, _ := d.Readdirnames(1)
	_, err := d.Seek(0, 0)
	return len(names) == 0 && err == nil
}

func foreign(path string, uid int) error {
	name := ""
	if n := userName(uid); n != "" {
		name = " (" + n + ")"
	}
	return fmt.Errorf("%w: %s belongs to user %d%s, not to user %d; set $%s to a directory of your own",
		ErrForeign, path, uid, name, os.Geteuid(), Env)
}
