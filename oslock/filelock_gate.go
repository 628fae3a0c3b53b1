package oslock

import (
	"context"
	"slices"
	"sync"
)

// fileGate lets goroutines at a FileLock: one alone, or several that share. The kernel cannot do this,
// since to it the goroutines of one handle are one owner. Those who must wait are let in as they came.
type fileGate struct {
	mu     sync.Mutex // guards all below
	inside int        // how many are in; -1 is one alone
	queue  []*fileGateWaiter
}

type fileGateWaiter struct {
	shared bool
	in     chan struct{} // closed, with mu held, when the waiter is let in
}

// enter waits to be let in, until ctx ends or closed is closed.
func (g *fileGate) enter(ctx context.Context, closed <-chan struct{}, shared bool) error {
	g.mu.Lock()
	if g.open(shared) {
		g.admit(shared)
		g.mu.Unlock()
		return nil
	}
	w := &fileGateWaiter{shared: shared, in: make(chan struct{})}
	g.queue = append(g.queue, w)
	g.mu.Unlock()

	var err error
	select {
	case <-w.in:
		return nil
	case <-ctx.Done():
		err = ctx.Err()
	case <-closed:
		err = ErrClosed
	}
	g.mu.Lock()
	defer g.mu.Unlock()
	if i := slices.Index(g.queue, w); i >= 0 {
		g.queue = slices.Delete(g.queue, i, i+1)
		g.advance() // those behind may have waited for this one alone
	} else {
		g.release() // let in meanwhile
	}
	return err
}

// try lets the caller in if it need not wait.
func (g *fileGate) try(shared bool) bool {
	g.mu.Lock()
	defer g.mu.Unlock()
	if !g.open(shared) {
		return false
	}
	g.admit(shared)
	return true
}

// leave lets the next ones in.
func (g *fileGate) leave() {
	g.mu.Lock()
	defer g.mu.Unlock()
	g.release()
}

// open says whether a newcomer may go in: never past others who wait.
func (g *fileGate) open(shared bool) bool {
	return len(g.queue) == 0 && (g.inside == 0 || shared && g.inside > 0)
}

func (g *fileGate) admit(shared bool) {
	if shared {
		g.inside++
	} else {
		g.inside = -1
	}
}

func (g *fileGate) release() {
	if g.inside < 0 {
		g.inside = 0
	} else {
		g.inside--
	}
	g.advance()
}

// advance lets in as many from the head of the queue as go together.
func (g *fileGate) advance() {
	for len(g.queue) > 0 {
		w := g.queue[0]
		if g.inside < 0 || g.inside > 0 && !w.shared {
			return
		}
		g.queue = slices.Delete(g.queue, 0, 1)
		g.admit(w.shared)
		close(w.in)
	}
}
