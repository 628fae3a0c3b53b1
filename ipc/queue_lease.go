package ipc

import (
	"context"
	"errors"
	"fmt"
	"sync/atomic"

	"yunta/oslock"
	"yunta/oslock/mapped"
)

// Lease is an item that was got and still is the queue's: if this process dies before Done, the item comes back,
// ahead of those put after it, and another consumer gets it. So what is done with it may be begun twice.
type Lease[T any] struct {
	// Value is the item's.
	Value T

	f    *queueFile
	slot int
	word uint64
	over atomic.Bool
}

// Lease is [Queue.Get] of an item that comes back if this process dies before it has called Done. Call Done
// when all is done that is to be done about it, or Return to give it back. At most 4096 items are out at a time, over
// all processes: beyond that Lease returns [ErrFull].
func (q *Queue[T]) Lease(ctx context.Context) (*Lease[T], error) {
	l := &Lease[T]{f: q.f}
	if !q.f.users.enter() { // until the lease is over
		return nil, ErrClosed
	}
	held := false
	err := q.f.use(func() error {
		var payload []byte
		try := func() (err error) {
			payload, err = q.f.lease(ctx, &l.slot, &l.word)
			return err
		}
		err := try()
		if errors.Is(err, ErrEmpty) {
			err = q.f.getLine.wait(ctx, q.f.gone, try, ErrEmpty, q.f.notEmpty)
		}
		if err != nil {
			return err
		}
		// The record stays where it is while the lease is out.
		held = true
		l.Value, err = q.decode(payload)
		return err
	})
	if err == nil {
		return l, nil
	}
	if !held {
		q.f.leave()
		return nil, err
	}
	return nil, errors.Join(err, l.Done())
}

// Done says that the item is done with: it does not come back, and counts as done for [Queue.Wait]. A second
// call, or one after Return, is an error.
func (l *Lease[T]) Done() error { return l.end(l.f.leaseDone) }

// Return gives the item back, for the next Get or Lease of whatever process.
func (l *Lease[T]) Return() error { return l.end(l.f.leaseReturn) }

func (l *Lease[T]) end(how func(slot int, word uint64) error) error {
	if l.over.Swap(true) {
		return errors.New("ipc: queue: the lease is over already")
	}
	defer l.f.leave()
	return mapped.Guard(func() error {
		if err := l.f.getLock.Lock(context.Background()); err != nil {
			return fmt.Errorf("ipc: queue: %w", err)
		}
		err := l.f.takeLocked(func() error { return how(l.slot, l.word) })
		l.f.getLine.notify()
		if l.f.allDone() {
			l.f.doneLine.notifyAll()
		}
		return err
	})
}

// leaseSlot is a slot: a leased item, or one that came back. It changes under the lock "get" only.
//
//	0  8  bits 34-63 changes by every use, bits 32-33 state, bits 0-28 member that leases it
//	8  8  position of its record; stored before the word says that there is one
type leaseSlot struct{ word, at *atomic.Uint64 }

const (
	leaseStateMask = 3 << 32
	leaseFree      = 0 << 32
	leaseOut       = 1 << 32
	leaseBack      = 2 << 32
	leaseUse       = 1 << 34
)

func (f *queueFile) slot(i int) leaseSlot {
	at := offLeases + i*leaseEntry
	return leaseSlot{f.region.Uint64(at), f.region.Uint64(at + 8)}
}

// leaseSlots returns how many slots were ever used.
func (f *queueFile) leaseSlots() int { return int(min(f.slotsUsed.Load(), maxLeases)) }

// set gives the slot another state.
func (s leaseSlot) set(state, member uint64) uint64 {
	w := s.word.Load()&^uint64(leaseUse-1) + leaseUse | state | member
	s.word.Store(w)
	return w
}

// The journal says what is being done under the lock "get" that takes more than one store:
//
//	bits 0-1    0 nothing, 1 a lease begins, 2 a lease is done
//	bits 2-13   its slot
//	bits 32-61  of a lease that is done: how many items are done then
const (
	journalBegin = 1
	journalDone  = 2
)

// lease takes out the next item, and notes that this process has it.
func (f *queueFile) lease(ctx context.Context, slot *int, word *uint64) (payload []byte, err error) {
	me, err := oslock.Self()
	if err != nil {
		return nil, fmt.Errorf("ipc: queue: %w", err)
	}
	err = f.take(ctx, func() (err error) {
		if i := f.oldestBack(); i >= 0 {
			*slot = i
			if payload, err = f.payloadAt(qpos(f.slot(i).at.Load())); err == nil {
				*word = f.slot(i).set(leaseOut, uint64(me))
				step("leased again")
				f.count()
			}
			return err
		}
		at, p, next, err := f.front()
		if err != nil {
			return err
		}
		i := 0
		for i < f.leaseSlots() && f.slot(i).word.Load()&leaseStateMask != leaseFree {
			i++
		}
		if i == maxLeases {
			return fmt.Errorf("%w: queue: %d items are leased", ErrFull, i)
		}
		s := f.slot(i)
		s.at.Store(uint64(at))
		f.journal.Store(uint64(i)<<2 | journalBegin)
		step("lease noted")
		*slot, *word, payload = i, s.set(leaseOut, uint64(me)), p
		if i >= f.leaseSlots() {
			f.slotsUsed.Store(uint32(i + 1))
		}
		step("lease begun")
		f.moveHead(at, next)
		f.count()
		f.journal.Store(0)
		return nil
	})
	return payload, err
}

// payloadAt returns the payload of a record that a slot names.
func (f *queueFile) payloadAt(at qpos) ([]byte, error) {
	b, err := f.bytes(at.extent())
	if err != nil {
		return nil, err
	}
	return recordAt(b, at)
}

// takeBack is tryGet of an item that came back.
func (f *queueFile) takeBack(i int, sink func([]byte) error) error {
	payload, err := f.payloadAt(qpos(f.slot(i).at.Load()))
	if err == nil {
		err = sink(payload)
	}
	step("item read")
	f.slot(i).set(leaseFree, 0)
	step("item taken")
	f.count()
	return err
}

// oldestBack returns the slot of the item that came back and was put first, -1 if there is none.
func (f *queueFile) oldestBack() int {
	if f.back.Load() == 0 {
		return -1
	}
	best, age, head := -1, uint32(0), qpos(f.head.Load())
	for i := range f.leaseSlots() {
		s := f.slot(i)
		if s.word.Load()&leaseStateMask != leaseBack {
			continue
		}
		if n := between(qpos(s.at.Load()), head); best < 0 || n > age {
			best, age = i, n
		}
	}
	return best
}

// count stores how many slots are in which state.
func (f *queueFile) count() {
	var out, back uint32
	for i := range f.leaseSlots() {
		switch f.slot(i).word.Load() & leaseStateMask {
		case leaseOut:
			out++
		case leaseBack:
			back++
		}
	}
	f.leased.Store(out)
	f.back.Store(back)
}

func (f *queueFile) leaseDone(i int, word uint64) error {
	s := f.slot(i)
	if s.word.Load() != word {
		return fmt.Errorf("%w: queue: a lease that is another's", ErrCorrupt)
	}
	done := (f.done.Load() + 1) & countMask
	f.journal.Store(uint64(done)<<32 | uint64(i)<<2 | journalDone)
	step("done noted")
	f.finish(i, done)
	return nil
}

// finish does what the journal says of a lease that is done.
func (f *queueFile) finish(i int, done uint32) {
	f.done.Store(done)
	step("done counted")
	f.slot(i).set(leaseFree, 0)
	step("lease over")
	f.count()
	f.journal.Store(0)
}

func (f *queueFile) leaseReturn(i int, word uint64) error {
	s := f.slot(i)
	if s.word.Load() != word {
		return fmt.Errorf("%w: queue: a lease that is another's", ErrCorrupt)
	}
	s.set(leaseBack, 0)
	step("lease returned")
	f.count()
	return nil
}
