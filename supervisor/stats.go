package supervisor

import "time"

// Stats counts what a pool has done since it was made.
type Stats struct {
	Jobs     uint64 // submitted
	Tasks    uint64 // that came back, well or not, counting every attempt
	Failed   uint64 // attempts that failed
	Retried  uint64 // attempts that were followed by another
	Stolen   uint64 // tasks moved from a busy worker to an idle one
	Died     uint64 // workers that ended without being asked to
	Restarts uint64 // replacements started, for whatever reason
	Outgrown uint64 // workers that were replaced between tasks for the memory they held

	Resumed     uint64 // tasks whose results a resumed ResultsFile already had
	Interrupted uint64 // tasks that had begun when its last run ended, and may have had effects
}

// Stats returns the counts.
func (p *Pool) Stats() Stats {
	p.core.mu.Lock()
	defer p.core.mu.Unlock()
	return p.core.stats
}

// WorkerInfo describes a worker at one moment.
type WorkerInfo struct {
	Worker      int    // index in the pool
	PID         int    // of this process for a goroutine pool
	Incarnation int    // which start of this worker it is, from 1
	State       string // starting, idle, running (a task has begun), leaving
	CPUs        []int  // affinity mask, nil when not pinned
	Started     time.Time
	Tasks       uint64 // that came back from this incarnation
	Failed      uint64
	Waiting     int // tasks it has been given and has not begun
}

// Workers describes the workers that exist just now, in order of index. A
// worker that is being replaced is missing.
func (p *Pool) Workers() []WorkerInfo {
	c := p.core
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.twins != nil {
		return c.twins.info()
	}
	out := make([]WorkerInfo, 0, len(c.workers))
	for _, w := range c.present() {
		i := WorkerInfo{
			Worker: w.index, PID: w.pid, Incarnation: w.incarnation, CPUs: w.cpus,
			Started: w.started, Tasks: w.settled, Failed: w.failures,
		}
		running := false
		for _, o := range w.out {
			st := o.word.Load()
			i.Waiting += max(o.n-st.Next, 0)
			running = running || st.Next > 0 && !st.Retired
		}
		switch {
		case w.state == stateStarting:
			i.State = "starting"
		case w.leaving:
			i.State = "leaving"
		case running:
			i.State = "running"
		default:
			i.State = "idle"
		}
		out = append(out, i)
	}
	return out
}
