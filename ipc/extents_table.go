package ipc

import (
	"fmt"
	"sync/atomic"

	"yunta/oslock/mapped"
)

// The table: 64 bytes for all, then an entry of 64 bytes, a cache line, for
// each extent.
//
//	0   4   set when somebody opens the semaphore of permits
//
//	entry:
//	0   8   the word below
//	8   8   offset of the extent in the file
//	16  8   its size
//	24  8   how much of it has memory reserved
//
// Offset and size are written once, before the word first says anything, and
// never change. The word is:
//
//	bits 32-63  owner: the writer that took it
//	bits 30-31  state: 0 never made, 1 free, 2 used
//	bit  29     a permit goes with it
//	bits 16-28  generation, which changes whenever what lay in it is gone
//	bits 0-15   references
//
// A used extent has one reference while it is its owner's current extent, and
// one for each record in it that the reader has not dropped. Only the owner
// adds references, and only while it has its own: so none is ever added to an
// extent that has none. Who takes the last one away frees the extent.
//
// From free to used it goes under the table's lock; from used to free without,
// by compare-and-swap: the reader must never wait for a writer that somebody
// stopped inside the lock.
const (
	entryBytes = 64
	tableSize  = ((maxExtents+1)*entryBytes + grain - 1) / grain * grain

	refsBits  = 16
	genBits   = 13
	maxRefs   = 1<<refsBits - 2
	genShift  = 16
	genMask   = 1<<genBits - 1
	permitBit = 1 << 29

	stateShift = 30
	stateNone  = 0
	stateFree  = 1
	stateUsed  = 2
)

type entryWord uint64

func makeWord(owner uint32, state, gen, refs uint64) entryWord {
	return entryWord(uint64(owner)<<32 | state<<stateShift | (gen&genMask)<<genShift | refs)
}

func (w entryWord) owner() uint32   { return uint32(w >> 32) }
func (w entryWord) state() uint64   { return uint64(w) >> stateShift & 3 }
func (w entryWord) hasPermit() bool { return w&permitBit != 0 }
func (w entryWord) gen() uint64     { return uint64(w) >> genShift & genMask }
func (w entryWord) refs() int       { return int(w & (1<<refsBits - 1)) }

// freed is the word of the same extent when it is free.
func (w entryWord) freed() entryWord { return makeWord(0, stateFree, w.gen()+1, 0) }

// entry is one line of the table.
type entry struct {
	word     *atomic.Uint64 // the owner adds references, the reader takes them away, Take and free change the rest
	off      *atomic.Uint64
	size     *atomic.Uint64
	reserved *atomic.Uint64 // changed by who owns the entry or, while it is free, the lock
}

func (x *Extents) entry(id int) entry {
	at := (id + 1) * entryBytes
	return entry{x.ctl.Uint64(at), x.ctl.Uint64(at + 8), x.ctl.Uint64(at + 16), x.ctl.Uint64(at + 24)}
}

// permitsUsed is the first word of the table.
func (x *Extents) permitsUsed() *atomic.Uint32 { return x.ctl.Uint32(0) }

func (e entry) load() entryWord { return entryWord(e.word.Load()) }

func (e entry) swap(from, to entryWord) bool {
	return e.word.CompareAndSwap(uint64(from), uint64(to))
}

// Bytes returns the memory of an extent, mapped at its first use.
func (x *Extents) Bytes(id uint32) ([]byte, error) {
	r, err := x.region(id)
	if err != nil {
		return nil, err
	}
	return r.Bytes(), nil
}

func (x *Extents) region(id uint32) (*mapped.Region, error) {
	if id >= maxExtents {
		return nil, fmt.Errorf("%w: extent %d of %d", ErrCorrupt, id, maxExtents)
	}
	if r := x.maps[id].Load(); r != nil {
		return r, nil
	}
	return x.mapExtent(id)
}

func (x *Extents) mapExtent(id uint32) (*mapped.Region, error) {
	x.mu.Lock()
	defer x.mu.Unlock()
	if r := x.maps[id].Load(); r != nil {
		return r, nil
	}
	if x.closed {
		return nil, fmt.Errorf("%w: extents", ErrClosed)
	}
	e := x.entry(int(id))
	off, size := e.off.Load(), e.size.Load()
	if e.load().state() == stateNone || off%grain != 0 || size%grain != 0 || size == 0 || size > uint64(maxExtentSize) ||
		off < uint64(x.head.base()) || off > 1<<60 {
		return nil, fmt.Errorf("%w: extent %d of %d bytes at %d", ErrCorrupt, id, size, off)
	}
	r, err := mapped.Map(x.file, int64(off), int(size))
	if err != nil {
		return nil, fmt.Errorf("%w: extent %d: %w", ErrCorrupt, id, err)
	}
	x.maps[id].Store(r)
	return r, nil
}
