package oslock

import (
	"context"
	"strings"
	"sync"
	"testing"
	"time"
)

func openEvent(t testing.TB, name string) *Event {
	t.Helper()
	e, err := OpenEvent(name, EventOptions{})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { e.Close() })
	return e
}

func must(t testing.TB, doing string, err error) {
	t.Helper()
	if err != nil {
		t.Fatalf("%s: %v", doing, err)
	}
}

func wantSet(t testing.TB, e *Event, want bool) {
	t.Helper()
	if got := e.IsSet(); got != want {
		t.Fatalf("IsSet = %v, want %v", got, want)
	}
}

func TestEvent(t *testing.T) {
	t.Parallel()
	path := tempPath(t)
	a, b := openEvent(t, path), openEvent(t, path)
	wantSet(t, a, false)
	ctx, cancel := context.WithCancel(context.Background())
	cancel()
	wantError(t, "Wait", a.Wait(ctx), context.Canceled)
	var wg sync.WaitGroup
	for i := range 10 {
		wg.Go(func() { must(t, "Wait", []*Event{a, b}[i%2].Wait(soon(t))) })
	}
	waiting(t, &a.h)
	must(t, "Set", b.Set())
	wg.Wait()
	wantSet(t, a, true)
	must(t, "Set again", a.Set())
	must(t, "Wait for what is set", a.Wait(ctx))
	must(t, "Clear", a.Clear())
	must(t, "Clear again", a.Clear())
	wantSet(t, b, false)
	if a.File() != path || !strings.Contains(a.String(), "unset") {
		t.Errorf("File = %s, String = %s", a.File(), a)
	}
}

// Whoever waited when it was set goes on, though it was cleared before it got to look.
func TestEventSetAndCleared(t *testing.T) {
	t.Parallel()
	path := tempPath(t)
	e := openEvent(t, path)
	p := act(t)
	p.do("event "+path, "ok")
	for range 50 {
		p.send("waitset")
		here := after(func() error { return e.Wait(soon(t)) })
		waiting(t, &e.h)
		time.Sleep(2 * time.Millisecond) // until both do
		must(t, "Set", e.Set())
		must(t, "Clear", e.Clear())
		select {
		case err := <-here:
			must(t, "Wait", err)
		case <-time.After(hangTime):
			t.Fatal("the goroutine did not see it")
		}
		// The other may come to its Wait only now.
		must(t, "Set", e.Set())
		p.expect("ok")
		must(t, "Clear", e.Clear())
	}
}

func TestEventBetweenProcesses(t *testing.T) {
	t.Parallel()
	path := tempPath(t)
	e, p, q := openEvent(t, path), act(t), act(t)
	p.do("event "+path, "ok")
	q.do("event "+path, "ok")
	p.send("waitset")
	q.send("waitset")
	waiting(t, &e.h)
	must(t, "Set", e.Set())
	p.expect("ok")
	q.expect("ok")
	p.do("clear", "ok")
	wantSet(t, e, false)
	q.do("waitset 5ms", "timeout")
	done := after(func() error { return e.Wait(soon(t)) })
	q.send("waitset")
	waiting(t, &e.h)
	q.kill() // one who waits dies: the others never notice
	p.do("set", "ok")
	wantDone(t, done, nil)
}

// Killed just after setting, before waking anybody: they find out by themselves.
func TestEventKilledSetter(t *testing.T) {
	t.Parallel()
	path := tempPath(t)
	e, p := openEvent(t, path), act(t)
	p.do("event "+path, "ok")
	p.do("dieat set", "ok")
	done := after(func() error { return e.Wait(soon(t)) })
	waiting(t, &e.h)
	p.send("set")
	wantDone(t, done, nil)
	if err := p.wait(); err == nil {
		t.Error("the setter lives")
	}
	wantSet(t, e, true)
}

func TestEventClosed(t *testing.T) {
	t.Parallel()
	path := tempPath(t)
	e, other := openEvent(t, path), openEvent(t, path)
	first := after(func() error { return e.Wait(context.Background()) })
	second := after(func() error { return e.Wait(context.Background()) })
	third := after(func() error { return other.Wait(context.Background()) })
	waiting(t, &e.h)
	must(t, "Close", e.Close())
	must(t, "Close again", e.Close())
	wantDone(t, first, ErrClosed)
	wantDone(t, second, ErrClosed)
	wantError(t, "Wait", e.Wait(context.Background()), ErrClosed)
	wantError(t, "Set", e.Set(), ErrClosed)
	wantError(t, "Clear", e.Clear(), ErrClosed)
	wantSet(t, e, false)
	must(t, "Set", other.Set())
	wantDone(t, third, nil)
	must(t, "Unlink", Unlink(path))
	wantSet(t, openEvent(t, path), false)
	if _, err := OpenLock(path, LockOptions{}); err == nil {
		t.Error("a lock was opened where an event is")
	}
}

// The one who sleeps for the process may have begun to wait after others, who may go when it may not.
func TestEventSleeperCameLater(t *testing.T) {
	t.Parallel()
	e := openEvent(t, tempPath(t))
	f := e.h.file.Load()
	early := f.event.sit(f)
	must(t, "Set", e.Set())
	must(t, "Clear", e.Clear())
	late := after(func() error { return e.Wait(soon(t)) })
	select {
	case <-early.called:
	case <-time.After(hangTime):
		t.Error("the early one is not called")
	}
	wantBlocked(t, late)
	f.event.rise(early)
	must(t, "Set", e.Set())
	wantDone(t, late, nil)
}
