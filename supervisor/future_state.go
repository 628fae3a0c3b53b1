package supervisor

import (
	"context"
	"errors"
	"fmt"
	"slices"
)

// FutureState is what has become of a call.
type FutureState int

// The states, of which the last three are for good.
const (
	FuturePending   FutureState = iota // no task of it has begun
	FutureRunning                      // one has
	FutureCancelled                    // by Cancel, CloseCancel or the end of its context
	FutureFailed                       // the call returned an error
	FutureDone                         // and here it did not
)

var futureStates = [...]string{"pending", "running", "cancelled", "failed", "done"}

func (s FutureState) String() string {
	if s >= 0 && int(s) < len(futureStates) {
		return futureStates[s]
	}
	return fmt.Sprintf("FutureState(%d)", int(s))
}

// State returns what has become of the call so far.
func (f *Future[R]) State() FutureState {
	select {
	case <-f.job.finished:
	default:
		if f.core.begun(f.job) {
			return FutureRunning
		}
		return FuturePending
	}
	switch {
	case f.job.cancelled():
		return FutureCancelled
	case f.Err() != nil:
		return FutureFailed
	}
	return FutureDone
}

// Err returns the error of a call that has ended, nil before that and when
// there is none. Python: Future.exception.
func (f *Future[R]) Err() error {
	select {
	case <-f.job.finished:
		_, err := f.get()
		return err
	default:
		return nil
	}
}

// String names the state, and the result's type or the error.
func (f *Future[R]) String() string {
	var zero R
	switch s := f.State(); s {
	case FutureDone:
		return fmt.Sprintf("Future(%s, %T)", s, zero)
	case FutureFailed:
		return fmt.Sprintf("Future(%s, %v)", s, f.Err())
	default:
		return fmt.Sprintf("Future(%s)", s)
	}
}

// cancelled reports whether the job ended because somebody wanted so.
func (j *job) cancelled() bool {
	select {
	case <-j.finished:
	default:
		return false
	}
	j.mu.Lock()
	cause := j.cause
	j.mu.Unlock()
	return errors.Is(cause, context.Canceled) && j.err() != nil
}

// begun reports whether a task of the job has.
func (p *core) begun(j *job) bool {
	j.mu.Lock()
	done := j.done
	j.mu.Unlock()
	if done > 0 {
		return true
	}
	if p.twins != nil {
		return p.twins.run(j)
	}
	p.mu.Lock()
	defer p.mu.Unlock()
	for _, w := range p.workers {
		if w == nil {
			continue
		}
		for _, c := range w.out {
			if c.job == j && c.word.Load().Next > 0 {
				return true
			}
		}
	}
	return false
}

// run reports whether a task of the job runs.
func (ts *twins) run(j *job) bool {
	ts.p.mu.Lock()
	all := slices.Clone(ts.list)
	ts.p.mu.Unlock()
	return slices.ContainsFunc(all, func(t *twin) bool {
		t.mu.Lock()
		defer t.mu.Unlock()
		return t.on == j
	})
}
