package supervisor

import (
	"strconv"
	"sync"

	"yunta/child/wire"
)

// span of tasks in a worker's lane.
type taskSlice struct {
	worker, pid   int
	entry         string
	job, index    uint64
	tasks, failed int
	start, end    int64
	sent          int64 // when the chunk they begin was sent, 0 if it is not its first
	from, cpu     int   // at the start and at the end, -1 if not known
	died          string
}

func laneOf(worker, which int) int { return (worker+1)*laneStep + which }

// tasks tells of tasks that ran, in the worker's lane and in the core's, and draws
// the arrow from where they were sent.
func (t *tracer) tasks(s taskSlice) {
	if t == nil {
		return
	}
	t.mu.Lock()
	defer t.mu.Unlock()
	if !t.room() {
		t.missed += uint64(s.tasks)
		return
	}
	lane := laneOf(s.worker, laneTasks)
	s.start = t.slice(lane, "worker "+strconv.Itoa(s.worker), s.entry, s.start, s.end)
	s.end = max(s.end, s.start)
	t.buf = append(t.buf, `,"cat":"task","args":{`...)
	t.number(`"job":`, int64(s.job))
	t.number(`,"task":`, int64(s.index))
	t.number(`,"tasks":`, int64(s.tasks))
	t.number(`,"failed":`, int64(s.failed))
	t.number(`,"pid":`, int64(s.pid))
	if s.cpu >= 0 {
		t.number(`,"cpu":`, int64(s.cpu))
		if s.from >= 0 && s.from != s.cpu {
			t.number(`,"moved_from_cpu":`, int64(s.from))
		}
	}
	if s.sent > 0 {
		t.time(`,"queued_us":`, s.start-s.sent)
	}
	if s.died != "" {
		t.buf = append(append(t.buf, `,"lost":`...), quote(s.died)...)
	}
	t.buf = append(t.buf, '}')
	if s.failed > 0 {
		t.buf = append(t.buf, `,"cname":"terrible"`...)
	}
	t.end()
	if s.sent > 0 {
		t.flow(s, lane)
	}
	if s.cpu >= 0 {
		t.onCore(s)
	}
}

// flow draws the arrow from a chunk's sending to its first task.
func (t *tracer) flow(s taskSlice, lane int) {
	t.flows++
	for _, end := range []struct {
		phase, more string
		lane        int
		at          int64
	}{
		{"s", "", laneOf(s.worker, laneSend), min(s.sent, s.start)},
		{"f", `,"bp":"e"`, lane, s.start},
	} {
		t.begin(end.phase, "sent", t.pid, end.lane)
		t.time(`,"ts":`, end.at-t.zero)
		t.number(`,"cat":"flow","id":`, int64(t.flows))
		t.buf = append(t.buf, end.more...)
		t.end()
	}
}

// onCore tells the same in the lane of the core. Workers that share one, and whose
// tasks overlap since the kernel takes turns, have lanes side by side.
func (t *tracer) onCore(s taskSlice) {
	ends := t.cores[s.cpu]
	sub := 0
	for sub < len(ends) && ends[sub] > s.start {
		sub++
	}
	lane := s.cpu*coreStep + min(sub, coreStep-1) + 1
	if sub == len(ends) {
		if sub >= coreStep {
			return
		}
		name := "core " + strconv.Itoa(s.cpu)
		if sub > 0 {
			name += ", shared " + strconv.Itoa(sub+1)
		}
		t.declare(t.pid+coresPID, lane, name)
		ends = append(ends, 0)
	}
	ends[sub] = s.end
	t.cores[s.cpu] = ends
	t.begin("X", "w"+strconv.Itoa(s.worker)+" "+s.entry, t.pid+coresPID, lane)
	t.span(s.start, s.end)
	t.end()
}

// sent tells of chunks written to a worker; w.wmu is held.
func (t *tracer) sent(w *worker, begun int64, chunks, tasks, bytes int) {
	if t == nil {
		return
	}
	end := t.now()
	t.mu.Lock()
	defer t.mu.Unlock()
	if t.room() {
		t.slice(laneOf(w.index, laneSend), "worker "+strconv.Itoa(w.index)+" send", "send", begun, end)
		t.buf = append(t.buf, `,"cat":"ipc","args":{`...)
		t.number(`"chunks":`, int64(chunks))
		t.number(`,"tasks":`, int64(tasks))
		t.number(`,"bytes":`, int64(bytes))
		t.buf = append(t.buf, "}}"...)
	}
}

// received tells of results copied out.
func (t *tracer) received(w *worker, begun int64, chunks, tasks int) {
	if t == nil || chunks == 0 {
		return
	}
	end := t.now()
	t.mu.Lock()
	defer t.mu.Unlock()
	if t.room() {
		t.slice(laneOf(w.index, laneTake), "worker "+strconv.Itoa(w.index)+" results", "results", begun, end)
		t.buf = append(t.buf, `,"cat":"ipc","args":{`...)
		t.number(`"chunks":`, int64(chunks))
		t.number(`,"tasks":`, int64(tasks))
		t.buf = append(t.buf, "}}"...)
	}
}

// submitted and finished frame a job; one of a single task is seen by that. core.mu is held.
func (t *tracer) submitted(j *job) {
	if t == nil || j.single {
		return
	}
	t.mu.Lock()
	defer t.mu.Unlock()
	if t.room() {
		j.traced = true
		t.job("b", j)
	}
}

func (t *tracer) finished(j *job) {
	if t == nil || !j.traced {
		return
	}
	t.mu.Lock()
	defer t.mu.Unlock()
	if t.failed == nil {
		t.job("e", j) // also without room: what began has an end
	}
}

func (t *tracer) job(phase string, j *job) {
	at := t.now()
	t.begin(phase, j.entry, t.pid, laneJobs)
	t.time(`,"ts":`, at-t.zero)
	t.number(`,"cat":"job","id":`, int64(j.number))
	t.end()
}

// mark tells of something that happened to a worker.
func (t *tracer) mark(worker, pid int, name, more string, n int64) {
	if t == nil {
		return
	}
	at := t.now()
	t.mu.Lock()
	defer t.mu.Unlock()
	if !t.room() {
		return
	}
	lane := laneOf(worker, laneTasks)
	if _, ok := t.lanes[lane]; !ok {
		t.declare(t.pid, lane, "worker "+strconv.Itoa(worker))
		t.lanes[lane] = t.zero
	}
	t.instant(lane, name, at)
	t.number(`"pid":`, int64(pid))
	if more != "" {
		t.number(more, n)
	}
	t.buf = append(t.buf, "}}"...)
}

func (t *tracer) started(w *worker) {
	t.mark(w.index, w.pid, "started", `,"incarnation":`, int64(w.incarnation))
}

func (t *tracer) died(w *worker, exit *ExitError, asked bool) {
	if t == nil {
		return
	}
	name := "left"
	if !asked {
		name = "died: " + exit.how()
	}
	t.mark(w.index, w.pid, name, `,"incarnation":`, int64(w.incarnation))
}

func (t *tracer) retry(worker, pid int, j *job, index int) {
	t.mark(worker, pid, "retry "+j.entry, `,"task":`, int64(index))
}

// workerLane is what a worker keeps for its trace.
type workerLane struct {
	mu      sync.Mutex
	entries []string // by their numbers on its pipe
	// The task that follows the last event, and when that ended.
	job  uint32
	next uint64
	till int64
}

// name notes an entry's number; w.wmu is held.
func (w *worker) name(entry string) {
	if w.core.trace == nil {
		return
	}
	w.lane.mu.Lock()
	w.lane.entries = append(w.lane.entries, entry)
	w.lane.mu.Unlock()
}

func (w *worker) entry(number uint32) string {
	if int(number) < len(w.lane.entries) {
		return w.lane.entries[number]
	}
	return "?" // the child wrote nonsense
}

// traced is how many rings there are.
func (p *core) traced() int {
	if p.trace == nil {
		return 0
	}
	return p.o.Processes
}

func (p *core) areaSize(workers int) int {
	if p.trace == nil {
		return wire.AreaSize(workers)
	}
	return wire.TracedAreaSize(workers)
}
