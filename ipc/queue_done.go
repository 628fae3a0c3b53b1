package ipc

import (
	"context"
	"errors"
	"fmt"
)

// TaskDone says that an item that was got is done with, for [Queue.Wait]. More calls than items were put are
// an error. It goes with Get; of an item of [Queue.Lease], Done says it. Python: JoinableQueue.task_done.
func (q *Queue[T]) TaskDone() error {
	f := q.f
	return f.use(func() error {
		if err := f.getLock.Lock(context.Background()); err != nil {
			return fmt.Errorf("ipc: queue: %w", err)
		}
		err := f.takeLocked(func() error {
			if f.allDone() {
				return errors.New("ipc: queue: TaskDone called more often than items were put")
			}
			f.done.Store((f.done.Load() + 1) & countMask)
			step("done counted")
			return nil
		})
		if err == nil && f.allDone() {
			f.doneLine.notifyAll()
		}
		return err
	})
}

// Wait waits until all items that were put are done with: [Queue.TaskDone] was called as often, or
// [Lease.Done]. The end of the context ends the wait at once, with its error. An item whose consumer died
// between Get and TaskDone is never done; one that was leased comes back and is done by somebody else. Python:
// JoinableQueue.join.
func (q *Queue[T]) Wait(ctx context.Context) error {
	f := q.f
	return f.use(func() error {
		if f.allDone() {
			return nil
		}
		err := f.doneLine.wait(ctx, f.gone, func() error {
			f.recovered()
			if f.allDone() {
				return nil
			}
			return errNotDone
		}, errNotDone, func() bool { return false })
		if errors.Is(err, errNotDone) {
			return fmt.Errorf("ipc: queue: %w", ctx.Err())
		}
		return err
	})
}

var errNotDone = errors.New("ipc: queue: items are not done")

// allDone reports whether as many items are done as were put.
func (f *queueFile) allDone() bool { return f.done.Load() == qpos(f.tail.Load()).count() }
