package supervisor

import (
	"context"
	"crypto/sha256"
	"errors"
	"fmt"
	"math/bits"
	"slices"
	"sync"
	"sync/atomic"
	"time"

	"yunta/child"
	"yunta/child/wire"
)

// job is one submission: n tasks of one entry, numbered from 0. The untyped
// half is the scheduler's; typed does what needs the types.
type job struct {
	typed    typed
	core     *core
	entry    string
	name     string // CallOptions.Job
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
	ctx      context.Context // a goroutine pool's tasks run under it
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

// typed is the half of a job that knows the types of its entry. Indices are
// task numbers; a call never crosses the end of a ring.
type typed interface {
	// encode appends the arguments of tasks [lo, hi) and returns how many it
	// could; the error belongs to the next one.
	encode(dst []byte, lo, hi int) (out []byte, n int, err error)
	// size bounds the encoded size of one argument in bytes, -1 if unknown.
	size(i int) int
	// decode stores n results from body, beginning at task lo. What cannot be
	// decoded is given to bad, and the others are stored all the same.
	decode(lo, n int, body []byte, bad refuser)
	// digest identifies the argument of a task; false if it cannot be encoded.
	digest(i int) ([sha256.Size]byte, bool)
	// restore stores a result that was recorded; false if it cannot be decoded.
	restore(i int, payload []byte) bool
	// forget takes results away that may be stored.
	forget(lo, n int)
	// run calls the entry here, for a worker of a goroutine pool.
	run(ctx context.Context, j *job, w *twin, i int) error
	// contiguous returns how many tasks from lo on, up to n, lie side by side.
	contiguous(lo, n int) int
}

// refuser is told of results that cannot be decoded: an interface and not a
// function, so that nothing is allocated where there are none.
type refuser interface {
	refuse(i int, err error)
	// passed hears how much of the body will not be read again.
	passed(n int)
}

// A result of so many bytes leaves the mapped memory while it is copied out, a
// piece at a time: or the parent would have it twice.
const (
	largeResult = 64 << 20
	resultPiece = 8 << 20
)

// typedJob holds arguments and results: of all tasks, or of those in flight
// when it is a ring (mask is its size less one then).
type typedJob[A, R any] struct {
	f    func(context.Context, A) (R, error)
	ring ringLock // held for writing while a ring grows; args and out have no other lock
	args []A
	out  []R
	mask int
	arg  *wire.Values[A]
	res  *wire.Values[R]

	scratch []byte // of digest, which one goroutine at a time calls
}

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

func newTyped[A, R any](p *Pool, e child.Entry[A, R]) *typedJob[A, R] {
	t := &typedJob[A, R]{f: e.Func(), mask: -1}
	if p.core.o.Model == Processes || p.core.ledger != nil {
		t.arg, t.res = e.Codecs()
	}
	return t
}

func (t *typedJob[A, R]) contiguous(lo, n int) int {
	t.ring.RLock()
	defer t.ring.RUnlock()
	if t.mask < 0 {
		return n
	}
	return min(n, t.mask+1-lo&t.mask)
}

func (t *typedJob[A, R]) encode(dst []byte, lo, hi int) (out []byte, n int, err error) {
	t.ring.RLock()
	defer t.ring.RUnlock()
	a := lo & t.mask
	if t.arg.Bare() {
		return t.arg.AppendAll(dst, t.args[a:a+hi-lo])
	}
	out = dst
	defer func() {
		if v := recover(); v != nil { // the encoder is the user's code
			err = child.LocalPanic(child.StageEncodeArgument, v)
		}
	}()
	for i, x := range t.args[a : a+hi-lo] {
		next, err := t.arg.Append(out, x)
		if err != nil {
			return out, i, child.LocalError(child.StageEncodeArgument, err)
		}
		out, n = next, i+1
	}
	return out, n, nil
}

func (t *typedJob[A, R]) size(i int) int {
	t.ring.RLock()
	defer t.ring.RUnlock()
	return t.arg.Size(t.args[i&t.mask])
}

func (t *typedJob[A, R]) decode(lo, n int, body []byte, bad refuser) {
	t.ring.RLock()
	defer t.ring.RUnlock()
	a := lo & t.mask
	out := t.out[a : a+n]
	if n == 1 && len(body) >= largeResult && t.res.Bare() {
		r, err := t.res.DecodeInPieces(body, resultPiece, bad.passed)
		if out[0] = r; err != nil {
			bad.refuse(lo, child.LocalError(child.StageDecodeResult, err))
		}
		return
	}
	if t.res.Bare() {
		done, _, err := t.res.DecodeAll(body, out)
		if err != nil {
			for i := done; i < n; i++ {
				bad.refuse(lo+i, child.LocalError(child.StageDecodeResult, err))
			}
		}
		return
	}
	for i := range out {
		one, rest, err := t.res.Next(body)
		if err == nil {
			body = rest
			err = t.decodeOne(&out[i], one)
		}
		if err != nil {
			bad.refuse(lo+i, err)
		}
	}
}

func (t *typedJob[A, R]) forget(lo, n int) {
	t.ring.RLock()
	defer t.ring.RUnlock()
	a := lo & t.mask
	clear(t.out[a : a+n])
}

func (t *typedJob[A, R]) decodeOne(dst *R, one []byte) (err error) {
	defer func() {
		if v := recover(); v != nil { // the decoder is the user's code
			err = child.LocalPanic(child.StageDecodeResult, v)
		}
	}()
	r, _, err := t.res.Decode(one)
	if err != nil {
		return child.LocalError(child.StageDecodeResult, err)
	}
	*dst = r
	return nil
}

func (t *typedJob[A, R]) run(ctx context.Context, j *job, w *twin, i int) (err error) {
	var r R
	returned, exiting := false, false
	defer func() {
		if v := recover(); v != nil {
			err = child.LocalPanic(child.StageRun, v)
		} else if !returned {
			exiting = true
		}
		if w.recording {
			outcome := err
			if exiting {
				outcome = child.LocalError(child.StageRun, errGoexit)
			}
			if outcome = t.recordEnd(w, r, outcome); !exiting {
				err = outcome
			}
		}
		w.keep(j, func() {
			if err == nil && !exiting {
				t.ring.RLock()
				t.out[i&t.mask] = r
				t.ring.RUnlock()
			}
		})
		if exiting {
			j.core.twins.exited(w, j, i)
		}
	}()
	var arg A
	if !w.begin(j, i, func() {
		t.ring.RLock()
		arg = t.args[i&t.mask]
		t.ring.RUnlock()
	}) {
		returned = true
		return context.Canceled
	}
	if j.core.ledger != nil {
		if err = t.recordBegin(j, w, i, arg); err != nil {
			returned = true
			return err
		}
	}
	r, err = t.f(ctx, arg)
	returned = true
	if j.timeout > 0 && errors.Is(ctx.Err(), context.DeadlineExceeded) {
		return fmt.Errorf("%w after %v", ErrTaskTimeout, j.timeout)
	}
	if err != nil {
		err = child.LocalError(child.StageRun, err)
	}
	return err
}

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
