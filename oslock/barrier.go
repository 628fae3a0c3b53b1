package oslock

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"time"
)

// BarrierOptions are the settings of a [Barrier]. The zero value is the recommended one.
type BarrierOptions struct {
	// Action is called once each time the parties meet, by the last to arrive, before any of them goes on. If
	// it returns an error the barrier breaks. nil means none.
	Action func() error
	// Timeout is how long Wait waits when its context has no deadline; 0 means for ever.
	Timeout time.Duration
	// Mode is the permission of a new file, before the umask; 0 means 0600, the user alone.
	Mode fs.FileMode
}

// Barrier lets a fixed number of parties wait for each other, again and again: Python's
// multiprocessing.Barrier with a name. A party is a call of Wait, from whichever goroutine of whichever process.
//
// If one of those who wait gives up (its context ends, its handle is closed) or dies, the barrier breaks
// for all of them, as those who are left would wait in vain: Wait returns [ErrBroken], at once after giving up and
// some milliseconds after a death, and goes on to do so until [Barrier.Reset].
//
// A Barrier may be used by any number of goroutines and must not be copied. In other processes, open the
// same name with the same number of parties.
type Barrier struct {
	h       handle
	action  func() error
	timeout time.Duration
}

// OpenBarrier opens the barrier of that name, and makes it where there is none. Names and errors are those of
// [OpenLock]; [ErrValue] unless there are 1 to 4096 parties, and [ErrMismatch] for a barrier with another
// number of them.
func OpenBarrier(name string, parties int, o BarrierOptions) (*Barrier, error) {
	b := &Barrier{}
	if err := b.open(name, parties, o); err != nil {
		return nil, err
	}
	return b, nil
}

func (b *Barrier) open(name string, parties int, o BarrierOptions) error {
	if parties < 1 || parties > maxParties {
		return fmt.Errorf("%w: %d parties, want 1 to %d", ErrValue, parties, maxParties)
	}
	if o.Timeout < 0 {
		return fmt.Errorf("%w: timeout %v, want 0 or more", ErrValue, o.Timeout)
	}
	b.action, b.timeout = o.Action, o.Timeout
	return b.h.open(name, header{kind: kindBarrier, initial: uint32(parties)}, o.Mode)
}

// Wait waits until all parties have called it. It returns the number of those who had arrived before: 0 to
// parties-1, another for each; it is -1 with an error.
//
// The end of the context, or Close, breaks the barrier, for all who wait; the error then wraps both
// [ErrBroken] and theirs. When the barrier has been broken by others, aborted or reset it is ErrBroken alone. The
// error of the Action goes to the one who called it, and wraps ErrBroken too.
func (b *Barrier) Wait(ctx context.Context) (index int, err error) {
	f, err := b.h.use()
	if err != nil {
		return -1, b.h.errorf("wait", err)
	}
	defer f.done()
	if _, limited := ctx.Deadline(); !limited && b.timeout > 0 {
		var cancel context.CancelFunc
		ctx, cancel = context.WithTimeout(ctx, b.timeout)
		defer cancel()
	}
	var phase uint32
	var full bool
	err = f.guard(func() error {
		index, phase, full, err = b.arrive(ctx, f)
		return err
	})
	if err != nil {
		return -1, f.errorf("wait", err)
	}
	f.order.released()
	if full {
		err = b.meet(f, phase)
	} else {
		err = f.guard(func() error { return b.h.waitPhase(ctx, f, phase) })
	}
	var now uint32
	fault := f.guard(func() error {
		now = f.barrier.word.Load()
		f.leavePlace(index)
		return nil
	})
	f.order.acquired()
	switch {
	case fault != nil:
		return -1, fault
	case now&^(bitW|modeMask) == phase&^(bitW|modeMask) && hasMet(now): // no phase ends before all have left
		return index, nil
	case err == nil || errors.Is(err, ErrBroken):
		return -1, f.errorf("wait", ErrBroken)
	}
	return -1, f.errorf("wait", fmt.Errorf("%w: %w", ErrBroken, err))
}

// arrive takes a place. full says that it was the last one.
func (b *Barrier) arrive(ctx context.Context, f *sharedFile) (index int, phase uint32, full bool, err error) {
	for {
		v := f.barrier.word.Load()
		if modeOf(v) == filling {
			if index, phase, err = b.place(ctx, f); err != nil || index >= 0 {
				break
			}
			v = f.barrier.word.Load()
		}
		if isBroken(v) {
			return -1, v, false, ErrBroken
		}
		// The last phase is not over, or this one is full and about to be: neither lasts.
		if err = b.h.waitChange(ctx, f, &f.barrier.outside, v); err != nil {
			return -1, v, false, err
		}
	}
	if err != nil || index < f.barrier.n-1 {
		return index, phase, false, err
	}
	// Would be the last: if nobody has looked for a while, nobody may be there any more to look.
	if f.probe.due() {
		f.bury()
	}
	return index, phase, true, nil
}

// place takes the first free place, and returns -1 if there is none.
func (b *Barrier) place(ctx context.Context, f *sharedFile) (index int, phase uint32, err error) {
	if !f.word.CompareAndSwap(0, f.me) {
		if _, err := b.h.waitLock(ctx, f); err != nil {
			return -1, 0, err
		}
		f.repaired() // whoever died with the lock left nothing half done
	}
	defer f.unlock()
	phase = f.barrier.word.Load()
	if modeOf(phase) != filling {
		return -1, phase, nil
	}
	for i := range f.barrier.n {
		if f.party(i).Load() == 0 {
			f.party(i).Store(f.me)
			step("arrived")
			if !samePhase(f.barrier.word.Load(), phase) { // aborted and reset meanwhile, say
				f.leavePlace(i)
				return -1, phase, nil
			}
			return i, phase, nil
		}
	}
	return -1, phase, nil
}

// meet is what the last to arrive does.
func (b *Barrier) meet(f *sharedFile, phase uint32) (err error) {
	mode := uint32(broken)
	if !samePhase(f.barrier.word.Load(), phase) {
		return ErrBroken
	}
	f.order.acquired()
	defer func() { // the action may panic
		f.order.released()
		if fault := f.guard(func() error { f.change(phase, mode); return nil }); err == nil {
			err = fault
		}
	}()
	if b.action != nil {
		step("acting")
		if err := b.action(); err != nil {
			return fmt.Errorf("action: %w", err)
		}
	}
	mode = draining
	return nil
}

// waitPhase waits until the phase is no longer filling, and breaks the barrier if it cannot.
func (h *handle) waitPhase(ctx context.Context, f *sharedFile, phase uint32) error {
	err := h.waitChange(ctx, f, &f.barrier.place, phase)
	if err != nil {
		step("giving up")
		f.change(phase, broken)
	}
	return err
}

// waitChange waits until the state is no longer was.
func (h *handle) waitChange(ctx context.Context, f *sharedFile, p *place, was uint32) error {
	w, err := h.enter(ctx, p)
	if err != nil {
		return err
	}
	defer w.leave()
	for {
		v := f.barrier.word.Load()
		if !samePhase(v, was) {
			return nil
		}
		if err := w.over(); err != nil {
			return err
		}
		if w.due() {
			f.bury()
			continue
		}
		if v&bitW == 0 && !f.barrier.word.CompareAndSwap(v, v|bitW) {
			continue
		}
		step("about to sleep")
		w.sleep(v | bitW)
		step("slept")
	}
}

// Abort breaks the barrier: who waits, and whoever comes, gets [ErrBroken]. Those who have met already go on.
func (b *Barrier) Abort() error {
	return b.alter("abort", func(v uint32, _ bool) uint32 {
		if hasMet(v) {
			return v&^modeMask | aborted
		}
		return v&^modeMask | broken
	})
}

// Reset makes the barrier as new. Who waits gets [ErrBroken]; whoever comes later begins anew.
func (b *Barrier) Reset() error {
	return b.alter("reset", func(v uint32, waiting bool) uint32 {
		switch m := modeOf(v); {
		case m == draining, m == resetting, m == filling && !waiting:
			return v
		case m == aborted:
			return v&^modeMask | draining
		case !waiting:
			return v&^modeMask + phaseOne
		}
		return v&^modeMask | resetting
	})
}

// alter changes the state as to says.
func (b *Barrier) alter(doing string, to func(v uint32, waiting bool) uint32) error {
	f, err := b.h.use()
	if err != nil {
		return b.h.errorf(doing, err)
	}
	defer f.done()
	return f.guard(func() error {
		for {
			v := f.barrier.word.Load()
			if next := to(v&^bitW, f.inside() > 0); samePhase(v, next) || f.turn(v, next) {
				f.refill()
				return nil
			}
		}
	})
}

// Parties returns how many must wait for the barrier to open; of a closed handle, 0.
func (b *Barrier) Parties() int {
	f := b.h.file.Load()
	if f == nil || f == closedFile {
		return 0
	}
	return f.barrier.n
}

// Waiting returns how many wait at this moment; of a closed handle, 0.
func (b *Barrier) Waiting() (n int) {
	_ = b.look(func(f *sharedFile) {
		if modeOf(f.barrier.word.Load()) == filling {
			n = f.inside()
		}
	})
	return n
}

// Broken reports whether the barrier is broken; of a closed handle, true.
func (b *Barrier) Broken() bool {
	yes := true
	_ = b.look(func(f *sharedFile) { yes = isBroken(f.barrier.word.Load()) })
	return yes
}

func (b *Barrier) look(at func(*sharedFile)) error {
	f, err := b.h.use()
	if err != nil {
		return err
	}
	defer f.done()
	return f.guard(func() error { at(f); return nil })
}

// File returns the absolute path of the barrier's file, which is its name for every other process.
func (b *Barrier) File() string { return b.h.path }

// Close gives the handle back: whoever waits through it returns with [ErrClosed], which breaks the barrier
// for the others who wait, and so does every later call return. Closing again does nothing.
func (b *Barrier) Close() error { return b.h.close() }
