package supervisor

import (
	"os"
	"strconv"
	"time"

	"yunta/child/affinity"
)

// traceTogether is how much time tasks of a goroutine that follow each other may
// take to be one slice, as in a process.
const traceTogether = 20 * time.Microsecond

// took begins the tasks that a worker has just taken.
func (ts *twins) took(t *twin, j *job) {
	tr := ts.p.trace
	if tr == nil {
		return
	}
	at := tr.now()
	t.mu.Lock()
	t.slice = taskSlice{sent: at}
	t.mu.Unlock()
	tr.mu.Lock()
	defer tr.mu.Unlock()
	if tr.room() {
		tr.slice(laneOf(t.index, laneSend), "worker "+strconv.Itoa(t.index)+" send", "take", at, at+1)
		tr.buf = append(tr.buf, `,"cat":"ipc"`...)
		tr.end()
	}
}

// begins notes that a task begins; of those told together the first counts.
func (ts *twins) begins(t *twin, j *job, i int) {
	tr := ts.p.trace
	if tr == nil {
		return
	}
	t.mu.Lock()
	defer t.mu.Unlock()
	if s := &t.slice; s.tasks == 0 {
		s.worker, s.pid, s.entry, s.job, s.index = t.index, os.Getpid(), j.entry, j.number, uint64(i)
		s.start, s.from = tr.now(), affinity.CurrentCPU()
	}
	t.slice.tasks++
}

// ends tells of the tasks that have ended, unless another may go with them.
func (ts *twins) ends(t *twin, failed, last bool) {
	if ts.p.trace == nil {
		return
	}
	t.mu.Lock()
	defer t.mu.Unlock()
	ts.tellSlice(t, failed, last, "")
}

// tellSlice does it; t.mu is held.
func (ts *twins) tellSlice(t *twin, failed, last bool, lost string) {
	tr, s := ts.p.trace, &t.slice
	if tr == nil || s.tasks == 0 {
		return
	}
	s.end = tr.now()
	if !failed && !last && s.end-s.start < int64(traceTogether) {
		return
	}
	s.cpu, s.died = affinity.CurrentCPU(), lost
	if failed {
		s.failed = 1
	}
	if lost != "" { // told by another goroutine
		s.from, s.cpu = -1, -1
	}
	tr.tasks(*s)
	t.slice = taskSlice{}
}
