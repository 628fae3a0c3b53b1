package fill

import (
	"slices"
	"strings"
	"testing"

	"yunta/cmd/yunta/internal/quote"
)

func filled(t *testing.T, s Syntax, text string, c *Context) string {
	t.Helper()
	p, err := s.Parse(text)
	if err != nil {
		t.Fatalf("%s: %v", text, err)
	}
	got, err := p.Fill(c)
	if err != nil {
		t.Fatalf("%s: %v", text, err)
	}
	return got
}

// What GNU parallel 20221122 makes of odd paths.
func TestPaths(t *testing.T) {
	t.Parallel()
	tests := []struct{ value, noExtension, base, dir, baseNoExtension string }{
		{"a/b.c.d", "a/b.c", "b.c.d", "a", "b.c"},
		{"/x", "/x", "x", "/", "x"},
		{"noext", "noext", "noext", ".", "noext"},
		{".hidden", "", ".hidden", ".", ""},
		{"dir.d/file", "dir.d/file", "file", "dir.d", "file"},
		{"trail/", "trail/", "", ".", ""},
		{"..", ".", "..", ".", "."},
		{"a//b.gz", "a//b", "b.gz", "a", "b"},
		{"/", "/", "", "/", ""},
		{"x.", "x", "x.", ".", "x"},
		{"./y.z", "./y", "y.z", ".", "y"},
		{"", "", "", ".", ""},
	}
	for _, test := range tests {
		c := &Context{Values: []string{test.value}}
		got := filled(t, Syntax{}, "{}|{.}|{/}|{//}|{/.}", c)
		want := strings.Join([]string{test.value, test.noExtension, test.base, test.dir, test.baseNoExtension}, "|")
		if got != want {
			t.Errorf("%q: %s, want %s", test.value, got, want)
		}
	}
}

func TestReplacements(t *testing.T) {
	t.Parallel()
	c := &Context{
		Values: []string{"d/a.b", "x y", "$z"}, Seq: 7, Slot: "2", Slots: 12, Quote: quote.GNU,
		Total: func() (int, error) { return 100, nil },
	}
	names := Syntax{Names: map[string]int{"n": 2, "long name": 1, "n.": 3}}
	all := Syntax{Plus: true, Exprs: true}
	tests := []struct {
		s          Syntax
		text, want string
	}{
		{Syntax{}, "echo {}", "echo d/a.b 'x y' '$z'"},
		{Syntax{}, "{1/.} {2} {-1} {4}{-4}|", "a 'x y' '$z' |"},
		{Syntax{}, "{#}{%}", "72"},
		{Syntax{}, "{ } {a} ${x} {{1}}", "{ } {a} ${x} {d/a.b}"},
		{Syntax{}, "{1", "{1"},
		{Syntax{}, "{= $_ =}", "{= $_ =}"},
		{names, "{n} {long name.} {n.}", "'x y' d/a '$z'"},
		{Syntax{Renamed: map[string]string{",,": "{}"}}, ",, {} {1}", "d/a.b 'x y' '$z' {} d/a.b"},
		{all, "{##} {0#} {0%}", "100 007 02"},
		{all, "{1..} {1+.} {1+/} {4:-none}|", "d/a b d |"},
		{all, "{1%.b} {1#d.} {1/a/X} {1:2} {1:2:1} {1^d} {1^^[a-d]}", "d/a a.b d/X.b a.b a D/a.b D/A.B"},
		{all, "{=1 s/a/X/; $_ .= \"-\" =} {=2 uc =}", ""},
		{all, "{=1 tr/a-z/A-Z/ =} {=1 $_=seq()*10 =} {=3 uq() =}", "D/A.B 70 $z"},
		{all, "{=1 s:/:_:g =} {=1 s/(.).(.)/$2$1/ =} {=1 $_=length($_) + 1 =}", "d_a.b ad.b 6"},
		{all, "{=1 $_=ucfirst($_).'x' =} {=1 $_=int(7/2) =}", "D/a.bx 3"},
		{Syntax{Own: map[string]string{"{U}": "$_=uc($_)", "@@": "s/d/D/"}}, "{2U} {1U} @@", "'X Y' D/A.B D/a.b 'x y' '$z'"},
	}
	for _, test := range tests {
		p, err := test.s.Parse(test.text)
		if test.want == "" {
			if err == nil {
				t.Errorf("%s: no error", test.text)
			}
			continue
		}
		if err != nil {
			t.Errorf("%s: %v", test.text, err)
			continue
		}
		if got, err := p.Fill(c); err != nil || got != test.want {
			t.Errorf("%s: %s, %v, want %s", test.text, got, err, test.want)
		}
	}
}

// As GNU parallel 20221122 has them.
func TestCutting(t *testing.T) {
	t.Parallel()
	const forms = "{%.*}|{%%.*}|{%a.*}|{%%a.*}|{#.*a}|{##.*a}|{#b.}|{/[a-n]+/X}|{//[a-n]/X}|{^[ab]}|{^^[ab]}|{%.gz}|{%(}"
	for value, want := range map[string]string{
		"banana.tar.gz": "banana.tar.gz||banana.t|b|nana.tar.gz|r.gz|nana.tar.gz|X.tar.gz|XXXXXX.tXr.Xz|Banana.tar.gz|BAnAnA.tAr.gz|banana.tar|banana.tar.gz",
		"aab":           "aab||a||ab|b|aab|X|XXX|Aab|AAB|aab|aab",
	} {
		if got := filled(t, Syntax{Plus: true}, forms, &Context{Values: []string{value}}); got != want {
			t.Errorf("%s:\n%s, want\n%s", value, got, want)
		}
	}
}

func TestContextAndWords(t *testing.T) {
	t.Parallel()
	c := &Context{Values: []string{"1", "2"}, Seq: 3}
	p, err := Syntax{}.Parse("echo a{}b {#} {} 'x {} y'")
	if err != nil {
		t.Fatal(err)
	}
	if got, err := p.FillContext(c); err != nil || got != "echo a1b a2b 3 1 2 'x 1 2 y'" {
		t.Errorf("%s, %v", got, err)
	}
	for text, want := range map[string][]string{
		"a{}b": {"a1b", "a2b"}, "{2}{#}": {"23"}, "plain": {"plain"}, "{}-{1}": {"1-1", "2-1"},
	} {
		p, err := Syntax{}.Parse(text)
		if err != nil {
			t.Fatal(err)
		}
		if got, err := p.FillWord(c); err != nil || !slices.Equal(got, want) {
			t.Errorf("%s: %q, %v, want %q", text, got, err, want)
		}
	}
}

func TestQuestions(t *testing.T) {
	t.Parallel()
	for text, want := range map[string][5]bool{ // Empty, UsesValues, UsesSlot, UsesSeq, Begins
		"echo":           {true, false, false, false, false},
		"{} x":           {false, true, false, false, true},
		"x {%}":          {false, false, true, false, false},
		"{#} {1}":        {false, true, false, true, false},
		"{= $_=seq() =}": {false, true, false, true, true},
	} {
		p, err := Syntax{Exprs: true}.Parse(text)
		if err != nil {
			t.Fatal(err)
		}
		if got := [5]bool{p.Empty(), p.UsesValues(), p.UsesSlot(), p.UsesSeq(), p.Begins()}; got != want {
			t.Errorf("%s: %v, want %v", text, got, want)
		}
	}
}

// Whatever a template is, it is read or refused, and what is literal in it stays.
func FuzzParse(f *testing.F) {
	for _, seed := range []string{"echo {}", "{1.}{-2/}{n}", "{= s/a/b/ =}", "{= $_=1+2*(3 =}", "{%x}{##y}{:1:2}", "{", "}{", "{=", "{^^[}"} {
		f.Add(seed, "a/b.c")
	}
	f.Fuzz(func(t *testing.T, text, value string) {
		s := Syntax{Plus: true, Exprs: true, Names: map[string]int{"n": 1}}
		p, err := s.Parse(text)
		if err != nil {
			return
		}
		_, _ = p.Fill(&Context{Values: []string{value}, Slot: "1"})
		if p.Empty() && p.Text != text {
			t.Errorf("%q became %q", text, p.Text)
		}
	})
}
