package ipc

import (
	"context"
	"encoding/binary"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"reflect"
	"sync"
	"sync/atomic"
	"unsafe"

	"yunta/oslock"
	"yunta/oslock/mapped"
)

// The file of a Value or an Array, in the machine's byte order:
//
//	offset  size  meaning
//	0       8     "yuntaval"
//	8       4     version
//	12      4     byte-order mark 0x01020304
//	16      8     size of an element in bytes
//	24      8     number of elements
//	32      8     FNV-1a of the element's layout
//	40      4     1: an Array
//	44      4     1: a lock goes with it, 2: another object's does
//	64      ...   the elements
const (
	valueMagic   = "yuntaval"
	valueVersion = 1
	valueHeader  = 64
)

// ValueOptions are the settings of a [Value] or an [Array]. The zero value is the recommended one.
type ValueOptions struct {
	// Name lets other processes open it by name, without a handle: a Handle whose File is the
	// name. Names are those of [CreateSharedMemory], but for paths. Empty: only by handle.
	Name string
	// NoLock leaves the lock out: Python's RawValue and RawArray. Then processes keep each
	// other from half-written values by their own means, or use [Atomic] alone.
	NoLock bool
	// Lock guards the value instead of a lock of its own, so that one can guard several. It
	// must have no Repair function. The caller closes it, after the last value.
	Lock *oslock.Lock
}

// sharedValues is n elements of one type in mapped memory, with their lock.
type sharedValues struct {
	seg    segment
	region *mapped.Region
	data   unsafe.Pointer // first element; in region
	n      int
	lock   *oslock.Lock // nil: none
	ours   bool         // this object opened the lock, and closes it
	maker  bool         // its Close removes the file
	users  usage
	once   sync.Once
	err    error // of unmapping
}

const valueLock = "value"

func newSharedValues(t reflect.Type, n int, array bool, o ValueOptions) (_ *sharedValues, err error) {
	fail := func(err error) (*sharedValues, error) { return nil, fmt.Errorf("ipc: shared %s: %w", t, err) }
	layout, err := layoutOf(t)
	if err != nil {
		return nil, err
	}
	switch {
	case o.NoLock && o.Lock != nil:
		return fail(errors.New("ValueOptions has both NoLock and a Lock"))
	case n < 0 || uint64(n) > uint64(maxExtentSize)/uint64(t.Size()):
		return fail(fmt.Errorf("%w: %d elements of %d bytes", ErrTooLarge, n, t.Size()))
	}
	if err := checkSegmentName(o.Name); o.Name != "" && err != nil {
		return fail(err)
	}
	head := make([]byte, valueHeader)
	copy(head, valueMagic)
	e := binary.NativeEndian
	e.PutUint32(head[8:], valueVersion)
	e.PutUint32(head[12:], headerOrder)
	e.PutUint64(head[16:], uint64(t.Size()))
	e.PutUint64(head[24:], uint64(n))
	e.PutUint64(head[32:], hashLayout(layout))
	if array {
		e.PutUint32(head[40:], 1)
	}
	switch {
	case o.Lock != nil:
		e.PutUint32(head[44:], 2)
	case !o.NoLock:
		e.PutUint32(head[44:], 1)
	}
	seg, f, err := createSegment(o.Name, valueHeader+int64(n)*int64(t.Size()), head)
	if err != nil {
		return fail(err)
	}
	s := &sharedValues{seg: seg, n: n, lock: o.Lock, maker: true}
	if err := s.open(f, !o.NoLock); err != nil {
		return fail(errors.Join(err, seg.unlink(valueLock)))
	}
	return s, nil
}

func openSharedValues(t reflect.Type, array bool, h Handle) (*sharedValues, error) {
	fail := func(err error) (*sharedValues, error) { return nil, fmt.Errorf("ipc: shared %s: %w", t, err) }
	layout, err := layoutOf(t)
	if err != nil {
		return nil, err
	}
	seg, f, err := openNamed(h)
	if err != nil {
		return fail(err)
	}
	head := make([]byte, valueHeader)
	if _, err := f.ReadAt(head, 0); err != nil || string(head[:8]) != valueMagic {
		f.Close()
		return fail(fmt.Errorf("%w: %s is no shared value", ErrCorrupt, seg.path))
	}
	e := binary.NativeEndian
	n, locked := e.Uint64(head[24:]), e.Uint32(head[44:])
	info, err := f.Stat()
	switch {
	case err != nil:
	case e.Uint32(head[12:]) != headerOrder || e.Uint32(head[8:]) != valueVersion:
		err = fmt.Errorf("%w: version %d, want %d", ErrCorrupt, e.Uint32(head[8:]), valueVersion)
	case e.Uint64(head[16:]) != uint64(t.Size()) || e.Uint64(head[32:]) != hashLayout(layout):
		err = fmt.Errorf("%w: %s holds elements of %d bytes and another type", ErrLayout, seg.path, e.Uint64(head[16:]))
	case (e.Uint32(head[40:]) == 1) != array:
		err = fmt.Errorf("%w: a Value is no Array", ErrLayout)
	case n > uint64(maxExtentSize) || info.Size() != valueHeader+int64(n)*int64(t.Size()):
		err = fmt.Errorf("%w: %d elements in %d bytes", ErrCorrupt, n, info.Size())
	case locked == 2 && h.Lock == "":
		err = fmt.Errorf("%w: its lock is another object's, which only a handle names", oslock.ErrName)
	}
	if err != nil {
		f.Close()
		return fail(err)
	}
	s := &sharedValues{seg: seg, n: int(n)}
	if locked == 2 {
		if s.lock, err = oslock.OpenLock(h.Lock, oslock.LockOptions{}); err != nil {
			f.Close()
			return fail(err)
		}
		s.ours = true
	}
	if err := s.open(f, locked != 0); err != nil {
		return fail(err)
	}
	return s, nil
}

// openNamed opens a segment by a handle whose file may be a name.
func openNamed(h Handle) (segment, *os.File, error) {
	if filepath.IsAbs(h.File) {
		return openSegment(h)
	}
	return findSegment(h.File)
}

// open maps the file, closes it, and opens the lock.
func (s *sharedValues) open(f *os.File, locked bool) (err error) {
	defer f.Close()
	defer func() {
		if err != nil {
			s.free()
		}
	}()
	info, err := f.Stat()
	if err != nil {
		return err
	}
	if s.region, err = mapped.Map(f, 0, int(info.Size())); err != nil {
		return err
	}
	// The header is 64 bytes and mappings start on a page, so the elements are aligned for any type.
	s.data = unsafe.Pointer(unsafe.SliceData(s.region.Bytes()[valueHeader:]))
	if locked && s.lock == nil {
		if s.lock, err = oslock.OpenLock(s.seg.lockPath(valueLock), oslock.LockOptions{}); err != nil {
			return err
		}
		s.ours = true
	}
	if s.maker {
		return nil
	}
	return s.seg.stillThere(f)
}

func (s *sharedValues) handle() Handle {
	h := s.seg.handle()
	if s.lock != nil {
		h.Lock = s.lock.File()
	}
	return h
}

// with runs f on the memory, under the lock if there is one. repairs says that f puts the memory in order
// whatever it held; otherwise f does not run after an owner died.
func (s *sharedValues) with(ctx context.Context, repairs bool, f func() error) (err error) {
	if !s.users.enter() {
		return fmt.Errorf("%w: %s", ErrClosed, s.seg.name)
	}
	defer s.leave()
	if s.lock == nil {
		return mapped.Guard(f)
	}
	if err := s.lock.Lock(ctx); errors.Is(err, oslock.ErrOwnerDied) {
		if !repairs {
			return errors.Join(fmt.Errorf("ipc: shared value %s may be half-written: %w", s.seg.name, err), s.lock.Unlock())
		}
	} else if err != nil {
		return fmt.Errorf("ipc: shared value %s: %w", s.seg.name, err)
	} else {
		repairs = false
	}
	defer func() { err = errors.Join(err, s.lock.Unlock()) }()
	if err := mapped.Guard(f); err != nil {
		return err
	}
	if repairs {
		return s.lock.Repaired()
	}
	return nil
}

func (s *sharedValues) leave() {
	if s.users.leave() {
		s.free()
	}
}

func (s *sharedValues) free() {
	s.once.Do(func() {
		if s.lock != nil && s.ours {
			s.err = s.lock.Close()
		}
		if s.region != nil {
			s.err = errors.Join(s.err, s.region.Unmap())
		}
	})
}

// close unmaps the memory once the last call that uses it has returned, and removes the file if this is
// its maker.
func (s *sharedValues) close() error {
	first, last := s.users.close()
	if !first {
		return nil
	}
	var err error
	if s.maker {
		if err = s.seg.unlink(valueLock); errors.Is(err, os.ErrNotExist) {
			err = nil // somebody removed it, or a cleaner
		}
	}
	if last {
		s.free()
		err = errors.Join(err, s.err)
	}
	return err
}

// usage counts the calls that are inside some memory, so that it can be unmapped when the last has left.
type usage struct{ n atomic.Int64 }

// usageClosed is added once, by close.
const usageClosed = -1 << 62

// enter reports whether the memory may be used. leave must follow if so.
func (u *usage) enter() bool {
	if u.n.Add(1) > 0 {
		return true
	}
	u.n.Add(-1)
	return false
}

// leave reports whether the memory is to be unmapped now.
func (u *usage) leave() bool { return u.n.Add(-1) == usageClosed }

// close reports whether it is the first, and then whether nobody is inside. An enter that is about to see that it is
// too late may let both close and leave say so: unmapping twice must be harmless.
func (u *usage) close() (first, last bool) {
	for {
		n := u.n.Load()
		if n < 0 {
			return false, false
		}
		if u.n.CompareAndSwap(n, n+usageClosed) {
			return true, n == 0
		}
	}
}
