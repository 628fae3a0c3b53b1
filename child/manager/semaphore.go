package manager

import (
	"context"
	"encoding/binary"
	"fmt"
	"sync"

	"yunta/oslock"
)

// Semaphore is a proxy of a semaphore on the server: Python's SyncManager.Semaphore and BoundedSemaphore. Who waits
// longest is next.
//
// It is robust: the permits that a client has acquired and that were not released come back when it ends. Anybody may
// release: a permit that somebody releases who has none counts as one of those who do, the longest first.
type Semaphore struct{ Proxy }

// NewSemaphore makes a semaphore on the server that has so many permits. A negative number is oslock.ErrValue.
func NewSemaphore(ctx context.Context, c *Client, permits int) (*Semaphore, error) {
	return newSemaphoreProxy(ctx, c, permits, false)
}

// NewBoundedSemaphore makes one that never has more permits than at first: a release beyond that is
// oslock.ErrOverRelease.
func NewBoundedSemaphore(ctx context.Context, c *Client, permits int) (*Semaphore, error) {
	return newSemaphoreProxy(ctx, c, permits, true)
}

func newSemaphoreProxy(ctx context.Context, c *Client, permits int, bounded bool) (*Semaphore, error) {
	p, err := create(ctx, c, kindSemaphore, func(k *call) { k.putInt(permits).putBool(bounded) })
	if err != nil {
		return nil, err
	}
	return &Semaphore{p}, nil
}

func (s *Semaphore) open(p Proxy) error {
	s.Proxy = p
	return wantKind(kindSemaphore, p.kind)
}

// UnmarshalText makes the proxy that travelled.
func (s *Semaphore) UnmarshalText(text []byte) error { return s.arrive(text, kindSemaphore) }

// Acquire takes a permit. It waits while there is none; the end of ctx ends the wait.
func (s *Semaphore) Acquire(ctx context.Context) error { return s.ask(semaphoreAcquire).send(ctx) }

// TryAcquire takes a permit if there is one, which it reports.
func (s *Semaphore) TryAcquire(ctx context.Context) (bool, error) {
	return truth(ctx, s.ask(semaphoreTry))
}

// Release gives n permits back, at least 1.
func (s *Semaphore) Release(ctx context.Context, n int) error {
	return s.ask(semaphoreRelease).putInt(n).send(ctx)
}

// Value returns how many permits there are. It may have changed when it is read.
func (s *Semaphore) Value(ctx context.Context) (int, error) {
	return number(ctx, s.ask(semaphoreValue))
}

// Methods of a semaphore.
const (
	semaphoreAcquire byte = iota
	semaphoreTry
	semaphoreRelease
	semaphoreValue
)

// semaphore is a Semaphore's object.
type semaphore struct {
	limit int // of value, below 0 if there is none

	mu    sync.Mutex // guards what follows
	value int
	held  []*session // one for each permit that is out and not released, the oldest first
	line  line       // value is 0 while somebody waits
	gone  bool
}

func newSemaphore(q *request) (object, error) {
	s := &semaphore{value: q.in.int(), limit: -1}
	if s.value < 0 {
		return nil, fmt.Errorf("%w: a semaphore of %d permits", oslock.ErrValue, s.value)
	}
	if q.in.bool() {
		s.limit = s.value
	}
	return s, nil
}

func (s *semaphore) call(q *request) error {
	s.mu.Lock()
	if s.gone {
		s.mu.Unlock()
		return ErrGone
	}
	if q.method == semaphoreAcquire && s.value == 0 {
		if q.ctx == nil {
			s.mu.Unlock()
			return errWait
		}
		q.s.holds(s)
		w := s.line.join(q.s)
		s.mu.Unlock()
		return w.await(q.ctx, &s.mu, func() { s.line.leave(w) })
	}
	defer s.mu.Unlock()
	switch q.method {
	case semaphoreAcquire, semaphoreTry:
		ok := s.value > 0
		if ok {
			q.s.holds(s)
			s.value--
			s.held = append(s.held, q.s)
		}
		if q.method == semaphoreTry {
			q.out = appendBool(q.out, ok)
		}
	case semaphoreRelease:
		return s.giveBack(q.s, q.in.int())
	case semaphoreValue:
		q.out = binary.AppendVarint(q.out, int64(s.value))
	default:
		return ErrNoMethod
	}
	return nil
}

// giveBack is a release by a session. mu is held.
func (s *semaphore) giveBack(by *session, n int) error {
	const most = 1 << 31
	if n < 1 || n > most {
		return fmt.Errorf("%w: %d permits", oslock.ErrValue, n)
	}
	if s.limit >= 0 && n > s.limit-s.value || s.value > most-n {
		return oslock.ErrOverRelease
	}
	for range min(n, len(s.held)) {
		i := 0
		for j, of := range s.held {
			if of == by {
				i = j
				break
			}
		}
		s.held = append(s.held[:i], s.held[i+1:]...)
	}
	s.more(n)
	return nil
}

// more has n more permits to give. mu is held.
func (s *semaphore) more(n int) {
	for ; n > 0; n-- {
		w := s.line.next()
		if w == nil {
			s.value += n
			return
		}
		s.held = append(s.held, w.s)
		w.finish(nil)
	}
}

func (s *semaphore) release(by *session) {
	s.mu.Lock()
	defer s.mu.Unlock()
	kept := s.held[:0]
	for _, of := range s.held {
		if of != by {
			kept = append(kept, of)
		}
	}
	n := len(s.held) - len(kept)
	clear(s.held[len(kept):])
	s.held = kept
	s.more(n)
}

func (s *semaphore) delete() error {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.gone = true
	s.line.finishAll(ErrGone)
	return nil
}
