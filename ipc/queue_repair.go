package ipc

import (
	"context"
	"time"

	"yunta/oslock"
	"yunta/oslock/mapped"
)

// repair finishes or undoes what a process was doing that died with the lock "get".
func (f *queueFile) repair() error {
	return mapped.Guard(func() error {
		j := f.journal.Load()
		i := int(j >> 2 & (maxLeases - 1))
		switch j & 3 {
		case journalBegin:
			// The lease counts if the item was taken out.
			if s := f.slot(i); qpos(s.at.Load()).count() == qpos(f.head.Load()).count() {
				s.set(leaseFree, 0)
			}
		case journalDone:
			f.finish(i, uint32(j>>32)&countMask)
		}
		f.count()
		f.journal.Store(0)
		return nil
	})
}

// recovered looks, once in a while, for leases of the dead, makes their items come back, and reports whether
// there were any.
func (f *queueFile) recovered() bool {
	if f.leased.Load() == 0 {
		return false
	}
	now, last := time.Now().UnixNano(), f.looked.Load()
	if now-last < int64(firstNap) || !f.looked.CompareAndSwap(last, now) {
		return false
	}
	if err := f.getLock.Lock(context.Background()); err != nil {
		return false
	}
	found := 0
	_ = f.takeLocked(func() error {
		me, err := oslock.Self()
		if err != nil {
			return err
		}
		alive := map[uint32]bool{me: true}
		for i := range f.leaseSlots() {
			s := f.slot(i)
			w := s.word.Load()
			owner := uint32(w)
			if w&leaseStateMask != leaseOut || alive[owner] {
				continue
			}
			dead, _ := oslock.IfDead(owner, func() { s.set(leaseBack, 0) })
			if alive[owner] = !dead; dead {
				step("lease of the dead returned")
				delete(alive, owner)
				found++
			}
		}
		f.count()
		return nil
	})
	if found > 1 {
		f.getLine.notify()
	}
	return found > 0
}
