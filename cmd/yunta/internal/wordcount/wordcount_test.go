package wordcount

import (
	"context"
	"errors"
	"maps"
	"math/rand/v2"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"testing"
	"time"
	"unicode"
)

func TestCountWords(t *testing.T) {
	t.Parallel()
	long := strings.Repeat("x", MaxWord)
	tests := []struct {
		name, text string
		want       map[string]int64
	}{
		{"empty", "", nil},
		{"lower case", "Go go GO", map[string]int64{"go": 3}},
		{"letters and digits", "x86_64 don't utf-8", map[string]int64{"x86": 1, "64": 1, "don": 1, "t": 1, "utf": 1, "8": 1}},
		{"other alphabets", "Straße ÉTÉ Ωmega 東京 ٣٤", map[string]int64{"straße": 1, "été": 1, "ωmega": 1, "東京": 1, "٣٤": 1}},
		{"not UTF-8", "ab\xffcd \xe6\x9d", map[string]int64{"ab": 1, "cd": 1}},
		{"replacement character is no letter", "ab\uFFFDcd", map[string]int64{"ab": 1, "cd": 1}},
		{"longest", long + " " + long + "y", map[string]int64{long: 2}},
		{"cut at a letter", long[1:] + "éé", map[string]int64{long[1:]: 1}},
		{"long without end", strings.Repeat("A", 3*readSize), map[string]int64{strings.Repeat("a", MaxWord): 1}},
		{"across reads", strings.Repeat(" ", readSize-1) + "éa", map[string]int64{"éa": 1}},
		{"cut letter at the end", strings.Repeat(" ", readSize-1) + "\xc3", nil},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			t.Parallel()
			path := write(t, test.text)
			p, err := Count(t.Context(), Batch{Pieces: []Piece{{path, 0, -1}}})
			if err != nil {
				t.Fatal(err)
			}
			got, _ := unpack(t, p.Words)
			if !maps.Equal(got, test.want) {
				t.Errorf("got %v, want %v", got, test.want)
			}
			if p.Files != 1 || p.Binary != 0 || p.Bytes != int64(len(test.text)) || len(p.Problems) != 0 {
				t.Errorf("got %d files, %d binary, %d bytes, %d problems; want 1, 0, %d, 0", p.Files, p.Binary, p.Bytes, len(p.Problems), len(test.text))
			}
		})
	}
}

// However a file is cut, its parts come to the same words and bytes as the whole.
func TestPiecesAddUp(t *testing.T) {
	t.Parallel()
	seed := testSeed(t)
	random := rand.New(rand.NewPCG(seed, 0))
	alphabet := []string{"a", "B", "7", "é", "Ω", "東", " ", "\n", "_", "\u2028", "\xff", "\xe6", strings.Repeat("q", 300)}
	for range 20 {
		var text strings.Builder
		for range 1 + random.IntN(3*readSize/4) {
			text.WriteString(alphabet[random.IntN(len(alphabet))])
		}
		path := write(t, text.String())
		want := reference(text.String())
		var all Tally
		var files int
		var bytes int64
		for _, b := range Batches([]File{{path, int64(text.Len())}}, int64(1+random.IntN(text.Len()))) {
			p, err := Count(t.Context(), b)
			if err != nil {
				t.Fatal(err)
			}
			if err := all.Merge(p.Words); err != nil {
				t.Fatal(err)
			}
			files += p.Files
			bytes += p.Bytes
		}
		got, _ := unpack(t, all.AppendPacked(nil))
		if !maps.Equal(got, want) {
			t.Fatalf("%d bytes in pieces come to %d different words, whole to %d", text.Len(), len(got), len(want))
		}
		if files != 1 || bytes != int64(text.Len()) {
			t.Errorf("got %d files of %d bytes, want 1 of %d", files, bytes, text.Len())
		}
	}
}

// reference counts by the rule as the package documents it, the slow way.
func reference(text string) map[string]int64 {
	words := map[string]int64{}
	for _, run := range strings.FieldsFunc(text, func(r rune) bool { return !unicode.IsLetter(r) && !unicode.IsDigit(r) }) {
		word := ""
		for _, r := range run {
			if len(word)+len(string(unicode.ToLower(r))) > MaxWord {
				break
			}
			word += string(unicode.ToLower(r))
		}
		words[word]++
	}
	return words
}

func FuzzCount(f *testing.F) {
	f.Add([]byte("Go go x86_64"), 3)
	f.Add([]byte("\xff\xc3\xa9 \xe6\x9d\xb1"), 1)
	f.Fuzz(func(t *testing.T, text []byte, target int) {
		if target <= 0 || strings.ContainsRune(string(text), 0) {
			return
		}
		path := write(t, string(text))
		var all Tally
		for _, b := range Batches([]File{{path, int64(len(text))}}, int64(target)) {
			p, err := Count(t.Context(), b)
			if err != nil {
				t.Fatal(err)
			}
			if err := all.Merge(p.Words); err != nil {
				t.Fatal(err)
			}
		}
		got, _ := unpack(t, all.AppendPacked(nil))
		if want := reference(string(text)); !maps.Equal(got, want) {
			t.Errorf("got %v, want %v", got, want)
		}
	})
}

func TestCountBinaryAndUnreadable(t *testing.T) {
	t.Parallel()
	binary := write(t, "ELF\x00 words words")
	late := write(t, strings.Repeat("a ", SniffLen/2)+"\x00 b")
	missing := filepath.Join(t.TempDir(), "missing")
	p, err := Count(t.Context(), Batch{Pieces: []Piece{{binary, 0, -1}, {binary, 4, -1}, {missing, 0, -1}, {late, 0, -1}}})
	if err != nil {
		t.Fatal(err)
	}
	if p.Files != 1 || p.Binary != 1 {
		t.Errorf("got %d files, %d binary; want 1, 1", p.Files, p.Binary)
	}
	if len(p.Problems) != 1 || p.Problems[0] != (Problem{missing, "no such file or directory"}) {
		t.Errorf("got problems %v, want one for %s", p.Problems, missing)
	}
	got, _ := unpack(t, p.Words)
	if want := map[string]int64{"a": SniffLen / 2, "b": 1}; !maps.Equal(got, want) {
		t.Errorf("got %v, want %v", got, want)
	}
}

func TestCountCancelled(t *testing.T) {
	t.Parallel()
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	_, err := Count(ctx, Batch{Pieces: []Piece{{write(t, "a"), 0, -1}}})
	if !errors.Is(err, context.Canceled) {
		t.Errorf("got %v, want context.Canceled", err)
	}
}

func unpack(t *testing.T, packed []byte) (map[string]int64, int64) {
	t.Helper()
	var tally Tally
	if err := tally.Merge(packed); err != nil {
		t.Fatal(err)
	}
	words := map[string]int64{}
	for _, w := range tally.Top(tally.Distinct()) {
		words[w.Word] = w.Count
	}
	return words, tally.Total()
}

func write(t *testing.T, text string) string {
	t.Helper()
	path := filepath.Join(t.TempDir(), "file")
	if err := os.WriteFile(path, []byte(text), 0o644); err != nil {
		t.Fatal(err)
	}
	return path
}

func testSeed(t *testing.T) uint64 {
	t.Helper()
	seed := uint64(time.Now().UnixNano())
	if text := os.Getenv("YUNTA_TEST_SEED"); text != "" {
		var err error
		if seed, err = strconv.ParseUint(text, 10, 64); err != nil {
			t.Fatal("YUNTA_TEST_SEED:", err)
		}
	}
	t.Logf("YUNTA_TEST_SEED=%d", seed)
	return seed
}
