package supervisor

import (
	"iter"
	"unsafe"
)

// pull reads the input ahead of the results, as far as it may.
func (s *streamed[A, R]) pull(args iter.Seq2[A, error]) {
	defer func() {
		v := recover()
		s.mu.Lock()
		s.crash = v
		total := s.pulled
		s.mu.Unlock()
		s.job.length(total)
	}()
	for a, err := range args {
		if err != nil {
			s.mu.Lock()
			s.inErr = err
			s.mu.Unlock()
			return
		}
		if !s.add(a) {
			return
		}
		for !s.hasRoom() {
			<-s.room
		}
	}
}

// add puts one argument into the ring and up for dealing; false when nobody
// wants it any more.
func (s *streamed[A, R]) add(a A) bool {
	s.mu.Lock()
	if s.stop || s.over {
		s.mu.Unlock()
		return false
	}
	i := s.pulled
	s.pulled++
	s.t.ring.RLock()
	s.t.args[i&s.t.mask] = a
	s.t.ring.RUnlock()
	s.mu.Unlock()
	p := s.p
	there := p.ledger != nil && p.ledger.enter(s.job, i)
	p.mu.Lock()
	if j := s.job; !j.closed {
		if there {
			if j.next < j.limit {
				j.back = append(j.back, Span{j.next, j.limit})
			}
			j.next = i + 1
		}
		j.limit = i + 1
		p.list(j)
	}
	p.mu.Unlock()
	if there {
		s.mu.Lock()
		s.resumed[i] = true
		s.mu.Unlock()
		p.resumed(1)
		s.job.settle(i, 1)
		return true
	}
	p.deal()
	return true
}

// hasRoom reports whether another argument may be pulled; also when nobody
// wants one any more, so that the next add says so.
func (s *streamed[A, R]) hasRoom() bool {
	limit := s.buffer
	if limit == 0 {
		limit = s.p.streamAhead(s.job)
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.stop || s.over {
		return true
	}
	if s.pulled-s.taken >= limit {
		return false
	}
	if s.pulled-s.oldest > s.t.mask {
		return s.grow()
	}
	return true
}

// streamAhead is how many tasks of a stream may be in flight by themselves:
// two for each worker, and more while they are short, up to a few milliseconds
// of work.
func (p *core) streamAhead(j *job) int {
	p.mu.Lock()
	defer p.mu.Unlock()
	n := 2 * p.o.Processes
	if avg := j.measure.avg; avg > 0 {
		n = max(n, min(int(4*float64(lookAhead)/avg), largestRing/8)*p.o.Processes)
	}
	return n
}

// grow doubles the ring, up to a bound. mu is held.
func (s *streamed[A, R]) grow() bool {
	t := s.t
	size := len(t.args) * 2
	if size > largestRing || uintptr(size)*max(unsafe.Sizeof(t.args[0]), unsafe.Sizeof(t.out[0]), 1) > argumentBudget {
		return false
	}
	t.ring.Lock()
	defer t.ring.Unlock()
	args, out := make([]A, size), make([]R, size)
	ready, gave := make([]bool, size), make([]bool, size)
	for i := s.oldest; i < s.pulled; i++ {
		from, to := i&t.mask, i&(size-1)
		args[to], out[to], ready[to], gave[to] = t.args[from], t.out[from], s.ready[from], s.gave[from]
	}
	t.args, t.out, t.mask = args, out, size-1
	s.ready, s.gave = ready, gave
	return true
}

// length says how many tasks a streamed job has, when its input has ended.
func (j *job) length(n int) {
	j.mu.Lock()
	j.total = n
	last := j.done >= n
	j.mu.Unlock()
	j.tell()
	if last {
		j.finish(nil)
	}
}
