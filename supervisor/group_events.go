package supervisor

import (
	"context"
	"fmt"
	"log/slog"
	"strings"
	"sync"
	"time"
)

// EventKind says what has happened in a [Group].
type EventKind int

// What a group tells its hook, and which fields of the Event are set beside
// Kind, Time and Group. Child, Incarnation and, for processes, PID are in all
// that begin with Child.
const (
	ChildStarted    EventKind = iota // its Start has returned
	ChildReady                       // the next one may start
	ChildIgnored                     // it declined to start
	ChildFailed                      // its start failed: Err
	ChildSilent                      // it missed its heartbeat and is going to be stopped: Delay since the last one
	ChildExited                      // it ended by itself, or after ChildSilent: Err, nil if normally
	ChildRestarting                  // Incarnation will start after Delay, for Err
	ChildStopping                    // the group stops it
	ChildStopped                     // and it has ended: Stop says how, Late whether that was too late
	GroupGaveUp                      // one restart too many: Err
	GroupStopping                    // Err says why, nil if it was told to
	GroupStopped                     // all are down: Err is the group's
)

func (k EventKind) String() string {
	return nameOf(int(k), "started", "ready", "ignored", "failed to start", "silent", "exited", "restarting",
		"stopping", "stopped", "gave up", "stops", "is over")
}

// Event is something that happened in a [Group].
type Event struct {
	Kind        EventKind
	Time        time.Time
	Group       string
	Child       string
	Incarnation int
	PID         int
	Err         error
	Delay       time.Duration
	Stop        StopAction
	Late        bool
}

// String is a line for a log, without the time.
func (e Event) String() string {
	var b strings.Builder
	b.WriteString(e.Group)
	if e.Child != "" {
		fmt.Fprintf(&b, ": %s", e.Child)
	}
	fmt.Fprintf(&b, ": %v", e.Kind)
	if e.Kind == ChildRestarting || e.Kind == ChildStarted {
		fmt.Fprintf(&b, ", start %d", e.Incarnation)
	}
	if e.Delay > 0 {
		fmt.Fprintf(&b, ", %v", e.Delay)
	}
	if e.Stop != StopAsked {
		fmt.Fprintf(&b, ", %v", e.Stop)
	}
	if e.Err != nil {
		fmt.Fprintf(&b, ": %s", strings.TrimPrefix(e.Err.Error(), "supervisor: "))
	}
	return b.String()
}

func (e Event) level() slog.Level {
	switch {
	case e.Kind == GroupGaveUp:
		return slog.LevelError
	case e.Late, e.Kind == ChildFailed, e.Kind == ChildSilent, e.Kind == ChildExited && e.Err != nil:
		return slog.LevelWarn
	}
	return slog.LevelDebug
}

// eventQueue hands events to the hook in order, without making the group wait
// for it. Its goroutine lives only while there are some.
type eventQueue struct {
	hook   func(Event)
	logger *slog.Logger

	mu     sync.Mutex
	events []Event
	idle   chan struct{} // closed when the goroutine has ended; nil without one
}

func (q *eventQueue) put(e Event, now time.Time, group string) {
	e.Time, e.Group = now, group
	q.mu.Lock()
	defer q.mu.Unlock()
	q.events = append(q.events, e)
	if q.idle == nil {
		q.idle = make(chan struct{})
		go q.deliver(q.idle)
	}
}

func (q *eventQueue) deliver(idle chan struct{}) {
	defer close(idle)
	for {
		q.mu.Lock()
		events := q.events
		if q.events = nil; events == nil {
			q.idle = nil
			q.mu.Unlock()
			return
		}
		q.mu.Unlock()
		for _, e := range events {
			q.log(e)
			if q.hook != nil {
				q.hook(e)
			}
		}
	}
}

func (q *eventQueue) log(e Event) {
	ctx := context.Background()
	if !q.logger.Enabled(ctx, e.level()) {
		return
	}
	attrs := []slog.Attr{slog.String("group", e.Group)}
	if e.Child != "" {
		attrs = append(attrs, slog.String("child", e.Child), slog.Int("incarnation", e.Incarnation))
	}
	if e.PID != 0 {
		attrs = append(attrs, slog.Int("pid", e.PID))
	}
	if e.Delay > 0 {
		attrs = append(attrs, slog.Duration("delay", e.Delay))
	}
	if e.Stop != StopAsked || e.Kind == ChildStopped {
		attrs = append(attrs, slog.String("how", e.Stop.String()))
	}
	if e.Err != nil {
		attrs = append(attrs, slog.Any("err", e.Err))
	}
	q.logger.LogAttrs(ctx, e.level(), e.Kind.String(), attrs...)
}

// drain waits until all events were told.
func (q *eventQueue) drain() {
	for {
		q.mu.Lock()
		idle := q.idle
		q.mu.Unlock()
		if idle == nil {
			return
		}
		<-idle
	}
}

// note tells something of a child. g.mu is held.
func (g *Group) note(m *member, e Event) {
	s := g.seat(m)
	e.Child, e.Incarnation, e.PID = m.spec.ID, m.incarnation, pidOf(s.child)
	g.policy.note(e)
}

// pidOf is the process number of a child that is a process, else 0.
func pidOf(c Child) int {
	if p, ok := c.(interface{ PID() int }); ok {
		return p.PID()
	}
	return 0
}

// What an incarnation tells its group.

func (g *Group) made(in *incarnation, c Child) {
	g.mu.Lock()
	defer g.mu.Unlock()
	in.child, g.seat(in.m).child = c, c
}

func (g *Group) hasStarted(in *incarnation) { g.tell(in, Event{Kind: ChildStarted}) }

func (g *Group) isSilent(in *incarnation, quiet time.Duration) {
	g.tell(in, Event{Kind: ChildSilent, Delay: quiet})
}

func (g *Group) tell(in *incarnation, e Event) {
	g.mu.Lock()
	defer g.mu.Unlock()
	g.note(in.m, e)
	g.step()
}

func (g *Group) isUp(in *incarnation) {
	g.mu.Lock()
	defer g.mu.Unlock()
	g.policy.up(in.m, time.Now())
	g.note(in.m, Event{Kind: ChildReady})
	settle(&g.seat(in.m).waiters, nil)
	g.step()
}
