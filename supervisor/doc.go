// Package supervisor runs functions in child processes: a pool of workers that
// are started, pinned to cores, fed, watched and replaced. It is the parent's
// side of yunta and Python's multiprocessing.Pool and concurrent.futures for
// Go.
//
//	var square = child.Register("square", func(ctx context.Context, n int) (int, error) {
//		return n * n, nil
//	})
//
//	func main() {
//		child.Main() // a worker never returns from here
//		ctx := context.Background()
//		pool, err := supervisor.NewPool(ctx, supervisor.PoolOptions{})
//		if err != nil {
//			log.Fatal(err)
//		}
//		defer pool.Close()
//		squares, err := supervisor.Map(ctx, pool, square, []int{1, 2, 3})
//		fmt.Println(squares, err)
//	}
//
// # What is promised
//
// A task that crashes, is killed, leaks or hangs takes down one process. The
// supervisor sees it within milliseconds, hands over what was finished, says
// which task was lost and why, replaces the worker and goes on: no call waits
// for ever. Tasks that a dead worker had been given but had not begun run
// elsewhere, without spending a retry. When the supervisor itself dies, even
// by SIGKILL, its workers and what they started in their process groups die
// with it.
//
// A task is begun once for each attempt. With Retries a task may run again
// after it has had effects, so such tasks should be idempotent.
//
// # How work travels
//
// Arguments go down a pipe in chunks whose size follows from measured run
// times; results come back through memory that both sides have mapped. Each
// chunk has a word there from which the worker claims task after task, and from
// which the supervisor takes back what has not begun: when another worker is
// idle, when the caller cancels, when the worker dies. Package child/wire has
// the layouts.
//
// # What it will not do
//
// Tasks get no connection to the caller but their argument and result. A
// program that a task starts in a session of its own (setsid) outlives the
// worker. macOS has no affinity call, so nothing is pinned there.
package supervisor
