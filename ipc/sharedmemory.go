package ipc

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"

	"yunta/oslock"
	"yunta/oslock/mapped"
)

// SharedMemory is a named segment of memory that any process of the user can map: Python's
// multiprocessing.shared_memory.SharedMemory. It is a file of exactly the bytes asked for, all zero at
// first, with nothing before or after them, so other programs can map it too.
//
// A segment exists until somebody calls [SharedMemory.Unlink], or until the process that made it ends,
// however it ends; whoever else comes, goes or dies makes no difference. (In Python, a reader's exit may
// remove it.) It lies in a folder of its maker's in the run directory (package rundir). When the maker
// dies, the name is free at once, and the next start that sweeps the run directory gives the memory
// back. Those who have a segment mapped keep it as long as they like, whatever becomes of its name.
//
// A name with a slash is a path instead: such a segment belongs to nobody, and stays until Unlink.
//
// Methods may be called from any goroutine. What goes on in Bytes is the callers' affair: guard it by a lock
// (package oslock), or use [Value], [Array] and [Atomic].
type SharedMemory struct {
	seg    segment
	region *mapped.Region
}

// CreateSharedMemory makes a segment of size bytes, at least 1, and maps it. An empty name makes one that is
// not in use; see [SharedMemory.Name]. A name that is in use is an error that wraps fs.ErrExist. Real memory is
// reserved: too little of it is an error that wraps syscall.ENOSPC here, never a fault later. Names that
// cannot be are oslock.ErrName, paths on a network oslock.ErrNetwork.
func CreateSharedMemory(name string, size int) (*SharedMemory, error) {
	if size <= 0 {
		return nil, fmt.Errorf("ipc: shared memory %q of %d bytes, want 1 at least", name, size)
	}
	seg, f, err := createSegment(name, int64(size), nil)
	if err != nil {
		return nil, fmt.Errorf("ipc: shared memory: %w", err)
	}
	m, err := mapSegment(seg, f)
	if err != nil {
		return nil, errors.Join(err, seg.unlink())
	}
	return m, nil
}

// OpenSharedMemory maps the segment of that name, all of it. One that is not there, or whose maker has ended, is
// an error that wraps fs.ErrNotExist.
func OpenSharedMemory(name string) (*SharedMemory, error) {
	seg, f, err := findSegment(name)
	if err != nil {
		return nil, fmt.Errorf("ipc: shared memory: %w", err)
	}
	return mapSegment(seg, f)
}

// OpenSharedMemoryHandle maps the segment that [SharedMemory.Handle] stands for. Errors are those of
// [OpenSharedMemory].
func OpenSharedMemoryHandle(h Handle) (*SharedMemory, error) {
	seg, f, err := openSegment(h)
	if err != nil {
		return nil, fmt.Errorf("ipc: shared memory: %w", err)
	}
	return mapSegment(seg, f)
}

// mapSegment maps a whole file, and closes it.
func mapSegment(seg segment, f *os.File) (*SharedMemory, error) {
	defer f.Close()
	info, err := f.Stat()
	if err != nil {
		return nil, fmt.Errorf("ipc: shared memory: %w", err)
	}
	r, err := mapped.Map(f, 0, int(info.Size()))
	if err != nil {
		return nil, fmt.Errorf("ipc: shared memory: %w", err)
	}
	return &SharedMemory{seg: seg, region: r}, nil
}

// Bytes returns the memory itself, nil after Close. Plain loads and stores need the same care between
// processes as between goroutines. Somebody who cuts the file off makes touching it a fault, which
// ends the program unless it happens inside mapped.Guard.
func (m *SharedMemory) Bytes() []byte { return m.region.Bytes() }

// Size returns how many bytes there are, 0 after Close.
func (m *SharedMemory) Size() int { return m.region.Size() }

// Name returns the name to open the segment by.
func (m *SharedMemory) Name() string { return m.seg.name }

// Handle returns what another process opens the segment by, as [OpenSharedMemoryHandle] does: unlike the
// name, it leads to this segment or to none.
func (m *SharedMemory) Handle() Handle { return m.seg.handle() }

// Close unmaps the memory: no slice that came from Bytes may be touched any more. The segment stays.
// Closing again does nothing.
func (m *SharedMemory) Close() error { return m.region.Unmap() }

// Unlink removes the segment's name. Whoever has it mapped goes on; nobody can open it any more, and the memory
// is given back when the last has unmapped it. Any process may do this; a name that is gone already is
// an error that wraps fs.ErrNotExist.
func (m *SharedMemory) Unlink() error {
	if err := m.seg.unlink(); err != nil {
		return fmt.Errorf("ipc: shared memory: %w", err)
	}
	return nil
}

// Handle is what one process gives another, in a message or as an argument, so that it can open a [SharedMemory],
// [Value], [Array] or [Queue]. It is two paths. A handle keeps nothing alive: opening one whose object was removed,
// or whose maker has ended, is an error that wraps fs.ErrNotExist.
type Handle struct {
	File string
	Lock string // of a Value or Array with a lock
}

// segment is a file in some process's folder, or at a path of the user's.
type segment struct {
	name string // as it was given, or made
	path string // of the file, absolute
}

func (s segment) handle() Handle { return Handle{File: s.path} }

// lockPath returns where a lock that goes with a segment in a folder lies.
func (s segment) lockPath(which string) string {
	return filepath.Join(filepath.Dir(s.path), lockPrefix+which+"-"+s.name)
}

// unlink removes the segment and its locks. The segment goes first: see stillThere.
func (s segment) unlink(locks ...string) error {
	err := os.Remove(s.path)
	for _, which := range locks {
		if lerr := oslock.Unlink(s.lockPath(which)); lerr != nil && !errors.Is(lerr, os.ErrNotExist) {
			err = errors.Join(err, lerr)
		}
	}
	ownFolder.dropped(s.path)
	return err
}
