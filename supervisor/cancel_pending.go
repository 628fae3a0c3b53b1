package supervisor

import (
	"slices"
)

// CloseCancel is Close that cancels what has not begun: a call none of whose
// tasks has is cancelled, as by [Future.Cancel], and of the others the tasks
// that run are finished while the rest fail with an error that wraps
// context.Canceled. A streamed map ends. Python: shutdown(cancel_futures=True).
func (p *Pool) CloseCancel() error {
	c := p.core
	c.mu.Lock()
	if c.state == poolOpen {
		c.state = poolClosing
	}
	var jobs []*job
	for j := range c.live {
		jobs = append(jobs, j)
	}
	c.mu.Unlock()
	for _, j := range jobs {
		c.cancelPending(j)
	}
	c.settleDown()
	return nil
}

// cancelPending takes back what has not begun of a job, for good.
func (p *core) cancelPending(j *job) {
	if j.sink != nil {
		p.endGently(j, errCancelled)
		return
	}
	p.mu.Lock()
	if j.closed {
		p.mu.Unlock()
		return
	}
	spans := append(slices.Clone(j.back), Span{j.next, j.limit})
	j.back, j.limit = nil, j.next
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
				spans = append(spans, Span{c.lo + from, c.lo + to})
			}
		}
	}
	p.mu.Unlock()
	n := 0
	for _, s := range spans {
		n += s.To - s.From
	}
	if n == j.total {
		p.end(j, errCancelled)
		return
	}
	for _, s := range spans {
		for i := s.From; i < s.To; i++ {
			j.fail(&TaskError{Entry: j.entry, Index: i, Worker: -1, Attempts: 0, Err: errCancelled})
		}
	}
}
