package supervisor

import (
	"sync"
	"sync/atomic"
	"time"

	"yunta/child"
	"yunta/child/board"
	"yunta/child/wire"
	"yunta/ipc"
)

// relay stands before a worker that speaks the plain protocol and does for it,
// here, what a worker of this program does for itself: it claims tasks in the
// word of their chunk, one at a time, sends each when the one before was
// answered, and retires the word. So whatever else goes by that word (taking
// back, condemning, burying) is the same for both. The worker says when it begins
// the task it was sent: one that was on its way when the worker died goes back
// like those that were not claimed.
//
// Two goroutines share it: run claims and sends, the worker's own hears. While a
// task is out what belongs to it is the hearer's, else the sender's.
type relay struct {
	w       *worker
	notices *lastWords
	config  []byte
	line    *board.Line
	known   map[string]uint32 // numbers of entries defined on this pipe; the sender's
	frame   []byte            // scratch of the sender
	done    uint64            // for the board; the sender's
	failed  uint64
	large   bool // the last answer was

	full   atomic.Bool   // it asks to be replaced and is sent nothing more
	proved atomic.Bool   // it has begun a task
	dead   chan struct{} // closed when the worker is
	over   chan struct{} // closed when run has returned
	exited chan struct{} // closed when the process has ended, at the latest; see watchExit

	answered chan struct{} // the task that was out is not any more
	more     chan struct{} // something was put into the queue

	mu    sync.Mutex
	queue []*chunk
	out   *outTask

	records *ipc.ResultWriter // nil without a ResultsFile
}

// outTask is the task that a worker was sent and has not answered; relay.mu
// guards begun.
type outTask struct {
	c     *chunk
	begun bool

	kind  uint8  // of the answer, 0 before there is one
	value []byte // what has come of it, with the head that package wire puts before a value
	size  int    // what there will be of that
}

// arrival is the answer to one task, in the form of a record.
type arrival struct {
	kind uint8
	body []byte
}

// Tunables of the relay.
const (
	// largeAnswer is copied out at once and not with the others of its chunk, in bytes.
	largeAnswer = 1 << 20
	// trusted is how much memory an answer gets because it says so, in bytes; more
	// only as it comes.
	trusted = 64 << 20
)

func newRelay(w *worker, notices *lastWords) *relay {
	return &relay{
		w: w, notices: notices, known: make(map[string]uint32),
		dead: make(chan struct{}), over: make(chan struct{}), exited: make(chan struct{}),
		answered: make(chan struct{}, 1), more: make(chan struct{}, 1),
	}
}

// send encodes the arguments of reserved chunks and queues them.
func (r *relay) send(batch []*chunk) {
	var bad []unsent
	for _, c := range batch {
		if u := r.encode(c); u != nil {
			bad = append(bad, *u)
		}
	}
	r.mu.Lock()
	r.queue = append(r.queue, batch...)
	r.mu.Unlock()
	select {
	case r.more <- struct{}{}:
	default:
	}
	r.w.core.failUnsent(bad)
}

// encode encodes a chunk's arguments and lets go of its mutex. If one cannot be
// encoded the chunk ends before it and the task is returned.
func (r *relay) encode(c *chunk) (bad *unsent) {
	defer c.mu.Unlock()
	j, p := c.job, r.w.core
	if !c.orphan { // else its job has ended: there is nothing to claim in it
		args, done, err := j.typed.encode(nil, c.lo, c.lo+c.size)
		if err != nil {
			if done == c.size {
				done = 0
			}
			bad = p.cutBefore(c, done, err)
		}
		c.args = args
	}
	p.mu.Lock()
	c.sent = true
	r.w.pipeBytes -= c.bytes // it waits here and not in the pipe
	c.bytes, c.length = 0, len(c.args)
	p.argumentBytes += c.length
	j.argBytes = float64(c.length) / float64(c.size)
	p.mu.Unlock()
	return bad
}

// run is the sender: it writes the configuration and then task after task, until
// the worker is dead.
func (r *relay) run(config []byte) {
	defer close(r.over)
	w := r.w
	_, _ = w.tasks.Write(config) // it fails when the worker is dead, which shows elsewhere
	for {
		c := r.next()
		if c == nil || !r.serve(c) {
			return
		}
		w.core.finish(w, []uint32{c.slot})
		w.core.refill(w)
	}
}

// next waits for a chunk; nil when the worker is dead.
func (r *relay) next() *chunk {
	for {
		select {
		case <-r.dead:
			return nil
		default:
		}
		r.mu.Lock()
		if len(r.queue) > 0 {
			c := r.queue[0]
			r.queue[0] = nil
			r.queue = r.queue[1:]
			r.mu.Unlock()
			return c
		}
		r.mu.Unlock()
		select {
		case <-r.more:
		case <-r.dead:
		}
	}
}

// serve has the tasks of a chunk run until none is left to claim; false when the
// worker is dead or given up.
func (r *relay) serve(c *chunk) bool {
	start := time.Now()
	r.line.Run(c.job.entry, uint64(c.slot), 0, start.UnixNano())
	args := c.args
	for !r.full.Load() {
		i, ok := c.word.Claim()
		if !ok {
			break
		}
		arg, rest, err := wire.Split(args)
		args = rest
		if err == nil {
			err = r.begin(c, i, arg)
		}
		if err != nil {
			r.failed++
			c.arrive(wire.RecordErrors, wrappedError(err))
			continue
		}
		r.mu.Lock()
		r.out = &outTask{c: c}
		r.mu.Unlock()
		r.write(c, arg) // it fails when the worker is dead or asked to leave, and then dead soon
		select {
		case <-r.answered:
		case <-r.dead:
			return false
		}
		if r.large {
			r.w.core.gather(c, false)
		}
	}
	c.word.Elapsed.Store(uint64(time.Since(start)))
	if condemned := c.word.Retire(); condemned {
		// It must start nothing more, and what its task left running goes with it.
		r.w.kill()
		<-r.dead
		return false
	}
	r.line.Idle(r.done, r.failed)
	return true
}

// begin records that a task begins.
func (r *relay) begin(c *chunk, i int, arg []byte) error {
	if r.records == nil {
		return nil
	}
	j := c.job
	occurrence, attempt := j.mark(c.lo + i)
	err := r.records.Begin(&ipc.Record{
		Job: j.name, Entry: j.entry, Digest: j.typed.digestOf(arg), Occurrence: occurrence, Attempt: attempt,
		Index: int64(c.lo + i), PID: r.w.pid, Started: time.Now(), Argument: arg, ArgumentSize: int64(len(arg)),
	})
	if err != nil {
		return child.LocalError(child.StageRecord, err)
	}
	return nil
}

// write sends a task.
func (r *relay) write(c *chunk, arg []byte) {
	b := r.frame[:0]
	n, ok := r.known[c.job.entry]
	if !ok {
		n = uint32(len(r.known))
		r.known[c.job.entry] = n
		b = ipc.AppendFrame(b, wire.AppendDefine(nil, n, c.job.entry))
	}
	head := wire.PlainTask{Number: c.slot, Entry: n, Timeout: uint64(c.job.timeout), Length: uint64(len(arg))}
	b, mark := ipc.BeginFrame(b)
	b = wire.AppendPlainTask(b, head)
	for {
		n := min(len(arg), wire.MaxPiece)
		b = ipc.EndFrame(append(b, arg[:n]...), mark)
		_, err := r.w.tasks.Write(b)
		if arg = arg[n:]; err != nil || len(arg) == 0 {
			break
		}
		b, mark = ipc.BeginFrame(b[:0])
		b = append(b, wire.KindPiece)
	}
	r.frame = b
}

// end is called when the worker is dead; afterwards nobody claims for it.
func (r *relay) end() {
	close(r.dead)
	<-r.over
	_ = r.line.Close()
	if err := r.closeRecords(); err != nil {
		r.w.core.o.Logger.Warn("closing a worker's records", "worker", r.w.index, "err", err)
	}
}

func (r *relay) closeRecords() error {
	if r.records == nil {
		return nil
	}
	return r.records.Close()
}

// unbegun reports whether the task that a dead worker's chunk claimed last was
// still on its way.
func (r *relay) unbegun(c *chunk) bool { return r.out != nil && r.out.c == c && !r.out.begun }

func (c *chunk) arrive(kind uint8, body []byte) {
	c.mu.Lock()
	c.arrived = append(c.arrived, arrival{kind, body})
	c.mu.Unlock()
}

func wrappedError(err error) []byte { return wire.Wrap(nil, child.EncodeError(err)) }
