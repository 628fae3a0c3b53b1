package supervisor_test

import (
	"context"
	"errors"
	"path/filepath"
	"slices"
	"testing"
	"time"

	"yunta/child"
	"yunta/supervisor"
)

// Tests of goroutine workers that are given up. Most else about them is in the
// tests of both models.

// hangsAmong returns at once, or waits for a file whatever its context says.
var hangsAmong = child.Register("hangsAmong", func(ctx context.Context, path string) (string, error) {
	if path == "" {
		return "done", nil
	}
	return ignoresContext.Func()(ctx, path)
})

// When a worker is given up in the middle of a chunk, what it had done before
// counts, and what it had not begun is done by its successor.
func TestTwinGivenUpInChunk(t *testing.T) {
	t.Parallel()
	p := newPool(t, supervisor.PoolOptions{Model: supervisor.Goroutines, Processes: 1, Grace: 20 * time.Millisecond})
	const n, at, before = 10, 4, 2000
	// Known as short ones, they are handed on together.
	if _, err := supervisor.Map(testContext(t), p, hangsAmong, make([]string, before)); err != nil {
		t.Fatal(err)
	}
	release := filepath.Join(t.TempDir(), "release")
	defer releaseTwin(t, release)
	args := make([]string, n)
	args[at] = release
	v := p.With(supervisor.CallOptions{ChunkSize: n, Timeout: 200 * time.Millisecond * slowness})
	got, err := supervisor.Map(testContext(t), v, hangsAmong, args)
	var m *supervisor.MapError
	if !errors.As(err, &m) || !errors.Is(err, supervisor.ErrTaskTimeout) || len(m.Errors) != 1 || m.Errors[0].Index != at || len(m.Unfinished) != 0 {
		t.Errorf("got %v", err)
	}
	want := slices.Repeat([]string{"done"}, n)
	if want[at] = ""; !slices.Equal(got, want) {
		t.Errorf("got %q, want %q", got, want)
	}
	if s := p.Stats(); s.Tasks != before+n || s.Failed != 1 || s.Died != 1 || s.Restarts != 1 {
		t.Errorf("stats %+v", s)
	}
}

// A job that is cancelled hands over what its workers had done, also of the
// chunk that they are in the middle of.
func TestTwinCancelledInChunk(t *testing.T) {
	t.Parallel()
	p := newPool(t, supervisor.PoolOptions{Model: supervisor.Goroutines, Processes: 1, Grace: 20 * time.Millisecond})
	if _, err := supervisor.Map(testContext(t), p, hangsAmong, make([]string, 2000)); err != nil { // short ones are handed on together
		t.Fatal(err)
	}
	release := filepath.Join(t.TempDir(), "release")
	defer releaseTwin(t, release)
	const n, at = 10, 4
	args := make([]string, n)
	args[at] = release
	f := supervisor.MapAsync(testContext(t), p.With(supervisor.CallOptions{ChunkSize: n}), hangsAmong, args)
	waitSigned(t, release+".begun", 1)
	f.Cancel()
	got, err := f.Get(testContext(t))
	var m *supervisor.MapError
	if !errors.As(err, &m) || !errors.Is(err, context.Canceled) || !slices.Equal(m.Unfinished, []supervisor.Span{{From: at, To: n}}) {
		t.Errorf("got %v", err)
	}
	if want := append(slices.Repeat([]string{"done"}, at), make([]string, n-at)...); !slices.Equal(got, want) {
		t.Errorf("got %q, want %q", got, want)
	}
}

// Terminate gives up a task that hangs, even if nobody waits for its job any more.
func TestTwinTerminateHung(t *testing.T) {
	t.Parallel()
	p := newPool(t, supervisor.PoolOptions{Model: supervisor.Goroutines, Processes: 2, Grace: 20 * time.Millisecond})
	release := filepath.Join(t.TempDir(), "release")
	defer releaseTwin(t, release)
	for _, err := range supervisor.IMapUnordered(testContext(t), p, hangsAmong, slices.Values([]string{"", release})) {
		if err != nil {
			t.Error(err)
		}
		waitSigned(t, release+".begun", 1)
		break // what runs may finish
	}
	p.Terminate()
	soon(t, "Wait", 5*time.Second, func() {
		if err := p.Wait(testContext(t)); err != nil {
			t.Error(err)
		}
	})
}
