package supervisor

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"
)

// StopAction is what it took to stop a child.
type StopAction int

// How far the stop sequence went.
const (
	StopAsked      StopAction = iota // it ended when it was asked
	StopTerminated                   // by SIGTERM, after the grace
	StopKilled                       // it was killed
	StopAbandoned                    // it could not be killed, and was left running
)

func (a StopAction) String() string {
	return nameOf(int(a), "asked", "terminated", "killed", "abandoned")
}

// LateChild is a child that did not stop in time.
type LateChild struct {
	Child       string // its ID; in a group within the group "inner/id"
	Incarnation int
	PID         int        // 0 if it is no process
	Action      StopAction // what was done to it
	Grace       time.Duration
}

func (l LateChild) String() string {
	return fmt.Sprintf("%s (start %d): %v", l.Child, l.Incarnation, l.Action)
}

// StopError is the report of a stop in which children did not end in time. The
// others did, and so did these, but those whose Action is StopAbandoned.
type StopError struct {
	Late []LateChild // in the order in which they were stopped
}

func (e *StopError) Error() string {
	all := make([]string, len(e.Late))
	for i, l := range e.Late {
		all[i] = l.String()
	}
	return "supervisor: not stopped in time: " + strings.Join(all, ", ")
}

// Two times that no option sets.
const (
	// killWait is how long a killed child may take to end, in the kernel or in
	// its own Kill, before it is left to itself.
	killWait = 5 * time.Second
	// cancelWait is the same for what cannot be killed: goroutines whose context
	// has ended.
	cancelWait = 100 * time.Millisecond
)

// Stop stops the children in reverse order of their start, each by the sequence
// ask, grace, terminate, grace, kill, and returns when the group has ended.
// Children that wait for a restart are not waited for. The error is nil if all
// stopped in time, and else a [*StopError]; the end of ctx kills who is left at
// once, and joins its error. Stopping again waits for the same end.
func (g *Group) Stop(ctx context.Context) error {
	if !g.beginStop(false) {
		return fmt.Errorf("%w: it was not started", ErrGroupStopped)
	}
	var cut error
	select {
	case <-g.done:
	case <-ctx.Done():
		cut = context.Cause(ctx)
		g.beginStop(true)
		<-g.done // which no child can hold up for long
	}
	if cut == nil {
		return g.report // not written any more
	}
	return errors.Join(cut, g.report)
}

// Kill kills all children at once, without asking and without order. It does
// not wait.
func (g *Group) Kill() error {
	if !g.beginStop(true) {
		return fmt.Errorf("%w: it was not started", ErrGroupStopped)
	}
	return nil
}

// beginStop begins to stop a group that was started, in order or by killing
// all. Killing after that is the end of somebody's patience: who is left is late.
func (g *Group) beginStop(kill bool) (started bool) {
	g.mu.Lock()
	defer g.mu.Unlock()
	if !g.started {
		return false
	}
	g.impatient = g.impatient || kill && g.policy.phase == phaseStopping
	g.policy.end(nil)
	for m, s := range g.seats {
		if kill && m.state != memberDown {
			s.run.kill() // before it is asked
		}
	}
	g.step()
	return true
}

// judge notes what an incarnation's end took, and returns the report of it.
// g.mu is held.
func (g *Group) judge(in *incarnation, o *outcome) error {
	if o.stop != StopAsked && g.impatient {
		o.late = true
	}
	g.abandoned = slices.DeleteFunc(g.abandoned, (*incarnation).isGone)
	if o.stop == StopAbandoned {
		g.abandoned = append(g.abandoned, in)
	}
	var late []LateChild
	if below, ok := errors.AsType[*StopError](o.below); ok {
		for _, l := range below.Late {
			l.Child = in.spec.ID + "/" + l.Child
			late = append(late, l)
		}
	}
	if o.late {
		late = append(late, in.lateness(o.stop))
	}
	if g.policy.phase >= phaseStopping {
		g.late = append(g.late, late...)
	}
	if len(late) == 0 {
		return nil
	}
	return &StopError{Late: late}
}

func (in *incarnation) lateness(a StopAction) LateChild {
	return LateChild{Child: in.spec.ID, Incarnation: in.number, PID: pidOf(in.child), Action: a, Grace: in.grace()}
}

// terminator is a child that knows something between asking and killing, as
// processes do.
type terminator interface{ Terminate() error }

// asker is a child that can be asked without its own sequence of stopping.
type asker interface{ ask() }

// grace is the time between asking and forcing.
func (in *incarnation) grace() time.Duration {
	if in.spec.Grace != 0 {
		return in.spec.Grace
	}
	if _, ok := in.child.(*Group); ok {
		return Unlimited
	}
	return defaultGrace
}

// stop is the sequence: ask, grace, terminate, grace, kill.
func (in *incarnation) stop() (o outcome) {
	grace := in.grace()
	if grace == BrutalKill || in.isKilled() {
		return in.force(o)
	}
	ctx, cancel := context.WithCancel(context.Background())
	answer := make(chan error, 1)
	go func() { answer <- in.request(ctx) }()
	defer func() {
		cancel()
		if o.stop != StopAbandoned {
			select {
			case o.below = <-answer:
			case <-time.After(cancelWait): // a Stop that outlives its child is not worth more
			}
		}
	}()
	if in.await(grace) {
		return o
	}
	o.late = true
	if t, ok := in.child.(terminator); ok && !in.isKilled() && t.Terminate() == nil && in.await(grace) {
		o.stop = StopTerminated
		return o
	}
	cancel() // a group within is told that its time is up
	return in.force(o)
}

// request asks the child to end, once it is there.
func (in *incarnation) request(ctx context.Context) error {
	select {
	case <-in.launched:
	default:
		in.cancel() // the start shall not go on
		select {
		case <-in.launched:
		case <-ctx.Done():
			return nil
		}
	}
	if in.startErr != nil {
		return nil //nolint:nilerr // there is nothing to stop
	}
	if a, ok := in.child.(asker); ok {
		a.ask()
		return nil
	}
	return in.child.Stop(ctx)
}

// await reports whether the child has ended in time.
func (in *incarnation) await(d time.Duration) bool {
	var timeout <-chan time.Time
	if d != Unlimited {
		t := time.NewTimer(d)
		defer t.Stop()
		timeout = t.C
	}
	select {
	case <-in.gone:
		return true
	case <-in.killed:
	case <-timeout:
	}
	return in.isGone()
}

func (in *incarnation) isKilled() bool {
	select {
	case <-in.killed:
		return true
	default:
		return false
	}
}

// force kills the child, or gives it up.
func (in *incarnation) force(o outcome) outcome {
	if in.isGone() {
		return o
	}
	o.stop = StopKilled
	in.orphan.Store(true) // before Kill: one of the two meets the child
	err := in.child.Kill()
	in.cancel()
	wait := time.NewTimer(killWait)
	defer wait.Stop()
	cannot := errors.Is(err, errors.ErrUnsupported)
	if cannot {
		wait.Reset(cancelWait)
	} else if _, ok := in.child.(*Group); ok {
		wait.Stop() // it gives up its children by itself
	}
	select {
	case <-in.gone:
		if cannot {
			o.stop = StopAsked
		}
	case <-wait.C:
		o.stop = StopAbandoned
	}
	return o
}
