package blocks

import (
	"bytes"
	"fmt"
	"io"
	"math/rand/v2"
	"strings"
	"testing"
	"testing/iotest"
)

func cutter(t testing.TB, r Records) *Cutter {
	t.Helper()
	c, err := r.Cutter()
	if err != nil {
		t.Fatal(err)
	}
	return c
}

func streamed(t testing.TB, in string, r Records, o Options) (got []string) {
	t.Helper()
	s := NewStream(iotest.HalfReader(strings.NewReader(in)), cutter(t, r), o)
	for {
		b, err := s.Next()
		if err == io.EOF {
			return got
		}
		if err != nil {
			t.Fatal(err)
		}
		got = append(got, string(b))
	}
}

var lineRecords = Records{End: "\n"}

// As GNU parallel 20221122 cuts them.
func TestStream(t *testing.T) {
	t.Parallel()
	tests := []struct {
		name, in string
		r        Records
		o        Options
		want     string
	}{
		{"nothing", "", lineRecords, Options{Size: 10}, ""},
		{"size", "1\n2\n3\n4\n5\n6\n7\n8\n9\n10\n11\n12\n13\n", lineRecords, Options{Size: 10}, "1\n2\n3\n4\n5\n|6\n7\n8\n9\n|10\n11\n12\n|13\n"},
		{"a long line", "123456789\n12\n", lineRecords, Options{Size: 1}, "123456789\n|12\n"},
		{"unended", "1\n2", lineRecords, Options{Size: 3}, "1\n|2"},
		{"records", "1\n2\n3\n", lineRecords, Options{Size: 1 << 20, Records: 2}, "1\n2\n|3\n"},
		{"records larger than the block", "100\n200\n300\n", lineRecords, Options{Size: 1, Records: 2}, "100\n200\n|300\n"},
		{"records of lines", "1\n2\n3\n4\n5\n", lineRecords, Options{Size: 1 << 20, Lines: 2}, "1\n2\n3\n4\n|5\n"},
		{"start", ">a\nAC\n>b\nTT\n>c\n", Records{Start: ">"}, Options{Size: 1 << 20, Records: 1}, ">a\nAC\n|>b\nTT\n|>c\n"},
		{"start by size", ">a\nx\n>b\ny\n", Records{Start: ">"}, Options{Size: 1}, ">a\nx\n|>b\ny\n"},
		{"end and start", "b1;b2;c3;b\n4;\n", Records{End: ";", Start: "b"}, Options{Size: 100, Records: 1}, "b1;|b2;c3;|b\n4;\n"},
		{"several bytes", "a--b-c--d", Records{End: "--"}, Options{Size: 100, Records: 1}, "a--|b-c--|d"},
		{"pattern of the end", "b1\n\n\nb2\n\nc3\n", Records{End: `\n\n+`, Regexp: true}, Options{Size: 100, Records: 1}, "b1\n\n\n|b2\n\n|c3\n"},
		{"pattern of the start", "AB:1\n2\nC:3\nDD:4\n", Records{Start: "[A-Z]+:", Regexp: true}, Options{Size: 100, Records: 1}, "AB:1\n2\n|C:3\n|DD:4\n"},
		{"pattern by size", "aXbXXc", Records{End: "X+", Regexp: true}, Options{Size: 3}, "aX|bXX|c"},
		{"anywhere", "123456789\n", Records{}, Options{Size: 3}, "123|456|789|\n"},
	}
	for _, test := range tests {
		if got := strings.Join(streamed(t, test.in, test.r, test.o), "|"); got != test.want {
			t.Errorf("%s: %q, want %q", test.name, got, test.want)
		}
	}
}

func TestStreamError(t *testing.T) {
	t.Parallel()
	s := NewStream(iotest.TimeoutReader(iotest.OneByteReader(strings.NewReader("1\n2\n"))), cutter(t, lineRecords), Options{Size: 10})
	if b, err := s.Next(); err != iotest.ErrTimeout {
		t.Errorf("%q, %v", b, err)
	}
}

func sections(t testing.TB, in string, r Records, o Options) (got []string) {
	t.Helper()
	f := NewFile(strings.NewReader(in), 0, int64(len(in)), cutter(t, r), o)
	at := int64(0)
	for {
		s, err := f.Next()
		if err == io.EOF {
			return got
		}
		if err != nil {
			t.Fatal(err)
		}
		if s.At != at || s.Size <= 0 {
			t.Fatalf("%+v, want it at %d", s, at)
		}
		at += s.Size
		got = append(got, in[s.At:at])
	}
}

func TestFile(t *testing.T) {
	t.Parallel()
	tests := []struct {
		name, in string
		r        Records
		o        Options
		want     string
	}{
		{"size", "1\n2\n3\n4\n5\n6\n7\n8\n9\n10\n", lineRecords, Options{Size: 10}, "1\n2\n3\n4\n5\n|6\n7\n8\n9\n|10\n"},
		{"a long line", "123456789\n12\n", lineRecords, Options{Size: 1}, "123456789\n|12\n"},
		{"start", ">a\nx\n>b\ny\n", Records{Start: ">"}, Options{Size: 1}, ">a\nx\n|>b\ny\n"},
		{"forward", "1\n2\n3\n4\n5\n", lineRecords, Options{Size: 4, Forward: true}, "1\n2\n3\n|4\n5\n"},
		{"anywhere", "1234567", Records{}, Options{Size: 3}, "123|456|7"},
		{"nothing", "", lineRecords, Options{Size: 3}, ""},
	}
	for _, test := range tests {
		if got := strings.Join(sections(t, test.in, test.r, test.o), "|"); got != test.want {
			t.Errorf("%s: %q, want %q", test.name, got, test.want)
		}
	}
}

// Read or where it lies: the blocks are the same, none is cut within a line, and none is lost, also where a line is longer than what is
// looked at first.
func TestBothWays(t *testing.T) {
	t.Parallel()
	random := rand.New(rand.NewPCG(3, 4))
	var b strings.Builder
	for range 2000 {
		n := random.IntN(60)
		if random.IntN(200) == 0 {
			n = 3 * look
		}
		b.WriteString(strings.Repeat("x", n) + "\n")
	}
	in := b.String()
	for _, size := range []int64{100, 5000, look, 10 * look} {
		for _, forward := range []bool{false, true} {
			got := sections(t, in, lineRecords, Options{Size: size, Forward: forward})
			if strings.Join(got, "") != in {
				t.Fatalf("blocks of %d: something is lost", size)
			}
			for i, block := range got {
				if !strings.HasSuffix(block, "\n") {
					t.Errorf("blocks of %d: block %d ends in a line", size, i)
				}
			}
			if !forward && fmt.Sprint(got) != fmt.Sprint(streamed(t, in, lineRecords, Options{Size: size})) && size >= 4*look {
				t.Errorf("blocks of %d differ from those of a stream", size)
			}
		}
	}
}

func TestStrip(t *testing.T) {
	t.Parallel()
	for _, test := range []struct {
		r        Records
		in, want string
	}{
		{lineRecords, "1\n2\n", "12"},
		{Records{Start: "a", End: ";"}, "a1;a2;", "12"},
		{Records{End: "[24]\n", Regexp: true}, "1\n2\n", "1\n"},
	} {
		if got := cutter(t, test.r).Strip([]byte(test.in)); string(got) != test.want {
			t.Errorf("%+v of %q: %q, want %q", test.r, test.in, got, test.want)
		}
	}
}

func TestHeader(t *testing.T) {
	t.Parallel()
	for _, test := range []struct{ option, in, header, rest string }{
		{":", "h\n1\n2\n", "h\n", "1\n2\n"},
		{"2", "h\ni\n1\n", "h\ni\n", "1\n"},
		{`(%.*\n)*`, "%a\n%b\n1\n", "%a\n%b\n", "1\n"},
		{`(%.*\n)*`, "1\n", "", "1\n"},
		{":", "no line", "", "no line"},
		{":", strings.Repeat("h", 5000) + "\n1\n", strings.Repeat("h", 5000) + "\n", "1\n"},
	} {
		pattern, err := HeaderPattern(test.option)
		if err != nil {
			t.Fatal(err)
		}
		header, r, err := Header(strings.NewReader(test.in), pattern)
		if err != nil {
			t.Fatal(err)
		}
		rest, _ := io.ReadAll(r)
		if string(header) != test.header || string(rest) != test.rest {
			t.Errorf("%s of %.20q: %.20q and %.20q", test.option, test.in, header, rest)
		}
	}
	if _, err := HeaderPattern("("); err == nil {
		t.Error("( is no pattern")
	}
}

// Whatever the input and the marks are, all of it comes out.
func FuzzStream(f *testing.F) {
	f.Add("1\n2\n3\n", "", "\n", int64(3), 0, false)
	f.Add(">a\n>b\n", ">", "", int64(1), 2, false)
	f.Add("aXXb", "", "X+", int64(2), 1, true)
	f.Fuzz(func(t *testing.T, in, start, end string, size int64, records int, pattern bool) {
		if size < 1 || size > 1<<16 || records < 0 || len(in) > 1<<12 {
			return
		}
		c, err := Records{Start: start, End: end, Regexp: pattern}.Cutter()
		if err != nil {
			return
		}
		s := NewStream(strings.NewReader(in), c, Options{Size: size, Records: records})
		var out bytes.Buffer
		for {
			b, err := s.Next()
			if err == io.EOF {
				break
			}
			if err != nil || len(b) == 0 {
				t.Fatalf("%q, %v", b, err)
			}
			out.Write(b)
		}
		if out.String() != in {
			t.Errorf("%q became %q", in, out.String())
		}
	})
}
