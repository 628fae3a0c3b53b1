package supervisor

import (
	"context"
	"crypto/sha256"
	"errors"
	"fmt"

	"yunta/child"
	"yunta/child/wire"
	"yunta/ipc"
)

// typed is the half of a job that knows the types of its entry. Indices are
// task numbers; a call never crosses the end of a ring.
type typed interface {
	// encode appends the arguments of tasks [lo, hi) and returns how many it
	// could; the error belongs to the next one.
	encode(dst []byte, lo, hi int) (out []byte, n int, err error)
	// size bounds the encoded size of one argument in bytes, -1 if unknown.
	size(i int) int
	// decode stores n results from body, beginning at task lo. What cannot be
	// decoded is given to bad, and the others are stored all the same.
	decode(lo, n int, body []byte, bad refuser)
	// digest identifies the argument of a task; false if it cannot be encoded.
	digest(i int) ([sha256.Size]byte, bool)
	// restore stores a result that was recorded; false if it cannot be decoded.
	restore(i int, payload []byte) bool
	// forget takes results away that may be stored.
	forget(lo, n int)
	// run calls the entry here, for a worker of a goroutine pool.
	run(ctx context.Context, j *job, w *twin, i int) error
	// digestOf is digest for an argument that is encoded already, unwrapped.
	digestOf(argument []byte) [sha256.Size]byte
	// statusOf is how an encoded result, unwrapped, is recorded.
	statusOf(result []byte) ipc.RecordStatus
	// isForeign reports whether only another program has the entry.
	isForeign() bool
	// contiguous returns how many tasks from lo on, up to n, lie side by side.
	contiguous(lo, n int) int
}

// refuser is told of results that cannot be decoded: an interface and not a
// function, so that nothing is allocated where there are none.
type refuser interface {
	refuse(i int, err error)
	// passed hears how much of the body will not be read again.
	passed(n int)
}

// typedJob holds arguments and results: of all tasks, or of those in flight
// when it is a ring (mask is its size less one then).
type typedJob[A, R any] struct {
	f    func(context.Context, A) (R, error)
	ring ringLock // held for writing while a ring grows; args and out have no other lock
	args []A
	out  []R
	mask int
	arg  *wire.Values[A]
	res  *wire.Values[R]

	foreign bool
	scratch []byte // of digest, which one goroutine at a time calls
}

func newTyped[A, R any](p *Pool, e child.Entry[A, R]) *typedJob[A, R] {
	t := &typedJob[A, R]{f: e.Func(), foreign: e.IsForeign(), mask: -1}
	if p.core.o.Model == Processes || p.core.ledger != nil {
		t.arg, t.res = e.Codecs()
	}
	if p.core.o.Command != nil {
		t.arg, t.res = t.arg.Wrapped(), t.res.Wrapped()
	}
	return t
}

func (t *typedJob[A, R]) isForeign() bool { return t.foreign }

func (t *typedJob[A, R]) contiguous(lo, n int) int {
	t.ring.RLock()
	defer t.ring.RUnlock()
	if t.mask < 0 {
		return n
	}
	return min(n, t.mask+1-lo&t.mask)
}

func (t *typedJob[A, R]) encode(dst []byte, lo, hi int) (out []byte, n int, err error) {
	t.ring.RLock()
	defer t.ring.RUnlock()
	a := lo & t.mask
	if t.arg.Bare() {
		return t.arg.AppendAll(dst, t.args[a:a+hi-lo])
	}
	out = dst
	defer func() {
		if v := recover(); v != nil { // the encoder is the user's code
			err = child.LocalPanic(child.StageEncodeArgument, v)
		}
	}()
	for i, x := range t.args[a : a+hi-lo] {
		next, err := t.arg.Append(out, x)
		if err != nil {
			return out, i, child.LocalError(child.StageEncodeArgument, err)
		}
		out, n = next, i+1
	}
	return out, n, nil
}

func (t *typedJob[A, R]) size(i int) int {
	t.ring.RLock()
	defer t.ring.RUnlock()
	return t.arg.Size(t.args[i&t.mask])
}

func (t *typedJob[A, R]) decode(lo, n int, body []byte, bad refuser) {
	t.ring.RLock()
	defer t.ring.RUnlock()
	a := lo & t.mask
	out := t.out[a : a+n]
	if n == 1 && len(body) >= largeResult && t.res.Bare() {
		r, err := t.res.DecodeInPieces(body, resultPiece, bad.passed)
		if out[0] = r; err != nil {
			bad.refuse(lo, child.LocalError(child.StageDecodeResult, err))
		}
		return
	}
	if t.res.Bare() {
		done, _, err := t.res.DecodeAll(body, out)
		if err != nil {
			for i := done; i < n; i++ {
				bad.refuse(lo+i, child.LocalError(child.StageDecodeResult, err))
			}
		}
		return
	}
	for i := range out {
		one, rest, err := t.res.Next(body)
		if err == nil {
			body = rest
			err = t.decodeOne(&out[i], one)
		}
		if err != nil {
			bad.refuse(lo+i, err)
		}
	}
}

func (t *typedJob[A, R]) forget(lo, n int) {
	t.ring.RLock()
	defer t.ring.RUnlock()
	a := lo & t.mask
	clear(t.out[a : a+n])
}

func (t *typedJob[A, R]) decodeOne(dst *R, one []byte) (err error) {
	defer func() {
		if v := recover(); v != nil { // the decoder is the user's code
			err = child.LocalPanic(child.StageDecodeResult, v)
		}
	}()
	r, _, err := t.res.Decode(one)
	if err != nil {
		return child.LocalError(child.StageDecodeResult, err)
	}
	*dst = r
	return nil
}

func (t *typedJob[A, R]) run(ctx context.Context, j *job, w *twin, i int) (err error) {
	var r R
	returned, exiting := false, false
	defer func() {
		if v := recover(); v != nil {
			err = child.LocalPanic(child.StageRun, v)
		} else if !returned {
			exiting = true
		}
		if w.recording {
			outcome := err
			if exiting {
				outcome = child.LocalError(child.StageRun, errGoexit)
			}
			if outcome = t.recordEnd(w, r, outcome); !exiting {
				err = outcome
			}
		}
		w.keep(j, func() {
			if err == nil && !exiting {
				t.ring.RLock()
				t.out[i&t.mask] = r
				t.ring.RUnlock()
			}
		})
		if exiting {
			j.core.twins.exited(w, j, i)
		}
	}()
	var arg A
	if !w.begin(j, i, func() {
		t.ring.RLock()
		arg = t.args[i&t.mask]
		t.ring.RUnlock()
	}) {
		returned = true
		return context.Canceled
	}
	if j.core.ledger != nil {
		if err = t.recordBegin(j, w, i, arg); err != nil {
			returned = true
			return err
		}
	}
	r, err = t.f(ctx, arg)
	returned = true
	if j.timeout > 0 && errors.Is(ctx.Err(), context.DeadlineExceeded) {
		return fmt.Errorf("%w after %v", ErrTaskTimeout, j.timeout)
	}
	if err != nil {
		err = child.LocalError(child.StageRun, err)
	}
	return err
}
