package wire

import (
	"bytes"
	"encoding/binary"
	"sync/atomic"
	"unsafe"
)

// TraceEvents is how many events a ring holds. One of tasks lasts 20 us at least, or ends a chunk, and the
// supervisor empties the ring whenever it hears of a worker, every 100 us or so.
const TraceEvents = 1024

// TraceRing carries what a traced worker did to its supervisor. It lies behind the blocks of all workers in the
// area, if there is a trace. Head and Events are the child's to write, Tail the supervisor's.
type TraceRing struct {
	Head atomic.Uint64 // events ever written
	Tail atomic.Uint64 // events ever read
	Lost atomic.Uint64 // tasks of events for which there was no room
	_    [LineSize - 24]byte
	// Open is the event of the tasks that run now, whose Start is 0 while none do. It outlives the child.
	Open   TraceEvent
	Events [TraceEvents]TraceEvent
}

// TraceEvent is one event in mapped memory. Times are those of Clock.
type TraceEvent struct {
	Start, End atomic.Uint64
	Sent       atomic.Uint64 // when the chunk was sent, in its first event, else 0
	Index      atomic.Uint64 // of the first task in its job
	Call       atomic.Uint64 // job 32, number of the entry 32
	Count      atomic.Uint64 // kind 8, failed 24, tasks 32
	CPU        atomic.Uint64 // at the start 16, at the end 16, each plus 1
	Now        atomic.Uint64 // in Open: when the task that runs now began
}

// The kinds of events. Those of waits have the end of the lock's path in Sent, Index, Call and CPU, as bytes.
const (
	TraceTasks = 1
	TraceWait  = 2
	TraceGC    = 3
)

// TraceRecord is an event copied out.
type TraceRecord struct {
	Kind              uint8
	Start, End, Sent  int64
	Index             uint64
	Job, Entry        uint32
	Tasks, Failed     uint32
	CPUStart, CPUDone int // -1 for not known
	Name              string
}

const traceRingSize = LineSize * (2 + TraceEvents)

// TracedAreaSize is AreaSize with the rings.
func TracedAreaSize(workers int) int { return AreaSize(workers) + workers*traceRingSize }

// TraceAt returns the ring of a worker in an area with rings.
func TraceAt(area []byte, workers, worker int) *TraceRing {
	off := AreaSize(workers) + worker*traceRingSize
	return (*TraceRing)(unsafe.Pointer(&area[off : off+traceRingSize : off+traceRingSize][0])) // as in SharedAt
}

// Store fills an event in, Start last.
func (e *TraceEvent) Store(r TraceRecord) {
	e.Start.Store(0)
	e.End.Store(uint64(r.End))
	e.Count.Store(uint64(r.Kind)<<56 | uint64(r.Failed&0xffffff)<<32 | uint64(r.Tasks))
	if r.Kind == TraceWait {
		var name [32]byte
		copy(name[:], r.Name[max(0, len(r.Name)-len(name)):])
		for i, w := range e.name() {
			w.Store(binary.NativeEndian.Uint64(name[8*i:]))
		}
	} else {
		e.Sent.Store(uint64(r.Sent))
		e.Index.Store(r.Index)
		e.Call.Store(uint64(r.Job)<<32 | uint64(r.Entry))
		e.CPU.Store(uint64(uint16(r.CPUStart+1))<<16 | uint64(uint16(r.CPUDone+1)))
	}
	e.Now.Store(uint64(r.Start))
	e.Start.Store(uint64(r.Start))
}

// name is where a wait's name stands.
func (e *TraceEvent) name() [4]*atomic.Uint64 {
	return [...]*atomic.Uint64{&e.Sent, &e.Index, &e.Call, &e.CPU}
}

// Load copies an event out.
func (e *TraceEvent) Load() (r TraceRecord) {
	r.Start, r.End = int64(e.Start.Load()), int64(e.End.Load())
	count := e.Count.Load()
	r.Kind, r.Failed, r.Tasks = uint8(count>>56), uint32(count>>32&0xffffff), uint32(count)
	r.CPUStart, r.CPUDone = -1, -1
	if r.Kind == TraceWait {
		var name [32]byte
		for i, w := range e.name() {
			binary.NativeEndian.PutUint64(name[8*i:], w.Load())
		}
		text, _, _ := bytes.Cut(name[:], []byte{0})
		r.Name = string(text)
		return r
	}
	r.Sent, r.Index = int64(e.Sent.Load()), e.Index.Load()
	call, cpu := e.Call.Load(), e.CPU.Load()
	r.Job, r.Entry = uint32(call>>32), uint32(call)
	r.CPUStart, r.CPUDone = int(cpu>>16&0xffff)-1, int(cpu&0xffff)-1
	return r
}

// Push appends an event, if there is room. One goroutine at a time may push.
func (t *TraceRing) Push(r TraceRecord) bool {
	head := t.Head.Load()
	if head-t.Tail.Load() >= TraceEvents {
		return false
	}
	t.Events[head%TraceEvents].Store(r)
	t.Head.Store(head + 1)
	return true
}

// Drain takes all events out, oldest first. One goroutine at a time may drain.
func (t *TraceRing) Drain(f func(TraceRecord)) {
	tail, head := t.Tail.Load(), t.Head.Load()
	if head-tail > TraceEvents {
		tail = head // the child wrote nonsense there
	}
	for ; tail < head; tail++ {
		f(t.Events[tail%TraceEvents].Load())
		t.Tail.Store(tail + 1)
	}
}
