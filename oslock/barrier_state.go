package oslock

import (
	"encoding/binary"
	"math"
	"sync/atomic"

	"yunta/oslock/futex"
)

// A barrier's file:
//
//	offset 64, 32 bits    the word of a lock, see lock_word.go: only who arrives takes it
//	offset 128, 32 bits   state, slept on: bit 31 W; bits 3-30 phase, wrapping; bits 0-2
//	                      0 filling, 1 draining, 2 resetting, 3 broken, 4 draining and aborted
//	offset 192, 32 bits   place 0 ... one for each party: the member number of who waits there, 0: nobody
//
// Who arrives while it fills takes the first free place, which is its index; so places fill in order. The
// last one makes filling draining. Breaking makes it broken, a reset with people inside resetting: each of these is
// one exchange, which the first to try wins and which decides for all who are inside. They leave their
// places; when all are free, draining and resetting become filling of the next phase, and until
// then newcomers wait outside (Python's barrier has the same states, but for the last). Broken stays until a reset. Who
// has met has met: an abort while it drains takes nothing back, and makes it broken when all are gone.
//
// A death shows as a place whose member is dead: found while filling it breaks the barrier, found later the
// place is freed. Those who wait look every few milliseconds, and so does who would be the last. There
// are no two stores that must go together, so the lock needs no repair.
const (
	filling   = 0
	draining  = 1
	resetting = 2
	broken    = 3
	aborted   = 4

	modeMask = 7
	phaseOne = 8

	offBarrier = 128
	offPlaces  = 192
	maxParties = 1 << 12
)

// barrierSize is a whole number of cache lines.
func barrierSize(parties int) int { return (offPlaces + 4*parties + 63) / 64 * 64 }

func modeOf(v uint32) uint32 { return v & modeMask }
func hasMet(v uint32) bool   { return modeOf(v) == draining || modeOf(v) == aborted }
func isBroken(v uint32) bool { return modeOf(v) == broken || modeOf(v) == aborted }

// samePhase reports whether v is still what s was, W aside.
func samePhase(v, s uint32) bool { return v&^bitW == s&^bitW }

type barrierState struct {
	place // state, and the gate of those who wait inside
	// outside is the gate of those who wait until the last phase is over: what they wait for needs those
	// inside to leave, so these must not stand behind them.
	outside place
	n       int
}

func newBarrierState(f *sharedFile) *barrierState {
	word := f.region.Uint32(offBarrier)
	return &barrierState{place: newPlace(word), outside: newPlace(word), n: int(f.head.initial)}
}

func (f *sharedFile) party(i int) *atomic.Uint32 { return f.region.Uint32(offPlaces + 4*i) }

// turn makes the state v the given mode, next phase or not, and wakes everybody who sleeps for that.
func (f *sharedFile) turn(v, to uint32) bool {
	if !f.barrier.word.CompareAndSwap(v, to&^bitW) {
		return false
	}
	step("turned")
	if v&bitW != 0 {
		futex.Wake(f.barrier.word, math.MaxInt32)
	}
	return true
}

// change is turn to another mode in the same phase, unless the phase is another already.
func (f *sharedFile) change(phase, mode uint32) {
	for {
		v := f.barrier.word.Load()
		if !samePhase(v, phase) || f.turn(v, v&^modeMask|mode) {
			return
		}
	}
}

// refill begins the next phase if everybody has left the last.
func (f *sharedFile) refill() {
	for {
		v := f.barrier.word.Load()
		next := uint32(filling)
		switch modeOf(v) {
		case filling, broken:
			return
		case aborted:
			next = broken
		}
		if f.inside() > 0 || f.turn(v, v&^modeMask+phaseOne|next) {
			return
		}
	}
}

// inside counts the places that are taken.
func (f *sharedFile) inside() (n int) {
	for i := range f.barrier.n {
		if f.party(i).Load() != 0 {
			n++
		}
	}
	return n
}

// leavePlace frees this party's place after its phase has ended.
func (f *sharedFile) leavePlace(i int) {
	f.party(i).CompareAndSwap(f.me, 0)
	step("left")
	f.refill()
}

// bury looks for the dead. While it fills, one breaks the barrier; later, their places are freed.
func (f *sharedFile) bury() {
	v := f.barrier.word.Load()
	last := uint32(0)
	for i := range f.barrier.n {
		owner := f.party(i).Load()
		if owner == 0 || owner == f.me || owner == last {
			continue
		}
		verdict, proof := f.reg.judge(owner)
		switch {
		case verdict != dead:
			last = owner // alive a moment ago: the next place may be its too
		case modeOf(v) == filling:
			f.change(v, broken)
			v = f.barrier.word.Load()
			fallthrough
		default:
			f.party(i).CompareAndSwap(owner, 0)
			step("buried")
		}
		release(proof)
	}
	f.refill()
}

// abandon is what becomes of a barrier's file whose parties are all gone: if some waited it is broken.
func abandon(fd int, have header) error {
	b := make([]byte, have.size()-offBarrier)
	if _, err := readAt(fd, b, offBarrier); err != nil {
		return err
	}
	v := binary.NativeEndian.Uint32(b) &^ bitW
	waited := false
	for i := range have.initial {
		waited = waited || binary.NativeEndian.Uint32(b[offPlaces-offBarrier+4*i:]) != 0
	}
	switch mode := modeOf(v); {
	case mode == filling && waited, mode == aborted:
		v = v&^modeMask | broken
	case mode == draining, mode == resetting:
		v = v&^modeMask + phaseOne
	}
	binary.NativeEndian.PutUint32(b, v&^bitW)
	if err := writeAt(fd, b[:4], offBarrier); err != nil {
		return err
	}
	if err := writeAt(fd, make([]byte, have.size()-offPlaces), offPlaces); err != nil {
		return err
	}
	return writeAt(fd, make([]byte, 4), offWord)
}
