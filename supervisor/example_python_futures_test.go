package supervisor_test

import (
	"context"
	"errors"
	"fmt"
	"io"
	"math/big"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"time"

	"yunta/child"
	"yunta/supervisor"
)

var isPrime = child.Register("isPrime", func(_ context.Context, n int64) (bool, error) {
	if n < 2 || n%2 == 0 {
		return n == 2, nil
	}
	for i := int64(3); i*i <= n; i += 2 {
		if n%i == 0 {
			return false, nil
		}
	}
	return true, nil
})

// concurrent.futures, "ProcessPoolExecutor Example": executor.map and zip.
func ExampleMap_primes() {
	ctx := context.Background()
	pool, err := supervisor.NewPool(ctx, supervisor.PoolOptions{})
	if err != nil {
		panic(err)
	}
	defer pool.Wait(ctx)
	defer pool.Terminate()
	primes := []int64{
		112272535095293, 112582705942171, 112272535095293,
		115280095190773, 115797848077099, 1099726899285419,
	}
	results, err := supervisor.Map(ctx, pool, isPrime, primes)
	if err != nil {
		panic(err)
	}
	for i, prime := range results {
		fmt.Printf("%d is prime: %v\n", primes[i], prime)
	}
	// Output:
	// 112272535095293 is prime: true
	// 112582705942171 is prime: true
	// 112272535095293 is prime: true
	// 115280095190773 is prime: true
	// 115797848077099 is prime: true
	// 1099726899285419 is prime: false
}

var power = child.Register("power", func(_ context.Context, a [2]int64) (string, error) {
	return new(big.Int).Exp(big.NewInt(a[0]), big.NewInt(a[1]), nil).String(), nil
})

// concurrent.futures, "Executor Objects": submit. All 3099 digits of the number
// would not fit here.
func ExampleApplyAsync_submit() {
	ctx := context.Background()
	pool, err := supervisor.NewPool(ctx, supervisor.PoolOptions{Processes: 1, Model: supervisor.Goroutines})
	if err != nil {
		panic(err)
	}
	defer pool.Wait(ctx)
	defer pool.Terminate()
	future := supervisor.ApplyAsync(ctx, pool, power, [2]int64{323, 1235})
	digits, err := future.Get(ctx)
	fmt.Println(len(digits), digits[:10], digits[len(digits)-10:], err)
	// Output: 3099 7330187419 3630500507 <nil>
}

var loadURL = child.Register("loadURL", func(ctx context.Context, url string) (int, error) {
	r, err := http.NewRequestWithContext(ctx, http.MethodGet, url, nil)
	if err != nil {
		return 0, err
	}
	response, err := http.DefaultClient.Do(r)
	if err != nil {
		return 0, err
	}
	defer response.Body.Close()
	page, err := io.ReadAll(response.Body)
	return len(page), err
})

// concurrent.futures, "ThreadPoolExecutor Example": pages, as they come. A server
// of this machine stands for those of the text; one of its addresses answers
// nothing.
func ExampleAsCompleted_pages() {
	ctx := context.Background()
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		fmt.Fprint(w, r.URL.Path)
	}))
	defer server.Close()
	pool, err := supervisor.NewPool(ctx, supervisor.PoolOptions{Processes: 5, Model: supervisor.Goroutines})
	if err != nil {
		panic(err)
	}
	defer pool.Wait(ctx)
	defer pool.Terminate()
	urls := map[*supervisor.Future[int]]string{}
	var futures []*supervisor.Future[int]
	for _, path := range []string{"/news", "/news/europe", ":none"} {
		f := supervisor.ApplyAsync(ctx, pool.With(supervisor.CallOptions{Timeout: time.Minute}), loadURL, server.URL+path)
		urls[f] = path
		futures = append(futures, f)
	}
	for f, err := range supervisor.AsCompleted(ctx, futures...) {
		if err != nil {
			panic(err)
		}
		if n, err := f.Get(ctx); err != nil {
			fmt.Printf("%q generated an error\n", urls[f])
		} else {
			fmt.Printf("%q page is %d bytes\n", urls[f], n)
		}
	}
	http.DefaultClient.CloseIdleConnections()
	// Unordered output:
	// "/news" page is 5 bytes
	// "/news/europe" page is 12 bytes
	// ":none" generated an error
}

type copying struct{ From, To string }

var copyFile = child.Register("copyFile", func(_ context.Context, c copying) (string, error) {
	text, err := os.ReadFile(c.From)
	if err != nil {
		return "", err
	}
	return filepath.Base(c.To), os.WriteFile(c.To, text, 0o600)
})

// concurrent.futures, "Executor Objects": shutdown, by leaving the with statement,
// waits for the four copies.
func ExamplePool_Close() {
	ctx := context.Background()
	dir, err := os.MkdirTemp("", "copies")
	if err != nil {
		panic(err)
	}
	defer os.RemoveAll(dir)
	pool, err := supervisor.NewPool(ctx, supervisor.PoolOptions{Processes: 4, Model: supervisor.Goroutines})
	if err != nil {
		panic(err)
	}
	for i := range 4 {
		src := filepath.Join(dir, fmt.Sprintf("src%d.txt", i+1))
		if err := os.WriteFile(src, []byte("text"), 0o600); err != nil {
			panic(err)
		}
		supervisor.ApplyAsync(ctx, pool, copyFile, copying{src, filepath.Join(dir, fmt.Sprintf("dest%d.txt", i+1))})
	}
	pool.Close()
	if err := pool.Wait(ctx); err != nil {
		panic(err)
	}
	copies, err := filepath.Glob(filepath.Join(dir, "dest*"))
	fmt.Println(len(copies), err)
	// Output: 4 <nil>
}

// errNobody is what a task gets that waits for its own pool.
var errNobody = errors.New("nobody is left to do it")

var waitsForItself = child.Register("waitsForItself", func(ctx context.Context, _ int) (int, error) {
	f := supervisor.ApplyAsync(ctx, onlyWorker, square, 5)
	n, err := f.Get(ctx) // f is pending: this worker is the only one
	if errors.Is(ctx.Err(), context.Canceled) || errors.Is(ctx.Err(), context.DeadlineExceeded) {
		return 0, errNobody
	}
	return n, err
})

var onlyWorker *supervisor.Pool

// concurrent.futures, "ThreadPoolExecutor": the deadlock of a task that waits for
// another of the same executor. It ends here, if tasks have a time.
func ExamplePoolOptions_deadlock() {
	ctx := context.Background()
	var err error
	onlyWorker, err = supervisor.NewPool(ctx, supervisor.PoolOptions{
		Processes: 1, Model: supervisor.Goroutines, TaskTimeout: 50 * time.Millisecond,
	})
	if err != nil {
		panic(err)
	}
	defer onlyWorker.Wait(ctx)
	defer onlyWorker.Terminate()
	_, err = supervisor.Apply(ctx, onlyWorker, waitsForItself, 0)
	fmt.Println(errors.Is(err, supervisor.ErrTaskTimeout))
	fmt.Println(supervisor.Apply(ctx, onlyWorker, square, 5))
	// Output:
	// true
	// 25 <nil>
}

// concurrent.futures, "Module Functions": wait for the first, and the states of
// the others.
func ExampleWaitAny() {
	ctx := context.Background()
	pool, err := supervisor.NewPool(ctx, supervisor.PoolOptions{Processes: 2})
	if err != nil {
		panic(err)
	}
	defer pool.Wait(ctx)
	defer pool.Terminate()
	quick := supervisor.ApplyAsync(ctx, pool, sleep, time.Millisecond)
	slow := supervisor.ApplyAsync(ctx, pool, sleep, 10*time.Hour)
	done, pending, err := supervisor.WaitAny(ctx, quick, slow)
	fmt.Println(len(done), len(pending), done[0] == quick, err)
	fmt.Println(slow.Cancel()) // also one that runs
	<-slow.Done()
	fmt.Println(quick.State(), slow.State())
	done, pending, err = supervisor.WaitAll(ctx, quick, slow)
	fmt.Println(len(done), len(pending), err)
	// Output:
	// 1 1 true <nil>
	// true
	// done cancelled
	// 2 0 <nil>
}

// concurrent.futures, "Future Objects": add_done_callback.
func ExampleFuture_OnDone() {
	ctx := context.Background()
	pool, err := supervisor.NewPool(ctx, supervisor.PoolOptions{Processes: 1})
	if err != nil {
		panic(err)
	}
	defer pool.Wait(ctx)
	defer pool.Terminate()
	f := supervisor.ApplyAsync(ctx, pool, square, 12)
	called := make(chan string)
	f.OnDone(func(n int, err error) { called <- fmt.Sprint(n, err) })
	fmt.Println(<-called)
	// Output: 144 <nil>
}

// concurrent.futures, "Executor Objects": shutdown(cancel_futures=True) ends what
// runs and cancels what waits.
func ExamplePool_CloseCancel() {
	ctx := context.Background()
	pool, err := supervisor.NewPool(ctx, supervisor.PoolOptions{Processes: 1})
	if err != nil {
		panic(err)
	}
	running := supervisor.ApplyAsync(ctx, pool, sleep, 50*time.Millisecond)
	for running.State() == supervisor.FuturePending {
		time.Sleep(time.Millisecond)
	}
	waiting := supervisor.ApplyAsync(ctx, pool, sleep, 10*time.Hour)
	pool.CloseCancel()
	fmt.Println(running.Get(ctx))
	_, err = waiting.Get(ctx)
	fmt.Println(waiting.State(), errors.Is(err, context.Canceled))
	fmt.Println(pool.Wait(ctx))
	// Output:
	// 50ms <nil>
	// cancelled true
	// <nil>
}
