package oslock

import (
	"context"
	"encoding/binary"
	"fmt"
	"runtime"
	"sync/atomic"

	"yunta/oslock/futex"
)

// A read-write lock is a Lock, by whose word writers keep each other out, and a row for each slot of the
// registry, in which a member counts the shares that its readers have:
//
//	offset 64, 32 bits    the word of a lock, see lock_word.go
//	offset 68, 32 bits    state: bit 0 a writer is inside, bit 1 one died inside and nobody has repaired
//	offset 80, 32 bits    leaving: bit 31 W, a writer sleeps until the readers have left; bits 0-30 count
//	offset 128, 32 bits   rows ever used
//	offset 4096, 64 bits  row 0 ...: bits 47-63 generation, bits 0-31 shares
//
// A reader counts itself, then looks at the word: free and clean, it is inside. A writer takes the word, then looks
// at the rows: all zero, it is inside. Whoever comes second sees the other (Dekker), so one of them
// withdraws: the reader, who takes its share off again, and then queues for the word like a writer, counts itself
// while it has the word, and gives that back. So readers and writers who have to wait stand in one
// fair line, and a stream of readers cannot keep a writer out: its word stops them.
//
// A dead reader's row is emptied by the writer whom it holds up. Whether a dead owner of the word was a
// writer inside, or one still waiting for readers, or a reader in the line, says bit 0 of state, set and
// cleared while the word is held: the D of the word follows it (settleRW). A writer killed between clearing it and
// giving the word back had finished.
const (
	offState   = 68
	offLeaving = 80

	stateInside = 1
	stateDirty  = 2

	sharesMask = 1<<32 - 1
)

type rwState struct {
	state   *atomic.Uint32
	leaving place
	row     *atomic.Uint64 // of this process: only its goroutines change it
}

func sharesOf(r uint64) uint32 { return uint32(r & sharesMask) }

// newRWState makes the row of our slot ours. It was a member's that is dead, or we would not have the slot.
func newRWState(f *sharedFile) *rwState {
	slot := slotOf(f.me)
	s := &rwState{
		state: f.region.Uint32(offState), leaving: newPlace(f.region.Uint32(offLeaving)), row: f.row(slot),
	}
	f.useRow(slot)
	s.row.Store(uint64(genOf(f.me)) << rowGenAt)
	step("row claimed")
	return s
}

func (f *sharedFile) sharesHeld() uint32 { return sharesOf(f.rw.row.Load()) }

// share takes a share if no writer has the word and none left it in disorder.
func (f *sharedFile) share() bool {
	v := f.word.Load()
	if v&(numberMask|bitD) != 0 {
		return false
	}
	f.rw.row.Add(1)
	step("share taken")
	v = f.word.Load()
	if v&(numberMask|bitD) == 0 {
		return true
	}
	f.unshare()
	return false
}

// unshare gives one share back, and wakes the writer who waits for that. It reports false if this process
// has none.
func (f *sharedFile) unshare() bool {
	for {
		r := f.rw.row.Load()
		if sharesOf(r) == 0 {
			return false
		}
		if f.rw.row.CompareAndSwap(r, r-1) {
			break
		}
	}
	step("share given")
	f.left()
	return true
}

// left tells the writer who waits for readers to leave that one has.
func (f *sharedFile) left() {
	l := f.rw.leaving.word
	for v := l.Load(); v&bitW != 0; v = l.Load() {
		if l.CompareAndSwap(v, (v+1)&^bitW) {
			step("writer told")
			futex.Wake(l, 1)
			return
		}
	}
}

// read reports whether anybody has a share.
func (f *sharedFile) read() bool {
	for slot := range f.rowsInUse() {
		if sharesOf(f.row(slot).Load()) > 0 {
			return true
		}
	}
	return false
}

// dropDead takes off the shares of the dead. lost says that there are readers who cannot be judged.
func (f *sharedFile) dropDead() (lost bool) {
	for slot := range f.rowsInUse() {
		row := f.row(slot)
		r := row.Load()
		if sharesOf(r) == 0 || slot == slotOf(f.me) {
			continue
		}
		verdict, proof := f.reg.judge(numberFor(slot, rowGen(r)))
		switch verdict {
		case dead:
			row.CompareAndSwap(r, r&^sharesMask)
			step("share of the dead dropped")
		case lostMember:
			lost = true
		}
		release(proof)
	}
	return lost
}

// drain waits, as the owner of the word, until all readers have left.
func (f *sharedFile) drain(ctx context.Context, h *handle) error {
	if !f.read() {
		return nil
	}
	w, err := h.enter(ctx, &f.rw.leaving)
	if err != nil {
		return err
	}
	defer w.leave()
	for slept := false; ; {
		v := w.p.word.Load()
		if v&bitW == 0 {
			if !w.p.word.CompareAndSwap(v, v|bitW) {
				continue
			}
			v |= bitW
			step("about to sleep")
		}
		if !f.read() { // looked at after W was there: who leaves later sees it
			return nil
		}
		if err := w.over(); err != nil {
			return err
		}
		if w.due() {
			if err := w.judged(f.dropDead()); err != nil {
				return fmt.Errorf("%w: %s", err, f.reg.path)
			}
			continue
		}
		if !slept {
			runtime.Gosched()
		}
		w.sleep(v)
		slept = true
		step("slept")
	}
}

// settleRW puts D of the word, which this process owns, in accord with state, and reports whether a writer
// died inside.
func (f *sharedFile) settleRW() (dirty bool) {
	state := f.rw.state.Load()
	if state&stateInside != 0 {
		state = stateDirty
		f.rw.state.Store(state)
	}
	if state == 0 {
		f.repaired()
		return false
	}
	f.word.Or(bitD)
	step("found dirty")
	return true
}

// go inside and out again, as the owner of the word.
func (f *sharedFile) enterRW(dirty bool) {
	state := uint32(stateInside)
	if dirty {
		state |= stateDirty
	}
	f.rw.state.Store(state)
	step("inside")
}

// leaveRW reports false if no writer of this process is inside.
func (f *sharedFile) leaveRW() bool {
	for {
		state := f.rw.state.Load()
		if ownerOf(f.word.Load()) != f.me || state&stateInside == 0 {
			return false
		}
		if f.rw.state.CompareAndSwap(state, state&^stateInside) {
			step("outside")
			return f.unlock()
		}
	}
}

// repairedRW clears what says that a writer died. It reports false if no writer of this process is inside.
func (f *sharedFile) repairedRW() bool {
	if ownerOf(f.word.Load()) != f.me || f.rw.state.Load()&stateInside == 0 {
		return false
	}
	f.rw.state.Store(stateInside)
	return f.repaired()
}

// disownRW is disown for a read-write lock: its readers are gone, and its writer, if it was inside, died.
func disownRW(fd int) error {
	b := make([]byte, 8)
	if _, err := readAt(fd, b, offWord); err != nil {
		return err
	}
	word, state := uint32(0), uint32(0)
	if binary.NativeEndian.Uint32(b[4:]) != 0 {
		word, state = bitD, stateDirty
	}
	binary.NativeEndian.PutUint32(b, word)
	binary.NativeEndian.PutUint32(b[4:], state)
	if err := writeAt(fd, make([]byte, undoSize-offRows), offRows); err != nil {
		return err
	}
	return writeAt(fd, b, offWord)
}
