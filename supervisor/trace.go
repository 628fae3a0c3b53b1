package supervisor

import (
	"errors"
	"io"
	"os"
	"runtime/debug"
	"strconv"
	"sync"
	"time"

	"yunta/child/wire"
)

// Tunables of tracing.
const (
	// traceEvery is how often what has come together is written.
	traceEvery = 50 * time.Millisecond
	// traceRoom bounds what waits to be written, in bytes: more comes to nothing.
	traceRoom = 8 << 20
	// traceSoon is how much of it is written without waiting.
	traceSoon = 256 << 10
)

// tracer writes a pool's timeline. All methods may be called on nil, and then do
// nothing. Its mutex is taken last, also under core.mu and wmu, and never held
// while the writer is.
type tracer struct {
	w    io.Writer
	zero int64 // when it began; times are told from there
	pid  int
	quit chan struct{}
	soon chan struct{} // there is much to be written
	done chan struct{} // the pump has ended
	once sync.Once

	mu      sync.Mutex // guards what follows
	buf     []byte     // whole events
	any     bool       // the first event was written
	failed  error      // of the writer, or that the trace is over: nothing more is told
	events  uint64
	dropped uint64 // events for which there was no room
	missed  uint64 // tasks in them
	flows   uint64
	lanes   map[int]int64   // declared ones: when the last slice of each ended
	cores   map[int][]int64 // the same of each core's lanes
	quoted  map[string]string

	// The pump's.
	gcs   debug.GCStats
	seen  int64
	told  counters
	drawn bool
}

var errTraceOver = errors.New("supervisor: the trace is over")

func newTracer(p *core) *tracer {
	if p.o.Trace == nil {
		return nil
	}
	t := &tracer{
		w: p.o.Trace, zero: wire.Clock(), pid: os.Getpid(), quit: make(chan struct{}), soon: make(chan struct{}, 1), done: make(chan struct{}),
		lanes: make(map[int]int64), cores: make(map[int][]int64), quoted: make(map[string]string),
	}
	debug.ReadGCStats(&t.gcs)
	t.seen = t.gcs.NumGC
	t.mu.Lock()
	t.begin("M", "yunta", t.pid, laneJobs)
	t.buf = append(t.buf, `,"args":{"version":1,"clock":"monotonic, from the beginning of the pool","began":`...)
	t.buf = append(t.buf, quote(time.Now().Format(time.RFC3339Nano))...)
	t.buf = append(t.buf, `,"model":`...)
	t.buf = append(t.buf, quote(p.o.Model.String())...)
	t.buf = append(t.buf, `,"workers":`...)
	t.buf = strconv.AppendInt(t.buf, int64(p.o.Processes), 10)
	t.buf = append(t.buf, "}}"...)
	t.meta("process_name", t.pid, 0, "name", p.o.Name+" ("+p.o.Model.String()+")")
	t.meta("process_name", t.pid+coresPID, 0, "name", "cores")
	t.meta("thread_name", t.pid, laneJobs, "name", "jobs")
	t.mu.Unlock()
	go t.pump(p)
	return t
}

// now is the time of a trace; 0 without one.
func (t *tracer) now() int64 {
	if t == nil {
		return 0
	}
	return wire.Clock()
}

// pump writes what comes together.
func (t *tracer) pump(p *core) {
	defer close(t.done)
	tick := time.NewTicker(traceEvery)
	defer tick.Stop()
	var spare []byte
	for over := false; !over; {
		select {
		case <-tick.C:
		case <-t.soon:
		case <-t.quit:
			over = true
		}
		t.collections()
		t.curves(p.count())
		t.mu.Lock()
		out := t.buf
		t.buf = spare[:0]
		failed := t.failed
		t.mu.Unlock()
		if len(out) > 0 && failed == nil {
			if _, err := t.w.Write(out); err != nil {
				t.mu.Lock()
				t.failed = err
				t.mu.Unlock()
			}
		}
		spare = out
	}
}

// close writes what is left and ends the array. It may be called again.
func (t *tracer) close(p *core) {
	if t != nil {
		t.once.Do(func() { t.finish(p) })
	}
}

func (t *tracer) finish(p *core) {
	close(t.quit)
	<-t.done
	p.mu.Lock()
	s := p.stats
	p.mu.Unlock()
	t.mu.Lock()
	lost := p.traceMissed() + t.missed
	t.begin("M", "yunta end", t.pid, laneJobs)
	t.buf = append(t.buf, `,"args":{`...)
	for i, f := range []struct {
		name string
		n    uint64
	}{
		{"jobs", s.Jobs},
		{"tasks", s.Tasks},
		{"failed", s.Failed},
		{"retried", s.Retried},
		{"died", s.Died},
		{"restarts", s.Restarts},
		{"events", t.events},
		{"dropped_events", t.dropped},
		{"dropped_tasks", lost},
	} {
		if i > 0 {
			t.buf = append(t.buf, ',')
		}
		t.buf = append(append(append(t.buf, '"'), f.name...), `":`...)
		t.buf = strconv.AppendUint(t.buf, f.n, 10)
	}
	t.buf = append(t.buf, "}}\n]\n"...)
	out, failed := t.buf, t.failed
	t.buf, t.failed = nil, errTraceOver
	t.mu.Unlock()
	if failed == nil {
		_, failed = t.w.Write(out)
	}
	if failed != nil {
		p.o.Logger.Warn("writing the trace", "err", failed)
	}
}

// collections tells of the garbage collector's pauses in this process.
func (t *tracer) collections() {
	debug.ReadGCStats(&t.gcs)
	n := min(int(t.gcs.NumGC-t.seen), len(t.gcs.Pause))
	t.seen = t.gcs.NumGC
	for i := n - 1; i >= 0; i-- {
		end := wire.Clock() - int64(time.Since(t.gcs.PauseEnd[i]))
		t.mu.Lock()
		t.slice(laneGC, "supervisor gc", "GC pause", end-int64(t.gcs.Pause[i]), end)
		t.end()
		t.mu.Unlock()
	}
}
