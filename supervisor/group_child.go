package supervisor

import (
	"context"
	"errors"
	"fmt"

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
	f      func(context.Context) error
	ctx    context.Context //nolint:containedctx // made by Start, ended by Stop and Kill
	cancel context.CancelFunc
	done   chan struct{}
	err    error // written before done is closed
}

func (c *funcChild) Start(ctx context.Context) error {
	c.ctx, c.cancel = context.WithCancel(ctx)
	go c.run()
	return nil
}

func (c *funcChild) run() {
	err := child.LocalError(child.StageRun, errGoexit)
	c.err = err
	defer close(c.done)
	defer func() {
		if v := recover(); v != nil {
			c.err = child.LocalPanic(child.StageRun, v)
		}
		if c.ctx.Err() != nil && errors.Is(c.err, context.Canceled) {
			c.err = nil // it ended as it was told to
		}
		c.cancel()
	}()
	c.err = c.f(c.ctx)
}

func (c *funcChild) Done() <-chan struct{} { return c.done }
func (c *funcChild) Err() error            { return c.err }

func (c *funcChild) Stop(ctx context.Context) error {
	c.cancel()
	select {
	case <-c.done:
		return nil
	case <-ctx.Done():
		return context.Cause(ctx)
	}
}

// Kill asks as Stop does: more cannot be done.
func (c *funcChild) Kill() error {
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
