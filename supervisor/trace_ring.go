package supervisor

import (
	"strconv"

	"yunta/child/wire"
)

// drain tells of all that a worker has written into its ring.
func (p *core) drain(w *worker) {
	if p.trace == nil {
		return
	}
	w.lane.mu.Lock()
	defer w.lane.mu.Unlock()
	wire.TraceAt(p.area, p.o.Processes, w.index).Drain(func(r wire.TraceRecord) { p.trace.record(w, r) })
}

// record tells of one event; w.lane.mu is held.
func (t *tracer) record(w *worker, r wire.TraceRecord) {
	switch r.Kind {
	case wire.TraceTasks:
		w.lane.job, w.lane.next, w.lane.till = r.Job, r.Index+uint64(r.Tasks), r.End
		t.tasks(taskSlice{
			worker: w.index, pid: w.pid, entry: w.entry(r.Entry), job: uint64(r.Job), index: r.Index,
			tasks: int(r.Tasks), failed: int(r.Failed), start: r.Start, end: r.End, sent: r.Sent, from: r.CPUStart, cpu: r.CPUDone,
		})
	case wire.TraceWait:
		t.beside(w, laneLocks, "locks", "wait for "+r.Name, r)
	case wire.TraceGC:
		t.beside(w, laneGCs, "gc", "GC pause", r)
	}
}

// beside tells of what a worker did beside its tasks.
func (t *tracer) beside(w *worker, which int, lane, name string, r wire.TraceRecord) {
	t.mu.Lock()
	defer t.mu.Unlock()
	if t.room() {
		t.slice(laneOf(w.index, which), "worker "+strconv.Itoa(w.index)+" "+lane, name, r.Start, r.End)
		t.end()
	}
}

// traceLost tells of the tasks that a worker had begun when it died: those up to
// next of a chunk, the last of which is lost unless it was finished.
func (p *core) traceLost(c *chunk, next int, lost bool, exit *ExitError) {
	w := c.w
	if p.trace == nil || next == 0 {
		return
	}
	w.lane.mu.Lock()
	defer w.lane.mu.Unlock()
	open := wire.TraceAt(p.area, p.o.Processes, w.index).Open.Load()
	first, start, entry := open.Index, open.Start, w.entry(open.Entry)
	lo := uint64(c.lo)
	if open.Start == 0 || open.Job != uint32(c.job.number) || first < lo || first > lo+uint64(c.size) {
		// It died before it noted what it did, or had noted all.
		if !lost {
			return
		}
		first, start, entry, open.Sent = lo, p.trace.now(), c.job.entry, 0
	}
	if w.lane.job == uint32(c.job.number) && w.lane.next > first && w.lane.next <= lo+uint64(c.size) {
		first, start, open.Sent = w.lane.next, w.lane.till, 0
	}
	n := int(lo) + next - int(first)
	if n <= 0 {
		return
	}
	s := taskSlice{
		worker: w.index, pid: w.pid, entry: entry, job: c.job.number, index: first, tasks: n,
		start: start, end: p.trace.now(), sent: open.Sent, from: -1, cpu: -1,
	}
	if len(w.cpus) == 1 {
		s.cpu = w.cpus[0]
	}
	if lost {
		s.failed, s.died = 1, exit.how()
	}
	p.trace.tasks(s)
}

// traceMissed counts the tasks that found no room in their rings.
func (p *core) traceMissed() (n uint64) {
	if p.area == nil {
		return 0
	}
	for i := range p.o.Processes {
		n += wire.TraceAt(p.area, p.o.Processes, i).Lost.Load()
	}
	return n
}
