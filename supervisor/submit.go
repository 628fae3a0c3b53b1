package supervisor

import (
	"errors"
	"fmt"
	"time"

	"yunta/child/wire"
)

// submit takes a new job.
func (p *core) submit(j *job) error {
	p.mu.Lock()
	if err := p.closedErr(); err != nil {
		p.mu.Unlock()
		return err
	}
	if err := p.callable(j); err != nil {
		p.mu.Unlock()
		return err
	}
	j.measure = p.measures[j.entry]
	if j.measure == nil {
		j.measure = new(measure)
		p.measures[j.entry] = j.measure
	}
	p.stats.Jobs++
	j.number = p.stats.Jobs
	p.live[j] = struct{}{}
	p.list(j)
	p.trace.submitted(j)
	p.mu.Unlock()
	p.deal()
	return nil
}

// deal gets waiting work under way.
func (p *core) deal() {
	if p.twins != nil {
		p.twins.kick()
		return
	}
	p.kick()
}

// closedErr is why no work is taken; core.mu is held.
func (p *core) closedErr() error {
	switch p.state {
	case poolClosing:
		return ErrPoolClosed
	case poolTerminated:
		if p.reason != nil && !errors.Is(p.reason, ErrPoolTerminated) {
			return fmt.Errorf("%w: %w", ErrPoolTerminated, p.reason)
		}
		return ErrPoolTerminated
	}
	return nil
}

// forget drops a finished job.
func (p *core) forget(j *job) {
	p.mu.Lock()
	delete(p.live, j)
	j.closed = true
	j.stop.Store(true)
	p.mu.Unlock()
	p.settleDown()
}

// end ends a job early: what is finished is kept, what has not begun never
// will, and what runs is stopped.
func (p *core) end(j *job, cause error) {
	out := p.endGently(j, cause)
	if out == nil {
		return
	}
	if p.twins != nil {
		time.AfterFunc(p.o.Grace, func() { p.twins.stopRunning(j) })
	}
	if len(out) > 0 {
		// Short tasks are over in a moment; a worker is given up only for one
		// that is not.
		time.AfterFunc(tick, func() { p.stopRunning(out, cause) })
	}
}

// endGently is end that lets running tasks finish, for nobody. It returns
// their chunks; nil when the job had ended already.
func (p *core) endGently(j *job, cause error) []*chunk {
	p.mu.Lock()
	if j.closed {
		p.mu.Unlock()
		return nil
	}
	j.closed = true
	j.stop.Store(true)
	j.back, j.limit = nil, j.next
	out := []*chunk{}
	for _, w := range p.workers {
		if w == nil {
			continue
		}
		for _, c := range w.out {
			if c.job != j {
				continue
			}
			if from, to := c.word.Take(0); from < to {
				c.n = from
			}
			out = append(out, c)
		}
	}
	p.mu.Unlock()
	for _, c := range out {
		if p.hold() {
			p.gather(c, false)
			p.letGo()
		}
		c.mu.Lock()
		c.orphan = true
		c.mu.Unlock()
	}
	if p.twins != nil {
		p.twins.handOver(j)
	}
	j.finish(cause)
	return out
}

// stopRunning stops what still runs of an ended job.
func (p *core) stopRunning(out []*chunk, cause error) {
	if !p.hold() {
		return
	}
	defer p.letGo()
	for _, c := range out {
		if st := c.word.Load(); st.Next > 0 && !st.Retired {
			p.condemn(c, st.Next-1, cause, wire.KindCancel)
		}
	}
}
