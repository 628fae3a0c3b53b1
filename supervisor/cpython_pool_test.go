package supervisor_test

import (
	"context"
	"errors"
	"fmt"
	"iter"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"yunta/child"
	"yunta/supervisor"
)

// The tests of this file are CPython's own for multiprocessing.Pool (class
// _TestPool in Lib/test/_test_multiprocessing.py), each under its name there.
// Where Go must behave differently the test's comment says so.

type pair struct{ X, Y int }

var errSayWhen = errors.New("somebody said when")

func init() { child.RegisterError(errSayWhen) }

var (
	multiply = child.Register("multiply", func(_ context.Context, p pair) (int, error) { return p.X * p.Y, nil })
	// sayWhen fails with an error as long as its argument says, unless that is negative.
	sayWhen = child.Register("sayWhen", func(_ context.Context, n int) (int, error) {
		if n < 0 {
			time.Sleep(100 * time.Millisecond)
			return n, nil
		}
		return 0, fmt.Errorf("%w%s", errSayWhen, strings.Repeat("!", n))
	})
	anything = child.Register("anything", func(_ context.Context, v any) (any, error) { return v, nil })
	channel  = child.Register("channel", func(_ context.Context, n int) (any, error) { return make(chan int, n), nil })
)

func squares(n int) []int {
	out := ints(n)
	for i := range out {
		out[i] *= i
	}
	return out
}

func TestCPython__TestPool_test_apply(t *testing.T) {
	t.Parallel()
	models(t, func(t *testing.T, o supervisor.PoolOptions) {
		p := newPool(t, o)
		if got, err := supervisor.Apply(testContext(t), p, square, 5); err != nil || got != 25 {
			t.Errorf("got %v, %v", got, err)
		}
		// Keyword arguments are fields of a struct.
		if got, err := supervisor.Apply(testContext(t), p, multiply, pair{Y: 7, X: 3}); err != nil || got != 21 {
			t.Errorf("got %v, %v", got, err)
		}
		// A struct whose fields were not given has their defaults.
		if got, err := supervisor.Apply(testContext(t), p, multiply, pair{X: 3}); err != nil || got != 0 {
			t.Errorf("got %v, %v", got, err)
		}
	})
}

func TestCPython__TestPool_test_map(t *testing.T) {
	t.Parallel()
	models(t, func(t *testing.T, o supervisor.PoolOptions) {
		p := newPool(t, o)
		if got, err := supervisor.Map(testContext(t), p, square, ints(10)); err != nil || !slices.Equal(got, squares(10)) {
			t.Errorf("got %v, %v", got, err)
		}
		for _, chunk := range []int{1, 20, 1000} {
			v := p.With(supervisor.CallOptions{ChunkSize: chunk})
			if got, err := supervisor.Map(testContext(t), v, square, ints(100)); err != nil || !slices.Equal(got, squares(100)) {
				t.Errorf("chunks of %d: got %v, %v", chunk, got, err)
			}
		}
	})
}

// Several arguments are a struct in Go.
func TestCPython__TestPool_test_starmap(t *testing.T) {
	t.Parallel()
	models(t, func(t *testing.T, o supervisor.PoolOptions) {
		p := newPool(t, o)
		for _, chunk := range []int{0, 1, 20} {
			v := p.With(supervisor.CallOptions{ChunkSize: chunk})
			if got, err := supervisor.Map(testContext(t), v, multiply, pairs(100)); err != nil || !slices.Equal(got, products(100)) {
				t.Errorf("chunks of %d: got %v, %v", chunk, got, err)
			}
		}
	})
}

func pairs(n int) (out []pair) {
	for i := range n {
		out = append(out, pair{i, n - 1 - i})
	}
	return out
}

func products(n int) (out []int) {
	for _, p := range pairs(n) {
		out = append(out, p.X*p.Y)
	}
	return out
}

func TestCPython__TestPool_test_starmap_async(t *testing.T) {
	t.Parallel()
	models(t, func(t *testing.T, o supervisor.PoolOptions) {
		p := newPool(t, o)
		f := supervisor.MapAsync(testContext(t), p, multiply, pairs(100))
		if got, err := f.Get(testContext(t)); err != nil || !slices.Equal(got, products(100)) {
			t.Errorf("got %v, %v", got, err)
		}
	})
}

func TestCPython__TestPool_test_map_async(t *testing.T) {
	t.Parallel()
	models(t, func(t *testing.T, o supervisor.PoolOptions) {
		p := newPool(t, o)
		f := supervisor.MapAsync(testContext(t), p, square, ints(10))
		if got, err := f.Get(testContext(t)); err != nil || !slices.Equal(got, squares(10)) {
			t.Errorf("got %v, %v", got, err)
		}
		<-f.Done()
	})
}

// One callback is both of Python's: it gets the result or the error.
func TestCPython__TestPool_test_map_async_callbacks(t *testing.T) {
	t.Parallel()
	models(t, func(t *testing.T, o supervisor.PoolOptions) {
		p := newPool(t, o)
		type outcome struct {
			got []int
			err error
		}
		call := func(n int) []outcome {
			calls := make(chan outcome, 10)
			args := []int{-1}
			if n >= 0 {
				args = []int{n}
			}
			f := supervisor.MapAsync(testContext(t), p, sayWhen, args)
			f.OnDone(func(got []int, err error) { calls <- outcome{got, err} })
			f.Get(testContext(t))
			out := []outcome{<-calls}
			// A second registration, now that it is done, is called for itself.
			f.OnDone(func(got []int, err error) { calls <- outcome{got, err} })
			return append(out, <-calls, outcome{make([]int, len(calls)), nil})
		}
		good := call(-1)
		if good[0].err != nil || !slices.Equal(good[0].got, []int{-1}) || len(good[2].got) != 0 {
			t.Errorf("after success the callbacks got %v", good)
		}
		bad := call(3)
		if !errors.Is(bad[0].err, errSayWhen) || !errors.Is(bad[1].err, errSayWhen) || len(bad[2].got) != 0 {
			t.Errorf("after an error the callbacks got %v", bad)
		}
	})
}

func TestCPython__TestPool_test_map_unplicklable(t *testing.T) {
	t.Parallel()
	p := newPool(t, supervisor.PoolOptions{Processes: 2})
	soon(t, "a Map of what cannot be encoded", 10*time.Second, func() {
		args := []any{make(chan int), func() {}}
		_, err := supervisor.Map(testContext(t), p, anything, args)
		var m *supervisor.MapError
		var r *supervisor.RemoteError
		if !errors.As(err, &m) || len(m.Errors) != len(args) || !errors.As(err, &r) || r.Stage != child.StageEncodeArgument {
			t.Errorf("got %v", err)
		}
	})
	// Those beside it are not harmed.
	got, err := supervisor.Map(testContext(t), p.With(supervisor.CallOptions{ChunkSize: 4}), anything, []any{"a", make(chan int), "b"})
	var m *supervisor.MapError
	if !errors.As(err, &m) || len(m.Errors) != 1 || m.Errors[0].Index != 1 || got[0] != "a" || got[2] != "b" {
		t.Errorf("got %v, %v", got, err)
	}
}

func TestCPython__TestPool_test_map_chunksize(t *testing.T) {
	t.Parallel()
	models(t, func(t *testing.T, o supervisor.PoolOptions) {
		p := newPool(t, o)
		f := supervisor.MapAsync(testContext(t), p.With(supervisor.CallOptions{ChunkSize: 1}), square, nil)
		if got, err := f.Get(testContext(t)); err != nil || len(got) != 0 {
			t.Errorf("got %v, %v", got, err)
		}
	})
}

// failing yields n numbers and then an error.
func failing(n int) iter.Seq2[int, error] {
	return func(yield func(int, error) bool) {
		for i := range n {
			if !yield(i, nil) {
				return
			}
		}
		yield(0, errSayWhen)
	}
}

// An input that may fail is an iter.Seq2. One "despite having a length" is
// not apart from others in Go: sequences have none.
func TestCPython__TestPool_test_map_handle_iterable_exception(t *testing.T) {
	t.Parallel()
	models(t, func(t *testing.T, o supervisor.PoolOptions) {
		p := newPool(t, o)
		for _, at := range []int{0, 5, 10_000} {
			_, err := supervisor.MapSeq(testContext(t), p, square, failing(at))
			var remote *supervisor.RemoteError
			if !errors.Is(err, errSayWhen) || errors.As(err, &remote) {
				t.Errorf("failing at %d: got %v", at, err)
			}
		}
		if got, err := supervisor.Map(testContext(t), p, square, ints(10)); err != nil || !slices.Equal(got, squares(10)) {
			t.Errorf("afterwards: got %v, %v", got, err)
		}
	})
}

func TestCPython__TestPool_test_async(t *testing.T) {
	t.Parallel()
	models(t, func(t *testing.T, o supervisor.PoolOptions) {
		p := newPool(t, o)
		const d = 200 * time.Millisecond
		start := time.Now()
		f := supervisor.ApplyAsync(testContext(t), p, sleep, d)
		select {
		case <-f.Done():
			t.Error("done before it can be")
		default:
		}
		got, err := f.Get(testContext(t))
		if took := time.Since(start); err != nil || got != d || took < d {
			t.Errorf("got %v, %v after %v", got, err, took)
		}
	})
}

func TestCPython__TestPool_test_async_timeout(t *testing.T) {
	t.Parallel()
	models(t, func(t *testing.T, o supervisor.PoolOptions) {
		p := newPool(t, o)
		dir := t.TempDir()
		f := supervisor.ApplyAsync(testContext(t), p, untilThere, filepath.Join(dir, "go"))
		ctx, cancel := context.WithTimeout(context.Background(), 100*time.Millisecond)
		defer cancel()
		start := time.Now()
		if _, err := f.Get(ctx); !errors.Is(err, context.DeadlineExceeded) || time.Since(start) < 90*time.Millisecond {
			t.Errorf("got %v after %v", err, time.Since(start))
		}
		// The task is not hurt.
		sign(filepath.Join(dir, "go"), "x")
		if got, err := f.Get(testContext(t)); err != nil || got != "there" {
			t.Errorf("afterwards: got %v, %v", got, err)
		}
	})
}

// untilThere waits until there is a file of that name.
var untilThere = child.Register("untilThere", func(ctx context.Context, path string) (string, error) {
	for ctx.Err() == nil {
		if _, err := os.Stat(path); err == nil {
			return "there", nil
		}
		time.Sleep(time.Millisecond)
	}
	return "", ctx.Err()
})

func TestCPython__TestPool_test_imap(t *testing.T) {
	t.Parallel()
	models(t, func(t *testing.T, o supervisor.PoolOptions) {
		p := newPool(t, o)
		for _, chunk := range []int{0, 1, 100} {
			v := p.With(supervisor.CallOptions{ChunkSize: chunk})
			next, stop := iter.Pull2(supervisor.IMap(testContext(t), v, square, slices.Values(ints(1000))))
			for i := range 1000 {
				if got, err, ok := next(); !ok || err != nil || got != i*i {
					t.Fatalf("chunks of %d: result %d is %v, %v, %v", chunk, i, got, err, ok)
				}
			}
			if got, err, ok := next(); ok {
				t.Errorf("chunks of %d: after the last comes %v, %v", chunk, got, err)
			}
			stop()
		}
	})
}

func TestCPython__TestPool_test_imap_handle_iterable_exception(t *testing.T) {
	t.Parallel()
	models(t, func(t *testing.T, o supervisor.PoolOptions) {
		p := newPool(t, o)
		for _, tt := range []struct{ at, chunk int }{{0, 0}, {3, 0}, {7, 2}, {20, 4}} {
			v := p.With(supervisor.CallOptions{ChunkSize: tt.chunk})
			i, failed := 0, false
			for got, err := range supervisor.IMapSeq(testContext(t), v, square, failing(tt.at)) {
				switch {
				case failed:
					t.Errorf("%v: after the error comes %v, %v", tt, got, err)
				case i < tt.at && (err != nil || got != i*i):
					t.Errorf("%v: result %d is %v, %v", tt, i, got, err)
				case i == tt.at:
					if failed = true; !errors.Is(err, errSayWhen) {
						t.Errorf("%v: the input's error is %v", tt, err)
					}
				}
				i++
			}
			if !failed {
				t.Errorf("%v: no error in %d results", tt, i)
			}
		}
		if got, err := supervisor.Apply(testContext(t), p, square, 3); err != nil || got != 9 {
			t.Errorf("afterwards: got %v, %v", got, err)
		}
	})
}

func TestCPython__TestPool_test_imap_unordered(t *testing.T) {
	t.Parallel()
	models(t, func(t *testing.T, o supervisor.PoolOptions) {
		p := newPool(t, o)
		for _, chunk := range []int{0, 1, 100} {
			v := p.With(supervisor.CallOptions{ChunkSize: chunk})
			var all []int
			for got, err := range supervisor.IMapUnordered(testContext(t), v, square, slices.Values(ints(1000))) {
				if err != nil {
					t.Fatal(err)
				}
				all = append(all, got)
			}
			if slices.Sort(all); !slices.Equal(all, squares(1000)) {
				t.Errorf("chunks of %d: got %v", chunk, all)
			}
		}
	})
}

// In Go all results before the error come, and the error last.
func TestCPython__TestPool_test_imap_unordered_handle_iterable_exception(t *testing.T) {
	t.Parallel()
	models(t, func(t *testing.T, o supervisor.PoolOptions) {
		p := newPool(t, o)
		for _, at := range []int{0, 3, 20} {
			var all []int
			var failure error
			for got, err := range supervisor.IMapUnorderedSeq(testContext(t), p, square, failing(at)) {
				if failure != nil {
					t.Errorf("failing at %d: after the error comes %v, %v", at, got, err)
				}
				if failure = err; err == nil {
					all = append(all, got)
				}
			}
			if slices.Sort(all); !slices.Equal(all, squares(at)) || !errors.Is(failure, errSayWhen) {
				t.Errorf("failing at %d: got %v, %v", at, all, failure)
			}
		}
	})
}

// Zero workers mean the default in Go, as in all options.
func TestCPython__TestPool_test_make_pool(t *testing.T) {
	t.Parallel()
	models(t, func(t *testing.T, o supervisor.PoolOptions) {
		for _, n := range []int{-1, -100, 1 << 30} {
			if p, err := supervisor.NewPool(testContext(t), supervisor.PoolOptions{Model: o.Model, Processes: n}); err == nil {
				t.Errorf("a pool of %d workers was made", n)
				p.Terminate()
			} else if !strings.Contains(err.Error(), "Processes") {
				t.Errorf("%d workers: %v", n, err)
			}
		}
		p, err := supervisor.NewPool(testContext(t), supervisor.PoolOptions{Model: o.Model, Processes: 3})
		if err != nil {
			t.Fatal(err)
		}
		workers := p.Workers()
		if len(workers) != 3 {
			t.Errorf("%d workers", len(workers))
		}
		if err := p.Close(); err != nil {
			t.Error(err)
		}
		if err := p.Wait(testContext(t)); err != nil {
			t.Error(err)
		}
		if o.Model == supervisor.Processes {
			for _, w := range workers {
				if alive(w.PID) {
					t.Errorf("worker %d lives", w.PID)
				}
			}
		}
		if err := errors.Join(p.Close(), p.Close(), p.Wait(testContext(t))); err != nil {
			t.Errorf("closing again: %v", err)
		}
	})
}

func TestCPython__TestPool_test_terminate(t *testing.T) {
	t.Parallel()
	models(t, func(t *testing.T, o supervisor.PoolOptions) {
		p := newPool(t, o)
		f := supervisor.MapAsync(context.Background(), p.With(supervisor.CallOptions{ChunkSize: 1}), sleep, slices.Repeat([]time.Duration{100 * time.Millisecond}, 10_000))
		waitFor(t, "some to be done", func() bool { return p.Stats().Tasks > 2 })
		soon(t, "Terminate", 2*time.Second, func() {
			p.Terminate()
			if err := p.Wait(testContext(t)); err != nil {
				t.Error(err)
			}
		})
		if _, err := f.Get(testContext(t)); !errors.Is(err, supervisor.ErrPoolTerminated) {
			t.Errorf("got %v", err)
		}
	})
}

func TestCPython__TestPool_test_empty_iterable(t *testing.T) {
	t.Parallel()
	models(t, func(t *testing.T, o supervisor.PoolOptions) {
		p, err := supervisor.NewPool(testContext(t), o)
		if err != nil {
			t.Fatal(err)
		}
		ctx := testContext(t)
		none := slices.Values([]int(nil))
		if got, err := supervisor.Map(ctx, p, square, nil); err != nil || len(got) != 0 {
			t.Errorf("Map: %v, %v", got, err)
		}
		if got, err := supervisor.MapAsync(ctx, p, square, []int{}).Get(ctx); err != nil || len(got) != 0 {
			t.Errorf("MapAsync: %v, %v", got, err)
		}
		if got, err := supervisor.MapSeq(ctx, p, square, func(func(int, error) bool) {}); err != nil || len(got) != 0 {
			t.Errorf("MapSeq: %v, %v", got, err)
		}
		for got, err := range supervisor.IMap(ctx, p, square, none) {
			t.Errorf("IMap: %v, %v", got, err)
		}
		for got, err := range supervisor.IMapUnordered(ctx, p, square, none) {
			t.Errorf("IMapUnordered: %v, %v", got, err)
		}
		for got, err := range supervisor.IMapSeq(ctx, p, square, func(func(int, error) bool) {}) {
			t.Errorf("IMapSeq: %v, %v", got, err)
		}
		p.Close()
		if err := p.Wait(ctx); err != nil {
			t.Error(err)
		}
	})
}

// Leaving Python's scope terminates the pool; in Go Close lets it finish.
func TestCPython__TestPool_test_context(t *testing.T) {
	t.Parallel()
	models(t, func(t *testing.T, o supervisor.PoolOptions) {
		var p *supervisor.Pool
		var f *supervisor.Future[time.Duration]
		func() {
			var err error
			if p, err = supervisor.NewPool(testContext(t), o); err != nil {
				t.Fatal(err)
			}
			defer p.Close()
			r := supervisor.MapAsync(testContext(t), p, square, ints(10))
			if got, err := r.Get(testContext(t)); err != nil || !slices.Equal(got, squares(10)) {
				t.Errorf("inside: %v, %v", got, err)
			}
			f = supervisor.ApplyAsync(testContext(t), p, sleep, 50*time.Millisecond)
		}()
		if _, err := supervisor.Map(testContext(t), p, square, ints(10)); !errors.Is(err, supervisor.ErrPoolClosed) {
			t.Errorf("outside: %v", err)
		}
		if _, err := supervisor.MapAsync(testContext(t), p, square, ints(10)).Get(testContext(t)); !errors.Is(err, supervisor.ErrPoolClosed) {
			t.Errorf("outside: %v", err)
		}
		if _, err := f.Get(testContext(t)); err != nil {
			t.Errorf("what was submitted inside: %v", err)
		}
		if err := p.Wait(testContext(t)); err != nil {
			t.Error(err)
		}
	})
}

// The remote trace comes with panics: an error has no stack in Go.
func TestCPython__TestPool_test_traceback(t *testing.T) {
	t.Parallel()
	p := newPool(t, supervisor.PoolOptions{Processes: 2})
	_, err := supervisor.Apply(testContext(t), p, sayWhen, 123)
	var r *supervisor.RemoteError
	if !errors.As(err, &r) || !errors.Is(err, errSayWhen) || r.Type != "*fmt.wrapError" || r.Message != errSayWhen.Error()+strings.Repeat("!", 123) || r.Panic || r.Stack != "" {
		t.Errorf("an error came as %+v", r)
	}
	_, err = supervisor.Apply(testContext(t), p, panics, "some of the hash text")
	if !errors.As(err, &r) || r.Type != "string" || r.Message != "some of the hash text" || !r.Panic ||
		!strings.Contains(r.Stack, "main_test.go") || !strings.Contains(err.Error(), "panic: some of the hash text") {
		t.Errorf("a panic came as %+v", r)
	}
	// The same through Map.
	_, err = supervisor.Map(testContext(t), p, panics, []string{"x"})
	if !errors.As(err, &r) || !strings.Contains(r.Stack, "main_test.go") {
		t.Errorf("a panic in Map came as %v", err)
	}
	// An error of the caller's own input has nothing remote.
	_, err = supervisor.MapSeq(testContext(t), p, sayWhen, failing(3))
	var remote *supervisor.RemoteError
	if err != errSayWhen || errors.As(err, &remote) {
		t.Errorf("an error of the input came as %v", err)
	}
	if got, err := supervisor.Apply(testContext(t), p, square, 3); err != nil || got != 9 {
		t.Errorf("afterwards: %v, %v", got, err)
	}
}

func TestCPython__TestPool_test_wrapped_exception(t *testing.T) {
	t.Parallel()
	models(t, func(t *testing.T, o supervisor.PoolOptions) {
		o.Processes = 1
		p := newPool(t, o)
		_, err := supervisor.Apply(testContext(t), p, fails, 1)
		var task *supervisor.TaskError
		if !errors.Is(err, errOdd) || !errors.As(err, &task) || task.Entry != "fails" || task.Index != 0 || task.Worker != 0 || task.PID == 0 || task.Attempts != 1 {
			t.Errorf("got %v", err)
		}
	})
}

// Waiting for all is the default; FailFast is an option.
func TestCPython__TestPool_test_map_no_failfast(t *testing.T) {
	t.Parallel()
	models(t, func(t *testing.T, o supervisor.PoolOptions) {
		p := newPool(t, o)
		const large = 3 << 20
		args := []int{large, -1, -2, -3, 5, large - 7, -4}
		start := time.Now()
		got, err := supervisor.Map(testContext(t), p.With(supervisor.CallOptions{ChunkSize: 1}), sayWhen, args)
		if took := time.Since(start); took < 190*time.Millisecond {
			t.Errorf("took %v, which is too short to have waited for the slow ones", took)
		}
		var m *supervisor.MapError
		if !errors.As(err, &m) || len(m.Errors) != 3 || len(m.Unfinished) != 0 {
			t.Fatalf("got %.200s", fmt.Sprint(err))
		}
		for i, n := range []int{large, 5, large - 7} {
			var r *supervisor.RemoteError
			if !errors.As(m.Errors[i], &r) || len(r.Message) != len(errSayWhen.Error())+n || !errors.Is(m.Errors[i], errSayWhen) {
				t.Errorf("error %d did not come whole", i)
			}
		}
		if !slices.Equal(got, []int{0, -1, -2, -3, 0, 0, -4}) {
			t.Errorf("results %v", got)
		}
		if got, err := supervisor.Map(testContext(t), p, square, ints(10)); err != nil || !slices.Equal(got, squares(10)) {
			t.Errorf("afterwards: %v, %v", got, err)
		}
	})
}

// There are no scopes in Go: what Python says at their entry comes with use.
func TestCPython__TestPool_test_enter(t *testing.T) {
	t.Parallel()
	models(t, func(t *testing.T, o supervisor.PoolOptions) {
		for _, tt := range []struct {
			end  func(*supervisor.Pool) error
			want error
		}{{(*supervisor.Pool).Close, supervisor.ErrPoolClosed}, {(*supervisor.Pool).Terminate, supervisor.ErrPoolTerminated}} {
			p := newPool(t, o)
			if err := tt.end(p); err != nil {
				t.Error(err)
			}
			ctx := testContext(t)
			_, err1 := supervisor.Apply(ctx, p, square, 1)
			_, err2 := supervisor.ApplyAsync(ctx, p, square, 1).Get(ctx)
			_, err3 := supervisor.Map(ctx, p, square, nil)
			errs := []error{err1, err2, err3}
			for _, err := range supervisor.IMap(ctx, p, square, slices.Values(ints(3))) {
				errs = append(errs, err)
			}
			if len(errs) != 4 {
				t.Errorf("IMap yields %d times", len(errs)-3)
			}
			for i, err := range errs {
				if !errors.Is(err, tt.want) {
					t.Errorf("call %d: got %v, want %v", i, err, tt.want)
				}
			}
			if err := p.Wait(ctx); err != nil {
				t.Error(err)
			}
		}
	})
}
