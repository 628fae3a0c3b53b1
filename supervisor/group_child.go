package supervisor

import (
	"context"
	"errors"
	"fmt"
	"sync"

	"yunta/child"
	"yunta/child/wire"
)

// FuncChild makes children that are goroutines of this process: each start
// calls f. To stop it, the end of its context is all there is: a goroutine
// cannot be killed, and one that does not heed its context is left running when
// its grace is over (StopAbandoned), beside what replaces it. A panic is a
// failure like any other; a crash of the program is not survived. Stop and
// restart of what must be stoppable needs a process, see [ProcessChild].
func FuncChild(f func(ctx context.Context) error) func(incarnation int) (Child, error) {
	return func(int) (Child, error) { return &funcChild{f: f, done: make(chan struct{})}, nil }
}

type funcChild struct {
	f    func(context.Context) error
	done chan struct{}
	err  error // written before done is closed

	mu     sync.Mutex
	killed bool
	cancel context.CancelFunc // nil before the start
}

func (c *funcChild) Start(ctx context.Context) error {
	c.mu.Lock()
	defer c.mu.Unlock()
	ctx, c.cancel = context.WithCancel(ctx)
	if c.killed {
		c.cancel()
	}
	go c.run(ctx)
	return nil
}

func (c *funcChild) run(ctx context.Context) {
	defer close(c.done)
	c.err = child.LocalError(child.StageRun, errGoexit) // if nothing else is known
	defer func() {
		if v := recover(); v != nil {
			c.err = child.LocalPanic(child.StageRun, v)
		}
		if ctx.Err() != nil && errors.Is(c.err, context.Canceled) {
			c.err = nil // it ended as it was told to
		}
		c.cancel()
	}()
	c.err = c.f(ctx)
}

func (c *funcChild) Done() <-chan struct{} { return c.done }
func (c *funcChild) Err() error            { return c.err }

func (c *funcChild) Stop(ctx context.Context) error {
	_ = c.Kill()
	select {
	case <-c.done:
		return nil
	case <-ctx.Done():
		return context.Cause(ctx)
	}
}

// Kill ends the context: more cannot be done.
func (c *funcChild) Kill() error {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.killed = true
	if c.cancel != nil {
		c.cancel()
	}
	return fmt.Errorf("supervisor: killing a goroutine: %w", errors.ErrUnsupported)
}

// ProcessChild makes children that are processes: each start runs the entry in
// a new one. The group stops it with the [ChildSpec].Grace, not that of the
// options. The entry's context ends when the group asks it to stop; with it the
// entry calls [child.Ready] and [child.Beat]. [child.Self] tells the incarnation.
func ProcessChild[A, R any](e child.Entry[A, R], arg A, o ProcessOptions) func(incarnation int) (Child, error) {
	return func(incarnation int) (Child, error) {
		p := NewProcess(e, arg, o)
		p.incarnation = incarnation
		return p, nil
	}
}

// ask asks the entry to end, and leaves it at that: the group forces it.
func (p *Process) ask() {
	if p.usable() == nil {
		p.w.tell(wire.AppendSlots(nil, wire.KindStop))
	}
}

// GroupChild makes children that are groups, each start a new one of the same
// options and children. When one gives up, its group's child has failed, with
// an error that wraps ErrIntensity: so escalation goes up the tree. In Erlang a
// supervisor that gives up ends with reason shutdown, which does not restart a
// transient child; here it does.
func GroupChild(o GroupOptions, children ...ChildSpec) func(incarnation int) (Child, error) {
	return func(int) (Child, error) { return NewGroup(o, children...), nil }
}
