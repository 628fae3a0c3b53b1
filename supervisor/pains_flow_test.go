package supervisor_test

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
	"syscall"
	"testing"
	"time"

	"yunta/child"
	"yunta/supervisor"
)

// With buffer b and r results taken from an infinite generator, the input has
// been advanced at most r + b + workers*chunk times.
func TestPain08EndlessInput(t *testing.T) {
	t.Parallel()
	models(t, func(t *testing.T, o supervisor.PoolOptions) {
		for _, tt := range []struct{ workers, buffer, chunk int }{{1, 1, 1}, {2, 1, 0}, {2, 5, 1}, {2, 64, 8}, {3, 10, 100}} {
			for _, ordered := range []bool{true, false} {
				o.Processes = tt.workers
				p := newPool(t, o)
				var advanced atomic.Int64
				endless := func(yield func(int) bool) {
					for i := 0; ; i++ {
						advanced.Add(1)
						if !yield(i) {
							return
						}
					}
				}
				stream := supervisor.IMap[int, int]
				if !ordered {
					stream = supervisor.IMapUnordered[int, int]
				}
				v := p.With(supervisor.CallOptions{Buffer: tt.buffer, ChunkSize: tt.chunk})
				taken, most := 0, 0
				for _, err := range stream(testContext(t), v, square, endless) {
					if err != nil {
						t.Fatal(err)
					}
					taken++
					if taken%100 == 1 {
						time.Sleep(2 * time.Millisecond) // for it to run ahead, if it would
					}
					ahead := int(advanced.Load()) - taken
					if most = max(most, ahead); ahead > tt.buffer+tt.workers*max(tt.chunk, 1) {
						t.Fatalf("%+v ordered=%v: %d ahead after %d results", tt, ordered, ahead, taken)
					}
					if taken == 1000 {
						break
					}
				}
				before := advanced.Load()
				time.Sleep(5 * time.Millisecond)
				if after := advanced.Load(); after > before+int64(tt.buffer)+1 {
					t.Errorf("%+v: after the end of the range it was advanced %d times more", tt, after-before)
				}
			}
		}
	})
}

// By itself a stream looks ahead as far as short tasks need, and no further.
func TestPain08DefaultBuffer(t *testing.T) {
	t.Parallel()
	models(t, func(t *testing.T, o supervisor.PoolOptions) {
		p := newPool(t, o)
		var advanced atomic.Int64
		taken := 0
		for _, err := range supervisor.IMap(testContext(t), p, sleep, func(yield func(time.Duration) bool) {
			for advanced.Add(1); yield(5 * time.Millisecond); advanced.Add(1) {
			}
		}) {
			if err != nil {
				t.Fatal(err)
			}
			taken++
			if ahead := int(advanced.Load()) - taken; ahead > 8*o.Processes {
				t.Fatalf("%d tasks of 5 ms ahead after %d results", ahead, taken)
			}
			if taken == 50 {
				break
			}
		}
	})
}

// Four 1 s tasks followed by sixty 1 ms ones on 4 workers take under 1.5 s at
// defaults; 100,000 no-op tasks are not slower per task than a set budget.
func TestPain18Stragglers(t *testing.T) {
	t.Parallel()
	models(t, func(t *testing.T, o supervisor.PoolOptions) {
		o.Processes = 4
		p := newPool(t, o)
		args := make([]time.Duration, 64)
		for i := range args {
			if args[i] = time.Millisecond; i < 4 {
				args[i] = time.Second
			}
		}
		// The machine may be busy with something else: once is enough.
		var took time.Duration
		for range 3 {
			start := time.Now()
			if _, err := supervisor.Map(testContext(t), p, sleep, args); err != nil {
				t.Fatal(err)
			}
			if took = time.Since(start); took < 1500*time.Millisecond {
				return
			}
		}
		t.Errorf("took %v", took)
	})
}

// budget is what a no-op task may cost: a fifth of what CPython's Pool.map takes.
const budget = 10 * time.Microsecond

func TestPain18Budget(t *testing.T) {
	t.Parallel()
	models(t, func(t *testing.T, o supervisor.PoolOptions) {
		p := newPool(t, o)
		const n = 100_000
		var took time.Duration
		for range 5 {
			start := time.Now()
			if _, err := supervisor.Map(testContext(t), p, square, ints(n)); err != nil {
				t.Fatal(err)
			}
			if took = time.Since(start); took/n < budget*slowness {
				return
			}
		}
		t.Errorf("%v a task, may be %v", took/n, budget*slowness)
	})
}

// 10,000 tasks with a recycle limit of 3 and a random SIGKILL every 50 ms:
// every future ends, successes + losses = 10,000.
func TestPain29RecyclingUnderFire(t *testing.T) {
	t.Parallel()
	n := 10_000
	if testing.Short() || raceEnabled {
		n = 1000
	}
	r := random(t)
	p := newPool(t, supervisor.PoolOptions{Processes: 4, MaxTasksPerChild: 3, Grace: 10 * time.Second})
	// Half in one Map, half in futures of their own.
	half := n / 2
	many := supervisor.MapAsync(context.Background(), p, square, ints(half))
	ones := make([]*supervisor.Future[int], n-half)
	for i := range ones {
		ones[i] = supervisor.ApplyAsync(context.Background(), p, square, i)
	}
	stop := make(chan struct{})
	var shooting sync.WaitGroup
	kills := 0
	shooting.Go(func() {
		for {
			select {
			case <-stop:
				return
			case <-time.After(50 * time.Millisecond):
			}
			if workers := p.Workers(); len(workers) > 0 {
				// It may be gone by now; no other process gets its number this soon.
				if syscall.Kill(workers[r.IntN(len(workers))].PID, syscall.SIGKILL) == nil {
					kills++
				}
			}
		}
	})
	defer shooting.Wait()
	ctx, cancel := context.WithTimeout(context.Background(), 3*patience)
	defer cancel()
	successes, losses := 0, 0
	count := func(i, got int, err error) {
		switch {
		case err == nil && got == i*i:
			successes++
		case errors.Is(err, supervisor.ErrWorkerDied):
			losses++
		default:
			t.Errorf("task %d: %v, %v", i, got, err)
		}
	}
	got, err := many.Get(ctx)
	lost := make(map[int]error)
	var m *supervisor.MapError
	if errors.As(err, &m) && len(m.Unfinished) == 0 {
		for _, e := range m.Errors {
			lost[e.Index] = e
		}
	} else if err != nil {
		t.Error(err)
	}
	for i, v := range got {
		count(i, v, lost[i])
	}
	for i, f := range ones {
		v, err := f.Get(ctx)
		count(i, v, err)
	}
	close(stop)
	shooting.Wait()
	if successes+losses != n {
		t.Errorf("%d successes + %d losses = %d, want %d", successes, losses, successes+losses, n)
	}
	if losses > kills {
		t.Errorf("%d losses by %d kills", losses, kills)
	}
	if s := p.Stats(); s.Restarts < uint64(n/3-1) {
		t.Errorf("%d replacements for %d tasks", s.Restarts, n)
	}
	t.Logf("%d kills, %d losses, %+v", kills, losses, p.Stats())
}

// The kill timer of a cancelled task can never fire on a process that has
// started another task.
func TestPain32KillHitsNoOther(t *testing.T) {
	t.Parallel()
	r := random(t)
	path := filepath.Join(t.TempDir(), "log")
	const grace = 3 * time.Millisecond
	p := newPool(t, supervisor.PoolOptions{Processes: 2, Grace: grace})
	rounds := 400
	if raceEnabled {
		rounds = 100
	}
	var cancelled, finished int
	for i := range rounds {
		// A victim that ends about when it is cancelled or timed out, among
		// others that must not notice.
		d := time.Duration(r.IntN(3000)) * time.Microsecond
		var others []*supervisor.Future[int]
		other := func(n int) {
			for range n {
				others = append(others, supervisor.ApplyAsync(testContext(t), p, logged, logEntry{path, i, time.Duration(r.IntN(1000)) * time.Microsecond}))
			}
		}
		other(r.IntN(3))
		view := p
		if i%2 == 1 {
			view = p.With(supervisor.CallOptions{Timeout: d + time.Duration(r.IntN(500))*time.Microsecond + 1})
		}
		victim := supervisor.ApplyAsync(testContext(t), view, logged, logEntry{path, -1, d})
		other(r.IntN(4))
		if i%2 == 0 {
			time.Sleep(time.Duration(r.IntN(3500)) * time.Microsecond)
			victim.Cancel()
		}
		other(r.IntN(4))
		switch _, err := victim.Get(testContext(t)); {
		case err == nil:
			finished++
		case errors.Is(err, context.Canceled), errors.Is(err, supervisor.ErrTaskTimeout):
			cancelled++
		default:
			t.Fatalf("round %d: the victim has %v", i, err)
		}
		for k, f := range others {
			if got, err := f.Get(testContext(t)); err != nil || got != i {
				t.Fatalf("round %d: task %d, which nobody cancelled: %v, %v", i, k, got, err)
			}
		}
	}
	if cancelled < rounds/20 || finished < rounds/20 {
		t.Errorf("%d cancelled and %d finished of %d: the moments are not well chosen", cancelled, finished, rounds)
	}
	// And by what the processes themselves say: each task that was not
	// cancelled and began has ended, in the process where it began.
	open := make(map[string]int)
	data, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	for line := range strings.Lines(string(data)) {
		var pid, round, ended int
		if _, err := fmt.Sscan(line, &pid, &round, &ended); err != nil {
			t.Fatalf("%q: %v", line, err)
		}
		key := strconv.Itoa(pid)
		if round < 0 {
			continue
		}
		open[key] += 1 - 2*ended
	}
	for pid, n := range open {
		if n != 0 {
			t.Errorf("process %s ended inside a task that nobody cancelled", pid)
		}
	}
}

type logEntry struct {
	Path  string
	Round int
	For   time.Duration
}

// logged takes its time and heeds nothing; it says when it begins and ends.
var logged = child.Register("logged", func(_ context.Context, l logEntry) (int, error) {
	sign(l.Path, fmt.Sprint(os.Getpid(), l.Round, 0))
	for end := time.Now().Add(l.For); time.Now().Before(end); {
	}
	sign(l.Path, fmt.Sprint(os.Getpid(), l.Round, 1))
	return l.Round, nil
})
