package supervisor_test

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"os"
	"slices"
	"strings"
	"testing"
	"time"

	"go.uber.org/goleak"

	"yunta/child"
	"yunta/oslock/rundir"
	"yunta/supervisor"
)

func TestMain(m *testing.M) {
	playLimit()
	child.Main()
	playHelper()
	os.Exit(runTests(m))
}

// runTests runs the tests in a run directory of their own and checks that
// nothing is left of them: no folder there, no process, no goroutine.
func runTests(m *testing.M) int {
	base := "/dev/shm"
	if _, err := os.Stat(base); err != nil {
		base = "/tmp"
	}
	dir, err := os.MkdirTemp(base, "yt")
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		return 1
	}
	defer os.RemoveAll(dir)
	os.Setenv("YUNTA_DIR", dir)
	os.Setenv("GORACE", "atexit_sleep_ms=0") // children need not wait a second to end
	code := m.Run()
	for _, dir := range benchDirs {
		os.RemoveAll(dir)
	}
	// A pool that was terminated and not waited for, as in the examples, is
	// gone a moment later. A program that a test killed has left its folder to
	// the next start.
	if _, err := rundir.Sweep(); err != nil {
		fmt.Fprintln(os.Stderr, err)
		code = 1
	}
	left, _ := os.ReadDir(dir)
	for end := time.Now().Add(patience); time.Now().Before(end); left, _ = os.ReadDir(dir) {
		if !slices.ContainsFunc(left, func(e os.DirEntry) bool { return strings.Contains(e.Name(), "run-") }) {
			break
		}
		time.Sleep(time.Millisecond)
	}
	for _, e := range left {
		if strings.HasPrefix(e.Name(), "run-") || strings.HasPrefix(e.Name(), ".run-") {
			fmt.Fprintf(os.Stderr, "left in the run directory: %s\n", e.Name())
			code = 1
		}
	}
	for _, p := range processes() {
		if p.parent == os.Getpid() && p.name != "ps" {
			fmt.Fprintf(os.Stderr, "left running: %v\n", p)
			code = 1
		}
	}
	if err := goleak.Find(); err != nil {
		fmt.Fprintln(os.Stderr, err)
		code = 1
	}
	if code == 0 && flag.Lookup("test.run").Value.String() == "" && !testing.Short() {
		for name := range helpers {
			if _, played := helpersPlayed.Load(name); !played {
				fmt.Fprintf(os.Stderr, "no test used the helper %q\n", name)
				code = 1
			}
		}
	}
	return code
}

// patience bounds how long a test waits for what must happen; it only has to
// be shorter than for ever.
const patience = 60 * time.Second

func testContext(t testing.TB) context.Context {
	t.Helper()
	ctx, cancel := context.WithTimeout(context.Background(), patience)
	t.Cleanup(cancel)
	return ctx
}

// newPool makes a pool that is closed and waited for when the test ends.
func newPool(t testing.TB, o supervisor.PoolOptions) *supervisor.Pool {
	t.Helper()
	p, err := supervisor.NewPool(context.Background(), o)
	if err != nil {
		t.Fatalf("NewPool: %v", err)
	}
	t.Cleanup(func() {
		p.Close()
		ctx, cancel := context.WithTimeout(context.Background(), patience)
		defer cancel()
		if err := p.Wait(ctx); err != nil {
			p.Terminate()
			t.Errorf("Wait: %v", err)
		}
	})
	return p
}

// waitFor waits until a condition holds.
func waitFor(t testing.TB, what string, cond func() bool) {
	t.Helper()
	for end := time.Now().Add(patience); time.Now().Before(end); time.Sleep(time.Millisecond) {
		if cond() {
			return
		}
	}
	t.Fatalf("waited %v for %s", patience, what)
}

func ints(n int) []int {
	out := make([]int, n)
	for i := range out {
		out[i] = i
	}
	return out
}

// models runs a test in both models.
func models(t *testing.T, f func(t *testing.T, o supervisor.PoolOptions)) {
	for _, m := range []supervisor.Model{supervisor.Processes, supervisor.Goroutines} {
		t.Run(m.String(), func(t *testing.T) { f(t, supervisor.PoolOptions{Model: m, Processes: 2}) })
	}
}

// Entries that several tests use.
var (
	square = child.Register("square", func(_ context.Context, n int) (int, error) { return n * n, nil })
	upper  = child.Register("upper", func(_ context.Context, s string) (string, error) { return strings.ToUpper(s), nil })
	echo   = child.Register("echo", func(_ context.Context, b []byte) ([]byte, error) { return b, nil })
	sleep  = child.Register("sleep", func(ctx context.Context, d time.Duration) (time.Duration, error) {
		select {
		case <-time.After(d):
			return d, nil
		case <-ctx.Done():
			return 0, ctx.Err()
		}
	})
	pid   = child.Register("pid", func(context.Context, int) (int, error) { return os.Getpid(), nil })
	exit  = child.Register("exit", func(_ context.Context, code int) (int, error) { os.Exit(code); return 0, nil })
	fails = child.Register("fails", func(_ context.Context, n int) (int, error) {
		if n%2 == 1 {
			return 0, fmt.Errorf("odd: %d: %w", n, errOdd)
		}
		return n, nil
	})
	panics = child.Register("panics", func(_ context.Context, s string) (int, error) { panic(s) })
	errOdd = errors.New("odd number")
)
