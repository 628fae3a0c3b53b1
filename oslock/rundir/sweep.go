package rundir

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"time"
	"unicode"
)

// Sweep removes the folders of processes that have ended without removing their own, and returns how
// many those were. Folders of living processes, folders being made and all other entries of the run
// directory stay. Several processes may sweep at once; each waits for the one before, at
// most ten seconds. What cannot be removed is reported after the rest is done.
func Sweep() (n int, err error) {
	root, err := lockedRoot()
	if err != nil {
		return 0, err
	}
	defer closeRoot(root)
	return sweep(root)
}

func lockedRoot() (*os.File, error) { return lockedDirectory(openRoot) }

// lockedDirectory opens the run directory, or another in its stead, and takes its flock. If the directory was removed and made
// again while we waited, the lock is on something that no other process will look at: once more then.
func lockedDirectory(open func() (*os.File, error)) (*os.File, error) {
	for try := 1; ; try++ {
		root, err := open()
		if err != nil {
			return nil, err
		}
		if err := lockRoot(root); err != nil {
			root.Close()
			return nil, err
		}
		if current(root) {
			return root, nil
		}
		closeRoot(root)
		if try == rootTries {
			return nil, fmt.Errorf("rundir: %s: removed again and again while being opened: %w", root.Name(), fs.ErrNotExist)
		}
	}
}

// current says whether the run directory's path still leads to the directory we have open.
func current(root *os.File) bool {
	open, err := root.Stat()
	if err != nil {
		return false
	}
	named, err := os.Lstat(root.Name())
	return err == nil && os.SameFile(open, named)
}

// closeRoot unlocks before it closes: a child that is being forked just now has a copy of the descriptor
// until it execs, and with it the lock.
func closeRoot(root *os.File) {
	unlock(root)
	root.Close()
}

// lockRoot takes the run directory's own lock. It asks again and again instead of blocking in
// the kernel, where no deadline would reach it.
func lockRoot(root *os.File) error {
	start, pause := time.Now(), 50*time.Microsecond
	for {
		ok, err := tryLock(root)
		if err != nil {
			return fmt.Errorf("rundir: %w", err)
		}
		if ok {
			return nil
		}
		if time.Since(start) > lockPatience {
			return fmt.Errorf("rundir: %s has been locked for %v: is a process that was using it stopped?", root.Name(), lockPatience)
		}
		time.Sleep(pause)
		pause = min(2*pause, 2*time.Millisecond)
	}
}

// sweep is Sweep with the directory's lock held.
func sweep(root *os.File) (n int, err error) {
	names, err := folders(root.Name(), finished, unfinished)
	if err != nil {
		return 0, err
	}
	var errs []error
	for _, name := range names {
		path := filepath.Join(root.Name(), name)
		removed, err := sweepFolder(path)
		if err != nil {
			errs = append(errs, fmt.Errorf("rundir: sweep: %w", err))
		}
		if removed {
			n++
		}
	}
	return n, errors.Join(errs...)
}

// sweepFolder removes one folder if its process is dead. The lock on alive, once it is ours, is kept until
// the folder is gone. A folder without the file is one that was being made or removed when its
// process died: those alive do either with the directory locked, or with alive removed last.
func sweepFolder(path string) (removed bool, err error) {
	f, err := openAlive(path)
	switch {
	case errors.Is(err, fs.ErrNotExist):
	case err != nil:
		return false, err
	default:
		defer f.Close()
		if ok, err := tryLock(f); err != nil || !ok {
			return false, err
		}
	}
	hook("sweep folder")
	err = removeFolder(path)
	return err == nil, err
}

// folders returns the names of the directories in root that start with one of the prefixes.
func folders(root string, prefixes ...string) ([]string, error) {
	entries, err := os.ReadDir(root)
	if err != nil {
		return nil, fmt.Errorf("rundir: %w", err)
	}
	var names []string
	for _, e := range entries {
		has := func(p string) bool { return strings.HasPrefix(e.Name(), p) }
		if e.IsDir() && slices.ContainsFunc(prefixes, has) {
			names = append(names, e.Name())
		}
	}
	return names, nil
}

// Folder is the folder of a living process, as [List] finds it.
type Folder struct {
	Path    string    // of the folder
	Name    string    // the prefix given to Create
	PID     int       // of the process, in its own PID namespace
	Started time.Time // when the folder was made
	Program string    // base name of the program
}

// List returns the folders of the user's living processes, oldest first. It changes nothing and
// waits for nobody; a folder may be gone by the time the caller looks into it.
func List() ([]Folder, error) {
	root, err := Root()
	if err != nil {
		return nil, err
	}
	names, err := folders(root, finished)
	if err != nil {
		return nil, err
	}
	var living []Folder
	for _, name := range names {
		path := filepath.Join(root, name)
		if f, ok := inspect(path); ok {
			living = append(living, f)
		}
	}
	slices.SortFunc(living, func(a, b Folder) int { return a.Started.Compare(b.Started) })
	return living, nil
}

// inspect reads a folder's description if its process lives.
func inspect(path string) (Folder, bool) {
	f, err := openAlive(path)
	if err != nil {
		return Folder{}, false
	}
	defer f.Close()
	// A shared lock, so that two readers do not take each other for the owner. A sweep that meets
	// one leaves the dead folder to the next sweep.
	if ok, err := tryLockShared(f); err != nil || ok {
		return Folder{}, false
	}
	buf := make([]byte, 2048)
	n, _ := f.ReadAt(buf, 0)
	d := parse(string(buf[:n]))
	d.Path = path
	return d, true
}

// describe returns what is written into alive: lines of a key, a space and a value, for people as well.
func describe(prefix string) string {
	program := filepath.Base(os.Args[0])
	return fmt.Sprintf("name %s\npid %d\nstarted %d\nprogram %q\n", prefix, os.Getpid(), time.Now().UnixNano(), program)
}

// parse reads what describe wrote. Lines it does not know are for later versions.
func parse(text string) Folder {
	var f Folder
	for line := range strings.Lines(text) {
		key, value, _ := strings.Cut(strings.TrimSuffix(line, "\n"), " ")
		switch key {
		case "name":
			f.Name = printable(value)
		case "pid":
			f.PID, _ = strconv.Atoi(value)
		case "started":
			if ns, err := strconv.ParseInt(value, 10, 64); err == nil {
				f.Started = time.Unix(0, ns)
			}
		case "program":
			program, _ := strconv.Unquote(value)
			f.Program = printable(program)
		}
	}
	return f
}

// printable replaces what a terminal might obey: the text may be anybody's of this user.
func printable(s string) string {
	return strings.Map(func(r rune) rune {
		if unicode.IsPrint(r) {
			return r
		}
		return '?'
	}, s)
}
