package supervisor_test

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"yunta/child"
	"yunta/supervisor"
)

func TestCommandExceptions(t *testing.T) {
	t.Parallel()
	p := newPool(t, pythonCommand(t))
	ctx := testContext(t)
	got, err := supervisor.Map(ctx, p, pyFails, []int{0, 1, 2, 3})
	m, ok := errors.AsType[*supervisor.MapError](err)
	if !ok || len(m.Errors) != 2 || got[2] != 2 {
		t.Fatal(got, err)
	}
	e, ok := errors.AsType[*supervisor.RemoteError](m.Errors[1])
	if !ok || e.Type != "Odd" || e.Message != "odd: 3" || e.Panic || !strings.Contains(e.Stack, "in fails") || !strings.Contains(e.Stack, "worker.py") {
		t.Errorf("%+v", e)
	}
	_, err = supervisor.Apply(ctx, p, child.Foreign[string, int]("no_file"), "/nowhere/at/all")
	if !errors.Is(err, os.ErrNotExist) || !errors.Is(err, syscall.ENOENT) {
		t.Error(err)
	}
	_, err = supervisor.Apply(ctx, p, child.Foreign[int, int]("mute"), 0)
	if e, ok := errors.AsType[*supervisor.RemoteError](err); !ok || e.Type != "Mute" || !strings.Contains(e.Message, "RuntimeError") {
		t.Error(err)
	}
	for kind, want := range map[string]string{"text": "wordy", "pair": `half a pair: \ud800`} {
		_, err = supervisor.Apply(ctx, p, child.Foreign[string, int]("unsayable"), kind)
		if e, ok := errors.AsType[*supervisor.RemoteError](err); !ok || e.Message != want {
			t.Errorf("%s: %v", kind, err)
		}
	}
	// Not an error of its own making: the argument's.
	_, err = supervisor.Apply(ctx, p, child.Foreign[string, int]("square"), "x")
	if e, ok := errors.AsType[*supervisor.RemoteError](err); !ok || e.Type != "TypeError" || e.Stage != child.StageRun {
		t.Error(err)
	}
	if s := p.Stats(); s.Died != 0 {
		t.Errorf("%+v", s)
	}
}

// A worker leaves as it should when a task has waited for the worker's own child,
// or lets nobody wait for any.
func TestCommandLeavesWithoutItsGuard(t *testing.T) {
	t.Parallel()
	for _, how := range []string{"ignore", "wait"} {
		if _, err := os.Stat(fmt.Sprintf("/proc/self/task/%d/children", os.Getpid())); err != nil && how == "wait" {
			continue // there is nowhere to find its children
		}
		var stderr lockedBuffer
		o := pythonCommand(t)
		o.Processes, o.Stderr = 1, &stderr
		p := newPool(t, o)
		ctx := testContext(t)
		n, err := supervisor.Apply(ctx, p, child.Foreign[string, int]("disowns"), how)
		if err != nil || how == "wait" && n != 1 {
			t.Fatal(how, n, err)
		}
		if err := errors.Join(p.Close(), p.Wait(ctx)); err != nil {
			t.Error(how, err)
		}
		if s := p.Stats(); s.Died != 0 || stderr.String() != "" {
			t.Errorf("%s: %+v\n%s", how, s, stderr.String())
		}
	}
}

// What ends the process is told apart as it is for any worker, and the others
// go on.
func TestCommandEnds(t *testing.T) {
	t.Parallel()
	o := pythonCommand(t)
	o.Grace, o.Stderr = 50*time.Millisecond, new(lockedBuffer)
	p := newPool(t, o)
	for _, c := range []struct {
		entry  string
		arg    int
		code   int
		signal syscall.Signal
		text   string
	}{
		{"sys_exit", 3, 3, 0, "exit status 3"},
		{"os_exit", 4, 4, 0, "exit status 4"},
		{"os_exit", 0, 0, 0, "exit status 0"},
		{"die", 9, -1, syscall.SIGKILL, "signal 9"},
		{"die", 11, -1, syscall.SIGSEGV, "in die"},
		{"die", 15, -1, syscall.SIGTERM, "signal 15"},
		{"closes_pipes", 0, -1, syscall.SIGKILL, "signal 9"},
		{"deep_log", 0, -1, syscall.SIGKILL, "nested more than"},
		{"deep_error", 0, -1, syscall.SIGKILL, "nested more than"},
		{"garbage", 0, -1, syscall.SIGKILL, "for what it sent (wire: malformed frame"},
		{"wrong_number", 0, -1, syscall.SIGKILL, "an answer to task number 383"},
		{"endless", 0, -1, syscall.SIGKILL, "signal 9"},
	} {
		_, err := supervisor.Apply(testContext(t), p, child.Foreign[int, int](c.entry), c.arg)
		e, ok := errors.AsType[*supervisor.ExitError](err)
		if !ok || !errors.Is(err, supervisor.ErrWorkerDied) || e.Code != c.code || e.Signal != c.signal || !strings.Contains(err.Error(), c.text) {
			t.Errorf("%s(%d): %v", c.entry, c.arg, err)
		}
		if v, err := supervisor.Apply(testContext(t), p, pySquare, 5); v != 25 || err != nil {
			t.Error(v, err)
		}
	}
	// A result is the task's own.
	_, err := supervisor.Apply(testContext(t), p, child.Foreign[int, any]("deep_result"), 0)
	if e, ok := errors.AsType[*supervisor.RemoteError](err); !ok || e.Stage != child.StageDecodeResult {
		t.Error(err)
	}
	waitFor(t, "two workers", func() bool { return len(p.Workers()) == 2 })
}

func TestCommandStops(t *testing.T) {
	t.Parallel()
	for _, c := range []struct{ entry, want string }{
		{"sleeps", ""}, {"cleans", "TimedOut-True"}, {"stubborn", ""}, {"polls", ""},
	} {
		t.Run(c.entry, func(t *testing.T) {
			t.Parallel()
			o := pythonCommand(t)
			o.Processes, o.Grace = 1, 200*time.Millisecond
			p := newPool(t, o)
			entry := child.Foreign[string, int](c.entry)
			path := filepath.Join(t.TempDir(), "signed")
			_, err := supervisor.Apply(testContext(t), p.With(supervisor.CallOptions{Timeout: 100 * time.Millisecond}), entry, path)
			if !errors.Is(err, supervisor.ErrTaskTimeout) {
				t.Error(err)
			}
			first := waitPID(t, path)
			if c.want != "" {
				if got := waitSigned(t, path, 2); got[1] != c.want {
					t.Error(got)
				}
			}
			waitFor(t, "the process to go", func() bool { return !alive(first) })
			if v, err := supervisor.Apply(testContext(t), p, pySquare, 5); v != 25 || err != nil {
				t.Error(v, err)
			}

			// The same by the caller's will.
			path += "2"
			f := supervisor.ApplyAsync(context.Background(), p, entry, path)
			second := waitPID(t, path)
			f.Cancel()
			if _, err := f.Get(testContext(t)); !errors.Is(err, context.Canceled) {
				t.Error(err)
			}
			if c.want != "" {
				if got := waitSigned(t, path, 2); got[1] != "Cancelled-True" {
					t.Error(got)
				}
			}
			waitFor(t, "the process to go", func() bool { return !alive(second) })
			if v, err := supervisor.Apply(testContext(t), p, pySquare, 6); v != 36 || err != nil {
				t.Error(v, err)
			}
		})
	}
}

// An interrupt that is not the supervisor's is dropped, as by any worker.
func TestCommandIgnoresInterrupts(t *testing.T) {
	t.Parallel()
	p := newPool(t, pythonCommand(t))
	if v, err := supervisor.Apply(testContext(t), p, child.Foreign[int, int]("interrupts"), 0); v != 1 || err != nil {
		t.Error(v, err)
	}
}

// What a task has started goes with its process.
func TestCommandTakesGrandchildren(t *testing.T) {
	t.Parallel()
	o := pythonCommand(t)
	o.Processes, o.Grace = 1, 50*time.Millisecond
	p := newPool(t, o)
	path := filepath.Join(t.TempDir(), "signed")
	f := supervisor.ApplyAsync(context.Background(), p, child.Foreign[string, int]("grandchild"), path)
	grandchild := waitPID(t, path)
	f.Cancel()
	waitFor(t, "the grandchild to go", func() bool { return !alive(grandchild) })
}

// A process in a session of its own that keeps the pipes of a dead worker open
// does not hide its death.
func TestCommandDaemonHoldsPipes(t *testing.T) {
	t.Parallel()
	p := newPool(t, pythonCommand(t))
	entries := []string{"daemon"}
	if supervisor.WatchesExit {
		entries = append(entries, "daemon_keeps")
	}
	for _, name := range entries {
		path := filepath.Join(t.TempDir(), name)
		_, err := supervisor.Apply(testContext(t), p, child.Foreign[string, int](name), path)
		if e, ok := errors.AsType[*supervisor.ExitError](err); !ok || e.Signal != syscall.SIGKILL {
			t.Error(err)
		}
		_ = syscall.Kill(waitPID(t, path), syscall.SIGKILL)
	}
}

// Tasks that fork, by themselves or by multiprocessing.
func TestCommandForks(t *testing.T) {
	t.Parallel()
	p := newPool(t, pythonCommand(t))
	ctx := testContext(t)
	got, err := supervisor.Map(ctx, p, child.Foreign[int, int]("forks"), ints(50))
	if !slices.Equal(got, ints(50)) || err != nil {
		t.Error(got, err)
	}
	sum, err := supervisor.Apply(ctx, p, child.Foreign[int, int]("processes"), 10)
	if sum != 285 || err != nil {
		t.Error(sum, err)
	}
	if s := p.Stats(); s.Died != 0 {
		t.Errorf("%+v", s)
	}
}

// Nothing of a supervisor that was killed stays.
func TestCommandSupervisorKilled(t *testing.T) {
	t.Parallel()
	o := pythonCommand(t)
	path := filepath.Join(t.TempDir(), "signed")
	h := command(t, commandHelper, path, o.Command[0], o.Env[0])
	h.start()
	waitSigned(t, path, 3)
	h.kill()
	h.gone()
}

var commandHelper = helper("command", func(args []string) int {
	p, err := supervisor.NewPool(helperContext(), supervisor.PoolOptions{
		Processes: 3, Command: []string{args[1], "testdata/worker.py"}, Env: args[2:],
	})
	must(err)
	_, err = supervisor.Map(helperContext(), p, child.Foreign[string, int]("grandchild"), []string{args[0], args[0], args[0]})
	fmt.Println(err)
	return 1
})

// Workers are killed at random instants while several callers use the pool: what
// was not begun runs elsewhere without spending a retry, and what was begun is
// reported, once, as lost by a death.
func TestCommandKilledAtRandom(t *testing.T) {
	t.Parallel()
	r := random(t)
	o := pythonCommand(t)
	o.Processes = 3
	p := newPool(t, o)
	ctx := testContext(t)
	var callers sync.WaitGroup
	stop := make(chan struct{})
	var mu sync.Mutex
	lost, tasks := 0, 0
	for range 2 {
		callers.Go(func() {
			for {
				select {
				case <-stop:
					return
				default:
				}
				const n = 200
				got, err := supervisor.Map(ctx, p, pySquare, ints(n))
				var failed map[int]bool
				if m, ok := errors.AsType[*supervisor.MapError](err); ok {
					failed = make(map[int]bool)
					for _, e := range m.Errors {
						failed[e.Index] = true
						if !errors.Is(e, supervisor.ErrWorkerDied) || e.Attempts != 1 {
							t.Errorf("%v", e)
						}
					}
				} else if err != nil {
					t.Error(err)
				}
				for i, v := range got {
					if !failed[i] && v != i*i {
						t.Errorf("square(%d) = %d", i, v)
					}
				}
				mu.Lock()
				lost += len(failed)
				tasks += n
				mu.Unlock()
			}
		})
	}
	kills := 0
	for kills < 40 && !t.Failed() {
		time.Sleep(time.Duration(r.IntN(20_000)) * time.Microsecond)
		if workers := p.Workers(); len(workers) > 0 {
			w := workers[r.IntN(len(workers))]
			if w.State != "starting" && syscall.Kill(w.PID, syscall.SIGKILL) == nil {
				kills++
			}
		}
	}
	close(stop)
	callers.Wait()
	if lost > kills {
		t.Errorf("%d kills lost %d tasks", kills, lost)
	}
	waitFor(t, "all workers", func() bool { return len(p.Workers()) == 3 })
	t.Logf("%d kills, %d of %d tasks lost; %+v", kills, lost, tasks, p.Stats())
}

// A worker that dies before it has begun what it was sent costs no retry.
func TestCommandStoppedBeforeItBegins(t *testing.T) {
	t.Parallel()
	o := pythonCommand(t)
	o.Processes = 1
	p := newPool(t, o)
	pid, err := supervisor.Apply(testContext(t), p, pyPID, 0)
	if err != nil {
		t.Fatal(err)
	}
	if err := syscall.Kill(pid, syscall.SIGSTOP); err != nil {
		t.Fatal(err)
	}
	f := supervisor.ApplyAsync(context.Background(), p, pySquare, 7)
	waitFor(t, "the task to be on its way", func() bool {
		w := p.Workers()
		return len(w) == 1 && w[0].State == "running"
	})
	if err := syscall.Kill(pid, syscall.SIGKILL); err != nil {
		t.Fatal(err)
	}
	if v, err := f.Get(testContext(t)); v != 49 || err != nil {
		t.Error(v, err)
	}
	if s := p.Stats(); s.Failed != 0 || s.Retried != 0 || s.Died != 1 {
		t.Errorf("%+v", s)
	}
}

func TestCommandRetries(t *testing.T) {
	t.Parallel()
	o := pythonCommand(t)
	o.Processes, o.Retries = 1, 2
	p := newPool(t, o)
	_, err := supervisor.Apply(testContext(t), p, child.Foreign[int, int]("os_exit"), 5)
	if e, ok := errors.AsType[*supervisor.TaskError](err); !ok || e.Attempts != 3 || !errors.Is(err, supervisor.ErrWorkerDied) {
		t.Error(err)
	}
	if s := p.Stats(); s.Retried != 2 || s.Died != 3 {
		t.Errorf("%+v", s)
	}
}
