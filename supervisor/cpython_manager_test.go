package supervisor_test

import (
	"context"
	"errors"
	"fmt"
	"io"
	"iter"
	"slices"
	"syscall"
	"testing"
	"time"

	"yunta/child"
	"yunta/child/manager"
	"yunta/ipc"
	"yunta/supervisor"
)

// newManager starts a manager that is shut down when the test ends.
func newManager(t testing.TB, o supervisor.ManagerOptions) *supervisor.Manager {
	t.Helper()
	m, err := supervisor.NewManager(context.Background(), o)
	if err != nil {
		t.Fatalf("NewManager: %v", err)
	}
	t.Cleanup(func() {
		ctx, cancel := context.WithTimeout(context.Background(), patience)
		defer cancel()
		if err := m.Shutdown(ctx); err != nil {
			t.Errorf("Shutdown: %v", err)
		}
	})
	return m
}

// wantEnded checks that a server process has ended by itself, with status 0.
func wantEnded(t *testing.T, m *supervisor.Manager) {
	t.Helper()
	if code, exited := m.Process().ExitCode(); code != 0 || !exited {
		t.Errorf("the server's exit code is %d, %v", code, exited)
	}
}

// fooBar is CPython's FooBar, and baz its generator.
type fooBar struct{}

var (
	foos = manager.Register("foo", func(context.Context, int) (fooBar, error) { return fooBar{}, nil })
	fooF = manager.RegisterMethod(foos, "f", func(context.Context, fooBar, int) (string, error) { return "f()", nil })
	fooG = manager.RegisterMethod(foos, "g", func(context.Context, fooBar, int) (int, error) { return 0, errValue })
	fooH = manager.RegisterMethod(foos, "_h", func(context.Context, fooBar, int) (string, error) { return "_h()", nil })

	bars = manager.Register("bar", func(context.Context, int) (fooBar, error) { return fooBar{}, nil })
	barF = manager.RegisterMethod(bars, "f", func(context.Context, fooBar, int) (string, error) { return "f()", nil })
	barH = manager.RegisterMethod(bars, "_h", func(context.Context, fooBar, int) (string, error) { return "_h()", nil })

	bazes = manager.Register("baz", func(context.Context, int) (fooBar, error) { return fooBar{}, nil })
	baz   = manager.RegisterStream(bazes, "__iter__", func(_ context.Context, _ fooBar, n int) iter.Seq2[int, error] {
		return func(yield func(int, error) bool) {
			for i := range n {
				if !yield(i*i, nil) {
					return
				}
			}
		}
	})

	errValue = registered(errors.New("value error"))
)

func registered(err error) error {
	child.RegisterError(err)
	return err
}

// useMyManager is CPython's common. A method that is not exposed is one that was not registered, which the compiler
// refuses: manager.Call has it refused by the server.
func useMyManager(t *testing.T, m *supervisor.Manager) {
	t.Helper()
	ctx := testContext(t)
	foo, err := foos.New(ctx, m.Client(), 0)
	if err != nil {
		t.Fatal(err)
	}
	bar, err := bars.New(ctx, m.Client(), 0)
	if err != nil {
		t.Fatal(err)
	}
	squares, err := bazes.New(ctx, m.Client(), 0)
	if err != nil {
		t.Fatal(err)
	}
	for name, f := range map[string]func() (string, error){
		"foo.f":         func() (string, error) { return fooF.Call(ctx, foo, 0) },
		"foo.f by name": func() (string, error) { return manager.Call[string](ctx, foo, "f", 0) },
		"bar.f":         func() (string, error) { return barF.Call(ctx, bar, 0) },
	} {
		if got, err := f(); got != "f()" || err != nil {
			t.Errorf("%s: %q, %v", name, got, err)
		}
	}
	for name, f := range map[string]func() (string, error){
		"foo._h": func() (string, error) { return fooH.Call(ctx, foo, 0) },
		"bar._h": func() (string, error) { return barH.Call(ctx, bar, 0) },
	} {
		if got, err := f(); got != "_h()" || err != nil {
			t.Errorf("%s: %q, %v", name, got, err)
		}
	}
	_, err = fooG.Call(ctx, foo, 0)
	var remote *supervisor.RemoteError
	if !errors.Is(err, errValue) || !errors.As(err, &remote) || remote.Message != "value error" {
		t.Errorf("foo.g: %v, want its own error", err)
	}
	_, err = manager.Call[string](ctx, bar, "g", 0)
	if !errors.Is(err, manager.ErrNoMethod) || !errors.As(err, &remote) {
		t.Errorf("bar.g, which is not exposed: %v", err)
	}
	var got []int
	for v, err := range baz.Call(ctx, squares, 10) {
		if err != nil {
			t.Fatal(err)
		}
		got = append(got, v)
	}
	if want := []int{0, 1, 4, 9, 16, 25, 36, 49, 64, 81}; !slices.Equal(got, want) {
		t.Errorf("the generator yields %v", got)
	}
}

// Here what begins with an underscore is exposed when it is registered, in Python when it is named.
func TestCPython__TestMyManager_test_mymanager(t *testing.T) {
	t.Parallel()
	m := newManager(t, supervisor.ManagerOptions{})
	useMyManager(t, m)
	if err := m.Shutdown(testContext(t)); err != nil {
		t.Error(err)
	}
	wantEnded(t, m)
}

// A scope is a defer of Close.
func TestCPython__TestMyManager_test_mymanager_context(t *testing.T) {
	t.Parallel()
	var m *supervisor.Manager
	func() {
		m = newManager(t, supervisor.ManagerOptions{})
		defer m.Close()
		useMyManager(t, m)
	}()
	wantEnded(t, m)
}

// NewManager always starts, so a scope's manager always is a started one: by whom it was does not matter.
func TestCPython__TestMyManager_test_mymanager_context_prestarted(t *testing.T) {
	t.Parallel()
	m := newManager(t, supervisor.ManagerOptions{})
	if err := m.Client().Ping(testContext(t)); err != nil {
		t.Fatal(err)
	}
	func() {
		defer m.Close()
		useMyManager(t, m)
	}()
	wantEnded(t, m)
}

// remoteValues are put by another process, which has the address and the key from its arguments.
var remoteValues = []any{
	"hello world", nil, true, 2.25, "hall\u00e5 v\u00e4rlden", "\u043f\u0440\u0438\u0432\u0456\u0442 \u0441\u0432\u0456\u0442", []byte("hall\xe5"),
}

type remoteArgument struct {
	Network, Address string
	Key              []byte
}

var putter = child.Register("putter", func(ctx context.Context, a remoteArgument) (int, error) {
	c, err := manager.Dial(ctx, a.Network, a.Address, manager.DialOptions{AuthKey: a.Key})
	if err != nil {
		return 0, err
	}
	defer c.Close()
	q, err := manager.Open[manager.Queue[any]](ctx, c, "queue")
	if err != nil {
		return 0, err
	}
	return 0, q.Put(ctx, remoteValues)
})

func TestCPython__TestRemoteManager_test_remote(t *testing.T) {
	t.Parallel()
	ctx := testContext(t)
	key := []byte("a key of the test's own")
	m := newManager(t, supervisor.ManagerOptions{Network: "tcp", AuthKey: key})
	shared, err := manager.NewQueue[any](ctx, m.Client(), manager.QueueOptions{})
	if err != nil {
		t.Fatal(err)
	}
	if err := shared.Publish(ctx, "queue"); err != nil {
		t.Fatal(err)
	}
	a := remoteArgument{m.Addr().Network(), m.Addr().String(), key}
	p := supervisor.NewProcess(putter, a, supervisor.ProcessOptions{})
	if err := p.Start(ctx); err != nil {
		t.Fatal(err)
	}
	// A second client, with the right key, and one with a wrong one.
	c, err := manager.Dial(ctx, a.Network, a.Address, manager.DialOptions{AuthKey: key})
	if err != nil {
		t.Fatal(err)
	}
	defer c.Close()
	_, err = manager.Dial(ctx, a.Network, a.Address, manager.DialOptions{AuthKey: []byte("another")})
	if !errors.Is(err, ipc.ErrAuth) {
		t.Errorf("with a wrong key: %v", err)
	}
	q, err := manager.Open[manager.Queue[any]](ctx, c, "queue")
	if err != nil {
		t.Fatal(err)
	}
	got, err := q.Get(ctx)
	if fmt.Sprintf("%#v", got) != fmt.Sprintf("%#v", remoteValues) || err != nil {
		t.Errorf("got %#v, %v; want %#v", got, err, remoteValues)
	}
	if err := p.Wait(ctx); err != nil {
		t.Error(err)
	}
	// What cannot be encoded is an error of Put, and the queue is as good as before.
	if err := q.Put(ctx, time.Sleep); !errors.Is(err, ipc.ErrEncode) {
		t.Errorf("a function is put: %v", err)
	}
	if err := q.Put(ctx, 1); err != nil {
		t.Error(err)
	}
	if v, err := shared.Get(ctx); v != int64(1) || err != nil {
		t.Errorf("got %v, %v", v, err)
	}
}

func TestCPython__TestManagerRestart_test_rapid_restart(t *testing.T) {
	t.Parallel()
	ctx := testContext(t)
	key := supervisor.ManagerOptions{Network: "tcp", AuthKey: []byte("a key of the test's own")}
	m := newManager(t, key)
	q, err := manager.NewQueue[string](ctx, m.Client(), manager.QueueOptions{})
	if err != nil {
		t.Fatal(err)
	}
	if err := errors.Join(q.Put(ctx, "hello"), m.Shutdown(ctx)); err != nil {
		t.Fatal(err)
	}
	wantEnded(t, m)
	if _, err := q.Get(ctx); !errors.Is(err, ipc.ErrClosed) {
		t.Errorf("from a server that was shut down: %v", err)
	}
	for range 3 {
		key.Address = m.Addr().String()
		again, err := supervisor.NewManager(ctx, key)
		if err != nil {
			t.Fatal(err)
		}
		if again.Addr().String() != key.Address {
			t.Errorf("started at %v, not %v", again.Addr(), key.Address)
		}
		_, err = supervisor.NewManager(ctx, supervisor.ManagerOptions{Network: "tcp", Address: key.Address, Stderr: io.Discard})
		if !errors.Is(err, syscall.EADDRINUSE) {
			t.Errorf("at an address in use: %v", err)
		}
		if err := again.Shutdown(ctx); err != nil {
			t.Error(err)
		}
		wantEnded(t, again)
	}
}
