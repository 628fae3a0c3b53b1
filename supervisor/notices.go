package supervisor

import (
	"errors"
	"fmt"
	"io"
	"log/slog"
	"runtime"
	"slices"
	"time"

	"yunta/child"
	"yunta/child/wire"
	"yunta/ipc"
	"yunta/oslock/mapped"
)

// serve reads what a worker has to say until it is gone, and keeps it busy.
func (w *worker) serve() {
	p := w.core
	frames := ipc.NewFrameReader(w.notices, wire.MaxFrame)
	timer := time.AfterFunc(helloTimeout, w.kill)
	if w.config != nil {
		_, _ = w.tasks.Write(w.config) // fails when the child is dead, which shows below
		w.config = nil
	}
	var startErr error
	hello := false
	var slots []uint32
	var err error
	for {
		var body []byte
		if body, err = frames.Next(); err != nil || len(body) == 0 {
			break
		}
		switch body[0] {
		case wire.KindHello:
			timer.Stop()
			hello = true
			startErr = checkHello(body)
			err = startErr
		case wire.KindReady:
			p.ready(w)
			runtime.Gosched() // NewPool waits, see below
			continue
		case wire.KindFailed:
			e, _, derr := child.DecodeError(body[1:])
			if startErr = e; derr != nil {
				startErr = derr
			}
			continue
		case wire.KindRetired, wire.KindFull:
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
			err = p.logs.put(body, slog.Int("worker", w.index), slog.Int("pid", w.pid))
		default:
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
	late := !timer.Stop() && !hello
	if startErr == nil && !hello {
		if startErr = errNoHello; late {
			startErr = errLateHello
		}
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
var (
	errNoHello   = errors.New("supervisor: child did not say hello: did main call child.Main first?")
	errLateHello = fmt.Errorf("%w within %v", errNoHello, helloTimeout)
)

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
	if c.hasExtent {
		p.argumentBytes -= c.length
	}
	w.bySlot[c.slot] = nil
	w.free = append(w.free, c.slot)
	p.inFlight--
}

// failure is a task of a chunk that came back as an error.
type failure struct {
	index int
	err   error
	final bool // trying again cannot help
}

// harvest copies out the results that a chunk has committed since the last
// time. last says that there will be no more.
func (p *core) harvest(c *chunk, last bool, t *tally) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.over {
		return // whoever found it among the outstanding ones came too late
	}
	c.over = last
	from, n := c.got, 0
	c.bad = nil
	err := c.broken
	if err == nil {
		err = mapped.Guard(func() error {
			var err error
			from, n, err = c.read()
			return err
		})
		if c.broken = err; err != nil {
			// After a fault more may be noted than was returned.
			c.got = from + n
			c.bad = slices.DeleteFunc(c.bad, func(f failure) bool { return f.index >= c.lo+c.got })
		}
	}
	if err != nil && last {
		// What the records cannot be made to say is lost, and said to be.
		st := c.word.Load()
		for ; c.got < min(st.Next, c.size); c.got++ {
			c.bad = append(c.bad, failure{c.lo + c.got, fmt.Errorf("supervisor: its result cannot be read: %w", err), true})
			n++
		}
	}
	if last && c.reading {
		// An error leaves references to extents, which come back when their
		// writer goes.
		_ = c.reader.Done()
	}
	if c.orphan || n == 0 {
		return
	}
	t.back += n
	// Good runs lie between what is bad.
	lo := c.lo + from
	for _, f := range c.bad {
		t.good(c.job, lo, f.index-lo)
		lo = f.index + 1
		t.failures = append(t.failures, lost{c, f})
	}
	t.good(c.job, lo, c.lo+from+n-lo)
}

// read decodes the records that came since the last call: results from task
// from on, n of them. The chunk's mutex is held.
func (c *chunk) read() (from, n int, err error) {
	from = c.got
	if !c.reading {
		first := ipc.Ref(c.word.First.Load())
		if first == 0 {
			return from, 0, nil
		}
		c.w.core.extents.ReadRecords(&c.reader, first)
		c.reading = true
	}
	for {
		kind, count, body, ok, err := c.reader.Next()
		if err != nil || !ok {
			return from, n, err
		}
		if count > c.size-c.got {
			return from, n, fmt.Errorf("%w: %d results for %d tasks", ipc.ErrCorrupt, c.got+count, c.size)
		}
		lo := c.lo + c.got
		c.got += count
		n += count
		if c.orphan {
			continue
		}
		switch kind {
		case wire.RecordValues:
			c.job.typed.decode(lo, count, body, c)
		case wire.RecordErrors:
			for i := range count {
				e, rest, err := child.DecodeError(body)
				if e == nil {
					e = child.LocalError(child.StageDecodeResult, err)
				}
				body = rest
				c.bad = append(c.bad, failure{lo + i, e, e.Stage == child.StageEncodeResult && !e.Panic})
			}
		default:
			return from, n, fmt.Errorf("%w: record of kind %d", ipc.ErrCorrupt, kind)
		}
		// A task that was told to stop failed, whatever it still returned.
		if c.stopped >= 0 && c.stopped < c.got && c.stopped >= c.got-count {
			i := c.lo + c.stopped
			if len(c.bad) > 0 && c.bad[len(c.bad)-1].index == i {
				c.bad = c.bad[:len(c.bad)-1]
			}
			c.job.typed.forget(i, 1)
			c.bad = append(c.bad, failure{i, c.stop, false})
		}
	}
}

// refuse takes note of a result that cannot be decoded.
func (c *chunk) refuse(i int, err error) { c.bad = append(c.bad, failure{i, err, true}) }

// passed gives the memory of what was copied out back.
func (c *chunk) passed(n int) { c.reader.Passed(n) }

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
		p.kick()
		return
	}
	err := f.err
	if tries := j.tries(f.index); len(tries) > 1 {
		err = errors.Join(tries...)
	}
	j.fail(&TaskError{Entry: j.entry, Index: f.index, Worker: c.w.index, PID: c.w.pid, Attempts: n, Err: err})
}
