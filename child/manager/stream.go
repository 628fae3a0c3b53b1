package manager

import (
	"context"
	"encoding/binary"
	"iter"
	"sync"

	"yunta/ipc"
)

const (
	// A stream's reply has as many values as there are within streamBytes and streamItems.
	streamBytes = 32 << 10
	streamItems = 256
)

// Stream is a method of a type's objects that yields values one by one: where Python returns a proxy of an iterator.
type Stream[T, A, R any] struct {
	name    string
	args    func() *ipc.Codec[A]
	results func() *ipc.Codec[R]
}

// RegisterStream makes a method known that returns a sequence, where its type is registered. A name that is empty or
// taken panics. The sequence is ranged over on the server, as the caller ranges over what it gets; a few values are sent ahead.
func RegisterStream[T, A, R, M any](t Type[T, M], name string, f func(ctx context.Context, o T, arg A) iter.Seq2[R, error]) Stream[T, A, R] {
	m := Stream[T, A, R]{name, sync.OnceValue(ipc.CodecFor[A]), sync.OnceValue(ipc.CodecFor[R])}
	t.d.add(name, method{stream: func(ctx context.Context, o any, arg []byte) (*stream, error) {
		a, err := decode(m.args(), arg)
		if err != nil {
			return nil, err
		}
		next, stop := iter.Pull2(f(ctx, o.(T), a))
		return &stream{stop: stop, next: func() (b []byte, more bool, err error) {
			r, err, more := next()
			if more && err == nil {
				b, err = m.results().Append(nil, r)
			}
			return b, more, err
		}}, nil
	}})
	return m
}

// Call returns the sequence, which begins when it is ranged over. An error ends it, with a zero value. When the range ends
// early, or the client does, so does the sequence on the server.
func (m Stream[T, A, R]) Call(ctx context.Context, o *Object[T], arg A) iter.Seq2[R, error] {
	return func(yield func(R, error) bool) {
		var zero R
		k := putLast(o.ask(objectStream).putText(m.name), m.args(), arg)
		err := k.do(ctx)
		id := k.uint()
		k.free()
		if err != nil {
			yield(zero, err)
			return
		}
		s := Proxy{c: o.c, id: id}
		defer func() { _ = s.Unlink(context.WithoutCancel(ctx)) }() // with a lost connection it is gone
		for more := true; more; {
			var values []R
			var err error
			if values, more, err = m.next(ctx, &s); err != nil {
				yield(zero, err)
				return
			}
			for _, v := range values {
				if !yield(v, nil) {
					return
				}
			}
		}
	}
}

func (m Stream[T, A, R]) next(ctx context.Context, s *Proxy) (values []R, more bool, err error) {
	k := s.ask(objectNext)
	defer k.free()
	if err := k.do(ctx); err != nil {
		return nil, false, err
	}
	more = k.bool()
	values, err = all(k, m.results())
	return values, more, err
}

// stream is a sequence that is ranged over on the server: an object of its own, that its session holds.
type stream struct {
	stop   func()
	next   func() (b []byte, more bool, err error)
	server *Server
	cancel context.CancelFunc
	forget func() // what the session was to do at its end

	mu     sync.Mutex // guards what follows, and is held to call next and stop
	failed error      // what the values before it were sent without
	over   bool
}

// begin starts a sequence.
func (i *instance) begin(q *request) error {
	m, err := i.of.find(q.in.text())
	if err == nil && m.stream == nil {
		err = ErrNoMethod
	}
	if err != nil {
		return err
	}
	// Its context is the client's, not that of this request, which ends now.
	ctx, cancel := context.WithCancel(context.WithValue(q.s.ctx, sessionKey{}, q.s))
	arg := q.in.rest()
	s, err := detached(q, func(context.Context) (*stream, error) { return m.stream(ctx, i.o, arg) }, nil)
	if err != nil {
		cancel()
		return err
	}
	s.cancel, s.server = cancel, q.s.server
	t := &q.s.server.objects
	id := t.add(s)
	s.forget = q.s.atEnd(func() {
		if o, err := t.remove(id); err == nil {
			_ = o.delete()
		}
	})
	q.out = binary.AppendUvarint(q.out, id)
	return nil
}

func (s *stream) call(q *request) error {
	if q.method != objectNext {
		return ErrNoMethod
	}
	if q.ctx == nil {
		return errWait
	}
	out, err := detached(q, func(context.Context) ([]byte, error) { return s.batch() }, nil)
	q.out = append(q.out, out...)
	return err
}

// batch returns the next values.
func (s *stream) batch() ([]byte, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	var items [][]byte
	for size := 0; !s.over && s.failed == nil && len(items) < streamItems && size < streamBytes; {
		b, more, err := s.next()
		switch {
		case !more:
			s.over = true
		case err != nil:
			s.failed, s.over = err, true
		default:
			items = append(items, b)
			size += len(b)
		}
	}
	if s.failed != nil && len(items) == 0 {
		return nil, s.failed
	}
	return appendAll(appendBool(nil, !s.over || s.failed != nil), items), nil
}

// delete ends the sequence, once the values that it is asked for have come.
func (s *stream) delete() error {
	s.cancel()
	if s.forget != nil {
		s.forget()
	}
	s.server.all.Go(func() {
		s.mu.Lock()
		defer s.mu.Unlock()
		s.over = true
		_, _ = safely(func() (struct{}, error) { s.stop(); return struct{}{}, nil })
	})
	return nil
}
