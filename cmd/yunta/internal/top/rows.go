package top

import (
	"cmp"
	"fmt"
	"slices"
	"strconv"
	"strings"
)

// Settings are what keys change of the view.
type Settings struct {
	Filter    string // only what has this text in it, whatever its case
	Troubled  bool   // only workers that failed, died, or are in a deadlock
	Sort      Order
	Reverse   bool
	Collapsed map[int]bool // by the process id of the supervisor
}

// Order is what the workers of a supervisor are sorted by.
type Order int

// The orders. All but the first put the largest first.
const (
	ByWorker Order = iota
	ByCPU
	ByMemory
	ByAge
	ByDone
	ByFailed
	ByRestarts
	orders
)

func (o Order) String() string {
	return [...]string{"worker", "cpu", "memory", "age", "done", "failed", "restarts"}[o]
}

// Next is the order after o.
func (o Order) Next() Order { return (o + 1) % orders }

// A Row is a line of the tree: a supervisor, or one of its workers.
type Row struct {
	Supervisor *Supervisor
	Worker     *Worker // nil in the supervisor's own row
	Last       bool    // the supervisor's last
	Deadlocked bool
}

// key tells rows apart from one snapshot to the next.
func (r Row) key() string {
	if r.Worker == nil {
		return strconv.Itoa(r.Supervisor.PID)
	}
	return fmt.Sprintf("%d/%d", r.Supervisor.PID, r.Worker.Worker)
}

// Rows are the lines of the tree as the settings have it.
func (s *Snapshot) Rows(o Settings) []Row {
	stuck := make(map[int]bool)
	for _, d := range s.Deadlocks {
		for _, w := range d {
			stuck[w.PID] = true
		}
	}
	want := strings.ToLower(o.Filter)
	var rows []Row
	for i := range s.Supervisors {
		b := &s.Supervisors[i]
		all := has(want, b.Name, b.Program, strconv.Itoa(b.PID))
		var kids []Row
		for k := range b.Workers {
			w := &b.Workers[k]
			if o.Troubled && w.Failed == 0 && w.Restarts == 0 && w.State != "dead" && !stuck[w.PID] {
				continue
			}
			if all || has(want, workerName(w), w.Entry, stateOf(w), lockName(w.WaitsFor), strconv.Itoa(w.PID)) {
				kids = append(kids, Row{Supervisor: b, Worker: w, Deadlocked: stuck[w.PID]})
			}
		}
		if len(kids) == 0 && (!all || o.Troubled && b.Err == nil) {
			continue
		}
		slices.SortStableFunc(kids, func(x, y Row) int { return s.compare(x.Worker, y.Worker, o) })
		head := Row{Supervisor: b}
		rows = append(rows, head)
		if o.Collapsed[b.PID] {
			continue
		}
		if len(kids) > 0 {
			kids[len(kids)-1].Last = true
		}
		rows = append(rows, kids...)
	}
	return rows
}

func has(want string, texts ...string) bool {
	return slices.ContainsFunc(texts, func(s string) bool { return strings.Contains(strings.ToLower(s), want) })
}

func (s *Snapshot) compare(x, y *Worker, o Settings) int {
	c := 0
	switch o.Sort {
	case ByWorker:
		c = cmp.Compare(x.Worker, y.Worker)
	case ByCPU:
		c = cmp.Compare(y.Usage.CPU, x.Usage.CPU)
	case ByMemory:
		c = cmp.Compare(y.Usage.PSS, x.Usage.PSS)
	case ByAge:
		c = cmp.Compare(s.busyFor(y), s.busyFor(x))
	case ByDone:
		c = cmp.Compare(y.Done, x.Done)
	case ByFailed:
		c = cmp.Compare(y.Failed, x.Failed)
	case ByRestarts:
		c = cmp.Compare(y.Restarts, x.Restarts)
	}
	if o.Reverse {
		return -c
	}
	return c
}

func workerName(w *Worker) string { return "w" + strconv.Itoa(w.Worker) }

// stateOf is a worker's state as it is shown: one that runs a task and waits for a lock does not run.
func stateOf(w *Worker) string {
	switch {
	case w.State == "dead" || w.State == "unused":
		return w.State
	case w.WaitsFor != "":
		return "waiting"
	case w.Usage.Found && w.Usage.State == 'T':
		return "stopped"
	}
	return w.State
}
