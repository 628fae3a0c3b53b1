package oslock

import (
	"context"
	"io/fs"
	"maps"
	"slices"
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

// handle is what all the kinds have in common: one opened name.
type handle struct {
	// file is closedFile after Close. The paths of free locks load it without more ado; nobody
	// unmaps the file while they have it, see sharedFile.
	file   atomic.Pointer[sharedFile]
	path   string
	closed chan struct{}
	once   sync.Once
	err    error // of Close
	mu     sync.Mutex
	// sleepers are of the goroutines that sleep through this handle, one a place at most; guarded by mu.
	sleepers map[*futex.Sleeper]struct{}
}

// closedFile stands where a handle's file was. Its word can be neither locked nor unlocked.
var closedFile = func() *sharedFile {
	word := new(atomic.Uint32)
	word.Store(^uint32(0))
	return &sharedFile{place: place{word: word}}
}()

// open opens the file of that name, and makes it as want says where there is none. mode 0 means 0600.
func (h *handle) open(name string, want header, mode fs.FileMode) error {
	path, err := resolve(name)
	if err != nil {
		return err
	}
	if mode == 0 {
		mode = 0o600
	}
	f, err := openShared(path, want, mode)
	if err != nil {
		return err
	}
	newHandle(h, f)
	return nil
}

func newHandle(h *handle, f *sharedFile) {
	h.path = f.path
	h.closed = make(chan struct{})
	h.sleepers = map[*futex.Sleeper]struct{}{}
	h.file.Store(f)
}

// close wakes those who wait through the handle and gives the file back.
func (h *handle) close() error {
	h.once.Do(func() {
		f := h.file.Swap(closedFile)
		close(h.closed)
		h.mu.Lock()
		asleep := slices.Collect(maps.Keys(h.sleepers))
		h.mu.Unlock()
		for _, s := range asleep {
			s.Interrupt()
		}
		h.err = f.close()
	})
	return h.err
}

func (h *handle) isClosed() bool { return h.file.Load() == closedFile }

// use returns the handle's file, which is not given back before the caller has called its done. It is for
// what leaves marks in the file while it waits; the paths of free locks do without.
func (h *handle) use() (*sharedFile, error) {
	f := h.file.Load()
	if f == closedFile {
		return nil, ErrClosed
	}
	f.users.Add(1)
	if h.isClosed() {
		f.done()
		return nil, ErrClosed
	}
	return f, nil
}

// place is one word of a file to sleep on.
type place struct {
	word *atomic.Uint32
	// gate is entered by whoever waits: one goroutine a process sleeps in the kernel, the
	// others wait here, first come, first served.
	gate chan struct{}
}

func newPlace(word *atomic.Uint32) place { return place{word: word, gate: make(chan struct{}, 1)} }

// waiter is one goroutine's stay at a gate, from enter to leave.
type waiter struct {
	h       *handle
	p       *place
	ctx     context.Context //nolint:containedctx // lives as long as the call it came with
	sleeper *futex.Sleeper
	stop    func() bool // ends the context's hold on sleeper
	next    time.Time   // when to look for the dead again
	pace    time.Duration
	lost    time.Time // since when the owner cannot be judged; zero: it can
	watched watched
}

// enter waits for the gate of a place. Only one goroutine of a process is inside.
func (h *handle) enter(ctx context.Context, p *place) (*waiter, error) {
	return h.enterUnless(ctx, p, nil)
}

// enterUnless is enter, but for one who is called meanwhile: then there is no waiter, and no error.
func (h *handle) enterUnless(ctx context.Context, p *place, called <-chan struct{}) (*waiter, error) {
	if h.isClosed() {
		return nil, ErrClosed
	}
	select {
	case p.gate <- struct{}{}:
	default:
		select {
		case p.gate <- struct{}{}:
		case <-called:
			return nil, nil
		case <-ctx.Done():
			return nil, ctx.Err()
		case <-h.closed:
			return nil, ErrClosed
		}
	}
	now := time.Now()
	return &waiter{h: h, p: p, ctx: ctx, next: now.Add(firstPace), pace: firstPace, watched: watched{begun: now}}, nil
}

// leave opens the gate for the next.
func (w *waiter) leave() {
	w.tellOver()
	if w.sleeper != nil {
		if w.stop != nil {
			w.stop()
		}
		w.h.mu.Lock()
		delete(w.h.sleepers, w.sleeper)
		w.h.mu.Unlock()
		w.sleeper.Leave()
	}
	<-w.p.gate
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
	w.tell()
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

// sleep sleeps while the place's word holds val, until the next look at the latest, and ends at once
// with the context and with Close. It reports whether a wake-up ended it.
func (w *waiter) sleep(val uint32) (woken bool) {
	if w.sleeper == nil {
		w.sleeper = testHookSleeper(w.p.word)
		w.h.mu.Lock()
		w.h.sleepers[w.sleeper] = struct{}{}
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
