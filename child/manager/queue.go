package manager

import (
	"context"

	"yunta/ipc"
)

// QueueOptions are the settings of [NewQueue]. The zero value is the recommended one.
type QueueOptions struct {
	// MaxSize is how many items the queue holds before Put waits; 0 means that the server's memory is the limit.
	MaxSize int
	// Leased has every item that a client has got stay the queue's until the client has called TaskDone for it: if the
	// client ends first, the item comes back, before all others, and another gets it. Then a client must call TaskDone
	// for each item, in the order in which it got them.
	Leased bool
}

// Queue is a proxy of a queue on the server, first in, first out: Python's SyncManager.Queue and JoinableQueue. Who waits
// longest is next. (Processes of one machine share an ipc.Queue, which is much faster.)
//
// A client that ends while it waits is next no more. An item for which the reply could not be sent goes back; one
// that a client was just being sent when it was killed is lost with it, unless the queue is Leased.
type Queue[T any] struct {
	Proxy
	codec *ipc.Codec[T]
}

// NewQueue makes a queue on the server.
func NewQueue[T any](ctx context.Context, c *Client, o QueueOptions) (*Queue[T], error) {
	p, err := create(ctx, c, kindQueue, func(k *call) { k.putInt(o.MaxSize).putBool(o.Leased) })
	if err != nil {
		return nil, err
	}
	return &Queue[T]{p, ipc.CodecFor[T]()}, nil
}

func (q *Queue[T]) open(p Proxy) error {
	*q = Queue[T]{p, ipc.CodecFor[T]()}
	return wantKind(kindQueue, p.kind)
}

// UnmarshalText makes the proxy that travelled.
func (q *Queue[T]) UnmarshalText(text []byte) error {
	err := q.arrive(text, kindQueue)
	if err == nil {
		q.codec = ipc.CodecFor[T]()
	}
	return err
}

// Put puts v into the queue. It waits while the queue is full; the end of ctx ends the wait, and nothing was put. A
// closed queue is ipc.ErrClosed.
func (q *Queue[T]) Put(ctx context.Context, v T) error {
	return putLast(q.ask(queuePut), q.codec, v).send(ctx)
}

// TryPut is Put that returns ipc.ErrFull rather than wait.
func (q *Queue[T]) TryPut(ctx context.Context, v T) error {
	return putLast(q.ask(queueTryPut), q.codec, v).send(ctx)
}

// Get takes the oldest item out of the queue. It waits while there is none; the end of ctx ends the wait. A queue that
// is closed and empty is ipc.ErrClosed. With ipc.ErrDecode the item is taken out, and lost.
func (q *Queue[T]) Get(ctx context.Context) (T, error) { return value(ctx, q.ask(queueGet), q.codec) }

// TryGet is Get that returns ipc.ErrEmpty rather than wait.
func (q *Queue[T]) TryGet(ctx context.Context) (T, error) {
	return value(ctx, q.ask(queueTryGet), q.codec)
}

// Len returns how many items there are to get. It may have changed when it is read.
func (q *Queue[T]) Len(ctx context.Context) (int, error) {
	n, _, err := q.size(ctx)
	return n, err
}

// Empty reports whether there is nothing to get.
func (q *Queue[T]) Empty(ctx context.Context) (bool, error) {
	n, _, err := q.size(ctx)
	return n == 0, err
}

// Full reports whether Put would wait.
func (q *Queue[T]) Full(ctx context.Context) (bool, error) {
	n, most, err := q.size(ctx)
	return most > 0 && n >= most, err
}

func (q *Queue[T]) size(ctx context.Context) (n, most int, err error) {
	k := q.ask(queueSize)
	defer k.free()
	if err := k.do(ctx); err != nil {
		return 0, 0, err
	}
	n, most = k.int(), k.int()
	return n, most, k.reader.err()
}

// TaskDone says that what was to be done about an item that was got is done. Once more than there were items is
// [ErrTooOften].
func (q *Queue[T]) TaskDone(ctx context.Context) error { return q.ask(queueTaskDone).send(ctx) }

// Wait waits until TaskDone was called for every item that was put. The end of ctx ends the wait. Python: join.
func (q *Queue[T]) Wait(ctx context.Context) error { return q.ask(queueWait).send(ctx) }

// Close closes the queue for all: those who wait to put, and who want to, get ipc.ErrClosed, and those who get do
// once nothing is left. Closing again does nothing.
func (q *Queue[T]) Close(ctx context.Context) error { return q.ask(queueClose).send(ctx) }
