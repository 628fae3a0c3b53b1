package supervisor_test

import (
	"context"
	"errors"
	"math/rand/v2"
	"slices"
	"strings"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"yunta/child"
	"yunta/supervisor"
)

// PAINS row 31: the report of a stop names every child that did not end in
// time, and what was done to it, in groups within as well.
func TestGroupStopReport(t *testing.T) {
	bubble(t, supervisor.GroupOptions{}, func(t *testing.T, o supervisor.GroupOptions, _ *record) {
		release := make(chan struct{})
		soft, hard, brutal, immortal := newFake(), newFake(), newFake(), newFake()
		soft.terminable, immortal.immortal = true, true
		inner := supervisor.GroupChild(supervisor.GroupOptions{}, hard.spec("hard", time.Second), newLever().spec("good"))
		g := start(t, supervisor.NewGroup(
			o, newLever().spec("fine"), soft.spec("soft", 3*time.Second), supervisor.ChildSpec{ID: "inner", New: inner},
			brutal.spec("brutal", supervisor.BrutalKill), immortal.spec("immortal", time.Second),
			supervisor.ChildSpec{ID: "deaf", New: supervisor.FuncChild(stubborn(release))},
		))
		began := time.Now()
		err := g.Stop(context.Background())
		var e *supervisor.StopError
		if !errors.As(err, &e) || !errors.As(g.Err(), &e) || !errors.Is(g.Wait(context.Background()), err) {
			t.Fatalf("Stop: %v; Err: %v", err, g.Err())
		}
		var got []string
		for _, l := range e.Late {
			got = append(got, l.String())
		}
		want := []string{"deaf (start 1): abandoned", "immortal (start 1): abandoned", "inner/hard (start 1): killed", "soft (start 1): terminated"}
		if !slices.Equal(got, want) {
			t.Errorf("report %q, want %q", got, want)
		}
		if !strings.Contains(err.Error(), "not stopped in time: deaf (start 1): abandoned, ") {
			t.Errorf("text %q", err)
		}
		// deaf: grace 2 s and 100 ms; immortal: 1 s twice, then 5 s; hard: 1 s twice; soft: 3 s.
		if d := time.Since(began); d != 2100*time.Millisecond+7*time.Second+2*time.Second+3*time.Second {
			t.Errorf("it took %v", d)
		}
		immortal.end()
		close(release)
	})
}

// The end of Stop's context is the end of all patience.
func TestGroupStopImpatient(t *testing.T) {
	bubble(t, supervisor.GroupOptions{}, func(t *testing.T, o supervisor.GroupOptions, _ *record) {
		a, b, c := newFake(), newFake(), newFake()
		inner := supervisor.GroupChild(supervisor.GroupOptions{}, b.spec("b", supervisor.Unlimited))
		g := start(t, supervisor.NewGroup(o, a.spec("a", supervisor.Unlimited), supervisor.ChildSpec{ID: "inner", New: inner}, c.spec("c", time.Second)))
		ctx, cancel := context.WithTimeout(context.Background(), time.Minute)
		defer cancel()
		began := time.Now()
		err := g.Stop(ctx)
		if d := time.Since(began); d != time.Minute {
			t.Errorf("it took %v", d)
		}
		var e *supervisor.StopError
		if !errors.Is(err, context.DeadlineExceeded) || !errors.As(err, &e) {
			t.Fatalf("Stop: %v", err)
		}
		for _, id := range []string{"a", "inner/b", "c"} {
			if !slices.ContainsFunc(e.Late, func(l supervisor.LateChild) bool {
				return l.Child == id && l.Action == supervisor.StopKilled
			}) {
				t.Errorf("%q is not in %v", id, err)
			}
		}
	})
}

// Kill asks nobody, and nobody is late then.
func TestGroupKill(t *testing.T) {
	bubble(t, supervisor.GroupOptions{}, func(t *testing.T, o supervisor.GroupOptions, r *record) {
		a, b := newFake(), newFake()
		inner := supervisor.GroupChild(supervisor.GroupOptions{}, b.spec("b", supervisor.Unlimited))
		g := start(t, supervisor.NewGroup(o, a.spec("a", supervisor.Unlimited), supervisor.ChildSpec{ID: "inner", New: inner}))
		began := time.Now()
		if err := g.Kill(); err != nil {
			t.Errorf("Kill: %v", err)
		}
		if err := g.Wait(context.Background()); err != nil || time.Since(began) != 0 {
			t.Errorf("Wait: %v after %v", err, time.Since(began))
		}
		<-b.done
	})
}

// A stop reaches a child whose Start hangs, whether that heeds its context or
// not, and what comes of it later is killed.
func TestGroupStopsAStart(t *testing.T) {
	bubble(t, supervisor.GroupOptions{}, func(t *testing.T, o supervisor.GroupOptions, _ *record) {
		heeds, deaf := newFake(), newFake()
		release := make(chan struct{})
		heeds.start = func(ctx context.Context) error { <-ctx.Done(); return ctx.Err() }
		deaf.start = func(context.Context) error { <-release; return nil }
		for _, f := range []*fake{heeds, deaf} {
			g := supervisor.NewGroup(o, f.spec("a", time.Second))
			started := make(chan error)
			go func() { started <- g.Start(context.Background()) }()
			synctest.Wait()
			if c := g.Children()[0]; c.State != supervisor.ChildStartingUp {
				t.Errorf("%+v", c)
			}
			var e *supervisor.StopError
			if err := g.Stop(context.Background()); errors.As(err, &e) != (f == deaf) {
				t.Errorf("Stop: %v", err)
			}
			if err := <-started; err == nil {
				t.Error("Start returned nil")
			}
		}
		close(release)
		<-deaf.done
	})
}

// Dynamic children. OTP: child_adm.
func TestGroupDynamic(t *testing.T) {
	bubble(t, supervisor.GroupOptions{Backoff: supervisor.Backoff{Min: time.Hour}}, func(t *testing.T, o supervisor.GroupOptions, r *record) {
		ctx := context.Background()
		a, b := newLever(), newLever()
		g := start(t, supervisor.NewGroup(o))
		is := func(err, want error) {
			t.Helper()
			if !errors.Is(err, want) || (want == nil) != (err == nil) {
				t.Errorf("got %v, want %v", err, want)
			}
		}
		is(g.Add(ctx, a.spec("a")), nil)
		is(g.Add(ctx, a.spec("a")), supervisor.ErrChildExists)
		is(g.Restart(ctx, "a"), supervisor.ErrChildRunning)
		is(g.Remove("a"), supervisor.ErrChildRunning)
		for _, err := range []error{g.Restart(ctx, "x"), g.Terminate(ctx, "x"), g.Remove("x")} {
			is(err, supervisor.ErrNoChild)
		}
		is(g.Terminate(ctx, "a"), nil)
		is(g.Terminate(ctx, "a"), nil)
		is(g.Add(ctx, a.spec("a")), supervisor.ErrChildExists)
		is(g.Restart(ctx, "a"), nil)
		r.wants(t, "a: ready", "a: stopped", "a: ready")

		a.end <- errBroken
		synctest.Wait()
		is(g.Restart(ctx, "a"), supervisor.ErrChildRestarting)
		is(g.Remove("a"), supervisor.ErrChildRestarting)
		is(g.Terminate(ctx, "a"), nil) // and so the restart
		time.Sleep(2 * time.Hour)
		is(g.Remove("a"), nil)
		if n := g.Count(); n != (supervisor.ChildCounts{}) {
			t.Errorf("count %+v", n)
		}

		// A transient child that ended is down until somebody wants it.
		spec := b.spec("b")
		spec.Restart = supervisor.Transient
		is(g.Add(ctx, spec), nil)
		b.end <- nil
		synctest.Wait()
		if n := g.Count(); n.Specs != 1 || n.Active != 0 {
			t.Errorf("count %+v", n)
		}
		is(g.Restart(ctx, "b"), nil)

		// A temporary one is forgotten, however it ends.
		spec.ID, spec.Restart = "c", supervisor.Temporary
		is(g.Add(ctx, spec), nil)
		is(g.Terminate(ctx, "c"), nil)
		is(g.Restart(ctx, "c"), supervisor.ErrNoChild)

		// A start that fails.
		spec = supervisor.ChildSpec{ID: "d", New: func(n int) (supervisor.Child, error) {
			if n == 1 {
				return newFake(), nil
			}
			return nil, errBroken
		}, Grace: supervisor.BrutalKill}
		is(g.Add(ctx, spec), nil)
		is(g.Terminate(ctx, "d"), nil)
		is(g.Restart(ctx, "d"), errBroken)
		is(g.Remove("d"), nil)
		spec.New = func(int) (supervisor.Child, error) { return nil, errBroken }
		is(g.Add(ctx, spec), errBroken)
		is(g.Remove("d"), supervisor.ErrNoChild)

		// One that declines.
		spec.New = func(int) (supervisor.Child, error) { return nil, nil }
		is(g.Add(ctx, spec), nil)
		is(g.Remove("d"), nil)

		// A caller that goes away takes the child along.
		short, cancel := context.WithTimeout(ctx, time.Second)
		defer cancel()
		slow := newLever().spec("e")
		slow.ReadyTimeout = time.Hour
		is(g.Add(short, slow), context.DeadlineExceeded)
		synctest.Wait()
		is(g.Remove("e"), supervisor.ErrNoChild)

		// One that does not stop in time, and one that is not waited for.
		is(g.Add(ctx, newFake().spec("f", time.Second)), nil)
		var e *supervisor.StopError
		if err := g.Terminate(ctx, "f"); !errors.As(err, &e) || e.Late[0].Action != supervisor.StopKilled {
			t.Errorf("Terminate: %v", err)
		}
		is(g.Add(ctx, newFake().spec("g", supervisor.Unlimited)), nil)
		short, cancel = context.WithTimeout(ctx, time.Second)
		defer cancel()
		is(g.Terminate(short, "g"), context.DeadlineExceeded)
		is(g.Remove("g"), nil)
		is(g.Stop(ctx), nil)
	})
}

// A group may be ended at any moment of its life, in any way, and nobody is
// left: PAINS row 23 for groups.
func TestGroupEndsAnyTime(t *testing.T) {
	t.Parallel()
	r := random(t)
	rounds := 150
	if testing.Short() {
		rounds = 30
	}
	for range rounds {
		var alive atomic.Int64
		run := func(ctx context.Context) error {
			alive.Add(1)
			defer alive.Add(-1)
			child.Ready(ctx)
			select {
			case <-ctx.Done():
				return ctx.Err()
			case <-time.After(time.Duration(rand.IntN(300)) * time.Microsecond):
				return errBroken
			}
		}
		spec := func(id string) supervisor.ChildSpec {
			return supervisor.ChildSpec{
				ID: id, Restart: supervisor.Restart(r.IntN(3)), ReadyTimeout: patience, Grace: patience,
				New: supervisor.FuncChild(run),
			}
		}
		o := supervisor.GroupOptions{Strategy: supervisor.Strategy(r.IntN(3)), Intensity: 20, Backoff: supervisor.Backoff{Min: time.Duration(r.IntN(2)) * 50 * time.Microsecond}}
		g := supervisor.NewGroup(o, spec("a"), supervisor.ChildSpec{ID: "b", New: supervisor.GroupChild(o, spec("c"), spec("d"))}, spec("e"))
		ctx, cancel := context.WithCancel(context.Background())
		started := make(chan error, 1)
		go func() { started <- g.Start(ctx) }()
		added := spec("f")
		go func() {
			_ = g.Add(ctx, added)
			_ = g.Terminate(ctx, "e")
			_ = g.Restart(ctx, "e")
		}()
		time.Sleep(time.Duration(r.IntN(1500)) * time.Microsecond)
		switch how := r.IntN(3); how {
		case 0:
			cancel()
		case 1:
			_ = g.Stop(ctx)
		case 2:
			_ = g.Kill()
		}
		select {
		case <-started:
		case <-time.After(patience):
			t.Fatal("Start hangs")
		}
		if err := g.Kill(); err != nil {
			t.Fatalf("Kill: %v", err)
		}
		select {
		case <-g.Done():
		case <-time.After(patience):
			t.Fatalf("the group does not end: %+v", g.Children())
		}
		cancel()
		var stop *supervisor.StopError
		if errors.As(g.Err(), &stop) && slices.ContainsFunc(stop.Late, func(l supervisor.LateChild) bool { return l.Action == supervisor.StopAbandoned }) {
			continue // a busy machine: 100 ms were too short
		}
		if n := alive.Load(); n != 0 {
			t.Fatalf("%d children are left", n)
		}
	}
}
