package ipc

import (
	"encoding/binary"
	"errors"
	"fmt"
	"math/bits"
	"sync/atomic"
	"syscall"

	"yunta/oslock/mapped"
)

// keepQueueMemory is how many bytes of extents that hold nothing keep their memory: reused pages are four
// times as fast as fresh ones.
const keepQueueMemory = 64 << 20

// queueExtent is an entry of the table:
//
//	0   8  place in the sequence of extents, from 1; 0: never used
//	8   8  offset in the file
//	16  8  size; 0: never made. Offset and size never change then
//	24  8  how much of it has memory reserved, from its start; 0 or all
//	32  8  the extent that follows it in the sequence
//
// All of it changes under the lock "put" only. What it says of an extent that is not in use does not count.
type queueExtent struct{ seq, off, size, reserved, next *atomic.Uint64 }

func (f *queueFile) entry(id int) queueExtent {
	at := offExtents + id*queueEntry
	r := f.region
	return queueExtent{r.Uint64(at), r.Uint64(at + 8), r.Uint64(at + 16), r.Uint64(at + 24), r.Uint64(at + 32)}
}

// bytes returns the memory of an extent, mapped at its first use.
func (f *queueFile) bytes(id int) ([]byte, error) {
	if r := f.maps[id].Load(); r != nil {
		return r.Bytes(), nil
	}
	f.mu.Lock()
	defer f.mu.Unlock()
	if r := f.maps[id].Load(); r != nil {
		return r.Bytes(), nil
	}
	e := f.entry(id)
	off, size := e.off.Load(), e.size.Load()
	if off%grain != 0 || size%grain != 0 || size == 0 || size > uint64(maxExtentSize) || off < queueBase || off > 1<<60 {
		return nil, fmt.Errorf("%w: queue: extent %d of %d bytes at %d", ErrCorrupt, id, size, off)
	}
	r, err := mapped.Map(f.file, int64(off), int(size))
	if err != nil {
		return nil, fmt.Errorf("%w: queue: extent %d: %w", ErrCorrupt, id, err)
	}
	f.maps[id].Store(r)
	return r.Bytes(), nil
}

// room returns where the next record goes: a place at or after tail with room for a payload of n bytes, and its
// extent and offset. Nothing it does counts before tail is stored.
func (f *queueFile) room(tail qpos, n int) (dst []byte, extent, offset int, err error) {
	need := recordHeader + (n+7)&^7
	extent = tail.extent()
	b, err := f.bytes(extent)
	if err != nil {
		return nil, 0, 0, err
	}
	offset, inside := tail.offset()
	if inside && offset <= len(b)-need {
		return b[offset : offset+need : offset+need], extent, offset, nil
	}
	next, err := f.spare(tail, need)
	if err != nil {
		return nil, 0, 0, err
	}
	step("extent found")
	if inside && offset <= len(b)-recordHeader {
		binary.NativeEndian.PutUint64(b[offset:], recordMoved)
	}
	now := f.entry(extent)
	now.next.Store(uint64(next))
	f.entry(next).seq.Store(now.seq.Load() + 1)
	step("extent linked")
	if b, err = f.bytes(next); err != nil {
		return nil, 0, 0, err
	}
	if len(b) < need {
		return nil, 0, 0, fmt.Errorf("%w: queue: extent %d has %d bytes, want %d", ErrCorrupt, next, len(b), need)
	}
	return b[:need:need], next, 0, nil
}

// spare finds an extent that holds nothing, or makes one. It runs under the lock "put".
func (f *queueFile) spare(tail qpos, need int) (int, error) {
	unused, made := f.unused(tail)
	best, bestSize := -1, uint64(0)
	for id := range made {
		// The smallest that fits; of those, one that has its memory.
		e := f.entry(id)
		size := e.size.Load()
		if !unused[id] || size < uint64(need) {
			continue
		}
		if size = size << 1; e.reserved.Load() == 0 {
			size++
		}
		if best < 0 || size < bestSize {
			best, bestSize = id, size
		}
	}
	if best < 0 {
		return f.grow(made, need)
	}
	e := f.entry(best)
	if e.reserved.Load() == 0 {
		size := e.size.Load()
		if err := mapped.Reserve(f.file, int64(e.off.Load()), int64(size)); err != nil {
			return 0, fmt.Errorf("ipc: queue: %w", err)
		}
		e.reserved.Store(size)
	}
	return best, nil
}

// unused says which extents hold neither an item nor a leased one, and how many extents there are. It
// runs under the lock "put". Those who get may be at work: they make more extents unused, no fewer.
func (f *queueFile) unused(tail qpos) (unused [maxQueueExtents]bool, made int) {
	head := qpos(f.head.Load())
	first, last := f.entry(head.extent()).seq.Load(), f.entry(tail.extent()).seq.Load()
	for made < maxQueueExtents {
		e := f.entry(made)
		if e.size.Load() == 0 {
			break
		}
		seq := e.seq.Load()
		unused[made] = seq < first || seq > last
		made++
	}
	// After head: who leases notes it before moving head on.
	for i := range f.leaseSlots() {
		if s := f.slot(i); s.word.Load()&leaseStateMask != leaseFree {
			unused[qpos(s.at.Load()).extent()] = false
		}
	}
	return unused, made
}

// grow adds an extent at the end of the file.
func (f *queueFile) grow(made, need int) (int, error) {
	if made == maxQueueExtents {
		return 0, fmt.Errorf("%w: queue: %d extents", ErrFull, made)
	}
	off := int64(queueBase)
	if made > 0 {
		last := f.entry(made - 1)
		off = int64(last.off.Load() + last.size.Load())
	}
	least := roundUp(need)
	size := max(least, min(max(minQueueExtent, floorPow2(int(off/8))), maxQueueExtent))
	err := mapped.Reserve(f.file, off, int64(size))
	if errors.Is(err, syscall.ENOSPC) && least < size {
		size = least
		err = mapped.Reserve(f.file, off, int64(size))
	}
	if err != nil {
		return 0, fmt.Errorf("ipc: queue: %w", err)
	}
	step("extent reserved")
	e := f.entry(made)
	e.off.Store(uint64(off))
	e.reserved.Store(uint64(size))
	e.size.Store(uint64(size)) // last: without it there is no extent
	step("extent made")
	return made, nil
}

func floorPow2(n int) int { return 1 << (bits.Len(uint(n)) - 1) }

// trim gives back memory of extents that hold nothing, beyond what is worth keeping. It is called with the lock
// "get" held, when an extent was left behind, and does nothing while somebody puts.
func (f *queueFile) trim() {
	reach := uint64(0)
	for id := 0; id < maxQueueExtents && f.entry(id).size.Load() != 0; id++ {
		reach = f.entry(id).off.Load()
	}
	if reach < keepQueueMemory {
		return
	}
	if ok, err := f.putLock.TryLock(); !ok || err != nil {
		return
	}
	defer func() { _ = f.putLock.Unlock() }() // it is held
	kept := uint64(0)
	unused, made := f.unused(qpos(f.tail.Load()))
	for id := range made {
		e := f.entry(id)
		size := e.reserved.Load()
		if !unused[id] || size == 0 {
			continue
		}
		if kept += size; kept <= keepQueueMemory {
			continue
		}
		kept -= size
		e.reserved.Store(0)
		step("extent given up")
		_ = mapped.Discard(f.file, int64(e.off.Load()), int64(size)) // a hint
	}
}
