package supervisor

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"math/rand/v2"
	"slices"
	"sync"
	"time"

	"yunta/child"
)

// GroupOptions says how a group keeps its children. The zero value is the
// recommended setting, and Erlang's.
type GroupOptions struct {
	// Name shows in logs, errors and events; "" means "group".
	Name string
	// Strategy says which children a restart concerns.
	Strategy Strategy
	// Intensity is how many restarts within a Period are accepted; with one
	// more the group gives up: it stops its children and ends with an
	// [*IntensityError]. 0 means 1; NoRestarts means none.
	Intensity int
	// Period is the time in which restarts are counted; 0 means 5 s.
	Period time.Duration
	// Backoff delays restarts; the zero value does not.
	Backoff Backoff
	// AutoShutdown ends the group when significant children have ended.
	AutoShutdown AutoShutdown
	// Events is called with everything that happens, one event after the other
	// and in order, in a goroutine of its own. It may use the group, but must
	// not wait for its end: a group has ended when all of its events are told.
	// Groups that share a hook call it at the same time.
	Events func(Event)
	// Logger gets the same; nil means nothing is logged.
	Logger *slog.Logger
}

func (o GroupOptions) withDefaults() (GroupOptions, error) {
	switch {
	case o.Strategy < OneForOne || o.Strategy > RestForOne:
		return o, fmt.Errorf("supervisor: Strategy is %d, must be OneForOne, OneForAll or RestForOne", int(o.Strategy))
	case o.Intensity < 0 && o.Intensity != NoRestarts:
		return o, fmt.Errorf("supervisor: Intensity is %d, must not be negative", o.Intensity)
	case o.Period < 0:
		return o, fmt.Errorf("supervisor: Period is %v, must not be negative", o.Period)
	case o.AutoShutdown < NeverShutdown || o.AutoShutdown > AllSignificant:
		return o, fmt.Errorf("supervisor: AutoShutdown is %d, must be NeverShutdown, AnySignificant or AllSignificant", int(o.AutoShutdown))
	}
	if o.Name == "" {
		o.Name = "group"
	}
	switch o.Intensity {
	case 0:
		o.Intensity = 1
	case NoRestarts:
		o.Intensity = 0
	}
	if o.Period == 0 {
		o.Period = 5 * time.Second
	}
	if o.Logger == nil {
		o.Logger = slog.New(slog.DiscardHandler)
	}
	var err error
	o.Backoff, err = o.Backoff.withDefaults(o.Period)
	return o, err
}

// Group starts children in order, keeps them running, and stops them in
// reverse order: Erlang's supervisor. It is a [Child] itself, so groups form
// trees. All methods may be called from any goroutine; one that was not started
// has no children. See the package documentation on supervision.
type Group struct {
	o     GroupOptions
	specs []ChildSpec
	up    chan struct{} // closed when Start is over
	done  chan struct{}

	queue eventQueue

	mu        sync.Mutex // guards what follows; who holds it waits for nothing
	policy    policy
	seats     map[*member]*seat
	wake      *time.Timer
	started   bool
	running   bool           // up is closed
	impatient bool           // stopping, and then killed
	late      []LateChild    // at the end of the group
	abandoned []*incarnation // given up, and not gone when that was noted
	unhook    func() bool    // from Start's context
	report    error          // a *StopError or nil, once done is closed
	err       error          // the same
}

// NewGroup returns a group that is not yet started. What is wrong with the
// options or the children is an error of Start.
func NewGroup(o GroupOptions, children ...ChildSpec) *Group {
	return &Group{
		o: o, specs: slices.Clone(children), up: make(chan struct{}), done: make(chan struct{}),
		seats: make(map[*member]*seat),
	}
}

// Start starts the children in order, each when the one before it is ready,
// and returns when all are. If the start of one fails, those before it are
// stopped, the group has ended, and the error is a [*StartError]. A group can
// be started once.
//
// The end of ctx stops the group, as [Group.Stop] does.
func (g *Group) Start(ctx context.Context) error {
	if err := g.begin(ctx); err != nil {
		return err
	}
	select {
	case <-g.up:
	case <-g.done:
		switch {
		case g.Err() != nil:
			return g.Err()
		case context.Cause(ctx) != nil:
			return context.Cause(ctx)
		}
		return fmt.Errorf("%w: it was stopped while it started", ErrGroupStopped)
	}
	if s := child.SignalsOf(ctx); s != nil {
		s.Ready()
	}
	return nil
}

func (g *Group) begin(ctx context.Context) error {
	g.mu.Lock()
	defer g.mu.Unlock()
	if g.started {
		return ErrGroupStarted
	}
	g.started = true
	err := g.prepare()
	if err == nil {
		err = context.Cause(ctx)
	}
	if err != nil {
		g.policy.phase, g.err = phaseOver, err
		close(g.done)
		return err
	}
	g.policy.begin()
	g.unhook = context.AfterFunc(ctx, func() { g.beginStop(false) })
	g.step()
	return nil
}

func (g *Group) prepare() (err error) {
	if g.o, err = g.o.withDefaults(); err != nil {
		return err
	}
	p := &g.policy
	p.strategy, p.auto, p.backoff, p.chance = g.o.Strategy, g.o.AutoShutdown, g.o.Backoff, rand.Float64
	p.restarts = restartWindow{intensity: g.o.Intensity, period: g.o.Period}
	for _, spec := range g.specs {
		if err := spec.check(p.auto); err != nil {
			return err
		}
		if p.find(spec.ID) != nil {
			return fmt.Errorf("%w: %q", ErrChildExists, spec.ID)
		}
		p.members = append(p.members, &member{spec: spec})
	}
	g.queue.hook, g.queue.logger = g.o.Events, g.o.Logger
	return nil
}

// step does what the policy wants now. g.mu is held.
func (g *Group) step() {
	p := &g.policy
	if !g.started || p.phase == phaseOver {
		return
	}
	now := time.Now()
	for _, c := range p.next(now) {
		s := g.seat(c.m)
		if c.stop {
			g.note(c.m, Event{Kind: ChildStopping})
			s.run.ask()
		} else {
			s.run = newIncarnation(g, c.m)
			go s.run.live()
		}
	}
	for _, e := range p.events {
		g.queue.put(e, now, g.o.Name)
	}
	p.events = nil
	if g.wake != nil {
		g.wake.Stop()
		g.wake = nil
	}
	if at := p.wake(); !at.IsZero() {
		g.wake = time.AfterFunc(at.Sub(now), func() {
			g.mu.Lock()
			defer g.mu.Unlock()
			g.step()
		})
	}
	if p.phase == phaseRunning && !g.running {
		g.running = true
		close(g.up)
	}
	if p.phase >= phaseStopping {
		g.refuse(ErrGroupStopped)
	}
	if p.phase == phaseOver {
		g.finish()
	}
}

// finish publishes the end, when nobody is left. g.mu is held.
func (g *Group) finish() {
	for _, in := range g.abandoned {
		if !in.isGone() && !slices.ContainsFunc(g.late, func(l LateChild) bool {
			return l.Child == in.spec.ID && l.Incarnation == in.number
		}) {
			g.late = append(g.late, in.lateness(StopAbandoned))
		}
	}
	g.err = g.policy.err
	if len(g.late) > 0 {
		g.report = &StopError{Late: g.late}
		g.err = g.report
		if g.policy.err != nil {
			g.err = errors.Join(g.policy.err, g.report)
		}
	}
	g.queue.put(Event{Kind: GroupStopped, Err: g.err}, time.Now(), g.o.Name)
	g.unhook()
	go func() {
		g.queue.drain()
		close(g.done)
	}()
}

// Done is closed when the group and all of its children have ended; never if
// it is not started.
func (g *Group) Done() <-chan struct{} { return g.done }

// Err returns how the group ended, nil before that. It is nil after a stop that
// somebody wanted, with AutoShutdown the group itself; a [*StartError] or
// [*IntensityError] says why it gave up; a [*StopError] is joined to it if
// children did not stop in time.
func (g *Group) Err() error {
	select {
	case <-g.done:
		return g.err // not written any more
	default:
		return nil
	}
}

// Wait blocks until the group has ended and returns [Group.Err], or until ctx
// ends, whose error it then returns.
func (g *Group) Wait(ctx context.Context) error {
	g.mu.Lock()
	started := g.started
	g.mu.Unlock()
	if !started {
		return fmt.Errorf("%w: it was not started", ErrGroupStopped)
	}
	select {
	case <-g.done:
		return g.Err()
	case <-ctx.Done():
		return context.Cause(ctx)
	}
}
