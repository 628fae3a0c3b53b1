package supervisor

import (
	"fmt"
	"runtime"
	"slices"
	"syscall"
	"time"

	"yunta/child/wire"
)

// askToLeave lets the worker go when it has finished what it has: its tasks
// pipe ends. A worker that does not follow is terminated after the grace, and
// killed after another.
func (w *worker) askToLeave() {
	w.escalate(w.core.o.Grace) // first: somebody may be blocked in a write to a worker that hangs
	w.wmu.Lock()
	if w.closed {
		w.wmu.Unlock()
		return
	}
	w.closed, w.asked = true, true
	w.tell(wire.AppendSlots(nil, wire.KindLeave))
	_ = w.tasks.Close()
	w.bell.Sent.Add(1)
	w.wmu.Unlock()
}

// escalate terminates the worker after a while and kills it after the grace.
func (w *worker) escalate(after time.Duration) {
	p := w.core
	p.mu.Lock()
	defer p.mu.Unlock()
	at := time.Now().Add(after)
	if w.state == stateDead || w.stopping && !at.Before(w.stopAt) {
		return
	}
	for _, t := range w.timers { // of a sequence that would take longer
		t.Stop()
	}
	w.stopping, w.stopAt = true, at
	w.leaving = true
	w.timers = append(w.timers[:0],
		time.AfterFunc(after, w.terminate),
		time.AfterFunc(after+p.o.Grace, w.kill))
}

// condemn stops the task that runs in a chunk: nothing can begin after it in
// that process any more, so no signal can hit another task. Its context ends
// at once; the process gets SIGTERM after the grace and SIGKILL after another.
// The caller holds no lock.
func (p *core) condemn(c *chunk, task int, cause error, kind byte) {
	w := c.w
	c.mu.Lock()
	p.mu.Lock()
	ok := !c.gone && w.condemned == nil && c.got <= task && c.word.Condemn(task)
	if ok {
		w.condemned = c
		w.leaving = true
		c.stop, c.stopped = cause, task
		// Nothing behind it on this worker will begin: others may have it.
		for _, o := range w.out {
			if o != c && o.sent { // what is being sent comes back when the worker is gone
				if from, to := o.word.Take(0); from < to {
					o.n = from
					p.giveBack(o.job, o.lo+from, o.lo+to)
				}
			}
		}
		if c.n > task+1 {
			p.giveBack(c.job, c.lo+task+1, c.lo+c.n)
			c.n = task + 1
		}
	}
	p.mu.Unlock()
	c.mu.Unlock()
	if !ok {
		return
	}
	w.tell(wire.AppendSlots(nil, kind, c.slot))
	w.escalate(p.o.Grace)
	p.kick()
}

// died sorts out what a worker that is gone, or that broke the protocol, left.
func (w *worker) died(startErr error) {
	p := w.core
	w.reap()
	w.wmu.Lock()
	if !w.closed {
		w.closed = true
		_ = w.tasks.Close()
	}
	asked := w.asked
	w.wmu.Unlock()
	if w.relay != nil {
		w.relay.end()
	}
	w.finish()
	close(w.exited)

	p.mu.Lock()
	state := w.state
	w.state = stateDead
	w.leaving = true
	_ = p.board.Dead(w.index) // for onlookers only
	for _, t := range w.timers {
		t.Stop()
	}
	for slices.ContainsFunc(w.out, func(c *chunk) bool { return c.gone }) {
		// A caller of Apply has seen its end and is copying the result out.
		p.mu.Unlock()
		runtime.Gosched()
		p.mu.Lock()
	}
	out := w.out
	for _, c := range out {
		c.gone = true
	}
	p.mu.Unlock()
	// A spinning child was killed with its count in the pool's line.
	if w.bell.Spinning.Swap(0) != 0 {
		p.shared.Spinners.Add(-1)
	}
	exit := w.exitError()
	p.drain(w)
	for _, c := range out {
		p.bury(c, exit)
	}
	if _, err := p.extents.ReclaimWriter(w.writer); err != nil {
		p.o.Logger.Warn("reclaiming a worker's extents", "worker", w.index, "err", err)
	}
	p.mu.Lock()
	for _, c := range slices.Clone(out) {
		p.drop(w, c)
	}
	p.mu.Unlock()
	p.kick()
	if state == stateStarting && startErr != nil {
		if tail := w.output.tail(); tail != "" {
			startErr = fmt.Errorf("%w (%s; stderr: %s)", startErr, exit.how(), lastLines(tail, 5))
		} else {
			startErr = fmt.Errorf("%w (%s)", startErr, exit.how())
		}
	} else if state == stateStarting {
		startErr = exit
	}
	p.trace.died(w, exit, asked && exit.Code == 0)
	p.gone(w, state == stateStarting, startErr, exit, exit.Code != 0 || !asked)
}

// bury settles what a dead worker's chunk came to: what was committed counts,
// what ran is lost, and what had not begun is dealt again.
func (p *core) bury(c *chunk, exit *ExitError) {
	c.mu.Lock() // its arguments may still be being encoded
	//lint:ignore SA2001 only waited for
	c.mu.Unlock() //nolint:staticcheck // only waited for
	p.mu.Lock()
	c.word.Take(0) // or a thief would deal again what is given back here
	next := c.word.Load().Next
	if r := c.w.relay; r != nil && c.stopped != next-1 && r.unbegun(c) {
		next-- // it was on its way
	}
	unbegun := Span{c.lo + min(next, c.n), c.lo + c.n}
	c.n = min(next, c.n)
	p.giveBack(c.job, unbegun.From, unbegun.To)
	began := c.dealt
	if !c.seenAt.IsZero() {
		began = c.seenAt
	}
	p.mu.Unlock()
	p.gather(c, true)
	if c.hasExtent {
		_ = p.extents.Give(c.extent)
	}
	c.mu.Lock()
	unfinished, orphan := c.got < c.n, c.orphan
	p.traceLost(c, c.n, unfinished, exit)
	i := c.lo + c.got
	err := error(exit)
	if c.stopped == c.got {
		err = c.stop
	}
	c.got = c.n
	c.mu.Unlock()
	if !unfinished || orphan {
		return
	}
	if err == error(exit) { //nolint:errorlint // the very same
		e := *exit
		e.Ran = time.Since(began)
		err = &e
	}
	t := tally{p: p, w: c.w, back: 1, failures: []lost{{c, failure{index: i, err: err}}}}
	p.mu.Lock()
	t.credit()
	p.mu.Unlock()
	t.settle()
}

// exitError describes how the process ended.
func (w *worker) exitError() *ExitError {
	e := w.ward.exitError(w.core.o.MemoryLimit)
	e.broke = w.broke
	if e.Signal == syscall.SIGKILL {
		e.OOM = w.core.oom.struck()
	}
	return e
}

// giveUp terminates a pool that cannot keep its workers. It says so in the log,
// too: there may be no call that would fail with it.
func (p *core) giveUp(err error) {
	p.o.Logger.Error("pool broken", "err", err)
	p.terminate(err)
}
