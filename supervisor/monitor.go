package supervisor

import (
	"fmt"
	"time"

	"yunta/child/wire"
)

// watch makes the monitor look at outstanding chunks; core.mu is held.
func (p *core) watch() {
	if !p.watching || p.napping {
		p.watching, p.napping = true, false
		select {
		case p.wake <- struct{}{}:
		default:
		}
	}
}

// monitor does what no notice of a worker brings about: it hands on results
// that wait in the records of unfinished chunks, or of finished ones whose
// notice waits in a child that is busy with the next, takes work from workers that
// got stuck behind a slow task, and stops tasks whose time is up. It sleeps
// while there is nothing of the kind.
func (p *core) monitor() {
	defer p.helpers.Done()
	timer := time.NewTimer(0)
	defer timer.Stop()
	for {
		select {
		case <-p.quit:
			return
		case <-p.wake:
		}
		for wait := tick; wait > 0; {
			timer.Reset(wait)
			select {
			case <-p.quit:
				return
			case <-p.wake: // what is new must not wait for what is slow
				wait = tick
				continue
			case <-timer.C:
			}
			wait = p.look()
		}
	}
}

// due is a running task whose time is up.
type due struct {
	c    *chunk
	task int
}

// look goes through the outstanding chunks once and says when to look again;
// zero for not before there is something new.
func (p *core) look() (wait time.Duration) {
	now := time.Now()
	var partial, untold []*chunk
	var late []due
	idle := false
	p.mu.Lock()
	for _, w := range p.workers {
		if w == nil {
			continue
		}
		idle = idle || len(w.out) == 0 && w.accepts()
		for i, c := range w.out {
			if c.gone || c.size == 1 && c.job.timeout == 0 && i == len(w.out)-1 {
				continue
			}
			again := tick
			st := c.word.Load()
			if st.Retired && c.seenOver {
				c.gone = true
				untold = append(untold, c)
				continue
			}
			c.seenOver = st.Retired
			if st.Next != c.seenNext {
				c.seenNext, c.seenAt = st.Next, now
			}
			if c.size > 1 && now.Sub(c.dealt) >= tick && st.Next > 0 {
				partial = append(partial, c)
			}
			if t := c.job.timeout; t > 0 && st.Next > 0 && !st.Retired && !st.Condemned {
				left := t - now.Sub(c.seenAt)
				if left <= 0 {
					late = append(late, due{c, st.Next - 1})
				} else if c.size == 1 {
					again = left // nothing else can happen in it
				}
			}
			if wait == 0 || again < wait {
				wait = again
			}
		}
	}
	if wait == 0 {
		p.watching = false
	}
	p.napping = wait > tick
	stolen := false
	if idle && p.jobs.len() == 0 {
		stolen = p.steal(nil, true)
	}
	p.mu.Unlock()
	for _, c := range untold {
		p.finishChunks(c.w, []*chunk{c})
		p.refill(c.w)
	}
	for _, c := range partial {
		p.gather(c, false)
	}
	for _, d := range late {
		p.gather(d.c, false)
		cause := fmt.Errorf("%w after %v", ErrTaskTimeout, d.c.job.timeout)
		p.condemn(d.c, d.task, cause, wire.KindExpire)
	}
	if stolen {
		p.kick()
	}
	return wait
}
