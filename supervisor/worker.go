package supervisor

import (
	"io"
	"sync"
	"time"

	"yunta/child/wire"
	"yunta/ipc"
)

type workerState int

const (
	stateStarting workerState = iota
	stateReady
	stateDead
)

// worker is one incarnation of one of the pool's child processes. Fields
// without a remark are set before its goroutine starts.
type worker struct {
	ward
	core        *core
	index       int
	incarnation int
	writer      uint32 // its number as a writer of extents
	extent      uint32 // the first one, which it was given, and 1; 0 for none
	cpus        []int
	tasks       io.WriteCloser
	relay       *relay // of a worker that speaks the plain protocol, else nil
	bell        *wire.Bell
	capacity    int           // of the tasks pipe, in bytes
	exited      chan struct{} // closed once the process is reaped
	config      []byte        // frame that was too large to be sent before the start
	finishing   []*chunk      // scratch of its own goroutine
	broke       error         // of its own goroutine: what it was killed for sending
	lane        workerLane    // of a trace

	// Guarded by core.mu.
	state     workerState
	leaving   bool // is dealt nothing more
	out       []*chunk
	free      []uint32
	bySlot    [wire.SlotsPerWorker]*chunk
	load      float64 // nanoseconds of work in out
	pipeBytes int
	dealt     int
	lastUsed  uint64
	settled   uint64 // tasks that came back, well or not
	failures  uint64
	condemned *chunk
	stopping  bool // the stop sequence is under way
	stopAt    time.Time
	timers    []*time.Timer

	// wmu orders what is written to tasks and guards the fields below it. It
	// is never held while core.mu is taken... except by encode, and never the
	// other way round.
	wmu    sync.Mutex
	known  map[string]uint32 // numbers of entries defined on this pipe
	frames []byte            // what is to be written
	closed bool
	asked  bool // to leave
}

// unsent is a task whose argument could not be encoded.
type unsent struct {
	job *job
	err *TaskError
}

// send encodes the arguments of reserved chunks and writes them in one write.
func (w *worker) send(batch []*chunk) {
	if len(batch) == 0 {
		return
	}
	if w.relay != nil {
		w.relay.send(batch)
		return
	}
	var bad []unsent
	w.wmu.Lock()
	begun, tasks := w.core.trace.now(), 0
	// All are encoded before the write, which may last as long as the worker's
	// task: who ends a job waits for the mutex of each of its chunks.
	for _, c := range batch {
		tasks += c.size
		if u := w.encode(c); u != nil {
			bad = append(bad, *u)
		}
	}
	n := len(w.frames)
	w.write()
	w.core.trace.sent(w, begun, len(batch), tasks, n)
	w.wmu.Unlock()
	w.core.failUnsent(bad)
}

func (p *core) failUnsent(bad []unsent) {
	for _, u := range bad {
		u.job.fail(u.err)
	}
	if bad != nil {
		p.kick()
	}
}

// write writes what is pending and rings the bell after it, so that a child
// that saw it ring never blocks for long.
func (w *worker) write() {
	if len(w.frames) > 0 && !w.closed {
		// When it fails the worker is dead, which its own goroutine sees and
		// sorts out.
		_, _ = w.tasks.Write(w.frames)
		w.bell.Sent.Add(1)
	}
	w.frames = w.frames[:0]
}

// encode appends a chunk's frame to what is pending and lets go of the
// chunk's mutex. If an argument cannot be encoded the chunk ends before it and
// the task is returned.
func (w *worker) encode(c *chunk) (bad *unsent) {
	defer c.mu.Unlock()
	j, p := c.job, w.core
	head := wire.Chunk{Slot: c.slot, Entry: w.define(j.entry), Count: uint32(c.size), Timeout: uint64(j.timeout), Recorded: p.ledger != nil, Job: uint32(j.number), First: uint64(c.lo), Sent: uint64(p.trace.now())}
	start := len(w.frames)
	var mark int
	w.frames, mark = ipc.BeginFrame(w.frames)
	body := len(w.frames)
	w.frames = wire.AppendChunk(w.frames, head)
	if head.Recorded {
		w.frames = wire.AppendMarks(w.frames, uint64(c.lo), j.name, c.size, func(i int) (uint32, uint32) { return j.mark(c.lo + i) })
	}
	args := len(w.frames)
	if !c.orphan { // else its job has ended: there is nothing to claim in it
		var done int
		var err error
		if size := j.typed.size(c.lo); c.size == 1 && size >= wire.InlineLimit {
			err = w.encodeLarge(c, size)
			done = 1
		} else {
			w.frames, done, err = j.typed.encode(w.frames, c.lo, c.lo+c.size)
			if n := len(w.frames) - args; n >= wire.InlineLimit {
				if e := w.place(c, w.frames[args:]); e != nil {
					done, err = 0, e
				}
				w.frames = w.frames[:args]
			}
		}
		if err != nil {
			if done == c.size {
				done = 0
			}
			bad = p.cutBefore(c, done, err)
		}
	}
	n := len(w.frames) - args
	if c.hasExtent {
		head.Extent, head.Length = uint64(c.extent)+1, uint64(c.length)
	} else {
		head.Length = uint64(n)
	}
	wire.AppendChunk(w.frames[:body], head) // in place: it has one size
	w.frames = ipc.EndFrame(w.frames, mark)

	p.mu.Lock()
	c.sent = true
	w.pipeBytes -= c.bytes
	c.bytes = len(w.frames) - start
	w.pipeBytes += c.bytes
	if c.hasExtent {
		p.argumentBytes += c.length
		n = c.length
	}
	j.argBytes = float64(n) / float64(c.size)
	p.mu.Unlock()
	return bad
}

// encodeLarge encodes one large argument straight into mapped memory.
func (w *worker) encodeLarge(c *chunk, size int) error {
	x := w.core.extents
	e, err := x.TakeUnbudgeted(readerAsWriter, size)
	if err != nil {
		return err
	}
	buf, err := x.Bytes(e.ID)
	if err == nil {
		var args []byte
		args, _, err = c.job.typed.encode(buf[:0], c.lo, c.lo+1)
		if err == nil && len(args) > len(buf) {
			err = ipc.ErrTooLarge
		}
		c.length = len(args)
	}
	if err != nil {
		_ = x.Give(e.ID)
		return err
	}
	c.extent, c.hasExtent = e.ID, true
	return nil
}

// place moves encoded arguments into mapped memory.
func (w *worker) place(c *chunk, args []byte) error {
	x := w.core.extents
	e, err := x.TakeUnbudgeted(readerAsWriter, len(args))
	if err != nil {
		return err
	}
	buf, err := x.Bytes(e.ID)
	if err != nil {
		_ = x.Give(e.ID)
		return err
	}
	c.length = copy(buf, args)
	c.extent, c.hasExtent = e.ID, true
	return nil
}

// define returns the number of an entry on this pipe, and gives it one first
// if need be.
func (w *worker) define(name string) uint32 {
	if n, ok := w.known[name]; ok {
		return n
	}
	n := uint32(len(w.known))
	w.known[name] = n
	w.name(name)
	w.frames = ipc.AppendFrame(w.frames, wire.AppendDefine(nil, n, name))
	return n
}

// cutBefore ends a chunk before its done-th task, whose argument could not be
// encoded, and returns that task; those behind it are dealt again.
func (p *core) cutBefore(c *chunk, done int, err error) *unsent {
	p.mu.Lock()
	defer p.mu.Unlock()
	from, to := c.word.Take(done)
	if from == to || from > done {
		return nil // taken back already: it will fail where it went
	}
	c.n = from
	p.giveBack(c.job, c.lo+from+1, c.lo+to)
	return &unsent{c.job, &TaskError{Entry: c.job.entry, Index: c.lo + from, Worker: -1, Attempts: 1, Err: err}}
}
