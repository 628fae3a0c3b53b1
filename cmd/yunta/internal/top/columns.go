package top

import (
	"slices"
	"strconv"
	"strings"
	"time"
)

// A column of the table. Those of the highest rank go first when there is not room for all.
type column struct {
	title string
	width int
	rank  int
	right bool
	grows int // shares of what room is left
	text  func(s *Snapshot, l Look, r Row) string
}

// columnsFor returns the columns that fit, wider where there is room.
func columnsFor(width int) []column {
	cols := slices.Clone(allColumns)
	for total(cols) > width && len(cols) > 1 {
		worst := 0
		for i, c := range cols {
			if c.rank > cols[worst].rank {
				worst = i
			}
		}
		cols = slices.Delete(cols, worst, worst+1)
	}
	left, shares := width-total(cols), 0
	for _, c := range cols {
		shares += c.grows
	}
	for i := range cols {
		if cols[i].grows > 0 {
			part := left * cols[i].grows / shares
			left, shares = left-part, shares-cols[i].grows
			cols[i].width += part
		}
	}
	if len(cols) == 1 {
		cols[0].width = min(cols[0].width, max(width, 1))
	}
	return cols
}

func total(cols []column) int {
	n := len(cols) - 1
	for _, c := range cols {
		n += c.width
	}
	return n
}

// forBoth makes the text of a column from that of a supervisor's row and that of a worker's.
func forBoth(boss func(s *Snapshot, b *Supervisor) string, worker func(s *Snapshot, w *Worker) string) func(*Snapshot, Look, Row) string {
	return func(s *Snapshot, _ Look, r Row) string {
		switch {
		case r.Worker == nil:
			return boss(s, r.Supervisor)
		case r.Worker.State == "unused":
			return ""
		}
		return worker(s, r.Worker)
	}
}

// allWidth is what the columns take together: from there on all are shown.
const allWidth = 102

var allColumns = []column{
	{title: "SUPERVISOR/WORKER", width: 14, rank: 0, grows: 1, text: nameText},
	{title: "PID", width: 7, rank: 1, right: true, text: forBoth(
		func(_ *Snapshot, b *Supervisor) string { return strconv.Itoa(b.PID) },
		func(_ *Snapshot, w *Worker) string { return pidText(w) })},
	{title: "CORE", width: 4, rank: 6, right: true, text: forBoth(
		func(*Snapshot, *Supervisor) string { return "" },
		func(_ *Snapshot, w *Worker) string { return coreText(w) })},
	{title: "STATE", width: 8, rank: 2, text: forBoth(
		func(_ *Snapshot, b *Supervisor) string { return bossState(b) },
		func(_ *Snapshot, w *Worker) string { return stateOf(w) })},
	{title: "CPU%", width: 4, rank: 4, right: true, text: forBoth(
		func(_ *Snapshot, b *Supervisor) string { return percent(b.sum().CPU) },
		func(_ *Snapshot, w *Worker) string { return percent(w.Usage.CPU) })},
	{title: "PSS", width: 5, rank: 7, right: true, text: forBoth(
		func(_ *Snapshot, b *Supervisor) string { return size(b.sum().PSS) },
		func(_ *Snapshot, w *Worker) string { return size(w.Usage.PSS) })},
	{title: "TASK", width: 14, rank: 3, grows: 2, text: taskText},
	{title: "AGE", width: 5, rank: 3, right: true, text: forBoth(
		func(s *Snapshot, b *Supervisor) string { return age(s.At.Sub(b.Started)) },
		func(s *Snapshot, w *Worker) string { return workerAge(s, w) })},
	{title: "DONE", width: 5, rank: 5, right: true, text: forBoth(
		func(_ *Snapshot, b *Supervisor) string { return count(b.sum().done) },
		func(_ *Snapshot, w *Worker) string { return count(w.Done) })},
	{title: "FAIL", width: 4, rank: 6, right: true, text: forBoth(
		func(_ *Snapshot, b *Supervisor) string { return count(b.sum().failed) },
		func(_ *Snapshot, w *Worker) string { return count(w.Failed) })},
	{title: "RST", width: 3, rank: 8, right: true, text: forBoth(
		func(_ *Snapshot, b *Supervisor) string { return count(b.sum().restarts) },
		func(_ *Snapshot, w *Worker) string { return count(uint64(max(w.Restarts, 0))) })},
	{title: "LOCK", width: 18, rank: 9, grows: 2, text: func(s *Snapshot, l Look, r Row) string {
		if r.Worker == nil {
			return ""
		}
		return lockText(s, l, r.Supervisor.Name, r.Worker)
	}},
}

func nameText(_ *Snapshot, l Look, r Row) string {
	if r.Worker == nil {
		return l.choose("▾ ", "- ") + r.Supervisor.Name + " (" + r.Supervisor.Program + ")"
	}
	branch := l.choose("├ ", "|-")
	if r.Last {
		branch = l.choose("└ ", "`-")
	}
	return "  " + branch + workerName(r.Worker)
}

func pidText(w *Worker) string {
	if w.State == "dead" {
		return "-"
	}
	return strconv.Itoa(w.PID)
}

// coreText is the core that a worker is pinned to; of one that is free, the last that it ran on, with a mark.
func coreText(w *Worker) string {
	switch {
	case w.State == "dead":
		return "-"
	case w.CPU >= 0:
		return strconv.Itoa(w.CPU)
	case w.Usage.LastCPU >= 0:
		return "*" + strconv.Itoa(w.Usage.LastCPU)
	}
	return "?"
}

func bossState(b *Supervisor) string {
	switch {
	case b.Err != nil:
		return "unknown"
	case b.Usage.Found && b.Usage.State == 'T':
		return "stopped"
	}
	for _, w := range b.Workers {
		if w.State == "running" {
			return "running"
		}
	}
	return "idle"
}

// taskText is the task that runs; of a worker that waits for a lock, the lock where that has no column of its own.
func taskText(s *Snapshot, l Look, r Row) string {
	if r.Worker == nil {
		if r.Supervisor.Err != nil {
			return r.Supervisor.Err.Error()
		}
		return plural(len(r.Supervisor.Workers), "worker")
	}
	w := r.Worker
	switch {
	case w.WaitsFor != "" && l.Width < allWidth && w.State != "dead":
		return lockText(s, l, r.Supervisor.Name, w)
	case w.State == "running":
		return "#" + strconv.FormatUint(w.Job, 10) + "." + strconv.FormatUint(w.Task, 10) + " " + w.Entry
	}
	return ""
}

// lockText is what a worker waits for, and who owns it, which is named in short if it is of the same supervisor.
func lockText(s *Snapshot, l Look, boss string, w *Worker) string {
	if w.WaitsFor == "" || w.State == "dead" {
		return ""
	}
	text := lockName(w.WaitsFor)
	if w.Owner > 0 {
		text += l.choose(" ◂ ", " of ") + strings.TrimPrefix(s.nameOf(w.Owner), boss+"/")
	}
	if !w.Since.IsZero() {
		text += " " + age(s.At.Sub(w.Since))
	}
	return text
}

func workerAge(s *Snapshot, w *Worker) string {
	if d := s.busyFor(w); d >= 0 {
		return age(d)
	}
	return ""
}

// busyFor is how long the task of a worker has run, -1 if it runs none.
func (s *Snapshot) busyFor(w *Worker) time.Duration {
	if w.State != "running" || w.Started.IsZero() {
		return -1
	}
	return max(0, s.At.Sub(w.Started))
}

// sums are of a supervisor and all its workers.
type sums struct {
	CPU                    float64
	PSS                    int64
	done, failed, restarts uint64
}

func (b *Supervisor) sum() (t sums) {
	if !b.Usage.Found {
		t.CPU, t.PSS = -1, -1
	} else {
		t.CPU, t.PSS = b.Usage.CPU, max(b.Usage.PSS, 0)
	}
	for _, w := range b.Workers {
		t.done += w.Done
		t.failed += w.Failed
		t.restarts += uint64(max(w.Restarts, 0))
		if b.Usage.Found && w.Usage.Found {
			t.CPU += w.Usage.CPU
			t.PSS += max(w.Usage.PSS, 0)
		}
	}
	return t
}
