package ipc

import (
	"context"
	"fmt"
	"reflect"
	"sync"
	"syscall"
	"time"
)

// Waiter is what [Wait] waits for: a [Conn], a [Listener], what [WaitFile] makes
// of a file, or a type of another package.
type Waiter interface {
	// Readiness says whether the Waiter is ready, and how to find out later. Wait
	// calls it at its start and whenever something has happened.
	Readiness() Readiness
}

// Readiness says whether something is ready, or else what it depends on. More
// than one field may be set: any of them makes it ready.
type Readiness struct {
	// Now says that it is ready.
	Now bool
	// Done makes it ready when it is closed, such as when a process has ended.
	// Nothing must be sent on it: Wait would take it.
	Done <-chan struct{}
	// File makes it ready when it can be read, or has ended. It must not be closed
	// before Wait has returned.
	File syscall.RawConn
}

// WaitFile makes a Waiter of anything that has a descriptor which poll(2) knows,
// such as an *os.File or a *net.TCPConn. It is ready when a read would return at
// once. f must not be closed during Wait.
func WaitFile(f syscall.Conn) (Waiter, error) {
	raw, err := f.SyscallConn()
	if err != nil {
		return nil, fmt.Errorf("ipc: to wait for a file: %w", err)
	}
	return fileWaiter{raw}, nil
}

type fileWaiter struct{ raw syscall.RawConn }

func (f fileWaiter) Readiness() Readiness { return Readiness{File: f.raw} }

// Wait blocks until at least one of ws is ready and returns all that are, in
// their order. Its Python counterpart is multiprocessing.connection.wait.
//
// A connection is ready when receiving would find bytes of a message, or the end;
// one that this process has closed is ready, too. A listener is ready when Accept
// would return at once. Nothing is taken away.
//
// When ctx ends, and if it has ended already, what is ready then is returned; with
// nothing ready the error is that of ctx. So a context that has ended looks once.
// Without any Waiter, Wait waits for ctx.
func Wait(ctx context.Context, ws ...Waiter) (ready []Waiter, err error) {
	ready, err = waitUntil(ctx, nil, ws)
	if err == nil && len(ready) == 0 {
		err = ctx.Err()
	}
	return ready, err
}

// Readiness is for [Wait].
func (c *Conn) Readiness() Readiness {
	if c.closed.Load() {
		return Readiness{Now: true}
	}
	if !c.rmu.TryLock() {
		// Somebody receives, and will wake us if more is left than was wanted.
		return Readiness{File: c.raw}
	}
	now := c.in.ready()
	c.rmu.Unlock() // not release: nothing has changed
	return Readiness{Now: now, File: c.raw}
}

// watched is a Waiter of this package, which calls a waker by itself.
type watched interface{ watchers() *wakers }

func (c *Conn) watchers() *wakers { return &c.wakers }

// waitUntil waits for ctx, and until the moment if there is one. At the end of
// either it returns with nothing.
func waitUntil(ctx context.Context, until *time.Time, ws []Waiter) (ready []Waiter, err error) {
	q := query{ws: ws}
	if ready, err = q.ask(0); len(ready) > 0 || err != nil {
		return ready, err
	}
	if ctx.Err() != nil || until != nil && time.Until(*until) <= 0 {
		return nil, nil
	}
	w, err := newWaker()
	if err != nil {
		return nil, fmt.Errorf("ipc: to wait: %w", err)
	}
	q.waker = w
	defer q.end()
	stop := context.AfterFunc(ctx, w.wake)
	defer stop()
	for _, o := range ws {
		if o, ok := o.(watched); ok {
			o.watchers().add(w)
			defer o.watchers().remove(w)
		}
	}
	for {
		timeout := time.Duration(-1)
		if until != nil {
			timeout = max(0, time.Until(*until))
		}
		ready, err = q.ask(timeout)
		if len(ready) > 0 || err != nil || timeout == 0 || ctx.Err() != nil {
			return ready, err
		}
		w.drain()
	}
}

// query is one call of Wait.
type query struct {
	ws    []Waiter
	waker *waker // nil: look once
	polls []pollEntry
	quit  chan struct{} // ends watch
	gone  chan struct{} // closed when watch has ended
}

// pollEntry is a descriptor to poll for the Waiter at an index.
type pollEntry struct {
	fd    int
	index int
	ready bool
}

// ask returns who is ready, after timeout at the latest; below 0 is no limit.
func (q *query) ask(timeout time.Duration) ([]Waiter, error) {
	ready := make([]bool, len(q.ws))
	some := false
	q.polls = q.polls[:0]
	var raws []syscall.RawConn
	var dones []<-chan struct{}
	for i, w := range q.ws {
		r := w.Readiness()
		if r.Done != nil {
			select {
			case <-r.Done:
				r.Now = true
			default:
				dones = append(dones, r.Done)
			}
		}
		if r.Now {
			ready[i], some = true, true
			continue
		}
		if r.File != nil {
			raws = append(raws, r.File)
			q.polls = append(q.polls, pollEntry{index: i})
		}
	}
	if some {
		timeout = 0
	}
	if timeout != 0 && len(dones) > 0 && q.quit == nil {
		q.quit, q.gone = make(chan struct{}), make(chan struct{})
		go watch(q.waker, dones, q.quit, q.gone)
	}
	if err := q.hold(raws, 0, timeout); err != nil {
		return nil, err
	}
	for _, p := range q.polls {
		if p.ready {
			ready[p.index] = true
		}
	}
	var found []Waiter
	for i, w := range q.ws {
		if ready[i] {
			found = append(found, w)
		}
	}
	return found, nil
}

// hold keeps the descriptors from number i on from being closed, and their
// numbers from being used again, and polls them all.
func (q *query) hold(raws []syscall.RawConn, i int, timeout time.Duration) (err error) {
	if i == len(raws) {
		return pollAll(q.polls, q.waker, timeout)
	}
	cerr := raws[i].Control(func(fd uintptr) {
		q.polls[i].fd = int(fd)
		err = q.hold(raws, i+1, timeout)
	})
	if cerr != nil { // closed: whoever reads finds out at once
		q.polls[i].fd, q.polls[i].ready = -1, true
		return q.hold(raws, i+1, 0)
	}
	return err
}

func (q *query) end() {
	if q.quit != nil {
		close(q.quit)
		<-q.gone
	}
	q.waker.close()
}

// watch wakes w when one of the channels is closed.
func watch(w *waker, dones []<-chan struct{}, quit <-chan struct{}, gone chan<- struct{}) {
	defer close(gone)
	cases := make([]reflect.SelectCase, 0, len(dones)+1)
	cases = append(cases, reflect.SelectCase{Dir: reflect.SelectRecv, Chan: reflect.ValueOf(quit)})
	for _, done := range dones {
		cases = append(cases, reflect.SelectCase{Dir: reflect.SelectRecv, Chan: reflect.ValueOf(done)})
	}
	if chosen, _, _ := reflect.Select(cases); chosen > 0 {
		w.wake()
	}
}

// wakers are the calls of Wait that wait for one object.
type wakers struct {
	mu  sync.Mutex
	set map[*waker]int // how often each was added
}

func (ws *wakers) add(w *waker) {
	ws.mu.Lock()
	defer ws.mu.Unlock()
	if ws.set == nil {
		ws.set = make(map[*waker]int)
	}
	ws.set[w]++
}

func (ws *wakers) remove(w *waker) {
	ws.mu.Lock()
	defer ws.mu.Unlock()
	if ws.set[w]--; ws.set[w] <= 0 {
		delete(ws.set, w)
	}
}

func (ws *wakers) wake() {
	ws.mu.Lock()
	defer ws.mu.Unlock()
	for w := range ws.set {
		w.wake()
	}
}
