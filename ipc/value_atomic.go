package ipc

import (
	"fmt"
	"sync/atomic"
	"unsafe"
)

// Integer is a type that [Atomic] works on: the 32-bit and 64-bit integers.
type Integer interface {
	~int32 | ~uint32 | ~int64 | ~uint64 | ~int | ~uint
}

// Atomic does atomic operations on an integer in shared memory, without its lock: what sync/atomic does
// between goroutines, it does between processes. (Python has nothing of the kind.) An operation takes some
// 15 ns and can be interrupted by no death, so nothing needs repair.
//
// It does not wait for the lock's owner: a program uses either the lock or atomic operations on one value.
// Methods panic after the Close of the Value or Array that it came from.
type Atomic[T Integer] struct {
	s *sharedValues
	p unsafe.Pointer // to the element, which is aligned: elements start on a page, and have T's size
}

// AtomicOf returns the atomic operations on a value.
func AtomicOf[T Integer](v *Value[T]) *Atomic[T] { return &Atomic[T]{v.s, v.s.data} }

// AtomicAt returns the atomic operations on element i of an array. It panics if there is none.
func AtomicAt[T Integer](a *Array[T], i int) *Atomic[T] {
	if uint(i) >= uint(a.s.n) {
		panic(fmt.Sprintf("ipc: AtomicAt: index %d of %d", i, a.s.n))
	}
	var zero T
	return &Atomic[T]{a.s, unsafe.Add(a.s.data, uintptr(i)*unsafe.Sizeof(zero))}
}

// enter returns the element, and whether it is 32 bits wide. leave must follow.
func (a *Atomic[T]) enter() (narrow *atomic.Uint32, wide *atomic.Uint64) {
	if !a.s.users.enter() {
		panic("ipc: Atomic used after Close")
	}
	var zero T
	if unsafe.Sizeof(zero) == 4 {
		return (*atomic.Uint32)(a.p), nil
	}
	return nil, (*atomic.Uint64)(a.p)
}

// Load returns the integer.
func (a *Atomic[T]) Load() T {
	narrow, wide := a.enter()
	defer a.s.leave()
	if narrow != nil {
		return T(narrow.Load())
	}
	return T(wide.Load())
}

// Store replaces the integer.
func (a *Atomic[T]) Store(v T) {
	narrow, wide := a.enter()
	defer a.s.leave()
	if narrow != nil {
		narrow.Store(uint32(v))
		return
	}
	wide.Store(uint64(v))
}

// Add adds delta and returns the sum, which wraps around.
func (a *Atomic[T]) Add(delta T) T {
	narrow, wide := a.enter()
	defer a.s.leave()
	if narrow != nil {
		return T(narrow.Add(uint32(delta)))
	}
	return T(wide.Add(uint64(delta)))
}

// CompareAndSwap replaces the integer by v if it is old, and reports whether it was.
func (a *Atomic[T]) CompareAndSwap(old, v T) bool {
	narrow, wide := a.enter()
	defer a.s.leave()
	if narrow != nil {
		return narrow.CompareAndSwap(uint32(old), uint32(v))
	}
	return wide.CompareAndSwap(uint64(old), uint64(v))
}
