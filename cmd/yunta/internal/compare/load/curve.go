package load

import (
	"context"
	"time"

	"yunta/cmd/yunta/internal/compare"
	"yunta/supervisor"
)

// curve measures what the workload has beside its numbers.
func (h *host) curve(ctx context.Context) error {
	switch h.spec.Workload {
	case "primes":
		return h.scaling(ctx)
	case "echo":
		return h.crossing(ctx)
	case "tiny":
		return h.lengths(ctx)
	}
	return nil
}

func (h *host) point(x, y float64) {
	h.out.Run.Curve = append(h.out.Run.Curve, compare.Point{X: x, Y: y})
}

// scaling does the same tasks with pools of other sizes: tasks per second by workers.
func (h *host) scaling(ctx context.Context) error {
	tasks := h.spec.Tasks / 2
	for _, n := range h.spec.Counts() {
		pool := h.pool
		if n != h.spec.Workers {
			var err error
			if pool, err = supervisor.NewPool(ctx, h.spec.pool("scaling", n, scalingSetup.Bind(h.spec))); err != nil {
				return err
			}
		}
		if _, err := supervisor.Map(ctx, pool.With(supervisor.CallOptions{ChunkSize: 1}), task, indexes(2*n)); err != nil {
			return err
		}
		began := time.Now()
		_, err := supervisor.Map(ctx, pool, task, indexes(tasks))
		took := time.Since(began)
		if pool != h.pool {
			_ = pool.Terminate() // it has no error
			_ = pool.Wait(ctx)   // nor does anything depend on how its workers ended
		}
		if err != nil {
			return err
		}
		h.point(float64(n), float64(tasks)/took.Seconds())
	}
	return nil
}

// crossing sends messages of each size there and back, one at a time: us by bytes.
func (h *host) crossing(ctx context.Context) error {
	for _, size := range h.spec.Sizes() {
		b := message(size)
		n := 3 // the largest, which take milliseconds
		if size < 1<<20 {
			n = 30
		}
		if _, err := supervisor.Apply(ctx, h.pool, echo, b); err != nil { // memory that was never touched is dear
			return err
		}
		collect()
		began := time.Now()
		for range n {
			if _, err := supervisor.Apply(ctx, h.pool, echo, b); err != nil {
				return err
			}
		}
		h.point(float64(size), float64(time.Since(began))/1e3/float64(n))
	}
	return nil
}

// lengths does tasks of one length after the other: us of a worker's time for each task, by ns.
func (h *host) lengths(ctx context.Context) error {
	for _, length := range h.spec.Lengths() {
		rounds := int64(float64(length) / 1e3 * h.spec.PerMicro)
		// About 20 ms of work for each worker, and some tasks each.
		n := int(min(max(20_000_000/length, 2), 2000)) * h.spec.Workers
		args := make([]int64, n)
		for i := range args {
			args[i] = rounds
		}
		began := time.Now()
		if _, err := supervisor.Map(ctx, h.pool, long, args); err != nil {
			return err
		}
		h.point(float64(length), float64(time.Since(began))/1e3/float64(n)*float64(h.spec.Workers))
	}
	return nil
}
