package supervisor

import (
	"errors"
	"fmt"
	"io"
	"log/slog"
	"runtime"
	"time"

	"yunta/child"
	"yunta/child/wire"
	"yunta/ipc"
)

// serve reads what a worker has to say until it is gone, and keeps it busy.
func (w *worker) serve() {
	p := w.core
	frames := ipc.NewFrameReader(w.notices, wire.MaxFrame)
	timer := time.AfterFunc(p.o.StartTimeout, w.kill)
	if w.config != nil {
		_, _ = w.tasks.Write(w.config) // fails when the child is dead, which shows below
		w.config = nil
	}
	var startErr error
	hello, up := false, false // up: nobody waits for it any more
	var slots []uint32
	var err error
	for {
		var body []byte
		if body, err = frames.Next(); err != nil || len(body) == 0 {
			break
		}
		switch body[0] {
		case wire.KindHello:
			if w.relay != nil {
				startErr = w.relay.greeted(body, hello)
				up = !p.o.Initializer.IsZero() // which may take as long as it likes
			} else {
				startErr = checkHello(body)
				up = true
			}
			if up {
				timer.Stop()
			}
			hello, err = true, startErr
		case wire.KindReady:
			if w.relay != nil && !hello {
				err = fmt.Errorf("%w: ready without a hello", wire.ErrProtocol)
				break
			}
			up = true
			timer.Stop()
			p.ready(w)
			runtime.Gosched() // NewPool waits, see below
			continue
		case wire.KindFailed:
			e, _, derr := child.DecodeError(body[1:])
			if startErr = e; derr != nil {
				startErr = derr
			}
			if w.relay != nil {
				err = startErr // it need not end by itself
				break
			}
			continue
		case wire.KindFull, wire.KindRetired:
			if w.relay != nil {
				err = w.relay.outgrown(body)
				break
			}
			if body[0] == wire.KindFull {
				p.retire(w)
			} else if slots, err = wire.ParseSlots(slots, body); err != nil {
				break
			}
			if frames.Buffered() {
				continue // one answer for all that has come in
			}
			p.finish(w, slots)
			slots = slots[:0]
			p.refill(w)
			// Whoever waits for a result goes first, on this very thread: the read
			// would hold it in the kernel until the runtime's monitor takes notice,
			// which is many times what a short call takes.
			runtime.Gosched()
			continue
		case wire.KindLog:
			from := []slog.Attr{slog.Int("worker", w.index), slog.Int("pid", w.pid)}
			if w.relay != nil {
				err = p.logs.putPlain(body, from...)
			} else {
				err = p.logs.put(body, from...)
			}
		default:
			if w.relay != nil && hello {
				err = w.relay.hear(body)
				break
			}
			err = fmt.Errorf("%w: kind %d from a child", wire.ErrProtocol, body[0])
		}
		if err != nil {
			break
		}
	}
	if err == nil { // an empty frame
		err = wire.ErrProtocol
	}
	if !errors.Is(err, io.EOF) && !errors.Is(err, io.ErrUnexpectedEOF) {
		w.broke = err
	}
	late := !timer.Stop() && !up
	if w.relay != nil && w.broke == nil && !late && w.relay.runsOn() {
		w.broke = errRunsOn
	}
	switch {
	case startErr != nil:
	case w.relay != nil:
		startErr = w.relay.whyNotUp(hello, up, late)
	case !hello && late:
		startErr = lateHello(p.o.StartTimeout)
	case !hello:
		startErr = errNoHello
	}
	w.died(startErr)
}

// checkHello makes sure that the child is the same build of the program: it
// checks that, too, but another build may not.
func checkHello(body []byte) error {
	var h wire.Hello
	if err := wire.Parse(body, &h); err != nil {
		return err
	}
	if h.Version != wire.Version || h.Build != child.Build() {
		return fmt.Errorf("supervisor: supervisor and child are different builds of the program (%s and %s): was the file replaced while it ran?", child.Build(), h.Build)
	}
	return nil
}

// Why a child that never said hello was given up.
var errNoHello = errors.New("supervisor: child did not say hello: did main call child.Main first?")

// lateError is a start that took too long.
type lateError struct{ error }

func (e lateError) Unwrap() error { return e.error }

func lateHello(after time.Duration) error {
	return lateError{fmt.Errorf("%w within %v", errNoHello, after)}
}

// finish copies out what retired chunks left and frees their slots.
func (p *core) finish(w *worker, slots []uint32) {
	chunks := w.finishing[:0]
	p.mu.Lock()
	for _, slot := range slots {
		if slot >= wire.SlotsPerWorker {
			continue
		}
		// A notice may be of the chunk that had the slot before, when somebody
		// saw its end without it.
		if c := w.bySlot[slot]; c != nil && !c.gone && c.word.Retired() {
			c.gone = true
			chunks = append(chunks, c)
		}
	}
	p.mu.Unlock()
	p.finishChunks(w, chunks)
	clear(chunks)
	w.finishing = chunks
}

// finishChunks does it for chunks that the caller has marked as gone.
func (p *core) finishChunks(w *worker, chunks []*chunk) {
	t := tally{p: p, w: w}
	p.drain(w)
	begun := p.trace.now()
	for _, c := range chunks {
		p.harvest(c, true, &t)
		if c.hasExtent {
			_ = p.extents.Give(c.extent) // it was ours a moment ago
		}
	}
	unbegun := false
	p.mu.Lock()
	for _, c := range chunks {
		st := c.word.Load()
		if st.Next < c.n { // the child wants to be replaced
			p.giveBack(c.job, c.lo+st.Next, c.lo+c.n)
			c.n, unbegun = st.Next, true
		}
		if elapsed := time.Duration(c.word.Elapsed.Load()); elapsed > 0 && st.Next > 0 {
			c.job.measure.add(elapsed, st.Next)
			c.job.lastSize = max(c.job.lastSize, st.Next)
		}
		p.drop(w, c)
	}
	if len(chunks) > 0 {
		p.uses++
		w.lastUsed = p.uses
	}
	t.credit()
	p.mu.Unlock()
	p.trace.received(w, begun, len(chunks), t.back)
	t.settle()
	if unbegun {
		p.kick()
	}
}

// retire takes note of a worker that has outgrown its memory: it is replaced
// when it has nothing more to say.
func (p *core) retire(w *worker) {
	p.mu.Lock()
	if !w.leaving {
		w.leaving = true
		p.stats.Outgrown++
	}
	p.mu.Unlock()
}

// gather copies out what one chunk has committed so far and tells its job.
func (p *core) gather(c *chunk, last bool) {
	t := tally{p: p, w: c.w}
	p.drain(c.w)
	p.harvest(c, last, &t)
	p.mu.Lock()
	t.credit()
	p.mu.Unlock()
	t.settle()
}

// drop takes a chunk off its worker's account; core.mu is held.
func (p *core) drop(w *worker, c *chunk) {
	for i, o := range w.out {
		if o == c {
			if i == 0 {
				w.out = w.out[1:]
			} else {
				w.out = append(w.out[:i], w.out[i+1:]...)
			}
			break
		}
	}
	if w.load -= c.cost; len(w.out) == 0 {
		w.load = 0
		w.out = nil
	}
	w.pipeBytes -= c.bytes
	if c.hasExtent || w.relay != nil {
		p.argumentBytes -= c.length
	}
	w.bySlot[c.slot] = nil
	w.free = append(w.free, c.slot)
	p.inFlight--
}

// failed decides what a failed attempt at a task leads to.
func (p *core) failed(c *chunk, f failure) {
	j := c.job
	if p.unrecorded(j, f.index, c.w.index, c.w.pid, f.err) {
		return
	}
	n, again := j.attempt(f.index, f.err)
	if again && !f.final {
		p.mu.Lock()
		p.stats.Retried++
		p.giveBack(j, f.index, f.index+1)
		p.mu.Unlock()
		p.trace.retry(c.w.index, c.w.pid, j, f.index)
		p.kick()
		return
	}
	err := f.err
	if tries := j.tries(f.index); len(tries) > 1 {
		err = errors.Join(tries...)
	}
	j.fail(&TaskError{Entry: j.entry, Index: f.index, Worker: c.w.index, PID: c.w.pid, Attempts: n, Err: err})
}
