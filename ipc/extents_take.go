package ipc

import (
	"context"
	"errors"
	"fmt"
	"math/bits"
	"syscall"

	"yunta/oslock/mapped"
)

// Extent is a part of the file that a writer has to itself.
type Extent struct {
	ID    uint32
	Bytes []byte // at least as many as were asked for; what they hold is not said
}

// testHookStep is called before each step at which a killed writer leaves
// something different behind.
var testHookStep func(step string)

func step(name string) {
	if testHookStep != nil {
		testHookStep(name)
	}
}

// Take takes a permit and an extent of at least size bytes for the writer: the
// smallest free one that fits, or a new one at the end of the file. It blocks
// while all permits are taken, until the context ends. A full disk or memory is
// an error that wraps syscall.ENOSPC.
//
// writer is a number that belongs to one process until [Extents.ReclaimWriter]
// was called for it.
func (x *Extents) Take(ctx context.Context, writer uint32, size int) (Extent, error) {
	if err := x.acquire(ctx); err != nil {
		return Extent{}, err
	}
	e, err := x.take(ctx, writer, size, true)
	if err != nil {
		return Extent{}, errors.Join(err, x.release())
	}
	return e, nil
}

// TakeUnbudgeted is Take without a permit, for what must not wait: a writer's
// first extent, and what the reader itself writes.
func (x *Extents) TakeUnbudgeted(writer uint32, size int) (Extent, error) {
	return x.take(context.Background(), writer, size, false)
}

func (x *Extents) acquire(ctx context.Context) error {
	s, err := x.permits()
	if err != nil {
		return err
	}
	if err := s.Acquire(ctx); err != nil {
		return fmt.Errorf("ipc: waiting for the reader to free an extent: %w", err)
	}
	step("permit acquired")
	return nil
}

func (x *Extents) take(ctx context.Context, writer uint32, size int, permit bool) (Extent, error) {
	if size < 0 || int64(size) > maxExtentSize/2 {
		return Extent{}, fmt.Errorf("%w: an extent of %d bytes", ErrTooLarge, size)
	}
	id := -1
	err := x.locked(ctx, func() (err error) {
		step("table locked")
		id, err = x.claim(writer, int64(max(size, 1)), permit)
		return err
	})
	if err != nil {
		if id >= 0 {
			err = errors.Join(err, x.drop(uint32(id), x.entry(id).load().gen()))
		}
		return Extent{}, err
	}
	b, err := x.Bytes(uint32(id))
	// Beyond what is reserved a store might find no memory.
	b = b[:min(uint64(len(b)), x.entry(id).reserved.Load())]
	if err == nil && len(b) < size {
		err = fmt.Errorf("%w: extent %d has %d bytes, want %d", ErrCorrupt, id, len(b), size)
	}
	if err != nil {
		return Extent{}, err
	}
	return Extent{ID: uint32(id), Bytes: b}, nil
}

// class rounds a size up so that freed extents fit again: to the usual size,
// or to a power of two or one and a half. Only what is asked for is reserved.
func (x *Extents) class(size int64) int64 {
	if size <= x.head.extentSize {
		return x.head.extentSize
	}
	p := int64(1) << bits.Len64(uint64(size-1))
	if size <= p/4*3 {
		p = p / 4 * 3
	}
	return int64(roundUp(int(max(p, size))))
}

// claim finds or makes an extent and marks it as the writer's. It runs under
// the lock; until the one store that marks it, nothing has changed but an entry
// that says it was never made, and memory reserved early.
func (x *Extents) claim(writer uint32, size int64, permit bool) (int, error) {
	class := x.class(size)
	best, any, spare := -1, -1, -1
	var bestSize, anySize int64
	end := x.head.base()
scan:
	for id := range maxExtents {
		e := x.entry(id)
		off, n := int64(e.off.Load()), int64(e.size.Load())
		switch e.load().state() {
		case stateNone:
			spare = id // entries are made in order
			break scan
		case stateFree:
			if n >= class && n <= 2*class && (best < 0 || n < bestSize) {
				best, bestSize = id, n
			}
			if n >= size && (any < 0 || n < anySize) {
				any, anySize = id, n
			}
		}
		if off < end || n <= 0 || n > maxExtentSize || off > 1<<60 {
			return -1, fmt.Errorf("%w: extent %d of %d bytes at %d, want it at %d", ErrCorrupt, id, n, off, end)
		}
		end = off + n
	}
	var err error
	switch {
	case best >= 0:
		if err = x.reserve(x.entry(best), size); err == nil {
			return x.mark(best, writer, permit)
		}
	case spare >= 0:
		if err = x.grow(x.entry(spare), end, class, size); err == nil {
			return x.mark(spare, writer, permit)
		}
	default:
		err = fmt.Errorf("%w: the table of %d extents", ErrFull, maxExtents)
	}
	if any >= 0 && int64(x.entry(any).reserved.Load()) >= size {
		return x.mark(any, writer, permit)
	}
	// No memory left: take it from the free extents, and try once more.
	if !errors.Is(err, syscall.ENOSPC) || !x.trim(0, 0) {
		return -1, err
	}
	switch {
	case best >= 0:
		if err = x.reserve(x.entry(best), size); err == nil {
			return x.mark(best, writer, permit)
		}
	case spare >= 0:
		if err = x.grow(x.entry(spare), end, class, size); err == nil {
			return x.mark(spare, writer, permit)
		}
	}
	return -1, err
}

// grow makes an extent at the end of the file.
func (x *Extents) grow(e entry, off, class, size int64) error {
	e.off.Store(uint64(off))
	e.size.Store(uint64(class))
	e.reserved.Store(0)
	step("entry written")
	if class > size {
		// The whole extent is mapped, so the file must reach its end.
		if err := mapped.Reserve(x.file, off+class-1, 1); err != nil {
			return fmt.Errorf("ipc: growing by an extent of %d bytes: %w", class, err)
		}
	}
	return x.reserve(e, size)
}

// reserve makes sure that the first size bytes of an extent have memory.
func (x *Extents) reserve(e entry, size int64) error {
	size = min(int64(e.size.Load()), int64(roundUp(int(size))))
	have := int64(e.reserved.Load())
	if have >= size {
		return nil
	}
	if have < 0 || have%grain != 0 {
		return fmt.Errorf("%w: %d bytes reserved", ErrCorrupt, have)
	}
	if err := mapped.Reserve(x.file, int64(e.off.Load())+have, size-have); err != nil {
		return fmt.Errorf("ipc: growing by an extent of %d bytes: %w", size, err)
	}
	step("memory reserved")
	e.reserved.Store(uint64(size))
	return nil
}

// Assign is TakeUnbudgeted for a writer that does not have the file yet: while
// nobody has it but its creator, no lock is needed. The writer goes on with
// [RecordWriter.Adopt].
func (x *Extents) Assign(writer uint32) (id uint32, err error) {
	err = x.guard(func() error {
		n, err := x.claim(writer, 1, false)
		id = uint32(n)
		return err
	})
	return id, err
}

// mark makes a free or new extent the writer's: one store, after which
// ReclaimWriter finds it.
func (x *Extents) mark(id int, writer uint32, permit bool) (int, error) {
	e := x.entry(id)
	old := e.load()
	w := makeWord(writer, stateUsed, old.gen()+1, 1)
	if permit {
		w |= permitBit
	}
	step("about to mark")
	if !e.swap(old, w) {
		return -1, fmt.Errorf("%w: extent %d changed under the lock", ErrCorrupt, id)
	}
	step("marked")
	return id, nil
}

// trim takes the memory of free extents above some size, but for the first
// keep bytes of it, and reports whether there was any. They are free and the
// lock is held, so nobody can begin to use one.
func (x *Extents) trim(above, keep int64) bool {
	found := false
	for id := range maxExtents {
		e := x.entry(id)
		switch e.load().state() {
		case stateNone:
			return found
		case stateFree:
			have := int64(e.reserved.Load())
			if have == 0 || int64(e.size.Load()) <= above {
				continue
			}
			if keep -= have; keep < 0 {
				found = x.discard(e) == nil || found
			}
		}
	}
	return found
}

// discard gives an extent's memory back to the system. It says so first: a
// death in between costs a reservation of what is reserved already.
func (x *Extents) discard(e entry) error {
	e.reserved.Store(0)
	off, n := int64(e.off.Load()), int64(e.size.Load())
	if off < x.head.base() || n <= 0 || n > maxExtentSize {
		return fmt.Errorf("%w: an extent of %d bytes at %d", ErrCorrupt, n, off)
	}
	return mapped.Discard(x.file, off, n)
}
