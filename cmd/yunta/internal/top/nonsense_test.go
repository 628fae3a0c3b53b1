package top

import (
	"encoding/json"
	"math/rand/v2"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"yunta/child/board"
	"yunta/oslock/rundir"
)

// Whatever is in a board, what is drawn of it is drawable. Not parallel: the run directory is found by the environment.
func TestNonsenseOnBoards(t *testing.T) {
	t.Setenv(rundir.Env, t.TempDir())
	d, err := rundir.Create("nonsense")
	if err != nil {
		t.Fatal(err)
	}
	defer d.Close()
	path := filepath.Join(d.Path(), "board")
	b, err := board.Create(path, 3, "nonsense")
	if err != nil {
		t.Fatal(err)
	}
	for i := range 3 {
		if err := b.Starting(i, os.Getpid(), 3); err != nil {
			t.Fatal(err)
		}
		if err := b.Serving(i); err != nil {
			t.Fatal(err)
		}
		l, err := board.OpenLine(path, i)
		if err != nil {
			t.Fatal(err)
		}
		l.Run("entry", 1, 2, 3)
		l.WaitsFor("/a/lock", os.Getpid(), noon)
		l.Close()
	}
	b.Close()
	whole, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	seed := rand.Uint64()
	rnd := rand.New(rand.NewPCG(seed, 0))
	unreadable := 0
	for round := range 300 {
		data := append([]byte(nil), whole...)
		if round == 0 {
			data = data[:300]
		}
		for range rnd.IntN(60) {
			data[24+rnd.IntN(len(data)-24)] = []byte{0, 1, 0x1b, 0x7f, 0x80, 0xff, byte(rnd.Uint32())}[rnd.IntN(7)]
		}
		os.Remove(path)
		if err := os.WriteFile(path, data, 0o600); err != nil {
			t.Fatal(err)
		}
		var s Sampler
		snap := s.Take()
		if len(snap.Supervisors) != 1 {
			t.Fatalf("seed %d: supervisors %+v", seed, snap)
		}
		if snap.Supervisors[0].Err != nil {
			unreadable++
		}
		var texts []string
		for _, width := range []int{5, 60, 120} {
			texts = append(texts, strings.Split(snap.Text(Look{Width: width, Unicode: true}, Settings{Sort: ByAge}), "\n")...)
		}
		for _, r := range snap.Rows(Settings{}) {
			texts = append(texts, snap.details(Look{Width: 80}, r)...)
		}
		for _, text := range texts {
			if strings.ContainsFunc(text, func(r rune) bool { return r < ' ' || r == 0x7f || r == 0x9b }) {
				t.Errorf("seed %d: a terminal would obey %q", seed, text)
			}
		}
		if _, err := json.Marshal(snap.Report()); err != nil {
			t.Errorf("seed %d: %v", seed, err)
		}
	}
	if unreadable == 0 || unreadable == 300 {
		t.Errorf("%d of 300 boards could not be read", unreadable)
	}
}
