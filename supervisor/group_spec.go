package supervisor

import (
	"context"
	"fmt"
	"time"
)

// Child is what a [Group] supervises: a [*Process], another [*Group], a
// function ([FuncChild]), or anything that keeps this contract. Each start uses
// a new one.
type Child interface {
	// Start starts the child and returns once it runs. What it does in another
	// goroutine may end with ctx, which the group ends when it stops a child
	// that is not ready yet and when it kills one. Through ctx the child can
	// tell that it is ready and alive ([child.Ready], [child.Beat]).
	Start(ctx context.Context) error
	// Done is closed when the child has ended.
	Done() <-chan struct{}
	// Err is how it ended: nil is a normal end. It is asked for after Done.
	Err() error
	// Stop asks the child to end and returns when it has. The end of ctx is
	// the end of the patience.
	Stop(ctx context.Context) error
	// Kill ends the child without asking and without waiting. One that cannot
	// do that returns an error that wraps errors.ErrUnsupported.
	Kill() error
}

// Strategy says which children a restart concerns.
type Strategy int

const (
	// OneForOne restarts the child that ended, and no other. Erlang: one_for_one.
	OneForOne Strategy = iota
	// OneForAll stops all others and starts all again. Erlang: one_for_all.
	OneForAll
	// RestForOne does so with those that are after it in the order of start.
	// Erlang: rest_for_one.
	RestForOne
)

func (s Strategy) String() string {
	return nameOf(int(s), "one-for-one", "one-for-all", "rest-for-one")
}

// Restart says whether a child that ended by itself is started again.
type Restart int

const (
	// Permanent children always are.
	Permanent Restart = iota
	// Transient children are when they failed, that is with an error.
	Transient
	// Temporary children never are. One that has ended is no child any more;
	// one that a sibling's restart stops neither.
	Temporary
)

func (r Restart) String() string { return nameOf(int(r), "permanent", "transient", "temporary") }

// AutoShutdown says whether a group ends by itself when significant children
// have ended. Erlang: auto_shutdown.
type AutoShutdown int

const (
	// NeverShutdown is the usual case.
	NeverShutdown AutoShutdown = iota
	// AnySignificant ends the group with the first such child that ends.
	AnySignificant
	// AllSignificant ends it with the last one that ran.
	AllSignificant
)

func (a AutoShutdown) String() string {
	return nameOf(int(a), "never", "any-significant", "all-significant")
}

func nameOf(i int, names ...string) string {
	if i < 0 || i >= len(names) {
		return fmt.Sprintf("unknown (%d)", i)
	}
	return names[i]
}

// Values of [ChildSpec].Grace beside durations.
const (
	// BrutalKill kills the child without asking. Erlang: brutal_kill.
	BrutalKill = time.Duration(-1)
	// Unlimited waits for the child's end however long that takes. Erlang: infinity.
	Unlimited = time.Duration(-2)
)

// NoRestarts as a group's Intensity gives up at the first restart.
const NoRestarts = -1

// ChildSpec says what a child of a [Group] is and how it is kept. Erlang: the
// child specification.
type ChildSpec struct {
	// ID names the child in its group.
	ID string
	// New makes the child, each time it is started, with the number of that
	// start, from 1; the group then calls its Start. [ProcessChild], [FuncChild]
	// and [GroupChild] return such functions. An error of it, as one of Start,
	// is a failed start. A nil child without an error declines to start: the
	// child stays down, as Erlang's ignore. It must not call the group's methods.
	New func(incarnation int) (Child, error)
	// Restart is the restart kind; the zero value is Permanent.
	Restart Restart
	// Significant children end the group, as its AutoShutdown says. A permanent
	// child cannot be one.
	Significant bool
	// Grace is the time between asking and forcing when the child is stopped.
	// 0 means 2 s (Erlang: 5 s), and Unlimited for a *Group; BrutalKill does
	// not ask. Erlang: shutdown.
	Grace time.Duration
	// ReadyTimeout makes the child say when it is ready, by [child.Ready], so
	// long after its start at the latest; one that does not has failed to
	// start. 0: it is ready when its Start returns, for which there is no limit.
	ReadyTimeout time.Duration
	// Heartbeat is how long a child that is ready may go without [child.Beat]
	// before it is taken for failed: it is stopped, and restarted as one that
	// ended with ErrHeartbeat. 0 means no such limit; at least 20 ms. Time in
	// which this program did not run itself does not count. Groups have none.
	Heartbeat time.Duration
}

// minHeartbeat is a few times what a child's beats are thinned out to.
const minHeartbeat = 20 * time.Millisecond

func (s *ChildSpec) check(auto AutoShutdown) error {
	wrong := func(format string, args ...any) error {
		return fmt.Errorf("supervisor: child %q: "+format, append([]any{s.ID}, args...)...)
	}
	switch {
	case s.ID == "":
		return fmt.Errorf("supervisor: a child's ID is empty")
	case s.New == nil:
		return wrong("New is nil")
	case s.Restart < Permanent || s.Restart > Temporary:
		return wrong("Restart is %d, must be Permanent, Transient or Temporary", int(s.Restart))
	case s.Significant && s.Restart == Permanent:
		return wrong("Significant is set, but Restart is Permanent")
	case s.Significant && auto == NeverShutdown:
		return wrong("Significant is set, but the group's AutoShutdown is NeverShutdown")
	case s.Grace < 0 && s.Grace != BrutalKill && s.Grace != Unlimited:
		return wrong("Grace is %v, must not be negative", s.Grace)
	case s.ReadyTimeout < 0:
		return wrong("ReadyTimeout is %v, must not be negative", s.ReadyTimeout)
	case s.Heartbeat < 0 || s.Heartbeat > 0 && s.Heartbeat < minHeartbeat:
		return wrong("Heartbeat is %v, must be 0 or at least %v", s.Heartbeat, minHeartbeat)
	}
	return nil
}
