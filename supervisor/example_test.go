package supervisor_test

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"time"

	"yunta/child"
	"yunta/supervisor"
)

// Entries are registered at package level, and main (here: TestMain) calls
// child.Main first.
var (
	total = child.Register("total", func(_ context.Context, n int) (int, error) {
		return n * (n + 1) / 2, nil
	})
	invert = child.Register("invert", func(_ context.Context, n int) (float64, error) {
		if n == 0 {
			return 0, errZero
		}
		return 1 / float64(n), nil
	})
	crash = child.Register("crash", func(_ context.Context, status int) (int, error) {
		os.Exit(status)
		return 0, nil
	})
	errZero = errors.New("zero has no inverse")
)

func init() { child.RegisterError(errZero) }

// The sums of 1..n by four processes: the first example of most texts on
// multiprocessing.
func Example() {
	ctx := context.Background()
	pool, err := supervisor.NewPool(ctx, supervisor.PoolOptions{Processes: 4})
	if err != nil {
		fmt.Println(err)
		return
	}
	defer pool.Terminate()
	totals, err := supervisor.Map(ctx, pool, total, []int{100000, 200000, 300000, 400000})
	fmt.Println(totals, err)
	// Output: [5000050000 20000100000 45000150000 80000200000] <nil>
}

// Results of what succeeded come with the error of what did not.
func ExampleMap() {
	ctx := context.Background()
	pool, err := supervisor.NewPool(ctx, supervisor.PoolOptions{Processes: 2})
	if err != nil {
		fmt.Println(err)
		return
	}
	defer pool.Terminate()
	inverses, err := supervisor.Map(ctx, pool, invert, []int{4, 0, 2})
	fmt.Println(inverses, errors.Is(err, errZero))
	if failed, ok := errors.AsType[*supervisor.MapError](err); ok {
		for _, e := range failed.Errors {
			fmt.Printf("%d of %d: task %d: %v\n", len(failed.Errors), failed.Total, e.Index, e.Err)
		}
	}
	// Output:
	// [0.25 0 0.5] true
	// 1 of 3: task 1: zero has no inverse
}

// A task that ends its process is reported, and the pool goes on.
func ExampleApply() {
	ctx := context.Background()
	pool, err := supervisor.NewPool(ctx, supervisor.PoolOptions{Processes: 1})
	if err != nil {
		fmt.Println(err)
		return
	}
	defer pool.Terminate()
	_, err = supervisor.Apply(ctx, pool, crash, 3)
	var exit *supervisor.ExitError
	fmt.Println(errors.Is(err, supervisor.ErrWorkerDied), errors.As(err, &exit) && exit.Code == 3)
	fmt.Println(supervisor.Apply(ctx, pool, total, 10))
	// Output:
	// true true
	// 55 <nil>
}

// The input of a streamed map may be endless: it is read only as far as the
// results are.
func ExampleIMap() {
	ctx := context.Background()
	pool, err := supervisor.NewPool(ctx, supervisor.PoolOptions{Processes: 2})
	if err != nil {
		fmt.Println(err)
		return
	}
	defer pool.Terminate()
	naturals := func(yield func(int) bool) {
		for n := 0; yield(n); n++ {
		}
	}
	for sum, err := range supervisor.IMap(ctx, pool, total, naturals) {
		if err != nil || sum > 20 {
			break
		}
		fmt.Println(sum)
	}
	// Output:
	// 0
	// 1
	// 3
	// 6
	// 10
	// 15
}

// A view of a pool has settings of its own.
func ExamplePool_With() {
	ctx := context.Background()
	pool, err := supervisor.NewPool(ctx, supervisor.PoolOptions{Processes: 1, Grace: 100 * time.Millisecond})
	if err != nil {
		fmt.Println(err)
		return
	}
	defer pool.Terminate()
	impatient := pool.With(supervisor.CallOptions{Timeout: 50 * time.Millisecond})
	_, err = supervisor.Apply(ctx, impatient, sleep, time.Hour)
	fmt.Println(errors.Is(err, supervisor.ErrTaskTimeout))
	fmt.Println(supervisor.Apply(ctx, pool, sleep, time.Millisecond))
	// Output:
	// true
	// 1ms <nil>
}

// The same program on goroutines: one option apart.
func ExamplePoolOptions_goroutines() {
	ctx := context.Background()
	for _, model := range []supervisor.Model{supervisor.Processes, supervisor.Goroutines} {
		pool, err := supervisor.NewPool(ctx, supervisor.PoolOptions{Processes: 2, Model: model})
		if err != nil {
			fmt.Println(err)
			return
		}
		totals, err := supervisor.Map(ctx, pool, total, []int{1, 2, 3})
		fmt.Println(model, totals, err)
		pool.Terminate()
	}
	// Output:
	// processes [1 3 6] <nil>
	// goroutines [1 3 6] <nil>
}

// What succeeded in an earlier run is not done again, whatever has happened to
// that run; inputs may have been added meanwhile.
func ExamplePoolOptions_resume() {
	ctx := context.Background()
	dir, err := os.MkdirTemp("", "results")
	if err != nil {
		fmt.Println(err)
		return
	}
	defer os.RemoveAll(dir)
	for _, args := range [][]int{{1, 2, 3}, {10, 3, 2, 1}} {
		pool, err := supervisor.NewPool(ctx, supervisor.PoolOptions{
			Processes: 2, ResultsFile: filepath.Join(dir, "totals"), Resume: true,
		})
		if err != nil {
			fmt.Println(err)
			return
		}
		totals, err := supervisor.Map(ctx, pool, total, args)
		fmt.Println(totals, err, "of them from the file:", pool.Stats().Resumed)
		pool.Close()
		if err := pool.Wait(ctx); err != nil { // the file is another pool's from here on
			fmt.Println(err)
		}
	}
	// Output:
	// [1 3 6] <nil> of them from the file: 0
	// [55 6 3 1] <nil> of them from the file: 3
}

// What the running supervisors of the user show, from any program.
func ExampleBoards() {
	pool, err := supervisor.NewPool(context.Background(), supervisor.PoolOptions{Processes: 2, Name: "boards example"})
	if err != nil {
		panic(err)
	}
	defer pool.Terminate()
	boards, err := supervisor.Boards()
	if err != nil {
		panic(err)
	}
	for _, b := range boards {
		if b.Name == "boards example" {
			fmt.Println(len(b.Workers), "workers, restarted", b.Workers[0].Restarts, "times")
		}
	}
	fmt.Println(len(supervisor.Deadlocks(boards, time.Now())), "deadlocks")
	// Output:
	// 2 workers, restarted 0 times
	// 0 deadlocks
}
