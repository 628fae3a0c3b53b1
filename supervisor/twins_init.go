package supervisor

import (
	"context"
	"fmt"

	"yunta/child"
)

// runHere runs an initializer or exit function, in a goroutine of its own: one
// that ends its goroutine must not end the caller's.
func runHere(c child.Call) error {
	outcome := make(chan error, 1)
	go func() {
		err := errGoexit
		defer func() {
			if v := recover(); v != nil {
				err = child.LocalPanic(child.StageStart, v)
			}
			outcome <- err
		}()
		err = c.Run(context.Background())
	}()
	return <-outcome
}

// initialize runs the initializer of a worker that replaces another; those of the
// first ones have run before NewPool returned. False: the pool is ending.
func (ts *twins) initialize(t *twin) bool {
	p := ts.p
	if t.ready || t.incarnation == 1 || p.o.Initializer.IsZero() {
		return true
	}
	for attempt := 1; !p.isTerminated(); attempt++ {
		err := runHere(p.o.Initializer)
		if err == nil {
			t.ready = true
			return true
		}
		err = child.LocalError(child.StageStart, err)
		if attempt == startAttempts {
			p.giveUp(fmt.Errorf("%w: worker %d, %d times in a row: %w", ErrPoolBroken, t.index, attempt, err))
			return false
		}
	}
	return false
}
