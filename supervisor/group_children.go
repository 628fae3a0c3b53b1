package supervisor

import (
	"context"
	"fmt"
	"slices"
	"time"
)

// Add adds a child, the last in the order of start, and starts it; it returns
// when the child is ready. If its start fails it is no child, and the error is
// a [*StartError]; ErrChildExists means that there is one of that ID. The end
// of ctx takes the child away again. Erlang: supervisor:start_child.
func (g *Group) Add(ctx context.Context, spec ChildSpec) error {
	g.mu.Lock()
	err := g.open()
	if err == nil {
		err = spec.check(g.policy.auto)
	}
	if err == nil && g.policy.find(spec.ID) != nil {
		err = fmt.Errorf("%w: %q", ErrChildExists, spec.ID)
	}
	if err != nil {
		g.mu.Unlock()
		return err
	}
	m := g.policy.add(spec)
	outcome := g.await(m)
	g.step()
	g.mu.Unlock()
	return g.settled(ctx, m, outcome, true)
}

// Restart starts a child that is down: it was terminated, or ended normally.
// The error is ErrChildRunning or ErrChildRestarting if it is not, ErrNoChild
// if there is none of that ID, and a [*StartError] if the start fails; the
// child is then still down. The end of ctx stops it again. Erlang:
// supervisor:restart_child.
func (g *Group) Restart(ctx context.Context, id string) error {
	g.mu.Lock()
	m, err := g.lookup(id, true)
	if err != nil {
		g.mu.Unlock()
		return err
	}
	g.policy.revive(m)
	outcome := g.await(m)
	g.step()
	g.mu.Unlock()
	return g.settled(ctx, m, outcome, false)
}

// settled waits for the outcome of a start.
func (g *Group) settled(ctx context.Context, m *member, outcome <-chan error, added bool) error {
	select {
	case err := <-outcome:
		return err
	case <-ctx.Done():
		g.mu.Lock()
		defer g.mu.Unlock()
		m.leaving = added
		g.policy.terminate(m)
		g.step()
		g.clear(m)
		return context.Cause(ctx)
	}
}

// clear forgets a child that the group has no more. g.mu is held.
func (g *Group) clear(m *member) {
	if !slices.Contains(g.policy.members, m) {
		settle(&g.seat(m).waiters, ErrChildStopped)
		delete(g.seats, m)
	}
}

// Terminate stops a child, or the restart that it waits for, and returns when
// it has ended. It stays in the group, and starts again with [Group.Restart] or
// when a sibling's restart concerns it; a temporary one is no child any more.
// A [*StopError] says that it did not stop in time; the end of ctx kills it at
// once, and is the error. Erlang: supervisor:terminate_child.
func (g *Group) Terminate(ctx context.Context, id string) error {
	g.mu.Lock()
	m, err := g.lookup(id, false)
	if err != nil {
		g.mu.Unlock()
		return err
	}
	s := g.seat(m)
	g.policy.terminate(m)
	settle(&s.waiters, ErrChildStopped)
	if m.state == memberDown {
		g.clear(m)
		g.step()
		g.mu.Unlock()
		return nil
	}
	run, ended := s.run, make(chan error, 1)
	s.enders = append(s.enders, ended)
	g.step()
	g.mu.Unlock()
	select {
	case err := <-ended:
		return err
	case <-ctx.Done():
		run.kill()
		<-ended //nolint:errcheck // why it was killed says more
		return context.Cause(ctx)
	}
}

// Remove takes a child that is down out of the group. The error is
// ErrChildRunning or ErrChildRestarting if it is not down, and ErrNoChild if
// there is none of that ID. Erlang: supervisor:delete_child.
func (g *Group) Remove(id string) error {
	g.mu.Lock()
	defer g.mu.Unlock()
	m, err := g.lookup(id, true)
	if err == nil {
		g.policy.remove(m)
		delete(g.seats, m)
	}
	return err
}

// ChildState is what a child of a [Group] does.
type ChildState int

// The states of a child.
const (
	ChildDown       ChildState = iota // it does not run, and is not about to
	ChildWaiting                      // for its turn, or for its restart
	ChildStartingUp                   // until it is ready
	ChildRunning
	ChildGoingDown // it was asked to stop
)

func (s ChildState) String() string {
	return nameOf(int(s), "down", "waiting", "starting", "running", "stopping")
}

// ChildInfo tells of a child of a [Group].
type ChildInfo struct {
	ID          string
	State       ChildState
	Restart     Restart
	Incarnation int   // its last start, from 1; 0 if it was never started
	PID         int   // of a process that runs, else 0
	Child       Child // what New has made, nil when it is down
	Err         error // how the incarnation before ended, or the last one of a child that is down
}

// Children lists the children in the order of their start. Erlang:
// supervisor:which_children.
func (g *Group) Children() (all []ChildInfo) {
	g.mu.Lock()
	defer g.mu.Unlock()
	for _, m := range g.policy.members {
		s := g.seat(m)
		i := ChildInfo{
			ID: m.spec.ID, State: m.show(), Restart: m.spec.Restart, Incarnation: m.incarnation, Err: s.err,
		}
		if m.state != memberDown {
			i.Child, i.PID = s.child, pidOf(s.child)
		}
		all = append(all, i)
	}
	return all
}

func (m *member) show() ChildState {
	switch {
	case m.state == memberStarting:
		return ChildStartingUp
	case m.state == memberUp:
		return ChildRunning
	case m.state == memberStopping:
		return ChildGoingDown
	case m.wanted:
		return ChildWaiting
	}
	return ChildDown
}

// ChildCounts counts the children of a [Group].
type ChildCounts struct {
	Specs  int // children, whatever they do
	Active int // that are not down
	Groups int // active ones that are groups
}

// Count counts the children. Erlang: supervisor:count_children.
func (g *Group) Count() (n ChildCounts) {
	for _, c := range g.Children() {
		n.Specs++
		if c.Child != nil {
			n.Active++
		}
		if _, ok := c.Child.(*Group); ok {
			n.Groups++
		}
	}
	return n
}

// open is why a child cannot be had to do with. g.mu is held.
func (g *Group) open() error {
	if g.policy.phase != phaseStarting && g.policy.phase != phaseRunning {
		return ErrGroupStopped
	}
	return nil
}

// lookup finds a child, if wanted one that is down. g.mu is held.
func (g *Group) lookup(id string, down bool) (*member, error) {
	if err := g.open(); err != nil {
		return nil, err
	}
	m := g.policy.find(id)
	switch {
	case m == nil:
		return nil, fmt.Errorf("%w: %q", ErrNoChild, id)
	case down && m.state != memberDown:
		return nil, fmt.Errorf("%w: %q", ErrChildRunning, id)
	case down && m.wanted:
		return nil, fmt.Errorf("%w: %q", ErrChildRestarting, id)
	}
	return m, nil
}

// await returns where the outcome of a member's start will come. g.mu is held.
func (g *Group) await(m *member) <-chan error {
	s, c := g.seat(m), make(chan error, 1)
	s.waiters = append(s.waiters, c)
	return c
}

func settle(waiters *[]chan error, err error) {
	for _, w := range *waiters {
		w <- err // it has room for one, and gets no other
	}
	*waiters = nil
}

// refuse tells all who wait for a start that it will not be. g.mu is held.
func (g *Group) refuse(err error) {
	for _, s := range g.seats {
		settle(&s.waiters, err)
	}
}

// ended takes note of the end of an incarnation.
func (g *Group) ended(in *incarnation, o outcome) {
	g.mu.Lock()
	defer g.mu.Unlock()
	m, s := in.m, g.seat(in.m)
	report := g.judge(in, &o)
	e := Event{Kind: ChildExited, Err: o.err, Stop: o.stop, Late: o.late}
	switch {
	case o.ignored:
		e.Kind = ChildIgnored
	case m.state == memberStopping, g.policy.phase >= phaseStopping:
		e.Kind = ChildStopped
	case m.state == memberStarting:
		e.Kind = ChildFailed
	}
	g.note(m, e)
	s.child, s.err = nil, o.err
	if o.ignored {
		g.policy.ignored(m)
		settle(&s.waiters, nil)
	} else {
		manual := m.manual
		g.policy.down(m, time.Now(), o.err)
		if manual && !m.manual {
			settle(&s.waiters, &StartError{Child: m.spec.ID, Err: o.err})
		}
	}
	settle(&s.enders, report)
	g.clear(m)
	g.step()
}
