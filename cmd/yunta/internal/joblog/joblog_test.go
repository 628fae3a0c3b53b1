package joblog

import (
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
	"time"
)

func TestLog(t *testing.T) {
	t.Parallel()
	path := filepath.Join(t.TempDir(), "log")
	entries := []Entry{
		{Seq: 1, Start: time.UnixMilli(1700000000123), Elapsed: 1500 * time.Millisecond, Sent: 3, Received: 4, Command: "echo 'a b'"},
		{Seq: 2, Start: time.UnixMilli(1700000001000), Exit: 137, Signal: 9, Command: "x\ty\nz"},
	}
	for i, e := range entries {
		l, err := Create(path, i > 0)
		if err != nil {
			t.Fatal(err)
		}
		if err := l.Add(e); err != nil {
			t.Fatal(err)
		}
		if err := l.Close(); err != nil {
			t.Fatal(err)
		}
	}
	b, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	want := Header + "\n1\t:\t1700000000.123\t     1.500\t3\t4\t0\t0\techo 'a b'\n2\t:\t1700000001.000\t     0.000\t0\t0\t137\t9\tx\ty\x00z\n"
	if string(b) != want {
		t.Errorf("got\n%swant\n%s", b, want)
	}
	got, err := Read(path)
	if err != nil || len(got) != 2 || got[0] != entries[0] || Unescape(got[1].Command) != entries[1].Command || !got[1].Failed() {
		t.Errorf("%+v, %v", got, err)
	}

	// A line that is not whole, since whoever wrote it was killed, is none, and spoils not the next.
	if err := os.WriteFile(path, []byte(want+"3\t:\t17000"), 0o600); err != nil {
		t.Fatal(err)
	}
	l, err := Create(path, true)
	if err != nil {
		t.Fatal(err)
	}
	if err := l.Add(Entry{Seq: 4, Command: "d"}); err != nil {
		t.Fatal(err)
	}
	if got, err := Read(path); err != nil || len(got) != 3 || got[2].Seq != 4 {
		t.Errorf("%+v, %v", got, err)
	}
	if got, err := Read(filepath.Join(t.TempDir(), "none")); err != nil || got != nil {
		t.Errorf("no file: %v, %v", got, err)
	}
	other := filepath.Join(t.TempDir(), "other")
	if err := os.WriteFile(other, []byte("something else\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	if _, err := Read(other); err == nil {
		t.Error("a file that is no log was read")
	}
}

func TestResume(t *testing.T) {
	t.Parallel()
	entries := []Entry{{Seq: 1, Command: "echo a"}, {Seq: 2, Exit: 1, Command: "echo b"}, {Seq: 3, Command: "echo a"}, {Seq: 4, Exit: 1, Command: "echo d"}, {Seq: 4, Command: "echo d"}}
	fits := regexp.MustCompile("^echo .*$")
	tests := []struct {
		name    string
		again   bool
		fits    *regexp.Regexp
		jobs    string // numbered from 1
		skipped string
	}{
		{"by command", false, fits, "x a b a a", "a b a"},
		{"failed ones again", true, fits, "x a b d", "a d"},
		{"another command: by number", false, regexp.MustCompile("^cat .*$"), "x y z w v", "x y z w"},
		{"by number, failed ones again", true, nil, "x y z w v", "x z w"},
	}
	for _, test := range tests {
		r := NewResume(entries, test.again, test.fits)
		var skipped []string
		for i, v := range strings.Fields(test.jobs) {
			if r.Done(i+1, "echo "+v) {
				skipped = append(skipped, v)
			}
		}
		if got := strings.Join(skipped, " "); got != test.skipped {
			t.Errorf("%s: %s skipped, want %s", test.name, got, test.skipped)
		}
	}
	if f := Failed(entries); !f.Done(1, "echo b") || f.Done(1, "echo a") || f.Done(4, "echo d") {
		t.Error("which have failed is not what the last entries say")
	}
}
