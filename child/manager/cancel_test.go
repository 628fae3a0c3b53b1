package manager

import (
	"context"
	"errors"
	"testing"
	"time"

	"yunta/ipc"
	"yunta/oslock"
)

// The end of a context takes a call back on the server: what it waited for goes to others.
func TestCancel(t *testing.T) {
	t.Parallel()
	ctx := testContext(t)
	s := testServer(t, ServerOptions{})
	c := connect(t, s)
	q := must[*Queue[int]](t)(NewQueue[int](ctx, c, QueueOptions{}))
	full := must[*Queue[int]](t)(NewQueue[int](ctx, c, QueueOptions{MaxSize: 1}))
	l := must[*Lock](t)(NewLock(ctx, c))
	r := must[*RLock](t)(NewRLock(ctx, c))
	n := must[*Semaphore](t)(NewSemaphore(ctx, c, 0))
	b := must[*Barrier](t)(NewBarrier(ctx, c, 2))
	e := must[*Event](t)(NewEvent(ctx, c))
	d := must[*Condition](t)(NewCondition(ctx, c, nil))
	o := must[*Object[*room]](t)(rooms.New(ctx, c, 0))
	check(t, full.Put(ctx, 1), l.Lock(ctx), r.Lock(ctx), d.Lock(ctx))
	for name, f := range map[string]func(ctx context.Context) error{
		"Get":       func(ctx context.Context) error { _, err := q.Get(ctx); return err },
		"Put":       func(ctx context.Context) error { return full.Put(ctx, 2) },
		"join":      full.Wait,
		"Lock":      l.Lock,
		"RLock":     func(ctx context.Context) error { return r.Owner().Lock(ctx) },
		"Semaphore": n.Acquire,
		"Barrier":   func(ctx context.Context) error { _, err := b.Wait(ctx); return err },
		"Event":     e.Wait,
		"Condition": d.Wait,
		"method":    func(ctx context.Context) error { _, err := roomStay.Call(ctx, o, "x"); return err },
	} {
		sub, cancel := context.WithCancelCause(ctx)
		waits := blocked(t, s, func() error { return f(sub) })
		cause := errors.New("the cause")
		cancel(cause)
		if err := <-waits; !errors.Is(err, cause) {
			t.Errorf("%s: %v, want the context's cause", name, err)
		}
		if err := f(sub); !errors.Is(err, cause) {
			t.Errorf("%s with a context that has ended: %v", name, err)
		}
	}
	waitFor(t, "no request to wait", func() bool { return s.waitingRequests() == 0 })
	// Nothing went to those who gave up.
	check(t, q.Put(ctx, 7), l.Unlock(ctx), r.Unlock(ctx), n.Release(ctx, 1), d.Unlock(ctx))
	if v, err := q.TryGet(ctx); v != 7 || err != nil {
		t.Errorf("got %d, %v", v, err)
	}
	if v, err := full.TryGet(ctx); v != 1 || err != nil {
		t.Errorf("got %d, %v", v, err)
	}
	_, err := full.TryGet(ctx)
	wantIs(t, err, ipc.ErrEmpty)
	for name, try := range map[string]func(context.Context) (bool, error){"lock": l.TryLock, "rlock": r.TryLock, "semaphore": n.TryAcquire, "condition": d.Mutex().TryLock} {
		if ok, err := try(ctx); !ok || err != nil {
			t.Errorf("%s is not free, %v", name, err)
		}
	}
	_, err = b.Wait(ctx)
	wantIs(t, err, oslock.ErrBroken) // a party gave up
	check(t, c.Ping(ctx))
}

// Whoever gets something at the moment at which its context ends either has it, or has it not and was told so.
func TestCancelRaces(t *testing.T) {
	t.Parallel()
	ctx := testContext(t)
	rnd := random(t)
	s := testServer(t, ServerOptions{})
	c := connect(t, s)
	l := must[*Lock](t)(NewLock(ctx, c))
	q := must[*Queue[int]](t)(NewQueue[int](ctx, c, QueueOptions{}))
	got := 0
	const rounds = 300
	for range rounds {
		check(t, l.Lock(ctx))
		sub, cancel := context.WithCancel(ctx)
		locks := make(chan error, 1)
		gets := make(chan error, 1)
		go func() { locks <- l.Lock(sub) }()
		go func() { _, err := q.Get(sub); gets <- err }()
		pause := time.Duration(rnd.IntN(200)) * time.Microsecond
		go func() {
			time.Sleep(pause)
			cancel()
		}()
		time.Sleep(time.Duration(rnd.IntN(200)) * time.Microsecond)
		check(t, l.Unlock(ctx), q.Put(ctx, 1))
		if err := <-locks; err == nil {
			check(t, l.Unlock(ctx))
		} else {
			wantIs(t, err, context.Canceled)
		}
		if err := <-gets; err == nil {
			got++
		} else {
			wantIs(t, err, context.Canceled)
		}
		cancel()
		if locked, err := l.Locked(ctx); locked || err != nil {
			t.Fatalf("locked by nobody, %v", err)
		}
	}
	if left, err := q.Len(ctx); got+left != rounds || err != nil {
		t.Errorf("%d were got and %d are left of %d, %v", got, left, rounds, err)
	}
}

// A server that has stopped answering is given up some time after the end of a context.
func TestCancelUnanswered(t *testing.T) {
	t.Parallel()
	key := NewKey()
	ln, err := ipc.Listen("unix", "", ipc.ListenOptions{AuthKey: key})
	check(t, err)
	defer ln.Close()
	go func() {
		conn, err := ln.Accept(context.Background())
		if err != nil {
			return
		}
		defer conn.Close()
		hello := append([]byte(greeting), WireVersion)
		hello = appendBytes(appendBytes(hello, "deaf"), "/nowhere")
		_ = conn.SendBytes(hello)
		for {
			if _, err := conn.RecvBytes(); err != nil {
				return
			}
		}
	}()
	c, err := Dial(testContext(t), "unix", ln.Addr().String(), DialOptions{AuthKey: key})
	check(t, err)
	defer c.Close()
	ctx, cancel := context.WithCancel(context.Background())
	done := make(chan error, 1)
	go func() { done <- c.Ping(ctx) }()
	waitFor(t, "the call to be under way", func() bool {
		c.mu.Lock()
		defer c.mu.Unlock()
		return len(c.calls) == 1
	})
	cancel()
	wantIs(t, <-done, ErrLost)
}
