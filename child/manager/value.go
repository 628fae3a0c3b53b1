package manager

import (
	"bytes"
	"context"
	"iter"
	"sync"

	"yunta/ipc"
)

// Value is a proxy of one value on the server: Python's SyncManager.Value. Every method is one message, and atomic.
// (Processes of one machine share a value much faster by ipc.Value.)
type Value[T any] struct {
	Proxy
	codec *ipc.Codec[T]
}

// NewValue makes a value on the server.
func NewValue[T any](ctx context.Context, c *Client, v T) (*Value[T], error) {
	x := &Value[T]{codec: ipc.CodecFor[T]()}
	p, err := create(ctx, c, kindValue, func(k *call) { putLast(k, x.codec, v) })
	if err != nil {
		return nil, err
	}
	x.Proxy = p
	return x, nil
}

func (v *Value[T]) open(p Proxy) error {
	*v = Value[T]{Proxy: p, codec: ipc.CodecFor[T]()}
	return wantKind(kindValue, p.kind)
}

// UnmarshalText makes the proxy that travelled.
func (v *Value[T]) UnmarshalText(text []byte) error {
	err := v.arrive(text, kindValue)
	if err == nil {
		v.codec = ipc.CodecFor[T]()
	}
	return err
}

// Load returns the value. Python: get, and .value.
func (v *Value[T]) Load(ctx context.Context) (T, error) {
	return value(ctx, v.ask(cellGet), v.codec)
}

// Store replaces the value.
func (v *Value[T]) Store(ctx context.Context, x T) error {
	return putLast(v.ask(cellSet), v.codec, x).send(ctx)
}

// Add adds delta and returns the sum; see [Dict.Add].
func (v *Value[T]) Add(ctx context.Context, delta T) (T, error) {
	return addItem(ctx, v.ask(cellAdd), v.codec, delta)
}

// CompareAndSwap replaces the value by new if it is old, and reports whether it did.
func (v *Value[T]) CompareAndSwap(ctx context.Context, old, new T) (bool, error) {
	return truth(ctx, putLast(put(v.ask(cellSwap), v.codec, old), v.codec, new))
}

// Methods of a value.
const (
	cellGet byte = iota
	cellSet
	cellAdd
	cellSwap
	cellApply
)

// cell is a Value's object.
type cell struct {
	mu    sync.Mutex // guards value
	value []byte
}

func newCell(q *request) *cell { return &cell{value: bytes.Clone(q.in.rest())} }

func (c *cell) delete() error { return nil }

func (c *cell) call(q *request) (err error) {
	if q.method == cellApply && q.ctx == nil {
		return errWait // code of the program's own
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	in := &q.in
	next := c.value
	switch q.method {
	case cellGet:
		q.out = append(q.out, c.value...)
	case cellSet:
		next = bytes.Clone(in.rest())
	case cellAdd:
		next, err = addNumbers(in.byte(), c.value, in.rest())
		q.out = append(q.out, next...)
	case cellSwap:
		same := sameValue(in.bytes(), c.value)
		q.out = appendBool(q.out, same)
		if same {
			next = bytes.Clone(in.rest())
		}
	case cellApply:
		next, err = applyUpdate(q.ctx, in.text(), c.value, in.rest())
		q.out = append(q.out, next...)
	default:
		return ErrNoMethod
	}
	if err == nil && !in.bad {
		c.value = next
	}
	return err
}

// Array is a proxy of a list on the server whose length is fixed: Python's SyncManager.Array. What is said of [List]
// holds for it.
type Array[T any] struct {
	Proxy
	codec *ipc.Codec[T]
}

// NewArray makes an array on the server, of a copy of these items.
func NewArray[T any](ctx context.Context, c *Client, items ...T) (*Array[T], error) {
	a := &Array[T]{codec: ipc.CodecFor[T]()}
	p, err := create(ctx, c, kindArray, func(k *call) { putAll(k, a.codec, items) })
	if err != nil {
		return nil, err
	}
	a.Proxy = p
	return a, nil
}

func (a *Array[T]) open(p Proxy) error {
	*a = Array[T]{Proxy: p, codec: ipc.CodecFor[T]()}
	return wantKind(kindArray, p.kind)
}

// UnmarshalText makes the proxy that travelled.
func (a *Array[T]) UnmarshalText(text []byte) error {
	err := a.arrive(text, kindArray)
	if err == nil {
		a.codec = ipc.CodecFor[T]()
	}
	return err
}

// Len returns the number of items.
func (a *Array[T]) Len(ctx context.Context) (int, error) { return number(ctx, a.ask(listLen)) }

// At returns item i.
func (a *Array[T]) At(ctx context.Context, i int) (T, error) {
	return value(ctx, a.ask(listGet).putInt(i), a.codec)
}

// Set replaces item i.
func (a *Array[T]) Set(ctx context.Context, i int, v T) error {
	return putLast(a.ask(listSet).putInt(i), a.codec, v).send(ctx)
}

// Slice returns the items from index from to before index to; see [List.Slice].
func (a *Array[T]) Slice(ctx context.Context, from, to int) ([]T, error) {
	return many(ctx, a.ask(listSlice).putInt(from).putInt(to), a.codec)
}

// SetSlice replaces the items from index from on. If they do not fit nothing is changed: ipc.ErrIndex.
func (a *Array[T]) SetSlice(ctx context.Context, from int, items []T) error {
	return putAll(a.ask(listSetSlice).putInt(from), a.codec, items).send(ctx)
}

// Add adds delta to item i and returns the sum; see [Dict.Add].
func (a *Array[T]) Add(ctx context.Context, i int, delta T) (T, error) {
	return addItem(ctx, a.ask(listAdd).putInt(i), a.codec, delta)
}

// Items returns all items, of one moment.
func (a *Array[T]) Items(ctx context.Context) ([]T, error) { return a.Slice(ctx, 0, End) }

// All yields the items; see [List.All].
func (a *Array[T]) All(ctx context.Context) iter.Seq2[T, error] {
	return eachOf(func() ([]T, error) { return a.Items(ctx) })
}
