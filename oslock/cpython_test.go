package oslock

import (
	"context"
	"errors"
	"testing"
	"time"
)

// The cases of CPython's test.test_multiprocessing (Lib/test/_test_multiprocessing.py) for locks and
// semaphores. Each test says where yunta differs on purpose.

// Differs: releasing an unlocked lock is ValueError there, ErrNotOwner here; a second, non-blocking acquire
// is TryLock.
func TestCPython__TestLock_test_lock(t *testing.T) {
	t.Parallel()
	l := openLock(t, tempPath(t), LockOptions{})
	if err := l.Lock(t.Context()); err != nil {
		t.Fatal(err)
	}
	wantTry(t, l, false)
	if err := l.Unlock(); err != nil {
		t.Fatal(err)
	}
	wantError(t, "unlocking an unlocked lock", l.Unlock(), ErrNotOwner)
}

// Differs: the owner is the handle, not the thread; a release too many is AssertionError there,
// ErrNotOwner here.
func TestCPython__TestLock_test_rlock(t *testing.T) {
	t.Parallel()
	path := tempPath(t)
	r := openRLock(t, path, LockOptions{})
	other := openRLock(t, path, LockOptions{})
	for range 3 {
		if err := r.Lock(t.Context()); err != nil {
			t.Fatal(err)
		}
	}
	for range 3 {
		wantTry(t, other, false)
		if err := r.Unlock(); err != nil {
			t.Fatal(err)
		}
	}
	wantError(t, "unlocking once too often", r.Unlock(), ErrNotOwner)
	wantTry(t, other, true)
	if err := other.Unlock(); err != nil {
		t.Fatal(err)
	}
}

// Differs: Python's with statement is defer.
func TestCPython__TestLock_test_lock_context(t *testing.T) {
	t.Parallel()
	l := openLock(t, tempPath(t), LockOptions{})
	scope := func() {
		if err := l.Lock(t.Context()); err != nil {
			t.Fatal(err)
		}
		defer l.Unlock()
		wantTry(t, l, false)
	}
	scope()
	func() {
		defer func() {
			if recover() == nil {
				t.Error("the panic was swallowed")
			}
		}()
		mustLock(t, l)
		defer l.Unlock()
		panic("out of the scope")
	}()
	wantTry(t, l, true)
	mustUnlock(t, l)
}

// countDownUp is _TestSemaphore._test_semaphore.
func countDownUp(t *testing.T, s *Semaphore) {
	t.Helper()
	wantValue(t, s, 2)
	mustAcquire(t, s)
	wantValue(t, s, 1)
	mustAcquire(t, s)
	wantValue(t, s, 0)
	wantTryAcquire(t, s, false)
	mustRelease(t, s, 1)
	wantValue(t, s, 1)
	mustRelease(t, s, 1)
	wantValue(t, s, 2)
}

func TestCPython__TestSemaphore_test_semaphore(t *testing.T) {
	t.Parallel()
	s := openSemaphore(t, tempPath(t), 2, SemaphoreOptions{})
	countDownUp(t, s)
	mustRelease(t, s, 1)
	wantValue(t, s, 3)
	mustRelease(t, s, 1)
	wantValue(t, s, 4)
}

// Differs: the release too many, which CPython's test leaves out because macOS does not notice it, is an error
// on every system here: ErrOverRelease for Python's ValueError.
func TestCPython__TestSemaphore_test_bounded_semaphore(t *testing.T) {
	t.Parallel()
	s := openSemaphore(t, tempPath(t), 2, SemaphoreOptions{Bounded: true})
	countDownUp(t, s)
	wantError(t, "releasing once too often", s.Release(1), ErrOverRelease)
	wantValue(t, s, 2)
}

// Differs: a timeout is a context with a deadline, and its end is context.DeadlineExceeded for Python's False.
// A deadline that has passed, Python's timeout of 0 or below, never blocks.
func TestCPython__TestSemaphore_test_timeout(t *testing.T) {
	t.Parallel()
	s := openSemaphore(t, tempPath(t), 0, SemaphoreOptions{})
	wantTryAcquire(t, s, false)
	for _, timeout := range []time.Duration{-time.Second, 0, 30 * time.Millisecond, 60 * time.Millisecond} {
		start := time.Now()
		ctx, cancel := context.WithTimeout(t.Context(), timeout)
		err := s.Acquire(ctx)
		cancel()
		if !errors.Is(err, context.DeadlineExceeded) {
			t.Errorf("Acquire for %v = %v, want context.DeadlineExceeded", timeout, err)
		}
		if took := time.Since(start); took < timeout {
			t.Errorf("Acquire for %v returned after %v", timeout, took)
		}
	}
}
