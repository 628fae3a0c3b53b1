package oslock

import (
	"context"
	"errors"
	"sync"
	"testing"
)

func openRLock(t testing.TB, name string, o LockOptions) *RLock {
	t.Helper()
	r, err := OpenRLock(name, o)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { r.Close() })
	return r
}

func TestRLockHandlesExclude(t *testing.T) {
	t.Parallel()
	path := tempPath(t)
	a, b := openRLock(t, path, LockOptions{}), openRLock(t, path, LockOptions{})
	l := openLock(t, path, LockOptions{}) // a Lock of the same name is the same lock
	mustLock(t, a)
	mustLock(t, a)
	wantTry(t, a, true)
	wantTry(t, b, false)
	wantTry(t, l, false)
	wantError(t, "Unlock by another handle", b.Unlock(), ErrNotOwner)
	done := after(func() error { return b.Lock(soon(t)) })
	waiting(t, &b.lock.h)
	for range 3 {
		wantBlocked(t, done)
		mustUnlock(t, a)
	}
	wantDone(t, done, nil)
	wantError(t, "Repaired by another handle", a.Repaired(), ErrNotOwner)
	mustUnlock(t, b)
	if a.File() != path {
		t.Errorf("File = %s, want %s", a.File(), path)
	}
}

// Goroutines of one handle are one owner: while one of them waits for the first Lock, the others
// join it, and get the context's end or Close as anybody does.
func TestRLockGoroutinesOfOneHandle(t *testing.T) {
	t.Parallel()
	path := tempPath(t)
	r, l := openRLock(t, path, LockOptions{}), openLock(t, path, LockOptions{})
	mustLock(t, l)
	const n = 10
	var wg sync.WaitGroup
	for range n {
		wg.Go(func() {
			if err := r.Lock(soon(t)); err != nil {
				t.Error(err)
			}
		})
	}
	waiting(t, &r.lock.h)
	ctx, cancel := context.WithCancel(context.Background())
	cancel()
	wantError(t, "Lock beside a waiting one", r.Lock(ctx), context.Canceled)
	wantTry(t, r, false)
	wantError(t, "Unlock of one that waits", r.Unlock(), ErrNotOwner)
	mustUnlock(t, l)
	wg.Wait()
	wantTry(t, l, false)
	for range n {
		mustUnlock(t, r)
	}
	wantTry(t, l, true)

	first := after(func() error { return r.Lock(context.Background()) })
	second := after(func() error { return r.Lock(context.Background()) })
	waiting(t, &r.lock.h)
	r.Close()
	wantDone(t, first, ErrClosed)
	wantDone(t, second, ErrClosed)
	wantError(t, "Unlock", r.Unlock(), ErrClosed)
	wantError(t, "Repaired", r.Repaired(), ErrClosed)
	mustUnlock(t, l)
}

func TestRLockOwnerDied(t *testing.T) {
	t.Parallel()
	path := tempPath(t)
	p := act(t)
	p.do("open "+path, "ok")
	p.do("lock", "ok")
	p.kill()
	r := openRLock(t, path, LockOptions{})
	wantError(t, "the first Lock", r.Lock(soon(t)), ErrOwnerDied)
	mustLock(t, r) // again: nothing new
	mustUnlock(t, r)
	if err := r.Repaired(); err != nil {
		t.Fatal(err)
	}
	mustUnlock(t, r)
	mustLock(t, r)
	mustUnlock(t, r)

	p = act(t)
	p.do("open "+path, "ok")
	p.do("lock", "ok")
	p.kill()
	broken := errors.New("broken")
	failing := openRLock(t, path, LockOptions{Repair: func() error { return broken }})
	wantError(t, "Lock with a failing repair", failing.Lock(soon(t)), broken)
	wantError(t, "Unlock", failing.Unlock(), ErrNotOwner)
}
