package supervisor_test

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"os/signal"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"

	"yunta/child"
	"yunta/oslock"
	"yunta/supervisor"
)

// orphan is a program whose workers are busy in the given way, for as long as
// it lives: idle, starting, or with an entry that gets stuck.
var orphan = helper("orphan", func(args []string) int {
	how, path := args[0], args[1]
	o := supervisor.PoolOptions{Processes: 2}
	switch how {
	case "starting":
		o.Processes = 6
		fmt.Println("starting")
	case "initializing":
		o.Initializer = spins.Bind(path)
	}
	ctx := helperContext()
	p, err := supervisor.NewPool(ctx, o)
	must(err)
	entry, busy := map[string]child.Entry[string, int]{"computing": spins, "locked": locks, "grandchild": grandchild, "sleeping": sticks}[how]
	if how == "locked" {
		l, err := oslock.OpenLock(path+".lock", oslock.LockOptions{})
		must(err)
		if err := l.Lock(ctx); !errors.Is(err, oslock.ErrOwnerDied) { // as the orphan before this one did
			must(err)
		}
	}
	if busy {
		supervisor.MapAsync(ctx, p, entry, []string{path, path})
	}
	_, err = supervisor.Map(ctx, p, square, nil)
	must(err)
	fmt.Println("ready", len(p.Workers()))
	select {}
})

// After SIGKILL of the supervisor, no worker or grandchild in its groups
// exists 2 s later, whether idle, computing, blocked in a lock, or still
// starting; twenty times of twenty. The next start sweeps the run directory.
func TestPain07KilledSupervisor(t *testing.T) {
	t.Parallel()
	const times = 20
	for _, how := range []string{"idle", "computing", "sleeping", "locked", "grandchild", "starting", "initializing"} {
		t.Run(how, func(t *testing.T) {
			t.Parallel()
			r := random(t)
			dir := shortDir(t)
			path := filepath.Join(dir, "signed")
			start := func() *program {
				os.Remove(path)
				p := command(t, orphan, how, path)
				p.Env = append(p.Env, "YUNTA_DIR="+dir)
				return p.start()
			}
			for i := range times {
				p := start()
				switch how {
				case "starting":
					p.say("starting")
					time.Sleep(time.Duration(r.IntN(30)) * time.Millisecond) // any moment will do
				case "initializing":
					waitSigned(t, path, 1)
				default:
					p.say("ready 2")
					if how != "idle" {
						waitSigned(t, path, 2)
					}
				}
				if how != "starting" {
					// Its own folder and none of those before it.
					if left := runFolders(t, dir); len(left) != 1 {
						t.Errorf("round %d: folders %v, want one", i, left)
					}
					if n := len(descendants(p.run)); n < 2 {
						t.Errorf("round %d: only %d processes are there to be killed", i, n)
					}
				}
				p.kill()
				p.gone()
				if t.Failed() {
					t.Fatalf("round %d of %d", i, times)
				}
			}
			p := command(t, unclosed)
			p.Env = append(p.Env, "YUNTA_DIR="+dir)
			p.start()
			p.say("got 49")
			if left := runFolders(t, dir); len(left) != 1 {
				t.Errorf("after the next start: %v", left)
			}
			p.wait()
		})
	}
}

// interruptible is a program as the documentation would have it written: the
// first Ctrl-C cancels, a second is not caught any more.
var interruptible = helper("interruptible", func(args []string) int {
	grace, err := time.ParseDuration(args[0])
	must(err)
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt)
	defer stop()
	p, err := supervisor.NewPool(ctx, supervisor.PoolOptions{Processes: 2, Grace: grace})
	must(err)
	entry := waits
	if args[1] == "stubborn" {
		entry = heedsNothing
	}
	_, err = supervisor.Map(ctx, p, entry, []string{args[2], args[2]})
	if ctx.Err() == nil {
		must(err)
	}
	stop() // the next one kills
	p.Terminate()
	fmt.Println("cancelled")
	if err := p.Wait(context.Background()); err != nil {
		must(err)
	}
	fmt.Fprintln(os.Stderr, "interrupted")
	return 130
})

// heedsNothing ignores its context, SIGINT and SIGTERM.
var heedsNothing = child.Register("heedsNothing", func(_ context.Context, path string) (int, error) {
	signal.Ignore(syscall.SIGTERM, syscall.SIGINT)
	signPID(path)
	for {
		time.Sleep(time.Hour)
	}
})

// SIGINT at the terminal: workers stay quiet, the parent cancels, prints one
// line, exits 130 within the grace time with no processes left; a second
// SIGINT kills at once.
func TestPain09Interrupt(t *testing.T) {
	t.Parallel()
	// A caught signal is at its default after exec, even if this program was
	// started with it ignored, as shells do in the background.
	caught := make(chan os.Signal, 1)
	signal.Notify(caught, os.Interrupt)
	t.Cleanup(func() { signal.Stop(caught) })
	// At a terminal the whole foreground group gets SIGINT. Workers are in
	// groups of their own, but some programs send it to every process they find.
	interrupt := func(t *testing.T, p *program, pids []string) {
		t.Helper()
		for _, s := range pids {
			pid, err := strconv.Atoi(s)
			if err != nil {
				t.Fatal(err)
			}
			if err := syscall.Kill(pid, syscall.SIGINT); err != nil {
				t.Errorf("worker %d: %v", pid, err)
			}
		}
		if err := syscall.Kill(-p.Process.Pid, syscall.SIGINT); err != nil {
			t.Error(err)
		}
	}
	t.Run("one", func(t *testing.T) {
		t.Parallel()
		path := filepath.Join(t.TempDir(), "begun")
		p := command(t, interruptible, "2s", "heeding", path).start()
		pids := waitSigned(t, path, 2)
		soon(t, "the end after Ctrl-C", 2*time.Second, func() {
			interrupt(t, p, pids)
			if status := p.wait(); status != 130 {
				t.Errorf("exit status %d", status)
			}
		})
		if text := p.stderr.String(); text != "interrupted\n" {
			t.Errorf("stderr %q, want one line", text)
		}
		p.gone()
	})
	t.Run("workers alone", func(t *testing.T) {
		t.Parallel()
		path := filepath.Join(t.TempDir(), "begun")
		pool := newPool(t, supervisor.PoolOptions{Processes: 1})
		f := supervisor.ApplyAsync(testContext(t), pool, untilThere, path)
		worker := pool.Workers()[0].PID
		for range 3 {
			syscall.Kill(worker, syscall.SIGINT)
			time.Sleep(time.Millisecond)
		}
		signPID(path)
		if got, err := f.Get(testContext(t)); err != nil || got != "there" {
			t.Errorf("its task: %v, %v", got, err)
		}
		if got, err := supervisor.Apply(testContext(t), pool, pid, 0); err != nil || got != worker {
			t.Errorf("a worker that got SIGINT did not stay: %v, %v", got, err)
		}
	})
	t.Run("two", func(t *testing.T) {
		t.Parallel()
		path := filepath.Join(t.TempDir(), "begun")
		p := command(t, interruptible, "1m", "stubborn", path).start()
		pids := waitSigned(t, path, 2)
		interrupt(t, p, pids)
		p.say("cancelled")
		soon(t, "the end after a second Ctrl-C", 2*time.Second, func() {
			interrupt(t, p, pids)
			if status := p.wait(); status != -1 || p.ProcessState.Sys().(syscall.WaitStatus).Signal() != syscall.SIGINT {
				t.Errorf("ended with %v", p.ProcessState)
			}
		})
		if text := p.stderr.String(); text != "" {
			t.Errorf("stderr %q", text)
		}
		p.gone()
	})
}

// ignorant is a program that inherited ignored signals.
var ignorant = helper("ignorant", func([]string) int {
	p, err := supervisor.NewPool(context.Background(), supervisor.PoolOptions{Processes: 1, Grace: time.Minute, Stderr: io.Discard})
	must(err)
	got, err := supervisor.Apply(helperContext(), p, ignored, 0)
	must(err)
	fmt.Println("worker ignores", got)
	f := supervisor.ApplyAsync(helperContext(), p, sleep, time.Hour)
	for len(p.Workers()) > 0 && p.Workers()[0].State != "running" {
		time.Sleep(time.Millisecond)
	}
	start := time.Now()
	p.Terminate()
	must(p.Wait(helperContext()))
	_, err = f.Get(helperContext())
	fmt.Println("terminated", errors.Is(err, supervisor.ErrPoolTerminated), time.Since(start) < 10*time.Second)
	return 0
})

// ignored says which of SIGINT, SIGTERM, SIGHUP and SIGPIPE a program that a
// task starts finds ignored. trap -p would not tell in every shell; a signal does.
var ignored = child.Register("ignored", func(context.Context, int) (string, error) {
	var out []string
	for _, name := range []string{"INT", "TERM", "QUIT", "USR1"} {
		if err := exec.Command("sh", "-c", "kill -"+name+" $$; exit 0").Run(); err == nil {
			out = append(out, name)
		}
	}
	return strings.Join(out, " "), nil
})

// A worker starts with default dispositions (SIGINT dropped); an ignored
// SIGTERM (inherited by exec) is reset.
func TestPain24Dispositions(t *testing.T) {
	t.Parallel()
	for _, signals := range []string{"", "TERM", "INT TERM QUIT"} {
		t.Run(signals, func(t *testing.T) {
			t.Parallel()
			p := command(t, ignorant)
			if signals != "" {
				sh, err := exec.LookPath("sh")
				if err != nil {
					t.Fatal(err)
				}
				p.Path, p.Args = sh, []string{"sh", "-c", `trap "" ` + signals + `; exec "$0"`, p.Path}
			}
			p.start()
			if got := p.say("worker ignores"); got != "" {
				t.Errorf("programs that tasks start ignore %s", got)
			}
			if got := p.say("terminated"); got != "true true" {
				t.Errorf("Terminate: %s", got)
			}
			if status := p.wait(); status != 0 {
				t.Errorf("exit status %d; stderr:\n%s", status, p.stderr.String())
			}
		})
	}
}

// A task that runs `sh -c 'sleep 600 & wait'` and times out leaves no sleep
// behind, and Wait returns within the grace time.
func TestPain30Grandchildren(t *testing.T) {
	t.Parallel()
	const grace = 2 * time.Second
	for _, how := range []string{"timeout", "cancel", "terminate", "kill"} {
		t.Run(how, func(t *testing.T) {
			t.Parallel()
			p, err := supervisor.NewPool(context.Background(), supervisor.PoolOptions{Processes: 2, Grace: grace})
			if err != nil {
				t.Fatal(err)
			}
			path := filepath.Join(t.TempDir(), "sleep")
			view := p
			if how == "timeout" {
				view = p.With(supervisor.CallOptions{Timeout: 100 * time.Millisecond})
			}
			f := supervisor.ApplyAsync(testContext(t), view, grandchild, path)
			sleeper := waitPID(t, path)
			worker := 0
			for _, x := range processes() {
				if x.pid == sleeper {
					worker = x.group
				}
			}
			want := supervisor.ErrTaskTimeout
			switch how {
			case "cancel":
				f.Cancel()
				want = context.Canceled
			case "terminate":
				p.Terminate()
				want = supervisor.ErrPoolTerminated
			case "kill":
				syscall.Kill(worker, syscall.SIGKILL)
				want = supervisor.ErrWorkerDied
			}
			if _, err := f.Get(testContext(t)); !errors.Is(err, want) {
				t.Errorf("got %v, want %v", err, want)
			}
			p.Close()
			soon(t, "Wait", grace+time.Second, func() {
				if err := p.Wait(testContext(t)); err != nil {
					t.Error(err)
				}
			})
			if alive(sleeper) || alive(worker) {
				t.Errorf("sleep %d lives: %v, its worker %d: %v", sleeper, alive(sleeper), worker, alive(worker))
			}
		})
	}
}

// A worker that gets SIGTERM takes its group along by itself: it may be the
// parent-death signal of a supervisor whose death shows late, here of one that
// is stopped and can do nothing.
func TestPain07SIGTERMTakesTheGroup(t *testing.T) {
	t.Parallel()
	path := filepath.Join(t.TempDir(), "pids")
	p := command(t, orphan, "grandchild", path).start()
	p.say("ready")
	waitSigned(t, path, 2)
	if err := p.Process.Signal(syscall.SIGSTOP); err != nil {
		t.Fatal(err)
	}
	for _, x := range descendants(p.run) {
		if x.parent == p.Process.Pid {
			_ = syscall.Kill(x.pid, syscall.SIGTERM)
		}
	}
	waitFor(t, "the groups to go", func() bool {
		for _, x := range descendants(p.run) {
			if x.pid != p.Process.Pid && x.parent != p.Process.Pid { // its children are zombies that it cannot reap
				return false
			}
		}
		return true
	})
}
