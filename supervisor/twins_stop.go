package supervisor

import (
	"context"
	"errors"
	"fmt"
	"os"
	"slices"
	"time"

	"yunta/child"
)

// exited settles what a task that ends its goroutine leaves; the worker goes
// on in another.
func (ts *twins) exited(t *twin, j *job, i int) {
	if t.isAbandoned() {
		return
	}
	ts.ends(t, true, true)
	ts.count(t, i-t.from, 0)
	j.settle(t.from, i-t.from)
	ts.p.mu.Lock()
	ts.p.giveBack(j, i+1, t.hi)
	ts.p.mu.Unlock()
	ts.count(t, 1, 1)
	ts.failed(t, j, i, child.LocalError(child.StageRun, errGoexit))
}

// timed runs one task under its timeout. Past it the task's context ends, and
// after the grace the worker is given up with it.
func (ts *twins) timed(t *twin, j *job, i int) error {
	ctx, cancel := context.WithTimeout(j.ctx, j.timeout)
	defer cancel()
	forced := time.AfterFunc(j.timeout+ts.p.o.Grace, func() {
		ts.abandon(t, j, i, fmt.Errorf("%w after %v; its goroutine cannot be stopped and was left to itself", ErrTaskTimeout, j.timeout))
	})
	defer forced.Stop()
	return j.typed.run(ctx, j, t, i)
}

// abandon gives a worker up with the task it runs, if it still runs it.
func (ts *twins) abandon(t *twin, j *job, i int, cause error) {
	t.mu.Lock()
	if t.abandoned || t.at != i || t.on != j {
		t.mu.Unlock()
		return
	}
	t.abandoned = true
	ts.endRecords(t)
	ts.tellSlice(t, true, true, cause.Error())
	from, hi := t.from, t.hi
	t.mu.Unlock()
	ts.p.trace.mark(t.index, os.Getpid(), "left to itself", `,"task":`, int64(i))
	ts.replace(t)
	// What it had done before counts, and what it had not begun is dealt again.
	ts.count(t, i-from, 0)
	j.settle(from, i-from)
	ts.p.mu.Lock()
	ts.p.giveBack(j, i+1, hi)
	ts.cond.Broadcast()
	ts.p.mu.Unlock()
	ts.count(t, 1, 1)
	ts.failed(t, j, i, cause)
}

// handOver settles what workers have done of a job with a known number of tasks
// and not handed on yet, because they are in the middle of what they took.
func (ts *twins) handOver(j *job) {
	if j.settled == nil {
		return // a stream's results must be handed on once only, by their worker
	}
	p := ts.p
	p.mu.Lock()
	busy := slices.Clone(ts.list)
	p.mu.Unlock()
	for _, t := range busy {
		from, i := 0, 0
		t.mu.Lock()
		if t.on == j {
			from, i = t.from, t.at
		}
		t.mu.Unlock()
		j.settle(from, i-from)
	}
}

// stopRunning gives up, after the grace, the workers that still run tasks of an
// ended job, or of any if j is nil.
func (ts *twins) stopRunning(j *job) {
	p := ts.p
	p.mu.Lock()
	busy := slices.Clone(ts.list)
	p.mu.Unlock()
	for _, t := range busy {
		t.mu.Lock()
		on, i := t.on, t.at
		t.mu.Unlock()
		if on != nil && (on == j || j == nil) {
			ts.abandon(t, on, i, context.Canceled)
		}
	}
}

func (ts *twins) count(t *twin, n, bad int) {
	if n == 0 {
		return
	}
	p := ts.p
	p.mu.Lock()
	t.tasks += uint64(n)
	t.failed += uint64(bad)
	p.stats.Tasks += uint64(n)
	p.stats.Failed += uint64(bad)
	p.mu.Unlock()
}

func (ts *twins) failed(t *twin, j *job, i int, err error) {
	p := ts.p
	if p.unrecorded(j, i, t.index, os.Getpid(), err) {
		return
	}
	n, again := j.attempt(i, err)
	if again {
		p.mu.Lock()
		p.stats.Retried++
		p.giveBack(j, i, i+1)
		ts.cond.Broadcast()
		p.mu.Unlock()
		p.trace.retry(t.index, os.Getpid(), j, i)
		return
	}
	if tries := j.tries(i); len(tries) > 1 {
		err = errors.Join(tries...)
	}
	j.fail(&TaskError{Entry: j.entry, Index: i, Worker: t.index, PID: os.Getpid(), Attempts: n, Err: err})
}

// replace starts a new worker in the place of one that was given up.
func (ts *twins) replace(t *twin) {
	p := ts.p
	p.mu.Lock()
	p.running--
	if !ts.ended() {
		ts.start(t.index, t.incarnation+1)
		p.stats.Restarts++
	}
	p.stats.Died++
	p.mu.Unlock()
	p.settleDown()
}

// terminate wakes the workers up to leave, and gives up after the grace those
// that run a task still, also of a job that was left before.
func (ts *twins) terminate() {
	ts.kick()
	time.AfterFunc(ts.p.o.Grace, func() { ts.stopRunning(nil) })
}

// settle wakes the workers up when the pool is ending.
func (ts *twins) settle() { ts.kick() }
