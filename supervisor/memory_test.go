package supervisor_test

import (
	"context"
	"errors"
	"io"
	"runtime"
	"testing"

	"yunta/child"
	"yunta/supervisor"
)

var hoard [][]byte

// leaks keeps so many bytes for the life of its process and returns how many it has by now.
var leaks = child.Register("leaks", func(_ context.Context, n int) (int, error) {
	b := make([]byte, n)
	for i := 0; i < n; i += 4096 {
		b[i] = 1
	}
	hoard = append(hoard, b)
	return len(hoard), nil
})

// litters leaves so many bytes of garbage.
var litters = child.Register("litters", func(_ context.Context, n int) (int, error) {
	b := make([]byte, n)
	for i := 0; i < n; i += 4096 {
		b[i] = 1
	}
	runtime.KeepAlive(b)
	return child.Self().PID, nil
})

// A worker whose memory has grown over the soft limit after a task is replaced
// between tasks, and no task is lost; over the hard limit its task fails, and
// only that one.
func TestPain14Memory(t *testing.T) {
	if raceEnabled {
		t.Skip("the race detector's own memory exceeds any limit of this size")
	}
	t.Parallel()
	const limit = 256 << 20
	for _, chunk := range []int{0, 1, 50} {
		p := newPool(t, supervisor.PoolOptions{Processes: 2, MemoryLimit: limit, Stderr: io.Discard})
		args := make([]int, 100) // 1600 MiB in all
		for i := range args {
			args[i] = 16 << 20
		}
		got, err := supervisor.Map(testContext(t), p.With(supervisor.CallOptions{ChunkSize: chunk}), leaks, args)
		if err != nil {
			t.Fatalf("chunk %d: %v", chunk, err)
		}
		for i, n := range got {
			if n < 1 || n > limit/(16<<20) {
				t.Errorf("chunk %d: task %d saw %d", chunk, i, n)
			}
		}
		s := p.Stats()
		if s.Outgrown < 5 || s.Died != 0 || s.Failed != 0 || s.Tasks != 100 {
			t.Errorf("chunk %d: stats %+v", chunk, s)
		}
		if !hardMemoryLimit {
			continue
		}
		_, err = supervisor.Map(testContext(t), p, leaks, []int{1, 1 << 30, 2, 3, 4})
		var m *supervisor.MapError
		if !errors.Is(err, supervisor.ErrMemoryLimit) || !errors.As(err, &m) || len(m.Errors) != 1 || m.Errors[0].Index != 1 {
			t.Errorf("chunk %d: above the limit: %v", chunk, err)
		}
	}
}

// Apply watches its answer in memory instead of waiting for the notice: a
// worker that outgrows its limit meanwhile is replaced all the same.
func TestPain14MemoryOneByOne(t *testing.T) {
	if raceEnabled {
		t.Skip("the race detector's own memory exceeds any limit of this size")
	}
	t.Parallel()
	p := newPool(t, supervisor.PoolOptions{Processes: 1, MemoryLimit: 256 << 20, Stderr: io.Discard})
	for range 60 {
		if _, err := supervisor.Apply(testContext(t), p, leaks, 16<<20); err != nil {
			t.Fatal(err)
		}
	}
	waitFor(t, "a replacement", func() bool { s := p.Stats(); return s.Outgrown >= 4 && s.Restarts >= s.Outgrown })
}

// Garbage is no reason to replace a worker.
func TestPain14Garbage(t *testing.T) {
	if raceEnabled {
		t.Skip("the race detector's own memory exceeds any limit of this size")
	}
	t.Parallel()
	p := newPool(t, supervisor.PoolOptions{Processes: 1, MemoryLimit: 256 << 20, Stderr: io.Discard})
	args := make([]int, 200)
	for i := range args {
		args[i] = 32 << 20
	}
	pids, err := supervisor.Map(testContext(t), p, litters, args)
	if err != nil {
		t.Fatal(err)
	}
	for i, pid := range pids {
		if pid != pids[0] {
			t.Fatalf("task %d ran in process %d, the first in %d", i, pid, pids[0])
		}
	}
}
