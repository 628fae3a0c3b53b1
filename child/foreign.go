package child

import (
	"context"
	"errors"
	"fmt"

	"yunta/child/wire"
)

// ErrForeign is what calling an entry of another program fails with where
// there is no such program: in a pool without PoolOptions.Command, and in a
// Process.
var ErrForeign = errors.New("child: the entry is of another program, which only a pool with Command runs")

// Foreign returns an entry whose function another program has, under that
// name: the one that PoolOptions.Command starts, such as a Python program with
// yunta_worker.py. Its arguments and results are encoded as those of any entry,
// so A and R say what Go makes of what that program takes and returns. It may
// be called at any time, and more than once for a name; an empty one panics.
//
// A pool with Command also takes entries of [Register]: it then calls what the
// other program has under their name.
func Foreign[A, R any](name string) Entry[A, R] {
	if name == "" {
		panic("child: Foreign with an empty name")
	}
	return Entry[A, R]{&entry[A, R]{name: name, foreign: true, f: func(context.Context, A) (r R, err error) {
		return r, fmt.Errorf("%w: %q", ErrForeign, name)
	}}}
}

// IsForeign reports whether the entry is one of [Foreign].
func (e Entry[A, R]) IsForeign() bool { return e.must().foreign }

// IsForeign reports whether the call is of an entry of [Foreign].
func (c Call) IsForeign() bool { return c.foreign }

// PlainInvocation encodes the call for a worker that speaks the plain protocol;
// nil for the zero Call.
func (c Call) PlainInvocation() (*wire.PlainInvocation, error) {
	if c.run == nil {
		return nil, nil
	}
	arg, err := c.plain()
	if err != nil {
		return nil, fmt.Errorf("child: argument of %q: %w", c.name, err)
	}
	return &wire.PlainInvocation{Entry: c.name, Arg: arg}, nil
}
