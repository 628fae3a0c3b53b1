package oslock_test

import (
	"context"
	"errors"
	"fmt"

	"yunta/oslock"
)

func ExampleLock() {
	// Every process that opens the name takes part.
	l, err := oslock.OpenLock("example-lock", oslock.LockOptions{})
	if err != nil {
		fmt.Println(err)
		return
	}
	defer oslock.Unlink("example-lock")
	defer l.Close()

	switch err := l.Lock(context.Background()); {
	case errors.Is(err, oslock.ErrOwnerDied):
		// We have the lock. Whoever had it died: put things in order, then
		l.Repaired()
	case err != nil:
		fmt.Println(err)
		return
	}
	ok, _ := l.TryLock()
	fmt.Println("locked; again without unlocking:", ok)
	fmt.Println("unlocked:", l.Unlock() == nil)
	fmt.Println("unlocked twice:", errors.Is(l.Unlock(), oslock.ErrNotOwner))
	// Output:
	// locked; again without unlocking: false
	// unlocked: true
	// unlocked twice: true
}

func ExampleRLock() {
	r, err := oslock.OpenRLock("example-rlock", oslock.LockOptions{})
	if err != nil {
		fmt.Println(err)
		return
	}
	defer oslock.Unlink("example-rlock")
	defer r.Close()

	ctx := context.Background()
	// The handle is the owner: whoever is called with it may lock again.
	var countdown func(n int) error
	countdown = func(n int) error {
		if err := r.Lock(ctx); err != nil {
			return err
		}
		defer r.Unlock()
		fmt.Println(n)
		if n == 0 {
			return nil
		}
		return countdown(n - 1)
	}
	if err := countdown(2); err != nil {
		fmt.Println(err)
	}
	// Output:
	// 2
	// 1
	// 0
}

func ExampleSemaphore() {
	// With Undo, the permits of a process that dies come back by themselves.
	s, err := oslock.OpenSemaphore("example-semaphore", 2, oslock.SemaphoreOptions{Undo: true})
	if err != nil {
		fmt.Println(err)
		return
	}
	defer oslock.Unlink("example-semaphore")
	defer s.Close()

	ctx := context.Background()
	for range 2 {
		if err := s.Acquire(ctx); err != nil {
			fmt.Println(err)
			return
		}
	}
	ok, _ := s.TryAcquire()
	fmt.Println("a third permit:", ok)
	fmt.Println("released both:", s.Release(2) == nil)
	n, _ := s.Value()
	fmt.Println("value:", n)
	fmt.Println("one more:", errors.Is(s.Release(1), oslock.ErrOverRelease))
	// Output:
	// a third permit: false
	// released both: true
	// value: 2
	// one more: true
}
