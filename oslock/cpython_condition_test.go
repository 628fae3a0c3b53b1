package oslock

import (
	"context"
	"errors"
	"fmt"
	"os"
	"os/signal"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"
)

// CPython's _TestCondition and _TestEvent. Everywhere, a timeout is a context with a deadline, and Python's False is
// context.DeadlineExceeded. Python's Condition has a lock of its own, an RLock; here the lock is opened first,
// and is not recursive.

// cpythonCondition is what the tests share: a condition, and who has begun to sleep and has woken.
type cpythonCondition struct {
	c               *Condition
	sleeping, woken *Semaphore
	state           tortureBoard
	dir             string
}

func openCPythonCondition(dir string) (*cpythonCondition, error) {
	l, err := OpenLock(filepath.Join(dir, "lock"), LockOptions{})
	if err != nil {
		return nil, err
	}
	s := &cpythonCondition{dir: dir}
	if s.c, err = OpenCondition(l, filepath.Join(dir, "condition"), ConditionOptions{}); err != nil {
		return nil, err
	}
	if s.sleeping, err = OpenSemaphore(filepath.Join(dir, "sleeping"), 0, SemaphoreOptions{}); err != nil {
		return nil, err
	}
	if s.woken, err = OpenSemaphore(filepath.Join(dir, "woken"), 0, SemaphoreOptions{}); err != nil {
		return nil, err
	}
	s.state, err = openBoard(filepath.Join(dir, "board"))
	return s, err
}

func newCPythonCondition(t *testing.T) *cpythonCondition {
	t.Helper()
	s, err := openCPythonCondition(t.TempDir())
	must(t, "open", err)
	t.Cleanup(func() {
		s.state.r.Unmap()
		s.woken.Close()
		s.sleeping.Close()
		s.c.Close()
		s.c.Lock().Close()
	})
	return s
}

// f is _TestCondition.f: it says that it sleeps, waits, and says that it has woken.
func (s *cpythonCondition) f(timeout time.Duration) error {
	ctx, cancel := context.WithTimeout(context.Background(), timeout)
	defer cancel()
	if err := s.c.Lock().Lock(context.Background()); err != nil {
		return err
	}
	if err := s.sleeping.Release(1); err != nil {
		return err
	}
	if err := s.c.Wait(ctx); err != nil && !errors.Is(err, context.DeadlineExceeded) {
		return err
	}
	if err := s.woken.Release(1); err != nil {
		return err
	}
	return s.c.Lock().Unlock()
}

var conditionParty = newHelper("condition-party", func(h *helperIO, args []string) error {
	s, err := openCPythonCondition(args[1])
	if err != nil {
		return err
	}
	ctx := context.Background()
	switch args[0] {
	case "f":
		d, err := time.ParseDuration(args[2])
		if err != nil {
			return err
		}
		err = s.f(d)
		h.say("%s", answer(err))
	case "waitfor": // _test_waitfor_f
		err := s.locked(func() error {
			s.state.first().Store(0)
			return errors.Join(s.c.Notify(1), s.c.WaitFor(ctx, func() bool { return s.state.first().Load() == 4 }))
		})
		h.say("%s", answer(err))
	case "waitfor_timeout": // _test_waitfor_timeout_f
		ctx, cancel := context.WithTimeout(ctx, 100*time.Millisecond)
		defer cancel()
		start := time.Now()
		err := s.locked(func() error {
			if err := s.sleeping.Release(1); err != nil {
				return err
			}
			return s.c.WaitFor(ctx, func() bool { return s.state.first().Load() == 4 })
		})
		h.say("%s %d", answer(err), time.Since(start).Milliseconds())
	}
	_, _ = h.hear()
	return nil
})

// locked is Python's with statement.
func (s *cpythonCondition) locked(f func() error) error {
	if err := s.c.Lock().Lock(context.Background()); err != nil {
		return err
	}
	return errors.Join(f(), s.c.Lock().Unlock())
}

// start begins f in so many processes and as many goroutines, and waits until all of them sleep.
func (s *cpythonCondition) start(t *testing.T, each int, timeout time.Duration) (processes []*process, goroutines []<-chan error) {
	t.Helper()
	for range each {
		processes = append(processes, conditionParty.start(t, nil, "f", s.dir, timeout.String()))
		goroutines = append(goroutines, after(func() error { return s.f(timeout) }))
	}
	for range 2 * each {
		mustAcquire(t, s.sleeping)
	}
	return processes, goroutines
}

func (s *cpythonCondition) end(t *testing.T, processes []*process, goroutines []<-chan error) {
	t.Helper()
	for _, p := range processes {
		p.expect("ok")
	}
	for _, g := range goroutines {
		wantDone(t, g, nil)
	}
	// check_invariant: the books balance, nobody is left.
	wantValue(t, s.sleeping, 0)
	wantValue(t, s.woken, 0)
	seated(t, s.c, 0)
}

// wantWoken checks that n have woken, and no more do so in a while.
func (s *cpythonCondition) wantWoken(t *testing.T, n int) {
	t.Helper()
	eventually(t, fmt.Sprint(n, " have woken"), func() bool { v, err := s.woken.Value(); return err == nil && v == n })
	time.Sleep(20 * time.Millisecond)
	wantValue(t, s.woken, n)
}

func TestCPython__TestCondition_test_notify(t *testing.T) {
	t.Parallel()
	s := newCPythonCondition(t)
	processes, goroutines := s.start(t, 1, hangTime)
	s.wantWoken(t, 0)
	for n := range 2 {
		must(t, "Notify", s.locked(func() error { return s.c.Notify(1) }))
		s.wantWoken(t, n+1)
	}
	mustAcquire(t, s.woken)
	mustAcquire(t, s.woken)
	s.end(t, processes, goroutines)
}

func TestCPython__TestCondition_test_notify_all(t *testing.T) {
	t.Parallel()
	s := newCPythonCondition(t)
	processes, goroutines := s.start(t, 3, 50*time.Millisecond) // all of them time out
	for range 6 {
		mustAcquire(t, s.woken)
	}
	s.end(t, processes, goroutines)

	processes, goroutines = s.start(t, 3, hangTime)
	s.wantWoken(t, 0)
	must(t, "NotifyAll", s.locked(s.c.NotifyAll))
	s.wantWoken(t, 6)
	for range 6 {
		mustAcquire(t, s.woken)
	}
	s.end(t, processes, goroutines)
}

func TestCPython__TestCondition_test_notify_n(t *testing.T) {
	t.Parallel()
	s := newCPythonCondition(t)
	processes, goroutines := s.start(t, 3, hangTime)
	s.wantWoken(t, 0)
	for _, row := range []struct{ n, woken int }{{1, 1}, {4, 5}, {1, 6}, {3, 6}} {
		must(t, "Notify", s.locked(func() error { return s.c.Notify(row.n) }))
		s.wantWoken(t, row.woken)
	}
	for range 6 {
		mustAcquire(t, s.woken)
	}
	s.end(t, processes, goroutines)
}

func TestCPython__TestCondition_test_timeout(t *testing.T) {
	t.Parallel()
	l, c, _ := newCondition(t)
	const timeout = 50 * time.Millisecond
	mustLock(t, l)
	start := time.Now()
	ctx, cancel := context.WithTimeout(t.Context(), timeout)
	defer cancel()
	wantError(t, "Wait", c.Wait(ctx), context.DeadlineExceeded)
	if took := time.Since(start); took < timeout {
		t.Errorf("Wait for %v returned after %v", timeout, took)
	}
	mustUnlock(t, l)
}

func TestCPython__TestCondition_test_waitfor(t *testing.T) {
	t.Parallel()
	s := newCPythonCondition(t)
	state := s.state.first()
	state.Store(9)
	p := conditionParty.start(t, nil, "waitfor", s.dir)
	must(t, "WaitFor", s.locked(func() error { return s.c.WaitFor(soon(t), func() bool { return state.Load() == 0 }) }))
	for range 4 {
		time.Sleep(2 * time.Millisecond)
		must(t, "Notify", s.locked(func() error { state.Add(1); return s.c.Notify(1) }))
	}
	p.expect("ok")
}

func TestCPython__TestCondition_test_waitfor_timeout(t *testing.T) {
	t.Parallel()
	s := newCPythonCondition(t)
	state := s.state.first()
	p := conditionParty.start(t, nil, "waitfor_timeout", s.dir)
	mustAcquire(t, s.sleeping)
	for range 3 { // not often enough
		time.Sleep(10 * time.Millisecond)
		must(t, "Notify", s.locked(func() error { state.Add(1); return s.c.Notify(1) }))
	}
	var how string
	var took int
	if _, err := fmt.Sscan(p.line(), &how, &took); err != nil || how != "timeout" || took < 100 || took > 10_000 {
		t.Errorf("WaitFor: %s after %d ms, %v, want timeout after 100", how, took, err)
	}
}

// Differs: what interrupts the waiting is not the signal itself, by KeyboardInterrupt, but the end of the context that
// signal.NotifyContext makes of it.
func TestCPython__TestCondition_test_wait_result(t *testing.T) {
	l, c, deed := newCondition(t)
	mustLock(t, l)
	for _, timeout := range []time.Duration{0, 20 * time.Millisecond} {
		ctx, cancel := context.WithTimeout(t.Context(), timeout)
		wantError(t, "Wait", c.Wait(ctx), context.DeadlineExceeded)
		cancel()
	}
	p := act(t)
	p.do(deed, "ok")
	notified := after(func() error {
		p.do("lock", "ok")
		p.do("notify 1", "ok")
		p.do("unlock", "ok")
		return nil
	})
	must(t, "Wait", c.Wait(soon(t)))
	wantDone(t, notified, nil)
	ctx, stop := signal.NotifyContext(t.Context(), os.Interrupt)
	defer stop()
	time.AfterFunc(10*time.Millisecond, func() { syscall.Kill(os.Getpid(), syscall.SIGINT) })
	wantError(t, "Wait", c.Wait(ctx), context.Canceled)
	mustUnlock(t, l)
}

// Differs: the event is opened by name in the child.
func TestCPython__TestEvent_test_event(t *testing.T) {
	t.Parallel()
	path := tempPath(t)
	e := openEvent(t, path)
	wantSet(t, e, false)
	const timeout = 40 * time.Millisecond
	wait := func(d time.Duration) (took time.Duration, err error) {
		ctx, cancel := context.WithTimeout(t.Context(), d)
		defer cancel()
		start := time.Now()
		err = e.Wait(ctx)
		return time.Since(start), err
	}
	for _, d := range []time.Duration{0, timeout} {
		if took, err := wait(d); !errors.Is(err, context.DeadlineExceeded) || took < d || took > d+10*time.Second {
			t.Errorf("Wait for %v = %v after %v, want context.DeadlineExceeded", d, err, took)
		}
	}
	must(t, "Set", e.Set())
	wantSet(t, e, true)
	for _, d := range []time.Duration{hangTime, 0} {
		if took, err := wait(d); err != nil || took > hangTime/2 {
			t.Errorf("Wait for %v for what is set = %v after %v", d, err, took)
		}
	}
	must(t, "Clear", e.Clear())
	p := act(t)
	p.do("event "+path, "ok")
	done := after(func() error { return e.Wait(soon(t)) })
	waiting(t, &e.h)
	p.do("set", "ok")
	wantDone(t, done, nil)
}

func TestCPython__TestEvent_test_repr(t *testing.T) {
	t.Parallel()
	e := openEvent(t, tempPath(t))
	for _, row := range []struct {
		do   func() error
		want string
	}{{e.Set, ": set"}, {e.Clear, ": unset"}} {
		must(t, "Set or Clear", row.do())
		if !strings.HasSuffix(e.String(), row.want) {
			t.Errorf("String = %q, want ...%q", e, row.want)
		}
	}
}
