package ipc

import (
	"context"
	"errors"
	"os"
	"slices"
	"testing"
	"time"
)

type doneWaiter chan struct{}

func (d doneWaiter) Readiness() Readiness { return Readiness{Done: d} }

// now is a context that has ended: Wait looks once.
func now() context.Context {
	ctx, cancel := context.WithCancel(context.Background())
	cancel()
	return ctx
}

func TestWait(t *testing.T) {
	t.Parallel()
	a, b := testConns(t)
	r, w := testSimplex(t)
	fr, fw, err := os.Pipe()
	if err != nil {
		t.Fatal(err)
	}
	defer fr.Close()
	defer fw.Close()
	file, err := WaitFile(fr)
	if err != nil {
		t.Fatal(err)
	}
	done := make(doneWaiter)
	all := []Waiter{b, done, r, file}

	if got, err := Wait(now(), all...); len(got) != 0 || !errors.Is(err, context.Canceled) {
		t.Errorf("with nothing ready: %v, %v", got, err)
	}
	short, cancel := context.WithTimeout(t.Context(), 10*time.Millisecond)
	defer cancel()
	if got, err := Wait(short, all...); len(got) != 0 || !errors.Is(err, context.DeadlineExceeded) {
		t.Errorf("with nothing ready: %v, %v", got, err)
	}

	// Each of them ends a Wait that is blocked, and is found by one that is not,
	// with those before it.
	for i, event := range []func() error{
		func() error { return a.Send(1) },
		func() error { close(done); return nil },
		w.Close,
		func() error { _, err := fw.Write([]byte{1}); return err },
	} {
		type result struct {
			ready []Waiter
			err   error
		}
		got := make(chan result, 1)
		go func() {
			ready, err := Wait(t.Context(), all[i:]...)
			got <- result{ready, err}
		}()
		select {
		case r := <-got:
			t.Fatalf("Wait %d returned %v, %v", i, r.ready, r.err)
		case <-time.After(10 * time.Millisecond):
		}
		if err := event(); err != nil {
			t.Fatal(err)
		}
		if r := <-got; r.err != nil || !slices.Equal(r.ready, all[i:i+1]) {
			t.Errorf("Wait %d: %v, %v", i, r.ready, r.err)
		}
		if ready, err := Wait(now(), all...); err != nil || !slices.Equal(ready, all[:i+1]) {
			t.Errorf("Wait for all after %d: %v, %v", i, ready, err)
		}
	}
	if got, err := Recv[int](b); got != 1 || err != nil {
		t.Errorf("Wait took something away: %d, %v", got, err)
	}
}

func TestWaitNothing(t *testing.T) {
	t.Parallel()
	ctx, cancel := context.WithTimeout(t.Context(), time.Millisecond)
	defer cancel()
	if got, err := Wait(ctx); len(got) != 0 || !errors.Is(err, context.DeadlineExceeded) {
		t.Errorf("for nobody: %v, %v", got, err)
	}
}

func TestWaitTwice(t *testing.T) {
	t.Parallel()
	a, b := testConns(t)
	got := make(chan []Waiter, 1)
	go func() {
		ready, err := Wait(t.Context(), b, b)
		if err != nil {
			t.Error(err)
		}
		got <- ready
	}()
	if err := a.Send(1); err != nil {
		t.Fatal(err)
	}
	if ready := <-got; len(ready) != 2 {
		t.Errorf("one connection given twice: %v", ready)
	}
	if len(b.wakers.set) != 0 {
		t.Errorf("%d wakers are left", len(b.wakers.set))
	}
}

// Close ends Wait, and Wait does not hold up Close.
func TestWaitClose(t *testing.T) {
	t.Parallel()
	a, b := testConns(t)
	c, _ := testConns(t)
	got := make(chan []Waiter, 1)
	go func() {
		ready, err := Wait(t.Context(), c, a, b)
		if err != nil {
			t.Error(err)
		}
		got <- ready
	}()
	select {
	case ready := <-got:
		t.Fatalf("Wait returned %v", ready)
	case <-time.After(10 * time.Millisecond):
	}
	a.Close()
	if ready := <-got; !slices.Contains(ready, Waiter(a)) {
		t.Errorf("Wait returned %v, without the closed one", ready)
	}
}

// Messages that another goroutine's Recv read ahead wake those who wait.
func TestWaitReadAhead(t *testing.T) {
	t.Parallel()
	a, b := testConns(t)
	for range 200 {
		recv := make(chan error, 1)
		go func() {
			_, err := b.RecvBytes()
			recv <- err
		}()
		wait := make(chan error, 1)
		ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
		go func() {
			_, err := Wait(ctx, b)
			if err == nil {
				// Whichever message the other took, there is one to come.
				_, err = b.RecvBytes()
			}
			wait <- err
		}()
		two := AppendFrame(AppendFrame(nil, []byte("one")), []byte("two"))
		a.wmu.Lock()
		err := a.write(two, nil)
		a.wmu.Unlock()
		if err := errors.Join(err, <-recv, <-wait); err != nil {
			t.Fatal(err)
		}
		cancel()
	}
}

func TestPoll(t *testing.T) {
	t.Parallel()
	a, b := testConns(t)
	for _, timeout := range []time.Duration{0, -time.Second, time.Millisecond} {
		start := time.Now()
		if ok, err := b.Poll(timeout); ok || err != nil {
			t.Errorf("Poll(%v) with nothing there: %v, %v", timeout, ok, err)
		}
		if d := time.Since(start); d < timeout {
			t.Errorf("Poll(%v) took %v", timeout, d)
		}
	}
	if err := errors.Join(a.Send(1), a.Send(2)); err != nil {
		t.Fatal(err)
	}
	for want := range 2 {
		for _, timeout := range []time.Duration{0, -time.Second, time.Minute} {
			if ok, err := b.Poll(timeout); !ok || err != nil {
				t.Errorf("Poll(%v) with a message there: %v, %v", timeout, ok, err)
			}
		}
		if got, err := Recv[int](b); got != want+1 || err != nil {
			t.Errorf("%d, %v", got, err)
		}
	}
	a.Close()
	if ok, err := b.Poll(time.Minute); !ok || err != nil {
		t.Errorf("Poll at the end: %v, %v", ok, err)
	}
}
