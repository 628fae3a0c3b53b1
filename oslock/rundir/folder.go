package rundir

import (
	"crypto/rand"
	"encoding/hex"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"sync"
	"time"
)

const (
	// finished and unfinished start the names of folders. Named locks share the directory, but they are
	// files: a sweep looks at directories alone.
	finished   = "run-"
	unfinished = ".run-"

	aliveName = "alive"

	// maxPrefix bounds a name's length in bytes: sockets in a folder have a path limit of 104 (macOS).
	maxPrefix = 24
	// rootTries is how often the run directory is opened anew when someone has removed it meanwhile.
	rootTries = 8
	// lockPatience bounds the wait for the run directory's lock. It is held for well under a
	// millisecond, so a wait this long means a process stopped by a debugger or by ^Z.
	lockPatience = 10 * time.Second
)

// testHook is called between any two steps that a kill may separate. Only tests set it.
var testHook func(step string)

func hook(step string) {
	if testHook != nil {
		testHook(step)
	}
}

// Dir is one process's folder in the run directory. It exists until Close, or until a sweep finds that the
// process has ended without one. It must not be copied.
type Dir struct {
	path  string
	swept int
	alive *os.File // flocked; the kernel drops the lock with the process
	once  sync.Once
	err   error
}

// Create sweeps the run directory and makes a new folder in it for this process, named after prefix. Bytes
// of prefix that would be awkward in a file name are replaced, and what is too long is cut off.
//
// The folder is made under a temporary name and gets its own when it is whole, so that [List] and
// [Sweep] in other processes see either nothing or a living folder. Create waits for other processes that
// make or sweep folders, at most ten seconds.
func Create(prefix string) (*Dir, error) {
	return create(openRoot, prefix)
}

// CreateIn is [Create] in another directory than the run directory, for what is too large for it. The directory is made where it is
// missing, must be the user's own and gets mode 0700. It is swept like the run directory, but by CreateIn alone.
func CreateIn(path, prefix string) (*Dir, error) {
	if !filepath.IsAbs(path) {
		return nil, fmt.Errorf("rundir: %q, want an absolute path", path)
	}
	return create(func() (*os.File, error) { return openPrivate(filepath.Clean(path), true) }, prefix)
}

func create(open func() (*os.File, error), prefix string) (*Dir, error) {
	root, err := lockedDirectory(open)
	if err != nil {
		return nil, err
	}
	defer closeRoot(root)
	hook("locked")
	prefix = clean(prefix)
	// A sweep that fails half-way (a leftover that cannot be removed) must not keep a new supervisor
	// from starting: Sweep reports it to whoever asks.
	swept, _ := sweep(root)

	var random [6]byte
	rand.Read(random[:])
	name := prefix + "-" + strconv.Itoa(os.Getpid()) + "-" + hex.EncodeToString(random[:])
	temporary := filepath.Join(root.Name(), unfinished+name)
	d := &Dir{path: filepath.Join(root.Name(), finished+name), swept: swept}
	if err := d.build(temporary, prefix); err != nil {
		if d.alive != nil {
			d.alive.Close()
		}
		return nil, fmt.Errorf("rundir: %w", errors.Join(err, os.RemoveAll(temporary)))
	}
	return d, nil
}

// build makes the folder, step by step. The directory's lock is held.
func (d *Dir) build(temporary, prefix string) error {
	if err := os.Mkdir(temporary, 0o700); err != nil {
		return err
	}
	hook("folder made")
	f, err := os.OpenFile(filepath.Join(temporary, aliveName), os.O_RDWR|os.O_CREATE|os.O_EXCL, 0o600)
	if err != nil {
		return err
	}
	d.alive = f
	hook("alive made")
	if ok, err := tryLock(f); err != nil {
		return err
	} else if !ok {
		return fmt.Errorf("%s, made just now, is locked by another process", f.Name())
	}
	hook("alive locked")
	if _, err := f.WriteString(describe(prefix)); err != nil {
		return err
	}
	hook("alive written")
	if err := os.Rename(temporary, d.path); err != nil {
		return err
	}
	hook("renamed")
	return nil
}

// Path returns the folder's path.
func (d *Dir) Path() string { return d.path }

// Swept returns how many folders of dead processes Create removed.
func (d *Dir) Swept() int { return d.swept }

// Close removes the folder and all in it. It may be called again, from any goroutine, and then returns what
// the first call did. That somebody else has removed the folder already is no error.
func (d *Dir) Close() error {
	d.once.Do(func() {
		hook("close begins")
		d.err = errors.Join(removeFolder(d.path), d.alive.Close())
		if d.err != nil {
			d.err = fmt.Errorf("rundir: %w", d.err)
		}
		hook("closed")
	})
	return d.err
}

// removeFolder removes a folder whose alive file the caller has locked. That file goes last: a folder
// half removed is then still the caller's until he is done, or dead if he dies.
func removeFolder(path string) error {
	entries, err := os.ReadDir(path)
	if err != nil && !errors.Is(err, fs.ErrNotExist) {
		return err
	}
	for _, e := range entries {
		if e.Name() == aliveName {
			continue
		}
		hook("remove entry")
		if err := os.RemoveAll(filepath.Join(path, e.Name())); err != nil {
			return err
		}
	}
	hook("remove alive")
	if err := os.RemoveAll(filepath.Join(path, aliveName)); err != nil {
		return err
	}
	hook("remove folder")
	return os.RemoveAll(path)
}

// clean turns any text into part of a file name.
func clean(prefix string) string {
	s := strings.Map(func(r rune) rune {
		switch {
		case r >= 'a' && r <= 'z', r >= 'A' && r <= 'Z', r >= '0' && r <= '9', r == '_', r == '.':
			return r
		}
		return '_'
	}, prefix)
	if len(s) > maxPrefix {
		s = s[:maxPrefix]
	}
	if s == "" {
		s = "yunta"
	}
	return s
}
