package compare_test

import (
	"bytes"
	"encoding/csv"
	"flag"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"reflect"
	"strconv"
	"strings"
	"testing"
	"unicode/utf8"

	"yunta/cmd/yunta/internal/compare"
	"yunta/cmd/yunta/internal/compare/comparetest"
)

var update = flag.Bool("update", false, "rewrite the golden files")

func golden(t *testing.T, name string, got []byte) {
	t.Helper()
	path := filepath.Join("testdata", name)
	if *update {
		if err := os.WriteFile(path, got, 0o644); err != nil {
			t.Fatal(err)
		}
	}
	want, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	if !bytes.Equal(got, want) {
		t.Errorf("%s differs; after -update look at the difference:\n%s", path, got)
	}
}

func printed(t *testing.T, write func(io.Writer) error) []byte {
	t.Helper()
	var b bytes.Buffer
	if err := write(&b); err != nil {
		t.Fatal(err)
	}
	return b.Bytes()
}

func TestGoldenForms(t *testing.T) {
	t.Parallel()
	r := comparetest.Sample(4711, 400)
	for _, width := range []int{60, 80, 120} {
		for _, colour := range []bool{false, true} {
			name := fmt.Sprintf("terminal-%d.txt", width)
			if colour {
				name = fmt.Sprintf("terminal-%d-colour.txt", width)
			}
			text := printed(t, func(w io.Writer) error { return r.Print(w, compare.Terminal{Width: width, Colour: colour}) })
			golden(t, name, text)
			if colour != bytes.Contains(text, []byte("\x1b[")) {
				t.Errorf("%s: escape sequences are where they should not be, or missing", name)
			}
			for line := range strings.Lines(string(text)) {
				if n := utf8.RuneCountInString(strings.TrimSuffix(line, "\n")); !colour && n > width {
					t.Errorf("%s: a line of %d characters: %q", name, n, line)
				}
			}
		}
	}
	golden(t, "report.md", printed(t, r.WriteMarkdown))
	golden(t, "report.csv", printed(t, r.WriteCSV))
}

// Colours change nothing but the colours.
func TestColourIsOnlyColour(t *testing.T) {
	t.Parallel()
	r := comparetest.Sample(1, 400)
	plain := printed(t, func(w io.Writer) error { return r.Print(w, compare.Terminal{Width: 80}) })
	text := string(printed(t, func(w io.Writer) error { return r.Print(w, compare.Terminal{Width: 80, Colour: true}) }))
	for _, code := range []string{"0", "1", "2", "4"} {
		text = strings.ReplaceAll(text, "\x1b["+code+"m", "")
	}
	if text != string(plain) {
		t.Error("without its escape sequences the coloured form is another text")
	}
}

func TestJSONRoundTrip(t *testing.T) {
	t.Parallel()
	r := comparetest.Sample(2, 400)
	text := printed(t, r.WriteJSON)
	back, err := compare.Read(bytes.NewReader(text))
	if err != nil {
		t.Fatal(err)
	}
	if again := printed(t, back.WriteJSON); !bytes.Equal(again, text) {
		t.Error("what was read and written again differs")
	}
	for _, bad := range []string{
		"", "null", "{}", "[]", `{"version":99,"arms":[{"key":"a"}]}`, `{"version":1,"arms":[{}],"workloads":[null]}`,
		`{"version":1,"arms":[{}],"workloads":[{"runs":[null]}]}`,
	} {
		if _, err := compare.Read(strings.NewReader(bad)); err == nil {
			t.Errorf("%q was read", bad)
		}
	}
}

func TestCSVHasEveryNumber(t *testing.T) {
	t.Parallel()
	r := comparetest.Sample(3, 400)
	rows, err := csv.NewReader(bytes.NewReader(printed(t, r.WriteCSV))).ReadAll()
	if err != nil {
		t.Fatal(err)
	}
	head, rows := rows[0], rows[1:]
	i := 0
	for _, w := range r.Workloads {
		for _, run := range w.Runs {
			got := map[string]float64{}
			for column := 3; column < len(head)-2; column++ {
				if rows[i][column] != "" {
					if got[head[column]], err = strconv.ParseFloat(rows[i][column], 64); err != nil {
						t.Fatal(err)
					}
				}
			}
			if !reflect.DeepEqual(got, run.Metrics) || rows[i][0] != w.Name || rows[i][1] != run.Arm {
				t.Errorf("row %d: %v, want %v", i, rows[i], run.Metrics)
			}
			i++
		}
	}
	if i != len(rows) {
		t.Errorf("%d rows for %d runs", len(rows), i)
	}
}

func TestSentences(t *testing.T) {
	t.Parallel()
	text := strings.Join(comparetest.Sample(4711, 400).Sentences, "\n")
	for _, want := range []string{
		"process won in tasks per second at alloc (1.4", "goroutine won in tasks per second at primes (",
		"from tasks of 10 ms on process costs nothing over goroutine", "process contained 3 of 3 faults", "lost the whole run to kill",
		"hung for ever after kill", "was left with something that never ends after hang",
	} {
		if !strings.Contains(text, want) {
			t.Errorf("nothing says %q:\n%s", want, text)
		}
	}
}

func TestHostileNamesStayInLine(t *testing.T) {
	t.Parallel()
	r := comparetest.Sample(5, 400)
	r.Arms[0].Name = compare.Clean("\x1b[31mred\nnext\u202eline|<b>", 22)
	r.Workloads[0].Name = "a\x1b]0;title\x07b\nc"
	r.Warnings = append(r.Warnings, "\x1b[2J")
	r.Analyze()
	for _, width := range []int{1, 60, 80, 120} {
		text := printed(t, func(w io.Writer) error { return r.Print(w, compare.Terminal{Width: width}) })
		if i := bytes.IndexAny(text, "\x1b\x07\u202e"); i >= 0 {
			t.Errorf("at width %d: %q gets through", width, text[i:min(i+20, len(text))])
		}
	}
}

func TestExpr(t *testing.T) {
	t.Parallel()
	r := comparetest.Sample(4711, 400)
	for text, want := range map[string]string{
		"process.throughput < goroutine.throughput":                  "[primes]",
		"proc.throughput<0.8*go.throughput":                          "[]",
		"proc.throughput > 1.2*go.throughput":                        "[alloc]",
		"(py.ready + 1) / 2 >= 30 && go.ready < 1":                   "[primes alloc]",
		"primes.proc.throughput < 1 || alloc.proc.ready > -3":        "[primes alloc crash]",
		"proc.throughput - 1 == proc.throughput - 1 && 1 != 2":       "[primes alloc]",
		"proc.seconds > 0 || proc.seconds <= 0 || proc.seconds != 1": "[]",
	} {
		e, err := compare.ParseExpr(text)
		if err != nil {
			t.Errorf("%s: %v", text, err)
			continue
		}
		if got := fmt.Sprint(e.Holds(r)); got != want {
			t.Errorf("%s holds for %s, want %s", text, got, want)
		}
		if err := e.Check([]string{"process", "goroutine", "python"}, []string{"primes", "alloc"}); err != nil {
			t.Errorf("%s: %v", text, err)
		}
	}
	for _, bad := range []string{
		"", "1", "proc.ready", "proc.ready <", "proc.none < 1", "a.b.c.d < 1", "1 < 2 < 3", "(1 < 2", "1 < 2)", "1 + (1 < 2)", "1 && 2",
		"proc.ready < 1 $", "1.2.3 < 1", "-(1<2) < 3", strings.Repeat("(", 1000),
	} {
		if _, err := compare.ParseExpr(bad); err == nil {
			t.Errorf("%q was understood", bad)
		}
	}
	e, err := compare.ParseExpr("x.ready < 1")
	if err != nil || e.Check([]string{"process"}, nil) == nil {
		t.Errorf("an arm that does not exist was taken (%v)", err)
	}
}

func TestNumbers(t *testing.T) {
	t.Parallel()
	for v, want := range map[float64]string{
		0: "0", 0.0423: "0.0423", 9.996: "10.0", 99.96: "100", 1.9: "1.90", 4612: "4 610", 999_499: "999 000", 999_600: "1.00M", 4_230_000: "4.23M",
		-12: "-12.0", 0.00099999: "0.00100",
	} {
		if got := compare.Num(v); got != want {
			t.Errorf("Num(%v) is %q, want %q", v, got, want)
		}
	}
	for v, want := range map[float64]string{64: "64", 10: "10", 100: "100", 0.5: "0.5", 2e6: "2M", 1000: "1 000"} {
		if got := compare.Exact(v); got != want {
			t.Errorf("Exact(%v) is %q, want %q", v, got, want)
		}
	}
	for v, want := range map[float64]string{1.053: "+5.3%", 0.947: "-5.3%", 2.1: "2.10x", 0.2: "0.200x", 1: "+0.0%", 0: "?"} {
		if got := compare.Change(v); got != want {
			t.Errorf("Change(%v) is %q, want %q", v, got, want)
		}
	}
}
