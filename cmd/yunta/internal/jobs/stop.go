package jobs

import (
	"syscall"
	"time"
)

// told acts on a new level of the run.
func (r *runner) told(l Level) {
	r.mu.Lock()
	j := r.running
	r.mu.Unlock()
	if j != nil && l >= Stop {
		r.stop(j, Stopped, l == Kill)
	}
}

// stop begins to stop a job, or hastens it.
func (r *runner) stop(j *running, reason End, force bool) {
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.running != j {
		return
	}
	j.force = j.force || force
	if j.stopped == nil {
		j.reason, j.stopped = reason, make(chan struct{})
		go r.sweep(j)
	}
}

const (
	// sweepPause is the time between two looks at what is left of a job.
	firstPause, longestPause = time.Millisecond, 20 * time.Millisecond
	// sweepPatience is how long after SIGKILL a process is waited for: one that the kernel holds, in a read from a dead file server
	// say, must not hold up the run.
	sweepPatience = 5 * time.Second
	// closeTime is how long the killing may take before this process is killed itself.
	closeTime = 800 * time.Millisecond
)

// sweep stops all processes of a job: signal after signal, the last of them SIGKILL, until none is left.
func (r *runner) sweep(j *running) {
	defer close(j.stopped)
	steps, asked := r.steps(), time.Now()
	var killed time.Time
	told := family{}
	for pause := firstPause; ; pause = min(2*pause, longestPause) {
		r.mu.Lock()
		for len(steps) > 1 && (j.force || time.Since(asked) >= steps[0].Wait) {
			steps, asked, told = steps[1:], time.Now(), family{}
		}
		sig := steps[0].Signal
		force := len(steps) == 1
		if force {
			told = family{} // again and again: whoever forks is caught in the end
			if killed.IsZero() {
				killed = time.Now()
			}
		}
		n := r.signalTree(j.pid, sig, told)
		r.mu.Unlock()
		if n == 0 || force && time.Since(killed) > sweepPatience {
			return
		}
		time.Sleep(pause)
	}
}

// close kills what runs, before this process is killed. It does not return before nothing is left, or its time is up.
func (r *runner) close() {
	end := time.Now().Add(closeTime)
	for time.Now().Before(end) {
		r.mu.Lock()
		r.closing = true
		pid := 0
		if r.running != nil {
			pid = r.running.pid
		}
		n := r.signalTree(pid, syscall.SIGKILL, family{})
		r.mu.Unlock()
		if n == 0 {
			return
		}
		time.Sleep(firstPause)
	}
}

// limit stops a job whose time is up by a limit that the parent sets and changes.
func (r *runner) limit(j *running, start time.Time) {
	ticker := time.NewTicker(watchEvery)
	defer ticker.Stop()
	for {
		select {
		case <-j.ended:
			return
		case <-ticker.C:
		}
		if limit := r.control.Limit(); limit > 0 && time.Since(start) > limit {
			r.stop(j, TimedOut, false)
			return
		}
	}
}
