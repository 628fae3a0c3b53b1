package oslock

import (
	"context"
	"sync"
	"sync/atomic"
	"time"

	"yunta/oslock/futex"
)

const (
	// firstPace is how long a waiter sleeps before it looks whether the owner lives, and becomes
	// one for whom the lock is reserved. Most waits are over by then.
	firstPace = time.Millisecond
	// maxPace bounds every sleep: what a killed process leaves undone (a wake-up not sent, a mark not
	// set) costs the others this much and no more. Looking costs some 5 us.
	maxPace = 5 * time.Millisecond
	// lostPatience is how long a waiter bears an owner of whom nothing can be known.
	lostPatience = 10 * time.Second
)

var (
	testHookLostPatience = lostPatience
	// testHookSleeper lets tests wait as on a kernel before 5.16.
	testHookSleeper = futex.NewSleeper
	// testHookPace says how long to sleep after pace. Tests sleep for ever, to see that nobody needs
	// the pace but after a death.
	testHookPace = func(pace time.Duration) time.Duration { return min(2*pace, maxPace) }
)

// handle is what Lock and Semaphore have in common: one opened name.
type handle struct {
	// file is closedFile after Close. The paths of free locks load it without more ado; nobody
	// unmaps the file while they have it, see sharedFile.
	file    atomic.Pointer[sharedFile]
	path    string
	closed  chan struct{}
	once    sync.Once
	err     error // of Close
	mu      sync.Mutex
	sleeper *futex.Sleeper // of the goroutine that sleeps through this handle, guarded by mu
}

// closedFile stands where a handle's file was. Its word can be neither locked nor unlocked.
var closedFile = func() *sharedFile {
	word := new(atomic.Uint32)
	word.Store(^uint32(0))
	return &sharedFile{word: word}
}()

func newHandle(h *handle, f *sharedFile) {
	h.path = f.path
	h.closed = make(chan struct{})
	h.file.Store(f)
}

// close wakes those who wait through the handle and gives the file back.
func (h *handle) close() error {
	h.once.Do(func() {
		f := h.file.Swap(closedFile)
		close(h.closed)
		h.mu.Lock()
		s := h.sleeper
		h.mu.Unlock()
		if s != nil {
			s.Interrupt()
		}
		h.err = f.close()
	})
	return h.err
}

func (h *handle) isClosed() bool { return h.file.Load() == closedFile }

// waiter is one goroutine's stay at a file's gate, from enter to leave.
type waiter struct {
	h       *handle
	f       *sharedFile
	ctx     context.Context //nolint:containedctx // lives as long as the call it came with
	sleeper *futex.Sleeper
	stop    func() bool // ends the context's hold on sleeper
	next    time.Time   // when to look for the dead again
	pace    time.Duration
	lost    time.Time // since when the owner cannot be judged; zero: it can
}

// enter waits for the file's gate. Only one goroutine of a process is inside.
func (h *handle) enter(ctx context.Context, f *sharedFile) (*waiter, error) {
	if h.isClosed() {
		return nil, ErrClosed
	}
	select {
	case f.gate <- struct{}{}:
	default:
		select {
		case f.gate <- struct{}{}:
		case <-ctx.Done():
			return nil, ctx.Err()
		case <-h.closed:
			return nil, ErrClosed
		}
	}
	return &waiter{h: h, f: f, ctx: ctx, next: time.Now().Add(firstPace), pace: firstPace}, nil
}

// leave opens the gate for the next.
func (w *waiter) leave() {
	if w.sleeper != nil {
		if w.stop != nil {
			w.stop()
		}
		w.h.mu.Lock()
		w.h.sleeper = nil
		w.h.mu.Unlock()
		w.sleeper.Leave()
	}
	<-w.f.gate
}

// over returns why the waiting must end, nil while it need not.
func (w *waiter) over() error {
	if w.h.isClosed() {
		return ErrClosed
	}
	return w.ctx.Err()
}

// due reports whether it is time to look for the dead, and sets the next time.
func (w *waiter) due() bool {
	now := time.Now()
	if now.Before(w.next) {
		return false
	}
	w.pace = testHookPace(w.pace)
	w.next = now.Add(w.pace)
	return true
}

// judged notes whether the owner could not be judged, and returns an error when that has been so
// for too long.
func (w *waiter) judged(lost bool) error {
	switch {
	case !lost:
		w.lost = time.Time{}
	case w.lost.IsZero():
		w.lost = time.Now()
	case time.Since(w.lost) > testHookLostPatience:
		return ErrRegistryLost
	}
	return nil
}

// sleep sleeps while the file's word holds val, until the next look at the latest, and ends at once
// with the context and with Close. It reports whether a wake-up ended it.
func (w *waiter) sleep(val uint32) (woken bool) {
	if w.sleeper == nil {
		w.sleeper = testHookSleeper(w.f.word)
		w.h.mu.Lock()
		w.h.sleeper = w.sleeper
		w.h.mu.Unlock()
		// Close may have come before it could see the sleeper; over then says so.
		if w.h.isClosed() {
			return false
		}
		if w.ctx.Done() != nil {
			w.stop = context.AfterFunc(w.ctx, w.sleeper.Interrupt)
		}
	}
	return w.sleeper.Sleep(val, time.Until(w.next))
}

// throttle keeps those who only try from looking for the dead at every attempt.
type throttle struct {
	last     atomic.Int64 // when somebody looked, in nanoseconds of the wall clock
	reserved atomic.Int64 // since when a free lock was seen reserved, 0: it was not
}

// due reports whether nobody has looked for a while.
func (t *throttle) due() bool {
	now, last := time.Now().UnixNano(), t.last.Load()
	return now-last >= int64(firstPace) && t.last.CompareAndSwap(last, now)
}

// stale reports whether a reservation has been seen for so long that nobody can live for whom it
// is: everybody who waits looks every maxPace.
func (t *throttle) stale() bool {
	now, since := time.Now().UnixNano(), t.reserved.Load()
	if since == 0 {
		t.reserved.Store(now)
		return false
	}
	return now-since > 4*int64(maxPace)
}
