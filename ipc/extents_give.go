package ipc

import (
	"context"
	"errors"
	"fmt"
	"time"

	"yunta/oslock"
	"yunta/oslock/mapped"
)

// reclaimPatience bounds the wait for the table's lock in ReclaimWriter, which
// nobody but a stopped process holds for longer than a system call.
const reclaimPatience = 2 * time.Second

// Give gives an extent back that Take or TakeUnbudgeted returned, and its
// permit if it had one. Its bytes must not be touched afterwards. It never waits.
func (x *Extents) Give(id uint32) error {
	if id >= maxExtents {
		return fmt.Errorf("%w: extent %d of %d", ErrCorrupt, id, maxExtents)
	}
	return x.guard(func() error { return x.drop(id, x.entry(int(id)).load().gen()) })
}

func (x *Extents) guard(f func() error) error {
	if err := mapped.Guard(f); err != nil {
		if _, ok := errors.AsType[*mapped.FaultError](err); ok {
			return fmt.Errorf("ipc: extents: %w", err)
		}
		return err
	}
	return nil
}

// drop takes one reference away, and frees the extent if it was the last.
func (x *Extents) drop(id uint32, gen uint64) error {
	e := x.entry(int(id))
	for {
		w := e.load()
		if w.state() != stateUsed || w.gen() != gen || w.refs() == 0 {
			return fmt.Errorf("%w: extent %d (%#x) has no reference of generation %d", ErrCorrupt, id, uint64(w), gen)
		}
		if e.swap(w, w-1) {
			if w.refs() > 1 {
				return nil
			}
			step("last reference dropped")
			return x.free(e, w-1)
		}
	}
}

// free makes an extent free that has no references; w is its word. Only who
// took the last reference comes here, and ReclaimWriter after a death.
func (x *Extents) free(e entry, w entryWord) error {
	var err error
	if n := int64(e.size.Load()); n > x.head.extentSize {
		limit := int64(maxCached)
		if x.owner {
			limit = x.warmest
		}
		switch cached := x.cached(e); {
		case cached > limit:
			// Under mu, so that ReclaimWriter does not free it and somebody use it
			// while its memory goes.
			x.mu.Lock()
			if e.load() == w {
				err = x.discard(e)
			}
			x.mu.Unlock()
		case cached > maxCached:
			x.coolLater()
		}
	}
	step("about to free")
	if !e.swap(w, w.freed()) {
		return err // ReclaimWriter was here, and sees to the permit
	}
	step("freed")
	if w.hasPermit() {
		err = errors.Join(err, x.release())
	}
	return err
}

// coolLater sees to it that what is free keeps no more than maxCached when no
// large values have come and gone for a while.
func (x *Extents) coolLater() {
	x.freed.Store(time.Now().UnixNano())
	x.mu.Lock()
	defer x.mu.Unlock()
	switch {
	case x.closed || x.warm:
		return
	case x.cooler == nil:
		x.cooler = time.AfterFunc(keepWarm, x.cool)
	default:
		x.cooler.Reset(keepWarm)
	}
	x.warm = true
}

func (x *Extents) cool() {
	x.cooling.Lock()
	defer x.cooling.Unlock()
	left := keepWarm - time.Since(time.Unix(0, x.freed.Load()))
	x.mu.Lock()
	if x.closed {
		x.mu.Unlock()
		return
	}
	if x.warm = left > 0; x.warm {
		x.cooler.Reset(left)
	}
	x.mu.Unlock()
	if left > 0 {
		return
	}
	ctx, cancel := context.WithTimeout(context.Background(), reclaimPatience)
	defer cancel()
	// Whoever fails here, and when, some memory stays where it was.
	_ = x.locked(ctx, func() error { x.trim(x.head.extentSize, maxCached); return nil })
}

// cached is how many bytes e and the free extents above the usual size hold.
func (x *Extents) cached(e entry) int64 {
	total := int64(e.reserved.Load())
	for id := range maxExtents {
		e := x.entry(id)
		switch e.load().state() {
		case stateNone:
			return total
		case stateFree:
			if int64(e.size.Load()) > x.head.extentSize {
				total += int64(e.reserved.Load())
			}
		}
	}
	return total
}

// release gives a permit back. One too many is no error: see ReclaimWriter.
func (x *Extents) release() error {
	s, err := x.permits()
	if err != nil {
		return err
	}
	if err := s.Release(1); err != nil && !errors.Is(err, oslock.ErrOverRelease) {
		return fmt.Errorf("ipc: extents: %w", err)
	}
	return nil
}

// ReclaimWriter frees what a dead writer leaves: all its extents, whatever is in
// them, and the permits that went with them. Call it when the process is gone
// and its records were read as far as they go; readers of its records that are
// still open then get errors. It returns how many extents it freed. Only then
// may the number be given to another writer.
//
// A permit can be lost by itself: the writer died between taking it and the
// store that marks an extent with it, or between freeing an extent and giving
// the permit back. So ReclaimWriter compares what should be there (the budget,
// less the extents marked) with what is, and restores the difference. Writers
// that live and are between those two steps at this moment are counted as lost
// too, and there is then a permit too many for each. That is harmless and
// corrects itself: the semaphore is bounded, so when the extents have come back
// the last releases are refused, and the sum is the budget again.
func (x *Extents) ReclaimWriter(writer uint32) (int, error) {
	freed := 0
	err := x.guard(func() error {
		x.mu.Lock()
		defer x.mu.Unlock()
		if x.closed {
			return fmt.Errorf("%w: extents", ErrClosed)
		}
		for id := range maxExtents {
			e := x.entry(id)
			w := e.load()
			for w.state() == stateUsed && w.owner() == writer {
				if e.swap(w, w.freed()) {
					freed++
					break
				}
				w = e.load()
			}
			if w.state() == stateNone {
				break
			}
		}
		return nil
	})
	if err != nil || x.permitsUsed().Load() == 0 {
		return freed, err
	}
	return freed, x.restorePermits()
}

// restorePermits reads the semaphore under the table's lock: so nobody marks
// an extent between the two counts, and nothing lost is missed.
func (x *Extents) restorePermits() error {
	s, err := x.permits()
	if err != nil {
		return err
	}
	ctx, cancel := context.WithTimeout(context.Background(), reclaimPatience)
	defer cancel()
	return x.locked(ctx, func() error {
		there, err := s.Value()
		if err != nil {
			return fmt.Errorf("ipc: extents: %w", err)
		}
		marked := 0
		for id := range maxExtents {
			w := x.entry(id).load()
			if w.state() == stateNone {
				break
			}
			if w.state() == stateUsed && w.hasPermit() {
				marked++
			}
		}
		lost := int(x.head.budget) - marked - there
		if lost <= 0 {
			return nil
		}
		for range lost {
			if err := s.Release(1); errors.Is(err, oslock.ErrOverRelease) {
				return nil
			} else if err != nil {
				return fmt.Errorf("ipc: extents: %w", err)
			}
		}
		return nil
	})
}
