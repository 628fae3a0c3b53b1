package supervisor_test

import (
	"errors"
	"iter"
	"path/filepath"
	"slices"
	"testing"

	"yunta/supervisor"
)

// A pool that starts workers on demand has as many as there was work for.
func TestOnDemand(t *testing.T) {
	t.Parallel()
	ctx := testContext(t)
	p := newPool(t, supervisor.PoolOptions{Processes: 4, OnDemand: true})
	for range 3 {
		if got, err := supervisor.Apply(ctx, p, square, 7); got != 49 || err != nil {
			t.Fatal(got, err)
		}
	}
	if n := len(p.Workers()); n != 1 {
		t.Errorf("%d workers for one task at a time, want 1", n)
	}
	// Two tasks that wait for each other's signature need two workers.
	path := filepath.Join(t.TempDir(), "signed")
	var futures []*supervisor.Future[int]
	for range 2 {
		futures = append(futures, supervisor.ApplyAsync(ctx, p, waits, path))
	}
	waitSigned(t, path, 2)
	if n := len(p.Workers()); n != 2 {
		t.Errorf("%d workers for two tasks, want 2", n)
	}
	for _, f := range futures {
		f.Cancel()
	}
	got, err := supervisor.Map(ctx, p, square, ints(10_000))
	if err != nil || len(got) != 10_000 || got[9999] != 9999*9999 {
		t.Error(err)
	}
	p.Close()
	if err := p.Wait(ctx); err != nil {
		t.Error(err)
	}
}

// Ending a pool while it starts workers leaves nothing and hangs nowhere.
func TestOnDemandEndsAnytime(t *testing.T) {
	t.Parallel()
	ctx := testContext(t)
	for i := range 40 {
		p, err := supervisor.NewPool(ctx, supervisor.PoolOptions{Processes: 4, OnDemand: true})
		if err != nil {
			t.Fatal(err)
		}
		f := supervisor.MapAsync(ctx, p, square, ints(i+1))
		if i%2 == 0 {
			p.Terminate()
		} else {
			p.Close()
		}
		if _, err := f.Get(ctx); err != nil && !errors.Is(err, supervisor.ErrPoolTerminated) {
			t.Error(err)
		}
		if err := p.Wait(ctx); err != nil {
			t.Fatal(err)
		}
	}
}

// sure is a sequence that may fail but does not.
func sure[A any](args iter.Seq[A]) iter.Seq2[A, error] {
	return func(yield func(A, error) bool) {
		for a := range args {
			if !yield(a, nil) {
				return
			}
		}
	}
}

func TestIMapResults(t *testing.T) {
	models(t, func(t *testing.T, o supervisor.PoolOptions) {
		p := newPool(t, o)
		args := ints(1000)
		seen := make([]bool, len(args))
		for r, err := range supervisor.IMapResults(testContext(t), p, fails, sure(slices.Values(args))) {
			if err != nil {
				t.Fatal(err)
			}
			if seen[r.Index] {
				t.Fatalf("index %d twice", r.Index)
			}
			seen[r.Index] = true
			if odd := r.Index%2 == 1; odd != (r.Err != nil) || !odd && r.Value != r.Index {
				t.Fatalf("got %+v", r)
			}
		}
		if slices.Contains(seen, false) {
			t.Error("one is missing")
		}
	})
}
