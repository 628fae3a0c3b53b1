package manager

import (
	"bytes"
	"encoding/binary"
	"fmt"
	"sync"

	"yunta/ipc"
	"yunta/oslock"
)

// Methods of a queue.
const (
	queuePut byte = iota
	queueTryPut
	queueGet
	queueTryGet
	queueSize
	queueTaskDone
	queueWait
	queueClose
)

// queue is a Queue's object.
type queue struct {
	max    int // 0 if there is no limit
	leased bool

	mu         sync.Mutex            // guards what follows
	items      deque                 // empty while somebody waits to get
	getters    line                  // empty while there are items
	putters    line                  // empty while there is room; with their items
	joiners    line                  // empty while nothing is unfinished
	unfinished int                   // items that were put and not done
	leases     map[*session][][]byte // what was got and is not done, the oldest first
	closed     bool
	gone       bool
}

func newQueue(q *request) (object, error) {
	o := &queue{max: q.in.int(), leased: q.in.bool()}
	if o.max < 0 {
		return nil, fmt.Errorf("%w: a queue with MaxSize %d", oslock.ErrValue, o.max)
	}
	return o, nil
}

func (o *queue) call(q *request) error {
	o.mu.Lock()
	if o.gone {
		o.mu.Unlock()
		return ErrGone
	}
	var w *waiter
	var of *line
	switch q.method {
	case queuePut, queueTryPut:
		switch {
		case o.closed:
			o.mu.Unlock()
			return errQueueClosed
		case o.max > 0 && o.items.len() >= o.max:
			if q.method == queueTryPut {
				o.mu.Unlock()
				return ipc.ErrFull
			}
			of = &o.putters
		}
	case queueGet, queueTryGet:
		switch {
		case o.items.len() > 0:
		case o.closed:
			o.mu.Unlock()
			return errQueueClosed
		case q.method == queueTryGet:
			o.mu.Unlock()
			return ipc.ErrEmpty
		default:
			of = &o.getters
		}
	case queueWait:
		if o.unfinished > 0 {
			of = &o.joiners
		}
	}
	if of == nil {
		defer o.mu.Unlock()
		return o.now(q)
	}
	if q.ctx == nil {
		o.mu.Unlock()
		return errWait
	}
	if q.method == queueGet && o.leased {
		q.s.holds(o)
	}
	w = of.join(q.s)
	if q.method == queuePut {
		w.item = bytes.Clone(q.in.rest())
	}
	o.mu.Unlock()
	if err := w.await(q.ctx, &o.mu, func() { of.leave(w) }); err != nil {
		return err
	}
	if q.method == queueGet {
		o.hand(q, w.item)
	}
	return nil
}

var errQueueClosed = fmt.Errorf("manager: the queue: %w", ipc.ErrClosed)

// now carries out what need not wait. mu is held.
func (o *queue) now(q *request) error {
	switch q.method {
	case queuePut, queueTryPut:
		o.add(bytes.Clone(q.in.rest()))
	case queueGet, queueTryGet:
		item := o.items.pop()
		if o.leased {
			q.s.holds(o)
			o.lease(q.s, item)
		}
		o.room()
		o.hand(q, item)
	case queueSize:
		q.out = binary.AppendVarint(q.out, int64(o.items.len()))
		q.out = binary.AppendVarint(q.out, int64(o.max))
	case queueTaskDone:
		if o.leased {
			mine := o.leases[q.s]
			if len(mine) == 0 {
				return ErrTooOften
			}
			o.leases[q.s] = mine[1:]
		} else if o.unfinished == 0 {
			return ErrTooOften
		}
		if o.unfinished--; o.unfinished == 0 {
			o.joiners.finishAll(nil)
		}
	case queueWait: // there is nothing unfinished
	case queueClose:
		o.closed = true
		o.putters.finishAll(errQueueClosed)
		o.getters.finishAll(errQueueClosed)
	default:
		return ErrNoMethod
	}
	return nil
}

// add puts an item in, or gives it to who waits for it. mu is held.
func (o *queue) add(item []byte) {
	o.unfinished++
	o.offer(item)
}

// offer is add for an item that counts already, which goes before all others.
func (o *queue) offer(item []byte) {
	w := o.getters.next()
	if w == nil {
		o.items.push(item)
		return
	}
	w.item = item
	if o.leased {
		o.lease(w.s, item)
	}
	w.finish(nil)
}

func (o *queue) lease(s *session, item []byte) {
	if o.leases == nil {
		o.leases = map[*session][][]byte{}
	}
	o.leases[s] = append(o.leases[s], item)
}

// room lets those who wait put, as far as there is room. mu is held.
func (o *queue) room() {
	for o.max == 0 || o.items.len() < o.max {
		w := o.putters.next()
		if w == nil {
			return
		}
		o.add(w.item)
		w.finish(nil)
	}
}

// hand gives an item to a client, or takes it back if it cannot be sent.
func (o *queue) hand(q *request, item []byte) {
	q.out = append(q.out, item...)
	if o.leased {
		return // release does that
	}
	q.undo = func() {
		o.mu.Lock()
		defer o.mu.Unlock()
		o.back(item)
	}
}

// back puts an item before all others. mu is held.
func (o *queue) back(item []byte) {
	if len(o.getters) > 0 {
		o.offer(item)
		return
	}
	o.items.unpop(item)
}

func (o *queue) release(s *session) {
	o.mu.Lock()
	defer o.mu.Unlock()
	mine := o.leases[s]
	delete(o.leases, s)
	for i := len(mine) - 1; i >= 0; i-- {
		o.items.unpop(mine[i])
	}
	// Put back first and given out then, so that the oldest is the first to go.
	for len(o.getters) > 0 && o.items.len() > 0 {
		o.offer(o.items.pop())
	}
}

func (o *queue) delete() error {
	o.mu.Lock()
	defer o.mu.Unlock()
	o.gone = true
	for _, l := range []*line{&o.putters, &o.getters, &o.joiners} {
		l.finishAll(ErrGone)
	}
	return nil
}

// deque is a queue of items in a ring.
type deque struct {
	ring [][]byte // of a power of two, or none
	head int
	n    int
}

func (d *deque) len() int { return d.n }

func (d *deque) grow() {
	if d.n < len(d.ring) {
		return
	}
	ring := make([][]byte, max(8, 2*len(d.ring)))
	for i := range d.n {
		ring[i] = d.ring[(d.head+i)&(len(d.ring)-1)]
	}
	d.ring, d.head = ring, 0
}

func (d *deque) push(item []byte) {
	d.grow()
	d.ring[(d.head+d.n)&(len(d.ring)-1)] = item
	d.n++
}

func (d *deque) unpop(item []byte) {
	d.grow()
	d.head = (d.head - 1) & (len(d.ring) - 1)
	d.ring[d.head] = item
	d.n++
}

func (d *deque) pop() []byte {
	item := d.ring[d.head]
	d.ring[d.head] = nil
	d.head = (d.head + 1) & (len(d.ring) - 1)
	d.n--
	if d.n == 0 && len(d.ring) > 1024 {
		*d = deque{} // what a long queue needed is not kept for ever
	}
	return item
}
