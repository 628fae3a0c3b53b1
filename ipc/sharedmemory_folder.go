package ipc

import (
	"context"
	"crypto/rand"
	"encoding/hex"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"sync"

	"yunta/oslock"
	"yunta/oslock/mapped"
	"yunta/oslock/rundir"
)

const (
	// folderName is what the folders of this package are called in the run directory: run-memory-PID-RANDOM.
	folderName = "memory"
	// Files in a folder, beside "alive": the segments, the locks that go with them, and segments being made.
	segmentPrefix = "m-"
	lockPrefix    = "l-"
	makingPrefix  = ".making-"
	// guardName is a file in the run directory whose flock makes one name after the other: so that
	// a name has one maker.
	guardName = ".memory-names"

	maxSegmentName = 200 // bytes: NAME_MAX is 255, and the prefixes take some
	randomTries    = 100 // for a random name that nobody has
)

// ownFolder is this process's folder, while anything of this process's is in it. One for all: every
// folder costs a descriptor, and those who look for a name a look.
var ownFolder folder

type folder struct {
	mu    sync.Mutex // guards the rest
	dir   *rundir.Dir
	files map[string]bool // the segments in it that this process made and has not removed
}

// add makes room in the folder for a segment of that name, and makes the folder first if need be.
func (o *folder) add(name string) (path string, err error) {
	o.mu.Lock()
	defer o.mu.Unlock()
	if o.dir == nil {
		if o.dir, err = rundir.Create(folderName); err != nil {
			return "", err
		}
		o.files = map[string]bool{}
	}
	path = filepath.Join(o.dir.Path(), segmentPrefix+name)
	o.files[path] = true
	return path, nil
}

// dropped says that a segment is gone, whoever made it. The folder goes with the last.
func (o *folder) dropped(path string) {
	o.mu.Lock()
	defer o.mu.Unlock()
	if !o.files[path] {
		return
	}
	delete(o.files, path)
	if len(o.files) == 0 {
		_ = o.dir.Close() // what is left, the next sweep removes
		o.dir, o.files = nil, nil
	}
}

// createSegment makes a segment of that name and size, all zero but for head at its start, and returns it open.
// Nobody can open it before it is whole.
func createSegment(name string, size int64, head []byte) (segment, *os.File, error) {
	if strings.Contains(name, "/") {
		path, err := filepath.Abs(name)
		if err != nil {
			return segment{}, nil, err
		}
		making := filepath.Join(filepath.Dir(path), makingPrefix+randomName())
		f, err := makeSegment(making, path, size, head)
		return segment{name: path, path: path}, f, err
	}
	if err := checkSegmentName(name); name != "" && err != nil {
		return segment{}, nil, err
	}
	unlock, err := lockNames()
	if err != nil {
		return segment{}, nil, err
	}
	defer unlock()
	made := name == ""
	for range randomTries {
		if made {
			name = testHookName()
		}
		_, err = lookUp(name)
		if !made || errors.Is(err, fs.ErrNotExist) {
			break
		}
	}
	if err == nil {
		return segment{}, nil, fmt.Errorf("%q: %w", name, fs.ErrExist)
	} else if !errors.Is(err, fs.ErrNotExist) {
		return segment{}, nil, err
	}
	path, err := ownFolder.add(name)
	if err != nil {
		return segment{}, nil, err
	}
	f, err := makeSegment(filepath.Join(filepath.Dir(path), makingPrefix+name), path, size, head)
	if err != nil {
		ownFolder.dropped(path)
	}
	return segment{name: name, path: path}, f, err
}

// testHookName makes names; tests make it find some that are in use.
var testHookName = randomName

func randomName() string {
	var b [8]byte
	rand.Read(b[:])
	return "yunta-" + hex.EncodeToString(b[:])
}

// makeSegment makes the file under another name and links it to its own, which fails if that is taken.
func makeSegment(making, path string, size int64, head []byte) (_ *os.File, err error) {
	f, err := os.OpenFile(making, os.O_RDWR|os.O_CREATE|os.O_EXCL, 0o600)
	if err != nil {
		return nil, err
	}
	defer func() {
		if rerr := os.Remove(making); err == nil && rerr != nil {
			err = errors.Join(rerr, os.Remove(path))
		}
		if err != nil {
			f.Close()
		}
	}()
	step("segment begun")
	if err := oslock.CheckLocal(f); err != nil {
		return nil, err
	}
	if err := mapped.Reserve(f, 0, size); err != nil {
		return nil, err
	}
	step("segment reserved")
	if len(head) > 0 {
		if _, err := f.WriteAt(head, 0); err != nil {
			return nil, err
		}
	}
	step("segment written")
	if err := os.Link(making, path); err != nil {
		return nil, err
	}
	step("segment linked")
	return f, nil
}

// lockNames keeps others from making a name.
func lockNames() (unlock func(), err error) {
	root, err := rundir.Root()
	if err != nil {
		return nil, err
	}
	l := oslock.NewFileLock(filepath.Join(root, guardName))
	if err := l.Lock(context.Background()); err != nil {
		return nil, err
	}
	step("names locked")
	return func() { _ = l.Unlock() }, nil
}

// lookUp returns the path of the segment of that name whose maker lives.
func lookUp(name string) (string, error) {
	living, err := rundir.List()
	if err != nil {
		return "", err
	}
	for _, d := range living {
		if d.Name != folderName {
			continue
		}
		path := filepath.Join(d.Path, segmentPrefix+name)
		if _, err := os.Lstat(path); err == nil {
			return path, nil
		} else if !errors.Is(err, fs.ErrNotExist) {
			return "", err
		}
	}
	return "", fmt.Errorf("%q: %w", name, fs.ErrNotExist)
}

// findSegment opens a segment by its name.
func findSegment(name string) (segment, *os.File, error) {
	if strings.Contains(name, "/") {
		path, err := filepath.Abs(name)
		if err != nil {
			return segment{}, nil, err
		}
		return openSegment(Handle{File: path})
	}
	if err := checkSegmentName(name); err != nil {
		return segment{}, nil, err
	}
	path, err := lookUp(name)
	if err != nil {
		return segment{}, nil, err
	}
	return openSegment(Handle{File: path})
}

// openSegment opens a segment by its file.
func openSegment(h Handle) (segment, *os.File, error) {
	s := segment{path: h.File}
	if !filepath.IsAbs(h.File) {
		return s, nil, fmt.Errorf("%w: %q is no path of a segment", oslock.ErrName, h.File)
	}
	f, err := os.OpenFile(h.File, os.O_RDWR|openWithoutWaiting, 0)
	if err != nil {
		return s, nil, err
	}
	info, err := f.Stat()
	if err == nil && !info.Mode().IsRegular() {
		err = fmt.Errorf("%w: %s is a %s", ErrCorrupt, h.File, kindOf(info.Mode()))
	}
	if err == nil {
		err = oslock.CheckLocal(f)
	}
	s.name = strings.TrimPrefix(filepath.Base(h.File), segmentPrefix)
	if err == nil && s.inFolder() {
		err = s.stillThere(f)
	} else {
		s.name = h.File
	}
	if err != nil {
		f.Close()
		return s, nil, err
	}
	return s, f, nil
}

// inFolder reports whether the segment lies in a folder of this package, and so ends with its maker.
func (s segment) inFolder() bool {
	dir := filepath.Base(filepath.Dir(s.path))
	return strings.HasPrefix(dir, "run-"+folderName+"-") && strings.HasPrefix(filepath.Base(s.path), segmentPrefix)
}

// stillThere fails unless the segment's maker lives and its name leads to f. Whoever opens a segment and then
// its locks asks afterwards: as the segment is removed before its locks, and both only by the maker or after
// its death, the locks were the right ones.
func (s segment) stillThere(f *os.File) error {
	gone := fmt.Errorf("%q: %w", s.name, fs.ErrNotExist)
	living, err := rundir.List()
	if err != nil {
		return err
	}
	alive := false
	for _, d := range living {
		alive = alive || d.Path == filepath.Dir(s.path)
	}
	open, err := f.Stat()
	if err != nil {
		return err
	}
	if named, err := os.Lstat(s.path); err != nil || !os.SameFile(open, named) || !alive {
		return gone
	}
	return nil
}

// checkSegmentName refuses names that would lead elsewhere, as oslock does.
func checkSegmentName(name string) error {
	switch {
	case name == "":
		return fmt.Errorf("%w: it is empty", oslock.ErrName)
	case len(name) > maxSegmentName:
		return fmt.Errorf("%w: %d bytes, at most %d", oslock.ErrName, len(name), maxSegmentName)
	case strings.ContainsAny(name, "/\x00"), name[0] == '.':
		return fmt.Errorf("%w %q: it holds a slash or a NUL byte, or starts with a dot", oslock.ErrName, name)
	}
	return nil
}
