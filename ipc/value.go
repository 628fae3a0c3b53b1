package ipc

import (
	"context"
	"reflect"
)

// Value is one value of type T in shared memory, usually with a lock: Python's multiprocessing.Value, and
// with NoLock its RawValue. T has a fixed layout: booleans, numbers, and arrays and structs of them; there is
// nothing in it that points elsewhere ([ErrLayout] says what does).
//
// The lock is a robust one (oslock.Lock). A process that dies inside Update or Store may leave the value
// half-written: then Load and Update do nothing and return an error that wraps oslock.ErrOwnerDied, until
// somebody stores a whole value with Store, or looks it over with Repair.
//
// A Value may be used by any number of goroutines and processes. Load and Store of a free lock take some 40 ns.
// In Python `with v.get_lock(): v.value += 1` is
//
//	v.Update(ctx, func(n *int64) error { *n++; return nil })
type Value[T any] struct{ s *sharedValues }

// NewValue puts v into shared memory. Its process is the value's maker: Close, or the end of the process,
// removes it. Too little memory is an error that wraps syscall.ENOSPC.
func NewValue[T any](v T, o ValueOptions) (*Value[T], error) {
	s, err := newSharedValues(reflect.TypeFor[T](), 1, false, o)
	if err != nil {
		return nil, err
	}
	*(*T)(s.data) = v // nobody else knows of it yet
	return &Value[T]{s}, nil
}

// OpenValue opens the value of another process by its handle, or, with a name as the handle's File, by the
// name it was made with. One of another type is [ErrLayout]; one that is gone wraps fs.ErrNotExist.
func OpenValue[T any](h Handle) (*Value[T], error) {
	s, err := openSharedValues(reflect.TypeFor[T](), false, h)
	if err != nil {
		return nil, err
	}
	return &Value[T]{s}, nil
}

// at returns the value's place. The pointer is good only between enter and leave.
func (v *Value[T]) at() *T { return (*T)(v.s.data) }

// Load returns the value. The end of the context ends the wait for the lock.
func (v *Value[T]) Load(ctx context.Context) (T, error) {
	var out T
	err := v.s.with(ctx, false, func() error { out = *v.at(); return nil })
	return out, err
}

// Store replaces the value, and makes it a whole one again if an owner of the lock died.
func (v *Value[T]) Store(ctx context.Context, value T) error {
	return v.s.with(ctx, true, func() error { *v.at() = value; return nil })
}

// Update calls f on the value itself, with the lock held, and returns its error. What f has changed stays
// changed, also when it fails or panics. f must not keep the pointer, and must not use the value's methods.
func (v *Value[T]) Update(ctx context.Context, f func(*T) error) error {
	return v.s.with(ctx, false, func() error { return f(v.at()) })
}

// Repair is Update, also after an owner of the lock died: f puts the value in order, and if it returns nil
// the value counts as whole again.
func (v *Value[T]) Repair(ctx context.Context, f func(*T) error) error {
	return v.s.with(ctx, true, func() error { return f(v.at()) })
}

// Handle returns what another process opens the value by.
func (v *Value[T]) Handle() Handle { return v.s.handle() }

// Close gives the memory back, once the calls that use it have returned; later ones return [ErrClosed]. The
// maker's Close also removes the value: those who have it open go on. Closing again does nothing.
func (v *Value[T]) Close() error { return v.s.close() }
