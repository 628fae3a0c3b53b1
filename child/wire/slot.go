package wire

import (
	"fmt"
	"sync/atomic"
	"unsafe"
)

// Layout of the area at the head of the result file, in bytes:
//
//	0                 Shared, one cache line for the whole pool
//	LineSize          the block of worker 0: its Bell, then SlotsPerWorker slots
//	+ BlockSize       the block of worker 1, and so on
const (
	LineSize       = 64
	SlotsPerWorker = 512
	BlockSize      = LineSize + SlotsPerWorker*LineSize
)

// AreaSize is the size in bytes of the area for a number of workers.
func AreaSize(workers int) int { return LineSize + workers*BlockSize }

// Shared is the pool's own line.
type Shared struct {
	Spinners atomic.Int32 // children that spin just now; changed by children
	SpinMax  atomic.Int32 // how many may; set by the supervisor
	_        [LineSize - 8]byte
}

// Bell is a worker's own line.
type Bell struct {
	Sent     atomic.Uint64 // writes to the tasks pipe; the child spins on it
	Spinning atomic.Uint32 // the child counts in Shared.Spinners
	_        uint32
	// Results is the ipc.ExtentRef of the durable result file that the child
	// writes in. It outlives the child: its successor goes on there.
	Results atomic.Uint64
	_       [LineSize - 24]byte
}

// Slot is the place in mapped memory that one outstanding chunk has. The word
// says which of its tasks are claimed:
//
//	bit 63      bit 62   bits 31-61   bits 0-30
//	condemned   retired  next         end
//
// The child claims task next by compare-and-swap while next < end, and retires
// the word when nothing is left to claim and all it has to say of the chunk is
// in mapped memory; only then does it go on to another chunk. The supervisor lowers end to take back tasks that have not begun, and
// sets condemned to make sure that nothing begins after the task that runs
// (number next-1). Each fails if the other came first, so a task is begun
// once, and a signal meant for one task can never hit a later one.
type Slot struct {
	word    atomic.Uint64
	First   atomic.Uint64 // ipc.Ref of the chunk's first record; written by the child before its first commit
	Elapsed atomic.Uint64 // nanoseconds the chunk ran; written by the child before it retires
	// Watch decides who tells of a retired chunk: the supervisor sets WatchOn
	// while somebody there spins on the word; a child that swaps it to
	// WatchTaken sends no notice.
	Watch atomic.Uint32
	_     [LineSize - 28]byte
}

// Values of Slot.Watch.
const (
	WatchOff   = 0
	WatchOn    = 1
	WatchTaken = 2
)

const (
	condemned = 1 << 63
	retired   = 1 << 62
	nextShift = 31
	half      = 1<<31 - 1
	// MaxChunk is the largest number of tasks in a chunk.
	MaxChunk = half
)

// State is one reading of a slot's word.
type State struct {
	Next, End          int
	Condemned, Retired bool
}

func decode(w uint64) State {
	return State{int(w >> nextShift & half), int(w & half), w&condemned != 0, w&retired != 0}
}

// Reset gives the slot to a chunk of n tasks. Only the supervisor calls it,
// on a slot that no chunk has.
func (s *Slot) Reset(n int) {
	s.First.Store(0)
	s.Elapsed.Store(0)
	s.Watch.Store(WatchOff)
	s.word.Store(uint64(n))
}

// Load reads the word.
func (s *Slot) Load() State { return decode(s.word.Load()) }

// Retired reports whether the chunk is over; it is what a spinning reader polls.
func (s *Slot) Retired() bool { return s.word.Load()&retired != 0 }

// Claim takes the next task, if there is one to begin.
func (s *Slot) Claim() (i int, ok bool) {
	for {
		w := s.word.Load()
		next := w >> nextShift & half
		if w&(condemned|retired) != 0 || next >= w&half {
			return 0, false
		}
		if s.word.CompareAndSwap(w, w+1<<nextShift) {
			return int(next), true
		}
	}
}

// Retire ends the chunk, taking whatever is left unclaimed out of it, and
// reports whether the supervisor condemned it before.
func (s *Slot) Retire() (dead bool) {
	for {
		w := s.word.Load()
		if w&condemned != 0 {
			return true
		}
		if s.word.CompareAndSwap(w, w|retired) {
			return false
		}
	}
}

// Take lowers end so that at most keep unclaimed tasks remain, and returns the
// range [from, to) taken back; from == to when there was nothing.
func (s *Slot) Take(keep int) (from, to int) {
	for {
		w := s.word.Load()
		if w&(condemned|retired) != 0 {
			return 0, 0
		}
		next, end := int(w>>nextShift&half), int(w&half)
		if next+keep >= end {
			return 0, 0
		}
		if s.word.CompareAndSwap(w, w&^uint64(half)|uint64(next+keep)) {
			return next + keep, end
		}
	}
}

// Condemn forbids the child to begin anything after task number i, provided
// that i is the task it claimed last and the chunk is not retired.
func (s *Slot) Condemn(i int) bool {
	for {
		w := s.word.Load()
		if w&(condemned|retired) != 0 || int(w>>nextShift&half) != i+1 {
			return false
		}
		if s.word.CompareAndSwap(w, w|condemned) {
			return true
		}
	}
}

// SharedAt returns the pool's line of an area.
func SharedAt(area []byte) *Shared {
	_ = area[LineSize-1]
	// The area is page aligned and outlives every user of the pointer; the
	// struct holds only atomics of fixed size.
	return (*Shared)(unsafe.Pointer(&area[0]))
}

// BellAt returns a worker's bell.
func BellAt(area []byte, worker int) *Bell {
	return (*Bell)(unsafe.Pointer(&line(area, worker, 0)[0])) // as in SharedAt
}

// SlotAt returns a worker's slot.
func SlotAt(area []byte, worker int, slot uint32) *Slot {
	return (*Slot)(unsafe.Pointer(&line(area, worker, 1+int(slot))[0])) // as in SharedAt
}

// CheckSlot reports whether a worker may have that slot in an area.
func CheckSlot(area []byte, worker int, slot uint32) error {
	if slot >= SlotsPerWorker || worker < 0 || AreaSize(worker+1) > len(area) {
		return fmt.Errorf("%w: slot %d of worker %d", ErrProtocol, slot, worker)
	}
	return nil
}

func line(area []byte, worker, n int) []byte {
	off := LineSize + worker*BlockSize + n*LineSize
	return area[off : off+LineSize : off+LineSize]
}
