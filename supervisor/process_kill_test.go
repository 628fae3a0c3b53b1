package supervisor_test

import (
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"os"
	"os/exec"
	"path/filepath"
	"sync"
	"syscall"
	"testing"
	"time"

	"yunta/child"
	"yunta/supervisor"
)

// orphanProcess is a program whose processes are busy in the given way, for as
// long as it lives.
var orphanProcess = helper("orphanProcess", func(args []string) int {
	how, path := args[0], args[1]
	entry := map[string]child.Entry[string, int]{
		"idle": waits, "computing": spins, "grandchild": grandchild, "sleeping": sticks, "starting": sticks, "nested": nests,
	}[how]
	if how == "starting" {
		fmt.Println("starting")
	}
	n := 2
	if how == "starting" {
		n = 20
	}
	for range n {
		must(supervisor.NewProcess(entry, path, supervisor.ProcessOptions{}).Start(context.Background()))
	}
	fmt.Println("ready")
	select {}
})

// nests starts a process that starts another, each in a group of its own, and
// a pool.
var nests = child.Register("nests", func(ctx context.Context, path string) (int, error) {
	p := supervisor.NewProcess(nestsToo, path, supervisor.ProcessOptions{})
	if err := p.Start(ctx); err != nil {
		return 0, err
	}
	return 0, p.Wait(ctx)
})

var nestsToo = child.Register("nestsToo", func(ctx context.Context, path string) (int, error) {
	pool, err := supervisor.NewPool(ctx, supervisor.PoolOptions{Processes: 1})
	if err != nil {
		return 0, err
	}
	return supervisor.Apply(ctx, pool, grandchild, path)
})

// After SIGKILL of the parent, no process of its is left, whatever it was
// doing, nor what it had started.
func TestKilledParentOfProcesses(t *testing.T) {
	t.Parallel()
	times := 20
	if raceEnabled || testing.Short() {
		times = 5
	}
	for _, how := range []string{"idle", "computing", "sleeping", "grandchild", "starting", "nested"} {
		t.Run(how, func(t *testing.T) {
			t.Parallel()
			r := random(t)
			path := filepath.Join(t.TempDir(), "signed")
			for i := range times {
				p := command(t, orphanProcess, how, path)
				p.start()
				if how == "starting" {
					p.say("starting")
					time.Sleep(time.Duration(r.IntN(30)) * time.Millisecond) // any moment will do
				} else {
					p.say("ready")
					waitSigned(t, path, 2*(i+1))
				}
				p.kill()
				p.gone()
				if t.Failed() {
					t.Fatalf("round %d of %d", i, times)
				}
			}
		})
	}
}

// leaves is a program whose main returns with processes running.
var leaves = helper("leaves", func(args []string) int {
	for _, e := range []child.Entry[string, int]{sticks, spins, grandchild} {
		must(supervisor.NewProcess(e, args[0], supervisor.ProcessOptions{}).Start(context.Background()))
	}
	for len(signed(args[0])) < 3 {
		time.Sleep(time.Millisecond)
	}
	return 0
})

// A program that returns from main without Wait leaves nothing.
func TestMainReturnsWithoutWait(t *testing.T) {
	t.Parallel()
	p := command(t, leaves, filepath.Join(t.TempDir(), "signed")).start()
	if status := p.wait(); status != 0 {
		t.Errorf("exit status %d; stderr:\n%s", status, p.stderr.String())
	}
	p.gone()
}

// Processes that are killed at random instants end with that, and what they
// had started goes, too.
func TestProcessKilledAnywhere(t *testing.T) {
	t.Parallel()
	r := random(t)
	path := filepath.Join(t.TempDir(), "signed")
	for range 40 {
		p := startProcess(t, grandchild, path, supervisor.ProcessOptions{Stderr: io.Discard})
		time.Sleep(time.Duration(r.IntN(12_000)) * time.Microsecond)
		if r.IntN(2) == 0 {
			p.Kill()
			if code := ended(t, p); code != -int(syscall.SIGKILL) {
				t.Fatalf("killed: exit code %d, %v", code, p.Err())
			}
			continue
		}
		p.Terminate()
		if code := ended(t, p); code != -int(syscall.SIGTERM) && code != 1 { // 1: its own child was hit first
			t.Fatalf("terminated: exit code %d, %v", code, p.Err())
		}
	}
	waitFor(t, "the end of what they had started", func() bool {
		for _, s := range signed(path) {
			for _, x := range processes() {
				if fmt.Sprint(x.pid) == s && x.name == "sleep" {
					return false
				}
			}
		}
		return true
	})
}

// 1000 starts from 50 goroutines while others allocate and log all succeed.
func TestPain11ManyStarts(t *testing.T) {
	t.Parallel()
	starts, callers := 1000, 50
	if raceEnabled || testing.Short() {
		starts = 150
	}
	stop := make(chan struct{})
	var noise, wg sync.WaitGroup
	for range 2 {
		noise.Go(func() {
			log := slog.New(slog.NewTextHandler(io.Discard, nil))
			for i := 0; ; i++ {
				select {
				case <-stop:
					return
				default:
					log.Info("noise", "i", i, "buf", len(make([]byte, 1000+i%10000)))
					time.Sleep(10 * time.Microsecond)
				}
			}
		})
	}
	for range callers {
		wg.Go(func() {
			for i := range starts / callers {
				p := supervisor.NewProcess(exitsWith, i, supervisor.ProcessOptions{})
				if err := p.Start(context.Background()); err != nil {
					t.Error(err)
					return
				}
				_ = p.Wait(context.Background())
				if code, _ := p.ExitCode(); code != i {
					t.Errorf("exit code %d, want %d: %v", code, i, p.Err())
				}
			}
		})
	}
	wg.Wait()
	close(stop)
	noise.Wait()
}

// A task may start processes, and a process that is a daemon, too.
func TestPain10ProcessesEverywhere(t *testing.T) {
	t.Parallel()
	pool := newPool(t, supervisor.PoolOptions{Processes: 1})
	if _, err := supervisor.Apply(testContext(t), pool, startsOne, 0); err != nil {
		t.Error(err)
	}
	for _, daemon := range []bool{false, true} {
		p := startProcess(t, startsOne, 0, supervisor.ProcessOptions{Daemon: daemon})
		if code := ended(t, p); code != 0 {
			t.Error(p.Err())
		}
	}
}

var startsOne = child.Register("startsOne", func(ctx context.Context, _ int) (int, error) {
	p := supervisor.NewProcess(exitsWith, 5, supervisor.ProcessOptions{})
	if err := p.Start(ctx); err != nil {
		return 0, err
	}
	var e *supervisor.ExitError
	if err := p.Wait(ctx); !errors.As(err, &e) || e.Code != 5 {
		return 0, fmt.Errorf("it ended with %w", err)
	}
	return 0, nil
})

// 200 processes one after the other leave no descriptor, goroutine or thread.
// Nothing runs beside this test.
func TestProcessesLeakNothing(t *testing.T) {
	run := func(n int) {
		for range n {
			p := supervisor.NewProcess(square, 2, supervisor.ProcessOptions{Stdout: io.Discard})
			if err := p.Start(context.Background()); err != nil {
				t.Fatal(err)
			}
			ended(t, p)
		}
	}
	run(5)
	files := openFiles()
	run(60)
	var now map[int]string
	waitFor(t, "as many open files as before", func() bool { now = openFiles(); return len(now) <= len(files) })
	if n := supervisor.SpawnerUsers(); n != 0 {
		t.Errorf("the spawner has %d users", n)
	}
}

// A process that starts programs all the time and gets SIGTERM takes with it
// also what it was just about to start.
func TestTerminatedWhileItStartsPrograms(t *testing.T) {
	t.Parallel()
	r := random(t)
	dir, err := os.MkdirTemp(t.TempDir(), "started")
	if err != nil {
		t.Fatal(err)
	}
	path := filepath.Join(dir, "signed")
	for range 30 {
		p := startProcess(t, startsPrograms, path, supervisor.ProcessOptions{Stderr: io.Discard})
		waitFor(t, "the first program", func() bool { _, err := os.Stat(path); return err == nil })
		time.Sleep(time.Duration(r.IntN(3_000)) * time.Microsecond)
		if err := syscall.Kill(p.PID(), syscall.SIGTERM); err != nil { // not the supervisor's, which would see to the group
			t.Fatal(err)
		}
		if code := ended(t, p); code != -int(syscall.SIGTERM) && code != 1 {
			t.Fatalf("exit code %d, %v", code, p.Err())
		}
		_ = os.Remove(path)
		waitFor(t, "the end of what it had started", func() bool { return len(descendants(filepath.Base(filepath.Dir(path)))) == 0 })
	}
}

// startsPrograms starts a program after the other, several at a time, and kills
// each a moment later.
var startsPrograms = child.Register("startsPrograms", func(ctx context.Context, path string) (int, error) {
	var wg sync.WaitGroup
	for range 4 {
		wg.Go(func() {
			for ctx.Err() == nil {
				cmd := exec.Command("sleep", "600")
				cmd.Env = append(os.Environ(), runEnv+"="+filepath.Base(filepath.Dir(path)))
				if cmd.Start() == nil {
					signPID(path)
					time.Sleep(time.Millisecond)
					_ = cmd.Process.Kill()
					_ = cmd.Wait()
				}
			}
		})
	}
	wg.Wait()
	return 0, ctx.Err()
})
