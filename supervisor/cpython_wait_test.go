package supervisor_test

import (
	"context"
	"errors"
	"slices"
	"strings"
	"testing"
	"time"

	"yunta/supervisor"
)

// CPython's classes WaitTests and AsCompletedTests.

type futures = []*supervisor.Future[string]

func wantWait(t *testing.T, done, pending futures, err error, wantDone, wantPending futures, wantErr error) {
	t.Helper()
	if !slices.Equal(done, wantDone) || !slices.Equal(pending, wantPending) || !errors.Is(err, wantErr) {
		t.Errorf("done %v, pending %v, %v; want %v, %v, %v", done, pending, err, wantDone, wantPending, wantErr)
	}
}

func TestCPython_WaitTests_test_20369(t *testing.T) {
	t.Parallel()
	s := newStates(t, supervisor.PoolOptions{})
	done, pending, err := supervisor.WaitAll(testContext(t), s.success, s.success)
	wantWait(t, done, pending, err, futures{s.success}, nil, nil)
}

func TestCPython_WaitTests_test_first_completed(t *testing.T) {
	t.Parallel()
	models(t, func(t *testing.T, o supervisor.PoolOptions) {
		s := newStates(t, o)
		later := s.endless(t)
		time.AfterFunc(10*time.Millisecond, func() { signPID(s.goFile) })
		done, pending, err := supervisor.WaitAny(testContext(t), later, s.running)
		wantWait(t, done, pending, err, futures{s.running}, futures{later}, nil)
	})
}

func TestCPython_WaitTests_test_first_completed_some_already_completed(t *testing.T) {
	t.Parallel()
	s := newStates(t, supervisor.PoolOptions{})
	done, pending, err := supervisor.WaitAny(testContext(t), s.cancelled, s.success, s.running)
	wantWait(t, done, pending, err, futures{s.cancelled, s.success}, futures{s.running}, nil)
}

func TestCPython_WaitTests_test_first_exception(t *testing.T) {
	t.Parallel()
	models(t, func(t *testing.T, o supervisor.PoolOptions) {
		s := newStates(t, o)
		bad := supervisor.ApplyAsync(testContext(t), s.pool, failsText, "first")
		never := s.endless(t)
		time.AfterFunc(10*time.Millisecond, func() { signPID(s.goFile) })
		done, pending, err := supervisor.WaitFirstError(testContext(t), s.running, s.pending, bad, never)
		wantWait(t, done, pending, err, futures{s.running, s.pending, bad}, futures{never}, nil)
	})
}

func TestCPython_WaitTests_test_first_exception_some_already_complete(t *testing.T) {
	t.Parallel()
	s := newStates(t, supervisor.PoolOptions{})
	bad := supervisor.ApplyAsync(testContext(t), s.pool, failsText, "first")
	never := s.endless(t)
	time.AfterFunc(10*time.Millisecond, func() { signPID(s.goFile) })
	done, pending, err := supervisor.WaitFirstError(testContext(t), s.success, s.cancelled, bad, never)
	wantWait(t, done, pending, err, futures{s.success, s.cancelled, bad}, futures{never}, nil)
}

func TestCPython_WaitTests_test_first_exception_one_already_failed(t *testing.T) {
	t.Parallel()
	s := newStates(t, supervisor.PoolOptions{})
	done, pending, err := supervisor.WaitFirstError(testContext(t), s.failed, s.running)
	wantWait(t, done, pending, err, futures{s.failed}, futures{s.running}, nil)
}

func TestCPython_WaitTests_test_all_completed(t *testing.T) {
	t.Parallel()
	models(t, func(t *testing.T, o supervisor.PoolOptions) {
		s := newStates(t, o)
		time.AfterFunc(10*time.Millisecond, func() { signPID(s.goFile) })
		all := futures{s.failed, s.cancelled, s.success, s.running, s.pending}
		done, pending, err := supervisor.WaitAll(testContext(t), all...)
		wantWait(t, done, pending, err, all, nil, nil)
	})
}

func TestCPython_WaitTests_test_timeout(t *testing.T) {
	t.Parallel()
	s := newStates(t, supervisor.PoolOptions{})
	ctx, cancel := context.WithTimeout(context.Background(), 10*time.Millisecond)
	defer cancel()
	done, pending, err := supervisor.WaitAll(ctx, s.failed, s.cancelled, s.running, s.success)
	wantWait(t, done, pending, err, futures{s.failed, s.cancelled, s.success}, futures{s.running}, context.DeadlineExceeded)
}

// Futures of several types, and processes, can be waited for together.
func TestWaitMixed(t *testing.T) {
	t.Parallel()
	p := newPool(t, supervisor.PoolOptions{Processes: 1})
	n, b := supervisor.ApplyAsync(testContext(t), p, square, 3), supervisor.ApplyAsync(testContext(t), p, echo, []byte("x"))
	x := startProcess(t, square, 3, supervisor.ProcessOptions{})
	done, pending, err := supervisor.WaitAll[supervisor.Waitable](testContext(t), n, b, x)
	if len(done) != 3 || len(pending) != 0 || err != nil {
		t.Errorf("%v, %v, %v", done, pending, err)
	}
}

// collect ranges over AsCompleted.
func collect(ctx context.Context, all ...*supervisor.Future[string]) (got futures, err error) {
	for f, e := range supervisor.AsCompleted(ctx, all...) {
		if e != nil {
			return got, e
		}
		got = append(got, f)
	}
	return got, nil
}

func TestCPython_AsCompletedTests_test_no_timeout(t *testing.T) {
	t.Parallel()
	models(t, func(t *testing.T, o supervisor.PoolOptions) {
		s := newStates(t, o)
		time.AfterFunc(10*time.Millisecond, func() { signPID(s.goFile) })
		got, err := collect(testContext(t), s.pending, s.running, s.cancelled, s.failed, s.success)
		if want := (futures{s.cancelled, s.failed, s.success, s.running, s.pending}); err != nil || len(got) != 5 || !slices.Equal(got[:3], want[:3]) {
			t.Errorf("got %v, %v; want %v", got, err, want)
		}
	})
}

func TestCPython_AsCompletedTests_test_zero_timeout(t *testing.T) {
	t.Parallel()
	s := newStates(t, supervisor.PoolOptions{})
	ctx, cancel := context.WithTimeout(context.Background(), 0)
	defer cancel()
	got, err := collect(ctx, s.cancelled, s.failed, s.success, s.running)
	if !slices.Equal(got, futures{s.cancelled, s.failed, s.success}) || !errors.Is(err, context.DeadlineExceeded) {
		t.Errorf("got %v, %v", got, err)
	}
}

func TestCPython_AsCompletedTests_test_duplicate_futures(t *testing.T) {
	t.Parallel()
	s := newStates(t, supervisor.PoolOptions{})
	time.AfterFunc(10*time.Millisecond, func() { signPID(s.goFile) })
	if got, err := collect(testContext(t), s.running, s.success, s.running); !slices.Equal(got, futures{s.success, s.running}) || err != nil {
		t.Errorf("got %v, %v", got, err)
	}
}

func TestCPython_AsCompletedTests_test_correct_timeout_exception_msg(t *testing.T) {
	t.Parallel()
	s := newStates(t, supervisor.PoolOptions{})
	ctx, cancel := context.WithTimeout(context.Background(), 0)
	defer cancel()
	if _, err := collect(ctx, s.cancelled, s.failed, s.success, s.running); err == nil || !strings.Contains(err.Error(), "1 of 4 futures unfinished") {
		t.Errorf("got %v", err)
	}
}

// Futures that end while somebody begins to wait for them are all seen.
func TestCPython_ThreadPoolWaitTests_test_pending_calls_race(t *testing.T) {
	t.Parallel()
	p := newPool(t, supervisor.PoolOptions{Model: supervisor.Goroutines, Processes: 8})
	for range 50 {
		var all []*supervisor.Future[int]
		for i := range 100 {
			all = append(all, supervisor.ApplyAsync(testContext(t), p, square, i))
		}
		done, pending, err := supervisor.WaitAll(testContext(t), all...)
		if len(done) != 100 || len(pending) != 0 || err != nil {
			t.Fatalf("%d done, %d pending, %v", len(done), len(pending), err)
		}
	}
}
