package ipc

import (
	"context"
	"fmt"
	"math"
	"sync"
	"sync/atomic"
	"time"

	"yunta/oslock/futex"
)

const (
	// firstNap and maxNap bound the sleep of those who wait: what a killed process leaves undone (a wake-up
	// not sent, or not passed on; an item that it had leased) costs the others this much and no more. An idle
	// waiter looks 50 times a second then, which takes it a thousandth of a core.
	firstNap = time.Millisecond
	maxNap   = 20 * time.Millisecond
)

// testHookNap lets tests sleep for ever, to see that nobody needs the naps but after a death.
var testHookNap = func(nap time.Duration) time.Duration { return nap }

// line is where those wait, in all processes, who need a change of one kind. Its word:
//
//	bit 0      somebody sleeps
//	bits 1-31  changes by every wake-up
//
// Who waits sets the bit, tries once more, and sleeps while the word is what it was. Who has made the change adds
// 1 to a word with the bit, which clears it, and wakes one. The one who woke sets the bit again, as
// others may sleep still, and wakes the next if there is enough for both.
type line struct {
	word *atomic.Uint32
	// gate is entered by whoever waits: one goroutine a handle sleeps in the kernel.
	gate    chan struct{}
	mu      sync.Mutex
	sleeper *futex.Sleeper // of the goroutine that sleeps, guarded by mu
}

func (l *line) init(word *atomic.Uint32) {
	l.word = word
	l.gate = make(chan struct{}, 1)
}

// wait calls try until it returns something else than not, which is what it returns when it needs a change,
// and returns that. The end of the context and of the handle end the wait. more says whether another who waits
// would succeed now.
func (l *line) wait(ctx context.Context, gone <-chan struct{}, try func() error, not error, more func() bool) (err error) {
	select {
	case l.gate <- struct{}{}:
	case <-ctx.Done():
		return fmt.Errorf("%w: %w", not, ctx.Err())
	case <-gone:
		return ErrClosed
	}
	defer func() { <-l.gate }()
	var s *futex.Sleeper
	slept, nap := false, firstNap
	defer func() {
		if s != nil {
			l.mu.Lock()
			l.sleeper = nil
			l.mu.Unlock()
			s.Leave()
		}
		// A wake-up that was for this one may be another's.
		if slept && more() {
			l.notify()
		}
	}()
	for {
		v := l.word.Load()
		if v&1 == 0 {
			if !l.word.CompareAndSwap(v, v|1) {
				continue
			}
			v |= 1
		}
		step("about to sleep")
		if err := try(); err != not { //nolint:errorlint // not itself: no error that wraps it
			return err
		}
		select {
		case <-gone:
			return ErrClosed
		default:
		}
		if err := ctx.Err(); err != nil {
			return fmt.Errorf("%w: %w", not, err)
		}
		if s == nil {
			s = futex.NewSleeper(l.word)
			l.mu.Lock()
			l.sleeper = s
			l.mu.Unlock()
			if ctx.Done() != nil {
				defer context.AfterFunc(ctx, s.Interrupt)()
			}
			continue // detach may have come before it could see the sleeper
		}
		if s.Sleep(v, testHookNap(nap)) {
			nap = firstNap
		} else {
			nap = min(2*nap, maxNap)
		}
		slept = true
		step("slept")
	}
}

// notify wakes one who waits, if there is one.
func (l *line) notify() {
	if l.word.Load()&1 != 0 {
		l.wake(1)
	}
}

// notifyAll wakes all who wait, if there are any.
func (l *line) notifyAll() {
	if l.word.Load()&1 != 0 {
		l.wake(math.MaxInt32)
	}
}

// wake is apart from notify so that notify stays small enough to inline.
func (l *line) wake(n int) {
	for {
		v := l.word.Load()
		if v&1 == 0 {
			return
		}
		if l.word.CompareAndSwap(v, v+1) {
			step("about to wake")
			futex.Wake(l.word, n)
			return
		}
	}
}

// interrupt ends the sleep of whoever sleeps through this handle.
func (l *line) interrupt() {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.sleeper != nil {
		l.sleeper.Interrupt()
	}
}
