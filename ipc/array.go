package ipc

import (
	"context"
	"fmt"
	"reflect"
	"unsafe"
)

// Array is a fixed number of elements of type T in shared memory, usually with a lock: Python's
// multiprocessing.Array, and with NoLock its RawArray. What is said of [Value] holds for it: T has a fixed
// layout, and after a process died with the lock, calls return an error that wraps oslock.ErrOwnerDied
// until Repair has put the elements in order.
type Array[T any] struct{ s *sharedValues }

// NewArray makes an array of n elements, all zero. n may be 0.
func NewArray[T any](n int, o ValueOptions) (*Array[T], error) {
	s, err := newSharedValues(reflect.TypeFor[T](), n, true, o)
	if err != nil {
		return nil, err
	}
	return &Array[T]{s}, nil
}

// NewArrayOf makes an array that holds a copy of values.
func NewArrayOf[T any](values []T, o ValueOptions) (*Array[T], error) {
	a, err := NewArray[T](len(values), o)
	if err != nil {
		return nil, err
	}
	copy(a.all(), values) // nobody else knows of it yet
	return a, nil
}

// OpenArray opens the array of another process, as [OpenValue] does a value.
func OpenArray[T any](h Handle) (*Array[T], error) {
	s, err := openSharedValues(reflect.TypeFor[T](), true, h)
	if err != nil {
		return nil, err
	}
	return &Array[T]{s}, nil
}

// all returns the elements themselves, good only between enter and leave.
func (a *Array[T]) all() []T { return unsafe.Slice((*T)(a.s.data), a.s.n) }

// Len returns the number of elements.
func (a *Array[T]) Len() int { return a.s.n }

// check panics as indexing a slice of that length does: a wrong index is a mistake in the program.
func (a *Array[T]) check(from, to int) {
	if from < 0 || to < from || to > a.s.n {
		panic(fmt.Sprintf("ipc: elements %d to %d of an Array of %d", from, to, a.s.n))
	}
}

// At returns element i. It panics if there is none.
func (a *Array[T]) At(ctx context.Context, i int) (v T, err error) {
	a.check(i, i+1)
	err = a.s.with(ctx, false, func() error { v = a.all()[i]; return nil })
	return v, err
}

// Set replaces element i. It panics if there is none.
func (a *Array[T]) Set(ctx context.Context, i int, v T) error {
	a.check(i, i+1)
	return a.s.with(ctx, false, func() error { a.all()[i] = v; return nil })
}

// Slice returns a copy of the elements from index from to before index to, all of one moment.
func (a *Array[T]) Slice(ctx context.Context, from, to int) ([]T, error) {
	a.check(from, to)
	out := make([]T, to-from)
	err := a.s.with(ctx, false, func() error { copy(out, a.all()[from:to]); return nil })
	if err != nil {
		return nil, err
	}
	return out, nil
}

// SetSlice replaces the elements from index from on by values. It panics if they do not fit.
func (a *Array[T]) SetSlice(ctx context.Context, from int, values []T) error {
	a.check(from, from+len(values))
	return a.s.with(ctx, false, func() error { copy(a.all()[from:], values); return nil })
}

// Update calls f on the elements themselves, with the lock held, and returns its error. What f has changed stays
// changed, also when it fails or panics. f must not keep the slice, and must not use the array's methods.
func (a *Array[T]) Update(ctx context.Context, f func([]T) error) error {
	return a.s.with(ctx, false, func() error { return f(a.all()) })
}

// Repair is Update, also after an owner of the lock died: f puts the elements in order, and if it returns nil
// they count as whole again.
func (a *Array[T]) Repair(ctx context.Context, f func([]T) error) error {
	return a.s.with(ctx, true, func() error { return f(a.all()) })
}

// Handle returns what another process opens the array by.
func (a *Array[T]) Handle() Handle { return a.s.handle() }

// Close is [Value.Close].
func (a *Array[T]) Close() error { return a.s.close() }
