package supervisor_test

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"runtime"
	"slices"
	"strings"
	"syscall"
	"testing"
	"time"

	"yunta/child"
	"yunta/ipc"
	"yunta/oslock"
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
	exitsWith = child.Register("exitsWith", func(_ context.Context, n int) (int, error) { return 0, child.ExitStatus(n) })
	countsLen = child.Register("countsLen", func(_ context.Context, a struct {
		Path string
		Data []byte
	},
	) (int, error) {
		return 0, os.WriteFile(a.Path, fmt.Append(nil, len(a.Data), bytes.Count(a.Data, []byte{7})), 0o600)
	})
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

// Arguments may be larger than a pipe and than a frame of the protocol.
func TestProcessArgumentSizes(t *testing.T) {
	t.Parallel()
	for _, n := range []int{0, 1, 3900, 4000, 4100, 16 << 10, 64 << 10, 256<<10 - 3, 256 << 10, 1 << 20, 40 << 20} {
		path := filepath.Join(t.TempDir(), "length")
		p := startProcess(t, countsLen, struct {
			Path string
			Data []byte
		}{path, bytes.Repeat([]byte{7}, n)}, supervisor.ProcessOptions{})
		if code := ended(t, p); code != 0 {
			t.Fatalf("%d bytes: %v", n, p.Err())
		}
		if got, err := os.ReadFile(path); err != nil || string(got) != fmt.Sprint(n, n) {
			t.Errorf("%d bytes: got %q, %v", n, got, err)
		}
	}
}

// An argument that cannot be encoded is an error of Start, one that cannot be
// decoded one of the process.
func TestProcessBadArguments(t *testing.T) {
	t.Parallel()
	p := supervisor.NewProcess(anything, any(make(chan int)), supervisor.ProcessOptions{})
	for range 2 {
		if err := p.Start(testContext(t)); !errors.Is(err, ipc.ErrEncode) || p.Alive() {
			t.Errorf("a channel: %v", err)
		}
	}
	for name, o := range map[string]supervisor.ProcessOptions{"Grace": {Grace: -1}, "MemoryLimit": {MemoryLimit: -1}, "CPU 99999": {CPUs: []int{99999}}} {
		if err := supervisor.NewProcess(square, 1, o).Start(testContext(t)); err == nil || !strings.Contains(err.Error(), name) && !errors.Is(err, errors.ErrUnsupported) {
			t.Errorf("%s: %v", name, err)
		}
	}
}

// Open files arrive as the same open files, and the sender may close its own.
func TestProcessAttachments(t *testing.T) {
	t.Parallel()
	r, w, err := os.Pipe()
	if err != nil {
		t.Fatal(err)
	}
	defer r.Close()
	path := filepath.Join(t.TempDir(), "file")
	f, err := os.Create(path)
	if err != nil {
		t.Fatal(err)
	}
	p := supervisor.NewProcess(writesTo, filesArg{
		To: []ipc.File{{File: w}, {}, {File: f}}, More: map[string]*ipc.File{"again": {File: f}}, Text: "hello",
	}, supervisor.ProcessOptions{})
	if err := p.Start(testContext(t)); err != nil {
		t.Fatal(err)
	}
	w.Close()
	f.Close()
	var got bytes.Buffer
	if _, err := got.ReadFrom(r); err != nil { // to the end: nobody else has the pipe
		t.Fatal(err)
	}
	if code := ended(t, p); code != 0 {
		t.Fatal(p.Err())
	}
	if b, _ := os.ReadFile(path); got.String() != "hello" || string(b) != "hellohello" {
		t.Errorf("pipe %q, file %q", got.String(), b)
	}
}

type filesArg struct {
	To   []ipc.File
	More map[string]*ipc.File
	Text string
}

var writesTo = child.Register("writesTo", func(_ context.Context, a filesArg) (int, error) {
	to := a.To
	for _, f := range a.More {
		to = append(to, *f)
	}
	for _, f := range to {
		if f.File == nil {
			continue
		}
		if _, err := f.WriteString(a.Text); err != nil {
			return 0, err
		}
	}
	return len(a.To), nil
})

// Where nothing can be attached, a file is an error that says so.
func TestAttachmentInTask(t *testing.T) {
	t.Parallel()
	p := newPool(t, supervisor.PoolOptions{Processes: 1})
	_, err := supervisor.Apply(testContext(t), p, writesTo, filesArg{To: []ipc.File{{File: os.Stderr}}})
	if !errors.Is(err, ipc.ErrNoAttachments) || !errors.Is(err, ipc.ErrEncode) {
		t.Errorf("got %v", err)
	}
	a, b, err := ipc.Pipe()
	if err != nil {
		t.Fatal(err)
	}
	defer a.Close()
	defer b.Close()
	if _, err := supervisor.Apply(testContext(t), p, upcases, a); !errors.Is(err, ipc.ErrNoAttachments) || !errors.Is(err, ipc.ErrEncode) {
		t.Errorf("a connection: %v", err)
	}
	if got, err := supervisor.Apply(testContext(t), p, square, 4); err != nil || got != 16 {
		t.Errorf("afterwards: %d, %v", got, err)
	}
}

// Connections, locks and semaphores arrive working, at any depth.
func TestProcessTools(t *testing.T) {
	t.Parallel()
	dir := shortDir(t)
	lock, err := oslock.OpenLock(filepath.Join(dir, "lock"), oslock.LockOptions{})
	if err != nil {
		t.Fatal(err)
	}
	defer lock.Close()
	sem, err := oslock.OpenSemaphore(filepath.Join(dir, "sem"), 0, oslock.SemaphoreOptions{})
	if err != nil {
		t.Fatal(err)
	}
	defer sem.Close()
	r, w, err := ipc.SimplexPipe()
	if err != nil {
		t.Fatal(err)
	}
	defer r.Close()
	if err := lock.Lock(testContext(t)); err != nil {
		t.Fatal(err)
	}
	p := startProcess(t, usesTools, tools{Conns: map[string]*ipc.Conn{"w": w}, Lock: lock, Sem: sem}, supervisor.ProcessOptions{})
	w.Close()
	if got, err := ipc.Recv[string](r); err != nil || got != "locked elsewhere: true" {
		t.Fatalf("got %q, %v", got, err)
	}
	if err := lock.Unlock(); err != nil {
		t.Fatal(err)
	}
	if err := sem.Acquire(testContext(t)); err != nil {
		t.Error(err)
	}
	if code := ended(t, p); code != 0 {
		t.Error(p.Err())
	}
	if got, err := ipc.Recv[string](r); !errors.Is(err, io.EOF) {
		t.Errorf("after the end: %q, %v", got, err)
	}
}

type tools struct {
	Conns map[string]*ipc.Conn
	None  *ipc.Conn
	Lock  *oslock.Lock
	Sem   *oslock.Semaphore
}

var usesTools = child.Register("usesTools", func(ctx context.Context, a tools) (int, error) {
	free, err := a.Lock.TryLock()
	if err != nil || a.None != nil {
		return 0, err
	}
	if err := a.Conns["w"].Send(fmt.Sprintf("locked elsewhere: %v", !free)); err != nil {
		return 0, err
	}
	if err := a.Lock.Lock(ctx); err != nil {
		return 0, err
	}
	return 0, errors.Join(a.Sem.Release(1), a.Lock.Unlock())
})

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
