package child

import (
	"context"
	"sync"
	"sync/atomic"
	"time"

	"yunta/child/wire"
	"yunta/ipc"
)

// Signals takes what a long-lived child tells its supervisor. A supervisor
// gives one along with a context, see [WithSignals]; in a process of its own
// the child's side sends them up.
type Signals interface {
	Ready()
	Beat()
}

type signalsKey struct{}

// WithSignals returns a context whose [Ready] and [Beat] call s.
func WithSignals(ctx context.Context, s Signals) context.Context {
	return context.WithValue(ctx, signalsKey{}, s)
}

// SignalsOf returns what [WithSignals] has put into the context, nil if nothing.
func SignalsOf(ctx context.Context) Signals {
	s, _ := ctx.Value(signalsKey{}).(Signals)
	return s
}

// Ready says that this child is ready: a supervisor.Group whose child has a
// ReadyTimeout waits for it before it starts the next one. ctx is the entry's,
// or one made of it. The second call, and one for which nobody waits, does
// nothing.
func Ready(ctx context.Context) {
	if s := SignalsOf(ctx); s != nil {
		s.Ready()
	}
}

// Beat says that this child still gets on with its work: a supervisor.Group
// whose child has a Heartbeat stops and restarts it when it has been silent
// for longer. Call it from the loop that does the work; a goroutine that does
// nothing else would only tell that the process exists. It is cheap: in a
// process of its own at most one call in 5 ms writes to a pipe. ctx is the
// entry's, or one made of it; where nobody listens it does nothing.
func Beat(ctx context.Context) {
	if s := SignalsOf(ctx); s != nil {
		s.Beat()
	}
}

// beatInterval is the least time between two beats that are sent: a fraction
// of the shortest heartbeat that a supervisor accepts.
const beatInterval = 5 * time.Millisecond

// pulse sends the signals of a process's entry up the notices pipe. What is
// wrong with the pipe is no news: then the supervisor is dead.
type pulse struct {
	notices *notices
	began   time.Time
	ready   sync.Once
	last    atomic.Int64 // when a beat was sent, since began; 0 for never. Any goroutine of the entry's writes it
}

func (p *pulse) Ready() { p.ready.Do(func() { p.send(wire.KindReady) }) }

func (p *pulse) Beat() {
	last, now := p.last.Load(), int64(time.Since(p.began))
	if last != 0 && now-last < int64(beatInterval) || !p.last.CompareAndSwap(last, now) {
		return
	}
	p.send(wire.KindBeat)
}

func (p *pulse) send(kind byte) { _, _ = p.notices.Write(ipc.AppendFrame(nil, []byte{kind})) }
