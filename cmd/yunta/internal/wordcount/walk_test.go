package wordcount

import (
	"context"
	"errors"
	"os"
	"path/filepath"
	"slices"
	"testing"
)

func TestWalk(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	for _, name := range []string{"b/two", "a", "b/.hidden/one"} {
		path := filepath.Join(dir, name)
		if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(path, []byte(name), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	for link, target := range map[string]string{"link": "a", "b/loop": "..", "tree": "b"} {
		if err := os.Symlink(target, filepath.Join(dir, link)); err != nil {
			t.Fatal(err)
		}
	}
	tests := []struct {
		name  string
		roots []string
		want  []string
	}{
		{"a tree, its links left out", []string{"."}, []string{"a", "b/.hidden/one", "b/two"}},
		{"a link as the root", []string{"tree"}, []string{"tree/.hidden/one", "tree/two"}},
		{"a file", []string{"a"}, []string{"a"}},
		{"two roots", []string{"b/.hidden/", "a"}, []string{"b/.hidden/one", "a"}},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			t.Parallel()
			roots := make([]string, len(test.roots))
			for i, root := range test.roots {
				roots[i] = dir + "/" + root
			}
			files, problems, err := Walk(t.Context(), roots)
			if err != nil || len(problems) != 0 {
				t.Fatalf("got error %v, problems %v", err, problems)
			}
			var got []string
			for _, f := range files {
				rel, err := filepath.Rel(dir, f.Path)
				if err != nil {
					t.Fatal(err)
				}
				got = append(got, rel)
			}
			if !slices.Equal(got, test.want) {
				t.Errorf("got %q, want %q", got, test.want)
			}
		})
	}
}

func TestWalkProblemsAndCancel(t *testing.T) {
	t.Parallel()
	missing := filepath.Join(t.TempDir(), "missing")
	_, problems, err := Walk(t.Context(), []string{missing})
	if err != nil || len(problems) != 1 || problems[0] != (Problem{missing, "no such file or directory"}) {
		t.Errorf("got %v, %v; want one problem for %s", problems, err, missing)
	}
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	if _, _, err := Walk(ctx, []string{t.TempDir()}); !errors.Is(err, context.Canceled) {
		t.Errorf("got %v, want context.Canceled", err)
	}
}

func TestBatches(t *testing.T) {
	t.Parallel()
	files := []File{{"small", 1000}, {"tiny", 10}, {"empty", 0}, {"big", 350_000}, {"last", 5}}
	got := Batches(files, 100_000)
	want := []Batch{
		{Pieces: []Piece{{"small", 0, -1}, {"tiny", 0, -1}, {"empty", 0, -1}, {"big", 0, 100_000}}},
		{Pieces: []Piece{{"big", 100_000, 200_000}}},
		{Pieces: []Piece{{"big", 200_000, 300_000}}},
		{Pieces: []Piece{{"big", 300_000, -1}, {"last", 0, -1}}},
	}
	if len(got) != 4 || !slices.EqualFunc(got, want, func(a, b Batch) bool { return slices.Equal(a.Pieces, b.Pieces) }) {
		t.Errorf("got %v, want %v", got, want)
	}
	if got := Batches(nil, 1); len(got) != 0 {
		t.Errorf("got %v, want none", got)
	}
}

func BenchmarkCount(b *testing.B) {
	text := make([]byte, 0, 1<<20)
	for n := 0; len(text) < 1<<20; n++ {
		text = append(text, "func (t *Tally) Add(word []byte, n int64) { return }\n"...)
		text = append(text, byte('a'+n%26), byte('a'+n/26%26), byte('a'+n/676%26), ' ')
	}
	path := filepath.Join(b.TempDir(), "text")
	if err := os.WriteFile(path, text, 0o644); err != nil {
		b.Fatal(err)
	}
	b.SetBytes(int64(len(text)))
	b.ReportAllocs()
	for b.Loop() {
		if _, err := Count(b.Context(), Batch{Pieces: []Piece{{path, 0, -1}}}); err != nil {
			b.Fatal(err)
		}
	}
}
