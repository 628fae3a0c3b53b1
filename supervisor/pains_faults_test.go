package supervisor_test

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"strings"
	"sync/atomic"
	"syscall"
	"testing"
	"time"

	"yunta/child"
	"yunta/supervisor"
)

// The tests named TestPain are the promises made about what users of process
// pools suffer from, each with its sentence.

// If a worker receives SIGKILL while running task T, T's future ends within 1 s
// with ErrWorkerDied carrying pid, signal 9 and task id, every other task
// completes, and the pool is back to full size.
func TestPain01KilledWorker(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	const size = 3 // two get stuck
	p := newPool(t, supervisor.PoolOptions{Processes: size})
	const n, at = 40, 17
	args := make([]string, n)
	args[at] = filepath.Join(dir, "victim")
	f := supervisor.MapAsync(testContext(t), p, hangsIfNamed, args)
	one := supervisor.ApplyAsync(testContext(t), p, waits, filepath.Join(dir, "one"))
	for _, tt := range []struct {
		name  string
		index int
		get   func(context.Context) error
	}{
		{"victim", at, func(ctx context.Context) error { _, err := f.Get(ctx); return err }},
		{"one", 0, func(ctx context.Context) error { _, err := one.Get(ctx); return err }},
	} {
		victim := waitPID(t, filepath.Join(dir, tt.name))
		if tt.name == "victim" {
			waitFor(t, "the other tasks", func() bool { return p.Stats().Tasks >= n-1 })
		}
		if err := syscall.Kill(victim, syscall.SIGKILL); err != nil {
			t.Fatal(err)
		}
		var err error
		soon(t, "the end of the killed task's future", time.Second, func() { err = tt.get(testContext(t)) })
		var task *supervisor.TaskError
		var exit *supervisor.ExitError
		if !errors.Is(err, supervisor.ErrWorkerDied) || !errors.As(err, &task) || !errors.As(err, &exit) {
			t.Fatalf("%s: got %v", tt.name, err)
		}
		if task.PID != victim || task.Index != tt.index || exit.Signal != syscall.SIGKILL || exit.Code != -1 {
			t.Errorf("%s: got %v, want pid %d, index %d, signal 9", tt.name, err, victim, tt.index)
		}
	}
	got, err := f.Get(testContext(t))
	var m *supervisor.MapError
	if !errors.As(err, &m) || len(m.Errors) != 1 || len(m.Unfinished) != 0 {
		t.Fatalf("got %v", err)
	}
	for i, v := range got {
		if i != at && v != "done" {
			t.Errorf("task %d: %q", i, v)
		}
	}
	waitFor(t, "the pool to be at full size", func() bool { return idle(p) == size })
}

// idle counts the workers that wait for work.
func idle(p *supervisor.Pool) (n int) {
	for _, w := range p.Workers() {
		if w.State == "idle" {
			n++
		}
	}
	return n
}

var hangsIfNamed = child.Register("hangsIfNamed", func(ctx context.Context, path string) (string, error) {
	if path == "" {
		return "done", nil
	}
	signPID(path)
	<-ctx.Done()
	return "", ctx.Err()
})

// After k of n tasks kill their workers, exactly k futures fail and n-k
// succeed, and a later submit succeeds.
func TestPain03KillersAmongTasks(t *testing.T) {
	t.Parallel()
	p := newPool(t, supervisor.PoolOptions{Processes: 2})
	const n, every = 60, 7
	for _, chunk := range []int{0, 1, 25} {
		var futures []*supervisor.Future[int]
		args := make([]int, n)
		k := 0
		for i := range args {
			if args[i] = i; i%every == 3 {
				args[i] = -1
				k++
			}
			futures = append(futures, supervisor.ApplyAsync(testContext(t), p, killsItself, args[i]))
		}
		failed := 0
		for i, f := range futures {
			got, err := f.Get(testContext(t))
			if err != nil {
				failed++
			}
			if errors.Is(err, supervisor.ErrWorkerDied) != (args[i] < 0) || err == nil && got != i {
				t.Errorf("future %d: %v, %v", i, got, err)
			}
		}
		if failed != k {
			t.Errorf("%d futures failed, want %d", failed, k)
		}
		got, err := supervisor.Map(testContext(t), p.With(supervisor.CallOptions{ChunkSize: chunk}), killsItself, args)
		var m *supervisor.MapError
		if !errors.As(err, &m) || len(m.Errors) != k || len(m.Unfinished) != 0 {
			t.Fatalf("chunks of %d: %v", chunk, err)
		}
		for i, v := range got {
			if want := max(args[i], 0); v != want {
				t.Errorf("chunks of %d: result %d is %d", chunk, i, v)
			}
		}
		if got, err := supervisor.Apply(testContext(t), p, square, 4); err != nil || got != 16 {
			t.Errorf("a later submit: %v, %v", got, err)
		}
	}
}

// killsItself kills its worker for a negative argument.
var killsItself = child.Register("killsItself", func(_ context.Context, n int) (int, error) {
	if n < 0 {
		syscall.Kill(os.Getpid(), syscall.SIGKILL)
		select {}
	}
	return n, nil
})

// A task with a 200 ms timeout that spins for ever ends with ErrTaskTimeout in
// under 200 ms + grace, its process is gone, and the next task on that slot
// runs. Cancel of a running future has the same effect.
func TestPain04TimeoutAndCancel(t *testing.T) {
	t.Parallel()
	const timeout, grace = 200 * time.Millisecond, 200 * time.Millisecond
	for name, entry := range map[string]child.Entry[string, int]{"spins": spins, "sticks": sticks, "waits": waits, "grandchild": grandchild} {
		for _, how := range []string{"timeout", "cancel", "context"} {
			t.Run(name+"/"+how, func(t *testing.T) {
				t.Parallel()
				p := newPool(t, supervisor.PoolOptions{Processes: 1, Grace: grace})
				path := filepath.Join(t.TempDir(), "begun")
				var err error
				want := supervisor.ErrTaskTimeout
				if how == "timeout" {
					// Two graces: the first to heed the context, the second to heed SIGTERM, which all do.
					took := soon(t, "the timeout", timeout+grace+500*time.Millisecond, func() {
						_, err = supervisor.Apply(testContext(t), p.With(supervisor.CallOptions{Timeout: timeout}), entry, path)
					})
					if took < timeout {
						t.Errorf("ended after %v, before its timeout", took)
					}
				} else {
					want = context.Canceled
					ctx, cancel := context.WithCancel(testContext(t))
					f := supervisor.ApplyAsync(ctx, p, entry, path)
					waitPID(t, path)
					soon(t, "cancelling", time.Second, func() {
						if how == "cancel" {
							f.Cancel()
						} else {
							cancel()
						}
						_, err = f.Get(context.Background())
					})
					cancel()
				}
				if !errors.Is(err, want) {
					t.Errorf("got %v, want %v", err, want)
				}
				var victim int
				soon(t, "the process's end", grace+time.Second, func() {
					victim = waitPID(t, path)
					waitFor(t, "the process to be gone", func() bool { return !alive(victim) })
				})
				if got, err := supervisor.Apply(testContext(t), p, pid, 0); err != nil || got == victim {
					t.Errorf("the next task ran in %d, %v", got, err)
				}
			})
		}
	}
}

// For each of {encode argument, decode argument, run, encode result, decode
// result} x {error, panic, os.Exit, SIGSEGV}: exactly one future fails, with a
// distinguishable error, and the pool then completes 100 more tasks.
//
// Stages of the program's own process are in TestPain05Parent where the fault
// ends that.
func TestPain05Stages(t *testing.T) {
	t.Parallel()
	for _, s := range stages {
		t.Run(string(s), func(t *testing.T) {
			t.Parallel()
			p := newPool(t, supervisor.PoolOptions{Processes: 2, Stderr: io.Discard})
			seen := make(map[string]fault)
			for _, f := range []fault{faultError, faultPanic, faultNil, faultExit, faultSIGSEGV, faultGoexit} {
				if s.inParent() && (f == faultExit || f == faultSIGSEGV || f == faultGoexit) {
					continue
				}
				for _, spring := range []func(*testing.T, *supervisor.Pool, stage, fault) error{springOne, springMany} {
					err := spring(t, p, s, f)
					if f == faultExit || f == faultSIGSEGV {
						wantDeath(t, err, f)
					} else {
						wantRemote(t, err, s, f)
					}
					if f == faultGoexit {
						continue // an error like others, with a text of its own
					}
					what := kindOf(err)
					if other, ok := seen[what]; ok && other != f {
						t.Errorf("%s cannot be told from %s: %s", f, other, what)
					}
					seen[what] = f
				}
			}
		})
	}
}

// kindOf is what a program can tell of an error without its text, but for the
// first line of what a dead child wrote.
func kindOf(err error) string {
	var r *supervisor.RemoteError
	var e *supervisor.ExitError
	switch {
	case errors.As(err, &r):
		return fmt.Sprintf("remote, panic %v, stage %v, type %s", r.Panic, r.Stage, r.Type)
	case errors.As(err, &e):
		first, _, _ := strings.Cut(e.Stderr, "\n")
		return fmt.Sprintf("status %d, signal %d, %s", e.Code, e.Signal, first)
	}
	return err.Error()
}

// An argument's encoder and a result's decoder run in the program itself: there
// os.Exit and SIGSEGV end the program, as anywhere in it, and no worker stays.
func TestPain05Parent(t *testing.T) {
	t.Parallel()
	for _, s := range []stage{encodeArgument, decodeResult} {
		for f, status := range map[fault]int{faultExit: trapExit, faultSIGSEGV: 2} {
			t.Run(string(s)+"/"+string(f), func(t *testing.T) {
				t.Parallel()
				p := command(t, springer, string(s), string(f)).start()
				p.say("ready")
				if got := p.wait(); got != status {
					t.Errorf("exit status %d, want %d; stderr:\n%s", got, status, p.stderr.String())
				}
				if f == faultSIGSEGV && !strings.Contains(p.stderr.String(), "SIGSEGV") {
					t.Errorf("stderr:\n%s", p.stderr.String())
				}
				p.gone()
			})
		}
	}
}

var initializerRuns atomic.Int64

var failsToStart = child.Register("failsToStart", func(_ context.Context, a startFault) (int, error) {
	initializerRuns.Add(1)
	sign(a.Path, "x")
	if a.From > len(signed(a.Path)) {
		return 0, nil // well, so far
	}
	return 0, a.Do.commit()
})

type startFault struct {
	Path string
	From int // the first start that fails
	Do   fault
}

// killedAtFirst is killed, as if by somebody else, at the first start of each worker.
var killedAtFirst = child.Register("killedAtFirst", func(_ context.Context, forever bool) (int, error) {
	if forever || child.Self().Incarnation == 1 {
		_ = syscall.Kill(os.Getpid(), syscall.SIGKILL)
		select {}
	}
	return 0, nil
})

// Who kills a child before the pool is up says nothing about its next start.
// That it is killed whenever it starts is an error in the end.
func TestNewPoolOutlivesKills(t *testing.T) {
	t.Parallel()
	p := newPool(t, supervisor.PoolOptions{Processes: 2, Initializer: killedAtFirst.Bind(false)})
	if got, err := supervisor.Apply(testContext(t), p, square, 7); got != 49 || err != nil {
		t.Errorf("got %d, %v", got, err)
	}
	_, err := supervisor.NewPool(testContext(t), supervisor.PoolOptions{Processes: 1, Initializer: killedAtFirst.Bind(true)})
	if exit, ok := errors.AsType[*supervisor.ExitError](err); !ok || exit.Signal != syscall.SIGKILL {
		t.Errorf("got %v", err)
	}
}

// An initializer that always fails makes the start return its error after at
// most the configured number of attempts, in under 5 s.
func TestPain15FailingInitializer(t *testing.T) {
	t.Parallel()
	for _, f := range []fault{faultError, faultPanic, faultExit, faultSIGSEGV} {
		t.Run(string(f), func(t *testing.T) {
			t.Parallel()
			path := filepath.Join(t.TempDir(), "starts")
			soon(t, "NewPool", 5*time.Second, func() {
				p, err := supervisor.NewPool(testContext(t), supervisor.PoolOptions{
					Processes: 3, Stderr: io.Discard, Initializer: failsToStart.Bind(startFault{Path: path, Do: f}),
				})
				if err == nil {
					p.Terminate()
				}
				switch f {
				case faultError, faultPanic:
					wantStart(t, err, f)
				default:
					wantDeath(t, err, f)
				}
			})
			if n := len(signed(path)); n > 3 {
				t.Errorf("%d starts of 3 workers", n)
			}
		})
	}
	// One that fails later, in replacements, breaks the pool after three
	// attempts: nothing hangs, and everybody is told why.
	t.Run("later", func(t *testing.T) {
		t.Parallel()
		path := filepath.Join(t.TempDir(), "starts")
		p, err := supervisor.NewPool(testContext(t), supervisor.PoolOptions{
			Processes: 1, Stderr: io.Discard, Initializer: failsToStart.Bind(startFault{Path: path, From: 2, Do: faultError}),
		})
		if err != nil {
			t.Fatal(err)
		}
		f := supervisor.MapAsync(testContext(t), p, killsItself, []int{-1, 1, 2, 3})
		soon(t, "the pool's end", 5*time.Second, func() {
			_, err := f.Get(testContext(t))
			if !errors.Is(err, supervisor.ErrPoolBroken) || !errors.Is(err, supervisor.ErrPoolTerminated) || !errors.Is(err, errTrap) {
				t.Errorf("got %v", err)
			}
			if err := p.Wait(testContext(t)); err != nil {
				t.Error(err)
			}
		})
		if n := len(signed(path)); n != 4 {
			t.Errorf("%d starts, want one that is well and three that fail", n)
		}
		if _, err := supervisor.Apply(testContext(t), p, square, 2); !errors.Is(err, supervisor.ErrPoolBroken) {
			t.Errorf("later: %v", err)
		}
	})
}

func wantStart(t *testing.T, err error, f fault) {
	t.Helper()
	var r *supervisor.RemoteError
	if !errors.As(err, &r) || r.Stage != child.StageStart || r.Panic != (f == faultPanic) || !errors.Is(err, errTrap) {
		t.Errorf("%s: got %v", f, err)
	}
}

// After Terminate every outstanding future is done with ErrPoolTerminated;
// after Close + Wait every future has its result.
func TestPain16Ends(t *testing.T) {
	t.Parallel()
	models(t, func(t *testing.T, o supervisor.PoolOptions) {
		submit := func(p *supervisor.Pool, d time.Duration) (out []func() error) {
			for range 20 {
				one := supervisor.ApplyAsync(context.Background(), p, sleep, d)
				many := supervisor.MapAsync(context.Background(), p, sleep, []time.Duration{d, d, d})
				out = append(out, func() error { _, err := one.Get(testContext(t)); return err },
					func() error { _, err := many.Get(testContext(t)); return err })
			}
			return out
		}
		p := newPool(t, o)
		outstanding := submit(p, time.Hour)
		p.Terminate()
		for i, get := range outstanding {
			if err := get(); !errors.Is(err, supervisor.ErrPoolTerminated) {
				t.Errorf("after Terminate future %d has %v", i, err)
			}
		}
		if err := p.Wait(testContext(t)); err != nil {
			t.Error(err)
		}
		p = newPool(t, o)
		outstanding = submit(p, 3*time.Millisecond)
		p.Close()
		if err := p.Wait(testContext(t)); err != nil {
			t.Error(err)
		}
		for i, get := range outstanding {
			if err := get(); err != nil {
				t.Errorf("after Close future %d has %v", i, err)
			}
		}
	})
}

// The error text holds pid, worker id, task name and id, exit code or signal
// name, run time, peak RSS, and the last lines of its stderr; SIGKILL with a
// risen cgroup oom_kill count says "out of memory".
func TestPain17Texts(t *testing.T) {
	t.Parallel()
	p := newPool(t, supervisor.PoolOptions{Processes: 1, Stderr: io.Discard})
	dir := t.TempDir()
	for name, want := range map[string]string{"exit": "exit status 5", "kill": "signal 9 (killed)"} {
		path := filepath.Join(dir, name)
		_, err := supervisor.Map(testContext(t), p, lastWords, []string{"", path})
		var m *supervisor.MapError
		if !errors.As(err, &m) || len(m.Errors) != 1 {
			t.Fatalf("got %v", err)
		}
		pid := waitPID(t, path)
		text := m.Errors[0].Error()
		for _, part := range []string{
			fmt.Sprintf("pid %d", pid), "worker 0", `"lastWords"`, "task 1", want, "after ", "ms", "line 19", "line 20",
		} {
			if !strings.Contains(text, part) {
				t.Errorf("%q is not in %q", part, text)
			}
		}
		if strings.Contains(text, "line 1;") || strings.Contains(text, "line 2;") {
			t.Errorf("more than the last lines: %q", text)
		}
		var e *supervisor.ExitError
		if !errors.As(err, &e) || e.Ran < 20*time.Millisecond || e.Ran > patience || !strings.Contains(e.Stderr, "line 1;") {
			t.Errorf("got %+v", e)
		}
	}
	oom := &supervisor.ExitError{Code: -1, Signal: syscall.SIGKILL, OOM: true}
	if text := oom.Error(); !strings.Contains(text, "out of memory") || !strings.Contains(text, "signal 9") {
		t.Errorf("the text is %q", text)
	}
}

var lastWords = child.Register("lastWords", func(_ context.Context, path string) (int, error) {
	if path == "" {
		return 0, nil
	}
	signPID(path)
	time.Sleep(30 * time.Millisecond)
	for i := range 20 {
		fmt.Fprintf(os.Stderr, "line %d;\n", i+1)
	}
	if filepath.Base(path) == "kill" {
		syscall.Kill(os.Getpid(), syscall.SIGKILL)
		select {}
	}
	os.Exit(5)
	return 0, nil
})

// A task that always kills its worker is tried exactly 1 + retries times, then
// fails with all attempts joined; other tasks lose nothing; default retries is 0.
func TestPain28Poison(t *testing.T) {
	t.Parallel()
	for retries := range 4 {
		path := filepath.Join(t.TempDir(), "tries")
		p := newPool(t, supervisor.PoolOptions{Processes: 2, Retries: retries})
		const n, at = 30, 11
		args := make([]string, n)
		args[at] = path
		got, err := supervisor.Map(testContext(t), p, poison, args)
		var m *supervisor.MapError
		if !errors.As(err, &m) || len(m.Errors) != 1 || m.Errors[0].Index != at || m.Errors[0].Attempts != 1+retries {
			t.Fatalf("%d retries: %v", retries, err)
		}
		if tries := len(signed(path)); tries != 1+retries {
			t.Errorf("%d retries: tried %d times", retries, tries)
		}
		if deaths := strings.Count(m.Errors[0].Error(), "signal 9"); deaths != 1+retries {
			t.Errorf("%d retries: the error tells of %d deaths: %v", retries, deaths, m.Errors[0])
		}
		for i, v := range got {
			if i != at && v != 1 {
				t.Errorf("%d retries: task %d has %d", retries, i, v)
			}
		}
		if s := p.Stats(); int(s.Retried) != retries || int(s.Died) != 1+retries {
			t.Errorf("%d retries: stats %+v", retries, s)
		}
	}
}

var poison = child.Register("poison", func(_ context.Context, path string) (int, error) {
	if path == "" {
		return 1, nil
	}
	sign(path, "x")
	syscall.Kill(os.Getpid(), syscall.SIGKILL)
	select {}
})
