//go:build !linux || portable

package futex

import (
	"runtime"
	"sync"
	"sync/atomic"
	"time"
)

const native = false

const (
	// yields is how many first rounds only let other goroutines run.
	yields = 4
	// A pause starts at minPause and doubles up to maxPause. Caps of 0.2, 1 and 5 ms
	// gave the same throughput and the same delay after a kill.
	minPause = 20 * time.Microsecond
	maxPause = time.Millisecond
	// patience is how many rounds a sleeper polls before it counts as woken: it has
	// then waited as long as one that slept until a wake-up.
	patience = 8
)

// Wake does nothing here: sleepers look for themselves. It returns n, as if so many had slept.
func Wake(_ *atomic.Uint32, n int) int { return n }

// Sleeper is one goroutine's means to sleep on one word, and everybody else's to
// end that sleep. Sleep and Leave belong to the one goroutine; Interrupt may be called
// from any.
type Sleeper struct {
	word   *atomic.Uint32
	rounds int
	once   sync.Once
	stop   chan struct{}
}

// NewSleeper returns a Sleeper for word. Call Leave when the waiting is over.
func NewSleeper(word *atomic.Uint32) *Sleeper {
	return &Sleeper{word: word, stop: make(chan struct{})}
}

// NewPlainSleeper is [NewSleeper].
func NewPlainSleeper(word *atomic.Uint32) *Sleeper { return NewSleeper(word) }

// Sleep pauses for a moment, at most for d, if word holds val, and reports whether so
// many rounds have passed that a wake-up would have come. It returns at once when the word
// holds another value and after Interrupt.
func (s *Sleeper) Sleep(val uint32, d time.Duration) (woken bool) {
	if s.Interrupted() || d <= 0 || s.word.Load() != val {
		return s.rounds >= patience
	}
	if s.rounds < yields {
		runtime.Gosched()
	} else {
		t := time.NewTimer(min(minPause<<min(s.rounds-yields, 10), maxPause, d))
		select {
		case <-t.C:
		case <-s.stop:
			t.Stop()
		}
	}
	s.rounds++
	return s.rounds >= patience
}

// Interrupt ends the sleep, now and in future: every Sleep returns at once from here on.
func (s *Sleeper) Interrupt() { s.once.Do(func() { close(s.stop) }) }

// Interrupted reports whether Interrupt was called.
func (s *Sleeper) Interrupted() bool {
	select {
	case <-s.stop:
		return true
	default:
		return false
	}
}

// Leave says that Sleep will not be called again.
func (s *Sleeper) Leave() {}
