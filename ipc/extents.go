package ipc

import (
	"context"
	"errors"
	"fmt"
	"os"
	"sync"
	"sync/atomic"
	"time"

	"yunta/oslock"
	"yunta/oslock/mapped"
)

const (
	// grain is what every offset and size in the file is a multiple of: the
	// largest page size in use (arm64), so that all of them can be mapped anywhere.
	grain = 64 << 10

	// maxExtents bounds the table, 64 bytes an entry. The file stays below it by
	// reuse: 64 permits and a current extent for each of some hundred writers.
	maxExtents = 4096

	// maxExtentSize is what 32 bits of a Ref can reach, in steps of 16 bytes.
	maxExtentSize int64 = 1 << 36

	// maxCached is how many bytes of free extents above the usual size keep
	// their memory for good: two values of 64 MiB, one in each direction. Reused
	// pages take 8.8 GiB/s, fresh ones 2. While such values come and go it is
	// maxWarm, until none has for keepWarm.
	maxCached = 128 << 20
	maxWarm   = 1 << 30
	keepWarm  = time.Second

	defaultExtentSize = 1 << 20
	defaultBudget     = 64
)

// Extents is an anonymous mapped file that one reader process shares with many
// writer processes. It is handed out in extents: a writer fills one alone with
// records (see [RecordWriter]), the reader copies the values out and drops the
// records, and the extent is used again, so that a stream of any length runs
// through bounded space. The reader writes records too, for the writers to read.
//
// The file starts with a header and the caller's area; then comes the table,
// an entry of 64 bytes per extent, and then the extents, each mapped by itself
// when first touched and never remapped or moved.
//
// What keeps the space bounded are permits: the extents that writers have left
// full behind them and the reader has not yet dropped are at most Budget. A
// writer that needs another waits for the reader. So the reader must copy out
// what is there as it comes, whether or not it is next in order: one that holds
// back a permit while it waits for the very writer that waits for it waits for
// ever. The extent that a writer is filling needs no permit, so that idle
// writers hold none back.
//
// Any process may be killed at any instant. See [Extents.ReclaimWriter] for a
// writer's end; the reader's is the file's, which has no name.
//
// An Extents may be used by many goroutines. Its memory belongs to processes of
// one program and is still not trusted: whatever they write there makes an
// error, never a crash. Touching memory that the system cannot provide (a file
// cut off by somebody) is an error as well, from every method but those that
// say they leave it to the caller's mapped.Guard.
type Extents struct {
	file  *os.File
	head  header
	owner bool // of the names of lock and semaphore
	ctl   *mapped.Region
	area  *mapped.Region

	maps [maxExtents]atomic.Pointer[mapped.Region]

	mu     sync.Mutex // guards what follows, and trimming against reclaiming
	lock   *oslock.Lock
	permit *oslock.Semaphore
	cooler *time.Timer // the owner's, once it was needed
	warm   bool        // it is set
	closed bool

	cooling sync.Mutex   // held while cool gives memory back; taken before mu
	warmest int64        // maxWarm, but in tests
	freed   atomic.Int64 // when an extent above the usual size last became free, in nanoseconds
}

// OpenExtents opens in a writer what the reader created and this process
// inherited. It takes f over. A file that is not one of extents, or one of
// another version or machine, is [ErrCorrupt].
func OpenExtents(f *os.File) (*Extents, error) {
	h, err := readHeader(f)
	if err != nil {
		return nil, err
	}
	return openExtents(f, h, false)
}

func openExtents(f *os.File, h header, owner bool) (*Extents, error) {
	x := &Extents{file: f, head: h, owner: owner, warmest: maxWarm}
	ctl, err := mapped.Map(f, h.tableOff(), tableSize)
	if err != nil {
		return nil, fmt.Errorf("ipc: extents: %w", err)
	}
	x.ctl = ctl
	if h.areaSize > 0 {
		if x.area, err = mapped.Map(f, headerSize, int(h.areaSize)); err != nil {
			return nil, errors.Join(fmt.Errorf("ipc: extents: %w", err), ctl.Unmap())
		}
	}
	return x, nil
}

// File returns the file, for writers to inherit. It is closed by Close.
func (x *Extents) File() *os.File { return x.file }

// Area returns the bytes that the caller reserved with ExtentOptions.Area, nil
// if none. Every process sees the same ones.
func (x *Extents) Area() *mapped.Region { return x.area }

// Close unmaps everything and closes the file: no slice that came from x may be
// touched any more. The creator's Close also removes the lock and the
// semaphore. Closing again does nothing.
func (x *Extents) Close() error {
	x.mu.Lock()
	defer x.mu.Unlock()
	if x.closed {
		return nil
	}
	x.closed = true
	if x.cooler != nil {
		x.cooler.Stop()
	}
	x.mu.Unlock()
	x.cooling.Lock() // cool touches the table
	defer x.cooling.Unlock()
	x.mu.Lock()
	var errs []error
	if x.lock != nil {
		errs = append(errs, x.lock.Close())
	}
	if x.permit != nil {
		errs = append(errs, x.permit.Close())
	}
	if x.owner {
		for _, path := range []string{x.head.lockPath(), x.head.permitPath()} {
			if err := oslock.Unlink(path); err != nil && !errors.Is(err, os.ErrNotExist) {
				errs = append(errs, err)
			}
		}
	}
	errs = append(errs, x.ctl.Unmap())
	if x.area != nil {
		errs = append(errs, x.area.Unmap())
	}
	for i := range x.maps {
		if r := x.maps[i].Load(); r != nil {
			errs = append(errs, r.Unmap())
		}
	}
	errs = append(errs, x.file.Close())
	return errors.Join(errs...)
}

// Warm opens what the first Take will need, for a writer that has nothing else
// to do yet. An error is only told by Take.
func (x *Extents) Warm() { _, _ = x.tableLock() }

// tableLock opens the lock at its first use: a writer that fits in its first
// extent need not join a lock registry at all.
func (x *Extents) tableLock() (*oslock.Lock, error) {
	x.mu.Lock()
	defer x.mu.Unlock()
	if x.closed {
		return nil, fmt.Errorf("%w: extents", ErrClosed)
	}
	if x.lock == nil {
		// Every change to the table is one store: whatever the owner was doing when
		// it died, the table is whole.
		l, err := oslock.OpenLock(x.head.lockPath(), oslock.LockOptions{Repair: func() error { return nil }})
		if err != nil {
			return nil, fmt.Errorf("ipc: extents: %w", err)
		}
		x.lock = l
	}
	return x.lock, nil
}

func (x *Extents) permits() (*oslock.Semaphore, error) {
	x.mu.Lock()
	defer x.mu.Unlock()
	if x.closed {
		return nil, fmt.Errorf("%w: extents", ErrClosed)
	}
	if x.permit == nil {
		x.permitsUsed().Store(1)
		s, err := oslock.OpenSemaphore(x.head.permitPath(), int(x.head.budget), oslock.SemaphoreOptions{Bounded: true})
		if err != nil {
			return nil, fmt.Errorf("ipc: extents: %w", err)
		}
		x.permit = s
	}
	return x.permit, nil
}

// locked runs f under the lock of the table.
func (x *Extents) locked(ctx context.Context, f func() error) error {
	l, err := x.tableLock()
	if err != nil {
		return err
	}
	if err := l.Lock(ctx); err != nil {
		return fmt.Errorf("ipc: extents: %w", err)
	}
	return errors.Join(mapped.Guard(f), l.Unlock())
}

func roundUp(n int) int { return (n + grain - 1) &^ (grain - 1) }
