package manager

import (
	"context"
	"errors"
	"testing"

	"yunta/ipc"
)

// Every call that waits, of every kind, ends at once when the server is killed, and so does every later one.
func TestServerKilled(t *testing.T) {
	t.Parallel()
	ctx := context.Background() // nothing but the server's death ends a wait
	c, server := otherServer(t)
	q := must[*Queue[int]](t)(NewQueue[int](ctx, c, QueueOptions{}))
	full := must[*Queue[int]](t)(NewQueue[int](ctx, c, QueueOptions{MaxSize: 1}))
	l := must[*Lock](t)(NewLock(ctx, c))
	r := must[*RLock](t)(NewRLock(ctx, c))
	n := must[*Semaphore](t)(NewSemaphore(ctx, c, 0))
	b := must[*Barrier](t)(NewBarrier(ctx, c, 2))
	e := must[*Event](t)(NewEvent(ctx, c))
	d := must[*Condition](t)(NewCondition(ctx, c, nil))
	check(t, full.Put(ctx, 1), l.Lock(ctx), r.Lock(ctx), d.Lock(ctx))
	calls := map[string]func() error{
		"Get":       func() error { _, err := q.Get(ctx); return err },
		"Put":       func() error { return full.Put(ctx, 2) },
		"join":      func() error { return full.Wait(ctx) },
		"Lock":      func() error { return l.Lock(ctx) },
		"RLock":     func() error { return r.Owner().Lock(ctx) },
		"Semaphore": func() error { return n.Acquire(ctx) },
		"Barrier":   func() error { _, err := b.Wait(ctx); return err },
		"Event":     func() error { return e.Wait(ctx) },
		"Condition": func() error { return d.Wait(ctx) },
	}
	type ended struct {
		name string
		err  error
	}
	done := make(chan ended)
	for name, f := range calls {
		go func() { done <- ended{name, f()} }()
	}
	waitFor(t, "all calls to be under way", func() bool {
		c.mu.Lock()
		defer c.mu.Unlock()
		return len(c.calls) == len(calls)
	})
	server.kill()
	for range calls {
		if got := <-done; !errors.Is(got.err, ErrLost) || !errors.Is(got.err, ipc.ErrClosed) {
			t.Errorf("%s: %v", got.name, got.err)
		}
	}
	wantIs(t, c.Ping(ctx), ErrLost)
	wantIs(t, c.Err(), ErrLost)
	_, err := NewLock(ctx, c)
	wantIs(t, err, ErrLost)

	// A proxy that arrives now finds no server.
	var again Lock
	if err := again.UnmarshalText([]byte(text(t, l))); err == nil {
		t.Error("a proxy of a dead server arrives")
	}
}

// A client that nobody has asked anything since notices all the same.
func TestServerKilledUnnoticed(t *testing.T) {
	t.Parallel()
	ctx := testContext(t)
	c, server := otherServer(t)
	check(t, c.Ping(ctx))
	if !c.alive() {
		t.Fatal("dead too soon")
	}
	server.kill()
	waitFor(t, "the client to notice", func() bool { return !c.alive() })
	wantIs(t, c.Ping(ctx), ErrLost)
}

func TestShutdown(t *testing.T) {
	t.Parallel()
	ctx := testContext(t)
	s := testServer(t, ServerOptions{})
	c, other := connect(t, s), connect(t, s)
	q := must[*Queue[int]](t)(NewQueue[int](ctx, c, QueueOptions{}))
	waits := blocked(t, s, func() error { _, err := q.Get(ctx); return err })
	check(t, other.Shutdown(ctx), s.Wait(ctx))
	wantIs(t, <-waits, ErrLost)
	wantIs(t, c.Ping(ctx), ErrLost)
	_, err := s.Connect(ctx)
	if err == nil {
		t.Error("a server that was shut down is dialled")
	}
	check(t, s.Close())
}

func TestServerEndsWithContext(t *testing.T) {
	t.Parallel()
	ctx, cancel := context.WithCancel(context.Background())
	s, err := NewServer(ctx, ServerOptions{})
	check(t, err)
	cancel()
	<-s.Done()
	check(t, s.Close())
	_, err = NewServer(ctx, ServerOptions{})
	wantIs(t, err, context.Canceled)
}
