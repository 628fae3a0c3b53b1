package supervisor

import (
	"fmt"
	"strconv"
	"unicode/utf8"
)

// Lanes, as thread ids of the supervisor's process. Those of worker i begin at
// (i+1)*laneStep.
const (
	laneJobs  = 1
	laneGC    = 2
	laneStep  = 10
	laneTasks = 0
	laneSend  = 1
	laneTake  = 2
	laneLocks = 3
	laneGCs   = 4

	// coresPID is added to the process id for the cores, which are no process:
	// Linux has no such ids (PID_MAX_LIMIT, 4 Mi).
	coresPID = 1 << 23
	// coreStep is how many lanes a core may have: as many as workers share it.
	coreStep = 64
)

// begin appends the beginning of an event, which may always be: who has many to
// tell asks room first. t.mu is held.
func (t *tracer) begin(phase, name string, pid, lane int) {
	if t.any {
		t.buf = append(t.buf, ",\n"...)
	} else {
		t.buf = append(t.buf, "[\n"...)
		t.any = true
	}
	t.events++
	t.buf = append(t.buf, `{"ph":"`...)
	t.buf = append(t.buf, phase...)
	t.buf = append(t.buf, `","name":`...)
	t.buf = append(t.buf, t.quote(name)...)
	t.buf = append(t.buf, `,"pid":`...)
	t.buf = strconv.AppendInt(t.buf, int64(pid), 10)
	t.buf = append(t.buf, `,"tid":`...)
	t.buf = strconv.AppendInt(t.buf, int64(lane), 10)
}

// room reports whether there is room for what somebody has to tell, and counts it if not.
func (t *tracer) room() bool {
	if t.failed != nil {
		return false
	}
	if len(t.buf) > traceRoom {
		t.dropped++
		return false
	}
	if len(t.buf) > traceSoon {
		select {
		case t.soon <- struct{}{}:
		default:
		}
	}
	return true
}

func (t *tracer) meta(name string, pid, lane int, key, value string) {
	t.begin("M", name, pid, lane)
	t.buf = append(t.buf, `,"args":{"`...)
	t.buf = append(t.buf, key...)
	t.buf = append(t.buf, `":`...)
	t.buf = append(t.buf, quote(value)...)
	t.buf = append(t.buf, "}}"...)
}

// declare names a lane at its first use.
func (t *tracer) declare(pid, lane int, name string) {
	t.meta("thread_name", pid, lane, "name", name)
	t.begin("M", "thread_sort_index", pid, lane)
	t.buf = append(t.buf, `,"args":{"sort_index":`...)
	t.buf = strconv.AppendInt(t.buf, int64(lane), 10)
	t.buf = append(t.buf, "}}"...)
}

// slice appends a slice of the supervisor's process, without the brace that ends
// it, and returns its beginning. Where the clocks of two processes, or two
// goroutines, would have it overlap with the one before, it begins later.
func (t *tracer) slice(lane int, laneName, name string, start, end int64) int64 {
	last, ok := t.lanes[lane]
	if !ok {
		t.declare(t.pid, lane, laneName)
		last = t.zero
	}
	start = max(start, last)
	end = max(end, start)
	t.lanes[lane] = end
	t.begin("X", name, t.pid, lane)
	t.span(start, end)
	return start
}

func (t *tracer) span(start, end int64) {
	t.time(`,"ts":`, start-t.zero)
	t.time(`,"dur":`, end-start)
}

func (t *tracer) end() { t.buf = append(t.buf, '}') }

// time appends a time in microseconds, as the format wants it.
func (t *tracer) time(key string, ns int64) {
	t.buf = append(t.buf, key...)
	ns = max(ns, 0)
	t.buf = strconv.AppendInt(t.buf, ns/1000, 10)
	t.buf = append(t.buf, '.')
	for d := int64(100); d > 0; d /= 10 {
		t.buf = append(t.buf, byte('0'+ns/d%10))
	}
}

func (t *tracer) number(key string, n int64) {
	t.buf = append(t.buf, key...)
	t.buf = strconv.AppendInt(t.buf, n, 10)
}

// instant appends a mark in a lane.
func (t *tracer) instant(lane int, name string, at int64) {
	t.begin("i", name, t.pid, lane)
	t.time(`,"ts":`, at-t.zero)
	t.buf = append(t.buf, `,"s":"t","args":{`...)
}

// quote is quote for what comes again and again.
func (t *tracer) quote(s string) string {
	if q, ok := t.quoted[s]; ok {
		return q
	}
	if len(t.quoted) > 1000 { // names made on the spot
		clear(t.quoted)
	}
	q := quote(s)
	t.quoted[s] = q
	return q
}

// quote writes a string for JSON (RFC 8259, 7). What is no UTF-8 is replaced.
func quote(s string) string {
	b := []byte{'"'}
	for _, r := range s {
		switch {
		case r == '"' || r == '\\':
			b = append(b, '\\', byte(r))
		case r < ' ' || r == 0x7f:
			b = fmt.Appendf(b, `\u%04x`, r)
		default:
			b = utf8.AppendRune(b, r)
		}
	}
	return string(append(b, '"'))
}
