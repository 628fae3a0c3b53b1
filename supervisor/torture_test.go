package supervisor_test

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"os"
	"slices"
	"sync"
	"sync/atomic"
	"syscall"
	"testing"
	"time"

	"yunta/supervisor"
)

// The torture: a pool that is used in every way there is, by several callers at
// once, while its workers are killed and stopped at random instants. Every call
// must end, with results that are right or errors that are true.
// YUNTA_TORTURE=5m makes it last five minutes instead of a number of kills.
func TestTorturePool(t *testing.T) {
	t.Parallel()
	r := random(t)
	end, kills := time.Now().Add(time.Hour), 150
	if text := os.Getenv("YUNTA_TORTURE"); text != "" {
		d, err := time.ParseDuration(text)
		if err != nil {
			t.Fatalf("YUNTA_TORTURE: %v", err)
		}
		end, kills = time.Now().Add(d), 1<<62
	}
	ways := []supervisor.PoolOptions{{}, {MaxTasksPerChild: 50}, {Model: supervisor.Goroutines, MaxTasksPerChild: 50}}
	if _, err := findPython(); err == nil {
		ways = append(ways, pythonCommand(t))
	}
	for i, o := range ways { // with the same time each
		end := time.Now().Add(time.Until(end) / time.Duration(len(ways)-i))
		name := fmt.Sprintf("%v of %d tasks", o.Model, o.MaxTasksPerChild)
		if o.Command != nil {
			name = "Python"
		}
		t.Run(name, func(t *testing.T) {
			o.Processes, o.Grace = 3, 30*time.Millisecond
			p := newPool(t, o)
			x := &torment{t: t, p: p, upOnly: o.Command != nil}
			var callers sync.WaitGroup
			stop := make(chan struct{})
			for range 3 {
				r := rand.New(rand.NewPCG(r.Uint64(), 0))
				callers.Go(func() {
					for {
						select {
						case <-stop:
							return
						default:
							x.call(r)
						}
					}
				})
			}
			deaths := 0
			for deaths < kills/len(ways) && time.Now().Before(end) && !t.Failed() {
				time.Sleep(time.Duration(r.IntN(15_000)) * time.Microsecond)
				if o.Model == supervisor.Goroutines || x.hit(r) {
					deaths++
				}
			}
			close(stop)
			callers.Wait()
			wholeAgain(t, p)
			t.Logf("%d kills, %d calls; %+v", deaths, x.calls.Load(), p.Stats())
		})
	}
}

type torment struct {
	t     *testing.T
	p     *supervisor.Pool
	calls atomic.Uint64

	upOnly bool // workers that are starting are spared
}

// hit kills a worker, or stops it before that for a moment.
func (x *torment) hit(r *rand.Rand) bool {
	workers := x.p.Workers()
	if x.upOnly { // a Python program takes longer to start than it is given here
		workers = slices.DeleteFunc(workers, func(w supervisor.WorkerInfo) bool { return w.State == "starting" })
	}
	if len(workers) == 0 {
		return false
	}
	pid := workers[r.IntN(len(workers))].PID // if it is gone by now, no other process gets its number this soon
	if r.IntN(4) == 0 {
		_ = syscall.Kill(pid, syscall.SIGSTOP)
		time.Sleep(time.Duration(r.IntN(10)) * time.Millisecond)
	}
	return syscall.Kill(pid, syscall.SIGKILL) == nil
}

// excused reports whether a task may have failed so.
func excused(err error, also ...error) bool {
	return errors.Is(err, supervisor.ErrWorkerDied) || slices.ContainsFunc(also, func(e error) bool { return errors.Is(err, e) })
}

// call makes one call and checks what comes of it.
func (x *torment) call(r *rand.Rand) {
	x.calls.Add(1)
	ctx, cancel := context.WithTimeout(context.Background(), patience)
	defer cancel()
	view := x.p.With(supervisor.CallOptions{ChunkSize: r.IntN(4) * r.IntN(30), Retries: r.IntN(2), Buffer: r.IntN(2) * (1 + r.IntN(300))})
	n := r.IntN(1 << r.IntN(12))
	args := ints(n)
	switch r.IntN(7) {
	case 0:
		got, err := supervisor.Map(ctx, view, square, args)
		x.checkMap("Map", got, err)
	case 1:
		got, err := supervisor.Apply(ctx, view, square, n)
		if err != nil && !excused(err) || err == nil && got != n*n {
			x.t.Errorf("Apply: %v, %v", got, err)
		}
	case 2: // in order, perhaps not to the end
		stopAt, i := r.IntN(2*n+1), 0
		for got, err := range supervisor.IMap(ctx, view, square, slices.Values(args)) {
			if err != nil && !excused(err) || err == nil && got != i*i {
				x.t.Errorf("IMap: result %d is %v, %v", i, got, err)
			}
			if i++; i == stopAt {
				break
			}
		}
		if i != min(n, stopAt) && stopAt > 0 {
			x.t.Errorf("IMap: %d results of %d, stopped at %d", i, n, stopAt)
		}
	case 3: // as they come
		came := make([]bool, n)
		failed := 0
		for got, err := range supervisor.IMapUnordered(ctx, view, killsItself, slices.Values(args)) {
			switch {
			case err != nil:
				failed++
				if !excused(err) {
					x.t.Errorf("IMapUnordered: %v", err)
				}
			case came[got]:
				x.t.Errorf("IMapUnordered: %d came twice", got)
			default:
				came[got] = true
			}
		}
		if missing := n - failed; missing != count(came) {
			x.t.Errorf("IMapUnordered: %d results and %d failures of %d", count(came), failed, n)
		}
	case 4: // cancelled some time
		f := supervisor.MapAsync(ctx, view, square, args)
		time.Sleep(time.Duration(r.IntN(2000)) * time.Microsecond)
		f.Cancel()
		got, err := f.Get(ctx)
		x.checkMap("cancelled Map", got, err, context.Canceled)
	case 5: // too slow
		_, err := supervisor.Apply(ctx, view.With(supervisor.CallOptions{Timeout: time.Duration(1+r.IntN(20)) * time.Millisecond}), sleep, time.Hour)
		if !excused(err, supervisor.ErrTaskTimeout) {
			x.t.Errorf("a task that is too slow: %v", err)
		}
	case 6: // large
		arg := bytes.Repeat([]byte{byte(n)}, r.IntN(300_000))
		got, err := supervisor.Map(ctx, view, echo, [][]byte{arg, nil, arg})
		if err == nil && (len(got) != 3 || !bytes.Equal(got[0], arg) || len(got[1]) != 0 || !bytes.Equal(got[2], arg)) || err != nil && !excused(err) {
			x.t.Errorf("large values: %d results, %v", len(got), err)
		}
	}
	if err := ctx.Err(); err != nil {
		x.t.Errorf("a call took %v", patience)
	}
}

func count(b []bool) (n int) {
	for _, v := range b {
		if v {
			n++
		}
	}
	return n
}

// checkMap checks that each result is right, or zero and accounted for.
func (x *torment) checkMap(what string, got []int, err error, also ...error) {
	missing := make([]bool, len(got))
	if m, ok := errors.AsType[*supervisor.MapError](err); ok {
		for _, e := range m.Errors {
			if !excused(e, also...) {
				x.t.Errorf("%s: %v", what, e)
			}
			missing[e.Index] = true
		}
		for _, s := range m.Unfinished {
			for i := s.From; i < s.To; i++ {
				if missing[i] {
					x.t.Errorf("%s: task %d failed and is unfinished", what, i)
				}
				missing[i] = true
			}
		}
	} else if err != nil && !excused(err, also...) {
		x.t.Errorf("%s: %v", what, err)
	}
	for i, v := range got {
		if missing[i] && v != 0 || !missing[i] && v != i*i {
			x.t.Errorf("%s of %d: result %d is %d (missing: %v, %v)", what, len(got), i, v, missing[i], err)
			return
		}
	}
}
