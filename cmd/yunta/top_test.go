package main

import (
	"context"
	"encoding/json"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"github.com/creack/pty"

	"yunta/child"
	"yunta/cmd/yunta/internal/top"
	"yunta/oslock"
	"yunta/supervisor"
)

// inDirectoryOf makes another command use the run directory of the first.
func inDirectoryOf(first *exec.Cmd, other *exec.Cmd) *exec.Cmd {
	other.Env = append(slices.Clone(first.Env), "LC_ALL=C.UTF-8", "TERM=xterm-256color", "NO_COLOR=")
	return other
}

// lookOnce is what yunta top --json says of the supervisors in the run directory of a command.
func lookOnce(t *testing.T, of *exec.Cmd) (r top.Report) {
	t.Helper()
	out, err := inDirectoryOf(of, command(t, "top", "--once", "--json")).Output()
	if err != nil {
		t.Fatal(err)
	}
	if err := json.Unmarshal(out, &r); err != nil {
		t.Fatalf("%v in %s", err, out)
	}
	return r
}

// startSleepers starts a yunta map whose two workers have something to do for as long as any test, and returns it with their
// process ids.
func startSleepers(t *testing.T) (cmd *exec.Cmd, workers []int) {
	t.Helper()
	cmd = command(t, "map", "-j", "2", "--retries", "5", "sleep", ":::", "600", "601", "602", "603")
	cmd.Stdout, cmd.Stderr = io.Discard, io.Discard
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		_ = cmd.Process.Kill()
		_ = cmd.Wait()
	})
	waitFor(t, "both workers to run", func() bool {
		workers = workers[:0]
		r := lookOnce(t, cmd)
		for _, b := range r.Supervisors {
			for _, w := range b.Workers {
				if w.State == "running" && w.Task != nil {
					workers = append(workers, *w.PID)
				}
			}
		}
		return len(workers) == 2
	})
	return cmd, workers
}

func TestTopWithoutAny(t *testing.T) {
	t.Parallel()
	first := command(t)
	if r := lookOnce(t, first); len(r.Supervisors) != 0 || r.Version != top.FormatVersion {
		t.Errorf("report %+v", r)
	}
	out, err := inDirectoryOf(first, command(t, "top")).CombinedOutput() // no terminal: once
	if want := "yunta top  0 supervisors  0 workers\nNo supervisor is running.\n"; err != nil || string(out) != want {
		t.Errorf("got %q, %v, want %q", out, err, want)
	}
}

// startTop shows the full-screen view on a pseudo terminal.
func startTop(t *testing.T, of *exec.Cmd, args ...string) (cmd *exec.Cmd, terminal *os.File, screen *output, done <-chan error) {
	t.Helper()
	cmd = inDirectoryOf(of, command(t, append([]string{"top", "--interval", "100ms"}, args...)...))
	master, err := pty.StartWithSize(cmd, &pty.Winsize{Rows: 24, Cols: 120})
	if err != nil {
		t.Skipf("no pseudo terminal: %v", err)
	}
	screen = &output{}
	var wg sync.WaitGroup
	wg.Go(func() { _, _ = io.Copy(screen, master) })
	ended := make(chan error, 1)
	go func() {
		err := cmd.Wait()
		wg.Wait()
		ended <- err
	}()
	t.Cleanup(func() {
		_ = cmd.Process.Kill()
		_ = master.Close()
	})
	return cmd, master, screen, ended
}

func TestTopLeavesAllRunning(t *testing.T) {
	t.Parallel()
	sleepers, workers := startSleepers(t)
	for _, row := range []struct {
		name string
		end  func(cmd *exec.Cmd, terminal *os.File)
	}{
		{"q", func(_ *exec.Cmd, terminal *os.File) { _, _ = io.WriteString(terminal, "q") }},
		{"Ctrl-C", func(_ *exec.Cmd, terminal *os.File) { _, _ = io.WriteString(terminal, "\x03") }},
		{"SIGTERM", func(cmd *exec.Cmd, _ *os.File) { _ = cmd.Process.Signal(syscall.SIGTERM) }},
	} {
		cmd, terminal, screen, done := startTop(t, sleepers)
		waitFor(t, "the screen", func() bool {
			return strings.Contains(screen.String(), "w1") && strings.Contains(screen.String(), "q leave")
		})
		// A narrow one, and back.
		for _, cols := range []uint16{20, 120} {
			if err := pty.Setsize(terminal, &pty.Winsize{Rows: 10, Cols: cols}); err != nil {
				t.Fatal(err)
			}
		}
		row.end(cmd, terminal)
		if err := <-done; err != nil {
			t.Errorf("%s: %v", row.name, err)
		}
		text := screen.String()
		if !strings.Contains(text, "\x1b[?1049l") || strings.LastIndex(text, "\x1b[?25h") < strings.LastIndex(text, "\x1b[?25l") {
			t.Errorf("%s: the terminal is not as it was: %q", row.name, text)
		}
	}
	if r := lookOnce(t, sleepers); len(r.Supervisors) != 1 || *r.Supervisors[0].Workers[0].PID != workers[0] || *r.Supervisors[0].Workers[1].PID != workers[1] {
		t.Errorf("the workers are not those of before, %v: %+v", workers, r)
	}
}

// Killing asks first, and the supervisor starts another.
func TestTopKillsAWorker(t *testing.T) {
	t.Parallel()
	sleepers, workers := startSleepers(t)
	_, terminal, screen, done := startTop(t, sleepers)
	waitFor(t, "the screen", func() bool { return strings.Contains(screen.String(), "w1") })
	press := func(keys string) {
		if _, err := io.WriteString(terminal, keys); err != nil {
			t.Fatal(err)
		}
	}
	press("jj") // w0
	press("k")
	waitFor(t, "the question", func() bool { return strings.Contains(screen.String(), "y/N") })
	press("n")
	waitFor(t, "the answer", func() bool { return strings.Contains(screen.String(), "nothing was done") })
	if r := lookOnce(t, sleepers); *r.Supervisors[0].Workers[0].PID != workers[0] {
		t.Fatal("a no killed it")
	}
	press("ky")
	waitFor(t, "another worker in its place", func() bool {
		w := lookOnce(t, sleepers).Supervisors[0].Workers[0]
		return w.PID != nil && *w.PID != workers[0] && w.Restarts == 1 && w.State == "running"
	})
	press("q")
	if err := <-done; err != nil {
		t.Error(err)
	}
}

// embrace is what a task of topCrosses is given: it locks the first, waits until the other has locked its own, and wants the second.
type embrace struct{ First, Second string }

var topCrosses = child.Register("topCrosses", func(ctx context.Context, e embrace) (int, error) {
	var locks []*oslock.Lock
	for _, name := range []string{e.First, e.Second} {
		l, err := oslock.OpenLock(name, oslock.LockOptions{})
		if err != nil {
			return 0, err
		}
		defer l.Close()
		locks = append(locks, l)
	}
	if err := locks[0].Lock(ctx); err != nil {
		return 0, err
	}
	defer func() { _ = locks[0].Unlock() }()
	if err := os.WriteFile(e.First+".held", nil, 0o600); err != nil {
		return 0, err
	}
	for {
		if _, err := os.Stat(e.Second + ".held"); err == nil {
			break
		}
		time.Sleep(time.Millisecond)
	}
	return 0, locks[1].Lock(ctx)
})

// Not parallel: the pool of this process is found by the environment.
func TestTopNamesADeadlock(t *testing.T) {
	holder := command(t)
	for _, v := range holder.Env {
		if dir, ok := strings.CutPrefix(v, "YUNTA_DIR="); ok {
			t.Setenv("YUNTA_DIR", dir)
		}
	}
	p, err := supervisor.NewPool(t.Context(), supervisor.PoolOptions{Processes: 2, Name: "embrace"})
	if err != nil {
		t.Fatal(err)
	}
	defer func() {
		_ = p.Terminate()
		_ = p.Wait(context.Background())
	}()
	dir := t.TempDir()
	one, two := filepath.Join(dir, "one"), filepath.Join(dir, "two")
	a := supervisor.ApplyAsync(t.Context(), p, topCrosses, embrace{one, two})
	b := supervisor.ApplyAsync(t.Context(), p, topCrosses, embrace{two, one})
	defer a.Cancel()
	defer b.Cancel()
	var r top.Report
	waitFor(t, "the deadlock", func() bool { r = lookOnce(t, holder); return len(r.Deadlocks) > 0 })
	if len(r.Deadlocks) != 1 || len(r.Deadlocks[0]) != 2 {
		t.Fatalf("deadlocks %+v", r.Deadlocks)
	}
	for _, w := range r.Supervisors[0].Workers {
		other := r.Supervisors[0].Workers[1-w.Worker]
		if w.WaitsFor == nil || w.WaitsFor.Owner == nil || *w.WaitsFor.Owner != *other.PID {
			t.Errorf("worker %d waits for %+v, want a lock of process %d", w.Worker, w.WaitsFor, *other.PID)
		}
	}
	out, err := inDirectoryOf(holder, command(t, "top", "--once")).Output()
	if err != nil {
		t.Fatal(err)
	}
	if s := string(out); !strings.Contains(s, "DEADLOCK w") || !strings.Contains(s, "→ one → w") || !strings.Contains(s, "→ two → w") {
		t.Errorf("printed\n%s", s)
	}
}
