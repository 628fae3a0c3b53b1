package oslock

import (
	"math"
	"slices"
	"sync"
	"sync/atomic"

	"yunta/oslock/futex"
)

// A condition's file is a table of those who wait, one entry a goroutine, changed only by the owner of the
// condition's lock:
//
//	offset 64, 64 bits     tickets given out
//	offset 72, 64 bits     the lock's file, so that two locks are not used with one condition
//	offset 128, 32 bits    entries ever used, since nobody waited
//	offset 4096, 32 bits   bell of slot 0 ... 4095: bit 31 W, a goroutine of the member sleeps; bits 0-30 rings
//	offset 20480, 64 bits  entry 0 ... 4095
//
// and an entry:
//
//	bits 31-63  ticket: in what order they came; of one notified, the first ticket given out after that
//	bit  29     notified
//	bits 0-28   member number, 0: free
//
// Who waits writes its entry while it owns the lock, gives the lock up, and sleeps on its member's bell: one goroutine
// a process does, the listener, and calls the others. Who notifies marks the oldest entries and then rings
// the bells of their members. Whoever has been notified, or gives up, locks again and only then clears its entry: so the
// mark decides, whatever else happened meanwhile, and a mark is never lost with the one it was for: an entry
// that is marked and whose member is dead was never used. Whoever waits looks for such entries and
// passes the mark on, to the oldest who waited already when the mark was made.
const (
	offTickets   = 64
	offLockID    = 72
	offUsed      = 128
	offBells     = 4096
	offEntries   = offBells + 4*slots
	maxWaiters   = 4096
	conditionEnd = offEntries + 8*maxWaiters

	// conditionSize is a whole number of pages.
	conditionSize = (conditionEnd + 4095) / 4096 * 4096

	bitNotified = 1 << 29
	ticketAt    = 31
	ticketMask  = 1<<33 - 1
)

func entryOwner(e uint64) uint32  { return uint32(e & numberMask) }
func entryTicket(e uint64) uint64 { return e >> ticketAt }
func notified(e uint64) bool      { return e&bitNotified != 0 }

// earlier reports whether ticket a came before b, in a circle: half of it is the past.
func earlier(a, b uint64) bool {
	d := (b - a) & ticketMask
	return d != 0 && d < 1<<32
}

type condState struct {
	bell place // of this process

	mu    sync.Mutex // guards seats
	seats map[*seat]struct{}
}

// seat is one waiting goroutine of this process.
type seat struct {
	index  int           // of its entry
	deaths uint32        // dead owners of the lock when it began to wait
	called chan struct{} // gets one value when there is a reason to lock again
}

func newCondState(f *sharedFile) *condState {
	return &condState{
		bell:  newPlace(f.bell(slotOf(f.me))),
		seats: map[*seat]struct{}{},
	}
}

func (f *sharedFile) tickets() *atomic.Uint64        { return f.region.Uint64(offTickets) }
func (f *sharedFile) entriesUsed() *atomic.Uint32    { return f.region.Uint32(offUsed) }
func (f *sharedFile) bell(slot int) *atomic.Uint32   { return f.region.Uint32(offBells + 4*slot) }
func (f *sharedFile) entry(index int) *atomic.Uint64 { return f.region.Uint64(offEntries + 8*index) }

func (f *sharedFile) used() int               { return min(int(f.entriesUsed().Load()), maxWaiters) }
func (f *sharedFile) isNotified(s *seat) bool { return notified(f.entry(s.index).Load()) }

// sit enters this goroutine into the table. The caller owns the lock.
func (f *sharedFile) sit(deaths uint32) (*seat, error) {
	index := f.freeEntry()
	if index < 0 {
		f.dropDeadEntries()
		if index = f.freeEntry(); index < 0 {
			return nil, ErrTooManyWaiters
		}
	}
	ticket := f.tickets().Add(1) & ticketMask
	f.entry(index).Store(ticket<<ticketAt | uint64(f.me))
	step("seated")
	s := &seat{index: index, deaths: deaths, called: make(chan struct{}, 1)}
	f.cond.mu.Lock()
	f.cond.seats[s] = struct{}{}
	f.cond.mu.Unlock()
	return s, nil
}

// freeEntry returns the index of a free entry, or -1.
func (f *sharedFile) freeEntry() int {
	used := f.used()
	for used > 0 && f.entry(used-1).Load() == 0 {
		used--
	}
	f.entriesUsed().Store(uint32(used))
	for i := range used {
		if f.entry(i).Load() == 0 {
			return i
		}
	}
	if used == maxWaiters {
		return -1
	}
	f.entriesUsed().Store(uint32(used) + 1)
	return used
}

// rise takes this goroutine's entry out of the table and reports whether it was notified. The caller
// owns the lock.
func (f *sharedFile) rise(s *seat) bool {
	f.cond.mu.Lock()
	delete(f.cond.seats, s)
	f.cond.mu.Unlock()
	was := f.entry(s.index).Swap(0)
	step("risen")
	return notified(was)
}

// abandon is rise for one who cannot lock again.
func (f *sharedFile) abandon(s *seat) {
	f.cond.mu.Lock()
	delete(f.cond.seats, s)
	f.cond.mu.Unlock()
	if e := f.entry(s.index).Load(); !notified(e) {
		f.entry(s.index).CompareAndSwap(e, 0)
	}
}

// callSeats calls the goroutines of this process that have been notified, or since whose waiting an owner died.
func (f *sharedFile) callSeats(deaths uint32) {
	f.cond.mu.Lock()
	defer f.cond.mu.Unlock()
	for s := range f.cond.seats {
		if f.isNotified(s) || s.deaths != deaths {
			select {
			case s.called <- struct{}{}:
			default:
			}
		}
	}
}

// notify marks the n oldest who wait, and rings for them. The caller owns the lock.
func (f *sharedFile) notify(n int) {
	type waiting struct {
		index int
		e     uint64
	}
	var all []waiting
	for i := range f.used() {
		if e := f.entry(i).Load(); e != 0 && !notified(e) {
			all = append(all, waiting{i, e})
		}
	}
	if len(all) > n {
		slices.SortFunc(all, func(a, b waiting) int {
			if earlier(entryTicket(a.e), entryTicket(b.e)) {
				return -1
			}
			return 1
		})
		all = all[:n]
	}
	after := (f.tickets().Load() + 1) & ticketMask
	for _, w := range all {
		f.mark(w.index, entryOwner(w.e), after)
	}
	// Ring when all are marked, each member once.
	slices.SortFunc(all, func(a, b waiting) int { return int(entryOwner(a.e)) - int(entryOwner(b.e)) })
	for i, w := range all {
		if i == 0 || entryOwner(all[i-1].e) != entryOwner(w.e) {
			f.ring(entryOwner(w.e))
		}
	}
}

// mark notifies the one whose entry it is; after is the first ticket that was not yet given out then.
func (f *sharedFile) mark(index int, owner uint32, after uint64) {
	f.entry(index).Store(after<<ticketAt | bitNotified | uint64(owner))
	step("marked")
}

// ring wakes the member's listener.
func (f *sharedFile) ring(owner uint32) {
	bell := f.bell(slotOf(owner))
	for {
		v := bell.Load()
		if bell.CompareAndSwap(v, (v+1)&^bitW) {
			step("rung")
			if v&bitW != 0 {
				futex.Wake(bell, math.MaxInt32)
			}
			return
		}
	}
}

// isDead reports whether the member has died for good.
func (f *sharedFile) isDead(owner uint32) bool {
	if owner == f.me {
		return false
	}
	verdict, proof := f.reg.judge(owner)
	release(proof)
	return verdict == dead
}

// someMarkLost reports whether somebody died who was notified and had not yet noticed.
func (f *sharedFile) someMarkLost() bool {
	for i := range f.used() {
		if e := f.entry(i).Load(); notified(e) && f.isDead(entryOwner(e)) {
			return true
		}
	}
	return false
}

// passOn gives the marks of the dead to the oldest who waited when they were made. The caller owns the lock. If it
// is killed between the two stores a mark is passed on once more: one too many, never one too few.
func (f *sharedFile) passOn() {
	for i := range f.used() {
		e := f.entry(i).Load()
		if !notified(e) || !f.isDead(entryOwner(e)) {
			continue
		}
		if heir := f.heir(entryTicket(e)); heir >= 0 {
			owner := entryOwner(f.entry(heir).Load())
			f.mark(heir, owner, entryTicket(e))
			step("passing on")
			f.ring(owner)
		}
		f.entry(i).Store(0)
	}
}

// heir returns the oldest entry of a living member who came before the ticket, or -1. It drops the dead.
func (f *sharedFile) heir(before uint64) int {
	for {
		found, oldest := -1, uint64(0)
		for i := range f.used() {
			e := f.entry(i).Load()
			if e == 0 || notified(e) || !earlier(entryTicket(e), before) {
				continue
			}
			if found < 0 || earlier(entryTicket(e), entryTicket(oldest)) {
				found, oldest = i, e
			}
		}
		if found < 0 || !f.isDead(entryOwner(oldest)) {
			return found
		}
		f.entry(found).Store(0)
	}
}

// dropDeadEntries makes room. The caller owns the lock.
func (f *sharedFile) dropDeadEntries() {
	f.passOn()
	for i := range f.used() {
		if e := f.entry(i).Load(); e != 0 && f.isDead(entryOwner(e)) {
			f.entry(i).Store(0)
		}
	}
}
