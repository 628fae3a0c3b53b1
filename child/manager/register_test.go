package manager

import (
	"context"
	"errors"
	"fmt"
	"iter"
	"runtime"
	"strings"
	"testing"

	"yunta/child"
	"yunta/ipc"
)

// counter is a registered type.
type counter struct {
	n      chan int // with the number in it
	closed bool
}

var (
	counters = Register("counter", func(_ context.Context, n int) (*counter, error) {
		if n < 0 {
			return nil, fmt.Errorf("a counter from %d: %w", n, errNegative)
		}
		c := &counter{n: make(chan int, 1)}
		c.n <- n
		return c, nil
	})
	counterAdd = RegisterMethod(counters, "add", func(_ context.Context, c *counter, n int) (int, error) {
		n += <-c.n
		c.n <- n
		return n, nil
	})
	counterPanic = RegisterMethod(counters, "panic", func(_ context.Context, _ *counter, s string) (int, error) { panic(s) })
	counterExit  = RegisterMethod(counters, "exit", func(context.Context, *counter, int) (int, error) { runtime.Goexit(); return 0, nil })
	counterUp    = RegisterStream(counters, "up", func(ctx context.Context, c *counter, upTo int) iter.Seq2[int, error] {
		return func(yield func(int, error) bool) {
			defer func() { streamsEnded <- true }()
			n := <-c.n
			c.n <- n
			for ; n < upTo; n++ {
				if n == 1000 {
					yield(0, errNegative)
					return
				}
				if !yield(n, nil) {
					return
				}
			}
		}
	})
	errNegative  = errors.New("negative")
	streamsEnded = make(chan bool, 100)
	breaks       = RegisterUpdate("breaks", func(_ context.Context, v int, how string) (int, error) {
		if how == "panic" {
			panic("broken")
		}
		return v + 1, errNegative
	})
)

func (c *counter) Close() error { c.closed = true; return nil }

func TestRegisteredType(t *testing.T) {
	t.Parallel()
	ctx, c := testClient(t)
	child.RegisterError(errNegative)
	o := must[*Object[*counter]](t)(counters.New(ctx, c, 5))
	if n, err := counterAdd.Call(ctx, o, 2); n != 7 || err != nil {
		t.Errorf("%d, %v", n, err)
	}
	_, err := counters.New(ctx, c, -1)
	wantIs(t, err, errNegative)

	var remote *child.RemoteError
	_, err = counterPanic.Call(ctx, o, "ouch")
	if !errors.As(err, &remote) || !remote.Panic || remote.Message != "ouch" || !strings.Contains(remote.Stack, "register_test.go") {
		t.Errorf("a panic arrives as %#v", err)
	}
	_, err = counterExit.Call(ctx, o, 0)
	if !errors.As(err, &remote) || !strings.Contains(remote.Message, "ended its goroutine") {
		t.Errorf("a Goexit arrives as %v", err)
	}
	_, err = Call[int](ctx, o, "missing", 0)
	wantIs(t, err, ErrNoMethod)
	_, err = Call[int](ctx, o, "up", 0)
	wantIs(t, err, ErrNoMethod)
	_, err = Call[string](ctx, o, "add", 1)
	wantIs(t, err, ipc.ErrDecode)
	_, err = Call[int](ctx, o, "add", "text")
	if !errors.Is(err, ipc.ErrDecode) || !errors.As(err, &remote) {
		t.Errorf("a wrong argument: %v", err)
	}
	if n, err := Call[int](ctx, o, "add", 1); n != 9 || err != nil {
		t.Errorf("%d, %v", n, err)
	}
	check(t, o.Unlink(ctx))
	_, err = counterAdd.Call(ctx, o, 1)
	wantIs(t, err, ErrGone)
}

func TestStream(t *testing.T) {
	ctx := testContext(t)
	s := testServer(t, ServerOptions{})
	c := connect(t, s)
	child.RegisterError(errNegative)
	o := must[*Object[*counter]](t)(counters.New(ctx, c, 0))
	want := 0
	for n, err := range counterUp.Call(ctx, o, 700) {
		if n != want || err != nil {
			t.Fatalf("%d, %v; want %d", n, err, want)
		}
		want++
	}
	if want != 700 {
		t.Errorf("it ended at %d", want)
	}
	<-streamsEnded
	// An error comes where it belongs.
	want = 0
	var failed error
	for n, err := range counterUp.Call(ctx, o, 5000) {
		if failed = err; err == nil && n != want {
			t.Fatalf("%d, want %d", n, want)
		} else if err == nil {
			want++
		}
	}
	if want != 1000 || !errors.Is(failed, errNegative) {
		t.Errorf("it ended at %d with %v", want, failed)
	}
	<-streamsEnded
	// A range that ends early ends the sequence on the server, and so does the client's end.
	for range counterUp.Call(ctx, o, 900) {
		break
	}
	<-streamsEnded
	other := connect(t, s)
	theirs := must[*Object[*counter]](t)(Via(other, o))
	next, stop := iter.Pull2(counterUp.Call(ctx, theirs, 900))
	if n, err, ok := next(); n != 0 || err != nil || !ok {
		t.Errorf("%d, %v, %v", n, err, ok)
	}
	check(t, other.Close())
	<-streamsEnded
	stop()
	for _, err := range counterUp.Call(ctx, theirs, 1) {
		wantIs(t, err, ErrClosed)
	}
	waitFor(t, "the sequences to be gone", func() bool { return s.objects.len() == 1 })
}

func TestUpdateFails(t *testing.T) {
	t.Parallel()
	ctx, c := testClient(t)
	child.RegisterError(errNegative)
	d := must[*Dict[string, int]](t)(NewDict(ctx, c, map[string]int{"k": 1}))
	l := must[*List[int]](t)(NewList(ctx, c, 1))
	v := must[*Value[int]](t)(NewValue(ctx, c, 1))
	for _, how := range []string{"error", "panic"} {
		for name, f := range map[string]func() (int, error){
			"dict":  func() (int, error) { return UpdateKey(ctx, d, "k", breaks, how) },
			"list":  func() (int, error) { return UpdateAt(ctx, l, 0, breaks, how) },
			"value": func() (int, error) { return UpdateValue(ctx, v, breaks, how) },
		} {
			_, err := f()
			var remote *child.RemoteError
			if !errors.As(err, &remote) || remote.Panic != (how == "panic") || how == "error" && !errors.Is(err, errNegative) {
				t.Errorf("%s: %v", name, err)
			}
		}
	}
	if n, err := d.Get(ctx, "k"); n != 1 || err != nil {
		t.Errorf("changed to %d, %v", n, err)
	}
	if n, err := UpdateAt(ctx, l, 0, addOne, 4); n != 5 || err != nil {
		t.Errorf("%d, %v", n, err)
	}
	if n, err := UpdateValue(ctx, v, addOne, 4); n != 5 || err != nil {
		t.Errorf("%d, %v", n, err)
	}
	_, err := UpdateAt(ctx, l, 3, addOne, 4)
	wantIs(t, err, ipc.ErrIndex)
	_, err = UpdateValue(ctx, v, Update[int, int]{"none", addOne.values, addOne.args}, 1)
	wantIs(t, err, ErrNoType)
	_, err = Type[int, int]{&typeInfo{name: "none"}}.New(ctx, c, 1)
	wantIs(t, err, ErrNoType)
}

func TestRegisterTwice(t *testing.T) {
	t.Parallel()
	for name, f := range map[string]func(){
		"type":    func() { Register("counter", func(context.Context, int) (int, error) { return 0, nil }) },
		"no name": func() { Register("", func(context.Context, int) (int, error) { return 0, nil }) },
		"no make": func() { Register[int, int]("nothing", nil) },
		"method": func() {
			RegisterMethod(counters, "add", func(context.Context, *counter, int) (int, error) { return 0, nil })
		},
		"update": func() { RegisterUpdate("addOne", func(context.Context, int, int) (int, error) { return 0, nil }) },
		"end":    func() { AtClientEnd(context.Background(), func() {}) },
	} {
		func() {
			defer func() {
				if recover() == nil {
					t.Errorf("%s: no panic", name)
				}
			}()
			f()
		}()
	}
}

// late is a registered type whose maker does not care for its context.
type late struct{ closed chan struct{} }

func (l *late) Close() error { close(l.closed); return nil }

var (
	lates = Register("late", func(_ context.Context, _ int) (*late, error) {
		lateBegun <- struct{}{}
		return <-lateMade, nil
	})
	lateBegun = make(chan struct{})
	lateMade  = make(chan *late)
)

// What is made when nobody wants it any more is closed, and not kept for ever.
func TestMadeTooLate(t *testing.T) {
	ctx := testContext(t)
	s := testServer(t, ServerOptions{})
	c := connect(t, s)
	for name, end := range map[string]func(cancel context.CancelCauseFunc, c *Client){
		"context": func(cancel context.CancelCauseFunc, _ *Client) { cancel(errNegative) },
		"client":  func(_ context.CancelCauseFunc, c *Client) { _ = c.Close() },
	} {
		mine := connect(t, s)
		sub, cancel := context.WithCancelCause(ctx)
		made := make(chan error)
		go func() {
			_, err := lates.New(sub, mine, 0)
			made <- err
		}()
		<-lateBegun
		end(cancel, mine)
		if err := <-made; err == nil {
			t.Errorf("%s: it was made all the same", name)
		}
		waitFor(t, "no request to wait", func() bool { return s.waitingRequests() == 0 })
		l := &late{closed: make(chan struct{})}
		lateMade <- l
		select {
		case <-l.closed:
		case <-ctx.Done():
			t.Fatalf("%s: what came too late was not closed", name)
		}
		cancel(nil)
	}
	if st := must[Stats](t)(c.Stats(ctx)); st.Objects != 0 {
		t.Errorf("%d objects are left", st.Objects)
	}
}
