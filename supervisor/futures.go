package supervisor

import (
	"context"
	"errors"
	"fmt"
	"iter"
)

// Waitable is what can be waited for together: every [Future], whatever its
// result, and every [Process].
type Waitable interface {
	// Done is closed at the end.
	Done() <-chan struct{}
	// Err is how that came out; nil before.
	Err() error
}

// AsCompleted yields each of the given futures once, as it ends, beginning with
// those that have ended already. When ctx ends before all have, it yields one
// error that says how many are unfinished. It starts when it is ranged over.
// Python: concurrent.futures.as_completed.
func AsCompleted[F interface {
	comparable
	Waitable
}](ctx context.Context, futures ...F) iter.Seq2[F, error] {
	return func(yield func(F, error) bool) {
		all := distinct(futures)
		ended, stop := watch(all)
		defer stop()
		for left := len(all); left > 0; left-- {
			f, err := next(ctx, ended)
			if err != nil {
				var none F
				yield(none, fmt.Errorf("supervisor: %d of %d futures unfinished: %w", left, len(all), err))
				return
			}
			if !yield(f, nil) {
				return
			}
		}
	}
}

// WaitAny waits until one of the futures has ended and returns all that have,
// and the others, both in the order given and without repetitions. The end of
// ctx is returned as an error beside them. Python: concurrent.futures.wait with
// FIRST_COMPLETED.
func WaitAny[F interface {
	comparable
	Waitable
}](ctx context.Context, futures ...F) (done, pending []F, err error) {
	return waitFor(ctx, futures, func(F) bool { return true })
}

// WaitAll is WaitAny that waits for all of them. Python: ALL_COMPLETED.
func WaitAll[F interface {
	comparable
	Waitable
}](ctx context.Context, futures ...F) (done, pending []F, err error) {
	return waitFor(ctx, futures, func(F) bool { return false })
}

// WaitFirstError is WaitAny that waits until one has failed, or all have ended.
// Being cancelled is not failing. Python: FIRST_EXCEPTION.
func WaitFirstError[F interface {
	comparable
	Waitable
}](ctx context.Context, futures ...F) (done, pending []F, err error) {
	return waitFor(ctx, futures, func(f F) bool {
		err := f.Err()
		return err != nil && !errors.Is(err, context.Canceled)
	})
}

func waitFor[F interface {
	comparable
	Waitable
}](ctx context.Context, futures []F, enough func(F) bool) (done, pending []F, err error) {
	all := distinct(futures)
	ended, stop := watch(all)
	defer stop()
	for left := len(all); left > 0 && err == nil; left-- {
		var f F
		if f, err = next(ctx, ended); err == nil && enough(f) {
			break
		}
	}
	for _, f := range all {
		if hasEnded(f) {
			done = append(done, f)
		} else {
			pending = append(pending, f)
		}
	}
	if len(pending) == 0 {
		err = nil
	}
	return done, pending, err
}

func distinct[F comparable](futures []F) []F {
	seen := make(map[F]bool, len(futures))
	out := make([]F, 0, len(futures))
	for _, f := range futures {
		if !seen[f] {
			seen[f] = true
			out = append(out, f)
		}
	}
	return out
}

func hasEnded(f Waitable) bool {
	select {
	case <-f.Done():
		return true
	default:
		return false
	}
}

// watch sends each of the futures when it has ended, those first that have.
func watch[F Waitable](all []F) (ended chan F, stop func()) {
	ended = make(chan F, len(all))
	quit := make(chan struct{})
	var later []F
	for _, f := range all {
		if hasEnded(f) {
			ended <- f
		} else {
			later = append(later, f)
		}
	}
	for _, f := range later {
		go func() {
			select {
			case <-f.Done():
				ended <- f
			case <-quit:
			}
		}()
	}
	return ended, func() { close(quit) }
}

// next waits for the next one; what is there already comes before the end of ctx.
func next[F any](ctx context.Context, ended chan F) (f F, err error) {
	select {
	case f = <-ended:
		return f, nil
	default:
	}
	select {
	case f = <-ended:
		return f, nil
	case <-ctx.Done():
		return f, context.Cause(ctx)
	}
}
