package top

import (
	"encoding/json"
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/mattn/go-runewidth"
)

func TestText(t *testing.T) {
	t.Parallel()
	for _, width := range []int{60, 80, 120} {
		s := fake()
		golden(t, fmt.Sprintf("text%d", width), s.Text(Look{Width: width, Unicode: true}, Settings{}))
		golden(t, fmt.Sprintf("ascii%d", width), s.Text(Look{Width: width}, Settings{}))
	}
	s := fake()
	golden(t, "colour", s.Text(Look{Width: 80, Unicode: true, Colour: true}, Settings{}))
}

// Whatever the width, no line is wider, and nothing breaks.
func TestAnyWidth(t *testing.T) {
	t.Parallel()
	for width := 1; width < 300; width++ {
		for _, unicode := range []bool{false, true} {
			s := fake()
			l := Look{Width: width, Unicode: unicode}
			text := s.Text(l, Settings{})
			for _, r := range s.Rows(Settings{}) {
				for _, line := range s.details(l, r) {
					if l := fit(line, width, false, l.more()); runewidth.StringWidth(l) > width {
						t.Errorf("width %d: detail %q", width, l)
					}
				}
			}
			for i, line := range strings.Split(text, "\n") {
				if w := runewidth.StringWidth(line); w > max(width, len("yunta top")) {
					t.Errorf("width %d: line %d is %d wide: %q", width, i, w, line)
				}
				if !unicode && strings.ContainsAny(line, "▾├└→◂≥…│─") && !strings.Contains(line, "hm/yunta") {
					t.Errorf("width %d: %q has characters that the locale lacks", width, line)
				}
			}
		}
	}
	if got := total(allColumns); got != allWidth {
		t.Errorf("the columns take %d, allWidth is %d", got, allWidth)
	}
}

func TestRows(t *testing.T) {
	t.Parallel()
	for _, row := range []struct {
		name string
		o    Settings
		want string
	}{
		{"all", Settings{}, "8120 8120/0 8120/1 8120/2 8120/3 8201 8201/0 8201/1 77"},
		{"a supervisor's name keeps its workers", Settings{Filter: "BUIld"}, "8120 8120/0 8120/1 8120/2 8120/3"},
		{"a state", Settings{Filter: "waiting"}, "8120 8120/1 8120/2"},
		{"a lock", Settings{Filter: "index"}, "8120 8120/2"},
		{"a process", Settings{Filter: "8210"}, "8201 8201/0"},
		{"an entry", Settings{Filter: "日本"}, "8201 8201/0"},
		{"nothing", Settings{Filter: "no such"}, ""},
		{"troubled", Settings{Troubled: true}, "8120 8120/1 8120/2 8120/3 77"},
		{"troubled and filter", Settings{Troubled: true, Filter: "w3"}, "8120 8120/3"},
		{"folded", Settings{Collapsed: map[int]bool{8120: true}}, "8120 8201 8201/0 8201/1 77"},
		{"by cpu", Settings{Sort: ByCPU, Filter: "build"}, "8120 8120/0 8120/2 8120/1 8120/3"},
		{"by memory", Settings{Sort: ByMemory, Filter: "build"}, "8120 8120/2 8120/0 8120/1 8120/3"},
		{"by age", Settings{Sort: ByAge, Filter: "build"}, "8120 8120/1 8120/0 8120/2 8120/3"},
		{"by done, turned", Settings{Sort: ByDone, Reverse: true, Filter: "build"}, "8120 8120/3 8120/2 8120/1 8120/0"},
		{"by failed", Settings{Sort: ByFailed, Filter: "build"}, "8120 8120/3 8120/2 8120/0 8120/1"},
		{"by restarts", Settings{Sort: ByRestarts, Filter: "build"}, "8120 8120/3 8120/2 8120/0 8120/1"},
	} {
		s := fake()
		var got []string
		for _, r := range s.Rows(row.o) {
			got = append(got, r.key())
		}
		if strings.Join(got, " ") != row.want {
			t.Errorf("%s: got %s, want %s", row.name, strings.Join(got, " "), row.want)
		}
	}
}

func TestNobody(t *testing.T) {
	t.Parallel()
	s := Snapshot{At: noon}
	if got := s.Text(Look{Width: 80}, Settings{}); got != "yunta top  0 supervisors  0 workers\nNo supervisor is running.\n" {
		t.Errorf("got %q", got)
	}
}

func TestShortWords(t *testing.T) {
	t.Parallel()
	for _, row := range []struct{ got, want string }{
		{age(-time.Second), "0s"},
		{age(999 * time.Millisecond), "999ms"},
		{age(9999 * time.Millisecond), "10.0s"},
		{age(59 * time.Second), "59s"},
		{age(4*time.Minute + 2*time.Second), "4m02"},
		{age(59*time.Minute + 59*time.Second), "59m59"},
		{age(99*time.Hour + 59*time.Minute), "99h59"},
		{age(1000 * time.Hour), "41d"},
		{size(-1), "?"},
		{size(0), "0.0K"},
		{size(1 << 20), "1.0M"},
		{size(999 << 20), "999M"},
		{size(1000 << 20), "1.0G"},
		{size(5 << 40), "5.0T"},
		{count(99_999), "99999"},
		{count(100_000), "100k"},
		{count(88_004_123), "88M"},
		{count(1 << 63), "9223372036G"},
		{percent(-1), "?"},
		{percent(99.6), "100"},
		{printable("a\x1b[2Jb\n"), "a?[2Jb?"},
		{fit("日本語", 4, false, "~"), "日~ "},
		{fit("ab", 4, true, "~"), "  ab"},
	} {
		if row.got != row.want {
			t.Errorf("got %q, want %q", row.got, row.want)
		}
	}
}

func TestReport(t *testing.T) {
	t.Parallel()
	s := fake()
	data, err := json.MarshalIndent(s.Report(), "", "\t")
	if err != nil {
		t.Fatal(err)
	}
	golden(t, "report", string(data)+"\n")
	empty := Snapshot{At: noon}
	if data, err = json.Marshal(empty.Report()); err != nil || string(data) != `{"version":1,"time":"2026-11-25T12:00:00Z","supervisors":[],"deadlocks":[]}` {
		t.Errorf("got %s, %v", data, err)
	}
}

// What a process used is counted from the sample before, and from its beginning where there is none, or the number was another's.
func TestShare(t *testing.T) {
	t.Parallel()
	before := reading{at: ago(2 * time.Second), begun: 7, used: time.Second}
	p := process{begun: 7, used: 2 * time.Second, age: 8 * time.Second}
	if got := share(before, p, noon); got != 50 {
		t.Errorf("%v%%, want 50", got)
	}
	if got := share(reading{}, p, noon); got != 25 {
		t.Errorf("%v%% at the first look, want 25", got)
	}
	p.begun = 8
	if got := share(before, p, noon); got != 25 {
		t.Errorf("%v%% of another process, want 25", got)
	}
}

func TestNames(t *testing.T) {
	t.Parallel()
	s := fake()
	for pid, want := range map[int]string{8124: "build/w1", 8201: "feed", 5: "pid 5"} {
		if got := s.nameOf(pid); got != want {
			t.Errorf("process %d is %q, want %q", pid, got, want)
		}
	}
	s.Supervisors = s.Supervisors[:1]
	if got := s.nameOf(8124); got != "w1" {
		t.Errorf("with one supervisor: %q, want w1", got)
	}
	if got := s.Cycles(Look{Width: 80}); len(got) != 1 || got[0] != "DEADLOCK w1 -> cache -> w2 -> index.lock -> w1" {
		t.Errorf("cycle %q", got)
	}
}
