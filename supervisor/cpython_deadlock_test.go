package supervisor_test

import (
	"errors"
	"io"
	"strings"
	"testing"

	"yunta/supervisor"
)

// CPython's class ExecutorDeadlockTest
// (Lib/test/test_concurrent_futures/test_deadlock.py): whatever goes wrong
// wherever, nothing hangs. Where CPython breaks the pool, here one future fails.

// diesAt checks that a task's worker is lost at a stage, by exit or by crash.
func diesAt(t *testing.T, s stage, f fault) {
	t.Helper()
	t.Parallel()
	p := newPool(t, supervisor.PoolOptions{Processes: 2, Stderr: io.Discard})
	wantDeath(t, springOne(t, p, s, f), f)
	wantDeath(t, springMany(t, p, s, f), f)
}

// wantDeath checks the error of a task whose worker exited or crashed. The Go
// runtime answers SIGSEGV with a report and exit status 2.
func wantDeath(t *testing.T, err error, f fault) {
	t.Helper()
	var e *supervisor.ExitError
	if !errors.Is(err, supervisor.ErrWorkerDied) || !errors.As(err, &e) {
		t.Errorf("%s: got %v, want ErrWorkerDied", f, err)
		return
	}
	switch f {
	case faultExit:
		if e.Code != trapExit || e.Signal != 0 {
			t.Errorf("%s: got %v", f, err)
		}
	case faultSIGSEGV:
		if !strings.Contains(err.Error(), "SIGSEGV: segmentation violation") {
			t.Errorf("%s: got %v", f, err)
		}
	}
}

// remoteAt checks that a task fails alone at a stage, and its worker lives.
func remoteAt(t *testing.T, s stage, f fault) {
	t.Helper()
	t.Parallel()
	p := newPool(t, supervisor.PoolOptions{Processes: 2, Stderr: io.Discard})
	waitFor(t, "both workers", func() bool { return len(p.Workers()) == 2 })
	before := workerPIDs(p)
	wantRemote(t, springOne(t, p, s, f), s, f)
	wantRemote(t, springMany(t, p, s, f), s, f)
	if after := workerPIDs(p); len(after) != 2 || after[0] != before[0] || after[1] != before[1] {
		t.Errorf("workers were %v and are %v", before, after)
	}
}

// wantRemote checks the error of a task that failed without harm to its worker.
func wantRemote(t *testing.T, err error, s stage, f fault) {
	t.Helper()
	var r *supervisor.RemoteError
	if !errors.As(err, &r) || r.Stage != s.wire() || r.Panic != (f == faultPanic || f == faultNil) {
		t.Errorf("%s at %q: got %v (%+v)", f, s, err, r)
		return
	}
	switch f {
	case faultError, faultPanic:
		if !errors.Is(err, errTrap) {
			t.Errorf("%s at %q: got %v, which is not the trap's", f, s, err)
		}
	case faultNil:
		if !strings.Contains(err.Error(), "nil pointer dereference") || !strings.Contains(r.Stack, "trap_test.go") {
			t.Errorf("%s at %q: got %v", f, s, err)
		}
	case faultGoexit:
		if !strings.Contains(err.Error(), "Goexit") {
			t.Errorf("%s at %q: got %v", f, s, err)
		}
	}
}

func TestCPython_ExecutorDeadlockTest_test_error_at_task_pickle(t *testing.T) {
	remoteAt(t, encodeArgument, faultError)
}

func TestCPython_ExecutorDeadlockTest_test_exit_at_task_unpickle(t *testing.T) {
	diesAt(t, decodeArgument, faultExit)
}

// CPython breaks the pool; here the task fails and the worker lives.
func TestCPython_ExecutorDeadlockTest_test_error_at_task_unpickle(t *testing.T) {
	remoteAt(t, decodeArgument, faultError)
}

func TestCPython_ExecutorDeadlockTest_test_crash_at_task_unpickle(t *testing.T) {
	diesAt(t, decodeArgument, faultSIGSEGV)
}

func TestCPython_ExecutorDeadlockTest_test_crash_during_func_exec_on_worker(t *testing.T) {
	diesAt(t, running, faultSIGSEGV)
}

// Python relays SystemExit as an error; os.Exit in Go loses the worker, and
// its status is told.
func TestCPython_ExecutorDeadlockTest_test_exit_during_func_exec_on_worker(t *testing.T) {
	diesAt(t, running, faultExit)
}

func TestCPython_ExecutorDeadlockTest_test_error_during_func_exec_on_worker(t *testing.T) {
	remoteAt(t, running, faultError)
}

func TestCPython_ExecutorDeadlockTest_test_crash_during_result_pickle_on_worker(t *testing.T) {
	diesAt(t, encodeResult, faultSIGSEGV)
}

// SystemExit again: in Go the worker is lost, and its status is told.
func TestCPython_ExecutorDeadlockTest_test_exit_during_result_pickle_on_worker(t *testing.T) {
	diesAt(t, encodeResult, faultExit)
}

func TestCPython_ExecutorDeadlockTest_test_error_during_result_pickle_on_worker(t *testing.T) {
	remoteAt(t, encodeResult, faultError)
}

// CPython breaks the pool; here one future fails.
func TestCPython_ExecutorDeadlockTest_test_error_during_result_unpickle_in_result_handler(t *testing.T) {
	remoteAt(t, decodeResult, faultError)
}

// An exit while decoding in the parent is an exception in Python, which its
// result thread must survive. In Go that is a panic; os.Exit there is the
// program's own end, see TestPain05Parent.
func TestCPython_ExecutorDeadlockTest_test_exit_during_result_unpickle_in_result_handler(t *testing.T) {
	remoteAt(t, decodeResult, faultPanic)
}

func TestCPython_ExecutorDeadlockTest_test_shutdown_deadlock(t *testing.T) {
	t.Parallel()
	for range 10 {
		p := newPool(t, supervisor.PoolOptions{Processes: 2, Stderr: io.Discard})
		f := supervisor.ApplyAsync(testContext(t), p, spring, trapArgument{At: running, Do: faultSIGSEGV})
		p.Close()
		if err := p.Wait(testContext(t)); err != nil {
			t.Fatal(err)
		}
		_, err := f.Get(testContext(t))
		wantDeath(t, err, faultSIGSEGV)
	}
}

func TestCPython_ExecutorDeadlockTest_test_shutdown_deadlock_pickle(t *testing.T) {
	t.Parallel()
	for range 10 {
		p := newPool(t, supervisor.PoolOptions{Processes: 2, Stderr: io.Discard})
		f := supervisor.ApplyAsync(testContext(t), p, spring, trapArgument{At: encodeArgument, Do: faultError})
		p.Close() // which does not wait
		_, err := f.Get(testContext(t))
		wantRemote(t, err, encodeArgument, faultError)
		if err := p.Wait(testContext(t)); err != nil {
			t.Fatal(err)
		}
	}
}
