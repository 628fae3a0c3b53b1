package top

import (
	"time"

	"yunta/supervisor"
)

// FormatVersion is that of Report: it grows when a field changes its meaning or goes.
const FormatVersion = 1

// A Report is a snapshot as JSON. What is not known is null.
type Report struct {
	Version     int                `json:"version"`
	Time        time.Time          `json:"time"`
	Supervisors []SupervisorReport `json:"supervisors"`
	Deadlocks   [][]CycleReport    `json:"deadlocks"`
}

// A SupervisorReport is one supervisor with its workers.
type SupervisorReport struct {
	PID     int            `json:"pid"`
	Name    string         `json:"name"`
	Program string         `json:"program"`
	Started time.Time      `json:"started"`
	Error   string         `json:"error,omitempty"`
	CPU     *float64       `json:"cpu_percent"`
	PSS     *int64         `json:"pss_bytes"`
	RSS     *int64         `json:"rss_bytes"`
	Workers []WorkerReport `json:"workers"`
}

// A WorkerReport is one worker.
type WorkerReport struct {
	Worker   int         `json:"worker"`
	PID      *int        `json:"pid"`
	Core     *int        `json:"core"`     // that it is pinned to
	LastCore *int        `json:"last_cpu"` // that it ran on, by the system
	State    string      `json:"state"`    // by the board
	Process  string      `json:"process_state,omitempty"`
	Task     *TaskReport `json:"task"` // that runs
	Done     uint64      `json:"done"`
	Failed   uint64      `json:"failed"`
	Restarts int         `json:"restarts"`
	CPU      *float64    `json:"cpu_percent"`
	PSS      *int64      `json:"pss_bytes"`
	RSS      *int64      `json:"rss_bytes"`
	WaitsFor *WaitReport `json:"waits_for"`
	Torn     bool        `json:"torn,omitempty"`
}

// A TaskReport is a task that runs.
type TaskReport struct {
	Entry   string    `json:"entry"`
	Job     uint64    `json:"job"`
	Index   uint64    `json:"index"`
	Started time.Time `json:"started"`
	Age     float64   `json:"age_seconds"`
}

// A WaitReport is a wait for a lock.
type WaitReport struct {
	Lock  string    `json:"lock"`
	Owner *int      `json:"owner_pid"`
	Since time.Time `json:"since"`
}

// A CycleReport is a member of a deadlock: the next one owns what it waits for.
type CycleReport struct {
	PID    int    `json:"pid"`
	Worker string `json:"worker"`
	Lock   string `json:"waits_for"`
}

// Report makes the report of a snapshot.
func (s *Snapshot) Report() Report {
	r := Report{Version: FormatVersion, Time: s.At, Supervisors: []SupervisorReport{}, Deadlocks: [][]CycleReport{}}
	for i := range s.Supervisors {
		b := &s.Supervisors[i]
		one := SupervisorReport{PID: b.PID, Name: b.Name, Program: b.Program, Started: b.Started, Workers: []WorkerReport{}}
		if b.Err != nil {
			one.Error = b.Err.Error()
		}
		one.CPU, one.PSS, one.RSS = ifKnown(b.Usage.CPU), ifKnown(b.Usage.PSS), ifKnown(b.Usage.RSS)
		for k := range b.Workers {
			one.Workers = append(one.Workers, s.workerReport(&b.Workers[k]))
		}
		r.Supervisors = append(r.Supervisors, one)
	}
	for _, d := range s.Deadlocks {
		r.Deadlocks = append(r.Deadlocks, s.cycleReport(d))
	}
	return r
}

func (s *Snapshot) workerReport(w *Worker) WorkerReport {
	r := WorkerReport{
		Worker: w.Worker, State: w.State, Done: w.Done, Failed: w.Failed, Restarts: w.Restarts, Torn: w.Torn,
		Core: ifKnown(w.CPU), LastCore: ifKnown(w.Usage.LastCPU),
		CPU: ifKnown(w.Usage.CPU), PSS: ifKnown(w.Usage.PSS), RSS: ifKnown(w.Usage.RSS),
	}
	if w.PID > 0 {
		r.PID = &w.PID
	}
	if w.Usage.Found {
		r.Process = string(w.Usage.State)
	}
	if d := s.busyFor(w); d >= 0 {
		r.Task = &TaskReport{w.Entry, w.Job, w.Task, w.Started, d.Seconds()}
	}
	if w.WaitsFor != "" {
		r.WaitsFor = &WaitReport{Lock: w.WaitsFor, Since: w.Since}
		if w.Owner > 0 {
			r.WaitsFor.Owner = &w.Owner
		}
	}
	return r
}

func (s *Snapshot) cycleReport(d supervisor.Deadlock) (out []CycleReport) {
	for _, w := range d {
		out = append(out, CycleReport{w.PID, s.nameOf(w.PID), w.WaitsFor})
	}
	return out
}

func ifKnown[T int | int64 | float64](v T) *T {
	if v < 0 {
		return nil
	}
	return &v
}
