package top

import (
	"fmt"
	"strings"
)

// details is all that is known of a row.
func (s *Snapshot) details(l Look, r Row) []string {
	rule := l.paint(dim, strings.Repeat(l.choose("─", "-"), max(0, l.Width)))
	b := r.Supervisor
	if r.Worker == nil {
		lines := []string{rule, fmt.Sprintf("supervisor %s  process %d (%s)  since %s, for %s",
			b.Name, b.PID, b.Program, b.Started.Format("2006-01-02 15:04:05"), age(s.At.Sub(b.Started)))}
		if b.Err != nil {
			return append(lines, b.Err.Error())
		}
		t := b.sum()
		return append(lines, fmt.Sprintf("%s  done %d  failed %d  restarts %d  its own: cpu %s%%  PSS %s  RSS %s",
			plural(len(b.Workers), "worker"), t.done, t.failed, t.restarts, percent(b.Usage.CPU), size(b.Usage.PSS), size(b.Usage.RSS)))
	}
	w := r.Worker
	lines := []string{
		rule,
		fmt.Sprintf("%s of %s  process %s  %s  core %s  cpu %s%%  PSS %s  RSS %s", workerName(w), b.Name, pidText(w), stateOf(w),
			coreText(w), percent(w.Usage.CPU), size(w.Usage.PSS), size(w.Usage.RSS)),
		fmt.Sprintf("done %d  failed %d  restarts %d, its predecessors' work included", w.Done, w.Failed, w.Restarts),
	}
	switch {
	case w.State == "running":
		lines = append(lines, fmt.Sprintf("runs %s, task %d of job %d, for %s, since %s", w.Entry, w.Task, w.Job, workerAge(s, w), w.Started.Format("15:04:05.000")))
	case !w.Started.IsZero():
		lines = append(lines, fmt.Sprintf("ran %s last, task %d of job %d, begun %s", w.Entry, w.Task, w.Job, w.Started.Format("15:04:05.000")))
	}
	if w.WaitsFor != "" {
		owner := "nobody known"
		if w.Owner > 0 {
			owner = fmt.Sprintf("%s (process %d)", s.nameOf(w.Owner), w.Owner)
		}
		lines = append(lines, fmt.Sprintf("waits for %s, owned by %s, for %s", w.WaitsFor, owner, age(s.At.Sub(w.Since))))
	}
	if w.Torn {
		lines = append(lines, "it was stopped or killed while it wrote its line: the fields may not belong together")
	}
	return lines
}
