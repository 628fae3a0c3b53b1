package supervisor_test

import (
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"os"
	"path/filepath"
	"runtime"
	"slices"
	"strings"
	"syscall"
	"testing"
	"time"

	"yunta/child"
	"yunta/supervisor"
)

// CPython's classes ExecutorShutdownTest, ThreadPoolShutdownTest,
// ProcessPoolShutdownTest and InitializerMixin. Shutdown is Close, and with
// wait Wait, too.

func TestCPython_ExecutorShutdownTest_test_run_after_shutdown(t *testing.T) {
	t.Parallel()
	models(t, func(t *testing.T, o supervisor.PoolOptions) {
		p := newPool(t, o)
		p.Close()
		if _, err := supervisor.Apply(testContext(t), p, square, 2); !errors.Is(err, supervisor.ErrPoolClosed) {
			t.Errorf("got %v", err)
		}
	})
}

// drains is a program that submits and drains, explicitly: Go has nothing that
// runs at the end of main.
var drains = helper("drains", func([]string) int {
	p, err := supervisor.NewPool(context.Background(), supervisor.PoolOptions{Processes: 2})
	must(err)
	f := supervisor.ApplyAsync(helperContext(), p, sleep, 300*time.Millisecond)
	printed := make(chan struct{})
	f.OnDone(func(d time.Duration, err error) {
		fmt.Println("apple", d, err)
		close(printed)
	})
	must(p.Close())
	must(p.Wait(helperContext()))
	<-printed
	return 0
})

func TestCPython_ExecutorShutdownTest_test_interpreter_shutdown(t *testing.T) {
	t.Parallel()
	p := command(t, drains).start()
	if got := p.say("apple"); got != "300ms <nil>" {
		t.Errorf("got %q", got)
	}
	if status := p.wait(); status != 0 || p.stderr.String() != "" {
		t.Errorf("exit status %d, stderr %q", status, p.stderr.String())
	}
	p.gone()
}

func TestCPython_ExecutorShutdownTest_test_hang_issue12364(t *testing.T) {
	t.Parallel()
	models(t, func(t *testing.T, o supervisor.PoolOptions) {
		p := newPool(t, o)
		var all []*supervisor.Future[time.Duration]
		for range 50 {
			all = append(all, supervisor.ApplyAsync(testContext(t), p, sleep, 5*time.Millisecond))
		}
		p.Close()
		for i, f := range all {
			if _, err := f.Get(testContext(t)); err != nil {
				t.Errorf("task %d: %v", i, err)
			}
		}
	})
}

func TestCPython_ExecutorShutdownTest_test_cancel_futures(t *testing.T) {
	t.Parallel()
	models(t, func(t *testing.T, o supervisor.PoolOptions) {
		p := newPool(t, o)
		var all []*supervisor.Future[time.Duration]
		for range 50 {
			all = append(all, supervisor.ApplyAsync(testContext(t), p, sleep, 50*time.Millisecond))
		}
		waitFor(t, "the first one", func() bool { return all[0].State() != supervisor.FuturePending })
		if err := p.CloseCancel(); err != nil {
			t.Fatal(err)
		}
		if err := p.Wait(testContext(t)); err != nil {
			t.Fatal(err)
		}
		cancelled := 0
		for i, f := range all {
			switch f.State() {
			case supervisor.FutureCancelled:
				cancelled++
			case supervisor.FutureDone:
			default:
				t.Errorf("task %d is %v", i, f)
			}
		}
		if cancelled < 30 || cancelled > 49 {
			t.Errorf("%d of 50 were cancelled", cancelled)
		}
	})
}

// A call of many tasks that has begun keeps what it has, and the tasks that had
// not begun are cancelled.
func TestCloseCancelOfMap(t *testing.T) {
	t.Parallel()
	p := newPool(t, supervisor.PoolOptions{Processes: 2})
	path := filepath.Join(t.TempDir(), "go")
	args := slices.Repeat([]string{path}, 20)
	f := supervisor.MapAsync(testContext(t), p.With(supervisor.CallOptions{ChunkSize: 5}), untilThere, args)
	waitFor(t, "it to run", func() bool { return f.State() == supervisor.FutureRunning })
	p.CloseCancel()
	signPID(path)
	got, err := f.Get(testContext(t))
	var m *supervisor.MapError
	if !errors.As(err, &m) || len(m.Errors) < 15 || len(m.Errors) > 19 || len(m.Unfinished) > 0 || !errors.Is(err, context.Canceled) {
		t.Fatalf("got %v", err)
	}
	n := 0
	for _, s := range got {
		if s == "there" {
			n++
		}
	}
	if n != 20-len(m.Errors) {
		t.Errorf("%d results and %d errors of 20", n, len(m.Errors))
	}
}

// hurries is a program that closes its pool and returns from main without
// waiting: its running task ends with it.
var hurries = helper("hurries", func(args []string) int {
	p, err := supervisor.NewPool(context.Background(), supervisor.PoolOptions{Processes: 1})
	must(err)
	supervisor.ApplyAsync(helperContext(), p, sticks, args[0])
	for len(signed(args[0])) < 1 {
		time.Sleep(time.Millisecond)
	}
	must(p.Close())
	return 0
})

// A running task is lost when main returns without Wait in Go, and nothing
// hangs or stays.
func TestCPython_ExecutorShutdownTest_test_hang_gh83386(t *testing.T) {
	t.Parallel()
	p := command(t, hurries, filepath.Join(t.TempDir(), "signed")).start()
	soon(t, "the end", 2*time.Second, func() {
		if status := p.wait(); status != 0 {
			t.Errorf("exit status %d; stderr:\n%s", status, p.stderr.String())
		}
	})
	p.gone()
}

// goroutinesGone waits until as many goroutines run as did before.
func goroutinesGone(t *testing.T, before int) {
	t.Helper()
	waitFor(t, "the goroutines' end", func() bool { return runtime.NumGoroutine() <= before })
}

// Nothing runs beside this test: it counts goroutines.
func TestCPython_ThreadPoolShutdownTest_test_threads_terminate(t *testing.T) {
	before := runtime.NumGoroutine()
	p, err := supervisor.NewPool(context.Background(), supervisor.PoolOptions{Model: supervisor.Goroutines, Processes: 3})
	if err != nil {
		t.Fatal(err)
	}
	if _, err := supervisor.Map(testContext(t), p, square, ints(10)); err != nil {
		t.Error(err)
	}
	p.Close()
	if err := p.Wait(testContext(t)); err != nil {
		t.Fatal(err)
	}
	goroutinesGone(t, before)
}

// The scope is a deferred Close, which drains.
func TestCPython_ThreadPoolShutdownTest_test_context_manager_shutdown(t *testing.T) {
	before := runtime.NumGoroutine()
	var got []int
	func() {
		p, err := supervisor.NewPool(context.Background(), supervisor.PoolOptions{Model: supervisor.Goroutines, Processes: 5})
		if err != nil {
			t.Fatal(err)
		}
		defer p.Wait(context.Background())
		defer p.Close()
		got, _ = supervisor.Map(testContext(t), p, square, ints(10))
	}()
	if !slices.Equal(got, squares(10)) {
		t.Errorf("got %v", got)
	}
	goroutinesGone(t, before)
}

func TestCPython_ThreadPoolShutdownTest_test_shutdown_no_wait(t *testing.T) {
	t.Parallel()
	p := newPool(t, supervisor.PoolOptions{Model: supervisor.Goroutines, Processes: 5})
	f := supervisor.MapAsync(testContext(t), p, slowSquare, ints(50))
	p.Close()
	if got, err := f.Get(testContext(t)); err != nil || !slices.Equal(got, squares(50)) {
		t.Errorf("got %v, %v", got, err)
	}
}

func TestCPython_ThreadPoolShutdownTest_test_cancel_futures_wait_false(t *testing.T) {
	t.Parallel()
	p := newPool(t, supervisor.PoolOptions{Model: supervisor.Goroutines, Processes: 1})
	f := supervisor.ApplyAsync(testContext(t), p, sleep, 50*time.Millisecond)
	waitFor(t, "it to run", func() bool { return f.State() != supervisor.FuturePending })
	p.CloseCancel()
	if _, err := f.Get(testContext(t)); err != nil {
		t.Errorf("the running one: %v", err)
	}
}

func TestCPython_ProcessPoolShutdownTest_test_processes_terminate(t *testing.T) {
	t.Parallel()
	path := filepath.Join(t.TempDir(), "go")
	p := newPool(t, supervisor.PoolOptions{Processes: 4, OnDemand: true})
	var all []*supervisor.Future[string]
	for range 3 {
		all = append(all, supervisor.ApplyAsync(testContext(t), p, untilThere, path))
	}
	waitFor(t, "three to run", func() bool {
		return !slices.ContainsFunc(all, func(f *supervisor.Future[string]) bool { return f.State() != supervisor.FutureRunning })
	})
	pids := workerPIDs(p)
	if len(pids) != 3 {
		t.Errorf("%d workers for three tasks", len(pids))
	}
	signPID(path)
	p.Close()
	if err := p.Wait(testContext(t)); err != nil {
		t.Fatal(err)
	}
	for _, pid := range pids {
		if alive(pid) {
			t.Errorf("worker %d is alive", pid)
		}
	}
}

func TestCPython_ProcessPoolShutdownTest_test_context_manager_shutdown(t *testing.T) {
	t.Parallel()
	var pids []int
	func() {
		p, err := supervisor.NewPool(context.Background(), supervisor.PoolOptions{Processes: 3})
		if err != nil {
			t.Fatal(err)
		}
		defer p.Wait(context.Background())
		defer p.Close()
		pids = workerPIDs(p)
		if got, err := supervisor.Map(testContext(t), p, square, ints(20)); err != nil || !slices.Equal(got, squares(20)) {
			t.Errorf("got %v, %v", got, err)
		}
	}()
	for _, pid := range pids {
		if alive(pid) {
			t.Errorf("worker %d is alive", pid)
		}
	}
}

// A pool that nobody has any more is not collected in Go: its workers wait, and
// end with the program. TestCPython__TestPoolWorkerLifetime has that end.
func TestCPython_ProcessPoolShutdownTest_test_del_shutdown(t *testing.T) {
	t.Parallel()
	p := command(t, unclosed).start()
	if got := p.say("got"); got != "49 2" {
		t.Errorf("got %q", got)
	}
	p.wait()
	p.gone()
}

func TestCPython_ProcessPoolShutdownTest_test_shutdown_no_wait(t *testing.T) {
	t.Parallel()
	p := newPool(t, supervisor.PoolOptions{Processes: 3})
	pids := workerPIDs(p)
	f := supervisor.MapAsync(testContext(t), p, slowSquare, ints(50))
	p.Close()
	if got, err := f.Get(testContext(t)); err != nil || !slices.Equal(got, squares(50)) {
		t.Errorf("got %v, %v", got, err)
	}
	waitFor(t, "the workers' end", func() bool { return !slices.ContainsFunc(pids, alive) })
}

func TestCPython_InitializerMixin_test_initializer(t *testing.T) {
	t.Parallel()
	path := filepath.Join(t.TempDir(), "signed")
	p := newPool(t, supervisor.PoolOptions{Processes: 2, Initializer: initialize.Bind(path), MaxTasksPerChild: 5})
	got, err := supervisor.Map(testContext(t), p.With(supervisor.CallOptions{ChunkSize: 1}), initializations, ints(20))
	if err != nil || !slices.Equal(got, slices.Repeat([]int64{1}, 20)) {
		t.Errorf("in the workers it had run %v times, %v", got, err)
	}
	if b, err := os.ReadFile(path); err != nil || len(b) == 0 {
		t.Error(err)
	}
}

// What runs before the pool is there is an error of NewPool, so there is no
// call that could fail with it.
func TestCPython_FailingInitializerMixin_test_initializer(t *testing.T) {
	t.Parallel()
	models(t, func(t *testing.T, o supervisor.PoolOptions) {
		o.Initializer = failsToInit.Bind(3)
		_, err := supervisor.NewPool(testContext(t), o)
		var r *supervisor.RemoteError
		if !errors.As(err, &r) || r.Stage != child.StageStart || r.Message != "error in initializer 3" {
			t.Errorf("got %v", err)
		}
	})
	// In the worker that replaces one it is the calls that fail, those that wait
	// and those that come later, and the log says why.
	t.Run("replacement", func(t *testing.T) {
		log, text := levelLog(slog.LevelError)
		path := filepath.Join(t.TempDir(), "starts")
		p, err := supervisor.NewPool(testContext(t), supervisor.PoolOptions{
			Processes: 1, Logger: log, Stderr: io.Discard,
			Initializer: failsToStart.Bind(startFault{Path: path, From: 2, Do: faultError}),
		})
		if err != nil {
			t.Fatal(err)
		}
		defer p.Terminate()
		running := supervisor.ApplyAsync(testContext(t), p, sticks, path+".running")
		pid := waitPID(t, path+".running")
		pending := supervisor.ApplyAsync(testContext(t), p, square, 2)
		if err := syscall.Kill(pid, syscall.SIGKILL); err != nil {
			t.Fatal(err)
		}
		if _, err := running.Get(testContext(t)); !errors.Is(err, supervisor.ErrWorkerDied) {
			t.Errorf("whose worker was killed: %v", err)
		}
		if _, err := pending.Get(testContext(t)); !errors.Is(err, supervisor.ErrPoolBroken) || !errors.Is(err, errTrap) {
			t.Errorf("pending: %v", err)
		}
		if _, err := supervisor.Apply(testContext(t), p, square, 2); !errors.Is(err, supervisor.ErrPoolBroken) || !errors.Is(err, errTrap) {
			t.Errorf("later: %v", err)
		}
		if err := p.Wait(testContext(t)); err != nil {
			t.Error(err)
		}
		if !strings.Contains(text.String(), errTrap.Error()) {
			t.Errorf("logged:\n%s", text.String())
		}
	})
}

var failsToInit = child.Register("failsToInit", func(_ context.Context, n int) (int, error) {
	return 0, fmt.Errorf("error in initializer %d", n)
})
