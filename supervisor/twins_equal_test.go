package supervisor_test

import (
	"context"
	"errors"
	"fmt"
	"io"
	"iter"
	"log/slog"
	"path/filepath"
	"runtime"
	"slices"
	"sync/atomic"
	"syscall"
	"testing"
	"time"

	"yunta/child"
	"yunta/ipc"
	"yunta/supervisor"
)

// A feature is what a program does with a pool of either model. What it returns
// is what the program sees of it.
type feature struct {
	name    string
	options supervisor.PoolOptions
	use     func(ctx context.Context, t *testing.T, p *supervisor.Pool) string
	want    string
	differs string // what goroutines give instead, as the documentation has it
}

// outcome names an error that a caller can test for.
func outcome(v any, err error) string {
	for _, known := range []error{
		supervisor.ErrTaskTimeout, supervisor.ErrPoolBroken, supervisor.ErrPoolClosed, supervisor.ErrPoolTerminated,
		supervisor.ErrMemoryLimit, ipc.ErrNoAttachments, ipc.ErrEncode, errOdd, errors.ErrUnsupported, context.Canceled,
	} {
		if errors.Is(err, known) {
			return fmt.Sprintf("%v, %v", v, known)
		}
	}
	var r *supervisor.RemoteError
	if errors.As(err, &r) {
		return fmt.Sprintf("%v, panic %v: %s", v, r.Panic, r.Message)
	}
	return fmt.Sprintf("%v, %v", v, err)
}

func unordered[T any](results iter.Seq2[T, error]) (all []string) {
	for v, err := range results {
		all = append(all, outcome(v, err))
	}
	slices.Sort(all)
	return all
}

// endsBadly is an input that ends with an error.
func endsBadly(yield func(int, error) bool) {
	if yield(3, nil) {
		yield(0, errOdd)
	}
}

func (f feature) run(t *testing.T, m supervisor.Model) string {
	o := f.options
	o.Model = m
	if o.Processes == 0 {
		o.Processes = 2
	}
	if o.ResultsFile != "" {
		o.ResultsFile = filepath.Join(t.TempDir(), o.ResultsFile)
	}
	if o.Grace == 0 {
		o.Grace = 10 * time.Millisecond
	}
	ctx := testContext(t)
	p, err := supervisor.NewPool(ctx, o)
	if err != nil {
		return outcome("no pool", err)
	}
	defer func() {
		p.Terminate()
		if err := p.Wait(ctx); err != nil {
			t.Error(err)
		}
	}()
	return f.use(ctx, t, p)
}

// What is said of pools and futures holds for both models, but for what only a
// process can do, which is an error that says so or documented at its option.
func TestTwinEqual(t *testing.T) {
	t.Parallel()
	features := slices.Concat(callFeatures, failureFeatures, poolFeatures)
	for _, f := range features {
		t.Run(f.name, func(t *testing.T) {
			t.Parallel()
			for _, m := range []supervisor.Model{supervisor.Processes, supervisor.Goroutines} {
				want := f.want
				if m == supervisor.Goroutines && f.differs != "" {
					want = f.differs
				}
				if got := f.run(t, m); got != want {
					t.Errorf("%s: got %s, want %s", m, got, want)
				}
			}
		})
	}
}

var callFeatures = []feature{
	{name: "Map", want: "[0 1 4], <nil>", use: func(ctx context.Context, _ *testing.T, p *supervisor.Pool) string {
		return outcome(supervisor.Map(ctx, p, square, ints(3)))
	}},
	{name: "Map of nothing", want: "[], <nil>", use: func(ctx context.Context, _ *testing.T, p *supervisor.Pool) string {
		return outcome(supervisor.Map(ctx, p, square, nil))
	}},
	{name: "Map of structs", want: "[mul(2, 3) = 6], <nil>", use: func(ctx context.Context, _ *testing.T, p *supervisor.Pool) string {
		return outcome(supervisor.Map(ctx, p, calculate, []calculation{{"mul", 2, 3}}))
	}},
	{name: "MapSeq of a failing input", want: "[], odd number", use: func(ctx context.Context, _ *testing.T, p *supervisor.Pool) string {
		return outcome(supervisor.MapSeq(ctx, p, square, endsBadly))
	}},
	{name: "MapAsync", want: "[0 1 4], <nil>", use: func(ctx context.Context, _ *testing.T, p *supervisor.Pool) string {
		return outcome(supervisor.MapAsync(ctx, p, square, ints(3)).Get(ctx))
	}},
	{name: "Apply", want: "49, <nil>", use: func(ctx context.Context, _ *testing.T, p *supervisor.Pool) string {
		return outcome(supervisor.Apply(ctx, p, square, 7))
	}},
	{name: "ApplyAsync", want: "49, <nil> done", use: func(ctx context.Context, _ *testing.T, p *supervisor.Pool) string {
		f := supervisor.ApplyAsync(ctx, p, square, 7)
		got := outcome(f.Get(ctx))
		return fmt.Sprint(got, " ", f.State())
	}},
	{name: "IMap", want: "[0, <nil> 1, <nil> 4, <nil>]", use: func(ctx context.Context, _ *testing.T, p *supervisor.Pool) string {
		var all []string
		for v, err := range supervisor.IMap(ctx, p, square, slices.Values(ints(3))) {
			all = append(all, outcome(v, err))
		}
		return fmt.Sprint(all)
	}},
	{name: "IMap left early", want: "0, <nil>; 9, <nil>", use: func(ctx context.Context, _ *testing.T, p *supervisor.Pool) string {
		for v, err := range supervisor.IMap(ctx, p, square, func(yield func(int) bool) {
			for n := 0; yield(n); n++ {
			}
		}) {
			again, err2 := supervisor.Apply(ctx, p, square, 3)
			return outcome(v, err) + "; " + outcome(again, err2)
		}
		return ""
	}},
	{name: "IMapUnordered", want: "[0, <nil> 1, <nil> 4, <nil>]", use: func(ctx context.Context, _ *testing.T, p *supervisor.Pool) string {
		return fmt.Sprint(unordered(supervisor.IMapUnordered(ctx, p, square, slices.Values(ints(3)))))
	}},
	{name: "IMapSeq of a failing input", want: "[0, odd number 9, <nil>]", use: func(ctx context.Context, _ *testing.T, p *supervisor.Pool) string {
		return fmt.Sprint(unordered(supervisor.IMapSeq(ctx, p, square, endsBadly)))
	}},
	{name: "AsCompleted, WaitAll, OnDone", want: "2 2 0 <nil> 4", use: func(ctx context.Context, _ *testing.T, p *supervisor.Pool) string {
		a, b := supervisor.ApplyAsync(ctx, p, square, 1), supervisor.ApplyAsync(ctx, p, square, 2)
		n := 0
		for range supervisor.AsCompleted(ctx, a, b) {
			n++
		}
		done, pending, err := supervisor.WaitAll(ctx, a, b)
		called := make(chan int)
		b.OnDone(func(n int, _ error) { called <- n })
		return fmt.Sprint(n, len(done), len(pending), err, " ", <-called)
	}},
	{name: "OnProgress", want: "5, <nil> 5", use: func(ctx context.Context, _ *testing.T, p *supervisor.Pool) string {
		var last atomic.Int64
		v := p.With(supervisor.CallOptions{OnProgress: func(done, _ int) { last.Store(int64(done)) }})
		got, err := supervisor.Map(ctx, v, square, ints(5))
		return outcome(len(got), err) + " " + fmt.Sprint(last.Load())
	}},
}

var failureFeatures = []feature{
	{name: "an error", want: "[0 0 2], odd number 1", use: func(ctx context.Context, t *testing.T, p *supervisor.Pool) string {
		got, err := supervisor.Map(ctx, p, fails, ints(3))
		var m *supervisor.MapError
		if !errors.As(err, &m) || m.Total != 3 || m.Errors[0].Index != 1 || m.Errors[0].Entry != "fails" {
			t.Error(err)
		}
		return outcome(got, err) + " " + fmt.Sprint(len(m.Errors))
	}},
	{name: "a panic", want: "0, panic true: boom; 9, <nil>", use: func(ctx context.Context, _ *testing.T, p *supervisor.Pool) string {
		v, err := supervisor.Apply(ctx, p, panics, "boom")
		return outcome(v, err) + "; " + outcome(supervisor.Apply(ctx, p, square, 3))
	}},
	{name: "a task that ends its goroutine", want: "true; 9, <nil>", use: func(ctx context.Context, _ *testing.T, p *supervisor.Pool) string {
		_, err := supervisor.Apply(ctx, p, endsItself, 0)
		return fmt.Sprint(err != nil) + "; " + outcome(supervisor.Apply(ctx, p, square, 3))
	}},
	{name: "a timeout", want: "0s, supervisor: task timed out; 9, <nil>", use: func(ctx context.Context, _ *testing.T, p *supervisor.Pool) string {
		v, err := supervisor.Apply(ctx, p.With(supervisor.CallOptions{Timeout: 20 * time.Millisecond}), sleep, time.Hour)
		return outcome(v, err) + "; " + outcome(supervisor.Apply(ctx, p, square, 3))
	}},
	{name: "Cancel", want: "cancelled cancelled true; 9, <nil>", options: supervisor.PoolOptions{Processes: 1}, use: func(ctx context.Context, t *testing.T, p *supervisor.Pool) string {
		running := supervisor.ApplyAsync(ctx, p, sleep, time.Hour)
		waitFor(t, "it to run", func() bool { return running.State() == supervisor.FutureRunning })
		waiting := supervisor.ApplyAsync(ctx, p, sleep, time.Hour)
		waiting.Cancel()
		running.Cancel()
		<-waiting.Done()
		<-running.Done()
		return fmt.Sprint(waiting.State(), " ", running.State(), " ", errors.Is(running.Err(), context.Canceled)) + "; " + outcome(supervisor.Apply(ctx, p, square, 3))
	}},
	{name: "Retries", want: "0, odd number 3", use: func(ctx context.Context, t *testing.T, p *supervisor.Pool) string {
		v, err := supervisor.Apply(ctx, p.With(supervisor.CallOptions{Retries: 2}), fails, 1)
		var task *supervisor.TaskError
		if !errors.As(err, &task) {
			t.Fatal(err)
		}
		return outcome(v, err) + " " + fmt.Sprint(task.Attempts)
	}},
	{name: "an argument that cannot be encoded", want: "0, ipc: cannot encode", differs: "0, <nil>", use: func(ctx context.Context, _ *testing.T, p *supervisor.Pool) string {
		return outcome(supervisor.Apply(ctx, p, takesAny, any(make(chan int))))
	}},
	{name: "a connection in a task", want: "0, " + ipc.ErrNoAttachments.Error(), differs: "0, <nil>", use: func(ctx context.Context, t *testing.T, p *supervisor.Pool) string {
		a, b, err := ipc.Pipe()
		if err != nil {
			t.Fatal(err)
		}
		defer a.Close()
		defer b.Close()
		return outcome(supervisor.Apply(ctx, p, takesConn, a))
	}},
}

var (
	endsItself = child.Register("endsItself", func(context.Context, int) (int, error) { runtime.Goexit(); return 0, nil })
	takesAny   = child.Register("takesAny", func(context.Context, any) (int, error) { return 0, nil })
	takesConn  = child.Register("takesConn", func(context.Context, *ipc.Conn) (int, error) { return 0, nil })
	signsAs    = child.Register("signsAs", func(_ context.Context, a [2]string) (int, error) { sign(a[0], a[1]); return 0, nil })
)

var poolFeatures = []feature{
	{name: "Close", want: "0, " + supervisor.ErrPoolClosed.Error(), use: func(ctx context.Context, _ *testing.T, p *supervisor.Pool) string {
		p.Close()
		return outcome(supervisor.Apply(ctx, p, square, 2))
	}},
	{name: "Terminate", want: "0s, " + supervisor.ErrPoolTerminated.Error(), use: func(ctx context.Context, _ *testing.T, p *supervisor.Pool) string {
		f := supervisor.ApplyAsync(ctx, p, sleep, time.Hour)
		p.Terminate()
		return outcome(f.Get(ctx))
	}},
	{name: "CloseCancel", want: "cancelled <nil>", options: supervisor.PoolOptions{Processes: 1}, use: func(ctx context.Context, t *testing.T, p *supervisor.Pool) string {
		running := supervisor.ApplyAsync(ctx, p, sleep, 20*time.Millisecond)
		waitFor(t, "it to run", func() bool { return running.State() == supervisor.FutureRunning })
		waiting := supervisor.ApplyAsync(ctx, p, square, 2)
		p.CloseCancel()
		<-waiting.Done()
		_, err := running.Get(ctx)
		return fmt.Sprint(waiting.State(), " ", err)
	}},
	{name: "the end of the context", want: "0s, context canceled; 4, <nil>", use: func(ctx context.Context, _ *testing.T, p *supervisor.Pool) string {
		ended, cancel := context.WithCancel(ctx)
		f := supervisor.ApplyAsync(ended, p, sleep, time.Hour)
		cancel()
		got := outcome(f.Get(ctx))
		return got + "; " + outcome(supervisor.Apply(ctx, p, square, 2))
	}},
	{name: "MaxTasksPerChild", want: "true, <nil>", options: supervisor.PoolOptions{MaxTasksPerChild: 2}, use: func(ctx context.Context, t *testing.T, p *supervisor.Pool) string {
		_, err := supervisor.Map(ctx, p, square, ints(20))
		waitFor(t, "replacements", func() bool { return p.Stats().Restarts >= 5 })
		return outcome(p.Stats().Tasks == 20, err)
	}},
	{name: "OnDemand", want: "[0 1 4], <nil>", options: supervisor.PoolOptions{OnDemand: true}, use: func(ctx context.Context, _ *testing.T, p *supervisor.Pool) string {
		return outcome(supervisor.Map(ctx, p, square, ints(3)))
	}},
	{name: "Workers", want: "2 idle", use: func(ctx context.Context, t *testing.T, p *supervisor.Pool) string {
		waitFor(t, "both", func() bool { return len(p.Workers()) == 2 && p.Workers()[1].State == "idle" })
		return fmt.Sprint(len(p.Workers()), " ", p.Workers()[1].State)
	}},
	{name: "ResultsFile", want: "[0 1 4], <nil>", options: supervisor.PoolOptions{ResultsFile: "results"}, use: func(ctx context.Context, _ *testing.T, p *supervisor.Pool) string {
		return outcome(supervisor.Map(ctx, p, square, ints(3)))
	}},
	{name: "Logger, Stdout, Prefix", want: "4, <nil>", options: supervisor.PoolOptions{Logger: slog.New(slog.DiscardHandler), Stdout: io.Discard, Stderr: io.Discard, Prefix: "x"}, use: func(ctx context.Context, _ *testing.T, p *supervisor.Pool) string {
		return outcome(supervisor.Apply(ctx, p, square, 2))
	}},
	{name: "MemoryLimit", want: "4, <nil>", differs: "no pool, " + errors.ErrUnsupported.Error(), options: supervisor.PoolOptions{MemoryLimit: 1 << 30}, use: func(ctx context.Context, _ *testing.T, p *supervisor.Pool) string {
		return outcome(supervisor.Apply(ctx, p, square, 2))
	}},
	{name: "Env", want: "4, <nil>", differs: "no pool, " + errors.ErrUnsupported.Error(), options: supervisor.PoolOptions{Env: []string{"A=B"}}, use: func(ctx context.Context, _ *testing.T, p *supervisor.Pool) string {
		return outcome(supervisor.Apply(ctx, p, square, 2))
	}},
	{name: "Signal", want: "done, <nil>", differs: "done, " + errors.ErrUnsupported.Error(), use: func(_ context.Context, _ *testing.T, p *supervisor.Pool) string {
		return outcome("done", p.Signal(syscall.SIGCONT))
	}},
	{name: "a wrong option", want: "no pool, supervisor: MaxTasksPerChild is -1, must not be negative", options: supervisor.PoolOptions{MaxTasksPerChild: -1}, use: nil},
}

// Every worker runs the initializer before its first task, and the exit function
// when it leaves: as many of one as of the other, in either model.
func TestTwinInitializerOfReplacement(t *testing.T) {
	t.Parallel()
	models(t, func(t *testing.T, o supervisor.PoolOptions) {
		path := filepath.Join(t.TempDir(), "signed")
		o.Processes, o.MaxTasksPerChild = 1, 2
		o.Initializer, o.Exit = signsAs.Bind([2]string{path, "init"}), signsAs.Bind([2]string{path, "exit"})
		p := newPool(t, o)
		if _, err := supervisor.Map(testContext(t), p, signsAs, slices.Repeat([][2]string{{path, "task"}}, 6)); err != nil {
			t.Fatal(err)
		}
		p.Close()
		if err := p.Wait(testContext(t)); err != nil {
			t.Fatal(err)
		}
		lines := signed(path)
		for len(lines) >= 4 {
			if got := lines[:4]; !slices.Equal(got, []string{"init", "task", "task", "exit"}) {
				t.Errorf("got %v", signed(path))
				break
			}
			lines = lines[4:]
		}
		if len(lines) != 0 && !slices.Equal(lines, []string{"init", "exit"}) { // one that found nothing to do
			t.Errorf("at the end: %v", lines)
		}
	})
}

// An initializer that fails in replacements breaks a pool of goroutines, too.
func TestTwinInitializerFailsLater(t *testing.T) {
	t.Parallel()
	path := filepath.Join(t.TempDir(), "starts")
	log, text := levelLog(slog.LevelError)
	p := newPool(t, supervisor.PoolOptions{
		Model: supervisor.Goroutines, Processes: 1, MaxTasksPerChild: 1, Logger: log,
		Initializer: failsToStart.Bind(startFault{Path: path, From: 2, Do: faultError}),
	})
	f := supervisor.MapAsync(testContext(t), p, square, ints(3))
	got, err := f.Get(testContext(t))
	if !errors.Is(err, supervisor.ErrPoolBroken) || !errors.Is(err, errTrap) || !slices.Equal(got, []int{0, 0, 0}) {
		t.Errorf("got %v, %v", got, err)
	}
	if n := len(signed(path)); n != 4 {
		t.Errorf("%d starts, want one that is well and three that fail", n)
	}
	if _, err := supervisor.Apply(testContext(t), p, square, 2); !errors.Is(err, supervisor.ErrPoolBroken) {
		t.Errorf("later: %v", err)
	}
	if text.String() == "" {
		t.Error("nothing is logged")
	}
}
