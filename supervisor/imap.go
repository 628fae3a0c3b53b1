package supervisor

import (
	"context"
	"fmt"
	"iter"
	"sync"

	"yunta/child"
)

// IMap calls the entry with each argument of a sequence and yields the results
// in order, while others are still running. Python: Pool.imap.
//
// It starts when it is ranged over, which can be done once. The arguments are
// pulled by one other goroutine, and no further ahead than CallOptions.Buffer,
// so an endless input is fine. A failed task yields the zero result and a
// *TaskError, and the range goes on; the end of ctx, or of the pool, yields an
// error and ends it. Breaking out of the range drops what has not begun and
// lets running tasks finish; their results are dropped.
func IMap[A, R any](ctx context.Context, p *Pool, e child.Entry[A, R], args iter.Seq[A]) iter.Seq2[R, error] {
	return values(stream(ctx, p, e, infallible(args), true))
}

// IMapUnordered is IMap that yields results as they come. Python:
// Pool.imap_unordered.
func IMapUnordered[A, R any](ctx context.Context, p *Pool, e child.Entry[A, R], args iter.Seq[A]) iter.Seq2[R, error] {
	return values(stream(ctx, p, e, infallible(args), false))
}

// IMapSeq is IMap over an input that may fail: its first error is yielded
// after the results of all arguments before it, and ends the range.
func IMapSeq[A, R any](ctx context.Context, p *Pool, e child.Entry[A, R], args iter.Seq2[A, error]) iter.Seq2[R, error] {
	return values(stream(ctx, p, e, args, true))
}

// IMapUnorderedSeq is IMapUnordered over an input that may fail, see IMapSeq.
func IMapUnorderedSeq[A, R any](ctx context.Context, p *Pool, e child.Entry[A, R], args iter.Seq2[A, error]) iter.Seq2[R, error] {
	return values(stream(ctx, p, e, args, false))
}

// Result is what became of one argument of a stream.
type Result[R any] struct {
	Index int // of the argument, from 0
	Value R
	Err   error // a *TaskError, nil when the task succeeded
	// Resumed says that the result is that of an earlier run, see
	// PoolOptions.Resume.
	Resumed bool
}

// IMapResults is IMapUnorderedSeq that says of each result which argument it
// belongs to. A failed task has its error in its Result; the other error that
// is yielded, with a zero Result, says how the stream ended early.
func IMapResults[A, R any](ctx context.Context, p *Pool, e child.Entry[A, R], args iter.Seq2[A, error]) iter.Seq2[Result[R], error] {
	return stream(ctx, p, e, args, false)
}

// values leaves out which argument a result belongs to.
func values[R any](results iter.Seq2[Result[R], error]) iter.Seq2[R, error] {
	return func(yield func(R, error) bool) {
		for r, err := range results {
			if err == nil {
				err = r.Err
			}
			if !yield(r.Value, err) {
				return
			}
		}
	}
}

func infallible[A any](args iter.Seq[A]) iter.Seq2[A, error] {
	return func(yield func(A, error) bool) {
		for a := range args {
			if !yield(a, nil) {
				return
			}
		}
	}
}

// Sizes of a stream's ring, in tasks.
const (
	firstRing = 256
	// largestRing bounds how far results may run ahead of one that does not come.
	largestRing = 1 << 20
)

// streamed is a job whose arguments come from a sequence and whose results go
// to a range. Tasks live in a ring, from the oldest that was not yielded to
// the newest that was pulled.
type streamed[A, R any] struct {
	t       *typedJob[A, R]
	job     *job
	p       *core
	ordered bool
	buffer  int // 0: by measured run time

	mu     sync.Mutex
	oldest int // not yet yielded, and everything before it is
	pulled int
	taken  int // yielded
	ready  []bool
	errs   map[int]error
	// resumed are those whose results were in the ResultsFile.
	resumed map[int]bool
	queue   []Span // unordered: what has come, in order of arrival
	gave    []bool // unordered: yielded though an older one is not
	over    bool   // the job is finished
	stop    bool   // nobody ranges any more
	inErr   error  // of the input
	crash   any    // panic of the input
	news    chan struct{}
	room    chan struct{}
}

func stream[A, R any](ctx context.Context, p *Pool, e child.Entry[A, R], args iter.Seq2[A, error], ordered bool) iter.Seq2[Result[R], error] {
	var once sync.Once
	return func(yield func(Result[R], error) bool) {
		first := false
		once.Do(func() { first = true })
		var zero Result[R]
		if !first {
			yield(zero, ErrRanged)
			return
		}
		t := newTyped(p, e)
		size := firstRing
		if b := p.call.Buffer; b > 0 {
			for size < b {
				size *= 2
			}
		}
		t.ring.grows = true
		t.args, t.out, t.mask = make([]A, size), make([]R, size), size-1
		s := &streamed[A, R]{
			t: t, p: p.core, job: p.newJob(e.Name(), t, -1), ordered: ordered, buffer: p.call.Buffer,
			ready: make([]bool, size), gave: make([]bool, size), errs: make(map[int]error), resumed: make(map[int]bool),
			news: make(chan struct{}, 1), room: make(chan struct{}, 1),
		}
		s.job.sink = s
		if err := p.core.submit(s.job); err != nil {
			yield(zero, err)
			return
		}
		go s.pull(args)
		s.yieldAll(ctx, yield)
	}
}

// settled takes note of results; it is the job's sink.
func (s *streamed[A, R]) settled(lo, n int) {
	s.mu.Lock()
	for i := lo; i < lo+n; i++ {
		s.ready[i&s.t.mask] = true
	}
	if !s.ordered {
		s.queue = append(s.queue, Span{lo, lo + n})
	}
	s.mu.Unlock()
	s.tell()
}

func (s *streamed[A, R]) failed(i int, err error) {
	s.mu.Lock()
	s.errs[i] = err
	s.mu.Unlock()
}

func (s *streamed[A, R]) finished() {
	s.mu.Lock()
	s.over = true
	s.mu.Unlock()
	s.tell()
	poke(s.room)
}

func (s *streamed[A, R]) tell() { poke(s.news) }

func poke(c chan struct{}) {
	select {
	case c <- struct{}{}:
	default:
	}
}

// take removes the next result to yield, if there is one; last says that there
// will be none.
func (s *streamed[A, R]) take() (r Result[R], ok, last bool) {
	s.mu.Lock()
	defer s.mu.Unlock()
	i := -1
	if s.ordered {
		if s.oldest < s.pulled && s.ready[s.oldest&s.t.mask] {
			i = s.oldest
		}
	} else if len(s.queue) > 0 {
		q := &s.queue[0]
		i = q.From
		if q.From++; q.From == q.To {
			s.queue = s.queue[1:]
		}
	}
	if i < 0 {
		return r, false, s.over
	}
	a := i & s.t.mask
	var zeroA A
	var zeroR R
	// The task is settled: nobody else touches its place any more.
	r.Index, r.Value, s.t.out[a], s.t.args[a] = i, s.t.out[a], zeroR, zeroA
	if len(s.errs) > 0 {
		if r.Err = s.errs[i]; r.Err != nil {
			delete(s.errs, i)
		}
	}
	if len(s.resumed) > 0 && s.resumed[i] {
		r.Resumed = true
		delete(s.resumed, i)
	}
	s.ready[a] = false
	s.gave[a] = true
	for s.oldest < s.pulled && s.gave[s.oldest&s.t.mask] {
		s.gave[s.oldest&s.t.mask] = false
		s.oldest++
	}
	s.taken++
	return r, true, false
}

// yieldAll is the range's body.
func (s *streamed[A, R]) yieldAll(ctx context.Context, yield func(Result[R], error) bool) {
	var zero Result[R]
	completed := false
	defer func() {
		if !completed { // a break, or a panic in the caller's loop
			s.mu.Lock()
			s.stop = true
			s.mu.Unlock()
			poke(s.room)
			s.p.leave(s.job)
		}
	}()
	for {
		if err := context.Cause(ctx); err != nil {
			s.p.end(s.job, err)
			completed = true
			yield(zero, err)
			return
		}
		r, ok, last := s.take()
		if ok {
			poke(s.room)
			if !yield(r, nil) {
				return
			}
			continue
		}
		if last {
			completed = true
			s.last(yield)
			return
		}
		select {
		case <-s.news:
		case <-ctx.Done():
		}
	}
}

// last yields how the stream ended, if that was not by its input's end.
func (s *streamed[A, R]) last(yield func(Result[R], error) bool) {
	var zero Result[R]
	s.mu.Lock()
	inErr, crash := s.inErr, s.crash
	s.mu.Unlock()
	s.job.mu.Lock()
	cause := s.job.cause
	s.job.mu.Unlock()
	switch {
	case crash != nil:
		panic(fmt.Sprintf("supervisor: the input of a streamed map panicked: %v", crash))
	case inErr != nil:
		yield(zero, inErr)
	case cause != nil:
		yield(zero, cause)
	}
}

// leave ends a job whose results nobody wants; what runs may finish.
func (p *core) leave(j *job) {
	p.mu.Lock()
	j.closed = true
	j.stop.Store(true)
	j.back, j.limit = nil, j.next
	for _, w := range p.workers {
		if w == nil {
			continue
		}
		for _, c := range w.out {
			if c.job == j {
				if from, to := c.word.Take(0); from < to {
					c.n = from
				}
			}
		}
	}
	p.mu.Unlock()
	j.finish(context.Canceled)
}
