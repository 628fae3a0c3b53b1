package supervisor_test

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"testing"

	"yunta/child"
	"yunta/child/manager"
	"yunta/ipc"
	"yunta/oslock"
	"yunta/supervisor"
)

// CPython's class TestSyncManagerTypes: a proxy goes to a child in its argument, and what the child does with it the parent
// sees. The child's part is an entry beside each test, which returns an error where Python asserts.

// inChild runs the entry in a process, and fails if that does.
func inChild[A any](t *testing.T, e child.Entry[A, int], arg A) {
	t.Helper()
	p := supervisor.NewProcess(e, arg, supervisor.ProcessOptions{})
	ctx := testContext(t)
	if err := p.Start(ctx); err != nil {
		t.Fatal(err)
	}
	if err := p.Wait(ctx); err != nil {
		t.Errorf("in the child: %v", err)
	}
}

// startManager returns a client of a manager of the test's own.
func startManager(t *testing.T) (context.Context, *manager.Client) {
	t.Helper()
	return testContext(t), newManager(t, supervisor.ManagerOptions{}).Client()
}

// made returns a proxy that can surely be made.
func made[P any](t testing.TB) func(p P, err error) P {
	t.Helper()
	return func(p P, err error) P {
		t.Helper()
		if err != nil {
			t.Fatal(err)
		}
		return p
	}
}

func noError(t testing.TB, errs ...error) {
	t.Helper()
	if err := errors.Join(errs...); err != nil {
		t.Fatal(err)
	}
}

// differs is a child's assertion.
func differs[T comparable](got T, err error, want T) error {
	if err == nil && got != want {
		err = fmt.Errorf("got %v, want %v", got, want)
	}
	return err
}

var eventWorker = child.Register("eventWorker", func(ctx context.Context, e *manager.Event) (int, error) {
	set, err := e.IsSet(ctx)
	return 0, errors.Join(differs(set, err, true), e.Wait(ctx), e.Clear(ctx))
})

func TestCPython_TestSyncManagerTypes_test_event(t *testing.T) {
	t.Parallel()
	ctx, c := startManager(t)
	e := made[*manager.Event](t)(manager.NewEvent(ctx, c))
	noError(t, e.Set(ctx))
	inChild(t, eventWorker, e)
	if set, err := e.IsSet(ctx); set || err != nil {
		t.Errorf("still set, %v", err)
	}
}

// held is what a child holds until it is told that it need not any more: here, unlike in Python, what it holds when it
// ends is given back then.
type held[P any] struct {
	Object       P
	Taken, Given *manager.Event
}

// holdIn has a child hold something, and returns what waits for its end.
func holdIn[P any](t *testing.T, e child.Entry[held[P], int], o P, c *manager.Client) (end func()) {
	t.Helper()
	ctx := testContext(t)
	h := held[P]{o, made[*manager.Event](t)(manager.NewEvent(ctx, c)), made[*manager.Event](t)(manager.NewEvent(ctx, c))}
	p := supervisor.NewProcess(e, h, supervisor.ProcessOptions{})
	noError(t, p.Start(ctx), h.Taken.Wait(ctx))
	return func() {
		t.Helper()
		noError(t, h.Given.Set(ctx), p.Wait(ctx))
	}
}

func (h held[P]) until(ctx context.Context, err error) (int, error) {
	return 0, errors.Join(err, h.Taken.Set(ctx), h.Given.Wait(ctx))
}

var lockWorker = child.Register("lockWorker", func(ctx context.Context, h held[*manager.Lock]) (int, error) {
	return h.until(ctx, h.Object.Lock(ctx))
})

// Anybody may unlock a manager's lock, as in Python (an oslock.Lock only its owner). But a process that ends unlocks what it
// has locked, so this one stays until the parent has unlocked it.
func TestCPython_TestSyncManagerTypes_test_lock(t *testing.T) {
	t.Parallel()
	ctx, c := startManager(t)
	l := made[*manager.Lock](t)(manager.NewLock(ctx, c))
	end := holdIn(t, lockWorker, l, c)
	if locked, err := l.Locked(ctx); !locked || err != nil {
		t.Errorf("not locked, %v", err)
	}
	noError(t, l.Unlock(ctx))
	if err := l.Unlock(ctx); !errors.Is(err, manager.ErrNotLocked) {
		t.Errorf("unlocked twice: %v", err)
	}
	end()
	if err := l.Unlock(ctx); !errors.Is(err, manager.ErrNotLocked) {
		t.Errorf("unlocked after the child's end: %v", err)
	}
}

var rlockWorker = child.Register("rlockWorker", func(ctx context.Context, l *manager.RLock) (int, error) {
	return 0, errors.Join(l.Lock(ctx), l.Lock(ctx), l.Unlock(ctx), l.Unlock(ctx))
})

func TestCPython_TestSyncManagerTypes_test_rlock(t *testing.T) {
	t.Parallel()
	ctx, c := startManager(t)
	l := made[*manager.RLock](t)(manager.NewRLock(ctx, c))
	inChild(t, rlockWorker, l)
	if locked, err := l.Locked(ctx); locked || err != nil {
		t.Errorf("still locked, %v", err)
	}
	noError(t, l.Lock(ctx), l.Unlock(ctx))
}

var semaphoreWorker = child.Register("semaphoreWorker", func(ctx context.Context, h held[*manager.Semaphore]) (int, error) {
	return h.until(ctx, h.Object.Acquire(ctx))
})

func semaphoreInChild(t *testing.T, ctx context.Context, c *manager.Client, s *manager.Semaphore) {
	t.Helper()
	end := holdIn(t, semaphoreWorker, s, c)
	if n, err := s.Value(ctx); n != 0 || err != nil {
		t.Errorf("%d permits, %v", n, err)
	}
	noError(t, s.Release(ctx, 1))
	end()
	if n, err := s.Value(ctx); n != 1 || err != nil {
		t.Errorf("after the child's end %d permits, %v", n, err)
	}
}

func TestCPython_TestSyncManagerTypes_test_semaphore(t *testing.T) {
	t.Parallel()
	ctx, c := startManager(t)
	semaphoreInChild(t, ctx, c, made[*manager.Semaphore](t)(manager.NewSemaphore(ctx, c, 1)))
}

func TestCPython_TestSyncManagerTypes_test_bounded_semaphore(t *testing.T) {
	t.Parallel()
	ctx, c := startManager(t)
	s := made[*manager.Semaphore](t)(manager.NewBoundedSemaphore(ctx, c, 1))
	semaphoreInChild(t, ctx, c, s)
	if err := s.Release(ctx, 1); !errors.Is(err, oslock.ErrOverRelease) {
		t.Errorf("released beyond the bound: %v", err)
	}
}

var conditionWorker = child.Register("conditionWorker", func(ctx context.Context, c *manager.Condition) (int, error) {
	return 0, errors.Join(c.Lock(ctx), c.Notify(ctx, 1), c.Unlock(ctx))
})

func TestCPython_TestSyncManagerTypes_test_condition(t *testing.T) {
	t.Parallel()
	ctx, c := startManager(t)
	o := made[*manager.Condition](t)(manager.NewCondition(ctx, c, nil))
	inChild(t, conditionWorker, o)
	noError(t, o.Lock(ctx), o.Unlock(ctx))
	if err := o.Unlock(ctx); !errors.Is(err, manager.ErrNotLocked) {
		t.Errorf("unlocked twice: %v", err)
	}
}

var barrierWorker = child.Register("barrierWorker", func(ctx context.Context, b *manager.Barrier) (int, error) {
	n, err := b.Parties(ctx)
	return 0, errors.Join(differs(n, err, 5), b.Reset(ctx))
})

func TestCPython_TestSyncManagerTypes_test_barrier(t *testing.T) {
	t.Parallel()
	ctx, c := startManager(t)
	b := made[*manager.Barrier](t)(manager.NewBarrier(ctx, c, 5))
	noError(t, b.Abort(ctx))
	inChild(t, barrierWorker, b)
	if broken, err := b.Broken(ctx); broken || err != nil {
		t.Errorf("still broken, %v", err)
	}
}

var poolWorker = child.Register("poolWorker", func(ctx context.Context, p *supervisor.ManagedPool) (int, error) {
	got, err := supervisor.ManagedMap(ctx, p, square, []int{1, 2, 3})
	if err == nil && !slices.Equal(got, []int{1, 4, 9}) {
		err = fmt.Errorf("got %v", got)
	}
	return 0, errors.Join(err, p.Close(ctx))
})

func TestCPython_TestSyncManagerTypes_test_pool(t *testing.T) {
	t.Parallel()
	ctx, c := startManager(t)
	p := made[*supervisor.ManagedPool](t)(supervisor.NewManagedPool(ctx, c, supervisor.ManagedPoolOptions{Processes: 2}))
	inChild(t, poolWorker, p)
	if _, err := supervisor.ManagedApply(ctx, p, square, 2); !errors.Is(err, manager.ErrGone) {
		t.Errorf("after the child has closed it: %v", err)
	}
}

var queueWorker = child.Register("queueWorker", func(ctx context.Context, q *manager.Queue[int]) (int, error) {
	n, err := q.Len(ctx)
	err = differs(n, err, 2)
	full, ferr := q.Full(ctx)
	empty, eerr := q.Empty(ctx)
	err = errors.Join(err, differs(full, ferr, true), differs(empty, eerr, false))
	for want := 5; want <= 6; want++ {
		v, gerr := q.Get(ctx)
		err = errors.Join(err, differs(v, gerr, want))
	}
	empty, eerr = q.Empty(ctx)
	return 0, errors.Join(err, differs(empty, eerr, true))
})

func queueInChild(t *testing.T, ctx context.Context, c *manager.Client) *manager.Queue[int] {
	t.Helper()
	q := made[*manager.Queue[int]](t)(manager.NewQueue[int](ctx, c, manager.QueueOptions{MaxSize: 2}))
	noError(t, q.Put(ctx, 5), q.Put(ctx, 6))
	if err := q.TryPut(ctx, 7); !errors.Is(err, ipc.ErrFull) {
		t.Errorf("a third is put: %v", err)
	}
	inChild(t, queueWorker, q)
	if empty, err := q.Empty(ctx); !empty || err != nil {
		t.Errorf("not empty, %v", err)
	}
	if _, err := q.TryGet(ctx); !errors.Is(err, ipc.ErrEmpty) {
		t.Errorf("got from an empty queue: %v", err)
	}
	return q
}

func TestCPython_TestSyncManagerTypes_test_queue(t *testing.T) {
	t.Parallel()
	ctx, c := startManager(t)
	queueInChild(t, ctx, c)
}

// Every Queue is joinable.
func TestCPython_TestSyncManagerTypes_test_joinable_queue(t *testing.T) {
	t.Parallel()
	ctx, c := startManager(t)
	q := queueInChild(t, ctx, c)
	noError(t, q.TaskDone(ctx), q.TaskDone(ctx), q.Wait(ctx))
	if err := q.TaskDone(ctx); !errors.Is(err, manager.ErrTooOften) {
		t.Errorf("done a third time: %v", err)
	}
}
