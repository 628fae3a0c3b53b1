package main

import (
	"fmt"
	"os"
	"strconv"
	"strings"
	"sync"
	"time"

	"yunta/cmd/yunta/internal/input"
	"yunta/cmd/yunta/internal/machine"
	"yunta/supervisor"
)

// gateOptions say when a job may begin.
type gateOptions struct {
	strict  bool          // only when a slot is free
	file    string        // that says how many at a time, looked at again and again
	delay   time.Duration // between two beginnings
	load    float64       // only while the load average is below; 0: whatever it is
	memfree int64         // only while so many bytes of memory are free
}

func (o *gateOptions) wanted() bool {
	return o.strict || o.file != "" || o.delay > 0 || o.load > 0 || o.memfree > 0
}

const (
	// lookEvery is how often load and memory are looked at while they forbid a job.
	lookEvery = 250 * time.Millisecond
	// fileEvery is how old the number of jobs from a file may be.
	fileEvery = time.Second
)

// A gate lets jobs in, one by one, as there is room for them.
type gate struct {
	o    gateOptions
	left chan struct{} // somebody has

	mu      sync.Mutex
	inside  int
	slots   int
	last    time.Time // when the last one began
	checked time.Time // when the file was read
}

func newGate(o gateOptions, slots int) *gate {
	return &gate{o: o, slots: slots, left: make(chan struct{}, 1)}
}

// wait blocks until a job may begin.
func (g *gate) wait(stop <-chan struct{}) error {
	for {
		pause, err := g.closedFor()
		if err != nil {
			return err
		}
		if pause == 0 {
			return nil
		}
		timer := time.NewTimer(pause)
		select {
		case <-g.left:
		case <-timer.C:
		case <-stop:
			timer.Stop()
			return input.ErrStopped
		}
		timer.Stop()
	}
}

// closedFor returns when to ask again, 0 when a job may begin. What cannot be found out holds nothing up: it was tried at the beginning.
func (g *gate) closedFor() (time.Duration, error) {
	g.mu.Lock()
	defer g.mu.Unlock()
	if g.o.file != "" && time.Since(g.checked) > fileEvery {
		if n, err := slotsOfFile(g.o.file); err == nil {
			g.slots = n
		}
		g.checked = time.Now()
	}
	if g.inside >= g.slots {
		if g.o.file != "" {
			return fileEvery, nil
		}
		return time.Hour, nil
	}
	if d := g.o.delay - time.Since(g.last); g.o.delay > 0 && d > 0 && !g.last.IsZero() {
		return d, nil
	}
	if g.o.load > 0 {
		if l, err := machine.Load(); err == nil && l >= g.o.load {
			return lookEvery, nil
		}
	}
	if g.o.memfree > 0 {
		if n, err := machine.Free(); err == nil && n < g.o.memfree {
			return lookEvery, nil
		}
	}
	return 0, nil
}

func (g *gate) enter() {
	g.mu.Lock()
	g.inside++
	g.last = time.Now()
	g.mu.Unlock()
}

func (g *gate) leave() {
	g.mu.Lock()
	g.inside--
	g.mu.Unlock()
	select {
	case g.left <- struct{}{}:
	default:
	}
}

// parseSlots reads a number of jobs: N, N% of the cores, +N or -N more or fewer than there are cores. ok is false for what is none of
// these.
func parseSlots(s string) (n int, ok bool, err error) {
	number := strings.TrimSuffix(strings.TrimLeft(s, "+-"), "%")
	f, err := strconv.ParseFloat(number, 64)
	if err != nil || number == "" || strings.IndexFunc(number, func(r rune) bool { return (r < '0' || r > '9') && r != '.' }) >= 0 {
		return 0, false, nil
	}
	percent := strings.HasSuffix(s, "%")
	if !percent && f != float64(int(f)) {
		return 0, false, nil
	}
	if percent {
		f = f * float64(supervisor.CPUCount()) / 100
	}
	switch s[0] {
	case '+':
		f += float64(supervisor.CPUCount())
	case '-':
		f = float64(supervisor.CPUCount()) - f
	default:
		if f == 0 && !percent {
			return 0, true, nil
		}
	}
	if percent {
		f = max(f, 1)
	}
	if f < 1 {
		return 0, true, fmt.Errorf("%s leaves no jobs: there are %d cores", s, supervisor.CPUCount())
	}
	return min(int(f), maxJobs), true, nil
}

// slotsOfFile reads the number of jobs from the first line of a file.
func slotsOfFile(path string) (int, error) {
	b, err := os.ReadFile(path)
	if err != nil {
		return 0, err
	}
	line, _, _ := strings.Cut(string(b), "\n")
	n, ok, err := parseSlots(strings.TrimSpace(line))
	if err == nil && !ok {
		err = fmt.Errorf("%s: %q is not a number of jobs", path, line)
	}
	if n == 0 {
		n = maxJobs
	}
	return n, err
}

// defaultSlots is how many jobs run at a time if nobody says: as many as there are usable cores, fewer if there is little memory.
func defaultSlots() int {
	n := supervisor.CPUCount()
	if free, err := machine.Free(); err == nil {
		n = max(min(n, int(free/leastMemory)), 1)
	}
	return n
}

// leastMemory is what a worker and a small job need, in bytes.
const leastMemory = 32 << 20
