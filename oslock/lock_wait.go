package oslock

import (
	"context"
	"errors"
	"fmt"
	"runtime"

	"yunta/oslock/futex"
)

// lockSlow is Lock where the one instruction did not do.
func (l *Lock) lockSlow(ctx context.Context, f *sharedFile) error {
	if f == closedFile {
		return l.h.errorf("lock", ErrClosed)
	}
	var word uint32
	err := f.guard(func() (err error) {
		word, err = l.h.waitLock(ctx, f)
		return err
	})
	if err != nil {
		return f.errorf("lock", err)
	}
	runtime.KeepAlive(f)
	_, err = l.got(f, word)
	return err
}

// trySlow is TryLock where the one instruction did not do.
func (l *Lock) trySlow(f *sharedFile) (bool, error) {
	if f == closedFile {
		return false, l.h.errorf("lock", ErrClosed)
	}
	var word uint32
	err := f.guard(func() error { word = f.tryTake(); return nil })
	if err != nil {
		return false, f.errorf("lock", err)
	}
	if word == 0 {
		return false, nil
	}
	return l.got(f, word)
}

// tooLate gives back what the one instruction took just when Close came.
func (l *Lock) tooLate(f *sharedFile) error {
	_ = f.guard(func() error { f.unlock(); return nil })
	return l.h.errorf("lock", ErrClosed)
}

// waitLock waits for the lock and returns the word as it was taken.
func (h *handle) waitLock(ctx context.Context, f *sharedFile) (uint32, error) {
	w, err := h.enter(ctx, &f.place)
	if err != nil {
		return 0, err
	}
	defer w.leave()
	var slept, woken, old bool
	for {
		v := f.word.Load()
		if ownerOf(v) == 0 && (v&bitS == 0 || old || woken) {
			mine := f.me | v&(bitD|bitW)
			if slept {
				mine |= bitW
			}
			if f.word.CompareAndSwap(v, mine) {
				step("taken")
				return mine, nil
			}
			continue
		}
		if err := w.over(); err != nil {
			f.giveUp(slept)
			return 0, err
		}
		if w.due() {
			old = true
			if o := ownerOf(v); o != 0 && o != f.me {
				mine, ok, lost := f.takeOver(o)
				if ok {
					return mine, nil
				}
				if err := w.judged(lost); err != nil {
					f.giveUp(slept)
					return 0, fmt.Errorf("%w: %s", err, f.reg.path)
				}
			}
			continue
		}
		waits := v | bitW
		if old {
			waits |= bitS
		}
		if waits != v {
			if !f.word.CompareAndSwap(v, waits) {
				continue
			}
			step("about to sleep")
		}
		if !slept {
			// The owner may be a goroutine of this process that waits for our thread.
			runtime.Gosched()
		}
		woken = w.sleep(waits)
		slept = true
		step("slept")
	}
}

// giveUp leaves the lock as if this waiter had never been: a reservation may have been for it, a
// wake-up may have been meant for another.
func (f *sharedFile) giveUp(slept bool) {
	step("leaving")
	for {
		v := f.word.Load()
		if ownerOf(v) == 0 {
			if v&bitS != 0 && !f.word.CompareAndSwap(v, v&^bitS) {
				continue
			}
			if slept {
				step("passing on")
				futex.Wake(f.word, 1)
			}
			return
		}
		// Their unlock passes the wake-up on.
		if slept && v&bitW == 0 && !f.word.CompareAndSwap(v, v|bitW) {
			continue
		}
		return
	}
}

// tryTake takes the lock if that needs no waiting, and returns the word then, else 0.
func (f *sharedFile) tryTake() uint32 {
	for {
		v := f.word.Load()
		owner := ownerOf(v)
		if owner != 0 || v&bitS == 0 {
			f.probe.reserved.Store(0)
		}
		switch {
		case owner == 0 && v&bitS != 0 && !f.probe.stale():
			return 0 // for those who wait
		case owner == 0:
			if mine := f.me | v&(bitD|bitW); f.word.CompareAndSwap(v, mine) {
				return mine
			}
		case owner == f.me || !f.probe.due():
			return 0
		default:
			word, _, _ := f.takeOver(owner)
			return word
		}
	}
}

// got does what comes after taking the lock: the dead owner's affairs. It reports whether the
// lock is held.
func (l *Lock) got(f *sharedFile, word uint32) (held bool, err error) {
	if l.h.isClosed() {
		return false, l.tooLate(f)
	}
	f.order.acquired()
	if word&bitD == 0 {
		return true, nil
	}
	if l.repair == nil {
		return true, f.errorf("lock", ErrOwnerDied)
	}
	defer func() {
		if !held { // Repair failed, or panicked: the next one tries
			_ = f.guard(func() error { f.unlock(); return nil })
		}
	}()
	step("repairing")
	if err := l.repair(); err != nil {
		return false, fmt.Errorf("oslock: lock %s: repair after the owner died: %w", f.path, err)
	}
	step("repaired")
	if err := f.guard(func() error { f.repaired(); return nil }); err != nil {
		return false, err
	}
	return true, nil
}

// isHeld reports whether an error of Lock means that the lock is held.
func isHeld(err error) bool { return errors.Is(err, ErrOwnerDied) }
