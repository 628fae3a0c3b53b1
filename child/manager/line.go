package manager

import (
	"context"
	"slices"
)

// line are the requests that wait for an object, the oldest first. It is guarded by the object's lock.
type line []*waiter

// waiter is one of them. Its fields are guarded by the object's lock, and err and item may be read once ready is closed.
type waiter struct {
	s     *session
	who   uint64 // of the session, where that matters
	ready chan struct{}
	done  bool   // ready is closed: what it waited for is its own, or err is set
	err   error  // why it has waited in vain
	item  []byte // from or for a queue
}

func newWaiter(s *session) *waiter { return &waiter{s: s, ready: make(chan struct{})} }

// join puts a new waiter at the end.
func (l *line) join(s *session) *waiter {
	w := newWaiter(s)
	*l = append(*l, w)
	return w
}

// next takes the oldest out, nil if there is none.
func (l *line) next() *waiter {
	if len(*l) == 0 {
		return nil
	}
	w := (*l)[0]
	(*l)[0] = nil
	*l = (*l)[1:]
	return w
}

func (l *line) leave(w *waiter) {
	if i := slices.Index(*l, w); i >= 0 {
		*l = slices.Delete(*l, i, i+1)
	}
}

// finish ends the waiting of w.
func (w *waiter) finish(err error) {
	w.done, w.err = true, err
	close(w.ready)
}

// finishAll ends the waiting of all.
func (l *line) finishAll(err error) {
	for w := l.next(); w != nil; w = l.next() {
		w.finish(err)
	}
}

// locker is a mutex.
type locker interface {
	Lock()
	Unlock()
}

// await waits until w is finished or ctx ends. In that case leave takes w out, with mu held; but what was finished just
// before was finished.
func (w *waiter) await(ctx context.Context, mu locker, leave func()) error {
	select {
	case <-w.ready:
		return w.err
	case <-ctx.Done():
	}
	mu.Lock()
	defer mu.Unlock()
	if w.done {
		return w.err
	}
	leave()
	return context.Cause(ctx)
}
