// Package mapped maps files into memory, so that processes share it, and turns
// the faults of mapped memory into errors.
//
//	f, err := mapped.Anonymous("counters", 4096)
//	...
//	r, err := mapped.Map(f, 0, 4096)
//	...
//	r.Uint64(0).Add(1) // every process that mapped f sees it
//
// A mapping is shared (MAP_SHARED): a store by one process is seen by all, in
// the order that sync/atomic promises, which holds between processes as it does
// between goroutines. A mapped file can lose its pages behind the program's
// back, when somebody truncates it or a file system runs out of space: touching
// such a page is a signal that ends a Go program, and [Guard] makes it an error.
//
// The package does not lock and stores no pointers:
// every process maps at another address, so shared memory holds offsets. The race
// detector knows nothing of mapped memory: it sees neither races there nor that an
// atomic store to it makes the stores before visible.
package mapped

import (
	"errors"
	"fmt"
	"os"
	"sync"
	"sync/atomic"
	"unsafe"
)

// ErrRange is wrapped by the errors of a range that is empty, not aligned to a
// page, or not inside the file.
var ErrRange = errors.New("mapped: range not inside the file")

// Region is one mapping of one range of a file. It may be used by any number of
// goroutines; only Unmap must not run while another goroutine still uses the
// memory. Close the file whenever you like: the mapping stays.
type Region struct {
	mu   sync.Mutex // guards Unmap against Unmap
	data []byte
}

// Map maps size bytes of f from off on, for reading and writing. off must be a
// multiple of [PageSize], and the range must lie inside the file: mapping past
// the end would succeed, and fault at the first touch.
func Map(f *os.File, off int64, size int) (*Region, error) {
	return newRegion(f, off, size, true)
}

// MapReadOnly is [Map] for reading alone. A store to the region faults.
func MapReadOnly(f *os.File, off int64, size int) (*Region, error) {
	return newRegion(f, off, size, false)
}

func newRegion(f *os.File, off int64, size int, writable bool) (*Region, error) {
	if size <= 0 || off < 0 || off%int64(PageSize()) != 0 {
		return nil, fmt.Errorf("%w: %d bytes at offset %d of %s", ErrRange, size, off, f.Name())
	}
	info, err := f.Stat()
	if err != nil {
		return nil, fmt.Errorf("mapped: %w", err)
	}
	if end := off + int64(size); end < off || end > info.Size() {
		return nil, fmt.Errorf("%w: %d bytes at offset %d of %s, which has %d", ErrRange, size, off, f.Name(), info.Size())
	}
	data, err := mmap(f, off, size, writable)
	if err != nil {
		return nil, fmt.Errorf("mapped: %s: %w", f.Name(), err)
	}
	return &Region{data: data}, nil
}

// Bytes returns the mapped memory itself, nil after Unmap. Plain loads and
// stores through it need the same care between processes as between goroutines.
func (r *Region) Bytes() []byte { return r.data }

// Size returns the length of the region in bytes, 0 after Unmap.
func (r *Region) Size() int { return len(r.data) }

// Uint32 returns the 32-bit word at off, in the machine's byte order. It panics
// when off is not a multiple of 4 or not inside the region. The pointer is into
// mapped memory: it is good until Unmap. Costs a bounds check.
func (r *Region) Uint32(off int) *atomic.Uint32 {
	r.check(off, 4)
	// Mappings start on a page and the offset is aligned, so the word is too;
	// atomic.Uint32 is exactly one 32-bit word.
	return (*atomic.Uint32)(unsafe.Pointer(&r.data[off]))
}

// Uint64 is [Region.Uint32] for a 64-bit word; off is a multiple of 8.
func (r *Region) Uint64(off int) *atomic.Uint64 {
	r.check(off, 8)
	return (*atomic.Uint64)(unsafe.Pointer(&r.data[off]))
}

func (r *Region) check(off, size int) {
	if uint(off)%uint(size) != 0 || off < 0 || off > len(r.data)-size {
		panic(badOffset(off, size, len(r.data)))
	}
}

// badOffset is apart from check so that check stays small enough to inline.
func badOffset(off, size, length int) string {
	return fmt.Sprintf("mapped: no aligned word of %d bytes at offset %d of %d", size, off, length)
}

// Sync writes what size bytes from off on hold to the disk, and returns when it
// is there (msync(2), MS_SYNC). It says nothing of the file's length: after the
// file has grown, its own Sync does.
func (r *Region) Sync(off, size int) error {
	if off < 0 || size <= 0 || off > len(r.data)-size {
		return fmt.Errorf("%w: sync %d bytes at offset %d of a region of %d", ErrRange, size, off, len(r.data))
	}
	start := off / pageSize * pageSize
	if err := msync(r.data[start : off+size]); err != nil {
		return fmt.Errorf("mapped: %w", err)
	}
	return nil
}

// Forget takes the pages that lie whole between off and off+size out of this
// process's memory, until they are touched again. What they hold stays, and
// stays in the file's memory: see [Discard] for that. It is a hint, and does
// nothing but on Linux.
func (r *Region) Forget(off, size int) {
	from, to := (off+pageSize-1)/pageSize*pageSize, (off+size)/pageSize*pageSize
	if off >= 0 && from < to && to <= len(r.data) {
		forget(r.data[from:to])
	}
}

// Holds reports whether the address lies in the region.
func (r *Region) Holds(addr uintptr) bool {
	if len(r.data) == 0 {
		return false
	}
	start := uintptr(unsafe.Pointer(&r.data[0]))
	return addr >= start && addr < start+uintptr(len(r.data))
}

// Unmap gives the mapping back. Memory got from the region must not be touched
// afterwards. Unmapping again does nothing.
func (r *Region) Unmap() error {
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.data == nil {
		return nil
	}
	data := r.data
	r.data = nil
	if err := munmap(data); err != nil {
		return fmt.Errorf("mapped: %w", err)
	}
	return nil
}

// PageSize returns the size in bytes of a page of memory.
func PageSize() int { return pageSize }

var pageSize = os.Getpagesize()
