package supervisor_test

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"yunta/child"
	"yunta/supervisor"
)

// CPython's classes _TestPoolWorkerErrors, _TestPoolWorkerLifetime,
// TestInitializers and TestPoolNotLeakOnFailure.

// A future's one callback gets the error, too.
func TestCPython__TestPoolWorkerErrors_test_async_error_callback(t *testing.T) {
	t.Parallel()
	models(t, func(t *testing.T, o supervisor.PoolOptions) {
		p := newPool(t, o)
		calls := make(chan error, 2)
		f := supervisor.ApplyAsync(testContext(t), p, sayWhen, 1)
		f.OnDone(func(_ int, err error) { calls <- err })
		_, err := f.Get(testContext(t))
		called := <-calls
		if !errors.Is(err, errSayWhen) || called == nil || called.Error() != err.Error() {
			t.Errorf("Get returned %v, the callback got %v", err, called)
		}
	})
}

func TestCPython__TestPoolWorkerErrors_test_unpickleable_result(t *testing.T) {
	t.Parallel()
	p := newPool(t, supervisor.PoolOptions{Processes: 2})
	waitFor(t, "both workers", func() bool { return len(p.Workers()) == 2 })
	before := workerPIDs(p)
	for i := range 20 {
		f := supervisor.ApplyAsync(testContext(t), p, channel, i)
		calls := make(chan error, 1)
		f.OnDone(func(_ any, err error) { calls <- err })
		_, err := f.Get(testContext(t))
		var r *supervisor.RemoteError
		if !errors.As(err, &r) || r.Stage != child.StageEncodeResult || r.Panic || !strings.Contains(err.Error(), "chan int") {
			t.Fatalf("call %d: got %v, want the error of encoding a chan int", i, err)
		}
		if called := <-calls; called == nil || called.Error() != err.Error() {
			t.Errorf("call %d: the callback got %v", i, called)
		}
	}
	if after := workerPIDs(p); !slices.Equal(before, after) {
		t.Errorf("workers were %v and are %v", before, after)
	}
}

func workerPIDs(p *supervisor.Pool) (out []int) {
	for _, w := range p.Workers() {
		out = append(out, w.PID)
	}
	return out
}

func TestCPython__TestPoolWorkerLifetime_test_pool_worker_lifetime(t *testing.T) {
	t.Parallel()
	models(t, func(t *testing.T, o supervisor.PoolOptions) {
		o.Processes, o.MaxTasksPerChild = 3, 10
		p := newPool(t, o)
		waitFor(t, "all workers", func() bool { return len(p.Workers()) == 3 })
		before := workerPIDs(p)
		var futures []*supervisor.Future[int]
		for i := range 100 {
			futures = append(futures, supervisor.ApplyAsync(testContext(t), p, slowSquare, i))
		}
		for i, f := range futures {
			if got, err := f.Get(testContext(t)); err != nil || got != i*i {
				t.Fatalf("task %d: %v, %v", i, got, err)
			}
		}
		waitFor(t, "all workers to have been replaced", func() bool {
			now := p.Workers()
			for _, w := range now {
				if o.Model == supervisor.Processes && slices.Contains(before, w.PID) {
					return false
				}
				if w.Incarnation < 2 || w.State != "idle" {
					return false
				}
			}
			return len(now) == 3
		})
		// Of the last three lives none need have been a full one.
		if n := p.Stats().Restarts; n < 8 {
			t.Errorf("%d replacements for 100 tasks of at most 10 each", n)
		}
		if got, err := supervisor.Apply(testContext(t), p, square, 3); err != nil || got != 9 {
			t.Errorf("afterwards: %v, %v", got, err)
		}
	})
}

func TestCPython__TestPoolWorkerLifetime_test_pool_worker_lifetime_early_close(t *testing.T) {
	t.Parallel()
	models(t, func(t *testing.T, o supervisor.PoolOptions) {
		o.Processes, o.MaxTasksPerChild = 3, 1
		p := newPool(t, o)
		var futures []*supervisor.Future[time.Duration]
		for range 6 {
			futures = append(futures, supervisor.ApplyAsync(testContext(t), p, sleep, 30*time.Millisecond))
		}
		p.Close()
		if err := p.Wait(testContext(t)); err != nil {
			t.Fatal(err)
		}
		for i, f := range futures {
			select {
			case <-f.Done():
			default:
				t.Fatalf("task %d is not done after Wait", i)
			}
			if _, err := f.Get(testContext(t)); err != nil {
				t.Errorf("task %d: %v", i, err)
			}
		}
	})
}

// Zero means no limit in Go, as in all options; the compiler rejects what is
// not an integer.
func TestCPython__TestPoolWorkerLifetime_test_pool_maxtasksperchild_invalid(t *testing.T) {
	t.Parallel()
	models(t, func(t *testing.T, o supervisor.PoolOptions) {
		for _, n := range []int{-1, -12} {
			o.MaxTasksPerChild = n
			_, err := supervisor.NewPool(testContext(t), o)
			if err == nil || !strings.Contains(err.Error(), "MaxTasksPerChild") || !strings.Contains(err.Error(), strconv.Itoa(n)) {
				t.Errorf("a limit of %d: %v", n, err)
			}
		}
	})
}

// unclosed is a program that holds a pool in a global and never closes it.
var unclosed = helper("unclosed", func([]string) int {
	var err error
	globalPool, err = supervisor.NewPool(context.Background(), supervisor.PoolOptions{Processes: 2})
	must(err)
	got, err := supervisor.Apply(helperContext(), globalPool, square, 7)
	must(err)
	fmt.Println("got", got, len(globalPool.Workers()))
	return 0
})

var globalPool *supervisor.Pool

// Workers leave when the supervisor's end of their pipes is closed, which the
// end of the program does.
func TestCPython__TestPoolWorkerLifetime_test_worker_finalization_via_atexit_handler_of_multiprocessing(t *testing.T) {
	t.Parallel()
	p := command(t, unclosed).start()
	if got := p.say("got"); got != "49 2" {
		t.Errorf("got %q", got)
	}
	if status := p.wait(); status != 0 || p.stderr.String() != "" {
		t.Errorf("exit status %d, stderr %q", status, p.stderr.String())
	}
	p.gone()
}

// slowSquare takes long enough for all workers to get their share.
var slowSquare = child.Register("slowSquare", func(_ context.Context, n int) (int, error) {
	time.Sleep(2 * time.Millisecond)
	return n * n, nil
})

// initialized counts the initializer's runs in this process.
var initialized atomic.Int64

var (
	initialize = child.Register("initialize", func(_ context.Context, path string) (int, error) {
		initialized.Add(1)
		signPID(path)
		return 0, nil
	})
	initializations = child.Register("initializations", func(context.Context, int) (int64, error) { return initialized.Load(), nil })
)

// What is not a function cannot be bound in Go; a nil one is refused where it
// is registered.
func TestCPython_TestInitializers_test_pool_initializer(t *testing.T) {
	t.Parallel()
	path := filepath.Join(t.TempDir(), "signed")
	p := newPool(t, supervisor.PoolOptions{Processes: 3, Initializer: initialize.Bind(path)})
	if got := signed(path); len(got) != 3 {
		t.Errorf("NewPool returned after %d of 3 initializers", len(got))
	}
	got, err := supervisor.Map(testContext(t), p.With(supervisor.CallOptions{ChunkSize: 1}), initializations, ints(50))
	if err != nil || !slices.Equal(got, slices.Repeat([]int64{1}, 50)) {
		t.Errorf("in the workers it ran %v times, %v", got, err)
	}
	pids := signed(path)
	slices.Sort(pids)
	if len(slices.Compact(pids)) != 3 {
		t.Errorf("processes %v ran it", pids)
	}
	if initialized.Load() != 0 {
		t.Error("it ran here")
	}
	defer func() {
		if v := recover(); v == nil || !strings.Contains(fmt.Sprint(v), "nil function") {
			t.Errorf("registering no function panics with %v", v)
		}
	}()
	child.Register[int, int]("no function", nil)
}

// The hook is shared, so nothing else runs beside this test.
func TestCPython_TestPoolNotLeakOnFailure_test_release_unused_processes(t *testing.T) {
	var started int
	restore := supervisor.SetTestHookStart(func(index, _ int) error {
		if index == 3 {
			return errSayWhen
		}
		started++
		return nil
	})
	defer restore()
	before := len(childrenOf(os.Getpid()))
	_, err := supervisor.NewPool(testContext(t), supervisor.PoolOptions{Processes: 5})
	if !errors.Is(err, errSayWhen) || started != 3 {
		t.Errorf("got %v after %d starts", err, started)
	}
	if left := childrenOf(os.Getpid()); len(left) != before {
		t.Errorf("left: %v", left)
	}
	if left := runFolders(t, os.Getenv("YUNTA_DIR")); len(left) > 0 {
		t.Errorf("left in the run directory: %v", left)
	}
}

func childrenOf(pid int) (out []process) {
	for _, p := range processes() {
		if p.parent == pid && p.name != "ps" {
			out = append(out, p)
		}
	}
	return out
}
