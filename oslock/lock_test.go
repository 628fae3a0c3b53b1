package oslock

import (
	"context"
	"errors"
	"path/filepath"
	"sync"
	"testing"
	"time"
)

// tempPath returns a path for a lock or semaphore of its own.
func tempPath(t testing.TB) string {
	t.Helper()
	return filepath.Join(t.TempDir(), "file")
}

func openLock(t testing.TB, name string, o LockOptions) *Lock {
	t.Helper()
	l, err := OpenLock(name, o)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { l.Close() })
	return l
}

func openSemaphore(t testing.TB, name string, value int, o SemaphoreOptions) *Semaphore {
	t.Helper()
	s, err := OpenSemaphore(name, value, o)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { s.Close() })
	return s
}

// soon is a context for what must come to an end.
func soon(t testing.TB) context.Context {
	t.Helper()
	ctx, cancel := context.WithTimeout(context.Background(), hangTime)
	t.Cleanup(cancel)
	return ctx
}

func mustLock(t testing.TB, l interface{ Lock(context.Context) error }) {
	t.Helper()
	if err := l.Lock(soon(t)); err != nil {
		t.Fatalf("Lock: %v", err)
	}
}

func mustUnlock(t testing.TB, l interface{ Unlock() error }) {
	t.Helper()
	if err := l.Unlock(); err != nil {
		t.Fatalf("Unlock: %v", err)
	}
}

func wantTry(t testing.TB, l interface{ TryLock() (bool, error) }, want bool) {
	t.Helper()
	if got, err := l.TryLock(); got != want || err != nil {
		t.Fatalf("TryLock = %v, %v, want %v", got, err, want)
	}
}

func wantError(t testing.TB, doing string, got, want error) {
	t.Helper()
	if !errors.Is(got, want) {
		t.Errorf("%s = %v, want %v", doing, got, want)
	}
}

// waiting blocks until somebody sleeps on the file of the handle.
func waiting(t testing.TB, h *handle) {
	t.Helper()
	f := h.file.Load()
	eventually(t, "somebody waits", func() bool {
		if f.undo != nil {
			return sleeps(f.undo.wide.Load())
		}
		return f.word.Load()&bitW != 0
	})
}

// after runs f in a goroutine and returns a channel with its error.
func after(f func() error) <-chan error {
	done := make(chan error, 1)
	go func() { done <- f() }()
	return done
}

func wantBlocked(t testing.TB, done <-chan error) {
	t.Helper()
	select {
	case err := <-done:
		t.Fatalf("returned %v, want it blocked", err)
	default:
	}
}

func wantDone(t testing.TB, done <-chan error, want error) {
	t.Helper()
	select {
	case err := <-done:
		if !errors.Is(err, want) {
			t.Fatalf("returned %v, want %v", err, want)
		}
	case <-time.After(hangTime):
		t.Fatal("still blocked")
	}
}

func TestLockExcludes(t *testing.T) {
	t.Parallel()
	path := tempPath(t)
	a, b := openLock(t, path, LockOptions{}), openLock(t, path, LockOptions{})
	mustLock(t, a)
	wantTry(t, a, false)
	wantTry(t, b, false)
	done := after(func() error { return b.Lock(soon(t)) })
	waiting(t, &b.h)
	wantBlocked(t, done)
	mustUnlock(t, a)
	wantDone(t, done, nil)
	wantTry(t, a, false)
	mustUnlock(t, b)
	wantError(t, "Unlock of a free lock", b.Unlock(), ErrNotOwner)
}

func TestLockUnlockedByAnother(t *testing.T) {
	t.Parallel()
	path := tempPath(t)
	a, b := openLock(t, path, LockOptions{}), openLock(t, path, LockOptions{})
	mustLock(t, a)
	wantDone(t, after(a.Unlock), nil) // another goroutine
	mustLock(t, a)
	mustUnlock(t, b) // another handle of the same process
}

func TestLockManyGoroutines(t *testing.T) {
	t.Parallel()
	path := tempPath(t)
	handles := []*Lock{openLock(t, path, LockOptions{}), openLock(t, path, LockOptions{})}
	const goroutines, rounds = 50, 200
	var wg sync.WaitGroup
	inside, total := 0, 0 // not atomic: the race detector watches the lock
	for i := range goroutines {
		wg.Go(func() {
			l := handles[i%2]
			for range rounds {
				if err := l.Lock(soon(t)); err != nil {
					t.Error(err)
					return
				}
				inside++
				if inside != 1 {
					t.Errorf("%d inside", inside)
				}
				total++
				inside--
				if err := l.Unlock(); err != nil {
					t.Error(err)
				}
			}
		})
	}
	wg.Wait()
	if total != goroutines*rounds {
		t.Errorf("counted %d, want %d", total, goroutines*rounds)
	}
	if v := handles[0].h.file.Load().word.Load(); v != 0 {
		t.Errorf("the word is %#x at the end, want 0", v)
	}
}
