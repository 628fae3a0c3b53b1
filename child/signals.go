package child

import "context"

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
// process of its own at most one call in 10 ms writes to a pipe. ctx is the
// entry's, or one made of it; where nobody listens it does nothing.
func Beat(ctx context.Context) {
	if s := SignalsOf(ctx); s != nil {
		s.Beat()
	}
}
