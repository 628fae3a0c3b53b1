package supervisor_test

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"sync"
	"syscall"
	"testing"
	"time"

	"yunta/child"
	"yunta/supervisor"
)

// service is a long-lived child: it signs, says that it is ready, and beats
// until it is asked to end, or hangs after so many beats.
type service struct {
	Path  string
	Beats int // 0: for ever
}

var serves = child.Register("serves", func(ctx context.Context, s service) (int, error) {
	signPID(s.Path)
	child.Ready(ctx)
	for i := 1; ; i++ {
		select {
		case <-ctx.Done():
			return 0, nil
		case <-time.After(10 * time.Millisecond):
			if s.Beats == 0 || i < s.Beats || child.Self().Incarnation > 1 {
				child.Beat(ctx)
			}
		}
	}
})

func serviceSpec(id, path string, beats int) supervisor.ChildSpec {
	return supervisor.ChildSpec{
		ID: id, New: supervisor.ProcessChild(serves, service{path, beats}, supervisor.ProcessOptions{}),
		ReadyTimeout: patience, Heartbeat: 2 * time.Second, Grace: patience,
	}
}

// newGroup starts a group that is stopped when the test ends.
func newGroup(t testing.TB, o supervisor.GroupOptions, specs ...supervisor.ChildSpec) *supervisor.Group {
	t.Helper()
	g := supervisor.NewGroup(o, specs...)
	t.Cleanup(func() {
		ctx, cancel := context.WithTimeout(context.Background(), patience)
		defer cancel()
		if err := g.Stop(ctx); err != nil && g.Err() == nil {
			t.Errorf("Stop: %v", err)
		}
	})
	if err := g.Start(testContext(t)); err != nil {
		t.Fatal(err)
	}
	return g
}

// One that hangs is stopped and replaced, one that was stopped by a signal is
// killed and replaced, and the others live on.
func TestGroupProcessHangs(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	a, b := filepath.Join(dir, "a"), filepath.Join(dir, "b")
	g := newGroup(t, supervisor.GroupOptions{Intensity: 10}, serviceSpec("a", a, 5), serviceSpec("b", b, 0))
	waitSigned(t, a, 2)
	waitFor(t, "the second incarnation", func() bool { return g.Children()[0].State == supervisor.ChildRunning })
	if c := g.Children()[0]; c.Incarnation != 2 || !errors.Is(c.Err, supervisor.ErrHeartbeat) {
		t.Errorf("%+v", c)
	}
	c := g.Children()[1]
	if c.PID != waitPID(t, b) || !alive(c.PID) {
		t.Errorf("%+v", c)
	}
	_ = syscall.Kill(c.PID, syscall.SIGKILL)
	waitSigned(t, b, 2)
	var exit *supervisor.ExitError
	waitFor(t, "its error", func() bool { return errors.As(g.Children()[1].Err, &exit) })
	if exit.Signal != syscall.SIGKILL || exit.PID != c.PID {
		t.Errorf("%+v", exit)
	}
}

// The report of a stop, with processes that were asked, terminated and killed.
func TestGroupProcessStop(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	spec := func(id string, e child.Entry[string, int]) supervisor.ChildSpec {
		return supervisor.ChildSpec{
			ID: id, Grace: 200 * time.Millisecond,
			New: supervisor.ProcessChild(e, filepath.Join(dir, id), supervisor.ProcessOptions{Stderr: new(lockedBuffer)}),
		}
	}
	asked := serviceSpec("asked", filepath.Join(dir, "asked"), 0)
	g := newGroup(t, supervisor.GroupOptions{}, asked, spec("terminated", sticks), spec("killed", heedsNothing))
	for _, c := range g.Children() {
		waitFor(t, c.ID, func() bool { _, err := os.Stat(filepath.Join(dir, c.ID)); return err == nil })
	}
	var pids []int
	for _, c := range g.Children() {
		pids = append(pids, c.PID)
	}
	var e *supervisor.StopError
	if err := g.Stop(testContext(t)); !errors.As(err, &e) || len(e.Late) != 2 {
		t.Fatalf("Stop: %v", err)
	}
	for i, want := range []supervisor.LateChild{
		{Child: "killed", Incarnation: 1, PID: pids[2], Action: supervisor.StopKilled, Grace: 200 * time.Millisecond},
		{Child: "terminated", Incarnation: 1, PID: pids[1], Action: supervisor.StopTerminated, Grace: 200 * time.Millisecond},
	} {
		if e.Late[i] != want {
			t.Errorf("%+v, want %+v", e.Late[i], want)
		}
	}
	for _, pid := range pids {
		if alive(pid) {
			t.Errorf("pid %d is still there", pid)
		}
	}
}

// Members are killed at random instants, while they start, run and stop, and so
// are whole restarts: whatever happens, the group comes back, nobody is there
// twice, and nothing is left.
func TestGroupProcessKilled(t *testing.T) {
	t.Parallel()
	for s := supervisor.OneForOne; s <= supervisor.RestForOne; s++ {
		t.Run(s.String(), func(t *testing.T) {
			t.Parallel()
			r := random(t)
			dir := t.TempDir()
			var mu sync.Mutex
			live := map[string]int{} // incarnations of a child that are there
			o := supervisor.GroupOptions{Strategy: s, Intensity: 10000, Events: func(e supervisor.Event) {
				mu.Lock()
				defer mu.Unlock()
				switch e.Kind {
				case supervisor.ChildStarted:
					live[e.Child]++
				case supervisor.ChildExited, supervisor.ChildStopped, supervisor.ChildFailed:
					live[e.Child] = 0
				}
				if live[e.Child] > 1 {
					t.Errorf("%v, and it was there", e)
				}
			}}
			var specs []supervisor.ChildSpec
			for i := range 4 {
				id := strconv.Itoa(i)
				specs = append(specs, serviceSpec(id, filepath.Join(dir, id), 0))
			}
			inner := supervisor.GroupChild(supervisor.GroupOptions{Intensity: 10000}, specs[3])
			specs[3] = supervisor.ChildSpec{ID: "inner", New: inner}
			g := newGroup(t, o, specs...)
			pidsOf := func() (pids []int) {
				for _, c := range g.Children() {
					if c.PID != 0 {
						pids = append(pids, c.PID)
					} else if in, ok := c.Child.(*supervisor.Group); ok && len(in.Children()) > 0 && in.Children()[0].PID != 0 {
						pids = append(pids, in.Children()[0].PID)
					}
				}
				return pids
			}
			kills := 25
			if testing.Short() {
				kills = 5
			}
			for range kills {
				time.Sleep(time.Duration(r.IntN(30)) * time.Millisecond)
				for _, pid := range pidsOf() {
					if r.IntN(3) == 0 {
						_ = syscall.Kill(pid, syscall.SIGKILL)
					}
				}
			}
			waitFor(t, "everybody to be back", func() bool {
				return !slices.ContainsFunc(g.Children(), func(c supervisor.ChildInfo) bool { return c.State != supervisor.ChildRunning }) &&
					len(pidsOf()) == 4
			})
			pids := pidsOf()
			if r.IntN(2) == 0 {
				_ = syscall.Kill(pids[r.IntN(4)], syscall.SIGKILL) // and while it stops
			}
			if err := g.Stop(testContext(t)); err != nil {
				t.Errorf("Stop: %v", err)
			}
			for _, pid := range pids {
				if alive(pid) {
					t.Errorf("pid %d is still there", pid)
				}
			}
		})
	}
}

var groupHelper = helper("group", func(args []string) int {
	inner := supervisor.GroupChild(supervisor.GroupOptions{Strategy: supervisor.OneForAll}, serviceSpec("b", args[0], 0), serviceSpec("c", args[0], 0))
	g := supervisor.NewGroup(
		supervisor.GroupOptions{}, serviceSpec("a", args[0], 0), supervisor.ChildSpec{ID: "inner", New: inner},
	)
	must(g.Start(helperContext()))
	fmt.Println("up")
	<-g.Done()
	return 0
})

// Nothing of a group is left when its program is killed.
func TestGroupProgramKilled(t *testing.T) {
	t.Parallel()
	path := filepath.Join(t.TempDir(), "pids")
	p := command(t, groupHelper, path).start()
	p.say("up")
	if n := len(waitSigned(t, path, 3)); n != 3 {
		t.Errorf("%d processes", n)
	}
	p.kill()
	p.gone()
	for _, s := range signed(path) {
		if pid, _ := strconv.Atoi(s); alive(pid) {
			t.Errorf("pid %d is still there", pid)
		}
	}
}

// Ready and Beat need nobody who listens.
func TestProcessUnheard(t *testing.T) {
	t.Parallel()
	path := filepath.Join(t.TempDir(), "pid")
	p := startProcess(t, serves, service{Path: path}, supervisor.ProcessOptions{})
	waitPID(t, path)
	if err := p.Stop(testContext(t)); err != nil {
		t.Errorf("Stop: %v", err)
	}
	if code := ended(t, p); code != 0 {
		t.Errorf("exit code %d: %v", code, p.Err())
	}
}
