// Global is a program that makes what processes share at package level, so that
// each of its children makes it, too.
package main

import (
	"context"
	"log"

	"yunta/child"
	"yunta/ipc"
	"yunta/oslock"
	"yunta/supervisor"
)

func made[T any](v T, err error) T {
	if err != nil {
		log.Fatal(err)
	}
	return v
}

var (
	semaphore = made(oslock.OpenSemaphore("global", 1, oslock.SemaphoreOptions{Undo: true}))
	queue     = made(ipc.NewQueue[int](ipc.QueueOptions{}))
	value     = made(ipc.NewValue(int64(0), ipc.ValueOptions{}))
	memory    = made(ipc.CreateSharedMemory("", 100))
)

var use = child.Register("use", func(ctx context.Context, n int) (int, error) {
	if err := semaphore.Acquire(ctx); err != nil {
		return 0, err
	}
	memory.Bytes()[0] = byte(n)
	ipc.AtomicOf(value).Add(1)
	return 0, queue.Put(ctx, n) // and ends with what it has
})

func main() {
	child.Main()
	ctx := context.Background()
	for n := range 2 {
		p := supervisor.NewProcess(use, n, supervisor.ProcessOptions{})
		if err := p.Start(ctx); err != nil {
			log.Fatal(err)
		}
		if err := p.Wait(ctx); err != nil {
			log.Fatal(err)
		}
	}
	if n, err := semaphore.Value(); n != 1 || err != nil {
		log.Fatal("the semaphore: ", n, err)
	}
	if n := queue.Len(); n != 0 {
		log.Fatal("a child's queue is not the parent's, yet it has ", n)
	}
	if err := oslock.Unlink("global"); err != nil {
		log.Fatal(err)
	}
}
