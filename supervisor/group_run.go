package supervisor

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"sync/atomic"
	"time"

	"yunta/child"
)

// seat is what a group keeps for a member, over all its incarnations. Group.mu
// guards it.
type seat struct {
	run     *incarnation // the last one
	child   Child        // its child, nil before New has made it
	err     error        // how the last one ended
	waiters []chan error // of starts: the first outcome
	enders  []chan error // of stops: the end
}

func (g *Group) seat(m *member) *seat {
	s := g.seats[m]
	if s == nil {
		s = new(seat)
		g.seats[m] = s
	}
	return s
}

// incarnation is one start of a child and what becomes of it, in one goroutine
// (live) that tells the group of each step and of the end exactly once. Another
// one waits for Start and then for the child's end, since either may hang.
type incarnation struct {
	g      *Group
	m      *member
	spec   ChildSpec
	number int
	child  Child // once New has made it

	ctx      context.Context //nolint:containedctx // the child's life, made and ended here
	cancel   context.CancelFunc
	asked    chan struct{} // the group wants it to stop
	killed   chan struct{} // and to kill it
	askOnce  sync.Once
	killOnce sync.Once

	launched chan struct{} // Start has returned startErr
	startErr error
	gone     chan struct{} // it has ended, or was never there
	orphan   atomic.Bool   // nobody waits for Start any more: kill what it starts

	ready     chan struct{} // the child says it is
	readyOnce sync.Once
	lastBeat  atomic.Int64 // since born, as a duration; the child's goroutines write it
	born      time.Time
}

func newIncarnation(g *Group, m *member) *incarnation {
	in := &incarnation{
		g: g, m: m, spec: m.spec, number: m.incarnation, born: time.Now(),
		asked: make(chan struct{}), killed: make(chan struct{}), launched: make(chan struct{}),
		gone: make(chan struct{}), ready: make(chan struct{}),
	}
	ctx, cancel := context.WithCancel(context.Background())
	in.ctx, in.cancel = child.WithSignals(ctx, in), cancel
	return in
}

// Ready and Beat are what the child says, from any goroutine.
func (in *incarnation) Ready() { in.readyOnce.Do(func() { close(in.ready) }) }
func (in *incarnation) Beat()  { in.lastBeat.Store(int64(time.Since(in.born))) }

func (in *incarnation) ask()  { in.askOnce.Do(func() { close(in.asked) }) }
func (in *incarnation) kill() { in.killOnce.Do(func() { close(in.killed) }) }

func (in *incarnation) isGone() bool {
	select {
	case <-in.gone:
		return true
	default:
		return false
	}
}

// outcome is how an incarnation ended.
type outcome struct {
	err     error
	ignored bool
	stop    StopAction // what it took, if it was stopped
	late    bool       // it did not end in time
	below   error      // what its own Stop returned
}

func (in *incarnation) live() {
	c, err := guarded(func() (Child, error) { return in.spec.New(in.number) })
	if _, ok := c.(*Group); ok && err == nil && in.spec.Heartbeat > 0 {
		err = errors.New("supervisor: Heartbeat is set, but a Group has none")
	}
	if err != nil || c == nil {
		close(in.gone)
		in.cancel()
		in.g.ended(in, outcome{err: err, ignored: err == nil})
		return
	}
	in.g.made(in, c)
	go in.launch()
	o := in.watch()
	in.cancel()
	in.g.ended(in, o)
}

func (in *incarnation) launch() {
	_, err := guarded(func() (Child, error) { return nil, in.child.Start(in.ctx) })
	in.startErr = err
	if err != nil {
		close(in.gone)
		close(in.launched)
		return
	}
	close(in.launched)
	if in.orphan.Load() {
		_ = in.child.Kill()
	}
	<-in.child.Done()
	close(in.gone)
}

// guarded turns a panic of somebody else's function into an error.
func guarded(f func() (Child, error)) (c Child, err error) {
	defer func() {
		if v := recover(); v != nil {
			c, err = nil, child.LocalPanic(child.StageStart, v)
		}
	}()
	return f()
}

// watch waits for whatever ends the incarnation.
func (in *incarnation) watch() outcome {
	var late, silent <-chan time.Time
	h := heart{limit: in.spec.Heartbeat}
	launched, ready := in.launched, (<-chan struct{})(nil)
	if in.spec.ReadyTimeout > 0 {
		t := time.NewTimer(in.spec.ReadyTimeout)
		defer t.Stop()
		late = t.C
	}
	isUp := false
	up := func() {
		isUp, ready, late = true, nil, nil
		in.g.isUp(in)
		if in.spec.Heartbeat > 0 {
			in.Beat()
			silent = time.After(h.begin(time.Now()))
		}
	}
	started := func() {
		launched = nil
		if in.startErr != nil {
			return
		}
		in.g.hasStarted(in)
		if ready = in.ready; in.spec.ReadyTimeout == 0 {
			up()
		}
	}
	for {
		select {
		case <-in.killed:
			return in.force(outcome{})
		case <-in.asked:
			return in.stop()
		case <-launched:
			started()
		case <-ready:
			up()
		case <-in.gone:
			// All that was said before counts, in its order.
			if launched != nil {
				<-launched
				started()
			}
			select {
			case <-ready:
				up()
			default:
			}
			return outcome{err: in.how(isUp)}
		case <-late:
			o := in.stop()
			o.err = fmt.Errorf("%w within %v", ErrNotReady, in.spec.ReadyTimeout)
			return o
		case <-silent:
			quiet, next := h.check(time.Now(), in.born.Add(time.Duration(in.lastBeat.Load())))
			if next > 0 {
				silent = time.After(next)
				continue
			}
			in.g.isSilent(in, quiet)
			o := in.stop()
			o.err = fmt.Errorf("%w of %v", ErrHeartbeat, in.spec.Heartbeat)
			return o
		}
	}
}

// how is the error of a child that has ended by itself.
func (in *incarnation) how(wasUp bool) error {
	if in.startErr != nil {
		return in.startErr
	}
	err := in.child.Err()
	if !wasUp {
		return errors.Join(fmt.Errorf("%w: it ended before", ErrNotReady), err)
	}
	return err
}
