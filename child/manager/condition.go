package manager

import (
	"context"
	"fmt"
	"sync"

	"yunta/oslock"
)

// Condition is a proxy of a condition variable on the server: Python's SyncManager.Condition. Who waits longest is notified
// first. It has a [Lock], whose owner is the client: its goroutines keep each other apart by a lock of their own. The lock is an
// object by itself, which stays when the condition is unlinked.
type Condition struct {
	Proxy
	lock *Lock
}

// NewCondition makes a condition on the server, of that lock, or of a new one if it is nil.
func NewCondition(ctx context.Context, c *Client, l *Lock) (*Condition, error) {
	if l == nil {
		var err error
		if l, err = NewLock(ctx, c); err != nil {
			return nil, err
		}
	}
	p, err := create(ctx, c, kindCondition, func(k *call) { k.putUint(l.id) })
	if err != nil {
		return nil, err
	}
	return &Condition{p, l}, nil
}

func (c *Condition) open(p Proxy) error {
	if err := wantKind(kindCondition, p.kind); err != nil {
		return err
	}
	ctx, cancel := context.WithTimeout(context.Background(), arrivalTimeout)
	defer cancel()
	k := p.ask(conditionLock)
	defer k.free()
	if err := k.do(ctx); err != nil {
		return err
	}
	*c = Condition{p, &Lock{Proxy{c: p.c, id: k.uint(), kind: kindLock}}}
	return k.reader.err()
}

// UnmarshalText makes the proxy that travelled.
func (c *Condition) UnmarshalText(text []byte) error {
	var p Proxy
	if c.Proxy.c != nil {
		return errInUse
	}
	if err := p.arrive(text, kindCondition); err != nil {
		return err
	}
	return c.open(p)
}

// Mutex returns the condition's lock.
func (c *Condition) Mutex() *Lock { return c.lock }

// Lock locks the condition's lock.
func (c *Condition) Lock(ctx context.Context) error { return c.lock.Lock(ctx) }

// Unlock unlocks it.
func (c *Condition) Unlock(ctx context.Context) error { return c.lock.Unlock(ctx) }

// Wait unlocks the lock, which this client must own (oslock.ErrNotOwner), waits until somebody notifies, and locks it
// again. The end of ctx ends the waiting, but not the locking again: the lock is held when Wait returns, unless the
// connection was lost or the lock is [ErrGone].
func (c *Condition) Wait(ctx context.Context) error { return c.ask(conditionWait).send(ctx) }

// WaitFor waits until ok, which is called with the lock held, returns true.
func (c *Condition) WaitFor(ctx context.Context, ok func() bool) error {
	for !ok() {
		if err := c.Wait(ctx); err != nil {
			return err
		}
	}
	return nil
}

// Notify has n of those who wait go on, or all if they are fewer. This client must own the lock (oslock.ErrNotOwner).
func (c *Condition) Notify(ctx context.Context, n int) error {
	return c.ask(conditionNotify).putInt(n).send(ctx)
}

// NotifyAll has all go on.
func (c *Condition) NotifyAll(ctx context.Context) error { return c.Notify(ctx, End) }

// Methods of a condition.
const (
	conditionWait byte = iota
	conditionNotify
	conditionLock
)

// condition is a Condition's object.
type condition struct {
	lock *lock
	id   uint64 // the lock's

	mu   sync.Mutex // guards line; taken while the lock's is held
	line line
	gone bool
}

func (s *Server) newCondition(q *request) (object, error) {
	id := q.in.uint()
	l, err := objectOf[*lock](&s.objects, id)
	if err != nil {
		return nil, fmt.Errorf("the condition's lock: %w", err)
	}
	return &condition{lock: l, id: id}, nil
}

func (c *condition) call(q *request) error {
	switch q.method {
	case conditionLock:
		q.out = appendUint(q.out, c.id)
		return nil
	case conditionNotify:
		return c.notify(q)
	case conditionWait:
		if q.ctx == nil {
			return errWait
		}
		return c.wait(q)
	}
	return ErrNoMethod
}

func (c *condition) notify(q *request) error {
	n := q.in.int()
	if n < 0 {
		return fmt.Errorf("%w: notify %d", oslock.ErrValue, n)
	}
	c.lock.mu.Lock()
	defer c.lock.mu.Unlock()
	if !c.lock.locked || c.lock.owner != q.s {
		return oslock.ErrNotOwner
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	for ; n > 0; n-- {
		w := c.line.next()
		if w == nil {
			break
		}
		w.finish(nil)
	}
	return nil
}

func (c *condition) wait(q *request) error {
	l := c.lock
	l.mu.Lock()
	if !l.locked || l.owner != q.s {
		l.mu.Unlock()
		return oslock.ErrNotOwner
	}
	c.mu.Lock()
	if c.gone {
		c.mu.Unlock()
		l.mu.Unlock()
		return ErrGone
	}
	w := c.line.join(q.s)
	c.mu.Unlock()
	l.pass()
	l.mu.Unlock()
	err := w.await(q.ctx, &c.mu, func() { c.line.leave(w) })
	l.mu.Lock()
	if l.gone {
		l.mu.Unlock()
		return ErrGone
	}
	// As long as the client lives: who waits for a condition returns with its lock.
	if again := l.enter(q.s.ctx, q.s); again != nil {
		return again
	}
	return err
}

func (c *condition) delete() error {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.gone = true
	c.line.finishAll(ErrGone)
	return nil
}
