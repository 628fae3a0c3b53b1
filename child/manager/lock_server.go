package manager

import (
	"context"
	"sync"

	"yunta/oslock"
)

// Methods of locks.
const (
	lockLock byte = iota
	lockTry
	lockUnlock
	lockLocked
)

// lock is a Lock's object.
type lock struct {
	mu     sync.Mutex // guards what follows
	locked bool
	owner  *session // that locked it; it may be another that unlocks it
	line   line
	gone   bool
}

func (l *lock) call(q *request) error {
	switch q.method {
	case lockLock:
		return l.lock(q)
	case lockTry:
		l.mu.Lock()
		defer l.mu.Unlock()
		if l.gone {
			return ErrGone
		}
		free := !l.locked
		if free {
			q.s.holds(l)
			l.locked, l.owner = true, q.s
		}
		q.out = appendBool(q.out, free)
	case lockUnlock:
		l.mu.Lock()
		defer l.mu.Unlock()
		if !l.locked {
			return ErrNotLocked
		}
		l.pass()
	case lockLocked:
		l.mu.Lock()
		defer l.mu.Unlock()
		q.out = appendBool(q.out, l.locked)
	default:
		return ErrNoMethod
	}
	return nil
}

func (l *lock) lock(q *request) error {
	l.mu.Lock()
	if l.gone {
		l.mu.Unlock()
		return ErrGone
	}
	if l.locked && q.ctx == nil {
		l.mu.Unlock()
		return errWait
	}
	return l.enter(q.ctx, q.s)
}

// enter locks the lock for s. mu is held, and released.
func (l *lock) enter(ctx context.Context, s *session) error {
	s.holds(l)
	if !l.locked {
		l.locked, l.owner = true, s
		l.mu.Unlock()
		return nil
	}
	w := l.line.join(s)
	l.mu.Unlock()
	return w.await(ctx, &l.mu, func() { l.line.leave(w) })
}

// pass unlocks, and locks for who is next. mu is held.
func (l *lock) pass() {
	w := l.line.next()
	if w == nil {
		l.locked, l.owner = false, nil
		return
	}
	l.owner = w.s
	w.finish(nil)
}

func (l *lock) release(s *session) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.locked && l.owner == s {
		l.pass()
	}
}

func (l *lock) delete() error {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.gone = true
	l.line.finishAll(ErrGone)
	return nil
}

// rlock is an RLock's object. Its owner is one proxy of a session, which names itself by a number.
type rlock struct {
	mu    sync.Mutex // guards what follows
	depth int
	owner *session
	who   uint64
	line  line
	gone  bool
}

func (r *rlock) call(q *request) error {
	if q.method == lockLocked {
		r.mu.Lock()
		defer r.mu.Unlock()
		q.out = appendBool(q.out, r.depth > 0)
		return nil
	}
	who := q.in.uint()
	r.mu.Lock()
	mine := r.depth > 0 && r.owner == q.s && r.who == who
	switch {
	case r.gone:
		r.mu.Unlock()
		return ErrGone
	case q.method == lockUnlock:
		defer r.mu.Unlock()
		if r.depth == 0 {
			return ErrNotLocked
		}
		if !mine {
			return oslock.ErrNotOwner
		}
		if r.depth--; r.depth == 0 {
			r.pass()
		}
		return nil
	case q.method != lockLock && q.method != lockTry:
		r.mu.Unlock()
		return ErrNoMethod
	}
	if mine || r.depth == 0 {
		q.s.holds(r)
		r.depth++
		r.owner, r.who = q.s, who
		r.mu.Unlock()
		if q.method == lockTry {
			q.out = appendBool(q.out, true)
		}
		return nil
	}
	if q.method == lockTry || q.ctx == nil {
		r.mu.Unlock()
		if q.method == lockTry {
			q.out = appendBool(q.out, false)
			return nil
		}
		return errWait
	}
	q.s.holds(r)
	w := r.line.join(q.s)
	w.who = who
	r.mu.Unlock()
	return w.await(q.ctx, &r.mu, func() { r.line.leave(w) })
}

// pass locks for who is next. mu is held, and depth is 0.
func (r *rlock) pass() {
	r.owner = nil
	if w := r.line.next(); w != nil {
		r.depth, r.owner, r.who = 1, w.s, w.who
		w.finish(nil)
	}
}

func (r *rlock) release(s *session) {
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.depth > 0 && r.owner == s {
		r.depth = 0
		r.pass()
	}
}

func (r *rlock) delete() error {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.gone = true
	r.line.finishAll(ErrGone)
	return nil
}
