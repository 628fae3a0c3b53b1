package top

import (
	"fmt"
	"strings"
)

// screen is all that is shown, as many lines as the terminal has.
func (m *model) screen() []string {
	l := m.look
	if l.Width == 0 {
		return nil // the terminal has not said its size
	}
	lines := []string{m.snap.Header(l, m.interval)}
	rows := m.snap.Rows(m.settings)
	below := m.below()
	switch {
	case m.help:
		lines = append(lines, helpLines...)
	case m.snap.Err != nil:
		lines = append(lines, m.snap.Err.Error())
	case len(m.snap.Supervisors) == 0:
		lines = append(lines, "No supervisor is running. One that starts will show up here.")
	case len(rows) == 0:
		lines = append(lines, "Nothing matches. Esc shows all.")
	default:
		table := m.snap.Table(l, rows, m.selected)
		m.scroll(rows, m.page())
		lines = append(lines, table[0])
		lines = append(lines, table[1+m.top:1+min(len(rows), m.top+m.page())]...)
	}
	if l.Height > 0 {
		for len(lines) < l.Height-len(below) {
			lines = append(lines, "")
		}
		lines = lines[:max(0, l.Height-len(below))]
	}
	lines = append(lines, below...)
	if l.Height > 0 && len(lines) > l.Height {
		lines = lines[len(lines)-l.Height:]
	}
	return lines
}

// scroll keeps the selected row on the screen.
func (m *model) scroll(rows []Row, page int) {
	for i, r := range rows {
		if r.key() == m.selected {
			m.top = min(m.top, i)
			m.top = max(m.top, i-page+1)
		}
	}
	m.top = max(0, min(m.top, len(rows)-page))
}

// below is what stands under the table: deadlocks, details, and one line of keys or of what is being asked.
func (m *model) below() (lines []string) {
	l := m.look
	lines = append(lines, m.snap.Cycles(l)...)
	if m.details && !m.help {
		if r, ok := m.row(m.snap.Rows(m.settings)); ok {
			for _, line := range m.snap.details(l, r) {
				lines = append(lines, fit(line, l.Width, false, l.more()))
			}
		}
	}
	switch {
	case m.ask != nil:
		lines = append(lines, l.paint(bold, wrapTo(m.ask.text+" y/N ", l.Width)))
	case m.filtering:
		lines = append(lines, "filter: "+m.settings.Filter+l.choose("▏", "_"))
	case m.message != "":
		lines = append(lines, wrapTo(m.message, l.Width))
	default:
		lines = append(lines, l.paint(dim, fit(m.keys(), l.Width, false, l.more())))
	}
	var split []string
	for _, line := range lines { // a question may take several
		split = append(split, strings.Split(line, "\n")...)
	}
	return split
}

// keys is the line of keys and of what is set.
func (m *model) keys() string {
	var set []string
	if m.paused {
		set = append(set, "PAUSED")
	}
	if m.settings.Filter != "" {
		set = append(set, fmt.Sprintf("filter %q", m.settings.Filter))
	}
	if m.settings.Troubled {
		set = append(set, "troubled only")
	}
	if m.settings.Sort != ByWorker || m.settings.Reverse {
		set = append(set, "by "+m.settings.Sort.String())
	}
	keys := "q leave (workers keep running)  ? help  / filter  s sort  enter details  r restart  k kill"
	if len(set) > 0 {
		keys = strings.Join(set, ", ") + "  " + keys
	}
	return keys
}

var helpLines = strings.Split(strings.TrimSpace(`
up down home end  choose a row            enter  details of it
left right space  fold a supervisor       /      filter: any text in a row
s S               sort by another, turn   f      only those in trouble
r                 restart a worker        p      pause
k                 kill it                 esc    undo filter, details, this
q                 leave: nothing is killed

CORE is the core a worker is pinned to; *1: free, last seen on core 1.
TASK #3.17 square is task 17 of job 3, counted from 0.
PSS counts shared pages in parts: sums of it are true, those of RSS are not.
waiting: for the lock in the column LOCK, owned by the process after it.
A deadlock is found from what workers wait for; to free it, kill one of them.
Pools of goroutines have no workers to see and are not listed.`), "\n")

// wrapTo breaks a text between words into lines of at most width.
func wrapTo(text string, width int) string {
	var lines []string
	line := ""
	for word := range strings.FieldsSeq(text) {
		if line != "" && len([]rune(line))+1+len([]rune(word)) > width {
			lines, line = append(lines, line), ""
		}
		if line != "" {
			line += " "
		}
		line += word
	}
	return strings.Join(append(lines, line), "\n")
}
