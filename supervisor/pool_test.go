package supervisor_test

import (
	"bytes"
	"context"
	"errors"
	"log/slog"
	"os"
	"slices"
	"strings"
	"syscall"
	"testing"
	"time"

	"yunta/child"
	"yunta/supervisor"
)

func init() { child.RegisterError(errOdd) }

func TestMap(t *testing.T) {
	models(t, func(t *testing.T, o supervisor.PoolOptions) {
		p := newPool(t, o)
		for _, n := range []int{0, 1, 2, 3, 10, 1000, 100_000} {
			for _, size := range []int{0, 1, 7, 1000} {
				args := ints(n)
				got, err := supervisor.Map(testContext(t), p.With(supervisor.CallOptions{ChunkSize: size}), square, args)
				if err != nil {
					t.Fatalf("n=%d chunk=%d: %v", n, size, err)
				}
				if len(got) != n {
					t.Fatalf("n=%d chunk=%d: %d results", n, size, len(got))
				}
				for i, v := range got {
					if v != i*i {
						t.Fatalf("n=%d chunk=%d: result %d is %d", n, size, i, v)
					}
				}
			}
		}
	})
}

func TestApply(t *testing.T) {
	models(t, func(t *testing.T, o supervisor.PoolOptions) {
		p := newPool(t, o)
		for i := range 200 {
			got, err := supervisor.Apply(testContext(t), p, square, i)
			if err != nil || got != i*i {
				t.Fatalf("Apply(%d) = %d, %v", i, got, err)
			}
		}
		s, err := supervisor.Apply(testContext(t), p, upper, "yunta")
		if err != nil || s != "YUNTA" {
			t.Fatalf("got %q, %v", s, err)
		}
	})
}

func TestLargeValues(t *testing.T) {
	p := newPool(t, supervisor.PoolOptions{Processes: 2})
	for _, n := range []int{0, 1, 65_530, 65_536, 1 << 20, 40 << 20} {
		arg := bytes.Repeat([]byte{byte(n), 1, 2, 3}, (n+3)/4)[:n]
		got, err := supervisor.Apply(testContext(t), p, echo, arg)
		if err != nil || !bytes.Equal(got, arg) {
			t.Fatalf("%d bytes: %d came back, %v", n, len(got), err)
		}
	}
	args := make([][]byte, 100)
	for i := range args {
		args[i] = bytes.Repeat([]byte{byte(i)}, 100_000+i)
	}
	got, err := supervisor.Map(testContext(t), p, echo, args)
	if err != nil || !slices.EqualFunc(got, args, bytes.Equal) {
		t.Fatalf("map of large values: %v", err)
	}
}

func TestTaskErrors(t *testing.T) {
	models(t, func(t *testing.T, o supervisor.PoolOptions) {
		p := newPool(t, o)
		got, err := supervisor.Map(testContext(t), p, fails, ints(100))
		var m *supervisor.MapError
		if !errors.As(err, &m) || m.Total != 100 || len(m.Errors) != 50 || len(m.Unfinished) != 0 {
			t.Fatalf("got %v", err)
		}
		for i, e := range m.Errors {
			if e.Index != 2*i+1 || !errors.Is(e, errOdd) {
				t.Fatalf("error %d: %v", i, e)
			}
		}
		for i, v := range got {
			if i%2 == 0 && v != i || i%2 == 1 && v != 0 {
				t.Fatalf("result %d is %d", i, v)
			}
		}
		_, err = supervisor.Apply(testContext(t), p, panics, "boom")
		var r *supervisor.RemoteError
		if !errors.As(err, &r) || !r.Panic || r.Message != "boom" || !strings.Contains(r.Stack, "main_test.go") {
			t.Fatalf("panic came as %v", err)
		}
		if v, err := supervisor.Apply(testContext(t), p, square, 3); err != nil || v != 9 {
			t.Fatalf("after a panic: %v, %v", v, err)
		}
	})
}

func TestWorkerExit(t *testing.T) {
	p := newPool(t, supervisor.PoolOptions{Processes: 2})
	_, err := supervisor.Apply(testContext(t), p, exit, 3)
	var e *supervisor.ExitError
	if !errors.Is(err, supervisor.ErrWorkerDied) || !errors.As(err, &e) || e.Code != 3 {
		t.Fatalf("got %v", err)
	}
	waitFor(t, "the pool to be whole", func() bool { return len(p.Workers()) == 2 })
	got, err := supervisor.Map(testContext(t), p, square, ints(1000))
	if err != nil || got[999] != 999*999 {
		t.Fatalf("after a death: %v", err)
	}
}

// A worker that nobody asked to leave has died, whatever its exit status.
func TestWorkerExitZero(t *testing.T) {
	var said lockedBuffer
	p := newPool(t, supervisor.PoolOptions{Processes: 1, Logger: slog.New(slog.NewTextHandler(&said, nil))})
	_, err := supervisor.Apply(testContext(t), p, exit, 0)
	var e *supervisor.ExitError
	if !errors.Is(err, supervisor.ErrWorkerDied) || !errors.As(err, &e) || e.Code != 0 {
		t.Fatalf("got %v", err)
	}
	if got, err := supervisor.Apply(testContext(t), p, square, 3); err != nil || got != 9 {
		t.Errorf("afterwards: %v, %v", got, err)
	}
	p.Close()
	if err := p.Wait(testContext(t)); err != nil {
		t.Fatal(err)
	}
	if s := p.Stats(); s.Died != 1 || s.Restarts != 1 {
		t.Errorf("stats %+v", s)
	}
	if text := said.String(); strings.Count(text, "worker died") != 1 {
		t.Errorf("logged: %s", text)
	}
}

func TestKill(t *testing.T) {
	p := newPool(t, supervisor.PoolOptions{Processes: 2})
	f := supervisor.ApplyAsync(testContext(t), p, sleep, time.Hour)
	var victim int
	waitFor(t, "a busy worker", func() bool {
		for _, w := range p.Workers() {
			if w.State == "running" {
				victim = w.PID
			}
		}
		return victim != 0
	})
	if err := syscall.Kill(victim, syscall.SIGKILL); err != nil {
		t.Fatal(err)
	}
	_, err := f.Get(testContext(t))
	var e *supervisor.ExitError
	var te *supervisor.TaskError
	if !errors.As(err, &e) || e.Signal != syscall.SIGKILL || !errors.As(err, &te) || te.PID != victim {
		t.Fatalf("got %v", err)
	}
}

func TestTimeout(t *testing.T) {
	p := newPool(t, supervisor.PoolOptions{Processes: 2, Grace: 100 * time.Millisecond})
	short := p.With(supervisor.CallOptions{Timeout: 50 * time.Millisecond})
	_, err := supervisor.Apply(testContext(t), short, spinForever, 0)
	if !errors.Is(err, supervisor.ErrTaskTimeout) {
		t.Fatalf("got %v", err)
	}
	got, err := supervisor.Apply(testContext(t), short, square, 5)
	if err != nil || got != 25 {
		t.Fatalf("after a timeout: %v, %v", got, err)
	}
}

var spinForever = child.Register("spinForever", func(context.Context, int) (int, error) {
	for i := 0; ; i++ {
		if i < 0 {
			return i, nil
		}
	}
})

func TestCancelRunning(t *testing.T) {
	p := newPool(t, supervisor.PoolOptions{Processes: 1, Grace: 50 * time.Millisecond})
	f := supervisor.ApplyAsync(testContext(t), p, spinForever, 0)
	var busy int
	waitFor(t, "a busy worker", func() bool {
		for _, w := range p.Workers() {
			if w.State == "running" {
				busy = w.PID
			}
		}
		return busy != 0
	})
	f.Cancel()
	if _, err := f.Get(testContext(t)); !errors.Is(err, context.Canceled) {
		t.Fatalf("got %v", err)
	}
	waitFor(t, "the worker to be gone", func() bool { return syscall.Kill(busy, 0) != nil })
	if v, err := supervisor.Apply(testContext(t), p, square, 4); err != nil || v != 16 {
		t.Fatalf("after Cancel: %v, %v", v, err)
	}
}

func TestIMap(t *testing.T) {
	models(t, func(t *testing.T, o supervisor.PoolOptions) {
		p := newPool(t, o)
		i := 0
		for v, err := range supervisor.IMap(testContext(t), p, square, slices.Values(ints(20_000))) {
			if err != nil || v != i*i {
				t.Fatalf("result %d is %d, %v", i, v, err)
			}
			i++
		}
		if i != 20_000 {
			t.Fatalf("%d results", i)
		}
		seen := make(map[int]bool)
		for v, err := range supervisor.IMapUnordered(testContext(t), p, square, slices.Values(ints(5000))) {
			if err != nil || seen[v] {
				t.Fatalf("result %d, %v", v, err)
			}
			seen[v] = true
		}
		if len(seen) != 5000 {
			t.Fatalf("%d results", len(seen))
		}
	})
}

func TestTerminate(t *testing.T) {
	models(t, func(t *testing.T, o supervisor.PoolOptions) {
		p := newPool(t, o)
		f := supervisor.MapAsync(context.Background(), p, sleep, slices.Repeat([]time.Duration{time.Hour}, 100))
		p.Terminate()
		if _, err := f.Get(testContext(t)); !errors.Is(err, supervisor.ErrPoolTerminated) {
			t.Fatalf("got %v", err)
		}
		if err := p.Wait(testContext(t)); err != nil {
			t.Fatal(err)
		}
		if _, err := supervisor.Apply(testContext(t), p, square, 1); !errors.Is(err, supervisor.ErrPoolTerminated) {
			t.Fatalf("after Terminate: %v", err)
		}
	})
}

func TestMaxTasksPerChild(t *testing.T) {
	models(t, func(t *testing.T, o supervisor.PoolOptions) {
		o.MaxTasksPerChild = 3
		p := newPool(t, o)
		got, err := supervisor.Map(testContext(t), p, pid, ints(30))
		if err != nil {
			t.Fatal(err)
		}
		if o.Model == supervisor.Processes {
			per := make(map[int]int)
			for _, v := range got {
				per[v]++
			}
			for pid, n := range per {
				if n > 3 || pid == os.Getpid() {
					t.Errorf("process %d ran %d tasks", pid, n)
				}
			}
		}
	})
}
