package supervisor_test

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"syscall"
	"testing"
	"time"

	"yunta/child"
	"yunta/supervisor"
)

// CPython's class _TestProcess in Lib/test/_test_multiprocessing.py. What a
// child has to say goes through a pipe that its argument carries, or a file.

// lines collects what processes write, one line each.
type lines struct{ path string }

func newLines(t testing.TB) lines {
	t.Helper()
	return lines{filepath.Join(t.TempDir(), "lines")}
}

func (l lines) wait(t testing.TB, n int) []string {
	t.Helper()
	waitFor(t, fmt.Sprintf("%d lines", n), func() bool { return len(l.all()) >= n })
	return l.all()
}

func (l lines) all() []string {
	b, _ := os.ReadFile(l.path)
	return strings.Split(strings.TrimSuffix(string(b), "\n"), "\n")[:strings.Count(string(b), "\n")]
}

// Authentication keys belong to listeners in Go.
func TestCPython__TestProcess_test_current(t *testing.T) {
	t.Parallel()
	i := child.Self()
	if i.PID != os.Getpid() || i.Daemon || i.Name == "" || i.Identity != nil {
		t.Errorf("Self is %+v", i)
	}
}

// The executable is always the running image: entries are known by name only,
// so another program could not run them.
func TestCPython__TestProcess_test_set_executable(t *testing.T) {
	t.Parallel()
	path := filepath.Join(t.TempDir(), "image")
	if code := ended(t, startProcess(t, writesImage, path, supervisor.ProcessOptions{})); code != 0 {
		t.Errorf("exit code %d", code)
	}
	got, _ := os.ReadFile(path)
	if want := testBinary(t); string(got) != want {
		t.Errorf("the child runs %s, want %s", got, want)
	}
}

var writesImage = child.Register("writesImage", func(_ context.Context, path string) (int, error) {
	exe, err := os.Executable()
	return 0, errors.Join(err, os.WriteFile(path, []byte(exe), 0o600))
})

type shapes struct {
	Int    int
	String string
	List   []int
	Pair   pair
	Map    map[string]any
	None   *int
}

var writesShapes = child.Register("writesShapes", func(_ context.Context, a struct {
	Path   string
	Shapes shapes
},
) (int, error) {
	return 0, os.WriteFile(a.Path, fmt.Appendf(nil, "%+v", a.Shapes), 0o600)
})

func TestCPython__TestProcess_test_args_argument(t *testing.T) {
	t.Parallel()
	for i, s := range []shapes{{}, {Int: -7, String: "añ"}, {List: []int{1, 2}, Pair: pair{3, 4}}, {Map: map[string]any{"k": "v"}}} {
		path := filepath.Join(t.TempDir(), "shape")
		p := startProcess(t, writesShapes, struct {
			Path   string
			Shapes shapes
		}{path, s}, supervisor.ProcessOptions{})
		if code := ended(t, p); code != 0 {
			t.Fatal(p.Err())
		}
		if got, _ := os.ReadFile(path); string(got) != fmt.Sprintf("%+v", s) {
			t.Errorf("%d: got %s, want %+v", i, got, s)
		}
	}
}

// joins is a program that does what Python does at exit.
var joins = helper("joins", func(args []string) int {
	path := args[0]
	daemon := supervisor.NewProcess(sticks, path, supervisor.ProcessOptions{Daemon: true})
	other := supervisor.NewProcess(signsLate, path, supervisor.ProcessOptions{})
	must(daemon.Start(context.Background()))
	must(other.Start(context.Background()))
	for len(signed(path)) < 1 {
		time.Sleep(time.Millisecond)
	}
	must(supervisor.WaitChildren(helperContext()))
	d, _ := daemon.ExitCode()
	o, _ := other.ExitCode()
	fmt.Println("codes", d, o, daemon.Daemon(), other.Daemon(), len(signed(path)))
	return 0
})

var signsLate = child.Register("signsLate", func(_ context.Context, path string) (int, error) {
	time.Sleep(100 * time.Millisecond)
	signPID(path)
	return 0, nil
})

// A daemon is one that WaitChildren terminates; what the option is not given
// for is not inherited, since a daemon may have children of its own.
func TestCPython__TestProcess_test_daemon_argument(t *testing.T) {
	t.Parallel()
	p := command(t, joins, filepath.Join(t.TempDir(), "signed")).start()
	if got, want := p.say("codes"), fmt.Sprintf("%d 0 true false 2", -int(syscall.SIGTERM)); got != want {
		t.Errorf("got %s, want %s", got, want)
	}
}

func TestCPython__TestProcess_test_parent_process_attributes(t *testing.T) {
	t.Parallel()
	if child.Parent() != nil {
		t.Error("the program itself has a parent handle")
	}
	path := filepath.Join(t.TempDir(), "parent")
	ended(t, startProcess(t, writesParent, path, supervisor.ProcessOptions{}))
	got, _ := os.ReadFile(path)
	if want := fmt.Sprint(os.Getpid(), " ", child.Self().Name); string(got) != want {
		t.Errorf("its parent is %s, want %s", got, want)
	}
}

var writesParent = child.Register("writesParent", func(_ context.Context, path string) (int, error) {
	p := child.Parent()
	return 0, os.WriteFile(path, fmt.Append(nil, p.PID(), " ", p.Name()), 0o600)
})

// A child ends with its parent in Go: what it sees of the end it sees in a
// function given to BeforeKill.
func TestCPython__TestProcess_test_parent_process(t *testing.T) {
	t.Parallel()
	l := newLines(t)
	p := startProcess(t, parentOfWatcher, l.path, supervisor.ProcessOptions{})
	if got := l.wait(t, 1)[0]; got != fmt.Sprintf("alive %d %s", p.PID(), p.Name()) {
		t.Errorf("before: %s", got)
	}
	p.Terminate()
	if got := l.wait(t, 2)[1]; got != "dead true" {
		t.Errorf("after: %s", got)
	}
}

var (
	parentOfWatcher = child.Register("parentOfWatcher", func(ctx context.Context, path string) (int, error) {
		p := supervisor.NewProcess(watchesParent, path, supervisor.ProcessOptions{})
		if err := p.Start(ctx); err != nil {
			return 0, err
		}
		return 0, p.Wait(ctx)
	})
	watchesParent = child.Register("watchesParent", func(_ context.Context, path string) (int, error) {
		p := child.Parent()
		child.BeforeKill(func() {
			<-p.Done()
			sign(path, fmt.Sprint("dead ", !p.Alive()))
		})
		if p.Alive() {
			sign(path, fmt.Sprintf("alive %d %s", p.PID(), p.Name()))
		}
		select {}
	})
)

func TestCPython__TestProcess_test_process(t *testing.T) {
	t.Parallel()
	path := filepath.Join(t.TempDir(), "self")
	p := supervisor.NewProcess(introduces, path, supervisor.ProcessOptions{Name: "SomeProcess", Daemon: true, Env: []string{"YUNTA_X=kw"}})
	if p.Alive() || !p.Daemon() || slices.Contains(supervisor.ActiveChildren(), p) || p.Name() != "SomeProcess" {
		t.Error("before the start")
	}
	if _, exited := p.ExitCode(); exited {
		t.Error("an exit code before the start")
	}
	if err := p.Start(testContext(t)); err != nil {
		t.Fatal(err)
	}
	if code := ended(t, p); code != 0 || p.Alive() || slices.Contains(supervisor.ActiveChildren(), p) {
		t.Errorf("after the end: exit code %d", code)
	}
	got, _ := os.ReadFile(path)
	if want := fmt.Sprintf("SomeProcess -1 %d %d true true kw", p.PID(), os.Getpid()); string(got) != want {
		t.Errorf("got %q, want %q", got, want)
	}
}

func terminates(t *testing.T, end func(*supervisor.Process) error, want syscall.Signal) {
	t.Helper()
	l := newLines(t)
	p := startProcess(t, sticks, l.path, supervisor.ProcessOptions{Daemon: true})
	l.wait(t, 1)
	if !p.Alive() || !slices.Contains(supervisor.ActiveChildren(), p) {
		t.Error("it is not alive")
	}
	for _, timeout := range []time.Duration{0, -time.Second} {
		ctx, cancel := context.WithTimeout(context.Background(), timeout)
		soon(t, "Wait without time", time.Second, func() {
			if err := p.Wait(ctx); !errors.Is(err, context.DeadlineExceeded) {
				t.Errorf("Wait: %v", err)
			}
		})
		cancel()
	}
	if !p.Alive() {
		t.Error("waiting ended it")
	}
	if err := end(p); err != nil {
		t.Error(err)
	}
	soon(t, "Wait", 2*time.Second, func() {
		var e *supervisor.ExitError
		if err := p.Wait(testContext(t)); !errors.As(err, &e) || e.Signal != want || e.Code != -1 {
			t.Errorf("Wait: %v", err)
		}
	})
	if code := ended(t, p); code != -int(want) || p.Alive() || slices.Contains(supervisor.ActiveChildren(), p) {
		t.Errorf("exit code %d", code)
	}
}

func TestCPython__TestProcess_test_terminate(t *testing.T) {
	t.Parallel()
	terminates(t, (*supervisor.Process).Terminate, syscall.SIGTERM)
}

func TestCPython__TestProcess_test_kill(t *testing.T) {
	t.Parallel()
	terminates(t, (*supervisor.Process).Kill, syscall.SIGKILL)
}

func TestCPython__TestProcess_test_cpu_count(t *testing.T) {
	t.Parallel()
	if n := supervisor.CPUCount(); n < 1 {
		t.Errorf("%d", n)
	}
}

func TestCPython__TestProcess_test_active_children(t *testing.T) {
	t.Parallel()
	path := filepath.Join(t.TempDir(), "go")
	p := supervisor.NewProcess(untilThere, path, supervisor.ProcessOptions{})
	if slices.Contains(supervisor.ActiveChildren(), p) {
		t.Error("listed before the start")
	}
	if err := p.Start(testContext(t)); err != nil {
		t.Fatal(err)
	}
	if !slices.Contains(supervisor.ActiveChildren(), p) || !p.Alive() {
		t.Error("not listed while it runs")
	}
	signPID(path)
	ended(t, p)
	if slices.Contains(supervisor.ActiveChildren(), p) {
		t.Error("listed after the end")
	}
}
