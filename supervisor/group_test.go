package supervisor_test

import (
	"context"
	"errors"
	"fmt"
	"runtime"
	"slices"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"yunta/child"
	"yunta/supervisor"
)

// record keeps what a group tells, as lines without the group's name.
type record struct {
	mu    sync.Mutex
	lines []string
	all   []supervisor.Event
}

func (r *record) add(e supervisor.Event) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.all = append(r.all, e)
	line := strings.TrimPrefix(e.String(), "group: ")
	if e.Kind != supervisor.ChildStarted && e.Kind != supervisor.ChildStopping { // said soon again
		r.lines = append(r.lines, line)
	}
}

// wants checks the lines since the last time, once everything is quiet.
func (r *record) wants(t *testing.T, want ...string) {
	t.Helper()
	synctest.Wait()
	r.mu.Lock()
	defer r.mu.Unlock()
	if !slices.Equal(r.lines, want) {
		t.Errorf("events:\n\t%s\nwant:\n\t%s", strings.Join(r.lines, "\n\t"), strings.Join(want, "\n\t"))
	}
	r.lines = nil
}

// bubble runs a test of a group on a clock of its own, with a recorder as hook.
func bubble(t *testing.T, o supervisor.GroupOptions, f func(t *testing.T, o supervisor.GroupOptions, r *record)) {
	t.Helper()
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		r := new(record)
		o.Events = r.add
		f(t, o, r)
	})
}

func start(t testing.TB, g *supervisor.Group) *supervisor.Group {
	t.Helper()
	if err := g.Start(context.Background()); err != nil {
		t.Fatalf("Start: %v", err)
	}
	return g
}

// lever is a child that a test lets end.
type lever struct {
	end chan error
}

func newLever() *lever { return &lever{end: make(chan error)} }

// run is the child: it ends with what the test says, or when it is asked.
func (l *lever) run(ctx context.Context) error {
	select {
	case err := <-l.end:
		return err
	case <-ctx.Done():
		return ctx.Err()
	}
}

func (l *lever) spec(id string) supervisor.ChildSpec {
	return supervisor.ChildSpec{ID: id, New: supervisor.FuncChild(l.run)}
}

// stubborn heeds nothing until it is released.
func stubborn(release <-chan struct{}) func(context.Context) error {
	return func(context.Context) error { <-release; return nil }
}

// fake is a child that can be killed, and does as it was told otherwise.
type fake struct {
	start      func(ctx context.Context) error
	terminable bool
	immortal   bool
	once       sync.Once
	done       chan struct{}
}

func newFake() *fake { return &fake{done: make(chan struct{})} }

func (f *fake) Start(ctx context.Context) error {
	if f.start != nil {
		return f.start(ctx)
	}
	return nil
}
func (f *fake) Done() <-chan struct{}          { return f.done }
func (f *fake) Err() error                     { return errors.New("ended") }
func (f *fake) Stop(ctx context.Context) error { <-ctx.Done(); return ctx.Err() }
func (f *fake) end()                           { f.once.Do(func() { close(f.done) }) }

func (f *fake) Kill() error {
	if !f.immortal {
		f.end()
	}
	return nil
}

func (f *fake) Terminate() error {
	if f.terminable {
		f.end()
	}
	return nil
}

func (f *fake) spec(id string, grace time.Duration) supervisor.ChildSpec {
	return supervisor.ChildSpec{ID: id, Grace: grace, New: func(int) (supervisor.Child, error) { return f, nil }}
}

var errBroken = errors.New("broken")

func TestGroupLife(t *testing.T) {
	bubble(t, supervisor.GroupOptions{Strategy: supervisor.RestForOne}, func(t *testing.T, o supervisor.GroupOptions, r *record) {
		a, b, c := newLever(), newLever(), newLever()
		g := start(t, supervisor.NewGroup(o, a.spec("a"), b.spec("b"), c.spec("c")))
		r.wants(t, "a: ready", "b: ready", "c: ready")
		b.end <- errBroken
		r.wants(t, "b: exited: broken", "b: restarting, start 2: broken", "c: stopped", "b: ready", "c: ready")
		var got []string
		for _, c := range g.Children() {
			got = append(got, fmt.Sprintf("%s%d%v", c.ID, c.Incarnation, c.State))
		}
		if want := []string{"a1running", "b2running", "c2running"}; !slices.Equal(got, want) {
			t.Errorf("children %q, want %q", got, want)
		}
		if err := g.Stop(context.Background()); err != nil || g.Err() != nil {
			t.Errorf("Stop: %v; Err: %v", err, g.Err())
		}
		r.wants(t, "stops", "c: stopped", "b: stopped", "a: stopped", "is over")
		if err := errors.Join(g.Stop(context.Background()), g.Wait(context.Background()), g.Kill()); err != nil {
			t.Errorf("again: %v", err)
		}
		if err := g.Start(context.Background()); !errors.Is(err, supervisor.ErrGroupStarted) {
			t.Errorf("a second Start: %v", err)
		}
	})
}

// The next child waits until the one before it says that it is ready.
func TestGroupReadiness(t *testing.T) {
	bubble(t, supervisor.GroupOptions{}, func(t *testing.T, o supervisor.GroupOptions, r *record) {
		slow := func(d time.Duration) supervisor.ChildSpec {
			return supervisor.ChildSpec{ID: d.String(), ReadyTimeout: 10 * time.Second, New: supervisor.FuncChild(func(ctx context.Context) error {
				time.Sleep(d)
				child.Ready(ctx)
				child.Ready(ctx)
				<-ctx.Done()
				return ctx.Err()
			})}
		}
		began := time.Now()
		g := start(t, supervisor.NewGroup(o, slow(time.Second), slow(2*time.Second)))
		if d := time.Since(began); d != 3*time.Second {
			t.Errorf("Start took %v, want 3s", d)
		}
		began = time.Now()
		var e *supervisor.StartError
		if err := g.Add(context.Background(), slow(time.Minute)); !errors.Is(err, supervisor.ErrNotReady) || !errors.As(err, &e) || e.Child != "1m0s" {
			t.Errorf("Add: %v", err)
		}
		// It sleeps on without looking at its context: 2 s grace, and given up.
		if d := time.Since(began); d != 12*time.Second+100*time.Millisecond {
			t.Errorf("Add took %v", d)
		}
		if n := g.Count(); n.Specs != 2 || n.Active != 2 {
			t.Errorf("count %+v", n)
		}
		var stop *supervisor.StopError
		if err := g.Stop(context.Background()); !errors.As(err, &stop) || len(stop.Late) != 1 || stop.Late[0].Child != "1m0s" ||
			stop.Late[0].Action != supervisor.StopAbandoned {
			t.Errorf("Stop does not name who was left running: %v", err)
		}
		time.Sleep(time.Minute)
	})
}

// If the start of one fails, Start says so and leaves nothing.
func TestGroupStartFails(t *testing.T) {
	for _, row := range []struct {
		name string
		spec supervisor.ChildSpec
		want error
	}{
		{"New fails", supervisor.ChildSpec{New: func(int) (supervisor.Child, error) { return nil, errBroken }}, errBroken},
		{"New panics", supervisor.ChildSpec{New: func(int) (supervisor.Child, error) { panic(errBroken) }}, errBroken},
		{"Start fails", supervisor.ChildSpec{New: func(int) (supervisor.Child, error) {
			return &fake{start: func(context.Context) error { return errBroken }}, nil
		}}, errBroken},
		{"Start panics", supervisor.ChildSpec{New: func(int) (supervisor.Child, error) {
			return &fake{start: func(context.Context) error { panic(errBroken) }}, nil
		}}, errBroken},
		{"it is not ready in time", supervisor.ChildSpec{ReadyTimeout: time.Second, New: supervisor.FuncChild(func(ctx context.Context) error {
			<-ctx.Done()
			return ctx.Err()
		})}, supervisor.ErrNotReady},
		{"it ends before it is ready", supervisor.ChildSpec{ReadyTimeout: time.Second, New: supervisor.FuncChild(func(context.Context) error { return nil })}, supervisor.ErrNotReady},
		{"Start hangs", supervisor.ChildSpec{ReadyTimeout: time.Second, New: func(int) (supervisor.Child, error) {
			f := newFake()
			f.start = func(ctx context.Context) error { <-ctx.Done(); return ctx.Err() }
			return f, nil
		}}, supervisor.ErrNotReady},
		{"a group with a heartbeat", supervisor.ChildSpec{Heartbeat: time.Second, New: supervisor.GroupChild(supervisor.GroupOptions{})}, nil},
		{"a group gives up", supervisor.ChildSpec{New: supervisor.GroupChild(supervisor.GroupOptions{}, supervisor.ChildSpec{
			ID: "x", New: func(int) (supervisor.Child, error) { return nil, errBroken },
		})}, errBroken},
	} {
		t.Run(row.name, func(t *testing.T) {
			bubble(t, supervisor.GroupOptions{}, func(t *testing.T, o supervisor.GroupOptions, r *record) {
				row.spec.ID = "bad"
				g := supervisor.NewGroup(o, newLever().spec("a"), row.spec, newLever().spec("c"))
				err := g.Start(context.Background())
				var e *supervisor.StartError
				if !errors.As(err, &e) || e.Child != "bad" || row.want != nil && !errors.Is(err, row.want) {
					t.Errorf("Start: %v", err)
				}
				select {
				case <-g.Done():
				default:
					t.Error("the group has not ended")
				}
				r.mu.Lock()
				defer r.mu.Unlock()
				if n := len(r.lines); n != 5 || r.lines[0] != "a: ready" || r.lines[3] != "a: stopped" {
					t.Errorf("events %q", r.lines)
				}
			})
		})
	}
}

// Restarts wait for their backoff, and a stop does not.
func TestGroupBackoff(t *testing.T) {
	o := supervisor.GroupOptions{Intensity: 10, Backoff: supervisor.Backoff{Min: time.Second, Jitter: supervisor.NoJitter}}
	bubble(t, o, func(t *testing.T, o supervisor.GroupOptions, r *record) {
		a := newLever()
		g := start(t, supervisor.NewGroup(o, a.spec("a")))
		a.end <- errBroken
		synctest.Wait()
		began := time.Now()
		if c := g.Children()[0]; c.State != supervisor.ChildWaiting || !errors.Is(c.Err, errBroken) || c.Child != nil {
			t.Errorf("during the backoff: %+v", c)
		}
		a.end <- errBroken // taken by the second one
		if d := time.Since(began); d != time.Second {
			t.Errorf("restarted after %v", d)
		}
		synctest.Wait()
		began = time.Now()
		if err := g.Stop(context.Background()); err != nil || time.Since(began) != 0 {
			t.Errorf("Stop during a backoff: %v after %v", err, time.Since(began))
		}
		r.wants(t, "a: ready", "a: exited: broken", "a: restarting, start 2, 1s: broken", "a: ready", "a: exited: broken",
			"a: restarting, start 3, 2s: broken", "stops", "is over")
	})
}

// Too many restarts end the group, and the error has the failures.
func TestGroupGivesUp(t *testing.T) {
	bubble(t, supervisor.GroupOptions{Intensity: 2}, func(t *testing.T, o supervisor.GroupOptions, r *record) {
		n := 0
		fails := supervisor.FuncChild(func(context.Context) error {
			n++
			if n == 2 {
				panic("oh")
			}
			if n == 3 {
				runtime.Goexit()
			}
			return fmt.Errorf("%w: %d", errBroken, n)
		})
		g := supervisor.NewGroup(o, newLever().spec("a"), supervisor.ChildSpec{ID: "b", New: fails})
		start(t, g)
		err := g.Wait(context.Background())
		var e *supervisor.IntensityError
		if !errors.Is(err, supervisor.ErrIntensity) || !errors.Is(err, errBroken) || !errors.As(err, &e) {
			t.Fatalf("Wait: %v", err)
		}
		var remote *supervisor.RemoteError
		if e.Restarts != 3 || len(e.Failures) != 3 || !errors.As(e.Failures[1], &remote) || !remote.Panic || !strings.Contains(e.Failures[2].Error(), "Goexit") {
			t.Errorf("failures %v", e.Failures)
		}
		if err := g.Add(context.Background(), newLever().spec("c")); !errors.Is(err, supervisor.ErrGroupStopped) {
			t.Errorf("Add: %v", err)
		}
	})
}

// A group in a group: what the inner one cannot mend, the outer one mends by a
// new inner one, or gives up, too.
func TestGroupEscalates(t *testing.T) {
	bubble(t, supervisor.GroupOptions{Intensity: 1, Period: time.Minute}, func(t *testing.T, o supervisor.GroupOptions, r *record) {
		a := newLever()
		inner := supervisor.GroupChild(supervisor.GroupOptions{Intensity: 1, Period: time.Minute}, a.spec("a"), newLever().spec("b"))
		g := start(t, supervisor.NewGroup(o, supervisor.ChildSpec{ID: "inner", New: inner, Restart: supervisor.Transient}))
		if n := g.Count(); n.Groups != 1 {
			t.Errorf("count %+v", n)
		}
		for range 2 {
			a.end <- errBroken
		}
		synctest.Wait()
		if c := g.Children()[0]; c.Incarnation != 2 || c.State != supervisor.ChildRunning || !errors.Is(c.Err, supervisor.ErrIntensity) {
			t.Errorf("after the first escalation: %+v", c)
		}
		for range 2 {
			a.end <- errBroken
		}
		if err := g.Wait(context.Background()); !errors.Is(err, supervisor.ErrIntensity) || !errors.Is(err, errBroken) {
			t.Errorf("Wait: %v", err)
		}
	})
}

// A child that falls silent is stopped and started again; one that beats is not.
func TestGroupHeartbeat(t *testing.T) {
	bubble(t, supervisor.GroupOptions{}, func(t *testing.T, o supervisor.GroupOptions, r *record) {
		silent := make(chan struct{})
		beating := func(ctx context.Context) error {
			for {
				select {
				case <-ctx.Done():
					return ctx.Err()
				case <-silent:
					<-ctx.Done()
					return ctx.Err()
				case <-time.After(300 * time.Millisecond):
					child.Beat(ctx)
				}
			}
		}
		g := start(t, supervisor.NewGroup(o, supervisor.ChildSpec{ID: "a", New: supervisor.FuncChild(beating), Heartbeat: time.Second}))
		time.Sleep(time.Hour)
		r.wants(t, "a: ready")
		silent <- struct{}{}
		time.Sleep(2 * time.Second)
		r.wants(t, "a: silent, 1s", "a: exited: child missed its heartbeat of 1s", "a: restarting, start 2: child missed its heartbeat of 1s", "a: ready")
		if c := g.Children()[0]; !errors.Is(c.Err, supervisor.ErrHeartbeat) {
			t.Errorf("%+v", c)
		}
		if err := g.Stop(context.Background()); err != nil {
			t.Errorf("Stop: %v", err)
		}
	})
}

// The hook may use the group.
func TestGroupHook(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		var g *supervisor.Group
		told := make(chan struct{})
		a := newLever()
		g = supervisor.NewGroup(supervisor.GroupOptions{Events: func(e supervisor.Event) {
			if e.Kind == supervisor.ChildExited {
				if err := g.Add(context.Background(), newLever().spec("b")); err != nil {
					t.Errorf("Add: %v", err)
				}
				close(told)
			}
		}}, a.spec("a"))
		start(t, g)
		a.end <- errBroken
		<-told
		synctest.Wait()
		if n := g.Count(); n.Active != 2 {
			t.Errorf("count %+v", n)
		}
		g.Stop(context.Background())
	})
}

// The end of Start's context stops the group, before and after it is up.
func TestGroupContext(t *testing.T) {
	bubble(t, supervisor.GroupOptions{}, func(t *testing.T, o supervisor.GroupOptions, r *record) {
		ctx, cancel := context.WithCancelCause(context.Background())
		g := supervisor.NewGroup(o, newLever().spec("a"))
		if err := g.Start(ctx); err != nil {
			t.Fatal(err)
		}
		cancel(errBroken)
		if err := g.Wait(context.Background()); err != nil {
			t.Errorf("Wait: %v", err)
		}
		if err := supervisor.NewGroup(o).Start(ctx); !errors.Is(err, errBroken) {
			t.Errorf("Start after the end: %v", err)
		}
		short, cancelShort := context.WithTimeout(context.Background(), time.Second)
		defer cancelShort()
		hangs := newLever().spec("b")
		hangs.ReadyTimeout = time.Hour
		if err := supervisor.NewGroup(o, hangs).Start(short); !errors.Is(err, context.DeadlineExceeded) {
			t.Errorf("Start: %v", err)
		}
	})
}

func TestGroupMistakes(t *testing.T) {
	t.Parallel()
	f := supervisor.FuncChild(newLever().run)
	for _, row := range []struct {
		want string
		o    supervisor.GroupOptions
		spec supervisor.ChildSpec
	}{
		{"Strategy is 7", supervisor.GroupOptions{Strategy: 7}, supervisor.ChildSpec{}},
		{"Intensity is -3", supervisor.GroupOptions{Intensity: -3}, supervisor.ChildSpec{}},
		{"Period is -1ns", supervisor.GroupOptions{Period: -1}, supervisor.ChildSpec{}},
		{"AutoShutdown is 9", supervisor.GroupOptions{AutoShutdown: 9}, supervisor.ChildSpec{}},
		{"Backoff.Max is 1ns", supervisor.GroupOptions{Backoff: supervisor.Backoff{Min: 2, Max: 1}}, supervisor.ChildSpec{}},
		{"Backoff.Jitter is 1.5", supervisor.GroupOptions{Backoff: supervisor.Backoff{Jitter: 1.5}}, supervisor.ChildSpec{}},
		{"ID is empty", supervisor.GroupOptions{}, supervisor.ChildSpec{New: f}},
		{"New is nil", supervisor.GroupOptions{}, supervisor.ChildSpec{ID: "x"}},
		{"Restart is 5", supervisor.GroupOptions{}, supervisor.ChildSpec{ID: "x", New: f, Restart: 5}},
		{"Grace is -5ns", supervisor.GroupOptions{}, supervisor.ChildSpec{ID: "x", New: f, Grace: -5}},
		{"ReadyTimeout is -1ns", supervisor.GroupOptions{}, supervisor.ChildSpec{ID: "x", New: f, ReadyTimeout: -1}},
		{"Heartbeat is 1ms", supervisor.GroupOptions{}, supervisor.ChildSpec{ID: "x", New: f, Heartbeat: time.Millisecond}},
		{"Restart is Permanent", supervisor.GroupOptions{AutoShutdown: supervisor.AnySignificant}, supervisor.ChildSpec{ID: "x", New: f, Significant: true}},
		{"NeverShutdown", supervisor.GroupOptions{}, supervisor.ChildSpec{ID: "x", New: f, Significant: true, Restart: supervisor.Transient}},
	} {
		specs := []supervisor.ChildSpec{row.spec}
		if row.spec.ID == "" && row.spec.New == nil {
			specs = nil
		}
		g := supervisor.NewGroup(row.o, specs...)
		if err := g.Start(context.Background()); err == nil || !strings.Contains(err.Error(), row.want) || g.Err() == nil {
			t.Errorf("Start: %v, want %q", err, row.want)
		}
	}
	x := supervisor.ChildSpec{ID: "x", New: f}
	if err := supervisor.NewGroup(supervisor.GroupOptions{}, x, x).Start(context.Background()); !errors.Is(err, supervisor.ErrChildExists) {
		t.Errorf("two of one ID: %v", err)
	}
	g := supervisor.NewGroup(supervisor.GroupOptions{})
	for name, err := range map[string]error{
		"Stop": g.Stop(context.Background()), "Kill": g.Kill(), "Wait": g.Wait(context.Background()),
		"Add": g.Add(context.Background(), x), "Remove": g.Remove("x"),
	} {
		if !errors.Is(err, supervisor.ErrGroupStopped) {
			t.Errorf("%s before the start: %v", name, err)
		}
	}
}
