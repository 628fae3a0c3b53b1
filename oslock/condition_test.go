package oslock

import (
	"context"
	"errors"
	"slices"
	"sync"
	"testing"
	"time"
)

func openCondition(t testing.TB, l *Lock, name string) *Condition {
	t.Helper()
	c, err := OpenCondition(l, name, ConditionOptions{})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { c.Close() })
	return c
}

// newCondition returns a condition, with its lock, and the deed by which an actor opens the same.
func newCondition(t testing.TB) (l *Lock, c *Condition, deed string) {
	t.Helper()
	lock, path := tempPath(t), tempPath(t)
	l = openLock(t, lock, LockOptions{})
	return l, openCondition(t, l, path), "cond " + lock + " " + path
}

// seated blocks until n wait for the condition.
func seated(t testing.TB, c *Condition, n int) {
	t.Helper()
	f := c.h.file.Load()
	eventually(t, "they wait", func() bool {
		found := 0
		for i := range f.used() {
			if e := f.entry(i).Load(); e != 0 && !notified(e) {
				found++
			}
		}
		return found == n
	})
}

// lockWait is Lock, Wait, Unlock.
func lockWait(ctx context.Context, t testing.TB, c *Condition) error {
	t.Helper()
	if err := c.lock.Lock(soon(t)); err != nil {
		return err
	}
	return errors.Join(c.Wait(ctx), c.lock.Unlock())
}

// lockNotify is Lock, Notify, Unlock.
func lockNotify(t testing.TB, c *Condition, n int) {
	t.Helper()
	mustLock(t, c.lock)
	must(t, "Notify", c.Notify(n))
	mustUnlock(t, c.lock)
}

func TestConditionWithoutLock(t *testing.T) {
	t.Parallel()
	l, c, deed := newCondition(t)
	wantError(t, "Wait without the lock", c.Wait(soon(t)), ErrNotOwner)
	wantError(t, "WaitFor without the lock", c.WaitFor(soon(t), func() bool { return true }), ErrNotOwner)
	wantError(t, "Notify without the lock", c.Notify(1), ErrNotOwner)
	wantError(t, "NotifyAll without the lock", c.NotifyAll(), ErrNotOwner)
	p := act(t)
	p.do(deed, "ok")
	p.do("lock", "ok")
	wantError(t, "Notify with another process's lock", c.Notify(1), ErrNotOwner)
	p.do("notify 1", "ok")
	p.do("unlock", "ok")
	mustLock(t, l)
	must(t, "Notify nobody", c.NotifyAll())
	must(t, "Notify none", c.Notify(0))
	wantError(t, "Notify(-1)", c.Notify(-1), ErrValue)
	mustUnlock(t, l)
	if c.Lock() != l || c.File() == "" {
		t.Errorf("Lock = %p, want %p; File = %q", c.Lock(), l, c.File())
	}
	other := openLock(t, tempPath(t), LockOptions{})
	_, err := OpenCondition(other, c.File(), ConditionOptions{})
	wantError(t, "OpenCondition with another lock", err, ErrMismatch)
	other.Close()
	_, err = OpenCondition(other, tempPath(t), ConditionOptions{})
	wantError(t, "OpenCondition with a closed lock", err, ErrClosed)
}

// Notify wakes the oldest, and exactly so many.
func TestConditionNotifyInOrder(t *testing.T) {
	t.Parallel()
	l, c, _ := newCondition(t)
	second := openCondition(t, openLock(t, l.File(), LockOptions{}), c.File())
	var order []int // guarded by the condition's lock
	var wg sync.WaitGroup
	const n = 6
	for i := range n {
		wg.Go(func() {
			c := []*Condition{c, second}[i%2]
			mustLock(t, c.lock)
			must(t, "Wait", c.Wait(soon(t)))
			order = append(order, i)
			mustUnlock(t, c.lock)
		})
		seated(t, c, i+1)
	}
	count := func() int {
		mustLock(t, l)
		defer l.Unlock()
		return len(order)
	}
	for _, more := range []int{1, 2, 3} {
		before := count()
		lockNotify(t, c, more)
		eventually(t, "so many have gone on", func() bool { return count() == before+more })
		seated(t, c, n-before-more)
	}
	wg.Wait()
	for i, of := range map[int][]int{0: {0}, 1: {1, 2}, 3: {3, 4, 5}} {
		part := slices.Sorted(slices.Values(order[i : i+len(of)]))
		if !slices.Equal(part, of) {
			t.Errorf("order %v: at %d are %v, want %v", order, i, part, of)
		}
	}
	lockNotify(t, c, 5) // nobody there
}

func TestConditionContext(t *testing.T) {
	t.Parallel()
	l, c, _ := newCondition(t)
	ctx, cancel := context.WithCancel(context.Background())
	first := after(func() error { return lockWait(ctx, t, c) })
	second := after(func() error { return lockWait(soon(t), t, c) })
	seated(t, c, 2)
	cancel()
	wantDone(t, first, context.Canceled)
	lockNotify(t, c, 1)
	wantDone(t, second, nil)
	// The lock is held again, also when the context has ended before.
	mustLock(t, l)
	wantError(t, "Wait", c.Wait(ctx), context.Canceled)
	mustUnlock(t, l)

	// Notified and cancelled before it could lock: it was notified.
	ctx, cancel = context.WithCancel(context.Background())
	first = after(func() error { return lockWait(ctx, t, c) })
	seated(t, c, 1)
	mustLock(t, l)
	must(t, "Notify", c.Notify(1))
	cancel()
	time.Sleep(5 * time.Millisecond)
	mustUnlock(t, l)
	wantDone(t, first, nil)
}

func TestConditionWaitFor(t *testing.T) {
	t.Parallel()
	l, c, _ := newCondition(t)
	ready := false
	done := after(func() error {
		mustLock(t, l)
		return errors.Join(c.WaitFor(soon(t), func() bool { return ready }), l.Unlock())
	})
	seated(t, c, 1)
	lockNotify(t, c, 1)
	seated(t, c, 1) // again: not ready
	mustLock(t, l)
	ready = true
	must(t, "NotifyAll", c.NotifyAll())
	mustUnlock(t, l)
	wantDone(t, done, nil)

	ctx, cancel := context.WithTimeout(context.Background(), 5*time.Millisecond)
	defer cancel()
	mustLock(t, l)
	wantError(t, "WaitFor", c.WaitFor(ctx, func() bool { return false }), context.DeadlineExceeded)
	must(t, "WaitFor what has come true in the end", c.WaitFor(ctx, func() bool { return ctx.Err() != nil }))
	mustUnlock(t, l)
}

func TestConditionBetweenProcesses(t *testing.T) {
	t.Parallel()
	l, c, deed := newCondition(t)
	p, q := act(t), act(t)
	for _, a := range []*process{p, q} {
		a.do(deed, "ok")
	}
	p.send("lockwait")
	seated(t, c, 1)
	q.send("lockwait")
	seated(t, c, 2)
	here := after(func() error { return lockWait(soon(t), t, c) })
	seated(t, c, 3)
	lockNotify(t, c, 1)
	p.expect("ok")
	seated(t, c, 2)
	p.do("lock", "ok")
	p.do("notify 2", "ok")
	p.do("unlock", "ok")
	q.expect("ok")
	wantDone(t, here, nil)
	q.do("lock", "ok")
	q.do("wait 5ms", "timeout")
	wantTry(t, l, false) // held again
	q.do("unlock", "ok")
}

// A waiter that is killed eats no notification: neither one it has not got yet, nor one it has got.
func TestConditionKilledWaiter(t *testing.T) {
	t.Parallel()
	for _, step := range []string{"", "waited", "taken"} {
		t.Run("at "+step, func(t *testing.T) {
			t.Parallel()
			_, c, deed := newCondition(t)
			p := act(t)
			p.do(deed, "ok")
			if step != "" {
				p.do("dieat "+step, "ok")
			}
			p.send("lockwait")
			seated(t, c, 1)
			second := after(func() error { return lockWait(soon(t), t, c) })
			seated(t, c, 2)
			if step == "" {
				p.kill()
			}
			lockNotify(t, c, 1) // for the older, the process
			select {
			case err := <-second:
				if err != nil && !errors.Is(err, ErrOwnerDied) {
					t.Error(err)
				}
			case <-time.After(hangTime):
				t.Fatal("the second was not woken")
			}
			p.kill()
			if err := c.lock.Lock(soon(t)); err != nil && !isHeld(err) {
				t.Fatal(err)
			}
			must(t, "Repaired", c.lock.Repaired())
			mustUnlock(t, c.lock)
			// Later ones have no right to it.
			third := after(func() error { return lockWait(soon(t), t, c) })
			seated(t, c, 1)
			lockNotify(t, c, 1)
			wantDone(t, third, nil)
		})
	}
}

// An owner that dies, before, over or after notifying, leaves nobody asleep.
func TestConditionKilledNotifier(t *testing.T) {
	t.Parallel()
	for _, step := range []string{"", "marked", "rung"} {
		t.Run("at "+step, func(t *testing.T) {
			t.Parallel()
			_, c, deed := newCondition(t)
			p, q := act(t), act(t)
			p.do(deed, "ok")
			q.do(deed, "ok")
			q.send("lockwait")
			first := after(func() error { return lockWait(soon(t), t, c) })
			second := after(func() error { return lockWait(soon(t), t, c) })
			seated(t, c, 3)
			p.do("lock", "ok")
			if step == "" {
				p.kill()
			} else {
				p.do("dieat "+step, "ok")
				p.send("notify 3")
			}
			wantDone(t, first, ErrOwnerDied)
			wantDone(t, second, ErrOwnerDied)
			q.expect("died")
			p.death()
			seated(t, c, 0)
		})
	}
}

func TestConditionClosed(t *testing.T) {
	t.Parallel()
	l, c, _ := newCondition(t)
	other := openCondition(t, openLock(t, l.File(), LockOptions{}), c.File())
	var waits []<-chan error
	for range 2 {
		waits = append(waits, after(func() error { return lockWait(context.Background(), t, c) }))
	}
	third := after(func() error { return lockWait(soon(t), t, other) })
	seated(t, c, 3)
	must(t, "Close", c.Close())
	for _, w := range waits {
		wantDone(t, w, ErrClosed) // and lockWait could unlock
	}
	mustLock(t, l)
	wantError(t, "Wait", c.Wait(soon(t)), ErrClosed)
	wantError(t, "Notify", c.Notify(1), ErrClosed)
	mustUnlock(t, l)
	lockNotify(t, other, 1)
	wantDone(t, third, nil)

	// The lock closed under a waiter: it returns, and leaves no entry behind that would eat a notification.
	fourth := after(func() error {
		mustLock(t, other.lock)
		return other.Wait(context.Background())
	})
	seated(t, other, 1)
	other.lock.Close()
	wantDone(t, fourth, ErrClosed)
	seated(t, other, 0)
	wantTry(t, l, true)
	mustUnlock(t, l)
}

// When the table is full one more is refused, and what the dead left in it makes room.
func TestConditionFull(t *testing.T) {
	t.Parallel()
	l, c, deed := newCondition(t)
	p := act(t)
	p.do(deed, "ok")
	p.send("lockwait")
	seated(t, c, 1)
	f := c.h.file.Load()
	theirs := entryOwner(f.entry(0).Load())
	for i := range maxWaiters {
		f.entry(i).Store(uint64(i)<<ticketAt | uint64(theirs))
	}
	f.entriesUsed().Store(maxWaiters)
	mustLock(t, l)
	ctx, cancel := context.WithCancel(context.Background())
	cancel()
	wantError(t, "Wait", c.Wait(ctx), ErrTooManyWaiters)
	p.kill()
	wantError(t, "Wait", c.Wait(ctx), context.Canceled)
	mustUnlock(t, l)
	seated(t, c, 0)
}
