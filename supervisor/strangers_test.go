package supervisor_test

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"

	"yunta/child"
	"yunta/child/wire"
	"yunta/ipc"
	"yunta/supervisor"
)

// Programs that make a pool before, or without, calling child.Main. earlyEnv
// names what this binary is to do when it is loaded; its children inherit it.

func init() {
	how := os.Getenv(earlyEnv)
	marker, isChild := os.LookupEnv(wire.EnvMarker)
	switch {
	case how == "":
		return
	case isChild && how == "ends":
		os.Exit(0)
	case isChild && how == "other build":
		os.Exit(otherBuild(marker))
	case isChild && how == "hangs":
		time.Sleep(time.Hour)
	}
	var err error
	if how == "starts a process" {
		p := supervisor.NewProcess(square, 2, supervisor.ProcessOptions{})
		if err = p.Start(context.Background()); err == nil {
			err = p.Wait(context.Background())
		}
	} else {
		var p *supervisor.Pool
		p, err = supervisor.NewPool(context.Background(), supervisor.PoolOptions{Processes: 2})
		if err == nil {
			_, err = supervisor.Apply(context.Background(), p, square, 2)
		}
	}
	fmt.Println("result", strings.ReplaceAll(fmt.Sprint(err), "\n", " "))
	os.Exit(3)
}

// otherBuild plays a child of another build that does not care.
func otherBuild(string) int {
	body, err := wire.Append(nil, wire.KindHello, wire.Hello{PID: os.Getpid(), Version: wire.Version, Build: "another"})
	must(err)
	notices, err := ipc.PipeOf(wire.FDNotices)
	must(err)
	_, err = notices.Write(ipc.AppendFrame(nil, body))
	must(err)
	_, err = notices.Write(ipc.AppendFrame(nil, []byte{wire.KindReady}))
	must(err)
	lifeline, err := ipc.PipeOf(wire.FDLifeline)
	must(err)
	lifeline.Read(make([]byte, 1)) // until the supervisor is gone
	return 0
}

// A program that reaches NewPool in a child without child.Main stops with one
// clear line: it is no fork bomb.
func TestWithoutMain(t *testing.T) {
	t.Parallel()
	for how, want := range map[string]string{
		"makes a pool": "did not call child.Main",
		"ends":         "did main call child.Main",
		"other build":  "different builds",
		"hangs":        "did main call child.Main",
	} {
		t.Run(how, func(t *testing.T) {
			t.Parallel()
			p := command(t, "")
			p.Env = append(p.Env, earlyEnv+"="+how)
			limit := 5 * time.Second
			if how == "hangs" {
				limit += 10 * time.Second
			}
			soon(t, "NewPool", limit, func() {
				p.start()
				if got := p.say("result"); !strings.Contains(got, want) {
					t.Errorf("NewPool returned %q, want %q in it", got, want)
				}
			})
			if status := p.wait(); status != 3 {
				t.Errorf("exit status %d", status)
			}
			// One line from each of two workers at most.
			text := p.stderr.String()
			if lines := strings.Count(text, "\n"); lines > 2 || how == "makes a pool" && !strings.Contains(text, "call it first in main") {
				t.Errorf("stderr:\n%s", text)
			}
			p.gone()
		})
	}
}

var byHand = helper("byHand", func(args []string) int {
	p, err := supervisor.NewPool(context.Background(), supervisor.PoolOptions{Processes: 1})
	must(err)
	got, err := supervisor.Apply(helperContext(), p, square, 3)
	must(err)
	fmt.Println("got", got, child.Self().Worker, os.Getenv(wire.EnvMarker) == "")
	p.Close()
	must(p.Wait(helperContext()))
	return 0
})

// A child started by hand says what it is, and goes on as the program it is.
func TestStartedByHand(t *testing.T) {
	t.Parallel()
	for _, marker := range []string{"", "1", "1:2:3", "yes"} {
		p := command(t, byHand)
		p.Env = append(p.Env, wire.EnvMarker+"="+marker)
		p.start()
		if got := p.say("got"); got != "9 -1 true" {
			t.Errorf("marker %q: got %q", marker, got)
		}
		if status := p.wait(); status != 0 {
			t.Errorf("marker %q: exit status %d", marker, status)
		}
		if text := p.stderr.String(); strings.Count(text, "\n") != 1 || !strings.Contains(text, "not by hand") {
			t.Errorf("marker %q: stderr %q", marker, text)
		}
	}
}

// manual starts this binary as a worker, with a test at the other end of its pipes.
type manual struct {
	cmd             *exec.Cmd
	tasks, lifeline *os.File
	notices         *ipc.FrameReader
	stderr          lockedBuffer
}

func startManual(t *testing.T) *manual {
	t.Helper()
	m := new(manual)
	pipe := func() (r, w *os.File) {
		r, w, err := os.Pipe()
		if err != nil {
			t.Fatal(err)
		}
		t.Cleanup(func() { r.Close(); w.Close() })
		return r, w
	}
	tasksR, tasksW := pipe()
	noticesR, noticesW := pipe()
	lifeR, lifeW := pipe()
	null, err := os.Open(os.DevNull)
	if err != nil {
		t.Fatal(err)
	}
	m.tasks, m.lifeline, m.notices = tasksW, lifeW, ipc.NewFrameReader(noticesR, wire.MaxFrame)
	m.cmd = exec.Command(testBinary(t))
	m.cmd.ExtraFiles = []*os.File{tasksR, noticesW, lifeR, null}
	m.cmd.Env = append(os.Environ(), wire.EnvMarker+"="+wire.Marker(int(tasksR.Fd())))
	m.cmd.Stderr = &m.stderr
	if err := m.cmd.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { m.cmd.Process.Kill(); m.cmd.Wait() })
	for _, f := range []*os.File{tasksR, noticesW, lifeR, null} {
		f.Close()
	}
	return m
}

// A child refuses a supervisor of another build, and words that make no sense;
// it says so and ends, with a status that tells it from a task's.
func TestChildRefuses(t *testing.T) {
	t.Parallel()
	config := func(change func(*wire.Config)) []byte {
		c := wire.Config{Magic: wire.Magic, Version: wire.Version, Build: child.Build(), Pool: "p", Name: "p:w0", ParentPID: os.Getpid()}
		change(&c)
		body, err := wire.Append(nil, wire.KindConfig, c)
		must(err)
		return ipc.AppendFrame(nil, body)
	}
	for name, tt := range map[string]struct {
		first []byte
		want  string
	}{
		"build":   {config(func(c *wire.Config) { c.Build = "another" }), "different builds"},
		"version": {config(func(c *wire.Config) { c.Version++ }), "different builds"},
		"magic":   {config(func(c *wire.Config) { c.Magic = "hello" }), "does not speak yunta's protocol"},
		"kind":    {ipc.AppendFrame(nil, []byte{wire.KindChunk}), "does not speak yunta's protocol"},
		"empty":   {ipc.AppendFrame(nil, nil), "does not speak yunta's protocol"},
		"garbage": {[]byte(strings.Repeat("garbage\n", 100)), "reading its configuration"},
		"nothing": {nil, ""},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			m := startManual(t)
			if _, err := m.tasks.Write(tt.first); err != nil {
				t.Fatal(err)
			}
			m.tasks.Close()
			failed := false
			for {
				body, err := m.notices.Next()
				if errors.Is(err, io.EOF) {
					break
				}
				if err != nil {
					t.Fatal(err)
				}
				if body[0] == wire.KindFailed {
					e, _, err := child.DecodeError(body[1:])
					if failed = true; err != nil || !strings.Contains(e.Error(), tt.want) {
						t.Errorf("it reports %v, %v", e, err)
					}
				}
			}
			m.cmd.Wait()
			if status := m.cmd.ProcessState.ExitCode(); status != 76 {
				t.Errorf("exit status %d", status)
			}
			if text := m.stderr.String(); !strings.Contains(text, tt.want) || tt.want == "" && text != "" || strings.Count(text, "\n") > 1 {
				t.Errorf("stderr %q", text)
			}
			if failed != (tt.want == "different builds") {
				t.Errorf("reported: %v", failed)
			}
		})
	}
}

// replaced is a program whose file is replaced by another build while it runs.
var replaced = helper("replaced", func(args []string) int {
	for _, step := range []func() error{
		func() error { return os.Rename(args[1], args[0]) },
		func() error { return os.Remove(args[0]) },
	} {
		must(step())
		p, err := supervisor.NewPool(context.Background(), supervisor.PoolOptions{Processes: 1})
		got := 0
		if err == nil {
			got, err = supervisor.Apply(helperContext(), p, square, 3)
			p.Close()
			must(p.Wait(helperContext()))
		}
		fmt.Println("got", got, strings.ReplaceAll(fmt.Sprint(err), "\n", " "))
	}
	return 0
})

// Where the running image can be started again, replacing or removing the
// file harms nothing; elsewhere another build is refused.
func TestReplacedBinary(t *testing.T) {
	t.Parallel()
	image, err := os.ReadFile(testBinary(t))
	if err != nil {
		t.Fatal(err)
	}
	dir := t.TempDir()
	file, next := dir+"/program", dir+"/next"
	if err := os.WriteFile(file, image, 0o700); err != nil {
		t.Fatal(err)
	}
	// Another build is this one with another identity.
	id := child.Build()
	changed := strings.ReplaceAll(string(image), id, strings.Repeat("x", len(id)))
	if err := os.WriteFile(next, []byte(changed), 0o700); err != nil {
		t.Fatal(err)
	}
	p := command(t, replaced, file, next)
	p.Path = file
	p.start()
	first, second := p.say("got"), p.say("got")
	if fastPaths {
		if first != "9 <nil>" || second != "9 <nil>" {
			t.Errorf("with its file replaced: %q; removed: %q", first, second)
		}
	} else if !strings.Contains(first, "different builds") || !strings.Contains(second, "no such file") {
		t.Errorf("with its file replaced: %q; removed: %q", first, second)
	}
	p.wait()
}

var goMaxProcs = helper("goMaxProcs", func([]string) int {
	for _, env := range [][]string{nil, {"GOMAXPROCS=3", "GOMEMLIMIT=123MiB", "YUNTA_TEST_OWN=x=y"}} {
		p, err := supervisor.NewPool(context.Background(), supervisor.PoolOptions{Processes: 1, Env: env})
		must(err)
		got, err := supervisor.Apply(helperContext(), p, environment, 0)
		must(err)
		fmt.Println("environment", got)
		p.Close()
		must(p.Wait(helperContext()))
	}
	return 0
})

// environment shows what a worker, and a program that it starts, has of some variables.
var environment = child.Register("environment", func(context.Context, int) (string, error) {
	out, err := exec.Command("sh", "-c", `echo "$GOMAXPROCS,$GOMEMLIMIT,$YUNTA_TEST_OWN,$YUNTA_CHILD,${YUNTA_TEST_RUN:+kept}"`).Output()
	return strings.TrimSpace(string(out)), err
})

// Variables that would override the affinity mask and the memory limit are not
// inherited, but may be given. The marker reaches no program that a task starts.
func TestEnvironment(t *testing.T) {
	t.Parallel()
	p := command(t, goMaxProcs)
	p.Env = append(p.Env, "GOMAXPROCS=7", "GOMEMLIMIT=100MiB")
	p.start()
	for _, want := range []string{",,,,kept", "3,123MiB,x=y,,kept"} {
		if got := p.say("environment"); got != want {
			t.Errorf("got %q, want %q", got, want)
		}
	}
	p.wait()
}

// A task that writes to its worker's own descriptors, or closes them, harms no
// other: at worst its worker is replaced, and what it was killed for is said.
func TestTaskBreaksPipes(t *testing.T) {
	t.Parallel()
	for _, tt := range []struct {
		how    string
		killed string // for sending that; "" when the task may also succeed
	}{
		{"noise", "frame"},
		{"length", "exceeds the limit"},
		{"long length", "exceeds the limit"},
		{"negative length", "a frame of -2 bytes"},
		{"empty", "malformed frame"},
		{"kind", "kind 255"},
		{"hello", "malformed frame"},
		{"slots", "malformed frame"},
		{"strange slots", ""},
		{"ready", ""},
		{"failed", ""},
		{"part", ""},
		{"close tasks", ""},
		{"close notices", ""},
		{"close lifeline", ""},
		{"close results", ""},
	} {
		t.Run(tt.how, func(t *testing.T) {
			t.Parallel()
			p := newPool(t, supervisor.PoolOptions{Processes: 2, Stderr: io.Discard})
			_, err := supervisor.Apply(testContext(t), p, breaksPipes, tt.how)
			var e *supervisor.ExitError
			switch {
			case err == nil && tt.killed == "":
			case !errors.Is(err, supervisor.ErrWorkerDied) || !errors.As(err, &e):
				t.Errorf("got %v", err)
			case tt.killed != "" && (e.Signal != syscall.SIGKILL || !strings.Contains(err.Error(), "for what it sent") || !strings.Contains(err.Error(), tt.killed)):
				t.Errorf("got %v, want %q in it", err, tt.killed)
			}
			if got, err := supervisor.Map(testContext(t), p.With(supervisor.CallOptions{Retries: 2}), square, ints(1000)); err != nil || got[999] != 999*999 {
				t.Errorf("afterwards: %v", err)
			}
			p.Close()
			soon(t, "Wait", 5*time.Second, func() {
				if err := p.Wait(testContext(t)); err != nil {
					t.Error(err)
				}
			})
		})
	}
}

// breaksPipes stays after it has sent what the supervisor kills it for.
var breaksPipes = child.Register("breaksPipes", func(_ context.Context, how string) (int, error) {
	ends := map[string]int{"tasks": wire.FDTasks, "notices": wire.FDNotices, "lifeline": wire.FDLifeline, "results": wire.FDExtents}
	if what, ok := strings.CutPrefix(how, "close "); ok {
		return 0, syscall.Close(ends[what])
	}
	var body, raw []byte
	deadly := true
	switch how {
	case "noise":
		raw = bytes.Repeat([]byte{0x81, 0x7f, 0xc1, 0}, 1000)
	case "length":
		raw = []byte{0x7f, 0xff, 0xff, 0xff, 1}
	case "long length":
		raw = []byte{0xff, 0xff, 0xff, 0xff, 0x7f, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 1}
	case "negative length":
		raw = []byte{0xff, 0xff, 0xff, 0xfe}
	case "empty":
		raw = make([]byte, 4)
	case "kind":
		body = []byte{255, 1, 2, 3}
	case "hello":
		body = []byte{wire.KindHello, 0xc1}
	case "slots":
		body = []byte{wire.KindRetired, 1, 2, 3}
	case "strange slots":
		body, deadly = wire.AppendSlots(nil, wire.KindRetired, 0, 1, wire.SlotsPerWorker, 1<<31), false
	case "ready":
		body, deadly = []byte{wire.KindReady}, false
	case "failed":
		body, deadly = []byte{wire.KindFailed, 0xc1}, false
	case "part":
		raw, deadly = make([]byte, 2), false
	}
	if raw == nil {
		raw = ipc.AppendFrame(nil, body)
	}
	if _, err := syscall.Write(wire.FDNotices, raw); err != nil {
		return 0, err
	}
	if deadly {
		select {}
	}
	return 0, nil
})

// Children are forked before what they share is made: when that fails, they
// are gone when the error comes back.
func TestNothingIsLeftWhereNothingCanBeShared(t *testing.T) {
	file := filepath.Join(t.TempDir(), "file")
	if err := os.WriteFile(file, nil, 0o600); err != nil {
		t.Fatal(err)
	}
	t.Setenv("YUNTA_DIR", file)
	before := len(childrenOf(os.Getpid()))
	if p, err := supervisor.NewPool(testContext(t), supervisor.PoolOptions{Processes: 3}); err == nil {
		p.Terminate()
		t.Fatal("a pool without a run directory")
	}
	if left := childrenOf(os.Getpid()); len(left) != before {
		t.Errorf("children are left: %v", left)
	}
}
