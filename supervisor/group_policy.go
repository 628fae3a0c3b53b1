package supervisor

import (
	"slices"
	"time"
)

// policy decides what happens to the children of a group: which one is started
// or stopped next, what a failure entails, when to give up. It is told what has
// happened and when; it starts no goroutine, reads no clock and waits for
// nothing.
//
// A child has one of four states, a wish, and marks. The wish says whether it
// shall run; next compares wishes with states. In states:
//
//	down -> starting -> up -> stopping -> down
//
// where a child that is starting or up may be stopped or come down by itself.
type policy struct {
	strategy Strategy
	auto     AutoShutdown
	restarts restartWindow
	backoff  Backoff
	chance   func() float64 // in [0, 1)

	members []*member // in the order of start
	phase   phase
	err     error   // why the group ends, nil if it was told to
	events  []Event // for the hook, taken by whoever drives the policy
}

type phase int

const (
	phaseNew phase = iota
	phaseStarting
	phaseRunning
	phaseStopping
	phaseOver
)

type memberState int

const (
	memberDown memberState = iota
	memberStarting
	memberUp // ready
	memberStopping
)

// member is one child of a group, over all its incarnations.
type member struct {
	spec        ChildSpec
	state       memberState
	incarnation int
	wanted      bool
	doomed      bool      // to be stopped for a restart that concerns it
	ending      bool      // to be stopped because somebody wants that
	restarting  bool      // to be started again, not before due
	manual      bool      // the failure of the start that comes is its caller's
	added       bool      // and then it is no child any more
	leaving     bool      // nor when it is down
	due         time.Time // zero: at once
	failures    int       // in a row, for the backoff
	since       time.Time // up since
}

// command is what the policy wants done now.
type command struct {
	stop bool // else start
	m    *member
}

// begin starts all children, in order.
func (p *policy) begin() {
	p.phase = phaseStarting
	for _, m := range p.members {
		m.wanted, m.manual = true, true
	}
}

// end stops all children, in reverse order; the first reason counts.
func (p *policy) end(err error) {
	if p.phase < phaseStopping {
		p.phase, p.err = phaseStopping, err
		p.note(Event{Kind: GroupStopping, Err: err})
	}
}

// next returns what to do now. It is called after whatever was told to the
// policy, until it has nothing more to say.
func (p *policy) next(now time.Time) (do []command) {
	if p.phase == phaseStopping {
		return p.nextStop(nil, func(*member) bool { return true }, func() { p.phase = phaseOver })
	}
	for _, m := range p.members {
		if m.ending && (m.state == memberStarting || m.state == memberUp) {
			do = append(do, p.stop(m))
		}
	}
	blocked := true
	do = p.nextStop(do, func(m *member) bool { return m.doomed }, func() { blocked = false })
	if blocked {
		return do
	}
	settled := true
	for _, m := range p.members {
		if !m.wanted || m.state == memberUp {
			continue
		}
		settled = false
		if m.state == memberDown && !now.Before(m.due) {
			m.state, m.restarting, m.due = memberStarting, false, time.Time{}
			m.incarnation++
			do = append(do, command{m: m})
		}
		if p.strategy != OneForOne || p.phase == phaseStarting {
			break // those after it wait until it is up
		}
	}
	if settled && p.phase == phaseStarting {
		p.phase = phaseRunning
	}
	return do
}

// nextStop stops the last of certain children that are not down, one at a
// time, and calls none when all of them are.
func (p *policy) nextStop(do []command, which func(*member) bool, none func()) []command {
	for _, m := range slices.Backward(p.members) {
		if m.state == memberDown || !which(m) {
			continue
		}
		if m.state != memberStopping {
			do = append(do, p.stop(m))
		}
		return do
	}
	none()
	return do
}

func (p *policy) stop(m *member) command {
	m.state = memberStopping
	return command{stop: true, m: m}
}

// wake is when to call next although nothing has happened; zero for never.
func (p *policy) wake() (at time.Time) {
	if p.phase != phaseStarting && p.phase != phaseRunning {
		return at
	}
	for _, m := range p.members {
		if m.wanted && m.state == memberDown && !m.due.IsZero() && (at.IsZero() || m.due.Before(at)) {
			at = m.due
		}
	}
	return at
}

// up takes note that a child is ready.
func (p *policy) up(m *member, now time.Time) {
	m.since = now
	if m.state == memberStarting {
		m.state, m.manual, m.added = memberUp, false, false
	}
}

// ignored takes note that a child declined to start.
func (p *policy) ignored(m *member) {
	again := m.doomed && m.wanted
	m.state, m.wanted, m.doomed, m.ending, m.manual, m.added = memberDown, again, false, false, false, false
	if m.transitory() {
		p.remove(m)
	}
}

// down takes note that a child has ended, or that its start has failed.
func (p *policy) down(m *member, now time.Time, err error) {
	was, asked := m.state, m.doomed || m.ending || m.state == memberStopping
	m.state, m.doomed, m.ending = memberDown, false, false
	switch {
	case p.phase >= phaseStopping:
	case asked:
		if m.transitory() {
			p.remove(m)
		}
	case was == memberStarting && m.manual:
		m.manual, m.wanted = false, false
		if p.phase == phaseStarting {
			p.end(&StartError{Child: m.spec.ID, Err: err})
		} else if m.added || m.transitory() {
			p.remove(m)
		}
	case m.spec.Restart == Temporary, m.spec.Restart == Transient && err == nil:
		m.wanted = false
		if m.spec.Restart == Temporary {
			p.remove(m)
		}
		p.shutDownAfter(m)
	default:
		p.restart(m, now, &ChildError{Child: m.spec.ID, Incarnation: m.incarnation, Err: err})
	}
}

// shutDownAfter ends the group if the end of this child is what it ends with.
func (p *policy) shutDownAfter(m *member) {
	if !m.spec.Significant || p.auto == NeverShutdown {
		return
	}
	if p.auto == AllSignificant {
		for _, o := range p.members {
			if o.spec.Significant && (o.state != memberDown || o.wanted) {
				return
			}
		}
	}
	p.end(nil)
}

// restart sees to it that a child that ended is started again, and with it
// whom the strategy names, or gives up. All that the group has stopped before
// comes back with the others, as in Erlang.
func (p *policy) restart(m *member, now time.Time, e *ChildError) {
	if p.restarts.exceeded(now, e) {
		p.note(Event{Kind: GroupGaveUp, Err: e})
		w := &p.restarts
		p.end(&IntensityError{Restarts: len(w.at), Intensity: w.intensity, Period: w.period, Failures: w.failures})
		return
	}
	if !m.since.IsZero() && now.Sub(m.since) >= p.backoff.Reset {
		m.failures = 0
	}
	m.since = time.Time{}
	m.failures++
	delay := p.backoff.delay(m.failures, p.chance())
	p.note(Event{Kind: ChildRestarting, Child: m.spec.ID, Incarnation: m.incarnation + 1, Delay: delay, Err: e.Err})
	for _, s := range p.concerned(m) {
		if s.state != memberDown {
			s.doomed = true
		}
		if s.transitory() && s.incarnation > 0 {
			s.wanted = false
			continue
		}
		s.wanted, s.restarting, s.due = true, true, now.Add(delay)
	}
}

func (p *policy) concerned(m *member) []*member {
	i := slices.Index(p.members, m)
	switch p.strategy {
	case OneForAll:
		return p.members
	case RestForOne:
		return p.members[i:]
	}
	return p.members[i : i+1]
}

// add takes in another child, the last in order, and starts it.
func (p *policy) add(spec ChildSpec) *member {
	m := &member{spec: spec, wanted: true, manual: true, added: true}
	p.members = append(p.members, m)
	return m
}

// revive starts a child that is down, at somebody's wish.
func (p *policy) revive(m *member) { m.wanted, m.manual, m.due = true, true, time.Time{} }

// terminate stops a child at somebody's wish, or a restart that it waits for.
func (p *policy) terminate(m *member) {
	m.wanted, m.restarting, m.manual, m.added, m.due = false, false, false, false, time.Time{}
	if m.state != memberDown {
		m.ending = true
	} else if m.transitory() {
		p.remove(m)
	}
}

// transitory says that the member is none any more when it comes down.
func (m *member) transitory() bool { return m.spec.Restart == Temporary || m.leaving }

func (p *policy) find(id string) *member {
	for _, m := range p.members {
		if m.spec.ID == id {
			return m
		}
	}
	return nil
}

func (p *policy) remove(m *member) {
	m.wanted = false
	p.members = slices.DeleteFunc(slices.Clone(p.members), func(o *member) bool { return o == m })
}

func (p *policy) note(e Event) { p.events = append(p.events, e) }
