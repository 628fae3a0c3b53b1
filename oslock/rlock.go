package oslock

import (
	"context"
	"sync"
)

// RLock is a [Lock] that its owner may lock again, and must unlock as often: Python's
// multiprocessing.RLock.
//
// The owner is the handle, not the goroutine. Python asks which thread calls; Go gives goroutines no
// identity, on purpose, and one piece of work may well move between several. So the handle is passed down the
// calls that belong together, like a context, and whoever else wants the lock opens the name again: two
// handles exclude one another, in one process as in two. A handle is safe for use by several goroutines, but
// does not keep those apart: they are one owner.
//
// The file is that of a Lock, so an RLock and a Lock of one name exclude one another. The zero value is not
// usable; an RLock must not be copied.
type RLock struct {
	lock *Lock
	// turn is held by the goroutine that locks for the first time, while others of the handle wait
	// to find themselves owners.
	turn  chan struct{}
	mu    sync.Mutex
	depth int // how often the handle is locked, guarded by mu
}

// OpenRLock opens the lock of that name for recursive use. Names, options and errors are those
// of [OpenLock].
func OpenRLock(name string, o LockOptions) (*RLock, error) {
	r := &RLock{}
	if err := r.open(name, o); err != nil {
		return nil, err
	}
	return r, nil
}

func (r *RLock) open(name string, o LockOptions) (err error) {
	r.turn = make(chan struct{}, 1)
	r.lock, err = OpenLock(name, o)
	return err
}

// Lock waits until this handle owns the lock, or owns it once more. Errors are those of [Lock.Lock];
// with [ErrOwnerDied] the lock is held, and the first Lock of the handle alone says so.
func (r *RLock) Lock(ctx context.Context) error {
	if r.again() {
		return nil
	}
	select {
	case r.turn <- struct{}{}:
	default:
		select {
		case r.turn <- struct{}{}:
		case <-ctx.Done():
			return r.lock.h.errorf("lock", ctx.Err())
		case <-r.lock.h.closed:
			return r.lock.h.errorf("lock", ErrClosed)
		}
	}
	defer func() { <-r.turn }()
	if r.again() {
		return nil
	}
	err := r.lock.Lock(ctx)
	return r.first(err == nil || isHeld(err), err)
}

// TryLock locks if that needs no waiting and reports whether it did. Errors are those of
// [Lock.TryLock].
func (r *RLock) TryLock() (bool, error) {
	if r.again() {
		return true, nil
	}
	select {
	case r.turn <- struct{}{}:
	default:
		return false, nil // another goroutine of the handle is waiting for the lock
	}
	defer func() { <-r.turn }()
	if r.again() {
		return true, nil
	}
	ok, err := r.lock.TryLock()
	return ok, r.first(ok, err)
}

// again counts one more Lock of a handle that owns the lock already.
func (r *RLock) again() bool {
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.depth == 0 || r.lock.h.isClosed() {
		return false
	}
	r.depth++
	return true
}

// first makes the handle the owner if the lock is held.
func (r *RLock) first(held bool, err error) error {
	if held {
		r.mu.Lock()
		r.depth = 1
		r.mu.Unlock()
	}
	return err
}

// Unlock takes back one Lock of this handle; the last one unlocks. It returns [ErrNotOwner] when the
// handle does not own the lock, whoever else does.
func (r *RLock) Unlock() error {
	r.mu.Lock()
	defer r.mu.Unlock()
	switch {
	case r.lock.h.isClosed():
		return r.lock.h.errorf("unlock", ErrClosed)
	case r.depth == 0:
		return r.lock.h.errorf("unlock", ErrNotOwner)
	case r.depth > 1:
		r.depth--
		return nil
	}
	r.depth = 0
	return r.lock.Unlock()
}

// Repaired is [Lock.Repaired].
func (r *RLock) Repaired() error {
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.depth == 0 && !r.lock.h.isClosed() {
		return r.lock.h.errorf("repaired", ErrNotOwner)
	}
	return r.lock.Repaired()
}

// File returns the absolute path of the lock's file.
func (r *RLock) File() string { return r.lock.File() }

// Close is [Lock.Close]: it does not unlock.
func (r *RLock) Close() error { return r.lock.Close() }
