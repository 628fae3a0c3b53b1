package child

import (
	"os"
	"path/filepath"
	"testing"
	"time"

	"yunta/child/board"
	"yunta/oslock"
)

// Of several waits the one that has lasted longest is shown, and none when all are over.
func TestWaitsShown(t *testing.T) {
	t.Parallel()
	path := filepath.Join(t.TempDir(), "board")
	b, err := board.Create(path, 1, "test")
	if err != nil {
		t.Fatal(err)
	}
	defer b.Close()
	if err := b.Starting(0, os.Getpid(), 0); err != nil {
		t.Fatal(err)
	}
	l, err := board.OpenLine(path, 0)
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	w := &waits{line: l}
	at := func(s int64) time.Time { return time.Unix(s, 0) }
	for i, row := range []struct {
		told  oslock.Wait
		shown string
		owner int
	}{
		{oslock.Wait{ID: 1, File: "/one", Since: at(20), Owner: 7}, "/one", 7},
		{oslock.Wait{ID: 2, File: "/two", Since: at(10)}, "/two", 0},
		{oslock.Wait{ID: 2, File: "/two", Since: at(10), Owner: 8}, "/two", 8},
		{oslock.Wait{ID: 3, File: "/three", Since: at(30), Owner: 9}, "/two", 8},
		{oslock.Wait{ID: 2, File: "/two", Since: at(10), Over: true}, "/one", 7},
		{oslock.Wait{ID: 4, Over: true}, "/one", 7}, // never told of
		{oslock.Wait{ID: 1, Over: true}, "/three", 9},
		{oslock.Wait{ID: 3, Over: true}, "", 0},
	} {
		w.tell(row.told)
		s, err := b.Read(0)
		if err != nil {
			t.Fatal(err)
		}
		if s.WaitsFor != row.shown || s.Owner != row.owner || (s.WaitsFor == "") != s.Since.IsZero() {
			t.Errorf("step %d: shown %q of %d since %v, want %q of %d", i, s.WaitsFor, s.Owner, s.Since, row.shown, row.owner)
		}
	}
}
