package supervisor

import (
	"sync"
	"time"

	"yunta/child/wire"
	"yunta/ipc"
)

// chunk is a run of tasks that a worker has been given: tasks lo to lo+n of
// its job, whose claims stand in the slot's word.
type chunk struct {
	job  *job
	w    *worker
	lo   int
	size int // tasks it was dealt with
	n    int // guarded by core.mu: tasks it has now; lowered when some are taken back
	slot uint32
	word *wire.Slot
	cost float64 // nanoseconds of work it counts for in worker.load

	gone  bool // core.mu: somebody is finishing it
	sent  bool // core.mu: its arguments are encoded; before, nobody else may run its tasks
	bytes int  // core.mu: in the pipe, expected until it is sent

	// mu is held while arguments are encoded and while results are copied
	// out, so that after a job's end, which takes it too, nobody touches the
	// caller's slices.
	mu        sync.Mutex
	orphan    bool   // its job was ended: results are dropped
	extent    uint32 // where its arguments are, when they are not in the frame
	length    int
	hasExtent bool
	reader    ipc.RecordReader
	reading   bool // reader has been given the first record
	got       int  // results copied out
	over      bool // nothing more is read: the slot may be another chunk's by now
	broken    error
	args      []byte    // the arguments, for a worker that speaks the plain protocol
	arrived   []arrival // and what it has answered that was not copied out yet
	bad       []failure // found in the present call of read

	// For the monitor; core.mu.
	dealt    time.Time
	seenNext int
	seenAt   time.Time
	seenOver bool
	stop     error // why the running task is being stopped
	stopped  int   // and which one it is, relative to lo
}

// measure is what is known of an entry's run time.
type measure struct {
	avg float64 // nanoseconds a task; 0 until measured
}

func (m *measure) add(elapsed time.Duration, n int) {
	v := max(float64(elapsed)/float64(n), 1)
	if m.avg == 0 || v < m.avg/4 { // the first calls run cold
		m.avg = v
	} else {
		m.avg += (v - m.avg) / 2
	}
}

// pending returns how many tasks wait to be dealt.
func (j *job) pending() int {
	n := j.limit - j.next
	for _, s := range j.back {
		n += s.To - s.From
	}
	return n
}

// take removes up to k tasks from what waits.
func (j *job) take(k int) (lo, n int) {
	if len(j.back) > 0 {
		s := &j.back[0]
		lo, n = s.From, j.typed.contiguous(s.From, min(k, s.To-s.From))
		if s.From += n; s.From == s.To {
			j.back = j.back[1:]
		}
		return lo, n
	}
	lo, n = j.next, j.typed.contiguous(j.next, min(k, j.limit-j.next))
	j.next += n
	return lo, n
}

// list puts a job that has work among those that are dealt from.
func (p *core) list(j *job) {
	if !j.listed && !j.closed && j.pending() > 0 {
		j.listed = true
		p.jobs.push(j)
	}
}

// unlist takes the first of the jobs that are dealt from.
func (p *core) unlist() *job {
	j := p.jobs.pop()
	j.listed = false
	return j
}

// jobQueue is a first-in first-out queue that uses its memory again.
type jobQueue struct {
	list []*job
	head int
}

func (q *jobQueue) len() int { return len(q.list) - q.head }

func (q *jobQueue) first() *job { return q.list[q.head] }

func (q *jobQueue) push(j *job) {
	if q.head > len(q.list)/2 { // at least half of it is past
		n := copy(q.list, q.list[q.head:])
		clear(q.list[n:])
		q.list, q.head = q.list[:n], 0
	}
	q.list = append(q.list, j)
}

func (q *jobQueue) pop() *job {
	j := q.list[q.head]
	q.list[q.head] = nil
	if q.head++; q.head == len(q.list) {
		q.list, q.head = q.list[:0], 0
	}
	return j
}

// giveBack returns tasks to be dealt again; core.mu is held.
func (p *core) giveBack(j *job, lo, hi int) {
	if lo < hi && !j.closed {
		j.back = append(j.back, Span{lo, hi})
		p.list(j)
	}
}

// reserve deals up to most chunks to a worker that has room. The chunks come
// with their mutex held: send lets go of it once the arguments are encoded.
// core.mu is held.
func (p *core) reserve(w *worker, most int) (batch []*chunk) {
	var slab []chunk // chunks dealt together live in one allocation
	var now time.Time
	for len(batch) < most && w.accepts() && p.jobs.len() > 0 {
		j := p.unlist()
		if j.pending() == 0 { // ended meanwhile
			continue
		}
		k := p.chunkSize(w, j)
		if k == 0 {
			p.list(j)
			break
		}
		lo, n := j.take(k)
		p.list(j) // behind the others: jobs take turns
		if len(slab) == 0 {
			now = time.Now()
			slab = make([]chunk, min(most-len(batch), window-len(w.out), j.pending()/k+1))
		}
		c := &slab[0]
		slab = slab[1:]
		c.job, c.w, c.lo, c.size, c.n, c.dealt, c.stopped = j, w, lo, n, n, now, -1
		c.mu.Lock()
		c.cost = float64(lookAhead)
		if j.measure.avg > 0 {
			c.cost = float64(n)*j.measure.avg + float64(time.Microsecond)
		}
		c.slot = w.free[len(w.free)-1]
		w.free = w.free[:len(w.free)-1]
		c.word = wire.SlotAt(p.area, w.index, c.slot)
		c.word.Reset(n)
		w.out = append(w.out, c)
		w.bySlot[c.slot] = c
		w.load += c.cost
		// Counted now, or one batch would be more than the pipe holds.
		c.bytes = frameBytes
		if args := int(float64(n) * j.argBytes); args < wire.InlineLimit {
			c.bytes += args
		}
		w.pipeBytes += c.bytes
		w.dealt += n
		p.inFlight++
		if p.o.MaxTasksPerChild > 0 && w.dealt >= p.o.MaxTasksPerChild {
			w.leaving = true
		}
		if j.single {
			j.only = c
		}
		if n > 1 || j.timeout > 0 || len(w.out) > 1 {
			p.watch()
		}
		batch = append(batch, c)
	}
	return batch
}

// accepts reports whether a worker may be given another chunk.
func (w *worker) accepts() bool {
	if w.state != stateReady || w.leaving || len(w.free) == 0 {
		return false
	}
	if len(w.out) == 0 {
		return true
	}
	return len(w.out) < window && w.load < float64(lookAhead) && w.pipeBytes < w.capacity/2
}

// chunkSize says how many tasks of j to give to w now; core.mu is held.
func (p *core) chunkSize(w *worker, j *job) int {
	left := j.pending()
	k := 1
	switch avg := j.measure.avg; {
	case j.chunk > 0:
		k = j.chunk * j.together(left/(2*len(p.workers)))
	case avg > 0:
		k = max(1, int(float64(chunkTime)/avg))
		k = min(k, growth*max(1, j.lastSize))
		if share := left / (2 * len(p.workers)); k > share { // the end is near
			k = max(share, min(k, int(float64(tailTime)/avg)), 1)
		}
	}
	if j.chunk == 0 && j.argBytes > 0 {
		k = min(k, max(1, int(inlineTarget/j.argBytes)))
	}
	if j.argBytes > 0 && len(w.out) > 0 && p.argumentBytes+int(j.argBytes)*k > argumentBudget {
		return 0
	}
	if m := p.o.MaxTasksPerChild; m > 0 {
		k = min(k, m-w.dealt)
	}
	if p.ledger != nil {
		k = min(k, recordedChunk)
	}
	return min(k, left, wire.MaxChunk)
}

// together says how many chunks of the size that was asked for travel as one,
// of at most share tasks: as many as take tailTime, so that results come no
// later than anybody can tell.
func (j *job) together(share int) int {
	if j.measure.avg == 0 {
		return 1
	}
	n := int(float64(tailTime) / (j.measure.avg * float64(j.chunk)))
	return max(1, min(n, growth*max(1, j.lastSize/j.chunk), share/j.chunk))
}

// kick hands waiting work to workers that have room, one chunk each: those
// without any first, the one that worked last foremost, since it is warm.
func (p *core) kick() {
	for p.kickOne() {
	}
}

func (p *core) kickOne() bool {
	p.mu.Lock()
	if p.jobs.len() == 0 {
		p.mu.Unlock()
		return false
	}
	var best *worker
	for _, w := range p.workers {
		if w == nil || !w.accepts() {
			continue
		}
		if best == nil || len(w.out) == 0 && (len(best.out) > 0 || w.lastUsed > best.lastUsed) ||
			len(w.out) > 0 && len(best.out) > 0 && w.load < best.load {
			best = w
		}
	}
	if best == nil {
		more := p.grow()
		p.mu.Unlock()
		return more
	}
	batch := p.reserve(best, 1)
	p.mu.Unlock()
	best.send(batch)
	return len(batch) > 0
}

// refill tops a worker up after it has finished something, and lets it take
// over what others have not begun when there is nothing else.
func (p *core) refill(w *worker) {
	for {
		p.mu.Lock()
		batch := p.reserve(w, window)
		if len(batch) == 0 && len(w.out) == 0 && w.accepts() && p.steal(w, false) {
			batch = p.reserve(w, 1)
		}
		more := len(batch) == window
		idle := len(w.out) == 0
		leave := w.leaving && idle
		p.mu.Unlock()
		w.send(batch)
		if leave {
			w.askToLeave()
		}
		if !more {
			return
		}
	}
}

// worthStealing is the least work that is taken from another worker.
const worthStealing = float64(100 * time.Microsecond)

// steal takes back half of what the busiest other worker has not begun.
// Unless sure, it goes by the measured run time. core.mu is held.
func (p *core) steal(thief *worker, sure bool) bool {
	var victim *chunk
	var most float64
	keep := 0
	for _, v := range p.workers {
		if v == nil || v == thief {
			continue
		}
		for _, c := range v.out {
			if c.gone || !c.sent {
				continue
			}
			st := c.word.Load()
			waiting := st.End - st.Next
			if waiting <= 0 || st.Retired || st.Condemned {
				continue
			}
			work := float64(waiting) * max(c.job.measure.avg, 1)
			if c.job.measure.avg == 0 || sure {
				work = max(work, worthStealing)
			}
			if work < worthStealing || work < most {
				continue
			}
			victim, most, keep = c, work, waiting/2
		}
	}
	if victim == nil {
		return false
	}
	from, to := victim.word.Take(keep)
	if from == to {
		return false
	}
	victim.n = from
	p.stats.Stolen += uint64(to - from)
	p.giveBack(victim.job, victim.lo+from, victim.lo+to)
	return true
}
