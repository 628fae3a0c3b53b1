package oslock

import (
	"encoding/binary"

	"yunta/oslock/futex"
)

// The word of a lock:
//
//	bit 31     W: somebody sleeps
//	bit 30     S: once free, the lock is for those who have waited
//	bit 29     D: an owner died, and nobody has repaired what it left
//	bits 0-28  the owner's member number; 0: free
//
// Taking and releasing:
//
//	free and clean       0 -> me, and me -> 0
//	free                 -> me, D and W kept, S dropped; W set by one who slept, as others may sleep still
//	owner proven dead    -> me, D, W
//	unlock               owner and W dropped, S and D kept; W was set: wake one
//	about to sleep       W set, and S by one who has waited for firstPace
//
// S is respected by all but those who have waited or were woken. It is dropped by whoever takes the lock, by
// a waiter who leaves, and by an unlock whose wake-up reached nobody. W is lost when a process dies at
// the wrong moment; sleeps that end by themselves make up for that.
const (
	bitW = 1 << 31
	bitS = 1 << 30
	bitD = 1 << 29
)

func ownerOf(word uint32) uint32 { return word & numberMask }

// unlock gives the lock up. It reports false, and changes nothing, if this process does not own it.
func (f *sharedFile) unlock() bool {
	woken := 0
	for {
		v := f.word.Load()
		if ownerOf(v) != f.me {
			return false
		}
		if f.word.CompareAndSwap(v, v&(bitS|bitD)) {
			step("unlocked")
			if v&bitW != 0 {
				woken = futex.Wake(f.word, 1)
			}
			break
		}
	}
	// Reserved, and nobody there to take it: free for all.
	for woken == 0 {
		v := f.word.Load()
		if ownerOf(v) != 0 || v&bitS == 0 {
			break
		}
		if f.word.CompareAndSwap(v, v&bitD) {
			step("reservation dropped")
			if v&bitW != 0 {
				futex.Wake(f.word, 1)
			}
			break
		}
	}
	return true
}

// repaired clears D. It reports false if this process does not own the lock.
func (f *sharedFile) repaired() bool {
	for {
		v := f.word.Load()
		if ownerOf(v) != f.me {
			return false
		}
		if f.word.CompareAndSwap(v, v&^bitD) {
			return true
		}
	}
}

// takeOver takes the lock from owner if that is dead, and returns the word then. lost says that it
// cannot be known. The proof keeps the owner's number from being given away until the exchange
// is done: without that, a late exchange would hit a living owner of the same number.
func (f *sharedFile) takeOver(owner uint32) (word uint32, ok, lost bool) {
	verdict, proof := f.reg.judge(owner)
	defer release(proof)
	if verdict != dead {
		return 0, false, verdict == lostMember
	}
	step("owner dead")
	for v := f.word.Load(); ownerOf(v) == owner; v = f.word.Load() {
		if word := f.me | bitD | bitW; f.word.CompareAndSwap(v, word) {
			step("taken over")
			if f.deaths != nil {
				f.deaths.Add(1) // who waits for something other than the lock itself looks here
			}
			return word, true, false
		}
	}
	return 0, false, false
}

// disownStale takes this process's number off a lock that it has just opened, and so cannot own: the
// number was another's, so many members ago that the generations have come round.
func (f *sharedFile) disownStale() {
	for {
		v := f.word.Load()
		if ownerOf(v) != f.me || f.word.CompareAndSwap(v, v&^numberMask|bitD) {
			return
		}
	}
}

// disown writes into a lock file that nobody has open that its owner, if it names one, died.
func disown(fd int) error {
	b := make([]byte, 4)
	if _, err := readAt(fd, b, offWord); err != nil {
		return err
	}
	v := binary.NativeEndian.Uint32(b)
	if ownerOf(v) != 0 {
		v = bitD
	}
	binary.NativeEndian.PutUint32(b, v&bitD)
	return writeAt(fd, b, offWord)
}
