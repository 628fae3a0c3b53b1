package supervisor_test

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"yunta/supervisor"
)

// CPython's class FutureTests in Lib/test/test_concurrent_futures. A Future
// cannot be made by hand in Go: its states are brought about in a pool.

// states are futures of one pool, one in each state. The running one waits for
// the file go.
type states struct {
	pool                                         *supervisor.Pool
	goFile                                       string
	pending, running, cancelled, failed, success *supervisor.Future[string]
}

func newStates(t *testing.T, o supervisor.PoolOptions) *states {
	t.Helper()
	o.Processes = 1
	ctx := testContext(t)
	p := newPool(t, o)
	s := &states{pool: p, goFile: filepath.Join(t.TempDir(), "go")}
	s.success = supervisor.ApplyAsync(ctx, p, upper, "forty-two")
	s.failed = supervisor.ApplyAsync(ctx, p, failsText, "no good")
	<-s.success.Done()
	<-s.failed.Done()
	s.running = supervisor.ApplyAsync(ctx, p, untilThere, s.goFile)
	waitFor(t, "the running future", func() bool { return s.running.State() == supervisor.FutureRunning })
	s.pending = supervisor.ApplyAsync(ctx, p, upper, "later")
	s.cancelled = supervisor.ApplyAsync(ctx, p, upper, "never")
	if !s.cancelled.Cancel() {
		t.Error("a pending future could not be cancelled")
	}
	t.Cleanup(func() { // before the file's folder goes
		signPID(s.goFile)
		<-s.running.Done()
	})
	return s
}

// endless returns a future that runs until the test ends.
func (s *states) endless(t *testing.T) *supervisor.Future[string] {
	t.Helper()
	f := supervisor.ApplyAsync(testContext(t), s.pool, untilThere, s.goFile+"2")
	t.Cleanup(func() {
		signPID(s.goFile + "2")
		<-f.Done()
	})
	return f
}

// call records what one callback was given.
type call struct {
	text string
	err  error
}

func calledBack(t *testing.T, f *supervisor.Future[string]) call {
	t.Helper()
	calls := make(chan call, 2)
	f.OnDone(func(s string, err error) { calls <- call{s, err} })
	select {
	case c := <-calls:
		return c
	case <-time.After(patience):
		t.Fatal("the callback was not called")
		return call{}
	}
}

func TestCPython_FutureTests_test_done_callback_with_result(t *testing.T) {
	t.Parallel()
	models(t, func(t *testing.T, o supervisor.PoolOptions) {
		s := newStates(t, o)
		calls := make(chan call, 1)
		s.pending.OnDone(func(s string, err error) { calls <- call{s, err} })
		signPID(s.goFile)
		if c := <-calls; c.text != "LATER" || c.err != nil {
			t.Errorf("called with %v", c)
		}
	})
}

func TestCPython_FutureTests_test_done_callback_with_exception(t *testing.T) {
	t.Parallel()
	models(t, func(t *testing.T, o supervisor.PoolOptions) {
		f := supervisor.ApplyAsync(testContext(t), newPool(t, o), failsText, "test")
		if c := calledBack(t, f); c.err == nil || !strings.HasSuffix(c.err.Error(), "test") {
			t.Errorf("called with %v", c)
		}
	})
}

func TestCPython_FutureTests_test_done_callback_with_cancel(t *testing.T) {
	t.Parallel()
	s := newStates(t, supervisor.PoolOptions{})
	calls := make(chan call, 1)
	s.pending.OnDone(func(s string, err error) { calls <- call{s, err} })
	if !s.pending.Cancel() {
		t.Error("it could not be cancelled")
	}
	if c := <-calls; !errors.Is(c.err, context.Canceled) {
		t.Errorf("called with %v", c)
	}
}

// newLog returns a logger and what it has written.
func newLog() (*slog.Logger, *lockedBuffer) {
	b := new(lockedBuffer)
	return slog.New(slog.NewTextHandler(b, nil)), b
}

func TestCPython_FutureTests_test_done_callback_raises(t *testing.T) {
	t.Parallel()
	log, text := newLog()
	s := newStates(t, supervisor.PoolOptions{Logger: log})
	called := make(chan bool, 2)
	s.pending.OnDone(func(string, error) { called <- true; panic("doh!") })
	s.pending.OnDone(func(string, error) { called <- true })
	signPID(s.goFile)
	<-called
	<-called
	waitFor(t, "the log", func() bool { return strings.Contains(text.String(), "doh!") })
}

func TestCPython_FutureTests_test_done_callback_already_successful(t *testing.T) {
	t.Parallel()
	if c := calledBack(t, newStates(t, supervisor.PoolOptions{}).success); c.text != "FORTY-TWO" || c.err != nil {
		t.Errorf("called with %v", c)
	}
}

func TestCPython_FutureTests_test_done_callback_already_failed(t *testing.T) {
	t.Parallel()
	if c := calledBack(t, newStates(t, supervisor.PoolOptions{}).failed); c.err == nil || !strings.HasSuffix(c.err.Error(), "no good") {
		t.Errorf("called with %v", c)
	}
}

func TestCPython_FutureTests_test_done_callback_already_cancelled(t *testing.T) {
	t.Parallel()
	if c := calledBack(t, newStates(t, supervisor.PoolOptions{}).cancelled); !errors.Is(c.err, context.Canceled) {
		t.Errorf("called with %v", c)
	}
}

func TestCPython_FutureTests_test_done_callback_raises_already_succeeded(t *testing.T) {
	t.Parallel()
	log, text := newLog()
	f := newStates(t, supervisor.PoolOptions{Logger: log}).success
	f.OnDone(func(string, error) { panic("doh!") })
	waitFor(t, "the log", func() bool { return strings.Contains(text.String(), "doh!") })
	if f.State() != supervisor.FutureDone {
		t.Errorf("it is %v", f)
	}
}

func TestCPython_FutureTests_test_repr(t *testing.T) {
	t.Parallel()
	models(t, func(t *testing.T, o supervisor.PoolOptions) {
		s := newStates(t, o)
		for _, row := range []struct {
			f    *supervisor.Future[string]
			want string
		}{
			{s.pending, "Future(pending)"},
			{s.running, "Future(running)"},
			{s.cancelled, "Future(cancelled)"},
			{s.success, "Future(done, string)"},
		} {
			if got := row.f.String(); got != row.want {
				t.Errorf("got %s, want %s", got, row.want)
			}
		}
		if got := fmt.Sprint(s.failed); !strings.HasPrefix(got, "Future(failed, ") || !strings.Contains(got, "no good") {
			t.Errorf("got %s", got)
		}
	})
}

// Cancel also stops a call that runs, which Python's does not.
func TestCPython_FutureTests_test_cancel(t *testing.T) {
	t.Parallel()
	models(t, func(t *testing.T, o supervisor.PoolOptions) {
		o.Grace = 10 * time.Millisecond
		s := newStates(t, o)
		for range 2 {
			for _, f := range []*supervisor.Future[string]{s.pending, s.cancelled, s.running} {
				if !f.Cancel() || f.State() != supervisor.FutureCancelled {
					t.Errorf("it is %v", f)
				}
			}
			if s.success.Cancel() || s.success.State() != supervisor.FutureDone {
				t.Errorf("after Cancel it is %v", s.success)
			}
			if s.failed.Cancel() || s.failed.State() != supervisor.FutureFailed {
				t.Errorf("after Cancel it is %v", s.failed)
			}
		}
	})
}

func wantStates(t *testing.T, s *states, has func(supervisor.FutureState) bool, want string) {
	t.Helper()
	var got []string
	for _, f := range []*supervisor.Future[string]{s.pending, s.running, s.cancelled, s.failed, s.success} {
		if state := f.State(); has(state) {
			got = append(got, state.String())
		}
	}
	if strings.Join(got, " ") != want {
		t.Errorf("got %v, want %s", got, want)
	}
}

func TestCPython_FutureTests_test_cancelled(t *testing.T) {
	t.Parallel()
	wantStates(t, newStates(t, supervisor.PoolOptions{}), func(s supervisor.FutureState) bool { return s == supervisor.FutureCancelled }, "cancelled")
}

func TestCPython_FutureTests_test_done(t *testing.T) {
	t.Parallel()
	s := newStates(t, supervisor.PoolOptions{})
	wantStates(t, s, func(s supervisor.FutureState) bool { return s > supervisor.FutureRunning }, "cancelled failed done")
	for _, f := range []*supervisor.Future[string]{s.pending, s.running} {
		select {
		case <-f.Done():
			t.Errorf("%v is done", f)
		default:
		}
	}
}

func TestCPython_FutureTests_test_running(t *testing.T) {
	t.Parallel()
	models(t, func(t *testing.T, o supervisor.PoolOptions) {
		wantStates(t, newStates(t, o), func(s supervisor.FutureState) bool { return s == supervisor.FutureRunning }, "running")
	})
}

// Getting the result and its error is one in Go, so this is
// test_exception_with_timeout, too.
func getsAtOnce(t *testing.T) {
	t.Helper()
	s := newStates(t, supervisor.PoolOptions{})
	at, cancel := context.WithTimeout(context.Background(), 0)
	defer cancel()
	for _, row := range []struct {
		f    *supervisor.Future[string]
		want error
	}{{s.pending, context.DeadlineExceeded}, {s.running, context.DeadlineExceeded}, {s.cancelled, context.Canceled}, {s.success, nil}} {
		if _, err := row.f.Get(at); !errors.Is(err, row.want) {
			t.Errorf("%v: got %v, want %v", row.f, err, row.want)
		}
	}
	var e *supervisor.RemoteError
	if _, err := s.failed.Get(at); !errors.As(err, &e) || !errors.As(s.failed.Err(), &e) || e.Message != "no good" {
		t.Errorf("%v: %v", s.failed, err)
	}
	if s.pending.Err() != nil || s.running.Err() != nil || s.success.Err() != nil || !errors.Is(s.cancelled.Err(), context.Canceled) {
		t.Error("Err")
	}
}

func TestCPython_FutureTests_test_result_with_timeout(t *testing.T) {
	t.Parallel()
	getsAtOnce(t)
}

func TestCPython_FutureTests_test_exception_with_timeout(t *testing.T) {
	t.Parallel()
	getsAtOnce(t)
}

// blocked waits for a future in another goroutine and ends it meanwhile.
func blocked(t *testing.T, f *supervisor.Future[string], end func()) call {
	t.Helper()
	got := make(chan call, 1)
	go func() {
		s, err := f.Get(context.Background())
		got <- call{s, err}
	}()
	select {
	case c := <-got:
		t.Errorf("Get did not wait: %v", c)
	case <-time.After(10 * time.Millisecond):
	}
	end()
	return <-got
}

func TestCPython_FutureTests_test_result_with_success(t *testing.T) {
	t.Parallel()
	s := newStates(t, supervisor.PoolOptions{})
	if c := blocked(t, s.pending, func() { signPID(s.goFile) }); c.text != "LATER" || c.err != nil {
		t.Errorf("got %v", c)
	}
}

func TestCPython_FutureTests_test_result_with_cancel(t *testing.T) {
	t.Parallel()
	s := newStates(t, supervisor.PoolOptions{})
	if c := blocked(t, s.pending, func() { s.pending.Cancel() }); !errors.Is(c.err, context.Canceled) {
		t.Errorf("got %v", c)
	}
}

func TestCPython_FutureTests_test_exception_with_success(t *testing.T) {
	t.Parallel()
	s := newStates(t, supervisor.PoolOptions{})
	f := supervisor.ApplyAsync(testContext(t), s.pool, failsText, "set later")
	if c := blocked(t, f, func() { signPID(s.goFile) }); c.err == nil || !strings.HasSuffix(c.err.Error(), "set later") {
		t.Errorf("got %v", c)
	}
}

// Nobody but the pool can set a result; what a pool hears of a task twice, as
// of one that is cancelled while it ends, counts once.
func setTwice(t *testing.T, entry func(p *supervisor.Pool) *supervisor.Future[string]) {
	t.Helper()
	p := newPool(t, supervisor.PoolOptions{Processes: 1})
	for range 50 {
		f := entry(p)
		calls := make(chan call, 9)
		f.OnDone(func(s string, err error) { calls <- call{s, err} })
		f.Cancel()
		first, err := f.Get(testContext(t))
		again, errAgain := f.Get(testContext(t))
		if first != again || fmt.Sprint(err) != fmt.Sprint(errAgain) {
			t.Fatalf("got %q, %v, and then %q, %v", first, err, again, errAgain)
		}
		if c := <-calls; c.text != first || len(calls) > 0 {
			t.Fatalf("called with %v, and %d times more", c, len(calls))
		}
	}
}

func TestCPython_FutureTests_test_multiple_set_result(t *testing.T) {
	t.Parallel()
	setTwice(t, func(p *supervisor.Pool) *supervisor.Future[string] {
		return supervisor.ApplyAsync(testContext(t), p, upper, "x")
	})
}

func TestCPython_FutureTests_test_multiple_set_exception(t *testing.T) {
	t.Parallel()
	setTwice(t, func(p *supervisor.Pool) *supervisor.Future[string] {
		return supervisor.ApplyAsync(testContext(t), p, failsText, "x")
	})
}
