package top

import (
	"fmt"
	"strings"
	"syscall"
	"time"

	tea "charm.land/bubbletea/v2"

	"yunta/supervisor"
)

// model is the full-screen view: what was last seen, and what keys have made of it.
type model struct {
	snap     Snapshot
	look     Look
	interval time.Duration
	take     func() Snapshot
	boards   func() ([]supervisor.Board, error) // looked at once more before a signal

	settings  Settings
	selected  string // key of a row
	top       int    // first row on the screen
	details   bool
	help      bool
	paused    bool
	filtering bool
	ask       *question
	message   string // of the last deed, until the next key
}

// A question is asked before anything is done to a process.
type question struct {
	text   string
	target target
	signal syscall.Signal
	done   string // what is said then
}

type (
	snapMsg Snapshot
	tickMsg struct{}
	doneMsg struct {
		text string
		err  error
	}
)

func newModel(look Look, interval time.Duration, o Settings, take func() Snapshot, boards func() ([]supervisor.Board, error)) *model {
	o.Collapsed = map[int]bool{}
	return &model{look: look, interval: interval, take: take, boards: boards, snap: take(), settings: o}
}

func (m *model) Init() tea.Cmd { return m.tick() }

func (m *model) tick() tea.Cmd {
	return tea.Tick(m.interval, func(time.Time) tea.Msg { return tickMsg{} })
}

func (m *model) Update(msg tea.Msg) (tea.Model, tea.Cmd) {
	switch msg := msg.(type) {
	case tea.WindowSizeMsg:
		m.look.Width, m.look.Height = msg.Width, msg.Height
	case tickMsg:
		if m.paused {
			return m, m.tick()
		}
		take := m.take
		return m, func() tea.Msg { return snapMsg(take()) }
	case snapMsg:
		if !m.paused {
			m.snap = Snapshot(msg)
		}
		return m, m.tick()
	case doneMsg:
		m.message = msg.text
		if msg.err != nil {
			m.message = "nothing was done: " + msg.err.Error()
		}
	case tea.KeyPressMsg:
		return m, m.key(msg)
	}
	return m, nil
}

func (m *model) key(msg tea.KeyPressMsg) tea.Cmd {
	key := msg.String()
	if key == "ctrl+c" {
		return tea.Quit
	}
	m.message = ""
	switch {
	case m.ask != nil:
		return m.answer(key)
	case m.filtering:
		m.typed(msg)
		return nil
	}
	rows := m.snap.Rows(m.settings)
	switch key {
	case "q":
		return tea.Quit
	case "?", "h":
		m.help = !m.help
	case "esc":
		switch {
		case m.help, m.details:
			m.help, m.details = false, false
		default:
			m.settings.Filter, m.settings.Troubled = "", false
		}
	case "up":
		m.move(rows, -1)
	case "down", "j": // k kills
		m.move(rows, 1)
	case "pgup":
		m.move(rows, -m.page())
	case "pgdown":
		m.move(rows, m.page())
	case "home", "g":
		m.move(rows, -len(rows))
	case "end", "G":
		m.move(rows, len(rows))
	case "enter":
		m.details = !m.details
		m.move(rows, 0)
	case "space", " ", "left", "right":
		if r, ok := m.row(rows); ok {
			pid := r.Supervisor.PID
			m.settings.Collapsed[pid] = key == "left" || key != "right" && !m.settings.Collapsed[pid]
			if m.settings.Collapsed[pid] {
				m.selected = Row{Supervisor: r.Supervisor}.key()
			}
		}
	case "/":
		m.filtering = true
	case "f":
		m.settings.Troubled = !m.settings.Troubled
	case "s":
		m.settings.Sort, m.settings.Reverse = m.settings.Sort.Next(), false
	case "S":
		m.settings.Reverse = !m.settings.Reverse
	case "p":
		m.paused = !m.paused
	case "r", "k":
		m.wonder(rows, key)
	}
	return nil
}

// typed takes a key while the filter is typed.
func (m *model) typed(msg tea.KeyPressMsg) {
	f := &m.settings.Filter
	switch msg.String() {
	case "enter":
		m.filtering = false
	case "esc":
		m.filtering, *f = false, ""
	case "backspace":
		if r := []rune(*f); len(r) > 0 {
			*f = string(r[:len(r)-1])
		}
	case "ctrl+u":
		*f = ""
	default:
		*f += printable(msg.Text)
	}
}

// row returns the selected one.
func (m *model) row(rows []Row) (Row, bool) {
	for _, r := range rows {
		if r.key() == m.selected {
			return r, true
		}
	}
	return Row{}, false
}

// move selects the row so many further down; one that has gone counts as the first.
func (m *model) move(rows []Row, by int) {
	if len(rows) == 0 {
		m.selected = ""
		return
	}
	at := -1
	for i, r := range rows {
		if r.key() == m.selected {
			at = i
		}
	}
	if at < 0 {
		at, by = 0, max(0, by-1)
	}
	m.selected = rows[min(max(at+by, 0), len(rows)-1)].key()
}

// wonder asks before it does what r and k are for.
func (m *model) wonder(rows []Row, key string) {
	r, ok := m.row(rows)
	if !ok {
		m.message = "choose a worker first, with the arrow keys"
		return
	}
	t, ok := targetOf(&m.snap, r)
	switch {
	case !ok:
		m.message = "no process is there"
	case key == "r" && r.Worker == nil:
		m.message = "r restarts one worker: choose it; k kills a supervisor with all its workers"
	case key == "r":
		m.ask = &question{
			fmt.Sprintf("Restart %s (SIGTERM to process %d)? What it runs is lost or tried again.", t.name, t.pid),
			t, syscall.SIGTERM, "SIGTERM was sent to " + t.name + ": its supervisor starts another",
		}
	case r.Worker == nil:
		m.ask = &question{
			fmt.Sprintf("Kill the supervisor %s (SIGKILL to process %d) and with it its %s?", t.name, t.pid, plural(len(r.Supervisor.Workers), "worker")),
			t, syscall.SIGKILL, t.name + " was killed",
		}
	default:
		m.ask = &question{
			fmt.Sprintf("Kill %s (SIGKILL to process %d)? What it runs is lost or tried again.", t.name, t.pid),
			t, syscall.SIGKILL, t.name + " was killed: its supervisor starts another",
		}
	}
}

func (m *model) answer(key string) tea.Cmd {
	q := m.ask
	m.ask = nil
	if key != "y" && key != "Y" {
		m.message = "nothing was done"
		return nil
	}
	boards := m.boards
	return func() tea.Msg { return doneMsg{q.done, q.target.signal(q.signal, boards)} }
}

// page is how many rows there is room for.
func (m *model) page() int { return max(1, m.look.Height-len(m.below())-2) }

func (m *model) View() tea.View {
	v := tea.NewView(strings.Join(m.screen(), "\n"))
	v.AltScreen = true
	v.WindowTitle = "yunta top"
	return v
}
