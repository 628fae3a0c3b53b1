package supervisor

// tally gathers what several chunks of a worker came to, so that it is told in
// one go.
type tally struct {
	p        *core
	w        *worker
	runs     []run
	one      [1]run // room for the usual case
	back     int    // tasks that came back
	failures []lost
}

// run is a range of tasks that succeeded.
type run struct {
	job   *job
	lo, n int
}

// lost is a failed attempt with the chunk it was made in.
type lost struct {
	c *chunk
	f failure
}

func (t *tally) good(j *job, lo, n int) {
	if n == 0 {
		return
	}
	if t.runs == nil {
		t.runs = t.one[:0]
	}
	if k := len(t.runs) - 1; k >= 0 && t.runs[k].job == j && t.runs[k].lo+t.runs[k].n == lo {
		t.runs[k].n += n
		return
	}
	t.runs = append(t.runs, run{j, lo, n})
}

// credit counts the tasks that came back; core.mu is held.
func (t *tally) credit() {
	bad := uint64(len(t.failures))
	t.w.settled += uint64(t.back)
	t.w.failures += bad
	t.p.stats.Tasks += uint64(t.back)
	t.p.stats.Failed += bad
}

// settle tells the jobs. No lock is held: it may call the caller's functions.
func (t *tally) settle() {
	for _, r := range t.runs {
		r.job.settle(r.lo, r.n)
	}
	for _, l := range t.failures {
		t.p.failed(l.c, l.f)
	}
}
