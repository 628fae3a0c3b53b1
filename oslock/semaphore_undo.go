package oslock

import (
	"encoding/binary"
	"fmt"
	"sync"
	"sync/atomic"
	"unsafe"

	"yunta/oslock/futex"
)

// A semaphore with undo knows who took what. One exchange takes a permit and says so, for it
// cannot be seen from outside whether a process killed between two steps has done the first.
//
// The word, 64 bits:
//
//	bits 43-63  seq: number of the last operation
//	bits 28-42  count \ what the last operation made of a row:
//	bits 16-27  slot  / row[slot] becomes count
//	bit  15     W: somebody sleeps
//	bits 0-14   value
//
// and a row for each slot of the registry, 64 bits:
//
//	bits 47-63  gen: the member whose row it is, with the slot
//	bits 32-46  count: how many permits that member has
//	bits 11-31  seq: the last operation that this row shows
//	bits 0-10   ver: grows at each change
//
// The last operation stands in the word until the next one, and whoever does the next one first writes the
// last into its row ("help"), if that was not done; but if it is on the same row, that shows it soon
// enough. So nobody waits for anybody, and it does not matter who dies where. Value and counts, the word's own row taken from the word, always add up to the
// initial value. A helper could be fooled only if it slept through a multiple of 2^21 operations and then
// found the row as it was, ver too.
const (
	undoW     = 1 << 15
	undoValue = undoW - 1

	undoSlotAt  = 16
	undoCountAt = 28
	undoSeqAt   = 43

	rowGenAt   = 47
	rowCountAt = 32
	rowSeqAt   = 11

	seqMask = 1<<21 - 1
	verMask = 1<<11 - 1

	offRowsUsed = 128
)

func valueOf(x uint64) uint64  { return x & undoValue }
func opSlot(x uint64) int      { return int(x >> undoSlotAt & (slots - 1)) }
func opCount(x uint64) uint64  { return x >> undoCountAt & undoValue }
func opSeq(x uint64) uint64    { return x >> undoSeqAt }
func rowGen(r uint64) uint32   { return uint32(r >> rowGenAt) }
func rowCount(r uint64) uint64 { return r >> rowCountAt & undoValue }
func rowSeq(r uint64) uint64   { return r >> rowSeqAt & seqMask }
func rowVer(r uint64) uint64   { return r & verMask }
func sameOp(x, y uint64) bool  { return x&^undoW == y&^undoW }
func waitsOf(x uint64) uint32  { return uint32(x) }
func sleeps(x uint64) bool     { return x&undoW != 0 }
func withW(on bool) (w uint64) {
	if on {
		return undoW
	}
	return 0
}

// packOp and packRow put the words together.
func packOp(value, w uint64, slot int, count, seq uint64) uint64 {
	return seq<<undoSeqAt | count<<undoCountAt | uint64(slot)<<undoSlotAt | w | value
}

func packRow(gen uint32, count, seq, ver uint64) uint64 {
	return uint64(gen)<<rowGenAt | count<<rowCountAt | seq<<rowSeqAt | ver&verMask
}

// putWord writes the first word of a file into b.
func (h *header) putWord(b []byte) {
	switch h.kind {
	case kindUndo:
		binary.NativeEndian.PutUint64(b, uint64(h.initial))
	case kindSemaphore:
		binary.NativeEndian.PutUint32(b, h.initial)
	}
}

// undoState is what a semaphore with undo has beyond a plain one.
type undoState struct {
	// mu keeps the goroutines of this process, who share one row, from working on it at once.
	mu   sync.Mutex
	wide *atomic.Uint64
	slot int // of this process
	gen  uint32
}

func newUndoState(f *sharedFile) *undoState {
	return &undoState{wide: f.region.Uint64(offWord), slot: slotOf(f.me), gen: genOf(f.me)}
}

// low returns the half of the word that has value and W, to sleep on.
func (u *undoState) low() *atomic.Uint32 {
	p := unsafe.Pointer(u.wide)
	if binary.NativeEndian.Uint16([]byte{0, 1}) == 1 { // big endian
		p = unsafe.Add(p, 4)
	}
	// Half of an aligned 64-bit word; nobody stores to it, only the kernel looks at it.
	return (*atomic.Uint32)(p)
}

func (f *sharedFile) row(slot int) *atomic.Uint64 { return f.region.Uint64(offRows + 8*slot) }
func (f *sharedFile) rowsUsed() *atomic.Uint32    { return f.region.Uint32(offRowsUsed) }

// rowsInUse is how many rows to look at.
func (f *sharedFile) rowsInUse() int { return min(int(f.rowsUsed().Load()), slots) }

// useRow makes others look at the row.
func (f *sharedFile) useRow(slot int) {
	for {
		used := f.rowsUsed().Load()
		if int(used) > slot || f.rowsUsed().CompareAndSwap(used, uint32(slot)+1) {
			return
		}
	}
}

// help writes the last operation into its row, unless that was done or x is no longer the word.
func (f *sharedFile) help(x uint64) {
	row := f.row(opSlot(x))
	for {
		r := row.Load()
		if rowSeq(r) == opSeq(x) || !sameOp(f.undo.wide.Load(), x) {
			return
		}
		step("helping")
		// It fails when another helper was here: perhaps a late one, of an earlier
		// operation on the same row, for the owner does not help itself.
		if row.CompareAndSwap(r, packRow(rowGen(r), opCount(x), opSeq(x), rowVer(r)+1)) {
			return
		}
	}
}

// again returns the number for another operation on our row, if the last one was on it too. Then the word
// has all there is to know: its count is the row's, which need not be written in between, and one exchange
// does it, whatever other goroutines of this process are at.
func (f *sharedFile) again(x uint64) (seq uint64, ok bool) {
	if opSlot(x) != f.undo.slot {
		return 0, false
	}
	seq = (opSeq(x) + 1) & seqMask
	if seq == rowSeq(f.row(f.undo.slot).Load()) {
		seq = (seq + 1) & seqMask
	}
	return seq, true
}

// settle returns the word, and the row of slot as it stands by that word, and the number for an
// operation on that row.
func (f *sharedFile) settle(slot int) (x, r, seq uint64) {
	for {
		x = f.undo.wide.Load()
		f.help(x)
		r = f.row(slot).Load()
		if f.undo.wide.Load() != x {
			continue
		}
		seq = (opSeq(x) + 1) & seqMask
		if seq == rowSeq(r) { // or the row would look as if it showed the operation already
			seq = (seq + 1) & seqMask
		}
		return x, r, seq
	}
}

// takeUndo takes a permit if more than reserve are there. slept says that the caller has slept for it.
func (f *sharedFile) takeUndo(slept bool, reserve uint64) bool {
	u := f.undo
	if x := u.wide.Load(); !slept && valueOf(x) > reserve {
		if seq, ok := f.again(x); ok && u.wide.CompareAndSwap(x, packOp(valueOf(x)-1, x&undoW, u.slot, opCount(x)+1, seq)) {
			step("permit taken")
			return true
		}
	}
	u.mu.Lock()
	defer u.mu.Unlock()
	for {
		x, r, seq := f.settle(u.slot)
		value := valueOf(x)
		if value <= reserve {
			return false
		}
		w := x&undoW | withW(slept)
		if u.wide.CompareAndSwap(x, packOp(value-1, w, u.slot, rowCount(r)+1, seq)) {
			step("permit taken")
			if slept && value > 1 {
				futex.Wake(f.word, 1)
			}
			return true
		}
	}
}

// giveUndo gives back n permits of this process.
func (f *sharedFile) giveUndo(n int) error {
	u := f.undo
	if x := u.wide.Load(); !sleeps(x) && n <= int(opCount(x)) {
		if seq, ok := f.again(x); ok && u.wide.CompareAndSwap(x, packOp(valueOf(x)+uint64(n), 0, u.slot, opCount(x)-uint64(n), seq)) {
			step("permit given")
			return nil
		}
	}
	u.mu.Lock()
	defer u.mu.Unlock()
	for {
		x, r, seq := f.settle(u.slot)
		count := rowCount(r)
		if n > int(count) {
			return fmt.Errorf("%w: %d, of which this process took %d", ErrOverRelease, n, count)
		}
		if u.wide.CompareAndSwap(x, packOp(valueOf(x)+uint64(n), 0, u.slot, count-uint64(n), seq)) {
			step("permit given")
			if sleeps(x) {
				futex.Wake(f.word, n)
			}
			return nil
		}
	}
}

// markUndo puts W on and returns what to sleep on, or 0 if there are more permits than reserve.
func (f *sharedFile) markUndo(reserve uint64) uint32 {
	for {
		x := f.undo.wide.Load()
		if valueOf(x) > reserve {
			return 0
		}
		if sleeps(x) || f.undo.wide.CompareAndSwap(x, x|undoW) {
			step("about to sleep")
			return waitsOf(x | undoW)
		}
	}
}

// taken returns how many permits this process has.
func (f *sharedFile) taken() uint64 {
	_, r, _ := f.settle(f.undo.slot)
	return rowCount(r)
}

// giveBack returns what a member had that is known to be dead.
func (f *sharedFile) giveBack(slot int, gen uint32) {
	for {
		x, r, seq := f.settle(slot)
		count := rowCount(r)
		if rowGen(r) != gen || count == 0 {
			return
		}
		if f.undo.wide.CompareAndSwap(x, packOp(valueOf(x)+count, 0, slot, 0, seq)) {
			step("given back")
			if sleeps(x) {
				futex.Wake(f.word, int(count))
			}
			return
		}
	}
}

// recoverDead gives back what the dead had. lost says that there are takers who cannot be judged.
func (f *sharedFile) recoverDead() (lost bool) {
	f.help(f.undo.wide.Load())
	for slot := range f.rowsInUse() {
		r := f.row(slot).Load()
		if rowCount(r) == 0 || slot == f.undo.slot || rowGen(r) == 0 {
			continue
		}
		verdict, proof := f.reg.judge(numberFor(slot, rowGen(r)))
		switch verdict {
		case dead:
			f.giveBack(slot, rowGen(r))
		case lostMember:
			lost = true
		}
		release(proof)
	}
	return lost
}

// claimRow makes the row of our slot ours. It was a member's that is dead, or we would not have the slot.
func (f *sharedFile) claimRow() {
	u := f.undo
	f.useRow(u.slot)
	for {
		// Help first: the last operation may be one on this row.
		_, r, _ := f.settle(u.slot)
		switch {
		case rowCount(r) > 0:
			f.giveBack(u.slot, rowGen(r))
		case rowGen(r) == u.gen:
			return
		case f.row(u.slot).CompareAndSwap(r, packRow(u.gen, 0, rowSeq(r), rowVer(r)+1)):
			step("row claimed")
			return
		}
	}
}
