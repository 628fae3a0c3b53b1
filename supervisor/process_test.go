package supervisor_test

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"runtime"
	"slices"
	"strings"
	"syscall"
	"testing"
	"time"

	"yunta/child"
	"yunta/supervisor"
)

// startProcess starts a process that is ended when the test does.
func startProcess[A, R any](t testing.TB, e child.Entry[A, R], arg A, o supervisor.ProcessOptions) *supervisor.Process {
	t.Helper()
	p := supervisor.NewProcess(e, arg, o)
	if err := p.Start(context.Background()); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		p.Kill()
		select {
		case <-p.Done():
		case <-time.After(patience):
			t.Errorf("%s does not end", p.Name())
		}
	})
	return p
}

// ended waits for the end and returns the exit code.
func ended(t testing.TB, p *supervisor.Process) int {
	t.Helper()
	if err := p.Wait(testContext(t)); err != nil && p.Err() == nil {
		t.Fatalf("%s: %v", p.Name(), err)
	}
	code, exited := p.ExitCode()
	if !exited {
		t.Fatalf("%s has not ended after Wait", p.Name())
	}
	return code
}

var (
	exitsWith  = child.Register("exitsWith", func(_ context.Context, n int) (int, error) { return 0, child.ExitStatus(n) })
	panicsHard = child.Register("panicsHard", func(context.Context, int) (int, error) {
		go panic("nobody recovers")
		select {}
	})
	goexits = child.Register("goexits", func(context.Context, int) (int, error) { runtime.Goexit(); return 0, nil })
)

func TestProcessExitCodes(t *testing.T) {
	t.Parallel()
	var out lockedBuffer
	quiet := supervisor.ProcessOptions{Stderr: &out}
	for _, row := range []struct {
		name string
		p    *supervisor.Process
		code int
		text string // in the error
	}{
		{"nil", startProcess(t, square, 3, quiet), 0, ""},
		{"error", startProcess(t, fails, 3, quiet), 1, "odd: 3"},
		{"panic", startProcess(t, panics, "oh no", quiet), 1, "panic: oh no"},
		{"goexit", startProcess(t, goexits, 0, quiet), 1, "Goexit"},
		{"os.Exit", startProcess(t, exit, 7, quiet), 7, "exit status 7"},
		{"os.Exit(0)", startProcess(t, exit, 0, quiet), 0, ""},
		{"ExitStatus", startProcess(t, exitsWith, 9, quiet), 9, "exit status 9"},
		{"ExitStatus(0)", startProcess(t, exitsWith, 0, quiet), 0, ""},
		{"a goroutine's panic", startProcess(t, panicsHard, 0, quiet), 2, "nobody recovers"},
	} {
		if code := ended(t, row.p); code != row.code {
			t.Errorf("%s: exit code %d, want %d; %v", row.name, code, row.code, row.p.Err())
		}
		err := row.p.Err()
		if row.code == 0 {
			if err != nil {
				t.Errorf("%s: %v", row.name, err)
			}
			continue
		}
		var e *supervisor.ExitError
		if !errors.As(err, &e) || e.Code != row.code || e.PID != row.p.PID() || e.Process != row.p.Name() {
			t.Errorf("%s: error %#v", row.name, err)
			continue
		}
		if !strings.Contains(err.Error(), row.text) || errors.Is(err, supervisor.ErrWorkerDied) {
			t.Errorf("%s: error %q, want %q in it", row.name, err, row.text)
		}
		var r *supervisor.RemoteError
		if remote := errors.As(err, &r); remote != (row.code == 1) {
			t.Errorf("%s: a RemoteError: %v", row.name, remote)
		} else if remote && (!strings.Contains(e.Stderr, r.Message) || r.Panic && !strings.Contains(e.Stderr, "goroutine ")) {
			t.Errorf("%s: stderr %q", row.name, e.Stderr)
		}
	}
}

// The methods that need a running process say when there is none.
func TestProcessStates(t *testing.T) {
	t.Parallel()
	ctx := testContext(t)
	p := supervisor.NewProcess(waits, filepath.Join(t.TempDir(), "begun"), supervisor.ProcessOptions{Grace: time.Minute})
	methods := map[string]func() error{
		"Wait": func() error { return p.Wait(ctx) }, "Terminate": p.Terminate, "Kill": p.Kill,
		"Stop": func() error { return p.Stop(ctx) },
	}
	for name, f := range methods {
		if err := f(); !errors.Is(err, supervisor.ErrNotStarted) {
			t.Errorf("%s before the start: %v", name, err)
		}
	}
	if _, exited := p.ExitCode(); exited || p.Alive() || p.PID() != 0 || p.Err() != nil {
		t.Error("it has a life before the start")
	}
	if err := p.Start(ctx); err != nil {
		t.Fatal(err)
	}
	if err := p.Start(ctx); !errors.Is(err, supervisor.ErrStarted) {
		t.Errorf("a second Start: %v", err)
	}
	if err := p.Close(); !errors.Is(err, supervisor.ErrProcessRunning) || !p.Alive() || p.PID() <= 0 {
		t.Errorf("Close while it runs: %v", err)
	}
	short, cancel := context.WithTimeout(ctx, time.Millisecond)
	defer cancel()
	if err := p.Wait(short); !errors.Is(err, context.DeadlineExceeded) {
		t.Errorf("Wait with a timeout: %v", err)
	}
	if err := p.Stop(ctx); err != nil { // its context ends, so it returns an error
		t.Errorf("Stop: %v", err)
	}
	if code, exited := p.ExitCode(); code != 1 || !exited || !errors.Is(p.Err(), context.Canceled) {
		t.Errorf("after Stop: %d, %v, %v", code, exited, p.Err())
	}
	for range 2 {
		for name, f := range methods {
			if err := f(); err != nil && name != "Wait" {
				t.Errorf("%s after the end: %v", name, err)
			}
		}
	}
	for range 2 {
		if err := p.Close(); err != nil {
			t.Errorf("Close: %v", err)
		}
	}
	methods["Start"] = func() error { return p.Start(ctx) }
	for name, f := range methods {
		if err := f(); !errors.Is(err, supervisor.ErrProcessClosed) {
			t.Errorf("%s after Close: %v", name, err)
		}
	}
}

// Stop asks, terminates and kills, and the end of a context does, too.
func TestProcessStop(t *testing.T) {
	t.Parallel()
	for _, row := range []struct {
		name  string
		entry child.Entry[string, int]
		how   string
		code  int
	}{
		{"asked", waits, "stop", 1},
		{"asked by Start's context", waits, "context", 1},
		{"terminated", sticks, "stop", -int(syscall.SIGTERM)},
		{"killed", heedsNothing, "stop", -int(syscall.SIGKILL)},
		{"killed at once", heedsNothing, "impatient", -int(syscall.SIGKILL)},
	} {
		t.Run(row.name, func(t *testing.T) {
			t.Parallel()
			path := filepath.Join(t.TempDir(), "begun")
			ctx, cancel := context.WithCancel(context.Background())
			defer cancel()
			o := supervisor.ProcessOptions{Stderr: new(lockedBuffer), Grace: 500 * time.Millisecond}
			if row.how == "impatient" {
				o.Grace = time.Hour
			}
			p := supervisor.NewProcess(row.entry, path, o)
			if err := p.Start(ctx); err != nil {
				t.Fatal(err)
			}
			waitSigned(t, path, 1)
			switch row.how {
			case "stop":
				if err := p.Stop(testContext(t)); err != nil {
					t.Error(err)
				}
			case "context":
				cancel()
			case "impatient":
				short, cancel := context.WithTimeout(ctx, time.Millisecond)
				defer cancel()
				if err := p.Stop(short); !errors.Is(err, context.DeadlineExceeded) {
					t.Error(err)
				}
			}
			if code := ended(t, p); code != row.code {
				t.Errorf("exit code %d, want %d: %v", code, row.code, p.Err())
			}
		})
	}
}

// A process is pinned like a worker, and knows who it is.
func TestProcessIdentity(t *testing.T) {
	t.Parallel()
	path := filepath.Join(t.TempDir(), "self")
	p := startProcess(t, introduces, path, supervisor.ProcessOptions{Name: "anna", Daemon: true, Env: []string{"YUNTA_X=y"}})
	if code := ended(t, p); code != 0 {
		t.Fatal(p.Err())
	}
	got, _ := os.ReadFile(path)
	want := fmt.Sprintf("anna -1 %d %d true true y", p.PID(), os.Getpid())
	if string(got) != want || p.Name() != "anna" || !p.Daemon() {
		t.Errorf("got %q, want %q", got, want)
	}
}

var introduces = child.Register("introduces", func(_ context.Context, path string) (int, error) {
	i := child.Self()
	text := fmt.Sprint(i.Name, " ", i.Worker, " ", i.PID, " ", child.Parent().PID(), " ", i.Daemon, " ", child.Parent().Alive(), " ", os.Getenv("YUNTA_X"))
	return 0, os.WriteFile(path, []byte(text), 0o600)
})

func TestActiveChildrenInOrder(t *testing.T) {
	t.Parallel()
	path := filepath.Join(t.TempDir(), "begun")
	var mine []*supervisor.Process
	for range 3 {
		mine = append(mine, startProcess(t, sticks, path, supervisor.ProcessOptions{}))
	}
	all := slices.DeleteFunc(supervisor.ActiveChildren(), func(p *supervisor.Process) bool { return !slices.Contains(mine, p) })
	if !slices.Equal(all, mine) {
		t.Errorf("%d of 3 are listed, or out of order", len(all))
	}
	mine[1].Kill()
	ended(t, mine[1])
	if slices.Contains(supervisor.ActiveChildren(), mine[1]) {
		t.Error("one that ended is listed")
	}
}

// A memory limit ends a process as it ends a worker.
func TestProcessMemoryLimit(t *testing.T) {
	t.Parallel()
	if raceEnabled {
		t.Skip("the race detector's memory would count")
	}
	p := startProcess(t, grows, 600<<20, supervisor.ProcessOptions{MemoryLimit: 128 << 20, Stderr: new(lockedBuffer)})
	if code := ended(t, p); code == 0 || !errors.Is(p.Err(), supervisor.ErrMemoryLimit) {
		t.Errorf("exit code %d, %v", code, p.Err())
	}
}

// grows holds up to that many bytes, and takes them in pieces.
var grows = child.Register("grows", func(_ context.Context, size int) (int, error) {
	var all [][]byte
	for range size >> 20 {
		all = append(all, bytes.Repeat([]byte{1}, 1<<20))
		time.Sleep(100 * time.Microsecond)
	}
	return len(all), nil
})
