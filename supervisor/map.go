package supervisor

import (
	"context"
	"errors"
	"iter"
	"runtime"
	"time"

	"yunta/child"
	"yunta/child/affinity"
	"yunta/child/wire"
)

// newJob makes a job of n tasks (-1 for a stream) with the view's settings.
func (p *Pool) newJob(entry string, t typed, n int) *job {
	o, c := p.call, p.core
	j := &job{
		typed: t, core: c, entry: entry, name: o.Job, chunk: o.ChunkSize, failFast: o.FailFast,
		timeout: c.o.TaskTimeout, retries: c.o.Retries, progress: o.OnProgress,
		total: n, single: n == 1, limit: max(n, 0), finished: make(chan struct{}),
	}
	if c.twins != nil {
		j.ctx, j.cancel = context.WithCancel(context.Background())
	}
	if o.Timeout != 0 {
		j.timeout = max(o.Timeout, 0)
	}
	if o.Retries != 0 {
		j.retries = max(o.Retries, 0)
	}
	if n > 1 {
		j.settled = newBitmap(n)
	} else if n == 1 {
		j.settled = make(bitmap, 1)
	}
	return j
}

// start submits a job of known length.
func (p *Pool) start(ctx context.Context, j *job) error {
	if err := context.Cause(ctx); err != nil {
		return err
	}
	if j.total == 0 {
		p.core.mu.Lock()
		err := p.core.closedErr()
		p.core.mu.Unlock()
		j.over = true
		close(j.finished)
		return err
	}
	if p.core.ledger == nil {
		return p.core.submit(j)
	}
	there := p.core.ledger.enterAll(j)
	if err := p.core.submit(j); err != nil {
		return err
	}
	for _, s := range there {
		p.core.resumed(s.To - s.From)
		j.settle(s.From, s.To-s.From)
	}
	return nil
}

// Map calls the entry with each of args in the pool's workers and returns the
// results in the order of args. Python: Pool.map.
//
// It always returns len(args) results, zero values where a task did not
// succeed, and then an error that is a *MapError. It waits for all tasks even
// if some fail, unless FailFast is set. When ctx ends it returns at once with
// what is finished; running tasks are stopped as by [Future.Cancel].
//
// args must not be changed until Map has returned.
func Map[A, R any](ctx context.Context, p *Pool, e child.Entry[A, R], args []A) ([]R, error) {
	out, j, err := startMap(ctx, p, e, args)
	if err != nil {
		return out, err
	}
	wait(ctx, j)
	return out, j.err()
}

// MapAsync is Map that does not wait. Python: Pool.map_async. args must not be
// changed until the future is done.
func MapAsync[A, R any](ctx context.Context, p *Pool, e child.Entry[A, R], args []A) *Future[[]R] {
	out, j, err := startMap(ctx, p, e, args)
	if err != nil {
		return failedFuture(j, out, err)
	}
	return newFuture(ctx, j, func() ([]R, error) { return out, j.err() })
}

func startMap[A, R any](ctx context.Context, p *Pool, e child.Entry[A, R], args []A) ([]R, *job, error) {
	t := newTyped(p, e)
	t.args, t.out = args, make([]R, len(args))
	j := p.newJob(e.Name(), t, len(args))
	return t.out, j, p.start(ctx, j)
}

// failedFuture is a future of a call that the pool did not take.
func failedFuture[R any](j *job, val R, err error) *Future[R] {
	f := &Future[R]{core: j.core, job: j, ready: true, get: func() (R, error) { return val, err }}
	j.mu.Lock()
	if !j.over {
		j.over = true
		close(j.finished)
	}
	j.mu.Unlock()
	j.core.mu.Lock()
	j.closed = true
	j.stop.Store(true)
	j.core.mu.Unlock()
	return f
}

// wait waits for a job or ends it with ctx.
func wait(ctx context.Context, j *job) {
	if ctx.Done() == nil {
		<-j.finished
		return
	}
	select {
	case <-j.finished:
	case <-ctx.Done():
		j.core.end(j, context.Cause(ctx))
		<-j.finished
	}
}

// MapSeq is Map over a sequence that may fail: it reads the whole input first,
// and if that yields an error returns it without having run anything. Python:
// Pool.map with any iterable.
func MapSeq[A, R any](ctx context.Context, p *Pool, e child.Entry[A, R], args iter.Seq2[A, error]) ([]R, error) {
	var all []A
	for a, err := range args {
		if err != nil {
			return nil, err
		}
		all = append(all, a)
	}
	return Map(ctx, p, e, all)
}

// Apply calls the entry once in one of the pool's workers and waits for its
// result. Python: Pool.apply. An error is a *TaskError, or says why the pool
// takes no work or that ctx ended.
func Apply[A, R any](ctx context.Context, p *Pool, e child.Entry[A, R], arg A) (R, error) {
	t, j, err := startApply(ctx, p, e, arg)
	if err != nil {
		var zero R
		return zero, err
	}
	j.core.spin(j)
	wait(ctx, j)
	return t.out[0], j.oneErr()
}

// ApplyAsync is Apply that does not wait. Python: Pool.apply_async.
func ApplyAsync[A, R any](ctx context.Context, p *Pool, e child.Entry[A, R], arg A) *Future[R] {
	t, j, err := startApply(ctx, p, e, arg)
	if err != nil {
		var zero R
		return failedFuture(j, zero, err)
	}
	return newFuture(ctx, j, func() (R, error) { return t.out[0], j.oneErr() })
}

func startApply[A, R any](ctx context.Context, p *Pool, e child.Entry[A, R], arg A) (*typedJob[A, R], *job, error) {
	t := newTyped(p, e)
	t.args, t.out = []A{arg}, make([]R, 1)
	j := p.newJob(e.Name(), t, 1)
	return t, j, p.start(ctx, j)
}

// oneErr is the error of a finished job with one task.
func (j *job) oneErr() error {
	err := j.err()
	var m *MapError
	if !errors.As(err, &m) {
		return err
	}
	if len(m.Errors) > 0 {
		return m.Errors[0]
	}
	return m.Cause
}

// spin watches the word of a job's only chunk for a moment, if a core is free
// for that and nothing else goes on: being woken would cost more than the call.
func (p *core) spin(j *job) {
	if !p.canSpin || !p.hold() {
		return
	}
	defer p.letGo()
	p.mu.Lock()
	c := j.only
	ok := c != nil && c.w.relay == nil && p.inFlight == 1 && !c.gone && c.w.state == stateReady && (c.w.cpus == nil || len(c.w.cpus) > 1 || affinity.CurrentCPU() != c.w.cpus[0])
	if ok {
		// Under the lock: a moment later the slot may be another chunk's, whose
		// end nobody would be told of.
		c.word.Watch.Store(wire.WatchOn)
	}
	p.mu.Unlock()
	if !ok {
		return
	}
	start := time.Now()
	for i := 1; !c.word.Retired(); i++ {
		if i%64 == 0 && time.Since(start) > spinFor {
			if !c.word.Watch.CompareAndSwap(wire.WatchOn, wire.WatchOff) && c.word.Retired() {
				break // the child has seen us watch, and keeps quiet
			}
			return // from here on the child tells
		}
		if i%1024 == 0 {
			runtime.Gosched()
		}
	}
	// The child may not have seen that we watch; its notice is dropped then.
	p.mu.Lock()
	mine := !c.gone
	c.gone = true
	p.mu.Unlock()
	if mine {
		p.finishChunks(c.w, []*chunk{c})
		p.refill(c.w)
	}
}
