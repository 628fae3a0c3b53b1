package supervisor_test

import (
	"context"
	"errors"
	"fmt"
	"os"
	"os/signal"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"yunta/child"
	"yunta/ipc"
	"yunta/supervisor"
)

// CPython's classes TestStdinBadfiledescriptor, TestCloseFds, TestNoForkBomb,
// TestStartMethod, TestFlags, _TestFinalize and _TestPollEintr.

// CPython looks into an empty queue; here something is in it both ways.
func TestCPython_TestStdinBadfiledescriptor_test_queue_in_process(t *testing.T) {
	t.Parallel()
	p := startProcess(t, queuesToChild, "passed on", supervisor.ProcessOptions{})
	if code := ended(t, p); code != 0 {
		t.Error(p.Err())
	}
}

var queuesToChild = child.Register("queuesToChild", func(ctx context.Context, text string) (int, error) {
	q, err := ipc.NewQueue[string](ipc.QueueOptions{})
	if err != nil {
		return 0, err
	}
	defer q.Detach()
	if err := q.Put(ctx, text); err != nil {
		return 0, err
	}
	p := supervisor.NewProcess(queuesBack, q, supervisor.ProcessOptions{Daemon: true})
	if err := errors.Join(p.Start(ctx), p.Wait(ctx)); err != nil {
		return 0, err
	}
	if got, err := q.TryGet(); got != text+" and back" || err != nil {
		return 0, fmt.Errorf("got %q, %w", got, err)
	}
	return 0, nil
})

var queuesBack = child.Register("queuesBack", func(ctx context.Context, q *ipc.Queue[string]) (int, error) {
	defer q.Detach()
	text, err := q.TryGet()
	if err != nil {
		return 0, err
	}
	if again, err := q.TryGet(); !errors.Is(err, ipc.ErrEmpty) {
		return 0, fmt.Errorf("got %q as well, %w", again, err)
	}
	return 0, q.Put(ctx, text+" and back")
})

func TestCPython_TestStdinBadfiledescriptor_test_pool_in_process(t *testing.T) {
	t.Parallel()
	if code := ended(t, startProcess(t, poolsInside, 4, supervisor.ProcessOptions{})); code != 0 {
		t.Errorf("exit code %d", code)
	}
}

var poolsInside = child.Register("poolsInside", func(ctx context.Context, n int) (int, error) {
	p, err := supervisor.NewPool(ctx, supervisor.PoolOptions{Processes: n})
	if err != nil {
		return 0, err
	}
	got, err := supervisor.Map(ctx, p, square, ints(7))
	if err == nil && !slices.Equal(got, squares(7)) {
		err = fmt.Errorf("got %v", got)
	}
	return 0, errors.Join(err, p.Close(), p.Wait(ctx))
})

func TestCPython_TestCloseFds_test_closefd(t *testing.T) {
	t.Parallel()
	fd := inheritable(t)
	for fd < 50 { // a child has low ones of its own
		fd = inheritable(t)
	}
	l := newLines(t)
	if code := ended(t, startProcess(t, hasFile, hasFileArg{l.path, fd}, supervisor.ProcessOptions{})); code != 0 {
		t.Errorf("exit code %d", code)
	}
	if got := l.all(); len(got) != 1 || got[0] != "false" {
		t.Errorf("descriptor %d is open in the child: %v", fd, got)
	}
}

type hasFileArg struct {
	Path string
	FD   int
}

var hasFile = child.Register("hasFile", func(_ context.Context, a hasFileArg) (int, error) {
	_, open := openFiles()[a.FD]
	sign(a.Path, fmt.Sprint(open))
	return 0, nil
})

// TestWithoutMain has the case of a pool.
func TestCPython_TestNoForkBomb_test_noforkbomb(t *testing.T) {
	t.Parallel()
	p := command(t, "")
	p.Env = append(p.Env, earlyEnv+"=starts a process")
	p.start()
	if got := p.say("result"); !strings.Contains(got, "exit status 2") || !strings.Contains(got, "did main call child.Main") {
		t.Errorf("got %q", got)
	}
	if status := p.wait(); status != 3 {
		t.Errorf("exit status %d", status)
	}
	if text := p.stderr.String(); strings.Count(text, "\n") != 1 || !strings.Contains(text, "call it first in main") {
		t.Errorf("stderr:\n%s", text)
	}
	p.gone()
}

// There is one way to start a child; a child says the same.
func TestCPython_TestStartMethod_test_context(t *testing.T) {
	t.Parallel()
	l := newLines(t)
	ended(t, startProcess(t, signsMethod, l.path, supervisor.ProcessOptions{}))
	if got := l.all(); supervisor.StartMethod != "spawn" || len(got) != 1 || got[0] != supervisor.StartMethod {
		t.Errorf("%q here, %q in a child", supervisor.StartMethod, got)
	}
}

var signsMethod = child.Register("signsMethod", func(_ context.Context, path string) (int, error) {
	sign(path, supervisor.StartMethod)
	return 0, nil
})

// It cannot be set: what a program cannot fork (threads) it cannot get wrong.
// Nothing of the parent's memory is in the child, whoever starts it.
func TestCPython_TestStartMethod_test_set_get(t *testing.T) {
	t.Parallel()
	changed.Store("by", "the parent")
	l := newLines(t)
	ended(t, startProcess(t, signsChanged, l.path, supervisor.ProcessOptions{}))
	pool := newPool(t, supervisor.PoolOptions{Processes: 1})
	if _, err := supervisor.Apply(testContext(t), pool, signsChanged, l.path); err != nil {
		t.Fatal(err)
	}
	if got := l.all(); !slices.Equal(got, []string{"false", "false"}) {
		t.Errorf("children see what the parent changed: %v", got)
	}
}

var changed sync.Map

var signsChanged = child.Register("signsChanged", func(_ context.Context, path string) (int, error) {
	_, ok := changed.Load("by")
	sign(path, fmt.Sprint(ok))
	return 0, nil
})

// The list has one element on every platform.
func TestCPython_TestStartMethod_test_get_all(t *testing.T) {
	t.Parallel()
	if supervisor.StartMethod != "spawn" {
		t.Errorf("got %q", supervisor.StartMethod)
	}
}

// What a program loads at package level is there in every child, and what an
// Initializer loads in every worker before its first task.
func TestCPython_TestStartMethod_test_preload_resources(t *testing.T) {
	t.Parallel()
	l := newLines(t)
	ended(t, startProcess(t, signsPreloaded, l.path, supervisor.ProcessOptions{}))
	if got := l.all(); len(got) != 1 || got[0] != "loaded" {
		t.Errorf("got %q", got)
	}
}

var preloaded = strings.ToLower("LOADED")

var signsPreloaded = child.Register("signsPreloaded", func(_ context.Context, path string) (int, error) {
	sign(path, preloaded)
	return 0, nil
})

// Python's flags are Go's environment: GODEBUG and GOGC, and what Env sets.
func TestCPython_TestFlags_test_flags(t *testing.T) {
	t.Parallel()
	l := newLines(t)
	p := startProcess(t, signsFlags, l.path, supervisor.ProcessOptions{Env: []string{"GODEBUG=panicnil=1", "GOGC=77"}})
	if code := ended(t, p); code != 0 {
		t.Fatal(p.Err())
	}
	want := "panicnil=1,77"
	if got := l.all(); !slices.Equal(got, []string{want, want}) {
		t.Errorf("child and grandchild: %q", got)
	}
}

var signsFlags child.Entry[string, int]

func init() {
	signsFlags = child.Register("signsFlags", func(ctx context.Context, path string) (int, error) {
		sign(path, os.Getenv("GODEBUG")+","+os.Getenv("GOGC"))
		if len(child.Self().Identity) > 1 {
			return 0, nil
		}
		p := supervisor.NewProcess(signsFlags, path, supervisor.ProcessOptions{})
		if err := p.Start(ctx); err != nil {
			return 0, err
		}
		return 0, p.Wait(ctx)
	})
}

// A function without a priority that runs only when asked is simply not
// registered in Go.
func TestCPython__TestFinalize_test_finalize(t *testing.T) {
	t.Parallel()
	path := filepath.Join(t.TempDir(), "order")
	if code := ended(t, startProcess(t, finalizes, path, supervisor.ProcessOptions{Stderr: new(lockedBuffer)})); code != 0 {
		t.Errorf("exit code %d", code)
	}
	if got, want := strings.Join(signed(path), " "), "b c d10 d03 d02 d01 e"; got != want {
		t.Errorf("got %q, want %q", got, want)
	}
}

var finalizes = child.Register("finalizes", func(_ context.Context, path string) (int, error) {
	say := func(s string) func() { return func() { sign(path, s) } }
	child.OnExit(5, say("a")).Cancel()
	b := child.OnExit(5, say("b"))
	c := child.OnExit(5, say("c"))
	child.OnExit(-1, say("e"))
	child.OnExit(1, say("d01"))
	child.OnExit(1, say("d02"))
	child.OnExit(1, func() { panic("of no concern to the others") })
	child.OnExit(1, say("d03"))
	child.OnExit(10, say("d10"))
	if !b.Run() || b.Run() || b.Cancel() || !c.Run() {
		return 0, errors.New("not once")
	}
	return 0, nil
})

func TestCPython__TestFinalize_test_thread_safety(t *testing.T) {
	t.Parallel()
	if code := ended(t, startProcess(t, finalizesMuch, 0, supervisor.ProcessOptions{})); code != 0 {
		t.Errorf("exit code %d", code)
	}
}

var finalizesMuch = child.Register("finalizesMuch", func(context.Context, int) (int, error) {
	var wg sync.WaitGroup
	for range 4 {
		wg.Go(func() {
			for i := range 500 {
				x := child.OnExit(i%10, func() {})
				if i%3 == 0 {
					x.Run()
				}
			}
		})
		wg.Go(func() {
			for range 100 {
				child.RunExitFuncs()
			}
		})
	}
	wg.Wait()
	return 0, nil
})

// What is waited for ends only after the signals have come.
func TestCPython__TestPollEintr_test_poll_eintr(t *testing.T) {
	got := make(chan os.Signal, 1)
	signal.Notify(got, syscall.SIGUSR1)
	defer signal.Stop(got)
	r, w, err := ipc.SimplexPipe()
	if err != nil {
		t.Fatal(err)
	}
	defer r.Close()
	defer w.Close()
	p := startProcess(t, awaits, r, supervisor.ProcessOptions{})
	joined := make(chan error)
	go func() { joined <- p.Wait(testContext(t)) }()
	for range 3 {
		killer := startProcess(t, signals, os.Getpid(), supervisor.ProcessOptions{})
		if code := ended(t, killer); code != 0 {
			t.Fatal(killer.Err())
		}
		select {
		case <-got:
		case <-time.After(patience):
			t.Fatal("the handler did not run")
		case err := <-joined:
			t.Fatalf("Wait returned %v after a signal", err)
		}
	}
	if !p.Alive() {
		t.Error("the process has ended")
	}
	if err := w.Send(0); err != nil {
		t.Fatal(err)
	}
	if err := <-joined; err != nil {
		t.Error(err)
	}
	if code, exited := p.ExitCode(); code != 0 || !exited {
		t.Errorf("exit code %d, %v", code, exited)
	}
}

// awaits ends with the status it is sent.
var awaits = child.Register("awaits", func(_ context.Context, c *ipc.Conn) (int, error) {
	status, err := ipc.Recv[int](c)
	if err != nil {
		return 0, err
	}
	return 0, child.ExitStatus(status)
})

var signals = child.Register("signals", func(_ context.Context, pid int) (int, error) {
	return 0, syscall.Kill(pid, syscall.SIGUSR1)
})
