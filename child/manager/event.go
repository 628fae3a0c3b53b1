package manager

import (
	"context"
	"sync"
)

// Event is a proxy of a flag on the server that one can wait for: Python's SyncManager.Event.
type Event struct{ Proxy }

// NewEvent makes an event on the server, not set.
func NewEvent(ctx context.Context, c *Client) (*Event, error) {
	p, err := create(ctx, c, kindEvent, nil)
	if err != nil {
		return nil, err
	}
	return &Event{p}, nil
}

func (e *Event) open(p Proxy) error {
	e.Proxy = p
	return wantKind(kindEvent, p.kind)
}

// UnmarshalText makes the proxy that travelled.
func (e *Event) UnmarshalText(text []byte) error { return e.arrive(text, kindEvent) }

// Set sets the event: all who wait go on.
func (e *Event) Set(ctx context.Context) error { return e.ask(eventSet).send(ctx) }

// Clear sets it back.
func (e *Event) Clear(ctx context.Context) error { return e.ask(eventClear).send(ctx) }

// IsSet reports whether it is set. It may have changed when it is read.
func (e *Event) IsSet(ctx context.Context) (bool, error) { return truth(ctx, e.ask(eventIsSet)) }

// Wait waits until the event is set; who waits when it is set goes on even if it is cleared at once. The end of ctx ends
// the wait.
func (e *Event) Wait(ctx context.Context) error { return e.ask(eventWait).send(ctx) }

// Methods of an event.
const (
	eventSet byte = iota
	eventClear
	eventIsSet
	eventWait
)

// event is an Event's object.
type event struct {
	mu   sync.Mutex // guards what follows
	set  bool
	line line
	gone bool
}

func (e *event) call(q *request) error {
	e.mu.Lock()
	if e.gone {
		e.mu.Unlock()
		return ErrGone
	}
	if q.method == eventWait && !e.set {
		if q.ctx == nil {
			e.mu.Unlock()
			return errWait
		}
		w := e.line.join(q.s)
		e.mu.Unlock()
		return w.await(q.ctx, &e.mu, func() { e.line.leave(w) })
	}
	defer e.mu.Unlock()
	switch q.method {
	case eventSet:
		e.set = true
		e.line.finishAll(nil)
	case eventClear:
		e.set = false
	case eventIsSet:
		q.out = appendBool(q.out, e.set)
	case eventWait: // it is set
	default:
		return ErrNoMethod
	}
	return nil
}

func (e *event) delete() error {
	e.mu.Lock()
	defer e.mu.Unlock()
	e.gone = true
	e.line.finishAll(ErrGone)
	return nil
}
