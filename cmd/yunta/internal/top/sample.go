package top

import (
	"os"
	"time"

	"yunta/supervisor"
)

// memoryPace is how often the memory of a process is read at most: the kernel walks all its pages for it.
const memoryPace = 2 * time.Second

// A Snapshot is what there was to see at one moment.
type Snapshot struct {
	At          time.Time
	Supervisors []Supervisor
	Deadlocks   []supervisor.Deadlock
	Self        float64 // CPU that looking costs, in percent of one
	Err         error   // the run directory could not be read
}

// A Supervisor is one with its workers.
type Supervisor struct {
	supervisor.Board
	Usage   Usage
	Workers []Worker // in place of the board's
}

// A Worker is a line of a board and what the system says of its process.
type Worker struct {
	supervisor.BoardWorker
	Usage Usage
}

// Usage is what the system says of a process. What it does not tell is negative.
type Usage struct {
	Found   bool    // there is such a process, and the system says so
	CPU     float64 // percent of one CPU since the sample before
	PSS     int64   // bytes: its own pages, and its share of those that it shares
	RSS     int64   // bytes
	LastCPU int     // that it ran on
	Parent  int
	State   byte // R, S, D, T, Z as in proc(5)
	Command string

	begun uint64 // when it began, in whatever unit: tells it from another of the same number
}

// unknown is the usage of a process that cannot be looked at.
var unknown = Usage{CPU: -1, PSS: -1, RSS: -1, LastCPU: -1}

// A Sampler takes snapshots. It remembers what the next one is compared with.
type Sampler struct {
	before map[int]reading
	self   reading
}

// A reading is what is kept of a process from one snapshot to the next.
type reading struct {
	at     time.Time
	begun  uint64
	used   time.Duration // CPU time so far
	memory time.Time     // when pss was read
	pss    int64
}

// Take takes a snapshot.
func (s *Sampler) Take() Snapshot {
	boards, err := supervisor.Boards()
	now := time.Now()
	snap := Snapshot{At: now, Err: err, Deadlocks: supervisor.Deadlocks(boards, now)}
	after := make(map[int]reading)
	for _, b := range boards {
		one := Supervisor{Board: b, Usage: s.usage(b.PID, now, after)}
		one.Board.Workers = nil
		for _, w := range b.Workers {
			u := unknown
			if w.PID > 0 && w.State != "dead" {
				u = s.usage(w.PID, now, after)
			}
			one.Workers = append(one.Workers, Worker{w, u})
		}
		snap.Supervisors = append(snap.Supervisors, one)
	}
	s.before = after
	if p, ok := processOf(os.Getpid()); ok {
		snap.Self = max(0, share(s.self, p, now))
		s.self = reading{at: now, begun: p.begun, used: p.used}
	}
	return snap
}

func (s *Sampler) usage(pid int, now time.Time, after map[int]reading) Usage {
	p, ok := processOf(pid)
	if !ok {
		return unknown
	}
	r := s.before[pid]
	cpu := share(r, p, now)
	if r.begun != p.begun || now.Sub(r.memory) >= memoryPace {
		r.pss, r.memory = pssOf(pid), now
	}
	r.at, r.begun, r.used = now, p.begun, p.used
	after[pid] = r
	return Usage{
		Found: true, CPU: cpu, PSS: r.pss, RSS: p.rss, LastCPU: p.cpu, Parent: p.parent, State: p.state,
		Command: p.command, begun: p.begun,
	}
}

// share is how much CPU a process used since the reading before, in percent of one; over its whole life if there is none.
func share(before reading, p process, now time.Time) float64 {
	if before.begun == p.begun && !before.at.IsZero() {
		if d := now.Sub(before.at); d > 0 {
			return 100 * float64(p.used-before.used) / float64(d)
		}
	}
	if p.age > 0 {
		return 100 * float64(p.used) / float64(p.age)
	}
	return 0
}

// A process is what the system says of one now.
type process struct {
	begun   uint64
	age     time.Duration
	used    time.Duration
	rss     int64
	cpu     int
	parent  int
	state   byte
	command string
}
