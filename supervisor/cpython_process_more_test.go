package supervisor_test

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"

	"yunta/child"
	"yunta/supervisor"
)

// The rest of CPython's class _TestProcess.

type recursion struct {
	Path string
	ID   []int
}

var recurses child.Entry[recursion, int]

func init() {
	recurses = child.Register("recurses", func(ctx context.Context, a recursion) (int, error) {
		sign(a.Path, strings.Trim(strings.ReplaceAll(fmt.Sprint(a.ID), " ", ","), "[]")+"@"+child.Self().Name)
		if len(a.ID) == 2 {
			return 0, nil
		}
		for i := range 2 {
			p := supervisor.NewProcess(recurses, recursion{a.Path, append(slices.Clone(a.ID), i)}, supervisor.ProcessOptions{})
			if err := p.Start(ctx); err != nil {
				return 0, err
			}
			if err := p.Wait(ctx); err != nil {
				return 0, err
			}
		}
		return 0, nil
	})
}

func TestCPython__TestProcess_test_recursion(t *testing.T) {
	t.Parallel()
	l := newLines(t)
	p := startProcess(t, recurses, recursion{Path: l.path}, supervisor.ProcessOptions{})
	if code := ended(t, p); code != 0 {
		t.Fatal(p.Err())
	}
	n := p.Name() // as Python numbers them
	want := []string{"@" + n, "0@" + n + ":1", "0,0@" + n + ":1:1", "0,1@" + n + ":1:2", "1@" + n + ":2", "1,0@" + n + ":2:1", "1,1@" + n + ":2:2"}
	if got := l.all(); !slices.Equal(got, want) {
		t.Errorf("got %v, want %v", got, want)
	}
}

// The sentinel is a channel, which is there but not ready before the start.
func TestCPython__TestProcess_test_sentinel(t *testing.T) {
	t.Parallel()
	path := filepath.Join(t.TempDir(), "go")
	p := supervisor.NewProcess(untilThere, path, supervisor.ProcessOptions{})
	ready := func() bool {
		select {
		case <-p.Done():
			return true
		default:
			return false
		}
	}
	if ready() {
		t.Error("ready before the start")
	}
	if err := p.Start(testContext(t)); err != nil {
		t.Fatal(err)
	}
	if ready() {
		t.Error("ready while it runs")
	}
	signPID(path)
	ended(t, p)
	if !ready() {
		t.Error("not ready after the end")
	}
}

func TestCPython__TestProcess_test_close(t *testing.T) {
	t.Parallel()
	l := newLines(t)
	p := startProcess(t, sticks, l.path, supervisor.ProcessOptions{})
	if err := p.Close(); !errors.Is(err, supervisor.ErrProcessRunning) {
		t.Errorf("Close while it runs: %v", err)
	}
	p.Kill()
	if code := ended(t, p); code != -int(syscall.SIGKILL) {
		t.Errorf("exit code %d", code)
	}
	for range 2 {
		if err := p.Close(); err != nil {
			t.Error(err)
		}
	}
	for name, f := range map[string]func() error{
		"Wait": func() error { return p.Wait(testContext(t)) }, "Terminate": p.Terminate, "Kill": p.Kill,
		"Start": func() error { return p.Start(testContext(t)) },
	} {
		if err := f(); !errors.Is(err, supervisor.ErrProcessClosed) {
			t.Errorf("%s after Close: %v", name, err)
		}
	}
}

func TestCPython__TestProcess_test_many_processes(t *testing.T) {
	t.Parallel()
	n := 100
	if testing.Short() || slowness > 1 {
		n = 20
	}
	var all []*supervisor.Process
	for range n {
		all = append(all, startProcess(t, sleep, 10*time.Millisecond, supervisor.ProcessOptions{}))
	}
	for _, p := range all {
		if code := ended(t, p); code != 0 {
			t.Errorf("exit code %d: %v", code, p.Err())
		}
	}
	path := filepath.Join(t.TempDir(), "begun")
	all = nil
	for range n {
		all = append(all, startProcess(t, sticks, path, supervisor.ProcessOptions{}))
	}
	waitSigned(t, path, n) // before that SIGTERM finds them starting
	for _, p := range all {
		p.Terminate()
	}
	for _, p := range all {
		if code := ended(t, p); code != -int(syscall.SIGTERM) {
			t.Errorf("exit code %d: %v", code, p.Err())
		}
	}
}

var countsFiles = child.Register("countsFiles", func(_ context.Context, path string) (int, error) {
	sign(path, strconv.Itoa(len(openFiles())))
	time.Sleep(50 * time.Millisecond)
	return 0, nil
})

func TestCPython__TestProcess_test_child_fd_inflation(t *testing.T) {
	t.Parallel()
	l := newLines(t)
	const n = 10
	for range n {
		startProcess(t, countsFiles, l.path, supervisor.ProcessOptions{})
	}
	got := l.wait(t, n)
	if slices.Sort(got); got[0] != got[n-1] {
		t.Errorf("children see %v open files", got)
	}
}

// Goroutines of an entry end with it: it waits for those that it needs. Its
// own processes are waited for, daemons are not.
func TestCPython__TestProcess_test_wait_for_threads(t *testing.T) {
	t.Parallel()
	l := newLines(t)
	p := startProcess(t, leavesChildren, l.path, supervisor.ProcessOptions{})
	if code := ended(t, p); code != 0 {
		t.Fatal(p.Err())
	}
	if got := l.all(); len(got) != 2 { // the daemon's first and last sign is its start
		t.Errorf("signed %d times, want 2", len(got))
	}
}

var leavesChildren = child.Register("leavesChildren", func(ctx context.Context, path string) (int, error) {
	daemon := supervisor.NewProcess(sticks, path, supervisor.ProcessOptions{Daemon: true})
	if err := daemon.Start(ctx); err != nil {
		return 0, err
	}
	for len(signed(path)) < 1 {
		time.Sleep(time.Millisecond)
	}
	go func() {
		time.Sleep(time.Minute)
		signPID(path)
	}()
	return 0, supervisor.NewProcess(signsLate, path, supervisor.ProcessOptions{}).Start(context.Background())
})

// speechless is a program that starts a process with a standard stream closed.
var speechless = helper("speechless", func(args []string) int {
	result := os.NewFile(3, "result")
	syscall.Close(map[string]int{"stdout": 1, "stderr": 2}[args[0]])
	p := supervisor.NewProcess(sleep, time.Millisecond, supervisor.ProcessOptions{})
	err := p.Start(helperContext())
	if err == nil {
		err = p.Wait(helperContext())
	}
	fmt.Fprintln(result, "ended", err)
	return 0
})

func TestCPython__TestProcess_test_error_on_stdio_flush_1(t *testing.T) {
	t.Parallel()
	for _, stream := range []string{"stdout", "stderr"} {
		p := command(t, speechless, stream)
		r, w, err := os.Pipe()
		if err != nil {
			t.Fatal(err)
		}
		defer r.Close()
		p.ExtraFiles = []*os.File{w}
		p.start()
		w.Close()
		buf := make([]byte, 100)
		n, err := r.Read(buf)
		if string(buf[:n]) != "ended <nil>\n" {
			t.Errorf("without %s: %q, %v", stream, buf[:n], err)
		}
	}
}

func TestCPython__TestProcess_test_error_on_stdio_flush_2(t *testing.T) {
	t.Parallel()
	for _, fd := range []int{1, 2} {
		p := startProcess(t, closesFD, fd, supervisor.ProcessOptions{})
		if code := ended(t, p); code != 0 {
			t.Errorf("descriptor %d closed: %v", fd, p.Err())
		}
	}
}

var closesFD = child.Register("closesFD", func(_ context.Context, fd int) (int, error) { return 0, syscall.Close(fd) })

// There is no fork server; the nearest to it is the thread that starts
// children, and SIGINT does not concern it. Its loss is the program's.
func TestCPython__TestProcess_test_forkserver_sigint(t *testing.T) {
	t.Parallel()
	l := newLines(t)
	first := startProcess(t, sticks, l.path, supervisor.ProcessOptions{})
	l.wait(t, 1)
	first.Signal(syscall.SIGINT) // dropped
	if code := ended(t, startProcess(t, square, 3, supervisor.ProcessOptions{})); code != 0 {
		t.Errorf("a later one: exit code %d", code)
	}
	if !first.Alive() {
		t.Error("SIGINT ended a child")
	}
}

// As above: killing any child hinders no later start, and no other child.
func TestCPython__TestProcess_test_forkserver_sigkill(t *testing.T) {
	t.Parallel()
	l := newLines(t)
	first := startProcess(t, sticks, l.path, supervisor.ProcessOptions{})
	second := startProcess(t, sticks, l.path, supervisor.ProcessOptions{})
	l.wait(t, 2)
	first.Kill()
	ended(t, first)
	if code := ended(t, startProcess(t, square, 3, supervisor.ProcessOptions{})); code != 0 || !second.Alive() {
		t.Errorf("a later one: exit code %d; the other lives: %v", code, second.Alive())
	}
}
