package child

import (
	"context"
	"errors"
)

// errGoexit is what a task that ended its goroutine is reported as.
var errGoexit = errors.New("child: the function called runtime.Goexit (as testing.T.FailNow does)")

// errGivenUp is what a task that was stopped and returned all the same is
// recorded as.
var errGivenUp = errors.New("child: the task was cancelled, or its time was up, before it returned")

// taskRun is one chunk in the hands of a typed entry.
type taskRun[A, R any] struct {
	e     *entry[A, R]
	s     *server
	c     *chunk
	stage Stage
	busy  bool // a task is claimed and not yet committed
}

// serve runs the tasks of a chunk until none is left to claim. One recovering
// frame serves many tasks: it is entered again only after a panic.
func (e *entry[A, R]) serve(s *server, c *chunk) {
	e.prepare()
	t := &taskRun[A, R]{e: e, s: s, c: c}
	for !t.some() {
	}
}

// some runs tasks and reports whether the chunk is over; false after a panic.
func (t *taskRun[A, R]) some() (over bool) {
	defer func() {
		if !t.busy {
			return
		}
		t.busy = false
		if v := recover(); v != nil {
			t.s.commitError(t.c, encodePanic(t.stage, v))
		} else { // neither a return nor a panic: the goroutine is ending
			t.s.commitError(t.c, encodeError(t.stage, errGoexit))
		}
	}()
	s, c, f := t.s, t.c, t.e.f
	args, res := t.e.args, t.e.res
	ctx := context.Context(&c.ctx)
	for {
		i, ok := c.slot.Claim()
		if !ok {
			return true
		}
		t.busy, t.stage = true, StageDecodeArgument
		if i > 0 {
			if s.trace != nil {
				s.trace.next(i)
			}
			s.follow(c, i)
		}
		one, rest, err := args.Next(c.rest)
		var arg A
		if err == nil {
			c.rest = rest
			arg, rest, err = args.Decode(one)
			if args.Bare() {
				c.rest = rest
			}
		}
		if err != nil {
			t.fail(err)
			continue
		}
		if c.marks != nil {
			if args.Bare() {
				one = one[:len(one)-len(rest)]
			}
			if err = s.recorder.begin(c, i, t.e.name, args.Digest(one), one); err != nil {
				t.stage = StageRecord
				t.fail(err)
				continue
			}
		}
		if c.timeout > 0 {
			c.ctx.extend(c.timeout)
		}
		t.stage = StageRun
		r, err := f(ctx, arg)
		if err != nil {
			t.fail(err)
			continue
		}
		t.stage = StageEncodeResult
		if !c.opened || c.erring {
			if err = s.open(c, false); err != nil {
				t.fail(err)
				continue
			}
		}
		n := res.Size(r)
		if n < 0 {
			n = roomHint
		}
		buf, err := s.records.Room(ctx, n)
		if err == nil {
			if buf, err = res.Append(buf, r); err == nil {
				if c.marks != nil {
					if c.slot.Load().Condemned { // or a resumed run would take it for a success
						t.stage = StageRun
						t.fail(errGivenUp)
						continue
					}
					if err = s.recorder.end(res.Inner(buf), statusOf(r)); err != nil {
						t.stage = StageRecord
						t.fail(err)
						continue
					}
				}
				err = s.records.Commit(ctx, buf)
			}
		}
		if err != nil {
			t.fail(err)
			continue
		}
		t.busy = false
		s.done++
		if s.memory.limit > 0 && s.outgrown() {
			return true
		}
	}
}

func (t *taskRun[A, R]) fail(err error) {
	t.s.commitError(t.c, encodeError(t.stage, err))
	t.busy = false
}

// invoke runs the entry once, for an initializer or an exit function.
func (e *entry[A, R]) invoke(ctx context.Context, arg []byte) (err error) {
	e.prepare()
	defer func() {
		if v := recover(); v != nil {
			err = LocalPanic(StageStart, v)
		}
	}()
	one, _, err := e.args.Next(arg)
	if err != nil {
		return err
	}
	a, _, err := e.args.Decode(one)
	if err != nil {
		return err
	}
	_, err = e.f(ctx, a)
	return err
}
