package load

import (
	"context"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"yunta/child"
)

const hostEnv = "YUNTA_COMPARE_TEST_HOST"

func TestMain(m *testing.M) {
	child.Main()
	if os.Getenv(hostEnv) != "" {
		if err := Serve(context.Background(), os.Stdin, os.Stdout); err != nil {
			fmt.Fprintln(os.Stderr, err)
			os.Exit(1)
		}
		os.Exit(0)
	}
	os.Setenv(hostEnv, "1") // for those that are started
	os.Exit(m.Run())
}

func executor(t *testing.T) *Executor {
	t.Helper()
	exe, err := os.Executable()
	if err != nil {
		t.Fatal(err)
	}
	python, err := exec.LookPath("python3")
	if err != nil {
		t.Log("there is no python3 to compare with")
	}
	e, err := NewExecutor([]string{exe}, python, 2)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { e.Close() })
	return e
}

// small is a run of few tasks.
func small(t *testing.T, w Workload) Spec {
	t.Helper()
	dir := t.TempDir()
	for i := range 3 {
		text := strings.Repeat(fmt.Sprintf("The %d quick_brown foxes don't jump over lazy-dog%d\n", i, i), 60+i)
		if err := os.WriteFile(filepath.Join(dir, fmt.Sprintf("%d.txt", i)), []byte(text), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	s := w.Spec(2, 1, true, TextFiles(t.Context(), []string{dir}))
	s.Tasks, s.Prefix, s.Calls, s.PerMicro, s.Lanes = 6, 2, 4, 1, true
	return s
}

// The same input gives the same result in all models, and every run comes with its numbers.
func TestModelsAgree(t *testing.T) {
	t.Parallel()
	e := executor(t)
	for _, w := range Workloads {
		if w.Name == "crash" {
			continue
		}
		t.Run(w.Name, func(t *testing.T) {
			t.Parallel()
			s := small(t, w)
			var sums []string
			for _, model := range []string{"process", "goroutine", "python"} {
				if model == "python" && e.Python == "" {
					continue
				}
				s.Model = model
				o, err := e.Run(t.Context(), s)
				if err != nil {
					t.Fatal(err)
				}
				for _, metric := range []string{"throughput", "p50", "p99", "max", "ready", "cpu"} {
					if o.Run.Metrics[metric] <= 0 {
						t.Errorf("%s: %s is %v", model, metric, o.Run.Metrics[metric])
					}
				}
				if len(o.Run.Latency) == 0 || o.Run.Metrics["p50"] > o.Run.Metrics["max"] {
					t.Errorf("%s: latencies %v", model, o.Run.Latency)
				}
				sums = append(sums, o.Prefix)
				if model == "python" {
					continue
				}
				kept := 0
				for _, l := range o.Run.Lanes {
					kept += len(l.Spans) / 2
				}
				if w.Name != "echo" && kept != s.Tasks {
					t.Errorf("%s: %d tasks in the lanes, want %d", model, kept, s.Tasks)
				}
				total := 0.0
				for _, step := range o.Run.Start {
					total += step.MS
				}
				if ready := o.Run.Metrics["ready"]; total < 0.99*ready || total > 1.01*ready {
					t.Errorf("%s: the steps come to %v ms, ready after %v", model, total, ready)
				}
				if want := map[string]int{"primes": len(s.Counts()), "echo": len(s.Sizes()), "tiny": len(s.Lengths())}[w.Name]; len(o.Run.Curve) != want {
					t.Errorf("%s: %d points, want %d", model, len(o.Run.Curve), want)
				}
			}
			for _, sum := range sums {
				if sum != sums[0] || sum == "" {
					t.Errorf("checksums %v", sums)
				}
			}
		})
	}
}

func TestFaults(t *testing.T) {
	t.Parallel()
	e := executor(t)
	// What a crash does to a program of goroutines is what Go says it does: only a panic is caught, and what hangs is left behind.
	want := map[string]string{
		"process panic": "contained", "process exit": "contained", "process kill": "contained", "process map": "contained",
		"process stack": "contained", "process hang": "contained",
		"goroutine panic": "contained", "goroutine exit": "lost", "goroutine kill": "lost", "goroutine map": "lost",
		"goroutine stack": "lost", "goroutine hang": "leaked",
		"python panic": "contained", "python kill": "hung",
	}
	for row, outcome := range want {
		t.Run(row, func(t *testing.T) {
			t.Parallel()
			model, fault, _ := strings.Cut(row, " ")
			if model == "python" && e.Python == "" {
				t.Skip("there is no python3")
			}
			o, err := e.Run(t.Context(), Spec{Workload: "crash", Model: model, Workers: 2, Fault: fault})
			if err != nil {
				t.Fatal(err)
			}
			if o.Fault == nil || o.Fault.Outcome != outcome || o.Fault.Detail == "" {
				t.Errorf("got %+v, want %s", o.Fault, outcome)
			}
		})
	}
}

func TestCommand(t *testing.T) {
	t.Parallel()
	e := executor(t)
	r, err := e.Command(t.Context(), []string{"/bin/sh", "-c", "exit 0"})
	if err != nil || r.Error != "" || r.Metrics["seconds"] <= 0 {
		t.Errorf("got %+v, %v", r, err)
	}
	r, err = e.Command(t.Context(), []string{"/bin/sh", "-c", "echo broken >&2; exit 3"})
	if err != nil || r.Error != "broken" {
		t.Errorf("got %+v, %v", r, err)
	}
	if _, err = e.Command(t.Context(), []string{"/nonexistent/command"}); err == nil {
		t.Error("what does not exist ran")
	}
}
