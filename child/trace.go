package child

import (
	"path"
	"runtime/debug"
	"sync"
	"time"

	"yunta/child/affinity"
	"yunta/child/wire"
	"yunta/oslock"
)

// Tunables of tracing.
const (
	// traceTogether is how much time tasks that follow each other may take to be
	// one event: what is shorter cannot be seen, and would fill the file.
	traceTogether = 20 * time.Microsecond
	// tracePatience bounds how long a task waits for room in the ring, and
	// tracePause how long before it looks again.
	tracePatience = 5 * time.Millisecond
	tracePause    = 50 * time.Microsecond
	// gcPace is how often a traced process looks whether it collected garbage.
	gcPace = time.Millisecond
)

// trace tells the supervisor what this worker did when. Its fields are the
// serving goroutine's, but for the ring, into which all may push.
type trace struct {
	s      *server
	ring   *wire.TraceRing
	zero   int64 // what wire.Clock showed at the epoch
	pinned int   // the CPU this process is tied to, -1 if it is not to one

	chunk  *chunk
	first  int           // the first task of the open event, in its chunk
	start  time.Duration // when it began
	failed uint64        // tasks of this process that had failed before
	sent   uint64        // of the chunk, in its first event
	cpu    int           // at the end of the event before

	looked time.Duration // for garbage collections
	gcs    debug.GCStats
	seen   int64

	mu sync.Mutex // guards pushing
}

func (s *server) openTrace() {
	if s.config.Traced == 0 || wire.TracedAreaSize(s.config.Traced) > len(s.area) {
		return
	}
	t := &trace{s: s, ring: wire.TraceAt(s.area, s.config.Traced, s.config.Worker), pinned: -1}
	t.zero = wire.Clock() - int64(now())
	if len(s.config.CPUs) == 1 {
		t.pinned = s.config.CPUs[0]
	}
	t.cpu = t.where()
	t.ring.Open.Start.Store(0) // of the process before
	debug.ReadGCStats(&t.gcs)
	t.seen = t.gcs.NumGC
	s.trace = t
}

func (t *trace) where() int {
	if t.pinned >= 0 {
		return t.pinned
	}
	return affinity.CurrentCPU()
}

// begin opens the event of a chunk's first tasks.
func (t *trace) begin(c *chunk, sent uint64) {
	if t == nil {
		return
	}
	t.chunk, t.sent = c, sent
	t.open(0, c.start)
}

func (t *trace) open(first int, start time.Duration) {
	t.first, t.start, t.failed = first, start, t.s.failed
	t.ring.Open.Store(t.record(0, 0))
}

func (t *trace) record(n int, end time.Duration) wire.TraceRecord {
	r := wire.TraceRecord{
		Kind: wire.TraceTasks, Start: t.zero + int64(t.start), Sent: int64(t.sent), Index: t.chunk.first + uint64(t.first),
		Job: uint32(t.chunk.job), Entry: t.chunk.entryNumber, Tasks: uint32(n), Failed: uint32(t.s.failed - t.failed),
		CPUStart: t.cpu, CPUDone: -1,
	}
	if end > 0 {
		r.End = t.zero + int64(end)
	}
	return r
}

// next says that task i of the chunk begins now, and the one before it is over.
func (t *trace) next(i int) {
	at := now()
	if t.s.failed == t.failed && at-t.start < traceTogether {
		t.ring.Open.Now.Store(uint64(t.zero + int64(at)))
		return
	}
	t.close(i, at)
	t.open(i, at)
}

// end says that n tasks of the chunk have begun, and none runs any more.
func (t *trace) end(n int, at time.Duration) {
	if t == nil || t.chunk == nil {
		return
	}
	if n > t.first {
		t.close(n, at)
	}
	t.ring.Open.Start.Store(0)
	t.chunk = nil
	if at-t.looked >= gcPace {
		t.looked = at
		t.collections()
	}
}

func (t *trace) close(next int, at time.Duration) {
	r := t.record(next-t.first, at)
	r.CPUDone = t.where()
	t.cpu, t.sent = r.CPUDone, 0
	t.push(r)
}

func (t *trace) push(r wire.TraceRecord) {
	t.mu.Lock()
	defer t.mu.Unlock()
	for until := now() + tracePatience; !t.ring.Push(r); {
		if now() > until {
			t.ring.Lost.Add(uint64(r.Tasks))
			return
		}
		time.Sleep(tracePause)
	}
}

// collections tells of the pauses of the garbage collector since the last look.
func (t *trace) collections() {
	debug.ReadGCStats(&t.gcs)
	for i := min(int(t.gcs.NumGC-t.seen), len(t.gcs.Pause)) - 1; i >= 0; i-- {
		end := wire.Clock() - int64(time.Since(t.gcs.PauseEnd[i]))
		t.push(wire.TraceRecord{Kind: wire.TraceGC, Start: end - int64(t.gcs.Pause[i]), End: end})
	}
	t.seen = t.gcs.NumGC
}

// waited tells of a wait for a lock that is over.
func (t *trace) waited(w oslock.Wait) {
	if t == nil {
		return
	}
	start := t.zero + int64(w.Since.Sub(epoch))
	t.push(wire.TraceRecord{Kind: wire.TraceWait, Start: start, End: wire.Clock(), Name: path.Base(w.File)})
}
