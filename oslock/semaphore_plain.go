package oslock

import (
	"context"
	"fmt"
	"runtime"

	"yunta/oslock/futex"
)

// The word of a semaphore without undo: bit 31 W, somebody sleeps; bits 0-30 the value.
//
// Who releases takes W off and wakes as many as there are permits. Who has slept and gets one puts W on
// again, since others may sleep still, and wakes one more if permits are left; who has slept and leaves without
// one passes the wake-up on. Sleeps end by themselves, for those a killed process did not wake.

// takePlain takes a permit if one is there.
func (f *sharedFile) takePlain() bool {
	for {
		v := f.word.Load()
		if v&maxPlain == 0 {
			return false
		}
		if f.word.CompareAndSwap(v, v-1) {
			return true
		}
	}
}

// givePlain adds n permits.
func (f *sharedFile) givePlain(n int) error {
	limit := maxPlain
	if f.head.bounded {
		limit = int(f.head.initial)
	}
	for {
		v := f.word.Load()
		have := int(v & maxPlain)
		if n > limit-have {
			return fmt.Errorf("%w: %d to a value of %d, at most %d", ErrOverRelease, n, have, limit)
		}
		if f.word.CompareAndSwap(v, uint32(have+n)) {
			if v&bitW != 0 {
				step("released")
				futex.Wake(f.word, n)
			}
			return nil
		}
	}
}

// waitPermit waits for a permit, of either kind of semaphore, that leaves reserve of them.
func (h *handle) waitPermit(ctx context.Context, f *sharedFile, reserve uint64) error {
	w, err := h.enter(ctx, &f.place)
	if err != nil {
		return err
	}
	defer w.leave()
	for slept := false; ; {
		ok, waits := f.tryPermit(slept, reserve)
		if ok {
			step("acquired")
			return nil
		}
		if err := w.over(); err != nil {
			f.leavePermits(slept)
			return err
		}
		if w.due() {
			if f.undo == nil {
				continue
			}
			if err := w.judged(f.recoverDead()); err != nil {
				f.leavePermits(slept)
				return fmt.Errorf("%w: %s", err, f.reg.path)
			}
			continue
		}
		if !slept {
			// Who has the permit may be a goroutine of this process that waits for our thread.
			runtime.Gosched()
		}
		w.sleep(waits)
		slept = true
		step("slept")
	}
}

// tryPermit takes a permit that leaves reserve of them (0 in a plain semaphore), or marks the word and returns what it is then.
func (f *sharedFile) tryPermit(slept bool, reserve uint64) (ok bool, waits uint32) {
	for f.undo != nil {
		if f.takeUndo(slept, reserve) {
			return true, 0
		}
		if waits := f.markUndo(reserve); waits != 0 {
			return false, waits
		}
	}
	for {
		v := f.word.Load()
		if v&maxPlain == 0 {
			if v&bitW != 0 || f.word.CompareAndSwap(v, v|bitW) {
				step("about to sleep")
				return false, v | bitW
			}
			continue
		}
		left := v - 1
		if slept {
			left |= bitW
		}
		if f.word.CompareAndSwap(v, left) {
			if slept && left&maxPlain != 0 {
				futex.Wake(f.word, 1)
			}
			return true, 0
		}
	}
}

// leavePermits leaves the semaphore as if this waiter had never been.
func (f *sharedFile) leavePermits(slept bool) {
	step("leaving")
	if !slept {
		return
	}
	if f.undo != nil {
		if waits := f.markUndo(0); waits != 0 {
			return
		}
	} else {
		for {
			v := f.word.Load()
			if v&maxPlain != 0 {
				break
			}
			if v&bitW != 0 || f.word.CompareAndSwap(v, v|bitW) {
				return
			}
		}
	}
	step("passing on")
	futex.Wake(f.word, 1)
}
