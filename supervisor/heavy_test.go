package supervisor_test

import (
	"context"
	"errors"
	"fmt"
	"path/filepath"
	"slices"
	"sync"
	"testing"
	"time"

	"yunta/child"
	"yunta/supervisor"
)

// Ten pools at once, each with its own work and its own deaths.
func TestTenPools(t *testing.T) {
	t.Parallel()
	var wg sync.WaitGroup
	for i := range 10 {
		wg.Go(func() {
			p, err := supervisor.NewPool(testContext(t), supervisor.PoolOptions{Processes: 1 + i%3, Name: fmt.Sprint("ten", i)})
			if err != nil {
				t.Errorf("pool %d: %v", i, err)
				return
			}
			defer func() {
				p.Close()
				if err := p.Wait(testContext(t)); err != nil {
					t.Errorf("pool %d: %v", i, err)
				}
			}()
			args := ints(2000)
			args[i*100] = -1
			got, err := supervisor.Map(testContext(t), p, killsItself, args)
			var m *supervisor.MapError
			if !errors.As(err, &m) || len(m.Errors) != 1 || m.Errors[0].Index != i*100 {
				t.Errorf("pool %d: %v", i, err)
			}
			for k, v := range got {
				if k != i*100 && v != k {
					t.Errorf("pool %d: result %d is %d", i, k, v)
					return
				}
			}
		})
	}
	wg.Wait()
}

type nestArgument struct {
	Depth int
	Path  string // signed at the bottom, and hung there unless it is empty
}

// nest opens a pool in the task and runs itself in it, to a depth.
var nest, setNest = later[nestArgument, []int]("nest")

// later registers an entry whose function is set afterwards, so that it can
// call itself.
func later[A, R any](name string) (child.Entry[A, R], *func(context.Context, A) (R, error)) {
	f := new(func(context.Context, A) (R, error))
	return child.Register(name, func(ctx context.Context, a A) (R, error) { return (*f)(ctx, a) }), f
}

func init() {
	*setNest = func(ctx context.Context, a nestArgument) ([]int, error) {
		me := child.Self()
		if a.Depth == 0 {
			if a.Path != "" {
				return nil, hangs(a.Path)
			}
			return []int{me.PID}, nil
		}
		p, err := supervisor.NewPool(ctx, supervisor.PoolOptions{Processes: 2})
		if err != nil {
			return nil, err
		}
		defer p.Wait(context.Background())
		defer p.Close()
		a.Depth--
		below, err := supervisor.Map(ctx, p.With(supervisor.CallOptions{ChunkSize: 1}), nest, []nestArgument{a, a})
		return append(slices.Concat(below...), me.PID), err
	}
}

func hangs(path string) error {
	signPID(path)
	select {}
}

var nested = helper("nested", func(args []string) int {
	p, err := supervisor.NewPool(context.Background(), supervisor.PoolOptions{Processes: 1})
	must(err)
	_, err = supervisor.Apply(helperContext(), p, nest, nestArgument{Depth: 3, Path: args[0]})
	must(err)
	return 0
})

// Pools inside tasks work to depth 3; killing the top leaves none.
func TestNestedPools(t *testing.T) {
	t.Parallel()
	p := newPool(t, supervisor.PoolOptions{Processes: 2})
	got, err := supervisor.Apply(testContext(t), p, nest, nestArgument{Depth: 3})
	if err != nil {
		t.Fatal(err)
	}
	slices.Sort(got)
	// Eight at the bottom, in up to that many processes, and those above them.
	if n := len(slices.Compact(slices.Clone(got))); len(got) != 15 || n < 10 {
		t.Errorf("%d tasks ran in %d processes", len(got), n)
	}
	for _, pid := range got {
		if !slices.Contains(workerPIDs(p), pid) && alive(pid) {
			t.Errorf("process %d is left", pid)
		}
	}
	for range 3 {
		path := filepath.Join(t.TempDir(), "bottom")
		top := command(t, nested, path).start()
		waitSigned(t, path, 8)
		// The top, its worker, 2, 4 and 8 below that.
		if n := len(descendants(top.run)); n != 1+1+2+4+8 {
			t.Errorf("%d processes", n)
		}
		top.kill()
		top.gone()
	}
	// Killing one in the middle takes what is below it, and nothing else.
	path := filepath.Join(t.TempDir(), "bottom")
	f := supervisor.ApplyAsync(testContext(t), p, nest, nestArgument{Depth: 2, Path: path})
	bottom := waitSigned(t, path, 4)
	f.Cancel()
	if _, err := f.Get(testContext(t)); !errors.Is(err, context.Canceled) {
		t.Errorf("got %v", err)
	}
	waitFor(t, "the cancelled task's own pools to be gone", func() bool {
		return !slices.ContainsFunc(processes(), func(x process) bool { return slices.Contains(bottom, fmt.Sprint(x.pid)) })
	})
	if got, err := supervisor.Apply(testContext(t), p, square, 3); err != nil || got != 9 {
		t.Errorf("afterwards: %v, %v", got, err)
	}
}

// Many more workers than cores.
func TestSixtyFourWorkers(t *testing.T) {
	t.Parallel()
	models(t, func(t *testing.T, o supervisor.PoolOptions) {
		o.Processes = 64
		p := newPool(t, o)
		got, err := supervisor.Map(testContext(t), p, square, ints(20_000))
		if err != nil || !slices.Equal(got, squares(20_000)) {
			t.Errorf("Map: %v", err)
		}
		var pids []int
		pids, err = supervisor.Map(testContext(t), p.With(supervisor.CallOptions{ChunkSize: 1}), slowPID, ints(640))
		if err != nil {
			t.Error(err)
		}
		slices.Sort(pids)
		if n := len(slices.Compact(pids)); o.Model == supervisor.Processes && n < 32 {
			t.Errorf("only %d workers got work", n)
		}
		n := 0
		for v, err := range supervisor.IMap(testContext(t), p, square, slices.Values(ints(5000))) {
			if err != nil || v != n*n {
				t.Fatalf("IMap: result %d is %d, %v", n, v, err)
			}
			n++
		}
		waitFor(t, "all workers to be idle", func() bool { return idle(p) == 64 })
	})
}

var slowPID = child.Register("slowPID", func(context.Context, int) (int, error) {
	time.Sleep(10 * time.Millisecond)
	return child.Self().PID, nil
})

// Hundreds of runs of submit-then-Terminate at random points all end, with an
// answer for every call.
func TestTerminateAnywhere(t *testing.T) {
	t.Parallel()
	rounds := 500
	if testing.Short() || raceEnabled {
		rounds = 100
	}
	r := random(t)
	moments := make([]time.Duration, rounds)
	for i := range moments {
		moments[i] = time.Duration(r.IntN(4000)) * time.Microsecond
		if r.IntN(4) == 0 {
			moments[i] /= 100
		}
	}
	for i, moment := range moments {
		o := supervisor.PoolOptions{Processes: 1 + i%3}
		if i%5 == 4 {
			o.Model = supervisor.Goroutines
		}
		ctx, cancel := context.WithCancel(context.Background())
		p, err := supervisor.NewPool(ctx, o)
		if err != nil {
			t.Fatal(err)
		}
		var calls []func() error
		submit := func() {
			many := supervisor.MapAsync(context.Background(), p, square, ints(500))
			one := supervisor.ApplyAsync(context.Background(), p, sleep, time.Millisecond)
			dying := supervisor.ApplyAsync(context.Background(), p, killsItself, 1-2*(i%2)*int(1-o.Model))
			calls = append(calls,
				func() error { _, err := many.Get(testContext(t)); return err },
				func() error { _, err := one.Get(testContext(t)); return err },
				func() error { _, err := dying.Get(testContext(t)); return err },
			)
		}
		submit()
		streamed := make(chan error, 1)
		go func() {
			n := 0
			for v, err := range supervisor.IMap(context.Background(), p, square, slices.Values(ints(300))) {
				if err != nil {
					streamed <- err
					return
				}
				if v != n*n {
					t.Errorf("round %d: streamed result %d is %d", i, n, v)
				}
				n++
			}
			streamed <- nil
		}()
		calls = append(calls, func() error {
			select {
			case err := <-streamed:
				return err
			case <-testContext(t).Done():
				return errors.New("a streamed map hangs")
			}
		})
		ended := make(chan struct{})
		go func() {
			defer close(ended)
			time.Sleep(moment)
			switch i % 4 {
			case 0, 1:
				p.Terminate()
			case 2:
				cancel()
			case 3:
				p.Close()
				p.Terminate()
			}
		}()
		submit()
		<-ended
		submit()
		if err := p.Wait(testContext(t)); err != nil {
			t.Fatalf("round %d: Wait: %v", i, err)
		}
		for k, call := range calls {
			err := call()
			if err != nil && !errors.Is(err, supervisor.ErrPoolTerminated) && !errors.Is(err, supervisor.ErrWorkerDied) &&
				!errors.Is(err, supervisor.ErrPoolClosed) {
				t.Fatalf("round %d: call %d: %v", i, k, err)
			}
		}
		cancel()
	}
}
