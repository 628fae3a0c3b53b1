package supervisor

// counters are what a trace draws as curves.
type counters struct{ waiting, inFlight, busy int }

// countedJobs is how many jobs are looked at for what waits: with more, it is a lot anyway.
const countedJobs = 1000

// count reads the counters.
func (p *core) count() (c counters) {
	p.mu.Lock()
	defer p.mu.Unlock()
	for i, n := 0, min(p.jobs.len(), countedJobs); i < n; i++ {
		c.waiting += p.jobs.list[p.jobs.head+i].pending()
	}
	c.inFlight = p.inFlight
	for _, w := range p.workers {
		if w != nil && len(w.out) > 0 {
			c.busy++
		}
	}
	if p.twins != nil {
		for _, t := range p.twins.list {
			if t != nil && t.busy {
				c.busy++
			}
		}
	}
	return c
}

// curves tells how the counters stand, if they stand otherwise than before.
func (t *tracer) curves(c counters) {
	if c == t.told && t.drawn {
		return
	}
	t.told, t.drawn = c, true
	at := t.now()
	t.mu.Lock()
	defer t.mu.Unlock()
	if !t.room() {
		return
	}
	for _, curve := range []struct {
		name string
		n    int
	}{{"tasks waiting", c.waiting}, {"chunks in flight", c.inFlight}, {"busy workers", c.busy}} {
		t.begin("C", curve.name, t.pid, laneJobs)
		t.time(`,"ts":`, at-t.zero)
		t.number(`,"args":{"n":`, int64(curve.n))
		t.buf = append(t.buf, "}}"...)
	}
}
