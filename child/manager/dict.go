package manager

import (
	"context"
	"iter"

	"yunta/ipc"
)

// Dict is a proxy of a map on the server: Python's SyncManager.dict. Its keys keep the order in which they were first
// set. Every method is one message, and atomic; a loop of Get and Set is not, but [Dict.Add], CompareAndSwap and
// [UpdateKey] are. What is returned is a copy: changing it changes nothing on the server.
//
// Keys are the same when their encodings are (ipc.Codec), which for strings, numbers, arrays and structs of them is when they are
// equal in Go.
type Dict[K comparable, V any] struct {
	Proxy
	keys   *ipc.Codec[K]
	values *ipc.Codec[V]
}

// NewDict makes a map on the server, with a copy of what is in initial.
func NewDict[K comparable, V any](ctx context.Context, c *Client, initial map[K]V) (*Dict[K, V], error) {
	d := &Dict[K, V]{}
	d.init()
	p, err := create(ctx, c, kindDict, func(k *call) { putMap(k, d, initial) })
	if err != nil {
		return nil, err
	}
	d.Proxy = p
	return d, nil
}

func (d *Dict[K, V]) init() { d.keys, d.values = ipc.CodecFor[K](), ipc.CodecFor[V]() }

func (d *Dict[K, V]) open(p Proxy) error {
	d.Proxy = p
	d.init()
	return wantKind(kindDict, p.kind)
}

// UnmarshalText makes the proxy that travelled.
func (d *Dict[K, V]) UnmarshalText(text []byte) error {
	err := d.arrive(text, kindDict)
	if err == nil {
		d.init()
	}
	return err
}

func putMap[K comparable, V any](k *call, d *Dict[K, V], m map[K]V) {
	k.putUint(uint64(len(m)))
	for key, value := range m {
		put(put(k, d.keys, key), d.values, value)
	}
}

// about asks something about a key, which is the whole request.
func (d *Dict[K, V]) about(method byte, key K) *call { return putLast(d.ask(method), d.keys, key) }

func (d *Dict[K, V]) value(ctx context.Context, k *call) (v V, err error) {
	defer k.free()
	if err := k.do(ctx); err != nil {
		return v, err
	}
	return last(k, d.values)
}

// Get returns the value of a key. A key that is not there is [ErrKey].
func (d *Dict[K, V]) Get(ctx context.Context, key K) (V, error) {
	return d.value(ctx, d.about(dictGet, key))
}

// Set sets the value of a key.
func (d *Dict[K, V]) Set(ctx context.Context, key K, value V) error {
	return putLast(put(d.ask(dictSet), d.keys, key), d.values, value).send(ctx)
}

// Delete removes a key. A key that is not there is [ErrKey]. (The object itself is removed by Unlink.)
func (d *Dict[K, V]) Delete(ctx context.Context, key K) error {
	return d.about(dictDelete, key).send(ctx)
}

// Pop removes a key and returns its value. A key that is not there is [ErrKey].
func (d *Dict[K, V]) Pop(ctx context.Context, key K) (V, error) {
	return d.value(ctx, d.about(dictPop, key))
}

// PopItem removes the key that was added last and returns it with its value. An empty Dict is [ErrKey].
func (d *Dict[K, V]) PopItem(ctx context.Context) (key K, value V, err error) {
	k := d.ask(dictPopItem)
	defer k.free()
	if err = k.do(ctx); err != nil {
		return key, value, err
	}
	if key, err = decode(d.keys, k.bytes()); err == nil {
		value, err = last(k, d.values)
	}
	return key, value, err
}

// SetDefault returns the value of a key, which it sets to value if it is not there.
func (d *Dict[K, V]) SetDefault(ctx context.Context, key K, value V) (V, error) {
	return d.value(ctx, putLast(put(d.ask(dictSetDefault), d.keys, key), d.values, value))
}

// Len returns the number of keys.
func (d *Dict[K, V]) Len(ctx context.Context) (int, error) { return number(ctx, d.ask(dictLen)) }

// Contains reports whether a key is there.
func (d *Dict[K, V]) Contains(ctx context.Context, key K) (bool, error) {
	return truth(ctx, d.about(dictContains, key))
}

// Keys returns the keys, in order.
func (d *Dict[K, V]) Keys(ctx context.Context) ([]K, error) {
	return many(ctx, d.ask(dictKeys), d.keys)
}

// Values returns the values, in the order of their keys.
func (d *Dict[K, V]) Values(ctx context.Context) ([]V, error) {
	return many(ctx, d.ask(dictValues), d.values)
}

// Items returns a copy of the whole map. Python: copy.
func (d *Dict[K, V]) Items(ctx context.Context) (map[K]V, error) {
	out := map[K]V{}
	err := d.each(ctx, func(key K, value V) bool { out[key] = value; return true })
	return out, err
}

// All yields keys and values in order, as they are when the range begins, with one message for all of them: what
// changes meanwhile is not seen, and is no error. (In Python it is one.) An error comes with zero values, as the last.
func (d *Dict[K, V]) All(ctx context.Context) iter.Seq2[Item[K, V], error] {
	return func(yield func(Item[K, V], error) bool) {
		more := true
		err := d.each(ctx, func(key K, value V) bool {
			more = yield(Item[K, V]{key, value}, nil)
			return more
		})
		if err != nil && more {
			yield(Item[K, V]{}, err)
		}
	}
}

// Item is a key and its value.
type Item[K comparable, V any] struct {
	Key   K
	Value V
}

func (d *Dict[K, V]) each(ctx context.Context, f func(K, V) bool) error {
	k := d.ask(dictItems)
	defer k.free()
	if err := k.do(ctx); err != nil {
		return err
	}
	for range k.count() {
		key, err := decode(d.keys, k.bytes())
		if err != nil {
			return err
		}
		value, err := decode(d.values, k.bytes())
		if err != nil {
			return err
		}
		if !f(key, value) {
			return nil
		}
	}
	return k.reader.err()
}

// Update sets all keys that are in m, at once.
func (d *Dict[K, V]) Update(ctx context.Context, m map[K]V) error {
	k := d.ask(dictUpdate)
	putMap(k, d, m)
	return k.send(ctx)
}

// Clear removes all keys.
func (d *Dict[K, V]) Clear(ctx context.Context) error { return d.ask(dictClear).send(ctx) }

// Add adds delta to the value of a key, 0 if it is not there, and returns the sum: `d[k] += delta`, which in Python is
// two messages between which others come. Values are V's numbers: integers wrap. A V that is no number is [ErrNumber].
func (d *Dict[K, V]) Add(ctx context.Context, key K, delta V) (V, error) {
	k := put(d.ask(dictAdd), d.keys, key)
	kind, err := numberKind[V]()
	return d.value(ctx, putLast(k.failed(err).putByte(kind), d.values, delta))
}

// CompareAndSwap sets a key to new if its value is old, and reports whether it did. Values are the same when their encodings
// are. A key that is not there has no value: see Insert.
func (d *Dict[K, V]) CompareAndSwap(ctx context.Context, key K, old, new V) (bool, error) {
	k := put(put(d.ask(dictSwap), d.keys, key).putBool(true), d.values, old)
	return truth(ctx, putLast(k, d.values, new))
}

// Insert sets a key that is not there, and reports whether it did.
func (d *Dict[K, V]) Insert(ctx context.Context, key K, value V) (bool, error) {
	k := put(d.ask(dictSwap), d.keys, key).putBool(false).putText("")
	return truth(ctx, putLast(k, d.values, value))
}

// number, truth and many are do for the commonest results.
func number(ctx context.Context, k *call) (int, error) {
	defer k.free()
	if err := k.do(ctx); err != nil {
		return 0, err
	}
	n := k.int()
	return n, k.reader.err()
}

func truth(ctx context.Context, k *call) (bool, error) {
	defer k.free()
	if err := k.do(ctx); err != nil {
		return false, err
	}
	v := k.bool()
	return v, k.reader.err()
}

func many[T any](ctx context.Context, k *call, codec *ipc.Codec[T]) ([]T, error) {
	defer k.free()
	if err := k.do(ctx); err != nil {
		return nil, err
	}
	return all(k, codec)
}
