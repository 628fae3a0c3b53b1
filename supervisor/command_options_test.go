package supervisor_test

import (
	"context"
	"errors"
	"log/slog"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"syscall"
	"testing"
	"time"

	"yunta/child"
	"yunta/child/affinity"
	"yunta/ipc"
	"yunta/supervisor"
)

func TestCommandInitializerAndExit(t *testing.T) {
	t.Parallel()
	path := filepath.Join(t.TempDir(), "signed")
	o := pythonCommand(t)
	o.Processes, o.MaxTasksPerChild, o.Name = 1, 3, "oxen"
	o.Initializer = child.Foreign[[]string, any]("initialize").Bind([]string{"a", "b"})
	o.Exit = child.Foreign[string, any]("leave").Bind(path)
	p := newPool(t, o)
	ctx := testContext(t)
	pids := map[int]int{}
	got, err := supervisor.Map(ctx, p, pyPID, ints(9))
	for _, pid := range got {
		pids[pid]++
	}
	if len(pids) != 3 || err != nil {
		t.Errorf("%v, %v", pids, err)
	}
	for pid, n := range pids {
		if n != 3 {
			t.Errorf("%d ran %d tasks", pid, n)
		}
	}
	if v, err := supervisor.Apply(ctx, p, child.Foreign[int, [][]string]("initialized"), 0); err != nil || len(v) != 1 || !slices.Equal(v[0], []string{"a", "b"}) {
		t.Error(v, err)
	}
	type who struct {
		Name, Pool              string
		Index, Incarnation, PID int
	}
	w, err := supervisor.Apply(ctx, p, child.Foreign[int, who]("who"), 0)
	if err != nil || w.Name != "oxen:w0" || w.Pool != "oxen" || w.Index != 0 || w.Incarnation != 4 || w.PID != p.Workers()[0].PID {
		t.Errorf("%+v, %v", w, err)
	}
	p.Close()
	if err := p.Wait(ctx); err != nil {
		t.Fatal(err)
	}
	if got := signed(path); len(got) != 4 || !strings.HasPrefix(got[0], "left-") {
		t.Error(got)
	}
	if s := p.Stats(); s.Died != 0 || s.Restarts != 3 {
		t.Errorf("%+v", s)
	}
}

func TestCommandInitializerFails(t *testing.T) {
	t.Parallel()
	for arg, want := range map[string]string{"fail": "cannot start", "exit": "exit status 3"} {
		o := pythonCommand(t)
		o.Initializer = child.Foreign[string, any]("initialize").Bind(arg)
		p, err := supervisor.NewPool(testContext(t), o)
		if err == nil {
			p.Terminate()
		}
		if err == nil || !strings.Contains(err.Error(), want) {
			t.Error(err)
		}
	}
}

func TestCommandPrintsAndLogs(t *testing.T) {
	t.Parallel()
	var out, errs lockedBuffer
	var records lockedBuffer
	o := pythonCommand(t)
	o.Processes, o.Stdout, o.Stderr, o.Prefix, o.Logger = 1, &out, &errs, "[w{worker}] ", slog.New(slog.NewTextHandler(&records, nil))
	p := newPool(t, o)
	ctx := testContext(t)
	text := "\x00\x00\x00\x05 is no frame"
	if _, err := supervisor.Apply(ctx, p, child.Foreign[string, int]("prints"), text); err != nil {
		t.Fatal(err)
	}
	if _, err := supervisor.Apply(ctx, p, child.Foreign[string, int]("logs"), "mind the oxen"); err != nil {
		t.Fatal(err)
	}
	waitFor(t, "what was printed", func() bool {
		return strings.Contains(out.String(), "[w0] "+text) && strings.Contains(errs.String(), "[w0] to stderr: "+text)
	})
	if _, err := supervisor.Apply(ctx, p, child.Foreign[string, int]("unsayable"), "log"); err != nil {
		t.Fatal(err)
	}
	waitFor(t, "what was logged", func() bool {
		return strings.Contains(records.String(), "mind the oxen") && strings.Contains(records.String(), "half a pair: ")
	})
	for _, want := range []string{"level=WARN", "worker=0", "pid=", "entry=logs", "count=7", "logger=yunta"} {
		if !strings.Contains(records.String(), want) {
			t.Errorf("no %s in %s", want, records.String())
		}
	}
	if strings.Contains(records.String(), "hardly") {
		t.Error("a record below the logger's level has come")
	}
}

// The marker is not there for what a task starts.
func TestCommandEnvironment(t *testing.T) {
	t.Parallel()
	p := newPool(t, pythonCommand(t))
	if v, err := supervisor.Apply(testContext(t), p, child.Foreign[int, string]("marker"), 0); v != "" || err != nil {
		t.Error(v, err)
	}
	left := child.Foreign[int, float64]("left")
	if v, err := supervisor.Apply(testContext(t), p, left, 0); v != -1 || err != nil {
		t.Error(v, err)
	}
	if v, err := supervisor.Apply(testContext(t), p.With(supervisor.CallOptions{Timeout: time.Hour}), left, 0); v <= 0 || v > 3600 || err != nil {
		t.Error(v, err)
	}
}

func TestCommandResume(t *testing.T) {
	t.Parallel()
	o := pythonCommand(t)
	o.ResultsFile = filepath.Join(t.TempDir(), "results")
	ctx := testContext(t)
	var first []int
	for run := range 2 {
		o.Resume = run > 0
		p := newPool(t, o)
		pids, err := supervisor.Map(ctx, p, pyPID, ints(50))
		if err != nil {
			t.Fatal(err)
		}
		_, err = supervisor.Map(ctx, p, pyFails, ints(4))
		if m, ok := errors.AsType[*supervisor.MapError](err); !ok || len(m.Errors) != 2 {
			t.Fatal(err)
		}
		if run == 0 {
			first = pids
			_, err := supervisor.Apply(ctx, p, child.Foreign[int, int]("os_exit"), 1)
			if !errors.Is(err, supervisor.ErrWorkerDied) {
				t.Error(err)
			}
		} else if s := p.Stats(); !slices.Equal(pids, first) || s.Resumed != 52 || s.Interrupted != 1 {
			t.Errorf("%+v", s)
		}
		p.Close()
		if err := p.Wait(ctx); err != nil {
			t.Fatal(err)
		}
	}
	f, err := ipc.OpenResults(o.ResultsFile, ipc.ResultsOptions{ReadOnly: true})
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	count := map[ipc.RecordStatus]int{}
	for r, err := range f.Records() {
		if err != nil {
			t.Fatal(err)
		}
		count[r.Status]++
		if r.Status == ipc.RecordFailed {
			if e, err := child.DecodeRecordedError(r.Payload); err != nil || e.Type != "Odd" {
				t.Error(e, err)
			}
		}
	}
	if count[ipc.RecordSucceeded] != 52 || count[ipc.RecordFailed] != 4 || count[ipc.RecordRunning] != 1 {
		t.Error(count)
	}
}

// Calls of what is not there are refused before anything runs.
func TestCommandUnknownEntries(t *testing.T) {
	t.Parallel()
	ctx := testContext(t)
	ghost := child.Foreign[int, int]("ghost")
	o := pythonCommand(t)
	p := newPool(t, o)
	_, err := supervisor.Apply(ctx, p, ghost, 1)
	if !errors.Is(err, supervisor.ErrNoEntry) || !strings.Contains(err.Error(), `"ghost"`) || !strings.Contains(err.Error(), `"a_set", "big"`) {
		t.Error(err)
	}
	if _, err := supervisor.Map(ctx, p, ghost, ints(3)); !errors.Is(err, supervisor.ErrNoEntry) {
		t.Error(err)
	}
	for _, err := range supervisor.IMap(ctx, p, ghost, slices.Values(ints(3))) {
		if !errors.Is(err, supervisor.ErrNoEntry) {
			t.Error(err)
		}
	}
	o.Initializer = ghost.Bind(1)
	if _, err := supervisor.NewPool(ctx, o); !errors.Is(err, supervisor.ErrNoEntry) {
		t.Error(err)
	}
	models(t, func(t *testing.T, o supervisor.PoolOptions) {
		p := newPool(t, o)
		if _, err := supervisor.Apply(ctx, p, ghost, 1); !errors.Is(err, child.ErrForeign) {
			t.Error(err)
		}
		o.Exit = ghost.Bind(1)
		if _, err := supervisor.NewPool(ctx, o); !errors.Is(err, child.ErrForeign) {
			t.Error(err)
		}
	})
	if err := supervisor.NewProcess(ghost, 1, supervisor.ProcessOptions{}).Start(ctx); !errors.Is(err, child.ErrForeign) {
		t.Error(err)
	}
	if _, err := ghost.Func()(ctx, 1); !errors.Is(err, child.ErrForeign) {
		t.Error(err)
	}
}

func TestCommandOptions(t *testing.T) {
	t.Parallel()
	for want, o := range map[string]supervisor.PoolOptions{
		"names no program":      {Command: []string{}},
		"Model is Goroutines":   {Command: []string{"python3"}, Model: supervisor.Goroutines},
		"no such file":          {Command: []string{"./no/such/program"}},
		"not found":             {Command: []string{"no-such-program-anywhere"}},
		"StartTimeout is -1ns":  {StartTimeout: -1},
		"did not say hello: is": {Command: []string{"true"}},
	} {
		if _, err := supervisor.NewPool(testContext(t), o); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("want %q, got %v", want, err)
		}
	}
}

// Programs that are no workers, or bad ones, are one clear error of NewPool.
func TestCommandStrangers(t *testing.T) {
	t.Parallel()
	python := pythonCommand(t)
	script := func(code string) []string {
		return []string{python.Command[0], "-c", "import os, time, yunta_worker as yunta\n" + code}
	}
	const quick = 300 * time.Millisecond
	for _, c := range []struct {
		name    string
		command []string
		timeout time.Duration
		want    string
	}{
		{"true", []string{"true"}, 0, "did not say hello: is it a worker that speaks the plain protocol? (exit status 0"},
		{"cat", []string{"cat"}, 0, "did not say hello"},
		{"sleep", []string{"sleep", "1000"}, quick, `"sleep 1000" did not say hello within 300ms`},
		{"talks", []string{"sh", "-c", "echo not a frame at all >&4; sleep 1000"}, 0, "does not speak the plain protocol"},
		{"crashes", script("raise SystemExit('no model file')"), 0, "no model file"},
		{"syntax", script("this is no Python"), 0, "SyntaxError"},
		{"version", script("yunta.PROTOCOL = 99; yunta.main()"), 0, "speaks version 99 of the plain protocol, this program version 1"},
		{"unready", script("yunta._Process.limit_memory = lambda self: time.sleep(1000)\nyunta.main()"), time.Second, "did not say within 1s that it is ready"},
		{"overready", script("os.write(4, b'\\0\\0\\0\\2\\5\\0'); time.sleep(1000)"), 0, "ready without a hello"},
		{"deep hello", script("import struct\nb = b'\\x04\\x81\\xa1x' + b'\\x91' * (15 << 20) + b'\\xc0'\nos.write(4, struct.pack('>i', len(b)))\nwhile b: b = b[os.write(4, b):]\ntime.sleep(1000)"), 0, "nested more than"},
		{"silent", script("os.close(4); time.sleep(1000)"), 0, "the plain protocol"},
		{"this program", []string{testBinary(t)}, 0, "did not say hello"},
	} {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			var stderr lockedBuffer
			o := supervisor.PoolOptions{Processes: 1, Command: c.command, Env: python.Env, StartTimeout: c.timeout, Stderr: &stderr}
			if c.timeout == 0 {
				o.StartTimeout = patience
			}
			p, err := supervisor.NewPool(testContext(t), o)
			if err == nil {
				p.Terminate()
			}
			if err == nil || !strings.Contains(err.Error(), c.want) {
				t.Errorf("%v", err)
			}
		})
	}
}

// A worker that ends whenever it is ready breaks its pool, and is not started
// for ever.
func TestCommandEndsWhenReady(t *testing.T) {
	t.Parallel()
	o := pythonCommand(t)
	o.Processes = 1
	o.Command = []string{o.Command[0], "-c", `
import os, yunta_worker as yunta
@yunta.entry
def f(n): return n
yunta._Process.take = lambda self, body: os._exit(0)
yunta.main()`}
	p, err := supervisor.NewPool(testContext(t), o)
	if err != nil {
		t.Fatal(err)
	}
	_, err = supervisor.Apply(testContext(t), p, child.Foreign[int, int]("f"), 1)
	if !errors.Is(err, supervisor.ErrPoolTerminated) || !errors.Is(err, supervisor.ErrPoolBroken) {
		t.Error(err)
	}
	if err := p.Wait(testContext(t)); err != nil {
		t.Error(err)
	}
}

func TestCommandMemoryLimit(t *testing.T) {
	t.Parallel()
	if _, err := os.Stat("/proc/self/statm"); err != nil {
		t.Skip("a Python worker knows its memory only where there is /proc")
	}
	o := pythonCommand(t)
	o.Processes, o.MemoryLimit = 1, 200<<20
	p := newPool(t, o)
	ctx := testContext(t)
	_, err := supervisor.Apply(ctx, p, pyBig, 1<<30)
	if !errors.Is(err, supervisor.ErrMemoryLimit) {
		t.Error(err)
	}
	// What it keeps makes room before the limit is met.
	hoards := child.Foreign[int, int]("hoards")
	n, err := supervisor.Map(ctx, p, hoards, slices.Repeat([]int{60 << 20}, 8))
	if err != nil || slices.Max(n) > 3 {
		t.Error(n, err)
	}
	if s := p.Stats(); s.Outgrown == 0 || s.Failed != 1 {
		t.Errorf("%+v", s)
	}
}

// The pool ends whatever its workers do.
func TestCommandTerminate(t *testing.T) {
	t.Parallel()
	o := pythonCommand(t)
	o.Grace = 50 * time.Millisecond
	p := newPool(t, o)
	path := filepath.Join(t.TempDir(), "signed")
	f := supervisor.MapAsync(context.Background(), p, child.Foreign[string, int]("stubborn"), []string{path, path, path})
	waitSigned(t, path, 2)
	if err := syscall.Kill(p.Workers()[0].PID, syscall.SIGSTOP); err != nil {
		t.Error(err)
	}
	p.Terminate()
	if err := p.Wait(testContext(t)); err != nil {
		t.Error(err)
	}
	if _, err := f.Get(testContext(t)); !errors.Is(err, supervisor.ErrPoolTerminated) {
		t.Error(err)
	}
}

// The program in the package's documentation works as it stands.
func TestCommandDocumented(t *testing.T) {
	t.Parallel()
	o := pythonCommand(t)
	doc, err := os.ReadFile("doc.go")
	if err != nil {
		t.Fatal(err)
	}
	program := regexp.MustCompile(`(?s)//\timport yunta_worker.*?yunta\.main\(\)\n`).FindString(string(doc))
	program = strings.ReplaceAll(strings.ReplaceAll(program, "//\t", ""), "//\n", "\n")
	path := filepath.Join(t.TempDir(), "worker.py")
	if err := os.WriteFile(path, []byte(program), 0o644); err != nil {
		t.Fatal(err)
	}
	o.Command = []string{o.Command[0], path}
	p := newPool(t, o)
	score := child.Foreign[[]float64, float64]("score")
	scores, err := supervisor.Map(testContext(t), p, score, [][]float64{{1, 3, 2}, {-1.5}})
	if !slices.Equal(scores, []float64{3, -1.5}) || err != nil {
		t.Error(scores, err)
	}
}

func TestCommandPinnedOnDemand(t *testing.T) {
	t.Parallel()
	o := pythonCommand(t)
	canPin := affinity.Supported() == nil
	o.Processes, o.OnDemand = 3, true
	if canPin {
		o.Pin = supervisor.PinCores
	}
	p := newPool(t, o)
	ctx := testContext(t)
	cores, err := supervisor.Apply(ctx, p, child.Foreign[int, [2][]int]("cores"), 0)
	if err != nil {
		t.Fatal(err)
	}
	workers := p.Workers()
	if len(workers) != 1 {
		t.Errorf("%d workers are there for one task", len(workers))
	}
	if canPin && (len(cores[0]) != 1 || !slices.Equal(cores[0], cores[1]) || !slices.Equal(cores[0], workers[0].CPUs)) {
		t.Errorf("may run on %v, was told %v, pinned to %v", cores[0], cores[1], workers[0].CPUs)
	}
	path := filepath.Join(t.TempDir(), "signed")
	f := supervisor.MapAsync(ctx, p, child.Foreign[string, int]("polls"), []string{path, path, path})
	waitSigned(t, path, 3)
	f.Cancel()
	if _, err := f.Get(ctx); !errors.Is(err, context.Canceled) {
		t.Error(err)
	}
}
