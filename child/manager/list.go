package manager

import (
	"context"
	"iter"
	"math"

	"yunta/ipc"
)

// End is an index behind the last item, for [List.Slice] and others: Python's l[2:] is l.Slice(ctx, 2, manager.End).
const End = math.MaxInt

// List is a proxy of a list on the server: Python's SyncManager.list. Every method is one message, and atomic. What is
// returned is a copy. An index below 0 counts from the end; one that is not there is ipc.ErrIndex.
//
// Items are the same when their encodings are.
type List[T any] struct {
	Proxy
	codec *ipc.Codec[T]
}

// NewList makes a list on the server, with these items.
func NewList[T any](ctx context.Context, c *Client, items ...T) (*List[T], error) {
	l := &List[T]{codec: ipc.CodecFor[T]()}
	p, err := create(ctx, c, kindList, func(k *call) { putAll(k, l.codec, items) })
	if err != nil {
		return nil, err
	}
	l.Proxy = p
	return l, nil
}

func (l *List[T]) open(p Proxy) error {
	*l = List[T]{Proxy: p, codec: ipc.CodecFor[T]()}
	return wantKind(kindList, p.kind)
}

// UnmarshalText makes the proxy that travelled.
func (l *List[T]) UnmarshalText(text []byte) error {
	err := l.arrive(text, kindList)
	if err == nil {
		l.codec = ipc.CodecFor[T]()
	}
	return err
}

func putAll[T any](k *call, codec *ipc.Codec[T], items []T) *call {
	k.putUint(uint64(len(items)))
	for _, v := range items {
		put(k, codec, v)
	}
	return k
}

// value is do for a call whose whole result is a value.
func value[T any](ctx context.Context, k *call, codec *ipc.Codec[T]) (v T, err error) {
	defer k.free()
	if err := k.do(ctx); err != nil {
		return v, err
	}
	return last(k, codec)
}

// Len returns the number of items.
func (l *List[T]) Len(ctx context.Context) (int, error) { return number(ctx, l.ask(listLen)) }

// At returns item i.
func (l *List[T]) At(ctx context.Context, i int) (T, error) {
	return value(ctx, l.ask(listGet).putInt(i), l.codec)
}

// Set replaces item i.
func (l *List[T]) Set(ctx context.Context, i int, v T) error {
	return putLast(l.ask(listSet).putInt(i), l.codec, v).send(ctx)
}

// Add adds delta to item i and returns the sum; see [Dict.Add].
func (l *List[T]) Add(ctx context.Context, i int, delta T) (T, error) {
	return addItem(ctx, l.ask(listAdd).putInt(i), l.codec, delta)
}

func addItem[T any](ctx context.Context, k *call, codec *ipc.Codec[T], delta T) (T, error) {
	kind, err := numberKind[T]()
	return value(ctx, putLast(k.failed(err).putByte(kind), codec, delta), codec)
}

// CompareAndSwap replaces item i by new if it is old, and reports whether it did.
func (l *List[T]) CompareAndSwap(ctx context.Context, i int, old, new T) (bool, error) {
	k := put(l.ask(listSwap).putInt(i), l.codec, old)
	return truth(ctx, putLast(k, l.codec, new))
}

// Append adds items at the end, all at once. Python: append and extend.
func (l *List[T]) Append(ctx context.Context, items ...T) error { return l.Extend(ctx, items) }

// Extend adds items at the end, all at once.
func (l *List[T]) Extend(ctx context.Context, items []T) error {
	return putAll(l.ask(listExtend), l.codec, items).send(ctx)
}

// Insert puts an item before item i; beyond the ends is at the ends.
func (l *List[T]) Insert(ctx context.Context, i int, v T) error {
	return putLast(l.ask(listInsert).putInt(i), l.codec, v).send(ctx)
}

// Pop removes item i and returns it; -1 is the last.
func (l *List[T]) Pop(ctx context.Context, i int) (T, error) {
	return value(ctx, l.ask(listPop).putInt(i), l.codec)
}

// Remove removes the first item that is v. One that is not there is ipc.ErrNoItem.
func (l *List[T]) Remove(ctx context.Context, v T) error {
	return putLast(l.ask(listRemove), l.codec, v).send(ctx)
}

// Delete removes the items from index from to before index to, as Python's del does: beyond the ends is at the ends.
func (l *List[T]) Delete(ctx context.Context, from, to int) error {
	return l.ask(listDelete).putInt(from).putInt(to).send(ctx)
}

// Index returns the number of the first item that is v. One that is not there is ipc.ErrNoItem.
func (l *List[T]) Index(ctx context.Context, v T) (int, error) {
	return number(ctx, putLast(l.ask(listIndex), l.codec, v))
}

// Count returns how many items are v.
func (l *List[T]) Count(ctx context.Context, v T) (int, error) {
	return number(ctx, putLast(l.ask(listCount), l.codec, v))
}

// Slice returns the items from index from to before index to, all of one moment, as Python's slices do: beyond the
// ends is at the ends.
func (l *List[T]) Slice(ctx context.Context, from, to int) ([]T, error) {
	return many(ctx, l.ask(listSlice).putInt(from).putInt(to), l.codec)
}

// Items returns all items, of one moment.
func (l *List[T]) Items(ctx context.Context) ([]T, error) { return l.Slice(ctx, 0, End) }

// All yields the items as they are when the range begins, with one message for all of them: each once, whatever is
// changed meanwhile. Ranging again asks again. An error comes with a zero value, as the last.
func (l *List[T]) All(ctx context.Context) iter.Seq2[T, error] {
	return eachOf(func() ([]T, error) { return l.Items(ctx) })
}

func eachOf[T any](get func() ([]T, error)) iter.Seq2[T, error] {
	return func(yield func(T, error) bool) {
		items, err := get()
		if err != nil {
			var zero T
			yield(zero, err)
			return
		}
		for _, v := range items {
			if !yield(v, nil) {
				return
			}
		}
	}
}

// Sort sorts the items on the server: numbers and strings, others are [ErrOrder]. Equal items keep their order.
func (l *List[T]) Sort(ctx context.Context) error { return l.sort(ctx, false) }

// SortReverse is Sort with the greatest first.
func (l *List[T]) SortReverse(ctx context.Context) error { return l.sort(ctx, true) }

func (l *List[T]) sort(ctx context.Context, reverse bool) error {
	return l.ask(listSort).putByte(kindByte[T]()).putBool(reverse).send(ctx)
}

// Reverse turns the order of the items.
func (l *List[T]) Reverse(ctx context.Context) error { return l.ask(listReverse).send(ctx) }

// Repeat makes the list n times what it is, which for n below 1 is empty. Python: l *= n.
func (l *List[T]) Repeat(ctx context.Context, n int) error {
	return l.ask(listRepeat).putInt(n).send(ctx)
}

// Clear removes all items.
func (l *List[T]) Clear(ctx context.Context) error { return l.ask(listClear).send(ctx) }
