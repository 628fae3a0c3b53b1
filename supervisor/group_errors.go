package supervisor

import (
	"errors"
	"fmt"
	"strings"
	"time"
)

// Errors that callers of a [Group] can test for with errors.Is.
var (
	ErrIntensity       = errors.New("supervisor: more restarts than the intensity allows")
	ErrNotReady        = errors.New("supervisor: child did not become ready")
	ErrHeartbeat       = errors.New("supervisor: child missed its heartbeat")
	ErrNoChild         = errors.New("supervisor: no such child")
	ErrChildExists     = errors.New("supervisor: there is a child of that ID")
	ErrChildRunning    = errors.New("supervisor: child is running")
	ErrChildRestarting = errors.New("supervisor: child is about to be restarted")
	ErrChildStopped    = errors.New("supervisor: child was stopped")
	ErrGroupStopped    = errors.New("supervisor: group is not running")
	ErrGroupStarted    = errors.New("supervisor: group was started before")
)

// ChildError is one failure of a child of a [Group].
type ChildError struct {
	Child       string // its ID
	Incarnation int    // which start of it failed, from 1
	Err         error  // nil: it ended without an error, but should run
}

func (e *ChildError) Error() string {
	how := "ended"
	if e.Err != nil {
		how = strings.TrimPrefix(e.Err.Error(), "supervisor: ")
	}
	return fmt.Sprintf("supervisor: child %q, start %d: %s", e.Child, e.Incarnation, how)
}

func (e *ChildError) Unwrap() error { return e.Err }

// StartError is why the start of a [Group] failed: the start of one of its
// children did. Those before it were stopped again.
type StartError struct {
	Child string
	Err   error
}

func (e *StartError) Error() string {
	how := "ended"
	if e.Err != nil {
		how = strings.TrimPrefix(e.Err.Error(), "supervisor: ")
	}
	return fmt.Sprintf("supervisor: starting child %q: %s", e.Child, how)
}

func (e *StartError) Unwrap() error { return e.Err }

// IntensityError is how a [Group] ends that gave up: there were more restarts
// within a period than its intensity. It wraps ErrIntensity and the failures.
type IntensityError struct {
	Restarts  int // within the last period, with the one that was too many
	Intensity int
	Period    time.Duration
	Failures  []*ChildError // that led to them, the oldest first; the last 16 at most
}

func (e *IntensityError) Error() string {
	var b strings.Builder
	fmt.Fprintf(&b, "%v: %d within %v, not %d", ErrIntensity, e.Restarts, e.Period, e.Intensity)
	const shown = 3
	for _, f := range e.Failures[max(0, len(e.Failures)-shown):] {
		fmt.Fprintf(&b, "; %s", strings.TrimPrefix(f.Error(), "supervisor: "))
	}
	return b.String()
}

// Unwrap returns ErrIntensity and every failure.
func (e *IntensityError) Unwrap() []error {
	all := []error{ErrIntensity}
	for _, f := range e.Failures {
		all = append(all, f)
	}
	return all
}
