package top

import (
	"fmt"
	"strconv"
	"strings"
	"time"
	"unicode/utf8"
)

// A Look is how things are drawn.
type Look struct {
	Width   int
	Height  int  // 0: as many lines as there are
	Colour  bool // with ANSI attributes
	Unicode bool
}

// ANSI attributes.
const (
	plain   = "\x1b[m"
	bold    = "\x1b[1m"
	dim     = "\x1b[2m"
	red     = "\x1b[31m"
	green   = "\x1b[32m"
	yellow  = "\x1b[33m"
	inverse = "\x1b[7m"
)

func (l Look) paint(attribute, s string) string {
	if !l.Colour || s == "" {
		return s
	}
	return attribute + s + plain
}

func (l Look) more() string {
	if l.Unicode {
		return "…"
	}
	return "~"
}

// Header sums it all up in one line.
func (s *Snapshot) Header(l Look, interval time.Duration) string {
	workers := map[string]int{}
	total, restarting := 0, 0
	cpu, pss, partly, told := 0.0, int64(0), false, false
	add := func(u Usage) {
		told = told || u.Found
		if !u.Found || u.PSS < 0 {
			partly = true
		}
		cpu, pss = cpu+max(0, u.CPU), pss+max(0, u.PSS)
	}
	for i := range s.Supervisors {
		b := &s.Supervisors[i]
		add(b.Usage)
		for k := range b.Workers {
			w := &b.Workers[k]
			state := stateOf(w)
			if state == "unused" {
				continue
			}
			total++
			switch state {
			case "dead", "starting":
				restarting++
			default:
				workers[state]++
				add(w.Usage)
			}
		}
	}
	parts := []string{plural(len(s.Supervisors), "supervisor"), plural(total, "worker")}
	var states []string
	for _, name := range []string{"running", "waiting", "idle", "stopping", "stopped"} {
		if n := workers[name]; n > 0 {
			states = append(states, fmt.Sprintf("%d %s", n, name))
		}
	}
	if restarting > 0 {
		states = append(states, fmt.Sprintf("%d restarting", restarting))
	}
	if len(states) > 0 {
		parts[1] += " (" + strings.Join(states, ", ") + ")"
	}
	if told {
		at := ""
		if partly {
			at = l.choose("≥", ">=")
		}
		parts = append(parts, fmt.Sprintf("cpu %.2f", cpu/100), "PSS "+at+size(pss))
	}
	if interval > 0 {
		parts = append(parts, "every "+interval.String(), fmt.Sprintf("self %.1f%%", s.Self))
	}
	line := "yunta top"
	for _, p := range parts { // what does not fit is left out from the end
		if next := line + "  " + p; len([]rune(next)) <= l.Width {
			line = next
		} else {
			break
		}
	}
	return l.paint(bold, fit(line, min(l.Width, len([]rune(line))), false, l.more()))
}

func (l Look) choose(unicode, ascii string) string {
	if l.Unicode {
		return unicode
	}
	return ascii
}

func plural(n int, what string) string {
	if n == 1 {
		return "1 " + what
	}
	return strconv.Itoa(n) + " " + what + "s"
}

// Table draws the tree; selected is the key of the row to mark, "" for none. The first line names the columns.
func (s *Snapshot) Table(l Look, rows []Row, selected string) []string {
	cols := columnsFor(l.Width)
	var head strings.Builder
	for i, c := range cols {
		if i > 0 {
			head.WriteByte(' ')
		}
		head.WriteString(fit(c.title, c.width, c.right, l.more()))
	}
	lines := []string{l.paint(dim, strings.TrimRight(head.String(), " "))}
	for _, r := range rows {
		var b strings.Builder
		for i, c := range cols {
			if i > 0 {
				b.WriteByte(' ')
			}
			b.WriteString(fit(c.text(s, l, r), c.width, c.right, l.more()))
		}
		line := strings.TrimRight(b.String(), " ")
		switch {
		case r.key() == selected && !l.Colour:
			_, first := utf8.DecodeRuneInString(line)
			line = ">" + line[first:]
		case r.key() == selected:
			line = l.paint(inverse, fit(line, l.Width, false, l.more()))
		case r.Deadlocked || r.Supervisor.Err != nil:
			line = l.paint(red, line)
		case r.Worker == nil:
			line = l.paint(bold, line)
		case stateOf(r.Worker) == "waiting", r.Worker.State == "dead":
			line = l.paint(yellow, line)
		case r.Worker.State == "running":
			line = l.paint(green, line)
		}
		lines = append(lines, line)
	}
	return lines
}

// Cycles names the deadlocks, a line each: w0 -> lock -> w1 -> other -> w0.
func (s *Snapshot) Cycles(l Look) (lines []string) {
	arrow := l.choose("→", "->")
	for _, d := range s.Deadlocks {
		var b strings.Builder
		b.WriteString("DEADLOCK ")
		for _, w := range d {
			b.WriteString(s.nameOf(w.PID) + " " + arrow + " " + lockName(w.WaitsFor) + " " + arrow + " ")
		}
		b.WriteString(s.nameOf(d[0].PID))
		lines = append(lines, l.paint(bold+red, fit(b.String(), min(l.Width, len([]rune(b.String()))), false, l.more())))
	}
	return lines
}

// nameOf names a process, with its supervisor where there are several.
func (s *Snapshot) nameOf(pid int) string {
	for i := range s.Supervisors {
		b := &s.Supervisors[i]
		name := b.Name
		if len(s.Supervisors) == 1 {
			name = ""
		}
		for k := range b.Workers {
			if b.Workers[k].PID == pid {
				return strings.TrimPrefix(name+"/"+workerName(&b.Workers[k]), "/")
			}
		}
		if b.PID == pid {
			return b.Name
		}
	}
	return "pid " + strconv.Itoa(pid)
}

// Text is the whole of a snapshot for a file or a pipe.
func (s *Snapshot) Text(l Look, o Settings) string {
	lines := []string{s.Header(l, 0)}
	rows := s.Rows(o)
	switch {
	case len(s.Supervisors) == 0:
		lines = append(lines, "No supervisor is running.")
	case len(rows) == 0:
		lines = append(lines, "Nothing matches the filter.")
	default:
		lines = append(lines, s.Table(l, rows, "")...)
	}
	lines = append(lines, s.Cycles(l)...)
	return strings.Join(lines, "\n") + "\n"
}
