package supervisor_test

import (
	"context"
	"errors"
	"io"
	"path/filepath"
	"slices"
	"strings"
	"syscall"
	"testing"
	"time"

	"yunta/child"
	"yunta/supervisor"
)

// CPython's classes ExecutorTest and ThreadPoolExecutorTest.

func TestCPython_ExecutorTest_test_submit(t *testing.T) {
	t.Parallel()
	models(t, func(t *testing.T, o supervisor.PoolOptions) {
		f := supervisor.ApplyAsync(testContext(t), newPool(t, o), multiply, pair{2, 8})
		if got, err := f.Get(testContext(t)); err != nil || got != 16 {
			t.Errorf("got %v, %v", got, err)
		}
	})
}

func TestCPython_ExecutorTest_test_map(t *testing.T) {
	t.Parallel()
	models(t, func(t *testing.T, o supervisor.PoolOptions) {
		p := newPool(t, o)
		for _, chunk := range []int{0, 3} {
			i := 0
			for got, err := range supervisor.IMap(testContext(t), p.With(supervisor.CallOptions{ChunkSize: chunk}), square, slices.Values(ints(10))) {
				if err != nil || got != i*i {
					t.Errorf("chunks of %d: result %d is %v, %v", chunk, i, got, err)
				}
				i++
			}
		}
	})
}

func TestCPython_ExecutorTest_test_map_exception(t *testing.T) {
	t.Parallel()
	models(t, func(t *testing.T, o supervisor.PoolOptions) {
		p := newPool(t, o)
		i := 0
		for got, err := range supervisor.IMap(testContext(t), p, fails, slices.Values([]int{0, 2, 3, 4})) {
			if failed := err != nil; failed != (i == 2) || failed && !strings.Contains(err.Error(), "odd: 3") || !failed && got%2 != 0 {
				t.Errorf("result %d: %v, %v", i, got, err)
			}
			i++
		}
	})
}

func TestCPython_ExecutorTest_test_map_timeout(t *testing.T) {
	t.Parallel()
	models(t, func(t *testing.T, o supervisor.PoolOptions) {
		o.Grace = 10 * time.Millisecond
		p := newPool(t, o)
		ctx, cancel := context.WithCancelCause(context.Background())
		defer cancel(nil)
		n := 0
		var last error
		for _, err := range supervisor.IMap(ctx, p, sleep, slices.Values([]time.Duration{0, 0, time.Minute})) {
			if last = err; err == nil {
				if n++; n == 2 {
					cancel(context.DeadlineExceeded)
				}
			}
		}
		if n != 2 || !errors.Is(last, context.DeadlineExceeded) {
			t.Errorf("%d results, then %v", n, last)
		}
	})
}

func TestCPython_ExecutorTest_test_shutdown_race_issue12456(t *testing.T) {
	t.Parallel()
	models(t, func(t *testing.T, o supervisor.PoolOptions) {
		p := newPool(t, o)
		f := supervisor.MapAsync(testContext(t), p, upper, slices.Repeat([]string{"x"}, o.Processes+1))
		p.Close()
		if _, err := f.Get(testContext(t)); err != nil {
			t.Error(err)
		}
		if err := p.Wait(testContext(t)); err != nil {
			t.Error(err)
		}
	})
}

// Zero is the default in Go, as in all options.
func TestCPython_ExecutorTest_test_max_workers_negative(t *testing.T) {
	t.Parallel()
	models(t, func(t *testing.T, o supervisor.PoolOptions) {
		o.Processes = -1
		if _, err := supervisor.NewPool(testContext(t), o); err == nil || !strings.Contains(err.Error(), "Processes is -1") {
			t.Errorf("got %v", err)
		}
	})
}

// A streamed map is lazy in Go: it begins when it is ranged over. MapAsync
// begins at once.
func TestCPython_ThreadPoolExecutorTest_test_map_submits_without_iteration(t *testing.T) {
	t.Parallel()
	p := newPool(t, supervisor.PoolOptions{Model: supervisor.Goroutines, Processes: 2})
	dir := t.TempDir()
	lazy := supervisor.IMap(testContext(t), p, signs, slices.Values([]string{filepath.Join(dir, "lazy")}))
	f := supervisor.MapAsync(testContext(t), p, signs, []string{filepath.Join(dir, "eager")})
	<-f.Done()
	if n := len(signed(filepath.Join(dir, "eager"))); n != 1 {
		t.Errorf("MapAsync ran %d tasks", n)
	}
	if n := len(signed(filepath.Join(dir, "lazy"))); n != 0 {
		t.Error("IMap began before it was ranged over")
	}
	for range lazy {
	}
	if n := len(signed(filepath.Join(dir, "lazy"))); n != 1 {
		t.Errorf("IMap ran %d tasks", n)
	}
}

var signs = child.Register("signs", func(_ context.Context, path string) (int, error) { signPID(path); return 0, nil })

func saturates(t *testing.T, o supervisor.PoolOptions) {
	t.Helper()
	o.Processes = 4
	p := newPool(t, o)
	path := filepath.Join(t.TempDir(), "go")
	var all []*supervisor.Future[string]
	for range 15 * o.Processes {
		all = append(all, supervisor.ApplyAsync(testContext(t), p, untilThere, path))
	}
	waitFor(t, "all workers to work", func() bool {
		n := 0
		for _, w := range p.Workers() {
			if w.State == "running" {
				n++
			}
		}
		return n == o.Processes
	})
	if n := len(p.Workers()); n != o.Processes {
		t.Errorf("%d workers, want %d", n, o.Processes)
	}
	signPID(path)
	if _, _, err := supervisor.WaitAll(testContext(t), all...); err != nil {
		t.Error(err)
	}
}

func TestCPython_ThreadPoolExecutorTest_test_saturation(t *testing.T) {
	t.Parallel()
	saturates(t, supervisor.PoolOptions{Model: supervisor.Goroutines})
}

// A goroutine costs too little to be started on demand: all are there at once,
// and no more for any number of tasks.
func TestCPython_ThreadPoolExecutorTest_test_idle_thread_reuse(t *testing.T) {
	t.Parallel()
	p := newPool(t, supervisor.PoolOptions{Model: supervisor.Goroutines, Processes: 3, OnDemand: true})
	for i := range 20 {
		if _, err := supervisor.Apply(testContext(t), p, square, i); err != nil {
			t.Fatal(err)
		}
	}
	if n, restarts := len(p.Workers()), p.Stats().Restarts; n > 3 || restarts != 0 {
		t.Errorf("%d workers, %d replaced", n, restarts)
	}
}

func TestCPython_ThreadPoolExecutorTest_test_executor_map_current_future_cancel(t *testing.T) {
	t.Parallel()
	p := newPool(t, supervisor.PoolOptions{Model: supervisor.Goroutines, Processes: 1, Grace: 10 * time.Millisecond})
	path := filepath.Join(t.TempDir(), "begun")
	ctx, cancel := context.WithCancel(context.Background())
	go func() {
		for len(signed(path)) < 1 {
			time.Sleep(time.Millisecond)
		}
		cancel()
	}()
	for _, err := range supervisor.IMap(ctx, p, waits, slices.Values([]string{path, path, path})) {
		if !errors.Is(err, context.Canceled) {
			t.Errorf("got %v", err)
		}
	}
	p.Close()
	if err := p.Wait(testContext(t)); err != nil {
		t.Fatal(err)
	}
	if n := len(signed(path)); n != 1 {
		t.Errorf("%d tasks began, want 1", n)
	}
}

// CPython's class ProcessPoolExecutorTest.

// The executor breaks in Python; here only the call that was hit fails.
func TestCPython_ProcessPoolExecutorTest_test_killed_child(t *testing.T) {
	t.Parallel()
	p := newPool(t, supervisor.PoolOptions{Processes: 2, Stderr: io.Discard})
	path := filepath.Join(t.TempDir(), "begun")
	f := supervisor.ApplyAsync(testContext(t), p, sticks, path)
	syscall.Kill(waitPID(t, path), syscall.SIGKILL)
	if _, err := f.Get(testContext(t)); !errors.Is(err, supervisor.ErrWorkerDied) {
		t.Errorf("got %v", err)
	}
	if got, err := supervisor.Apply(testContext(t), p, square, 6); err != nil || got != 36 {
		t.Errorf("afterwards: %v, %v", got, err)
	}
}

func TestCPython_ProcessPoolExecutorTest_test_map_chunksize(t *testing.T) {
	t.Parallel()
	p := newPool(t, supervisor.PoolOptions{Processes: 2})
	for _, chunk := range []int{1, 3, 10, 11, 1000} {
		if got, err := supervisor.Map(testContext(t), p.With(supervisor.CallOptions{ChunkSize: chunk}), square, ints(10)); err != nil || !slices.Equal(got, squares(10)) {
			t.Errorf("chunks of %d: %v, %v", chunk, got, err)
		}
	}
	defer func() {
		if v, _ := recover().(string); !strings.Contains(v, "ChunkSize is -1") {
			t.Errorf("panics with %q", v)
		}
	}()
	p.With(supervisor.CallOptions{ChunkSize: -1})
}

func TestCPython_ProcessPoolExecutorTest_test_traceback(t *testing.T) {
	t.Parallel()
	p := newPool(t, supervisor.PoolOptions{Processes: 1})
	_, err := supervisor.Apply(testContext(t), p, panics, "some comment")
	var r *supervisor.RemoteError
	if !errors.As(err, &r) || r.Type != "string" || r.Message != "some comment" || !strings.Contains(r.Stack, "main_test.go:") {
		t.Errorf("got %#v", err)
	}
}

func TestCPython_ProcessPoolExecutorTest_test_saturation(t *testing.T) {
	t.Parallel()
	saturates(t, supervisor.PoolOptions{OnDemand: true})
}

func TestCPython_ProcessPoolExecutorTest_test_idle_process_reuse_one(t *testing.T) {
	t.Parallel()
	p := newPool(t, supervisor.PoolOptions{Processes: 4, OnDemand: true})
	seen := make(map[int]bool)
	for range 3 {
		got, err := supervisor.Apply(testContext(t), p, pid, 0)
		if err != nil {
			t.Fatal(err)
		}
		seen[got] = true
	}
	if len(seen) != 1 || len(p.Workers()) != 1 {
		t.Errorf("%d processes ran them, %d exist", len(seen), len(p.Workers()))
	}
}

func TestCPython_ProcessPoolExecutorTest_test_idle_process_reuse_multiple(t *testing.T) {
	t.Parallel()
	p := newPool(t, supervisor.PoolOptions{Processes: 5, OnDemand: true})
	for range 4 { // at most two at a time
		path := filepath.Join(t.TempDir(), "go")
		first := supervisor.ApplyAsync(testContext(t), p, untilThere, path)
		waitFor(t, "the first to run", func() bool { return first.State() == supervisor.FutureRunning })
		second := supervisor.ApplyAsync(testContext(t), p, untilThere, path)
		waitFor(t, "the second to run", func() bool { return second.State() == supervisor.FutureRunning })
		signPID(path)
		if _, _, err := supervisor.WaitAll(testContext(t), first, second); err != nil {
			t.Error(err)
		}
	}
	if n := len(p.Workers()); n != 2 {
		t.Errorf("%d workers for two tasks at a time", n)
	}
}

func TestCPython_ProcessPoolExecutorTest_test_max_tasks_per_child(t *testing.T) {
	t.Parallel()
	p := newPool(t, supervisor.PoolOptions{Processes: 1, MaxTasksPerChild: 3})
	var pids []int
	for range 7 {
		got, err := supervisor.Apply(testContext(t), p, pid, 0)
		if err != nil {
			t.Fatal(err)
		}
		pids = append(pids, got)
	}
	if a, b, c := pids[0], pids[3], pids[6]; !slices.Equal(pids, []int{a, a, a, b, b, b, c}) || a == b || b == c {
		t.Errorf("they ran in %v", pids)
	}
}

func TestCPython_ProcessPoolExecutorTest_test_max_tasks_early_shutdown(t *testing.T) {
	t.Parallel()
	p := newPool(t, supervisor.PoolOptions{Processes: 3, MaxTasksPerChild: 1})
	var all []*supervisor.Future[int]
	for i := range 6 {
		all = append(all, supervisor.ApplyAsync(testContext(t), p, square, i))
	}
	p.Close()
	for i, f := range all {
		if got, err := f.Get(testContext(t)); err != nil || got != i*i {
			t.Errorf("task %d: %v, %v", i, got, err)
		}
	}
}

func TestCPython_ProcessPoolExecutorTest_test_broken_process_pool_traceback(t *testing.T) {
	t.Parallel()
	p := newPool(t, supervisor.PoolOptions{Processes: 2, Stderr: io.Discard})
	a, b := supervisor.ApplyAsync(testContext(t), p, exit, 3), supervisor.ApplyAsync(testContext(t), p, exit, 4)
	var x, y *supervisor.ExitError
	if _, err := a.Get(testContext(t)); !errors.As(err, &x) || x.Code != 3 {
		t.Errorf("got %v", err)
	}
	if _, err := b.Get(testContext(t)); !errors.As(err, &y) || y.Code != 4 || x == y {
		t.Errorf("got %v", err)
	}
}

func TestCPython_ProcessPoolExecutorTest_test_traceback_when_child_process_terminates_abruptly(t *testing.T) {
	t.Parallel()
	p := newPool(t, supervisor.PoolOptions{Processes: 1, Stderr: io.Discard})
	_, err := supervisor.Apply(testContext(t), p, exit, 1)
	var e *supervisor.TaskError
	if !errors.As(err, &e) || e.PID == 0 || !strings.Contains(err.Error(), "exit status 1") || !strings.Contains(err.Error(), "pid ") {
		t.Errorf("got %v", err)
	}
}

func TestCPython_ProcessPoolExecutorTest_test_max_tasks_per_child_pending_tasks_gh115634(t *testing.T) {
	t.Parallel()
	for _, row := range []struct{ workers, limit, tasks int }{{1, 2, 6}, {2, 2, 8}} {
		p := newPool(t, supervisor.PoolOptions{Processes: row.workers, MaxTasksPerChild: row.limit})
		var all []*supervisor.Future[int]
		for i := range row.tasks {
			all = append(all, supervisor.ApplyAsync(testContext(t), p, square, i))
		}
		for i, f := range all {
			if got, err := f.Get(testContext(t)); err != nil || got != i*i {
				t.Errorf("%v: task %d: %v, %v", row, i, got, err)
			}
		}
	}
}

func TestCPython_ProcessPoolExecutorTest_test_shutdown_no_wait_max_tasks_gh119592(t *testing.T) {
	t.Parallel()
	p := newPool(t, supervisor.PoolOptions{Processes: 1, MaxTasksPerChild: 1})
	path := filepath.Join(t.TempDir(), "signed")
	f := supervisor.MapAsync(testContext(t), p, signs, slices.Repeat([]string{path}, 5))
	p.Close()
	if _, err := f.Get(testContext(t)); err != nil || len(signed(path)) != 5 {
		t.Errorf("%d ran, %v", len(signed(path)), err)
	}
}

func TestCPython_ProcessPoolExecutorTest_test_force_shutdown_during_max_tasks_worker_exit(t *testing.T) {
	t.Parallel()
	for range 10 {
		p := newPool(t, supervisor.PoolOptions{Processes: 1, MaxTasksPerChild: 1, Grace: 10 * time.Millisecond})
		var all []*supervisor.Future[int]
		for i := range 5 {
			all = append(all, supervisor.ApplyAsync(testContext(t), p, square, i))
		}
		<-all[0].Done()
		p.Terminate()
		for i, f := range all {
			if _, err := f.Get(testContext(t)); err != nil && !errors.Is(err, supervisor.ErrPoolTerminated) {
				t.Errorf("task %d: %v", i, err)
			}
		}
		if err := p.Wait(testContext(t)); err != nil || len(p.Workers()) != 0 {
			t.Errorf("%d workers, %v", len(p.Workers()), err)
		}
	}
}

// The hook is shared, so nothing else runs beside this test.
func TestCPython_ProcessPoolExecutorTest_test_failed_worker_replacement_breaks_pool(t *testing.T) {
	defer supervisor.SetTestHookStart(func(_, incarnation int) error {
		if incarnation > 1 {
			return errSayWhen
		}
		return nil
	})()
	p, err := supervisor.NewPool(context.Background(), supervisor.PoolOptions{Processes: 1, Stderr: io.Discard})
	if err != nil {
		t.Fatal(err)
	}
	dies := supervisor.ApplyAsync(testContext(t), p, exit, 1)
	waiting := supervisor.ApplyAsync(testContext(t), p, square, 2)
	if _, err := dies.Get(testContext(t)); err == nil {
		t.Error("no error of the one that died")
	}
	if _, err := waiting.Get(testContext(t)); !errors.Is(err, supervisor.ErrPoolBroken) || !errors.Is(err, errSayWhen) {
		t.Errorf("the one that waited: %v", err)
	}
	if err := p.Wait(testContext(t)); err != nil {
		t.Error(err)
	}
}

func signalsWorkers(t *testing.T, sig syscall.Signal) {
	t.Helper()
	p := newPool(t, supervisor.PoolOptions{Processes: 2, Stderr: io.Discard})
	path := filepath.Join(t.TempDir(), "begun")
	f := supervisor.MapAsync(testContext(t), p, sticks, []string{path, path})
	pids := waitSigned(t, path, 2)
	if err := p.Signal(sig); err != nil {
		t.Fatal(err)
	}
	_, err := f.Get(testContext(t))
	var m *supervisor.MapError
	if !errors.As(err, &m) || len(m.Errors) != len(pids) {
		t.Fatalf("got %v", err)
	}
	for _, one := range m.Errors {
		var e *supervisor.ExitError
		if !errors.As(one, &e) || e.Signal != sig {
			t.Errorf("got %v", one)
		}
	}
}

func TestCPython_ProcessPoolExecutorTest_test_terminate_workers(t *testing.T) {
	t.Parallel()
	signalsWorkers(t, syscall.SIGTERM)
}

func TestCPython_ProcessPoolExecutorTest_test_kill_workers(t *testing.T) {
	t.Parallel()
	signalsWorkers(t, syscall.SIGKILL)
}

func TestCPython_ProcessPoolExecutorTest_test_force_shutdown_workers(t *testing.T) {
	t.Parallel()
	p := newPool(t, supervisor.PoolOptions{Processes: 1, Grace: 10 * time.Millisecond})
	path := filepath.Join(t.TempDir(), "begun")
	f := supervisor.ApplyAsync(testContext(t), p, sticks, path)
	worker := waitPID(t, path)
	p.Terminate()
	if _, err := f.Get(testContext(t)); !errors.Is(err, supervisor.ErrPoolTerminated) {
		t.Errorf("got %v", err)
	}
	if err := p.Wait(testContext(t)); err != nil || alive(worker) {
		t.Errorf("alive: %v, %v", alive(worker), err)
	}
}

// The dead worker has broken nothing here; it is being replaced.
func TestCPython_ProcessPoolExecutorTest_test_force_shutdown_workers_dead_workers(t *testing.T) {
	t.Parallel()
	p := newPool(t, supervisor.PoolOptions{Processes: 1, Stderr: io.Discard})
	if _, err := supervisor.Apply(testContext(t), p, exit, 1); err == nil {
		t.Error("no error")
	}
	if err := p.Terminate(); err != nil {
		t.Error(err)
	}
	if err := p.Terminate(); err != nil {
		t.Error(err)
	}
}

func TestCPython_ProcessPoolExecutorTest_test_force_shutdown_workers_not_started_yet(t *testing.T) {
	t.Parallel()
	p := newPool(t, supervisor.PoolOptions{Processes: 4, OnDemand: true})
	if err := p.Terminate(); err != nil {
		t.Error(err)
	}
	if err := p.Wait(testContext(t)); err != nil {
		t.Error(err)
	}
}

func TestCPython_ProcessPoolExecutorTest_test_force_shutdown_workers_stops_pool(t *testing.T) {
	t.Parallel()
	p := newPool(t, supervisor.PoolOptions{Processes: 1})
	p.Terminate()
	if _, err := supervisor.Apply(testContext(t), p, square, 2); !errors.Is(err, supervisor.ErrPoolTerminated) {
		t.Errorf("got %v", err)
	}
	if err := p.Wait(testContext(t)); err != nil {
		t.Error(err)
	}
}
