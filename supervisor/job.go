package supervisor

import (
	"context"
	"math/bits"
	"slices"
	"sync"
	"sync/atomic"
	"time"
)

// job is one submission: n tasks of one entry, numbered from 0. The untyped
// half is the scheduler's; typed does what needs the types.
type job struct {
	typed    typed
	core     *core
	entry    string
	name     string // CallOptions.Job
	traced   bool   // a trace has its beginning; set by submit
	number   uint64 // in the order of submission, from 1; set by submit
	chunk    int    // tasks a chunk, 0 to choose
	timeout  time.Duration
	retries  int
	failFast bool
	single   bool // it has one task

	// Guarded by core.mu.
	next     int         // tasks from here on have never been dealt
	limit    int         // tasks up to here exist; grows while a stream is read
	back     []Span      // dealt before, to be dealt again
	closed   bool        // nothing more is dealt
	stop     atomic.Bool // the same, for who does not hold core.mu
	listed   bool        // it is in core.jobs
	measure  *measure
	lastSize int     // tasks in the largest chunk that came back
	only     *chunk  // of a job with one task
	argBytes float64 // bytes an argument

	mu       sync.Mutex
	total    int // -1 while a stream's length is not known
	settled  bitmap
	done     int // tasks settled, well or not
	failed   []*TaskError
	attempts map[int][]error // of tasks that failed and were tried again
	cause    error           // why the job was ended early
	over     bool
	finished chan struct{}
	ctx      context.Context //nolint:containedctx // a goroutine pool's tasks run under it
	cancel   context.CancelFunc
	report   sync.Mutex // held while progress is reported
	reported int        // done, when it last was
	complete bool       // done == total was reported
	progress func(done, total int)
	sink     sink // a stream's consumer, nil otherwise

	occurrences map[int]uint32 // mu: of recorded tasks that are not the first of their kind
}

// sink is told what a streamed job's tasks came to.
type sink interface {
	settled(lo, n int)
	failed(i int, err error)
	finished()
}

// A result of so many bytes leaves the mapped memory while it is copied out, a
// piece at a time: or the parent would have it twice.
const (
	largeResult = 64 << 20
	resultPiece = 8 << 20
)

// ringLock is a lock only where there is a ring: elsewhere nothing ever grows,
// and the goroutines of all workers would fight for its cache line.
type ringLock struct {
	grows bool // set before anybody else has it
	mu    sync.RWMutex
}

func (l *ringLock) RLock() {
	if l.grows {
		l.mu.RLock()
	}
}

func (l *ringLock) RUnlock() {
	if l.grows {
		l.mu.RUnlock()
	}
}

func (l *ringLock) Lock()   { l.mu.Lock() }
func (l *ringLock) Unlock() { l.mu.Unlock() }

// bitmap marks the settled tasks of a job with a known number of them.
type bitmap []uint64

func newBitmap(n int) bitmap { return make(bitmap, (n+63)/64) }

func (b bitmap) get(i int) bool { return b[i/64]>>(i%64)&1 != 0 }

// set marks [lo, hi) and returns how many were not marked before.
func (b bitmap) set(lo, hi int) (fresh int) {
	for lo < hi {
		w, from := lo/64, lo%64
		n := min(64-from, hi-lo)
		m := (^uint64(0) >> (64 - n)) << from
		fresh += bits.OnesCount64(m &^ b[w])
		b[w] |= m
		lo += n
	}
	return fresh
}

// gaps returns the ranges below n that are not marked.
func (b bitmap) gaps(n int) (out []Span) {
	for i := 0; i < n; {
		if b.get(i) {
			i++
			continue
		}
		from := i
		for i < n && !b.get(i) {
			i++
		}
		out = append(out, Span{from, i})
	}
	return out
}

// settle counts [lo, lo+n) as done, and finishes the job with its last task.
func (j *job) settle(lo, n int) {
	if n == 0 {
		return
	}
	if j.sink != nil {
		// Before it counts: whoever counts the last one ends the range, which
		// must have all the others by then.
		j.sink.settled(lo, n)
	}
	j.mu.Lock()
	if j.over {
		j.mu.Unlock()
		return
	}
	if j.settled != nil {
		n = j.settled.set(lo, lo+n)
	}
	j.done += n
	last := j.total >= 0 && j.done >= j.total
	j.mu.Unlock()
	j.tell()
	if last {
		j.finish(nil)
	}
}

// fail settles a task as failed for good.
func (j *job) fail(err *TaskError) {
	j.mu.Lock()
	if j.over || j.settled != nil && j.settled.get(err.Index) {
		j.mu.Unlock()
		return
	}
	if j.sink == nil {
		j.failed = append(j.failed, err)
	}
	j.mu.Unlock()
	if j.sink != nil {
		j.sink.failed(err.Index, err)
	}
	j.settle(err.Index, 1)
	if j.failFast {
		j.core.end(j, ErrFailFast)
	}
}

// tell reports progress, in order and without holding up who settles.
func (j *job) tell() {
	if j.progress == nil {
		return
	}
	j.report.Lock()
	defer j.report.Unlock()
	j.mu.Lock()
	done, total, over := j.done, j.total, j.over
	j.mu.Unlock()
	// The length of a stream may become known after its last result.
	if !over && (done > j.reported || done == total && !j.complete) {
		j.reported, j.complete = done, done == total
		j.progress(done, total)
	}
}

// finish ends the job, once; cause is why it ended early, or nil.
func (j *job) finish(cause error) {
	j.mu.Lock()
	if j.over {
		j.mu.Unlock()
		return
	}
	j.over = true
	j.cause = cause
	if cause != nil && j.settled != nil {
		// What came too late to be counted did not come.
		for _, s := range j.settled.gaps(j.total) {
			j.typed.forget(s.From, s.To-s.From)
		}
	}
	j.mu.Unlock()
	if j.cancel != nil {
		j.cancel()
	}
	j.core.trace.finished(j)
	j.core.forget(j)
	if j.sink != nil {
		j.sink.finished()
	}
	close(j.finished)
}

// err is the error of a finished job whose tasks had settled as they had.
func (j *job) err() error {
	j.mu.Lock()
	defer j.mu.Unlock()
	if len(j.failed) == 0 && j.cause == nil {
		return nil
	}
	e := &MapError{Total: j.total, Cause: j.cause}
	e.Errors = slices.Clone(j.failed)
	slices.SortFunc(e.Errors, func(a, b *TaskError) int { return a.Index - b.Index })
	if j.cause != nil {
		e.Unfinished = j.settled.gaps(j.total)
		if len(e.Unfinished) == 0 && len(e.Errors) == 0 {
			return nil // everything was done when the end came
		}
	}
	return e
}

// attempt records a failed try and reports whether the task may be tried again.
func (j *job) attempt(i int, err error) (n int, again bool) {
	j.mu.Lock()
	defer j.mu.Unlock()
	if j.retries == 0 {
		return 1, false
	}
	if j.attempts == nil {
		j.attempts = make(map[int][]error)
	}
	j.attempts[i] = append(j.attempts[i], err)
	n = len(j.attempts[i])
	return n, n <= j.retries && !j.over
}

// tries returns the errors of all attempts at a task.
func (j *job) tries(i int) []error {
	j.mu.Lock()
	defer j.mu.Unlock()
	return j.attempts[i]
}
