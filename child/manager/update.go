package manager

import (
	"context"
	"fmt"
	"sync"

	"yunta/ipc"
)

// Update is a function that changes a value on the server, for what Add and CompareAndSwap cannot: the value does not
// travel, and nobody comes between.
type Update[V, A any] struct {
	name   string
	values func() *ipc.Codec[V]
	args   func() *ipc.Codec[A]
}

// RegisterUpdate makes a function known under a name, in every process of the program: it is called at package level. f
// gets the value, V's zero for a key that is not there, and returns the new one; with an error nothing is changed. It runs
// while the dict, list or value waits for it: it should be short, and not use the manager. A name that is empty or taken panics.
func RegisterUpdate[V, A any](name string, f func(ctx context.Context, v V, arg A) (V, error)) Update[V, A] {
	if name == "" || f == nil {
		panic(fmt.Sprintf("manager: RegisterUpdate(%q) with an empty name or no function", name))
	}
	u := Update[V, A]{name, sync.OnceValue(ipc.CodecFor[V]), sync.OnceValue(ipc.CodecFor[A])}
	registered.mu.Lock()
	defer registered.mu.Unlock()
	if registered.updates[name] != nil {
		panic(fmt.Sprintf("manager: two updates are registered as %q", name))
	}
	if registered.updates == nil {
		registered.updates = map[string]func(context.Context, []byte, []byte) ([]byte, error){}
	}
	registered.updates[name] = func(ctx context.Context, value, arg []byte) ([]byte, error) {
		var v V
		a, err := decode(u.args(), arg)
		if err == nil && value != nil {
			v, err = decode(u.values(), value)
		}
		if err != nil {
			return nil, err
		}
		if v, err = f(ctx, v, a); err != nil {
			return nil, err
		}
		return u.values().Append(nil, v)
	}
	return u
}

// applyUpdate runs an update on the server; a nil value is none.
func applyUpdate(ctx context.Context, name string, value, arg []byte) ([]byte, error) {
	registered.mu.Lock()
	f := registered.updates[name]
	registered.mu.Unlock()
	if f == nil {
		return nil, fmt.Errorf("%w: the update %q", ErrNoType, name)
	}
	return safely(func() ([]byte, error) { return f(ctx, value, arg) })
}

// putUpdate adds the update and its argument.
func (u Update[V, A]) put(k *call, arg A) *call { return putLast(k.putText(u.name), u.args(), arg) }

// UpdateKey changes the value of a key, and returns the new one.
func UpdateKey[K comparable, V, A any](ctx context.Context, d *Dict[K, V], key K, u Update[V, A], arg A) (V, error) {
	return d.value(ctx, u.put(put(d.ask(dictApply), d.keys, key), arg))
}

// UpdateAt changes item i of a list, and returns the new one.
func UpdateAt[V, A any](ctx context.Context, l *List[V], i int, u Update[V, A], arg A) (V, error) {
	return value(ctx, u.put(l.ask(listApply).putInt(i), arg), l.codec)
}

// UpdateValue changes a value, and returns the new one.
func UpdateValue[V, A any](ctx context.Context, v *Value[V], u Update[V, A], arg A) (V, error) {
	return value(ctx, u.put(v.ask(cellApply), arg), v.codec)
}
