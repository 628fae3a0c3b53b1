package oslock

import (
	"sync/atomic"
	"time"
)

// Wait is a wait of this process, as [WatchWaits] tells of it.
type Wait struct {
	ID    uint64 // tells waits of this process apart; never 0
	File  string // absolute path of what is waited for
	Kind  string // "lock", "semaphore", "read-write lock", "condition", "event", "barrier"
	Since time.Time
	// Owner is the process id of who has the lock, in its own PID namespace; 0 where nobody has it, where it
	// is not known, and for the kinds that have no owner. Of the readers whom a writer waits for it is one.
	Owner int
	Over  bool // the wait has ended, whatever came of it
}

var (
	watcher atomic.Pointer[func(Wait)]
	waitIDs atomic.Uint64
)

// WatchWaits has f called about the waits of this process: when one has lasted for a millisecond, again when the
// owner has changed, and when it is over. Of several goroutines that wait for the same thing one is told of. f is
// called by the goroutine that waits, which it must not hold up; f may be nil: no more calls then. There is one
// watcher a process, the last one set.
//
// Locking what is free costs nothing more for it, nor do waits that are shorter.
func WatchWaits(f func(Wait)) {
	if f == nil {
		watcher.Store(nil)
		return
	}
	watcher.Store(&f)
}

// watched is a waiter's part in that.
type watched struct {
	begun time.Time
	id    uint64 // 0: nobody was told
	told  Wait
}

// tell tells the watcher of a wait that goes on.
func (w *waiter) tell() {
	f := watcher.Load()
	if f == nil {
		return
	}
	file := w.h.file.Load()
	if file == closedFile {
		return
	}
	owner := file.blocker(w.p)
	if w.watched.id != 0 && owner == w.watched.told.Owner {
		return
	}
	if w.watched.id == 0 {
		w.watched.id = waitIDs.Add(1)
	}
	w.watched.told = Wait{ID: w.watched.id, File: file.path, Kind: file.head.kind.plain(), Since: w.watched.begun, Owner: owner}
	(*f)(w.watched.told)
}

// tellOver tells the watcher that a wait it knows of has ended.
func (w *waiter) tellOver() {
	if w.watched.id == 0 {
		return
	}
	if f := watcher.Load(); f != nil {
		w.watched.told.Over = true
		(*f)(w.watched.told)
	}
}

// plain is a kind in few words.
func (k fileKind) plain() string {
	if k == kindUndo {
		k = kindSemaphore
	}
	return k.String()
}

// blocker returns the process id of one whom those who sleep at p wait for, 0 if there is none to be named.
func (f *sharedFile) blocker(p *place) int {
	switch f.head.kind {
	case kindLock:
		return f.reg.pid(ownerOf(f.word.Load()))
	case kindRW:
		if p != &f.rw.leaving {
			return f.reg.pid(ownerOf(f.word.Load()))
		}
		for slot := range f.rowsInUse() {
			if r := f.row(slot).Load(); sharesOf(r) > 0 {
				return f.reg.pid(numberFor(slot, rowGen(r)))
			}
		}
	}
	return 0
}
