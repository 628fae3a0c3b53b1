package top

import (
	"errors"
	"strings"
	"syscall"
	"testing"
	"time"

	tea "charm.land/bubbletea/v2"

	"yunta/supervisor"
)

// play makes a model of the fake snapshot on a terminal of that size.
func play(width, height int) *model {
	m := newModel(Look{Unicode: true}, time.Second, Settings{}, fake, func() ([]supervisor.Board, error) { return nil, errors.New("not asked") })
	m.Update(tea.WindowSizeMsg{Width: width, Height: height})
	return m
}

// press sends keys, by their names or as text, and returns the last command.
func (m *model) press(keys ...string) (cmd tea.Cmd) {
	special := map[string]rune{
		"up": tea.KeyUp, "down": tea.KeyDown, "enter": tea.KeyEnter, "esc": tea.KeyEscape, "backspace": tea.KeyBackspace,
		"space": tea.KeySpace, "left": tea.KeyLeft, "right": tea.KeyRight, "home": tea.KeyHome, "end": tea.KeyEnd, "pgdown": tea.KeyPgDown, "pgup": tea.KeyPgUp,
	}
	for _, k := range keys {
		msg := tea.KeyPressMsg{Text: k, Code: []rune(k)[0]}
		if code, ok := special[k]; ok {
			msg = tea.KeyPressMsg{Code: code}
		}
		if k == "ctrl+c" {
			msg = tea.KeyPressMsg{Code: 'c', Mod: tea.ModCtrl}
		}
		_, cmd = m.Update(msg)
	}
	return cmd
}

func (m *model) text() string { return strings.Join(m.screen(), "\n") + "\n" }

func quits(cmd tea.Cmd) bool {
	if cmd == nil {
		return false
	}
	_, yes := cmd().(tea.QuitMsg)
	return yes
}

func TestScreen(t *testing.T) {
	t.Parallel()
	m := play(80, 20)
	golden(t, "screen", m.text())
	m.press("down", "down", "down", "enter")
	golden(t, "screen_details", m.text())
	m.press("esc", "?")
	golden(t, "screen_help", m.text())
	m.press("?", "k")
	golden(t, "screen_question", m.text())
	m.press("n", "end", "enter")
	golden(t, "screen_foreign", m.text())
	m = play(30, 6)
	golden(t, "screen_tiny", m.text())
}

func TestLeaving(t *testing.T) {
	t.Parallel()
	for _, keys := range [][]string{{"q"}, {"ctrl+c"}, {"/", "x", "ctrl+c"}, {"down", "k", "ctrl+c"}, {"?", "q"}} {
		if !quits(play(80, 24).press(keys...)) {
			t.Errorf("%v does not leave", keys)
		}
	}
	for _, keys := range [][]string{{"/", "q"}, {"down", "k", "q"}, {"esc"}, {"down", "k", "n"}} {
		if quits(play(80, 24).press(keys...)) {
			t.Errorf("%v leaves", keys)
		}
	}
}

func TestChoosing(t *testing.T) {
	t.Parallel()
	m := play(80, 24)
	for _, row := range []struct{ key, want string }{
		{"down", "8120"},
		{"down", "8120/0"},
		{"up", "8120"},
		{"up", "8120"},
		{"end", "77"},
		{"down", "77"},
		{"home", "8120"},
		{"down", "8120/0"},
		{"left", "8120"},
		{"down", "8201"},
		{"up", "8120"},
		{"right", "8120"},
		{"down", "8120/0"},
		{"space", "8120"},
		{"space", "8120"},
		{"pgdown", "77"},
		{"pgup", "8120"},
	} {
		if m.press(row.key); m.selected != row.want {
			t.Fatalf("after %s: %s is selected, want %s", row.key, m.selected, row.want)
		}
	}
	// What is selected stays selected, wherever it goes, and what goes is forgotten at the next key.
	m.press("down", "down", "s")
	if m.selected != "8120/1" || m.settings.Sort != ByCPU {
		t.Errorf("selected %s, by %s", m.selected, m.settings.Sort)
	}
	m.Update(snapMsg(Snapshot{At: noon}))
	m.press("down")
	if m.selected != "" {
		t.Errorf("selected %q, and there is nothing", m.selected)
	}
	m.press("k")
	if m.ask != nil || m.message == "" {
		t.Error("a question about nothing")
	}
}

func TestFiltering(t *testing.T) {
	t.Parallel()
	m := play(80, 24)
	m.press("/", "w", "3", "x", "backspace", "enter")
	if m.settings.Filter != "w3" || m.filtering {
		t.Fatalf("filter %q", m.settings.Filter)
	}
	if text := m.text(); strings.Contains(text, "├ w1") || !strings.Contains(text, "w3") || !strings.Contains(text, `filter "w3"`) {
		t.Errorf("screen\n%s", text)
	}
	m.press("esc")
	if m.settings.Filter != "" {
		t.Errorf("filter %q after esc", m.settings.Filter)
	}
	m.press("/", "\x1b", "enter", "f")
	if m.settings.Filter != "?" || !m.settings.Troubled {
		t.Errorf("filter %q, want what a terminal obeys replaced", m.settings.Filter)
	}
	if !strings.Contains(m.text(), "Nothing matches") {
		t.Error("nothing says that nothing matches")
	}
}

func TestPause(t *testing.T) {
	t.Parallel()
	m := play(80, 24)
	m.press("p")
	m.Update(snapMsg(Snapshot{At: noon}))
	if len(m.snap.Supervisors) != 3 || !strings.Contains(m.text(), "PAUSED") {
		t.Error("what was seen changed although it was paused")
	}
	m.press("p")
	m.Update(snapMsg(Snapshot{At: noon}))
	if len(m.snap.Supervisors) != 0 {
		t.Error("nothing changes any more")
	}
}

// Nothing is signalled without a yes, and what is signalled is what the question named.
func TestAsking(t *testing.T) {
	t.Parallel()
	for _, row := range []struct {
		keys   []string
		asks   string // part of the question, "" for none
		signal syscall.Signal
		target target
	}{
		{[]string{"down", "down", "k"}, "Kill build/w0 (SIGKILL to process 8123)", syscall.SIGKILL, target{8120, 0, 8123, 1, "build/w0"}},
		{[]string{"down", "down", "r"}, "Restart build/w0 (SIGTERM to process 8123)", syscall.SIGTERM, target{8120, 0, 8123, 1, "build/w0"}},
		{[]string{"down", "k"}, "Kill the supervisor build (SIGKILL to process 8120) and with it its 4 workers", syscall.SIGKILL, target{8120, -1, 8120, 1, "build"}},
		{[]string{"down", "r"}, "", 0, target{}},
		{[]string{"down", "down", "down", "down", "down", "k"}, "", 0, target{}}, // dead
		{[]string{"end", "k"}, "", 0, target{}},                                  // its board is not understood
		{[]string{"end", "up", "k"}, "", 0, target{}},                            // never started
		{[]string{"k"}, "", 0, target{}},
	} {
		m := play(80, 24)
		m.press(row.keys...)
		if row.asks == "" {
			if m.ask != nil || m.message == "" {
				t.Errorf("%v: asks %+v, says %q", row.keys, m.ask, m.message)
			}
			continue
		}
		if m.ask == nil || !strings.Contains(m.ask.text, row.asks) || m.ask.signal != row.signal || m.ask.target != row.target {
			t.Errorf("%v: asks %+v", row.keys, m.ask)
			continue
		}
		for _, no := range []string{"n", "enter", "esc", "q", "k"} {
			if cmd := m.press(no); cmd != nil || m.ask != nil {
				t.Errorf("%s is taken for a yes", no)
			}
			m.press(row.keys[len(row.keys)-1])
		}
		cmd := m.press("y")
		if cmd == nil {
			t.Fatalf("%v: y does nothing", row.keys)
		}
		// The boards cannot be read here, so nothing is signalled, and that is said.
		if m.Update(cmd()); !strings.Contains(m.message, "nothing was done") {
			t.Errorf("%v: says %q", row.keys, m.message)
		}
	}
}

func TestTicks(t *testing.T) {
	t.Parallel()
	m := play(80, 24)
	m.interval = time.Millisecond
	if _, ok := m.Init()().(tickMsg); !ok {
		t.Error("Init does not tick")
	}
	_, cmd := m.Update(tickMsg{})
	if s, ok := cmd().(snapMsg); !ok || len(s.Supervisors) != 3 {
		t.Error("a tick does not look again")
	}
	if v := m.View(); !v.AltScreen || !strings.Contains(v.Content, "build") {
		t.Errorf("view %+v", v)
	}
	for height := range 40 {
		m.Update(tea.WindowSizeMsg{Width: 80, Height: height + 1})
		m.press("down", "enter", "k")
		if got := len(m.screen()); got != height+1 {
			t.Errorf("%d lines on a terminal of %d", got, height+1)
		}
		m.press("n")
	}
}
