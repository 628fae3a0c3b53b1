package futex

import (
	"sync/atomic"
	"testing"
	"time"
)

// sleepers are the two ways to sleep; on a kernel before 5.16 and without futexes they are one.
var sleepers = map[string]func(*atomic.Uint32) *Sleeper{"NewSleeper": NewSleeper, "NewPlainSleeper": NewPlainSleeper}

// sleepUntil sleeps on word while it is 0 and interrupt has not come, as users of the package do.
func sleepUntil(s *Sleeper, word *atomic.Uint32) <-chan struct{} {
	done := make(chan struct{})
	go func() {
		defer close(done)
		defer s.Leave()
		for word.Load() == 0 && !s.Interrupted() {
			s.Sleep(0, time.Hour)
		}
	}()
	return done
}

func wait(t *testing.T, done <-chan struct{}, what string) {
	t.Helper()
	select {
	case <-done:
	case <-time.After(10 * time.Second):
		t.Fatalf("%s: still asleep", what)
	}
}

func TestWake(t *testing.T) {
	t.Parallel()
	for name, sleeper := range sleepers {
		word := new(atomic.Uint32)
		done := sleepUntil(sleeper(word), word)
		if Native() {
			for Wake(word, 1) == 0 { // so it was asleep, and this wakes it without a reason
				time.Sleep(time.Millisecond)
			}
		}
		select {
		case <-done:
			t.Fatalf("%s: left though the word is 0", name)
		default:
		}
		word.Store(1)
		Wake(word, 1)
		wait(t, done, name)
	}
}

func TestInterrupt(t *testing.T) {
	t.Parallel()
	for name, sleeper := range sleepers {
		for range 100 {
			word := new(atomic.Uint32)
			s := sleeper(word)
			done := sleepUntil(s, word)
			s.Interrupt()
			wait(t, done, name)
			if s.Sleep(0, time.Hour) && Native() {
				t.Errorf("%s: a sleep after Interrupt says it was woken", name)
			}
			s.Interrupt() // twice is harmless
		}
	}
}

func TestSleepEnds(t *testing.T) {
	t.Parallel()
	for name, sleeper := range sleepers {
		word := new(atomic.Uint32)
		s := sleeper(word)
		if s.Sleep(1, time.Hour) && Native() {
			t.Errorf("%s: woken though the word never held the value", name)
		}
		if s.Sleep(0, time.Millisecond) && Native() {
			t.Errorf("%s: woken though nobody woke", name)
		}
		s.Sleep(0, 0)
		s.Leave()
	}
}

func TestWakeNobody(t *testing.T) {
	t.Parallel()
	if got := Wake(new(atomic.Uint32), 1); got != 0 && Native() {
		t.Errorf("Wake = %d, want 0", got)
	}
}
