package oslock

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"math"
	"os"
	"sync"
	"sync/atomic"
	"testing"
	"time"
)

// kinds are the ways a semaphore can be; what is not about their difference holds for each.
var kinds = map[string]SemaphoreOptions{
	"plain":   {},
	"bounded": {Bounded: true},
	"undo":    {Undo: true},
	"both":    {Undo: true, Bounded: true},
}

func mustAcquire(t testing.TB, s *Semaphore) {
	t.Helper()
	if err := s.Acquire(soon(t)); err != nil {
		t.Fatalf("Acquire: %v", err)
	}
}

func mustRelease(t testing.TB, s *Semaphore, n int) {
	t.Helper()
	if err := s.Release(n); err != nil {
		t.Fatalf("Release(%d): %v", n, err)
	}
}

func wantTryAcquire(t testing.TB, s *Semaphore, want bool) {
	t.Helper()
	if got, err := s.TryAcquire(); got != want || err != nil {
		t.Fatalf("TryAcquire = %v, %v, want %v", got, err, want)
	}
}

func wantValue(t testing.TB, s *Semaphore, want int) {
	t.Helper()
	if got, err := s.Value(); got != want || err != nil {
		t.Fatalf("Value = %d, %v, want %d", got, err, want)
	}
}

func eachKind(t *testing.T, test func(t *testing.T, o SemaphoreOptions)) {
	t.Parallel()
	for name, o := range kinds {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			test(t, o)
		})
	}
}

func TestSemaphoreCounts(t *testing.T) {
	eachKind(t, func(t *testing.T, o SemaphoreOptions) {
		path := tempPath(t)
		a, b := openSemaphore(t, path, 3, o), openSemaphore(t, path, 7, o) // the second value is ignored
		wantValue(t, b, 3)
		mustAcquire(t, a)
		mustAcquire(t, b)
		wantTryAcquire(t, a, true)
		wantTryAcquire(t, b, false)
		done := after(func() error { return b.Acquire(soon(t)) })
		waiting(t, &b.h)
		wantBlocked(t, done)
		mustRelease(t, a, 1)
		wantDone(t, done, nil)
		wantValue(t, a, 0)
		mustRelease(t, b, 3)
		wantValue(t, a, 3)
	})
}

func TestSemaphoreReleaseWakesAll(t *testing.T) {
	eachKind(t, func(t *testing.T, o SemaphoreOptions) {
		s := openSemaphore(t, tempPath(t), 5, o)
		for range 5 {
			mustAcquire(t, s)
		}
		var wg sync.WaitGroup
		for range 5 {
			wg.Go(func() {
				if err := s.Acquire(soon(t)); err != nil {
					t.Error(err)
				}
			})
		}
		waiting(t, &s.h)
		mustRelease(t, s, 5)
		wg.Wait()
		wantValue(t, s, 0)
		mustRelease(t, s, 5)
	})
}

func TestSemaphoreOverRelease(t *testing.T) {
	eachKind(t, func(t *testing.T, o SemaphoreOptions) {
		s := openSemaphore(t, tempPath(t), 2, o)
		mustAcquire(t, s)
		if o.Undo || o.Bounded {
			wantError(t, "Release(2) of 1", s.Release(2), ErrOverRelease)
			wantValue(t, s, 1)
			mustRelease(t, s, 1)
			wantError(t, "Release(1) of 0", s.Release(1), ErrOverRelease)
			wantValue(t, s, 2)
		} else {
			mustRelease(t, s, 4) // POSIX: above the initial value
			wantValue(t, s, 5)
			wantError(t, "Release beyond 2^31-1", s.Release(math.MaxInt32-4), ErrOverRelease)
			mustRelease(t, s, math.MaxInt32-5)
			wantValue(t, s, math.MaxInt32)
			wantError(t, "Release at 2^31-1", s.Release(1), ErrOverRelease)
			wantTryAcquire(t, s, true)
		}
		wantError(t, "Release(0)", s.Release(0), ErrValue)
		wantError(t, "Release(-1)", s.Release(-1), ErrValue)
		wantError(t, "Release(huge)", s.Release(math.MaxInt), ErrOverRelease)
	})
}

func TestSemaphoreValueRange(t *testing.T) {
	t.Parallel()
	for _, row := range []struct {
		value int
		o     SemaphoreOptions
		ok    bool
	}{
		{0, SemaphoreOptions{}, true},
		{-1, SemaphoreOptions{}, false},
		{math.MaxInt32, SemaphoreOptions{}, true},
		{math.MaxInt32 + 1, SemaphoreOptions{}, false},
		{32767, SemaphoreOptions{Undo: true}, true},
		{32768, SemaphoreOptions{Undo: true}, false},
		{-1, SemaphoreOptions{Undo: true}, false},
	} {
		t.Run(fmt.Sprint(row.value, row.o.Undo), func(t *testing.T) {
			s, err := OpenSemaphore(tempPath(t), row.value, row.o)
			if !row.ok {
				wantError(t, "open", err, ErrValue)
				return
			}
			if err != nil {
				t.Fatal(err)
			}
			defer s.Close()
			wantValue(t, s, row.value)
		})
	}
}

func TestSemaphoreCancel(t *testing.T) {
	eachKind(t, func(t *testing.T, o SemaphoreOptions) {
		s := openSemaphore(t, tempPath(t), 1, o)
		mustAcquire(t, s)
		ctx, cancel := context.WithCancel(context.Background())
		done := after(func() error { return s.Acquire(ctx) })
		waiting(t, &s.h)
		cancel()
		wantDone(t, done, context.Canceled)
		ctx, cancel = context.WithTimeout(context.Background(), 5*time.Millisecond)
		defer cancel()
		wantError(t, "Acquire", s.Acquire(ctx), context.DeadlineExceeded)
		mustRelease(t, s, 1)
		wantValue(t, s, 1)
	})
}

// A permit released for a waiter that gives up at the same moment must reach the other waiter.
func TestSemaphoreCancelledPassesOn(t *testing.T) {
	eachKind(t, func(t *testing.T, o SemaphoreOptions) {
		s := openSemaphore(t, tempPath(t), 1, o)
		for range 200 {
			mustAcquire(t, s)
			ctx, cancel := context.WithCancel(context.Background())
			first := after(func() error { return s.Acquire(ctx) })
			second := after(func() error { return s.Acquire(soon(t)) })
			go cancel()
			mustRelease(t, s, 1)
			if err := <-first; err == nil {
				mustRelease(t, s, 1)
			}
			wantDone(t, second, nil)
			mustRelease(t, s, 1)
		}
		wantValue(t, s, 1)
	})
}

func TestSemaphoreClose(t *testing.T) {
	eachKind(t, func(t *testing.T, o SemaphoreOptions) {
		path := tempPath(t)
		a, b := openSemaphore(t, path, 1, o), openSemaphore(t, path, 1, o)
		mustAcquire(t, a)
		waits := after(func() error { return b.Acquire(context.Background()) })
		waiting(t, &b.h)
		if err := b.Close(); err != nil {
			t.Fatal(err)
		}
		wantDone(t, waits, ErrClosed)
		wantError(t, "Acquire", b.Acquire(soon(t)), ErrClosed)
		_, err := b.TryAcquire()
		wantError(t, "TryAcquire", err, ErrClosed)
		wantError(t, "Release", b.Release(1), ErrClosed)
		_, err = b.Value()
		wantError(t, "Value", err, ErrClosed)
		if err := b.Close(); err != nil {
			t.Errorf("Close again = %v", err)
		}
		// What the process took stays taken, and can be given back through a handle opened later.
		if err := a.Close(); err != nil {
			t.Fatal(err)
		}
		c := openSemaphore(t, path, 1, o)
		wantValue(t, c, 0)
		mustRelease(t, c, 1)
		wantValue(t, c, 1)
	})
}

func TestSemaphoreManyGoroutines(t *testing.T) {
	eachKind(t, func(t *testing.T, o SemaphoreOptions) {
		path := tempPath(t)
		handles := []*Semaphore{openSemaphore(t, path, 3, o), openSemaphore(t, path, 3, o)}
		var inside atomic.Int32
		var wg sync.WaitGroup
		for i := range 20 {
			wg.Go(func() {
				s := handles[i%2]
				for range 100 {
					if err := s.Acquire(soon(t)); err != nil {
						t.Error(err)
						return
					}
					if n := inside.Add(1); n > 3 {
						t.Errorf("%d inside, at most 3", n)
					}
					inside.Add(-1)
					if err := s.Release(1); err != nil {
						t.Error(err)
					}
				}
			})
		}
		wg.Wait()
		wantValue(t, handles[0], 3)
	})
}

func TestSemaphoreExisting(t *testing.T) {
	eachKind(t, func(t *testing.T, o SemaphoreOptions) {
		path := tempPath(t)
		o.Existing = true
		if _, err := OpenSemaphore(path, 5, o); !errors.Is(err, fs.ErrNotExist) {
			t.Fatalf("got %v where there is none, want fs.ErrNotExist", err)
		}
		if err := os.WriteFile(path, nil, 0o600); err != nil { // a maker died over it
			t.Fatal(err)
		}
		if _, err := OpenSemaphore(path, 5, o); !errors.Is(err, fs.ErrNotExist) {
			t.Fatalf("got %v for an unfinished one, want fs.ErrNotExist", err)
		}
		o.Existing = false
		openSemaphore(t, path, 2, o)
		o.Existing = true
		wantValue(t, openSemaphore(t, path, 5, o), 2)
	})
}
