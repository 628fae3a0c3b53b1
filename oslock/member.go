package oslock

import "sync"

// A member is a process that uses locks. Its number is what a lock word names as the owner:
//
//	bits 12-28  generation, 1..131071: which tenant of the slot this is
//	bits  0-11  slot
//
// 0 is nobody. The generation keeps a slot used again from being taken for the tenant before: a
// process that saw a dead owner, and is late to take its lock, does not hit the next one.
const (
	slotBits = 12
	slots    = 1 << slotBits
	genBits  = 17
	genMask  = 1<<genBits - 1

	numberBits = slotBits + genBits
	numberMask = 1<<numberBits - 1
)

func slotOf(number uint32) int   { return int(number & (slots - 1)) }
func genOf(number uint32) uint32 { return number >> slotBits & genMask }

func numberFor(slot int, gen uint32) uint32 { return gen<<slotBits | uint32(slot) }

// nextGen follows gen; it never is 0, so no number is.
func nextGen(gen uint32) uint32 {
	if gen >= genMask {
		return 1
	}
	return gen + 1
}

// newerGen reports whether a came after b, in a circle: half of it is the future.
func newerGen(a, b uint32) bool {
	d := (a - b) & genMask
	return d != 0 && d < 1<<(genBits-1)
}

// membership is this process's place in the user's registry. It is taken at the first use of a lock
// and kept for life: numbers stand in files, so a process can have only one.
var membership struct {
	mu  sync.Mutex // guards reg, and makes first users wait for the joining one
	reg *registry
}

// member returns the registry this process is a member of, and joins it first if need be. A
// failure is not remembered.
func member() (*registry, error) {
	membership.mu.Lock()
	defer membership.mu.Unlock()
	if membership.reg == nil {
		r, err := joinRegistry()
		if err != nil {
			return nil, err
		}
		membership.reg = r
	}
	return membership.reg, nil
}

// verdict is what can be known about a member from outside.
type verdict int

const (
	// notDead: it lives, or it cannot be told at this moment.
	notDead verdict = iota
	// dead is proof: its flock is gone, and it can never come back under this number.
	dead
	// lostMember: the file that would tell was removed. It may live.
	lostMember
)
