package supervisor

import (
	"errors"
	"fmt"
	"os"
	"runtime"
	"sync"
	"time"

	"yunta/child"
	"yunta/child/affinity"
	"yunta/ipc"
)

// errGoexit is what a task that ended its goroutine is reported as.
var errGoexit = errors.New("supervisor: the function called runtime.Goexit (as testing.T.FailNow does)")

// twins are the workers of a goroutine pool: the goroutine model of the same
// pool. They take tasks from the same jobs and run them in this process.
//
// What cannot be had: a task that ignores the end of its context is left to
// itself after the grace and its worker replaced; os.Exit, a fatal error or
// memory exhaustion in a task ends the program; there is no MemoryLimit.
type twins struct {
	p    *core
	cond *sync.Cond // on core.mu: there may be work, or an end
	list []*twin

	extents []ipc.ExtentRef // core.mu: where each worker's records go on
}

// twin is one goroutine worker.
type twin struct {
	index       int
	incarnation int
	cpus        []int
	started     time.Time
	busy        bool
	tasks       uint64
	failed      uint64
	since       int
	ready       bool // its initializer has run; of its own goroutine

	// The first task not handed on, and the end of what it took: of its own
	// goroutine, and read by who gives it up while it runs a task.
	from, hi int

	recording bool // of its own goroutine: a record was begun and is not ended

	mu        sync.Mutex
	on        *job              // whose task runs
	at        int               // and which
	abandoned bool              // its task was given up: what it still does is ignored
	recorder  *ipc.ResultWriter // nil without a ResultsFile, and at the end
	extent    ipc.ExtentRef     // where it writes
	slice     taskSlice         // of a trace: tasks that are told together
}

// shortTask is the run time below which results are handed on together.
const shortTask = 10 * time.Microsecond

func (t *twin) isAbandoned() bool {
	t.mu.Lock()
	defer t.mu.Unlock()
	return t.abandoned
}

// begin and keep frame a task: begin loads its argument unless its job has
// ended, after which the caller may change it; keep stores its result unless it
// was given up or its job has ended.
func (t *twin) begin(j *job, i int, load func()) bool {
	t.mu.Lock()
	defer t.mu.Unlock()
	j.mu.Lock()
	defer j.mu.Unlock()
	if j.over {
		return false
	}
	load()
	t.on, t.at = j, i
	return true
}

func (t *twin) keep(j *job, store func()) {
	t.mu.Lock()
	defer t.mu.Unlock()
	t.on = nil
	j.mu.Lock()
	defer j.mu.Unlock()
	if !t.abandoned && !j.over {
		store()
	}
}

func (p *core) startTwins() error {
	switch {
	case p.o.MemoryLimit > 0:
		return fmt.Errorf("supervisor: MemoryLimit with goroutines: %w", errors.ErrUnsupported)
	case len(p.o.Env) > 0:
		return fmt.Errorf("supervisor: Env with goroutines: %w", errors.ErrUnsupported)
	}
	masks := make([][]int, p.o.Processes)
	if p.o.Pin.mode != pinAuto {
		var err error
		if masks, err = p.o.Pin.masks(p.o.Processes); err != nil {
			return err
		}
	}
	p.masks = masks
	p.twins = &twins{p: p, cond: sync.NewCond(&p.mu), list: make([]*twin, p.o.Processes), extents: make([]ipc.ExtentRef, p.o.Processes)}
	if p.ledger != nil {
		copy(p.twins.extents, p.ledger.spareExtents())
	}
	if !p.o.Initializer.IsZero() {
		for range p.o.Processes {
			if err := runHere(p.o.Initializer); err != nil {
				p.release()
				return child.LocalError(child.StageStart, err)
			}
		}
	}
	p.mu.Lock()
	for i := range p.twins.list {
		p.twins.start(i, 1)
	}
	p.mu.Unlock()
	return nil
}

// start starts a worker; core.mu is held.
func (ts *twins) start(i, incarnation int) {
	t := &twin{index: i, incarnation: incarnation, cpus: ts.p.masks[i], started: time.Now()}
	ts.startRecords(t)
	ts.list[i] = t
	ts.p.running++
	go ts.work(t)
}

func (ts *twins) kick() {
	ts.p.mu.Lock()
	ts.cond.Broadcast()
	ts.p.mu.Unlock()
}

// work is a worker's life.
func (ts *twins) work(t *twin) {
	p := ts.p
	normal := false
	defer func() {
		if !normal && !t.isAbandoned() { // a task ended the goroutine
			go ts.work(t)
		}
	}()
	if t.cpus != nil {
		runtime.LockOSThread() // for good: the thread ends with the goroutine
		_ = affinity.SetThread(t.cpus)
	}
	if !ts.initialize(t) {
		normal = true
		p.mu.Lock()
		p.running--
		p.mu.Unlock()
		p.settleDown()
		return
	}
	for {
		j, lo, n, together, ok := ts.next(t)
		if !ok {
			break
		}
		begun := time.Now()
		if !ts.chunk(t, j, lo, n, together) {
			normal = true
			return
		}
		p.mu.Lock()
		if !j.closed {
			j.measure.add(time.Since(begun), n)
			j.lastSize = max(j.lastSize, n)
		}
		p.mu.Unlock()
	}
	normal = true
	t.mu.Lock()
	ts.endRecords(t)
	t.mu.Unlock()
	if !p.o.Exit.IsZero() && !p.isTerminated() {
		if err := runHere(p.o.Exit); err != nil {
			p.o.Logger.Warn("exit function failed", "worker", t.index, "err", err)
		}
	}
	p.mu.Lock()
	p.running--
	if replace := t.since > 0 && p.o.MaxTasksPerChild > 0 && t.since >= p.o.MaxTasksPerChild && !ts.ended(); replace {
		ts.start(t.index, t.incarnation+1)
		p.stats.Restarts++
	}
	p.mu.Unlock()
	p.settleDown()
}

func (p *core) isTerminated() bool {
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.state == poolTerminated
}

// ended reports whether no more work will come; core.mu is held.
func (ts *twins) ended() bool {
	p := ts.p
	return p.state == poolTerminated || p.state == poolClosing && len(p.live) == 0
}

// next waits for tasks to run.
func (ts *twins) next(t *twin) (j *job, lo, n int, together, ok bool) {
	p := ts.p
	p.mu.Lock()
	defer p.mu.Unlock()
	t.busy = false
	for {
		if p.o.MaxTasksPerChild > 0 && t.since >= p.o.MaxTasksPerChild || ts.ended() {
			return nil, 0, 0, false, false
		}
		for p.jobs.len() > 0 {
			j := p.unlist()
			if j.pending() == 0 {
				continue
			}
			lo, n = j.take(ts.share(t, j))
			p.list(j)
			t.busy = true
			t.since += n
			avg := j.measure.avg
			return j, lo, n, avg > 0 && avg < float64(shortTask), true
		}
		ts.cond.Wait()
	}
}

// share says how many tasks to take at once; core.mu is held.
func (ts *twins) share(t *twin, j *job) int {
	k := 1
	switch avg := j.measure.avg; {
	case j.chunk > 0:
		k = j.chunk * j.together(j.pending()/(2*len(ts.list)))
	case avg > 0:
		// Nothing can be taken back from a goroutine, so what one takes is
		// kept short.
		k = max(1, int(float64(tailTime)/avg))
		k = min(k, growth*max(1, j.lastSize), max(1, j.pending()/(2*len(ts.list))))
	}
	if m := ts.p.o.MaxTasksPerChild; m > 0 {
		k = min(k, m-t.since)
	}
	return k
}

// chunk runs tasks [lo, lo+n) of a job; false when the worker was given up
// meanwhile. Results of short tasks are handed on together.
func (ts *twins) chunk(t *twin, j *job, lo, n int, together bool) bool {
	t.from, t.hi = lo, lo+n
	ts.took(t, j)
	for i := lo; i < lo+n; i++ {
		if j.stop.Load() {
			ts.ends(t, false, true)
			break
		}
		ts.begins(t, j, i)
		var err error
		if j.timeout > 0 {
			err = ts.timed(t, j, i)
		} else {
			err = j.typed.run(j.ctx, j, t, i)
		}
		if t.isAbandoned() {
			return false
		}
		ts.ends(t, err != nil, i == lo+n-1)
		if err == nil && together && i < lo+n-1 {
			continue
		}
		done := i
		if err == nil {
			done++
		}
		ts.count(t, done-t.from, 0)
		j.settle(t.from, done-t.from)
		if err != nil {
			ts.count(t, 1, 1)
			ts.failed(t, j, i, err)
		}
		t.from = i + 1
	}
	return true
}

// info describes the workers; core.mu is held.
func (ts *twins) info() []WorkerInfo {
	out := make([]WorkerInfo, 0, len(ts.list))
	for _, t := range ts.list {
		state := "idle"
		if t.busy {
			state = "running"
		}
		out = append(out, WorkerInfo{
			Worker: t.index, PID: os.Getpid(), Incarnation: t.incarnation, State: state,
			CPUs: t.cpus, Started: t.started, Tasks: t.tasks, Failed: t.failed,
		})
	}
	return out
}
