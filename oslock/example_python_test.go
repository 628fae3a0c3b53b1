package oslock_test

import (
	"context"
	"errors"
	"fmt"
	"sync"

	"yunta/oslock"
)

// The examples of this file are those of the documentation of Python's threading,
// whose objects multiprocessing has, too.

// threading, "Condition Objects": one consumer and one producer, with wait in a
// loop.
func ExampleCondition_Wait() {
	l, err := oslock.OpenLock("example-items-lock", oslock.LockOptions{})
	if err != nil {
		panic(err)
	}
	defer oslock.Unlink("example-items-lock")
	defer l.Close()
	cv, err := oslock.OpenCondition(l, "example-items", oslock.ConditionOptions{})
	if err != nil {
		panic(err)
	}
	defer oslock.Unlink("example-items")
	defer cv.Close()

	ctx := context.Background()
	items := 0
	var consumer sync.WaitGroup
	consumer.Go(func() {
		if err := l.Lock(ctx); err != nil {
			panic(err)
		}
		defer l.Unlock()
		for items == 0 {
			if err := cv.Wait(ctx); err != nil {
				panic(err)
			}
		}
		items--
		fmt.Println("consumed, left:", items)
	})
	if err := l.Lock(ctx); err != nil {
		panic(err)
	}
	items++
	cv.Notify(1)
	l.Unlock()
	consumer.Wait()
	// Output: consumed, left: 0
}

// threading, "Barrier Objects": a server and a client that wait for each other.
func ExampleBarrier_Wait() {
	b, err := oslock.OpenBarrier("example-started", 2, oslock.BarrierOptions{})
	if err != nil {
		panic(err)
	}
	defer oslock.Unlink("example-started")
	defer b.Close()
	ctx := context.Background()
	serving := false
	var server sync.WaitGroup
	server.Go(func() {
		serving = true
		if _, err := b.Wait(ctx); err != nil {
			panic(err)
		}
	})
	if _, err := b.Wait(ctx); err != nil {
		panic(err)
	}
	fmt.Println("the server has started:", serving)
	server.Wait()
	// Output: the server has started: true
}

// threading, "Semaphore Objects": a resource with as many connections as it has
// permits, bounded, so that releasing too much is found.
func ExampleSemaphore_bounded() {
	s, err := oslock.OpenSemaphore("example-connections", 5, oslock.SemaphoreOptions{Bounded: true})
	if err != nil {
		panic(err)
	}
	defer oslock.Unlink("example-connections")
	defer s.Close()
	ctx := context.Background()
	if err := s.Acquire(ctx); err != nil {
		panic(err)
	}
	fmt.Println(s.Value())
	fmt.Println(s.Release(1))
	fmt.Println(errors.Is(s.Release(1), oslock.ErrOverRelease))
	// Output:
	// 4 <nil>
	// <nil>
	// true
}
