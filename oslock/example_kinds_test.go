package oslock_test

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"time"

	"yunta/oslock"
)

func ExampleRWLock() {
	rw, err := oslock.OpenRWLock("example-rwlock", oslock.LockOptions{})
	if err != nil {
		fmt.Println(err)
		return
	}
	defer oslock.Unlink("example-rwlock")
	defer rw.Close()

	ctx := context.Background()
	if err := rw.RLock(ctx); err != nil {
		fmt.Println(err)
		return
	}
	another, _ := rw.TryRLock()
	writer, _ := rw.TryLock()
	fmt.Println("read; another reader:", another, "a writer:", writer)
	rw.RUnlock()
	rw.RUnlock()
	if err := rw.Lock(ctx); err != nil {
		fmt.Println(err)
		return
	}
	another, _ = rw.TryRLock()
	fmt.Println("written; a reader:", another)
	fmt.Println("unlocked:", rw.Unlock() == nil)
	// Output:
	// read; another reader: true a writer: false
	// written; a reader: false
	// unlocked: true
}

func ExampleCondition() {
	l, err := oslock.OpenLock("example-condition-lock", oslock.LockOptions{})
	if err != nil {
		fmt.Println(err)
		return
	}
	defer oslock.Unlink("example-condition-lock")
	defer l.Close()
	c, err := oslock.OpenCondition(l, "example-condition", oslock.ConditionOptions{})
	if err != nil {
		fmt.Println(err)
		return
	}
	defer oslock.Unlink("example-condition")
	defer c.Close()

	ctx := context.Background()
	var basket []string // among processes, something in shared memory
	var wg sync.WaitGroup
	wg.Go(func() {
		if err := l.Lock(ctx); err != nil {
			fmt.Println(err)
			return
		}
		defer l.Unlock()
		if err := c.WaitFor(ctx, func() bool { return len(basket) > 0 }); err != nil {
			fmt.Println(err)
			return
		}
		fmt.Println("took", basket[0])
	})
	if err := l.Lock(ctx); err != nil {
		fmt.Println(err)
		return
	}
	basket = append(basket, "an apple")
	c.Notify(1)
	l.Unlock()
	wg.Wait()
	fmt.Println("without the lock:", errors.Is(c.Notify(1), oslock.ErrNotOwner))
	// Output:
	// took an apple
	// without the lock: true
}

func ExampleEvent() {
	e, err := oslock.OpenEvent("example-event", oslock.EventOptions{})
	if err != nil {
		fmt.Println(err)
		return
	}
	defer oslock.Unlink("example-event")
	defer e.Close()

	ctx, cancel := context.WithTimeout(context.Background(), time.Millisecond)
	defer cancel()
	fmt.Println("in time:", !errors.Is(e.Wait(ctx), context.DeadlineExceeded))
	e.Set() // by any process that has opened the name
	fmt.Println("set:", e.IsSet(), e.Wait(context.Background()) == nil)
	e.Clear()
	fmt.Println("set:", e.IsSet())
	// Output:
	// in time: false
	// set: true true
	// set: false
}

func ExampleBarrier() {
	b, err := oslock.OpenBarrier("example-barrier", 3, oslock.BarrierOptions{
		Action: func() error { fmt.Println("all are here"); return nil },
	})
	if err != nil {
		fmt.Println(err)
		return
	}
	defer oslock.Unlink("example-barrier")
	defer b.Close()

	var wg sync.WaitGroup
	for range b.Parties() { // usually each in a process of its own
		wg.Go(func() {
			index, err := b.Wait(context.Background())
			if err != nil {
				fmt.Println(err)
			}
			if index == 0 {
				fmt.Println("the first to come goes on")
			}
		})
	}
	wg.Wait()
	b.Abort()
	_, err = b.Wait(context.Background())
	fmt.Println("aborted:", errors.Is(err, oslock.ErrBroken))
	// Output:
	// all are here
	// the first to come goes on
	// aborted: true
}
