package wire

import (
	"math/rand/v2"
	"os"
	"os/exec"
	"strconv"
	"strings"
	"testing"
	"unsafe"
)

func TestTraceLayout(t *testing.T) {
	t.Parallel()
	if got := unsafe.Sizeof(TraceRing{}); got != traceRingSize {
		t.Errorf("a ring takes %d bytes, want %d", got, traceRingSize)
	}
	const workers = 3
	area := make([]byte, TracedAreaSize(workers))
	for i := range workers {
		TraceAt(area, workers, i).Lost.Store(uint64(i + 1))
	}
	for i := range workers {
		if got := TraceAt(area, workers, i).Lost.Load(); got != uint64(i+1) {
			t.Errorf("ring %d: %d", i, got)
		}
		if SlotAt(area, i, SlotsPerWorker-1).Load() != (State{}) {
			t.Errorf("the rings overlap with the slots of worker %d", i)
		}
	}
}

func TestTraceEvents(t *testing.T) {
	t.Parallel()
	for _, want := range []TraceRecord{
		{Kind: TraceTasks, Start: 1, End: 1 << 62, Sent: 3, Index: 1 << 63, Job: 1<<32 - 1, Entry: 7, Tasks: 1<<32 - 1, Failed: 1<<24 - 1, CPUStart: -1, CPUDone: 8191},
		{Kind: TraceWait, Start: 5, End: 6, Name: "cache", CPUStart: -1, CPUDone: -1},
		{Kind: TraceWait, Start: 5, End: 6, Name: strings.Repeat("x", 22) + "0123456789", CPUStart: -1, CPUDone: -1},
		{Kind: TraceGC, Start: 8, End: 9, CPUStart: -1, CPUDone: -1},
	} {
		var e TraceEvent
		e.Store(want)
		if got := e.Load(); got != want {
			t.Errorf("got %+v, want %+v", got, want)
		}
	}
	var e TraceEvent
	e.Store(TraceRecord{Kind: TraceWait, Start: 1, Name: strings.Repeat("x", 100) + "/the.end"})
	if got := e.Load().Name; got != strings.Repeat("x", 24)+"/the.end" {
		t.Errorf("of a long name: %q", got)
	}
}

// What goes in comes out, in order, and nothing more than there is room for.
func TestTraceRing(t *testing.T) {
	t.Parallel()
	var ring TraceRing
	in, out := uint64(0), uint64(0)
	for range 2000 {
		for range rand.IntN(400) {
			full := in-out == TraceEvents
			if ok := ring.Push(TraceRecord{Kind: TraceTasks, Index: in}); ok == full {
				t.Fatalf("Push = %v with %d inside", ok, in-out)
			} else if ok {
				in++
			}
		}
		if rand.IntN(3) == 0 {
			ring.Drain(func(r TraceRecord) {
				if r.Index != out {
					t.Fatalf("event %d came out, want %d", r.Index, out)
				}
				out++
			})
			if in != out {
				t.Fatalf("%d of %d came out", out, in)
			}
		}
	}
	// Nonsense from a child makes no loop of 2^64.
	ring.Head.Store(1 << 60)
	ring.Drain(func(TraceRecord) { t.Fatal("an event of nonsense") })
}

// The clock is the same in another process: what it says lies between two readings here.
func TestClock(t *testing.T) {
	if os.Getenv("YUNTA_WIRE_CLOCK") != "" {
		os.Stdout.WriteString(strconv.FormatInt(Clock(), 10) + "\n")
		os.Exit(0)
	}
	cmd := exec.CommandContext(t.Context(), os.Args[0], "-test.run=^TestClock$")
	cmd.Env = append(os.Environ(), "YUNTA_WIRE_CLOCK=1")
	before := Clock()
	out, err := cmd.Output()
	if err != nil {
		t.Fatal(err)
	}
	after := Clock()
	there, err := strconv.ParseInt(strings.TrimSpace(string(out)), 10, 64)
	if err != nil || there < before || there > after {
		t.Errorf("%d there, between %d and %d here, %v", there, before, after, err)
	}
	for last, i := Clock(), 0; i < 1000; i++ {
		now := Clock()
		if now < last {
			t.Fatalf("the clock went back by %d", last-now)
		}
		last = now
	}
}
