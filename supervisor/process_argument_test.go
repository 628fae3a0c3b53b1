package supervisor_test

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"yunta/child"
	"yunta/ipc"
	"yunta/oslock"
	"yunta/supervisor"
)

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

var countsLen = child.Register("countsLen", func(_ context.Context, a struct {
	Path string
	Data []byte
},
) (int, error) {
	return 0, os.WriteFile(a.Path, fmt.Append(nil, len(a.Data), bytes.Count(a.Data, []byte{7})), 0o600)
})
