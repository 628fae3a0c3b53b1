package input

import (
	"errors"
	"fmt"
	"io"
	"regexp"
	"slices"
	"strings"
	"testing"
)

func values(t *testing.T, s Source) (all []string) {
	t.Helper()
	for {
		v, err := s.Next(nil)
		if err == io.EOF {
			return all
		}
		if err != nil {
			t.Fatal(err)
		}
		all = append(all, v)
	}
}

func TestLines(t *testing.T) {
	t.Parallel()
	tests := []struct {
		name, in, separator string
		want                []string
	}{
		{"nothing", "", "\n", nil},
		{"lines", "a\nb\n", "\n", []string{"a", "b"}},
		{"unended", "a\nb", "\n", []string{"a", "b"}},
		{"empty ones", "\n\nx\n", "\n", []string{"", "", "x"}},
		{"NUL", "a\nb\x00c\x00", "\x00", []string{"a\nb", "c"}},
		{"two bytes", "a--b-c--d", "--", []string{"a", "b-c", "d"}},
		{"not UTF-8", "\xff\n", "\n", []string{"\xff"}},
		{"long", strings.Repeat("x", 1<<20) + "\ny", "\n", []string{strings.Repeat("x", 1<<20), "y"}},
		{"many", strings.Repeat("z\n", 3*batchValues), "\n", slices.Repeat([]string{"z"}, 3*batchValues)},
	}
	for _, test := range tests {
		if got := values(t, NewLines(strings.NewReader(test.in), test.separator)); !slices.Equal(got, test.want) {
			t.Errorf("%s: %.200q, want %.200q", test.name, got, test.want)
		}
	}
}

func TestLinesStop(t *testing.T) {
	t.Parallel()
	r, w := io.Pipe()
	defer w.Close()
	stop := make(chan struct{})
	close(stop)
	if _, err := NewLines(r, "\n").Next(stop); !errors.Is(err, ErrStopped) {
		t.Errorf("%v, want %v", err, ErrStopped)
	}
	failed := errors.New("no more")
	l := NewLines(io.MultiReader(strings.NewReader("a\nrest"), failing{failed}), "\n")
	if v, err := l.Next(nil); v != "a" || err != nil {
		t.Fatal(v, err)
	}
	if _, err := l.Next(nil); !errors.Is(err, failed) {
		t.Errorf("%v: the rest of a value is none", err)
	}
}

type failing struct{ err error }

func (f failing) Read([]byte) (int, error) { return 0, f.err }

func TestFilters(t *testing.T) {
	t.Parallel()
	in := func() Source { return &Given{[]string{" a ", "", "\t", "end", "b"}} }
	for _, test := range []struct {
		name string
		s    Source
		want []string
	}{
		{"not blank", NotBlank(in()), []string{" a ", "end", "b"}},
		{"until", Until(in(), "end"), []string{" a ", "", "\t"}},
		{"never empty", OrBlank(&Given{}), []string{""}},
		{"not empty", OrBlank(in()), []string{" a ", "", "\t", "end", "b"}},
		{"trimmed", Trim(in(), true, false), []string{"a ", "", "", "end", "b"}},
		{"trimmed both", Trim(in(), true, true), []string{"a", "", "", "end", "b"}},
	} {
		if got := values(t, test.s); !slices.Equal(got, test.want) {
			t.Errorf("%s: %q, want %q", test.name, got, test.want)
		}
	}
}

func given(words string) Source { return &Given{strings.Fields(words)} }

func TestCombine(t *testing.T) {
	t.Parallel()
	comma := Options{Columns: regexp.MustCompile(",")}
	tests := []struct {
		name   string
		groups []Group
		o      Options
		want   string
	}{
		{"one", []Group{{Sources: []Source{given("a b")}}}, Options{}, "[a] [b]"},
		{"product", []Group{{Sources: []Source{given("a b")}}, {Sources: []Source{given("1 2")}}}, Options{}, "[a 1] [a 2] [b 1] [b 2]"},
		{"three", []Group{{Sources: []Source{given("a")}}, {Sources: []Source{given("1 2")}}, {Sources: []Source{given("x y")}}}, Options{}, "[a 1 x] [a 1 y] [a 2 x] [a 2 y]"},
		{"one of them empty", []Group{{Sources: []Source{given("a b")}}, {Sources: []Source{given("")}}}, Options{}, ""},
		{"linked", []Group{{Sources: []Source{given("a b c"), given("1 2")}}}, Options{}, "[a 1] [b 2]"},
		{"linked and product", []Group{{Sources: []Source{given("a b"), given("1 2")}}, {Sources: []Source{given("x y")}}}, Options{}, "[a 1 x] [a 1 y] [b 2 x] [b 2 y]"},
		{"recycled", []Group{{Sources: []Source{given("a b c"), given("1 2"), given("x")}, Recycle: true}}, Options{}, "[a 1 x] [b 2 x] [c 1 x]"},
		{"columns", []Group{{Sources: []Source{given("a,b c")}}}, comma, "[a b] [c]"},
		{"columns and product", []Group{{Sources: []Source{given("a,b")}}, {Sources: []Source{given("1 2,3")}}}, comma, "[a b 1] [a b 2 3]"},
	}
	for _, test := range tests {
		rows, err := All(Combine(test.groups, test.o), nil)
		got := strings.TrimSuffix(strings.TrimPrefix(fmt.Sprint(rows), "["), "]")
		if err != nil || got != test.want {
			t.Errorf("%s: %s, %v, want %s", test.name, got, err, test.want)
		}
	}
}

func TestHeader(t *testing.T) {
	t.Parallel()
	c := Combine([]Group{{Sources: []Source{given("n,m 1,2 3,4"), given("l x y")}}}, Options{Columns: regexp.MustCompile(","), Header: true})
	names, err := c.Names(nil)
	if err != nil || fmt.Sprint(names) != "[n m l]" {
		t.Fatal(names, err)
	}
	if rows, err := All(c, nil); err != nil || fmt.Sprint(rows) != "[[1 2 x] [3 4 y]]" {
		t.Error(rows, err)
	}
}

// The first source may have no end.
func TestCombineStreams(t *testing.T) {
	t.Parallel()
	r, w := io.Pipe()
	defer w.Close()
	go func() { _, _ = w.Write([]byte("a\n")) }()
	c := Combine([]Group{{Sources: []Source{NewLines(r, "\n")}}, {Sources: []Source{given("1 2")}}}, Options{})
	for _, want := range []string{"[a 1]", "[a 2]"} {
		if row, err := c.Next(nil); err != nil || fmt.Sprint(row) != want {
			t.Errorf("%v, %v, want %s", row, err, want)
		}
	}
}

func TestShuffle(t *testing.T) {
	t.Parallel()
	rows, err := All(Combine([]Group{{Sources: []Source{given("a b c")}}, {Sources: []Source{given("1 2")}}}, Options{Shuffle: true}), nil)
	if err != nil {
		t.Fatal(err)
	}
	var got []string
	for _, r := range rows {
		got = append(got, strings.Join(r, ""))
	}
	slices.Sort(got)
	if want := "a1 a2 b1 b2 c1 c2"; strings.Join(got, " ") != want {
		t.Errorf("%v, want %s in any order", got, want)
	}
}

func TestPacker(t *testing.T) {
	t.Parallel()
	numbers := func(n int) Rows {
		var rows []Row
		for i := range n {
			rows = append(rows, Row{fmt.Sprint(i)})
		}
		return Listed(rows)
	}
	size := func(rows []Row) (n int) {
		for _, r := range rows {
			n += len(r[0]) + 1
		}
		return n
	}
	tests := []struct {
		name string
		p    Packer
		want string
	}{
		{"one each", Packer{Rows: numbers(3), Most: 1}, "1 1 1"},
		{"two each", Packer{Rows: numbers(5), Most: 2}, "2 2 1"},
		{"nothing", Packer{Rows: numbers(0), Most: 2}, ""},
		{"by size", Packer{Rows: numbers(10), Size: size, Limit: 6}, "3 3 3 1"},
		{"too large all the same", Packer{Rows: numbers(2), Size: size, Limit: 1}, "1 1"},
		{"size and number", Packer{Rows: numbers(10), Most: 2, Size: size, Limit: 6}, "2 2 2 2 2"},
		{"shared", Packer{Rows: numbers(7), Size: size, Limit: 100, Share: 2}, "4 3"},
		{"shared after a full one", Packer{Rows: numbers(20), Most: 5, Share: 2}, "5 5 5 3 2"},
		{"shared among more than there are", Packer{Rows: numbers(2), Share: 5}, "1 1"},
		{"a large one", Packer{Rows: numbers(30000), Size: size, Limit: 100000}, "18518 11482"},
	}
	for _, test := range tests {
		var got []string
		next := 0
		for {
			rows, err := test.p.Next(nil)
			if err == io.EOF {
				break
			}
			if err != nil {
				t.Fatal(err)
			}
			for _, r := range rows {
				if r[0] != fmt.Sprint(next) {
					t.Fatalf("%s: %s, want %d", test.name, r[0], next)
				}
				next++
			}
			got = append(got, fmt.Sprint(len(rows)))
		}
		if strings.Join(got, " ") != test.want {
			t.Errorf("%s: packs of %v, want %s", test.name, got, test.want)
		}
	}
}
