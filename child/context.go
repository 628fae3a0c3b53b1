package child

import (
	"context"
	"sync"
	"time"
)

// taskContext is the context of a chunk's tasks. It is made for every chunk,
// so it does nothing until somebody asks for its channel.
type taskContext struct {
	deadline time.Time // zero for none

	mu   sync.Mutex
	done chan struct{} // made by the first Done
	err  error         // set once
}

func (c *taskContext) Deadline() (time.Time, bool) {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.deadline, !c.deadline.IsZero()
}

func (c *taskContext) Done() <-chan struct{} {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.done == nil {
		c.done = make(chan struct{})
		if c.err != nil {
			close(c.done)
		}
	}
	return c.done
}

func (c *taskContext) Err() error {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.err
}

func (c *taskContext) Value(any) any { return nil }

// end ends the context, once: with context.Canceled when the task was
// cancelled or is over, with context.DeadlineExceeded past its deadline.
func (c *taskContext) end(err error) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.err != nil {
		return
	}
	c.err = err
	if c.done != nil {
		close(c.done)
	}
}

// extend gives the next task of the chunk a deadline of its own.
func (c *taskContext) extend(timeout time.Duration) {
	c.mu.Lock()
	c.deadline = time.Now().Add(timeout)
	c.mu.Unlock()
}

var _ context.Context = (*taskContext)(nil)
