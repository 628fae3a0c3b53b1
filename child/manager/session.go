package manager

import (
	"context"
	"encoding/binary"
	"errors"
	"os"
	"slices"
	"sync"

	"yunta/child"
	"yunta/ipc"
)

// session is the server's side of one client.
type session struct {
	server *Server
	conn   *ipc.Conn
	ctx    context.Context // ends with the client
	cancel context.CancelFunc
	out    []byte         // of serve, a reply
	now    request        // of serve, for those that need not wait
	all    sync.WaitGroup // requests in goroutines of their own

	mu      sync.Mutex // guards what follows
	waiting map[uint64]context.CancelFunc
	holding map[releaser]struct{}
	ends    map[*ending]struct{}
	ended   bool
}

// request is one under way.
type request struct {
	ctx    context.Context // nil if it must not wait
	s      *session
	method byte
	in     reader
	out    []byte // the results are appended
	undo   func() // called when the reply cannot be sent
}

// ending is what a method wants to be called at the session's end.
type ending struct{ f func() }

func newSession(s *Server, conn *ipc.Conn) *session {
	n := &session{server: s, conn: conn, waiting: map[uint64]context.CancelFunc{}, holding: map[releaser]struct{}{}}
	n.ctx, n.cancel = context.WithCancel(s.ctx)
	return n
}

// serve is a session's life.
func (n *session) serve() {
	defer n.end()
	hello := binary.AppendUvarint([]byte(greeting), WireVersion)
	hello = appendBytes(appendBytes(hello, n.server.id), n.server.home.Path())
	if n.conn.SendBytes(hello) != nil {
		return
	}
	n.conn.SetSpin(spinTime)
	buf := make([]byte, keepFrame)
	for {
		frame, err := recvInto(n.conn, buf)
		if err != nil {
			if n.ctx.Err() == nil && (errors.Is(err, ipc.ErrCorrupt) || errors.Is(err, ipc.ErrTooLarge)) {
				n.server.o.Logger.Warn("manager: a client is dropped", "error", err)
			}
			return
		}
		if !n.take(frame) {
			n.server.o.Logger.Warn("manager: a client is dropped", "error", ErrProtocol)
			return
		}
	}
}

// take carries a request out, or starts to. It reports false for what is none.
func (n *session) take(frame []byte) bool {
	r := reader{b: frame}
	id, object, method := r.uint(), r.uint(), r.byte()
	if r.bad || id == 0 {
		return false
	}
	q := &n.now
	*q = request{s: n, method: method, in: r, out: n.begin(id)}
	err := n.carryOut(object, q)
	if err == errWait {
		n.start(id, object, method, slices.Clone(r.b))
		return true
	}
	n.reply(id, q, err)
	n.out = q.out[:0]
	if cap(n.out) > keepFrame {
		n.out = nil
	}
	if object == 0 && method == serverShutdown && err == nil {
		go func() { _ = n.server.Close() }() // it waits for this session
	}
	return true
}

// begin begins a reply in the session's memory.
func (n *session) begin(id uint64) []byte {
	return append(binary.AppendUvarint(n.out[:0], id), statusOK)
}

// start carries a request out that may wait.
func (n *session) start(id, object uint64, method byte, in []byte) {
	ctx, cancel := context.WithCancel(n.ctx)
	n.mu.Lock()
	n.waiting[id] = cancel
	n.mu.Unlock()
	n.all.Go(func() {
		q := &request{ctx: ctx, s: n, method: method, in: reader{b: in}}
		q.out = append(binary.AppendUvarint(nil, id), statusOK)
		err := n.carryOut(object, q)
		n.mu.Lock()
		delete(n.waiting, id)
		n.mu.Unlock()
		cancel()
		n.reply(id, q, err)
	})
}

// reply sends the reply, and undoes what nobody will hear of.
func (n *session) reply(id uint64, q *request, err error) {
	if err == nil {
		err = q.in.err()
	}
	out := q.out
	if err != nil {
		out = append(binary.AppendUvarint(nil, id), statusError)
		out = append(out, child.EncodeError(err)...)
	}
	// Whether the client is gone is asked before: one that has its reply may go as soon as it likes.
	if n.ctx.Err() != nil || n.conn.SendBytes(out) != nil {
		if q.undo != nil && err == nil {
			q.undo()
		}
		_ = n.conn.Close() // the client would wait for this reply
	}
}

func (n *session) carryOut(id uint64, q *request) error {
	if id == 0 {
		return n.ofServer(q)
	}
	o, err := n.server.objects.get(id)
	if err != nil {
		return err
	}
	return o.call(q)
}

// ofServer carries out what is asked of the server itself.
func (n *session) ofServer(q *request) error {
	t := &n.server.objects
	switch q.method {
	case serverCreate:
		o, err := n.server.make(q.in.text(), q)
		if err == nil {
			err = q.in.err()
		}
		if err != nil {
			return err
		}
		id := t.add(o)
		q.out = binary.AppendUvarint(q.out, id)
		q.undo = func() { n.server.unmake(id) } // nobody would know of it
	case serverCancel:
		n.mu.Lock()
		cancel := n.waiting[q.in.uint()]
		n.mu.Unlock()
		if cancel != nil {
			cancel()
		}
	case serverDelete:
		id := q.in.uint()
		if o, err := t.get(id); err == nil && q.ctx == nil && runsCode(o) {
			return errWait
		}
		o, err := t.remove(id)
		if err != nil {
			return err
		}
		n.server.forget(o)
		return o.delete()
	case serverPublish:
		return t.publish(q.in.uint(), q.in.text())
	case serverUnpublish:
		return t.unpublish(q.in.text())
	case serverFind:
		id, o, err := t.find(q.in.text())
		if err != nil {
			return err
		}
		q.out = appendBytes(binary.AppendUvarint(q.out, id), kindOf(o))
	case serverStats:
		for _, v := range []int{os.Getpid(), t.len(), n.server.clients()} {
			q.out = binary.AppendVarint(q.out, int64(v))
		}
	case serverPing, serverShutdown:
	default:
		return ErrNoMethod
	}
	return nil
}

// holds notes that the session may hold something of an object, or is about to. Only its own requests call it, so
// that it is done before they have ended.
func (n *session) holds(o releaser) {
	n.mu.Lock()
	defer n.mu.Unlock()
	n.holding[o] = struct{}{}
}

// forget says that an object is gone.
func (n *session) forget(o releaser) {
	n.mu.Lock()
	defer n.mu.Unlock()
	delete(n.holding, o)
}

// atEnd has f called when the session ends, unless it is taken back; at once if it has ended.
func (n *session) atEnd(f func()) (takeBack func()) {
	e := &ending{f}
	n.mu.Lock()
	if n.ended {
		n.mu.Unlock()
		f()
		return func() {}
	}
	defer n.mu.Unlock()
	if n.ends == nil {
		n.ends = map[*ending]struct{}{}
	}
	n.ends[e] = struct{}{}
	return func() {
		n.mu.Lock()
		defer n.mu.Unlock()
		delete(n.ends, e)
	}
}

// end gives back all that the client held. Requests end first: what one of them got just now is held, too.
func (n *session) end() {
	n.cancel()
	_ = n.conn.Close()
	n.all.Wait()
	n.mu.Lock()
	holding, ends := n.holding, n.ends
	n.holding, n.ends, n.ended = nil, nil, true
	n.mu.Unlock()
	for o := range holding {
		o.release(n)
	}
	for e := range ends {
		e.f()
	}
	n.server.left(n)
}
