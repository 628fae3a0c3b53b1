package supervisor_test

import (
	"context"
	"errors"
	"fmt"
	"os"
	"slices"
	"time"

	"yunta/child"
	"yunta/ipc"
	"yunta/supervisor"
)

// multiprocessing, "Introduction": Pool.map.
func ExampleMap_squares() {
	ctx := context.Background()
	pool, err := supervisor.NewPool(ctx, supervisor.PoolOptions{Processes: 5})
	if err != nil {
		panic(err)
	}
	defer pool.Wait(ctx)
	defer pool.Terminate()
	fmt.Println(supervisor.Map(ctx, pool, square, []int{1, 2, 3}))
	// Output: [1 4 9] <nil>
}

// multiprocessing, "Using a pool of workers". The last task is asked for in less
// time than it takes.
func ExampleNewPool() {
	ctx := context.Background()
	pool, err := supervisor.NewPool(ctx, supervisor.PoolOptions{Processes: 4})
	if err != nil {
		panic(err)
	}
	fmt.Println(supervisor.Map(ctx, pool, square, ints(10)))
	var unordered []int
	for n, err := range supervisor.IMapUnordered(ctx, pool, square, slices.Values(ints(10))) {
		if err != nil {
			panic(err)
		}
		unordered = append(unordered, n)
	}
	slices.Sort(unordered)
	fmt.Println(unordered)

	res := supervisor.ApplyAsync(ctx, pool, square, 20)
	fmt.Println(res.Get(ctx))
	one, err := supervisor.ApplyAsync(ctx, pool, pid, 0).Get(ctx)
	fmt.Println(one != os.Getpid(), err)
	var several []*supervisor.Future[int]
	for range 4 {
		several = append(several, supervisor.ApplyAsync(ctx, pool, pid, 0))
	}
	for _, res := range several {
		n, err := res.Get(ctx)
		fmt.Println(n != os.Getpid(), err)
	}

	slow := supervisor.ApplyAsync(ctx, pool, sleep, 10*time.Hour)
	short, cancel := context.WithTimeout(ctx, time.Millisecond)
	defer cancel()
	if _, err := slow.Get(short); errors.Is(err, context.DeadlineExceeded) {
		fmt.Println("We lacked patience and got a context.DeadlineExceeded")
	}
	fmt.Println("For the moment, the pool remains available for more work")
	pool.Terminate()
	_, err = supervisor.Apply(ctx, pool, square, 1)
	fmt.Println("Now the pool is closed and no longer available:", errors.Is(err, supervisor.ErrPoolTerminated))
	pool.Wait(ctx)
	// Output:
	// [0 1 4 9 16 25 36 49 64 81] <nil>
	// [0 1 4 9 16 25 36 49 64 81]
	// 400 <nil>
	// true <nil>
	// true <nil>
	// true <nil>
	// true <nil>
	// true <nil>
	// We lacked patience and got a context.DeadlineExceeded
	// For the moment, the pool remains available for more work
	// Now the pool is closed and no longer available: true
}

// multiprocessing.pool: apply_async, map and imap with next.
func ExampleApplyAsync() {
	ctx := context.Background()
	pool, err := supervisor.NewPool(ctx, supervisor.PoolOptions{Processes: 4})
	if err != nil {
		panic(err)
	}
	defer pool.Wait(ctx)
	defer pool.Terminate()
	result := supervisor.ApplyAsync(ctx, pool, square, 10)
	fmt.Println(result.Get(ctx))
	fmt.Println(supervisor.MapAsync(ctx, pool, square, ints(10)).Get(ctx))
	n := 0
	for v, err := range supervisor.IMap(ctx, pool, square, slices.Values(ints(10))) {
		fmt.Println(v, err)
		if n++; n == 3 {
			break
		}
	}
	timed, err := supervisor.ApplyAsync(ctx, pool.With(supervisor.CallOptions{Timeout: time.Millisecond}), sleep, 10*time.Hour).Get(ctx)
	fmt.Println(timed, errors.Is(err, supervisor.ErrTaskTimeout))
	// Output:
	// 100 <nil>
	// [0 1 4 9 16 25 36 49 64 81] <nil>
	// 0 <nil>
	// 1 <nil>
	// 4 <nil>
	// 0s true
}

type calculation struct {
	Func string
	A, B int
}

var calculate = child.Register("calculate", func(_ context.Context, c calculation) (string, error) {
	n := c.A * c.B
	if c.Func == "plus" {
		n = c.A + c.B
	}
	return fmt.Sprintf("%s(%d, %d) = %d", c.Func, c.A, c.B, n), nil
})

func calculations() (tasks []calculation) {
	for i := range 3 {
		tasks = append(tasks, calculation{"mul", i, 7})
	}
	for i := range 3 {
		tasks = append(tasks, calculation{"plus", i, 8})
	}
	return tasks
}

// multiprocessing, "Examples", "Using Pool": results in order and not, errors,
// with fewer tasks. Which worker it was is not the same twice in Python either.
// starmap is a Map over structs: an entry has one argument.
func ExampleMap_starmap() {
	ctx := context.Background()
	pool, err := supervisor.NewPool(ctx, supervisor.PoolOptions{Processes: 4})
	if err != nil {
		panic(err)
	}
	tasks := calculations()
	results, err := supervisor.Map(ctx, pool, calculate, tasks)
	fmt.Println("Ordered results using Map:", len(results), err)
	for _, r := range results {
		fmt.Println(r)
	}
	var streamed, unordered []string
	for r := range supervisor.IMap(ctx, pool, calculate, slices.Values(tasks)) {
		streamed = append(streamed, r)
	}
	for r := range supervisor.IMapUnordered(ctx, pool, calculate, slices.Values(tasks)) {
		unordered = append(unordered, r)
	}
	fmt.Println("IMap the same:", slices.Equal(streamed, results))
	slices.Sort(unordered)
	slices.Sort(results)
	fmt.Println("IMapUnordered the same in another order:", slices.Equal(unordered, results))

	_, err = supervisor.Apply(ctx, pool, invert, 0)
	fmt.Println("Got an error as expected from Apply:", errors.Is(err, errZero))
	_, err = supervisor.Map(ctx, pool, invert, ints(10))
	fmt.Println("Got an error as expected from Map:", errors.Is(err, errZero))
	n, failed := 0, 0
	for _, err := range supervisor.IMap(ctx, pool, invert, slices.Values(ints(10))) {
		if n++; errors.Is(err, errZero) {
			failed++ // and the next go on
		}
	}
	fmt.Println("Got an error as expected from IMap:", failed, "of", n)
	pool.Close()
	fmt.Println(pool.Wait(ctx))
	// Output:
	// Ordered results using Map: 6 <nil>
	// mul(0, 7) = 0
	// mul(1, 7) = 7
	// mul(2, 7) = 14
	// plus(0, 8) = 8
	// plus(1, 8) = 9
	// plus(2, 8) = 10
	// IMap the same: true
	// IMapUnordered the same in another order: true
	// Got an error as expected from Apply: true
	// Got an error as expected from Map: true
	// Got an error as expected from IMap: 1 of 10
	// <nil>
}

type queues struct {
	Tasks *ipc.Queue[calculation]
	Done  *ipc.Queue[string]
}

var servesTasks = child.Register("servesTasks", func(ctx context.Context, q queues) (int, error) {
	defer q.Tasks.Detach()
	defer q.Done.Detach()
	for {
		task, err := q.Tasks.Get(ctx)
		if errors.Is(err, ipc.ErrClosed) { // Python's 'STOP'
			return 0, nil
		}
		if err != nil {
			return 0, err
		}
		text, err := calculate.Func()(ctx, task)
		if err = errors.Join(err, q.Done.Put(ctx, text)); err != nil {
			return 0, err
		}
	}
})

// multiprocessing, "Examples": queues feed tasks to a number of processes and
// collect the results.
func ExampleNewProcess_taskQueue() {
	ctx := context.Background()
	tasks, err1 := ipc.NewQueue[calculation](ipc.QueueOptions{})
	done, err2 := ipc.NewQueue[string](ipc.QueueOptions{})
	if err := errors.Join(err1, err2); err != nil {
		panic(err)
	}
	defer tasks.Detach()
	defer done.Detach()
	for _, t := range calculations()[:3] {
		if err := tasks.Put(ctx, t); err != nil {
			panic(err)
		}
	}
	for range 4 {
		p := supervisor.NewProcess(servesTasks, queues{tasks, done}, supervisor.ProcessOptions{})
		if err := p.Start(ctx); err != nil {
			panic(err)
		}
		defer p.Wait(ctx)
	}
	for range 3 {
		fmt.Println(done.Get(ctx))
	}
	for _, t := range calculations()[3:] { // more tasks
		if err := tasks.Put(ctx, t); err != nil {
			panic(err)
		}
	}
	for range 3 {
		fmt.Println(done.Get(ctx))
	}
	tasks.Close() // the processes end when it is empty
	// Unordered output:
	// mul(0, 7) = 0 <nil>
	// mul(1, 7) = 7 <nil>
	// mul(2, 7) = 14 <nil>
	// plus(0, 8) = 8 <nil>
	// plus(1, 8) = 9 <nil>
	// plus(2, 8) = 10 <nil>
}

var prefix string // of this worker

var (
	setPrefix  = child.Register("setPrefix", func(_ context.Context, s string) (int, error) { prefix = s; return 0, nil })
	withPrefix = child.Register("withPrefix", func(_ context.Context, s string) (string, error) { return prefix + s, nil })
)

// multiprocessing.pool: initializer, initargs and maxtasksperchild.
func ExamplePoolOptions_initializer() {
	ctx := context.Background()
	pool, err := supervisor.NewPool(ctx, supervisor.PoolOptions{
		Processes: 2, Initializer: setPrefix.Bind("in "), MaxTasksPerChild: 1,
	})
	if err != nil {
		panic(err)
	}
	defer pool.Wait(ctx)
	defer pool.Terminate()
	fmt.Println(supervisor.Map(ctx, pool, withPrefix, []string{"a", "b", "c", "d"}))
	// Output: [in a in b in c in d] <nil>
}
