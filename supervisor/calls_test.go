package supervisor_test

import (
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"os"
	"path/filepath"
	"runtime"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"yunta/child"
	"yunta/supervisor"
)

// A task that ends its goroutine fails alone, in both models: those before and
// behind it in its chunk, and its worker, go on.
func TestGoexit(t *testing.T) {
	t.Parallel()
	models(t, func(t *testing.T, o supervisor.PoolOptions) {
		p := newPool(t, o)
		for _, chunk := range []int{0, 1, 10, 100} {
			args := make([]trapArgument, 100)
			for i := range args {
				args[i].N = i
				if i%10 == 3 {
					args[i].At, args[i].Do = running, faultGoexit
				}
			}
			got, err := supervisor.Map(testContext(t), p.With(supervisor.CallOptions{ChunkSize: chunk}), spring, args)
			var m *supervisor.MapError
			if !errors.As(err, &m) || len(m.Errors) != 10 || len(m.Unfinished) != 0 {
				t.Fatalf("chunks of %d: %v", chunk, err)
			}
			for _, e := range m.Errors {
				if e.Index%10 != 3 || !strings.Contains(e.Error(), "Goexit") {
					t.Errorf("chunks of %d: %v", chunk, e)
				}
			}
			for i, r := range got {
				if i%10 != 3 && r.N != i {
					t.Errorf("chunks of %d: result %d is %v", chunk, i, r)
				}
			}
		}
		if s := p.Stats(); s.Died != 0 {
			t.Errorf("workers died: %+v", s)
		}
	})
}

// An initializer or an exit function that ends its goroutine fails as one that
// returns an error does, in both models: nobody waits for it in vain.
func TestGoexitOfHooks(t *testing.T) {
	t.Parallel()
	models(t, func(t *testing.T, o supervisor.PoolOptions) {
		ends := spring.Bind(trapArgument{At: running, Do: faultGoexit})
		o.Grace = 10 * patience // nobody comes to help
		t.Run("initializer", func(t *testing.T) {
			o := o
			o.Initializer, o.Stderr = ends, io.Discard
			soon(t, "NewPool", 5*time.Second, func() {
				p, err := supervisor.NewPool(testContext(t), o)
				if err == nil {
					p.Terminate()
				}
				if err == nil || !strings.Contains(err.Error(), "Goexit") {
					t.Errorf("got %v", err)
				}
			})
		})
		t.Run("exit", func(t *testing.T) {
			o := o
			var said lockedBuffer
			o.Exit, o.Stderr, o.Logger = ends, &said, slog.New(slog.NewTextHandler(&said, nil))
			p := newPool(t, o)
			if got, err := supervisor.Apply(testContext(t), p, square, 3); err != nil || got != 9 {
				t.Errorf("got %v, %v", got, err)
			}
			p.Close()
			soon(t, "Wait", 5*time.Second, func() {
				if err := p.Wait(testContext(t)); err != nil {
					t.Error(err)
					p.Terminate()
				}
			})
			if text := said.String(); strings.Count(text, "Goexit") != o.Processes {
				t.Errorf("said of %d workers: %s", o.Processes, text)
			}
		})
	})
}

// Breaking out of a range drops what has not begun; the pool goes on.
func TestIMapBreak(t *testing.T) {
	t.Parallel()
	models(t, func(t *testing.T, o supervisor.PoolOptions) {
		p := newPool(t, o)
		for _, take := range []int{1, 2, 10, 500} {
			var pulled atomic.Int64
			ended := make(chan struct{})
			input := func(yield func(int) bool) {
				defer close(ended)
				for i := 0; ; i++ {
					pulled.Add(1)
					if !yield(i) {
						return
					}
				}
			}
			n := 0
			for got, err := range supervisor.IMap(testContext(t), p, square, input) {
				if err != nil || got != n*n {
					t.Fatalf("result %d is %v, %v", n, got, err)
				}
				if n++; n == take {
					break
				}
			}
			select {
			case <-ended: // the input is told, so that it can release what it has
			case <-time.After(patience):
				t.Fatal("the input is still being pulled")
			}
			if got, err := supervisor.Apply(testContext(t), p, square, 3); err != nil || got != 9 {
				t.Errorf("after a break: %v, %v", got, err)
			}
		}
		// A running task may finish: its worker lives.
		before := workerPIDs(p)
		for range supervisor.IMapUnordered(testContext(t), p, sleep, slices.Values([]time.Duration{0, 50 * time.Millisecond, 50 * time.Millisecond, time.Hour})) {
			break
		}
		if after := workerPIDs(p); !slices.Equal(before, after) {
			t.Errorf("workers were %v and are %v", before, after)
		}
		p.Terminate() // one may have begun the hour
	})
}

// A panic in the loop over results, or in the input, reaches the caller.
func TestIMapPanics(t *testing.T) {
	t.Parallel()
	models(t, func(t *testing.T, o supervisor.PoolOptions) {
		p := newPool(t, o)
		caught := func(f func()) (v any) {
			defer func() { v = recover() }()
			f()
			return nil
		}
		if v := caught(func() {
			for range supervisor.IMap(testContext(t), p, square, slices.Values(ints(1000))) {
				panic("in the loop")
			}
		}); v != "in the loop" {
			t.Errorf("got %v", v)
		}
		if v := caught(func() {
			for range supervisor.IMap(testContext(t), p, square, func(yield func(int) bool) {
				yield(1)
				panic("in the input")
			}) {
			}
		}); !strings.Contains(fmt.Sprint(v), "in the input") {
			t.Errorf("got %v", v)
		}
		if got, err := supervisor.Apply(testContext(t), p, square, 3); err != nil || got != 9 {
			t.Errorf("afterwards: %v, %v", got, err)
		}
	})
}

// The end of the context ends a range with its error, even if nothing comes.
func TestIMapContext(t *testing.T) {
	t.Parallel()
	models(t, func(t *testing.T, o supervisor.PoolOptions) {
		o.Grace = 50 * time.Millisecond
		p := newPool(t, o)
		cause := errors.New("enough")
		ctx, cancel := context.WithCancelCause(context.Background())
		defer cancel(nil)
		never := make(chan struct{})
		defer close(never)
		n := 0
		var last error
		for _, err := range supervisor.IMap(ctx, p, sleep, func(yield func(time.Duration) bool) {
			for range 3 {
				if !yield(0) {
					return
				}
			}
			yield(time.Hour)
			<-never // an input that does not come back
		}) {
			if n++; n == 3 {
				cancel(cause)
			}
			last = err
		}
		if n != 4 || !errors.Is(last, cause) {
			t.Errorf("%d results, the last with %v", n, last)
		}
		seq := supervisor.IMap(testContext(t), p, square, slices.Values(ints(3)))
		for range seq {
		}
		for _, err := range seq {
			last = err
		}
		if !errors.Is(last, supervisor.ErrRanged) {
			t.Errorf("a second range gives %v", last)
		}
	})
}

// OnProgress grows and ends at the total, whatever fails.
func TestOnProgress(t *testing.T) {
	t.Parallel()
	models(t, func(t *testing.T, o supervisor.PoolOptions) {
		p := newPool(t, o)
		type step struct{ done, total int }
		var mu sync.Mutex
		var steps []step
		var inside atomic.Int32
		v := p.With(supervisor.CallOptions{Retries: 1, OnProgress: func(done, total int) {
			if inside.Add(1) > 1 {
				t.Error("called from two goroutines at once")
			}
			mu.Lock()
			steps = append(steps, step{done, total})
			mu.Unlock()
			inside.Add(-1)
		}})
		check := func(what string, n int, streamed bool) {
			t.Helper()
			mu.Lock()
			defer mu.Unlock()
			last := 0
			for _, s := range steps {
				if s.done <= last || s.total != n && (!streamed || s.total != -1) {
					t.Errorf("%s: %v", what, steps)
					break
				}
				last = s.done
			}
			if last != n || streamed && steps[len(steps)-1].total != n {
				t.Errorf("%s: ends at %v, want %d", what, steps[max(0, len(steps)-3):], n)
			}
			steps = nil
		}
		supervisor.Map(testContext(t), v, fails, ints(5000))
		check("Map", 5000, false)
		supervisor.Apply(testContext(t), v, square, 1)
		check("Apply", 1, false)
		for range supervisor.IMap(testContext(t), v, fails, slices.Values(ints(3000))) {
		}
		check("IMap", 3000, true)
		if o.Model == supervisor.Processes {
			args := ints(200)
			args[50], args[150] = -1, -1
			supervisor.Map(testContext(t), v, killsItself, args)
			check("Map with deaths", 200, false)
		}
	})
}

// The length of a stream may become known after its last result has come: then
// done == total is still said.
func TestOnProgressLateLength(t *testing.T) {
	t.Parallel()
	models(t, func(t *testing.T, o supervisor.PoolOptions) {
		p := newPool(t, o)
		var steps [][2]int
		told := make(chan struct{})
		v := p.With(supervisor.CallOptions{OnProgress: func(done, total int) {
			if steps = append(steps, [2]int{done, total}); len(steps) == 1 {
				close(told)
			}
		}})
		input := func(yield func(int) bool) {
			yield(3)
			<-told // its result has come
		}
		for got, err := range supervisor.IMap(testContext(t), v, square, input) {
			if err != nil || got != 9 {
				t.Errorf("got %v, %v", got, err)
			}
		}
		if want := [][2]int{{1, -1}, {1, 1}}; !slices.Equal(steps, want) {
			t.Errorf("told %v, want %v", steps, want)
		}
	})
}

// A task is tried again after an error, a panic, a death or a timeout, and its
// first success counts.
func TestRetries(t *testing.T) {
	t.Parallel()
	models(t, func(t *testing.T, o supervisor.PoolOptions) {
		o.Retries, o.Grace = 3, 20*time.Millisecond
		p := newPool(t, o)
		faults := []fault{faultError, faultPanic, faultGoexit, "timeout"}
		if o.Model == supervisor.Processes {
			faults = append(faults, faultExit)
		}
		for _, f := range faults {
			for n := range 5 {
				path := filepath.Join(t.TempDir(), "tries")
				v := p
				if f == "timeout" { // the others must not meet one on a busy machine
					v = p.With(supervisor.CallOptions{Timeout: 250 * time.Millisecond * slowness})
				}
				got, err := supervisor.Apply(testContext(t), v, failsFirst, retryArgument{path, n, f})
				tries := len(signed(path))
				if n <= 3 && (err != nil || got != n+1 || tries != n+1) {
					t.Errorf("%s, %d times: got %d, %v after %d tries", f, n, got, err, tries)
				}
				var te *supervisor.TaskError
				if n > 3 && (!errors.As(err, &te) || te.Attempts != 4 || tries != 4) {
					t.Errorf("%s, %d times: got %v after %d tries", f, n, err, tries)
				}
			}
		}
		if s := p.Stats(); s.Retried != uint64(len(faults)*(1+2+3+3)) {
			t.Errorf("stats %+v", s)
		}
	})
}

type retryArgument struct {
	Path  string
	Times int
	Do    fault
}

var failsFirst = child.Register("failsFirst", func(ctx context.Context, a retryArgument) (int, error) {
	sign(a.Path, "x")
	n := len(signed(a.Path))
	if n > a.Times {
		return n, nil
	}
	if a.Do == "timeout" {
		<-ctx.Done()
		return 0, ctx.Err()
	}
	return 0, a.Do.commit()
})

// FailFast starts nothing more once a task has failed for good; what is
// finished is handed over.
func TestFailFast(t *testing.T) {
	t.Parallel()
	models(t, func(t *testing.T, o supervisor.PoolOptions) {
		o.Grace = 50 * time.Millisecond
		p := newPool(t, o)
		v := p.With(supervisor.CallOptions{FailFast: true, ChunkSize: 1})
		path := filepath.Join(t.TempDir(), "ran")
		args := make([]failAt, 500)
		for i := range args {
			args[i] = failAt{path, i, 20}
		}
		got, err := supervisor.Map(testContext(t), v, failsAt, args)
		var m *supervisor.MapError
		if !errors.As(err, &m) || !errors.Is(err, supervisor.ErrFailFast) || !errors.Is(err, errTrap) || len(m.Errors) != 1 || m.Errors[0].Index != 20 {
			t.Fatalf("got %v", err)
		}
		unfinished := 0
		for _, s := range m.Unfinished {
			unfinished += s.To - s.From
		}
		if ran := len(signed(path)); ran > 200 || unfinished < 300 || unfinished+ran < 499 {
			t.Errorf("%d tasks ran, %d unfinished", ran, unfinished)
		}
		for i, r := range got {
			in := slices.ContainsFunc(m.Unfinished, func(s supervisor.Span) bool { return s.From <= i && i < s.To })
			if (r == i+1) == (in || i == 20) {
				t.Errorf("result %d is %d, unfinished: %v", i, r, in)
			}
		}
		if got, err := supervisor.Map(testContext(t), v, square, ints(100)); err != nil || !slices.Equal(got, squares(100)) {
			t.Errorf("afterwards: %v", err)
		}
	})
}

type failAt struct {
	Path  string
	N, At int
}

var failsAt = child.Register("failsAt", func(_ context.Context, a failAt) (int, error) {
	sign(a.Path, "x")
	time.Sleep(time.Millisecond)
	if a.N == a.At {
		return 0, errTrap
	}
	return a.N + 1, nil
})

// A view inherits what it does not set, from the pool and from the view it was
// made of, and can switch off what it inherits.
func TestWith(t *testing.T) {
	t.Parallel()
	models(t, func(t *testing.T, o supervisor.PoolOptions) {
		o.TaskTimeout, o.Retries, o.Grace = 40*time.Millisecond*slowness, 1, 20*time.Millisecond
		p := newPool(t, o)
		tries := func(v *supervisor.Pool) (int, error) {
			path := filepath.Join(t.TempDir(), "tries")
			_, err := supervisor.Apply(testContext(t), v, failsFirst, retryArgument{path, 100, faultError})
			return len(signed(path)), err
		}
		times := func(v *supervisor.Pool, d time.Duration) error {
			_, err := supervisor.Apply(testContext(t), v, sleep, d)
			return err
		}
		never := p.With(supervisor.CallOptions{Timeout: supervisor.NoTimeout})
		once := p.With(supervisor.CallOptions{Retries: supervisor.NoRetries})
		both := never.With(supervisor.CallOptions{Retries: supervisor.NoRetries})
		again := both.With(supervisor.CallOptions{Timeout: time.Millisecond, Retries: 3})
		const long = 10 * 40 * time.Millisecond * slowness // so long after the timeout that no busy machine confuses the two
		for _, tt := range []struct {
			name  string
			view  *supervisor.Pool
			tries int
			late  bool // long is too long
		}{
			{"pool", p, 2, true},
			{"same", p.With(supervisor.CallOptions{}), 2, true},
			{"no timeout", never, 2, false},
			{"no retries", once, 1, true},
			{"neither", both, 1, false},
			{"set again", again, 4, true},
			{"the pool still", p, 2, true},
		} {
			if n, err := tries(tt.view); err == nil || n != tt.tries {
				t.Errorf("%s: %d tries, want %d (%v)", tt.name, n, tt.tries, err)
			}
			if err := times(tt.view, long); errors.Is(err, supervisor.ErrTaskTimeout) != tt.late || !tt.late && err != nil {
				t.Errorf("%s: a long task has %v", tt.name, err)
			}
		}
		for name, o := range map[string]supervisor.CallOptions{
			"ChunkSize": {ChunkSize: -1}, "Timeout": {Timeout: -5}, "Retries": {Retries: -2}, "Buffer": {Buffer: -1},
		} {
			func() {
				defer func() {
					if v := recover(); v == nil || !strings.Contains(fmt.Sprint(v), name) {
						t.Errorf("%s: panics with %v", name, v)
					}
				}()
				p.With(o)
			}()
		}
	})
}

// What a child wrote to standard error last is in its task's error, and all of
// it reaches the pool's writer.
func TestStderrTail(t *testing.T) {
	t.Parallel()
	var all lockedBuffer
	p := newPool(t, supervisor.PoolOptions{Processes: 1, Stderr: &all})
	_, err := supervisor.Apply(testContext(t), p, lastWords, filepath.Join(t.TempDir(), "exit"))
	var e *supervisor.ExitError
	if !errors.As(err, &e) || !strings.HasSuffix(e.Stderr, "line 20;\n") || !strings.HasPrefix(e.Stderr, "line 1;\n") {
		t.Fatalf("got %v", err)
	}
	if !strings.Contains(err.Error(), "line 16;\nline 17;\nline 18;\nline 19;\nline 20;") {
		t.Errorf("got %v", err)
	}
	if all.String() != e.Stderr {
		t.Errorf("the writer got %q", all.String())
	}
	// Of much only the end is kept, but of a crash its beginning.
	_, err = supervisor.Apply(testContext(t), p, crashesLoudly, 100<<10)
	if !errors.As(err, &e) || len(e.Stderr) > 16<<10 || !strings.Contains(err.Error(), "fatal error: all goroutines are asleep") && !strings.Contains(err.Error(), "panic: out of patience") {
		t.Errorf("got %v (%d bytes)", err, len(e.Stderr))
	}
	// The next worker begins anew.
	_, err = supervisor.Apply(testContext(t), p, exit, 1)
	if !errors.As(err, &e) || e.Stderr != "" {
		t.Errorf("a quiet death has stderr %q", e.Stderr)
	}
}

// crashesLoudly prints, and then panics where nothing can recover it.
var crashesLoudly = child.Register("crashesLoudly", func(_ context.Context, n int) (int, error) {
	os.Stderr.WriteString(strings.Repeat("before the crash\n", n/17))
	var deep func(n int)
	deep = func(n int) {
		if n == 0 {
			panic("out of patience")
		}
		deep(n - 1)
		runtime.KeepAlive(n)
	}
	go deep(200) // its stack is longer than what is kept
	select {}
})

// What a goroutine pool cannot do fails as its documentation says.
func TestTwinLimits(t *testing.T) {
	t.Parallel()
	t.Run("memory limit", func(t *testing.T) {
		_, err := supervisor.NewPool(testContext(t), supervisor.PoolOptions{Model: supervisor.Goroutines, MemoryLimit: 1 << 30})
		if !errors.Is(err, errors.ErrUnsupported) {
			t.Errorf("got %v", err)
		}
	})
	t.Run("hung task", func(t *testing.T) {
		t.Parallel()
		const timeout, grace = 30 * time.Millisecond, 50 * time.Millisecond
		p := newPool(t, supervisor.PoolOptions{Model: supervisor.Goroutines, Processes: 1, Grace: grace})
		release := filepath.Join(t.TempDir(), "release")
		defer releaseTwin(t, release)
		var err error
		took := soon(t, "the timeout", timeout+grace+time.Second, func() {
			_, err = supervisor.Apply(testContext(t), p.With(supervisor.CallOptions{Timeout: timeout}), ignoresContext, release)
		})
		if !errors.Is(err, supervisor.ErrTaskTimeout) || !strings.Contains(err.Error(), "left to itself") || took < timeout+grace {
			t.Errorf("got %v after %v", err, took)
		}
		if got, err := supervisor.Apply(testContext(t), p, square, 3); err != nil || got != 9 {
			t.Errorf("its worker was not replaced: %v, %v", got, err)
		}
		if w := p.Workers(); len(w) != 1 || w[0].Incarnation != 2 || p.Stats().Died != 1 {
			t.Errorf("workers %+v, stats %+v", w, p.Stats())
		}
	})
	t.Run("cancelled hung task", func(t *testing.T) {
		t.Parallel()
		p := newPool(t, supervisor.PoolOptions{Model: supervisor.Goroutines, Processes: 1, Grace: 20 * time.Millisecond})
		release := filepath.Join(t.TempDir(), "release")
		defer releaseTwin(t, release)
		f := supervisor.ApplyAsync(testContext(t), p, ignoresContext, release)
		waitSigned(t, release+".begun", 1)
		f.Cancel()
		if _, err := f.Get(testContext(t)); !errors.Is(err, context.Canceled) {
			t.Errorf("got %v", err)
		}
		if got, err := supervisor.Apply(testContext(t), p, square, 3); err != nil || got != 9 {
			t.Errorf("its worker was not replaced: %v, %v", got, err)
		}
	})
	t.Run("exit", func(t *testing.T) {
		t.Parallel()
		p := command(t, twinExit).start()
		p.say("ready")
		if status := p.wait(); status != 9 {
			t.Errorf("a task's os.Exit(9) ended the program with %d", status)
		}
	})
	t.Run("same process", func(t *testing.T) {
		t.Parallel()
		p := newPool(t, supervisor.PoolOptions{Model: supervisor.Goroutines, Processes: 2})
		got, err := supervisor.Map(testContext(t), p, pid, ints(10))
		if err != nil || slices.ContainsFunc(got, func(n int) bool { return n != os.Getpid() }) {
			t.Errorf("ran in %v, %v", got, err)
		}
		// Nothing is encoded, so what cannot be is no error here.
		if v, err := supervisor.Apply(testContext(t), p, channel, 1); err != nil || v == nil {
			t.Errorf("got %v, %v", v, err)
		}
	})
}

// releaseTwin lets a task that nothing can stop come to its end.
func releaseTwin(t *testing.T, path string) {
	t.Helper()
	sign(path, "x")
	waitSigned(t, path+".ended", 1)
}

// ignoresContext waits for a file, whatever its context says.
var ignoresContext = child.Register("ignoresContext", func(_ context.Context, path string) (string, error) {
	sign(path+".begun", "x")
	defer sign(path+".ended", "x")
	return untilThere.Func()(context.Background(), path)
})

var twinExit = helper("twinExit", func([]string) int {
	p, err := supervisor.NewPool(context.Background(), supervisor.PoolOptions{Model: supervisor.Goroutines})
	must(err)
	fmt.Println("ready")
	supervisor.Apply(helperContext(), p, exit, 9)
	return 0
})

// The memory limit ends the task that exceeds it, by name, and no other.
func TestMemoryLimit(t *testing.T) {
	if raceEnabled {
		t.Skip("the race detector's own memory exceeds any limit of this size")
	}
	t.Parallel()
	p := newPool(t, supervisor.PoolOptions{Processes: 2, MemoryLimit: 256 << 20, Stderr: io.Discard})
	if got, err := supervisor.Apply(testContext(t), p, allocates, 32<<20); err != nil || got != 32<<20 {
		t.Errorf("below the limit: %v, %v", got, err)
	}
	if !hardMemoryLimit {
		return
	}
	_, err := supervisor.Map(testContext(t), p, allocates, []int{1, 1 << 30, 2, 3})
	var m *supervisor.MapError
	if !errors.Is(err, supervisor.ErrMemoryLimit) || !errors.Is(err, supervisor.ErrWorkerDied) || !errors.As(err, &m) || len(m.Errors) != 1 || m.Errors[0].Index != 1 {
		t.Errorf("above the limit: %v", err)
	}
	if _, err := supervisor.Apply(testContext(t), p, exit, 1); errors.Is(err, supervisor.ErrMemoryLimit) {
		t.Errorf("an ordinary death: %v", err)
	}
}

var allocates = child.Register("allocates", func(_ context.Context, n int) (int, error) {
	b := make([]byte, n)
	for i := 0; i < n; i += 4096 {
		b[i] = 1
	}
	runtime.KeepAlive(b)
	return len(b), nil
})
