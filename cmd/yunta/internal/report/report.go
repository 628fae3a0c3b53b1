// Package report makes one page of a comparison: a file that needs no network and no scripts, with charts as SVG, tables beneath them
// and all data inside. Its numbers are those that [compare.Report.Analyze] derived, which the terminal and the JSON show as well.
package report

import (
	"bytes"
	"crypto/sha256"
	_ "embed"
	"encoding/base64"
	"encoding/json"
	"fmt"
	"html/template"
	"io"
	"math"
	"strconv"
	"strings"

	"yunta/cmd/yunta/internal/compare"
	"yunta/cmd/yunta/internal/compare/load"
)

//go:embed page.html
var pageHTML string

//go:embed page.css
var pageCSS string

//go:embed page.js
var pageJS string

// A view is what the page is made of.
type view struct {
	Title     string
	CSS       template.CSS
	JS        template.JS
	Policy    string
	Data      template.JS
	R         *compare.Report
	Arms      []armView
	Forest    figure
	Workloads []workView
	Caveats   []string
	Repeat    string
}

type armView struct {
	compare.Arm
	Index int
	Shape template.HTML
}

// A figure answers one question.
type figure struct {
	ID       string
	Question string
	SVG      template.HTML
	Answer   string
	How      string
	Table    compare.Grid
	Wide     bool
}

type workView struct {
	*compare.Workload
	Lines   []string // its answers, without its name
	Cards   []card
	Metrics compare.Grid
	Figures []figure
	Faults  []faultRow
}

type card struct {
	Label, Unit string
	Values      []cardValue
	Diff        string
	Dim         bool
}

type cardValue struct {
	Index int
	Name  string
	Text  string
}

type faultRow struct {
	Fault, Text string
	Cells       []faultCell
}

type faultCell struct{ Outcome, Sign, Text, Detail string }

// Write writes the page.
func Write(w io.Writer, r *compare.Report) error {
	t, err := template.New("page").Parse(pageHTML)
	if err != nil {
		return err
	}
	data, err := raw(r)
	if err != nil {
		return err
	}
	v := view{
		Title: compare.Clean(r.Title, 200), CSS: template.CSS(pageCSS), JS: template.JS(pageJS), Data: template.JS(data), R: r, //nolint:gosec // our own files, and JSON
		Policy: fmt.Sprintf("default-src 'none'; script-src '%s'; style-src '%s'; img-src data:; base-uri 'none'; form-action 'none'",
			hash(pageJS), hash(pageCSS)),
		Forest: forest(r), Caveats: caveats(r),
	}
	v.Repeat = fmt.Sprintf("yunta compare --seed %d --runs %d", r.Seed, r.Runs)
	if r.Workers > 0 {
		v.Repeat += fmt.Sprintf(" --workers %d", r.Workers)
	}
	if r.Quick {
		v.Repeat += " --quick"
	}
	if r.Pinned {
		v.Repeat += " --pin"
	}
	v.Repeat += strings.TrimPrefix(v.Title, "yunta compare")
	for i, arm := range r.Shown() {
		v.Arms = append(v.Arms, armView{arm, i, legend(i)})
	}
	for i, work := range r.Workloads {
		v.Workloads = append(v.Workloads, viewOf(r, work, i))
	}
	var page bytes.Buffer // a page that is half written would be worse than none
	if err := t.Execute(&page, v); err != nil {
		return err
	}
	_, err = page.WriteTo(w)
	return err
}

func hash(text string) string {
	sum := sha256.Sum256([]byte(text))
	return "sha256-" + base64.StdEncoding.EncodeToString(sum[:])
}

// raw is the report as compact JSON, its numbers with six digits: more than any of them is good for. The encoder escapes what could
// end the element that the JSON stands in.
func raw(r *compare.Report) ([]byte, error) {
	text, err := json.Marshal(r)
	if err != nil {
		return nil, err
	}
	var tree any
	d := json.NewDecoder(bytes.NewReader(text))
	d.UseNumber()
	if err := d.Decode(&tree); err != nil {
		return nil, err
	}
	return json.Marshal(rounded(tree))
}

func rounded(tree any) any {
	switch v := tree.(type) {
	case map[string]any:
		for key, value := range v {
			v[key] = rounded(value)
		}
	case []any:
		for i, value := range v {
			v[i] = rounded(value)
		}
	case json.Number:
		if _, err := v.Int64(); err == nil {
			return v
		}
		if f, err := v.Float64(); err == nil && !math.IsInf(f, 0) {
			short, _ := strconv.ParseFloat(strconv.FormatFloat(f, 'g', 6, 64), 64)
			return short
		}
	}
	return tree
}

func viewOf(r *compare.Report, w *compare.Workload, index int) workView {
	v := workView{Workload: w, Metrics: r.MetricGrid(w, false)}
	for _, s := range w.Answers {
		v.Lines = append(v.Lines, strings.TrimPrefix(s, w.Name+": "))
	}
	shown := r.Shown()
	for _, key := range []string{"throughput", "seconds", "p99", "ready", "pss", "cpu"} {
		row, found := w.Row(key)
		if !found {
			continue
		}
		m, _ := compare.MetricOf(key)
		c := card{Label: m.Label, Unit: m.Unit}
		for i, arm := range shown {
			if s, has := row.Cell(arm.Key); has {
				c.Values = append(c.Values, cardValue{i, arm.Name, compare.Num(s.Median)})
			}
		}
		if row.Diff != nil {
			c.Diff, c.Dim = row.Diff.Short(), !row.Diff.Real()
			if row.Diff.Verdict == compare.None {
				c.Diff = "no evidence of a difference"
			}
		}
		v.Cards = append(v.Cards, c)
	}
	for _, draw := range []func(*compare.Report, *compare.Workload) figure{runs, latency, curve, start, memory, collector, timeline} {
		if f := draw(r, w); f.SVG != "" {
			f.ID = fmt.Sprintf("w%d-%s", index, f.ID)
			v.Figures = append(v.Figures, f)
		}
	}
	v.Faults = faults(r, w)
	return v
}

func faults(r *compare.Report, w *compare.Workload) []faultRow {
	var rows []faultRow
	at := map[string]int{}
	signs := map[string]string{"contained": "✓", "leaked": "◐", "lost": "✖", "hung": "∞", "skipped": "–"}
	signs["hung"] = "⧖"
	for _, f := range w.Faults {
		i, found := at[f.Fault]
		if !found {
			i = len(rows)
			at[f.Fault] = i
			rows = append(rows, faultRow{Fault: f.Fault, Text: load.FaultText[f.Fault], Cells: make([]faultCell, len(r.Shown()))})
		}
		for j, arm := range r.Shown() {
			if arm.Key == f.Arm {
				rows[i].Cells[j] = faultCell{f.Outcome, signs[f.Outcome], f.Brief(), compare.Clean(f.Detail, 160)}
			}
		}
	}
	return rows
}

func pinning(pinned bool) string {
	if pinned {
		return "Each worker process was pinned to a core of its own; goroutines cannot be. On a busy machine a pinned process keeps its core's share, while the threads of goroutines may meet on one core."
	}
	return "Nothing was pinned: the kernel places worker processes as it places the threads of goroutines. A pool pins its processes by default (--pin compares that)."
}

// caveats are what this very run's numbers depend on.
func caveats(r *compare.Report) []string {
	m := r.Machine
	out := []string{
		fmt.Sprintf("These results hold for this machine and this work: %d usable cpus, %s; SMT siblings share a core: %s; %s; frequency governor: %s; kernel %s; %s; %s.",
			m.CPUs, compare.Clean(m.Processor, 80), m.SMT, m.Virtual, m.Governor, compare.Clean(m.Kernel, 60), m.System, m.Go),
		"During the runs: " + r.LoadText() + ".",
		fmt.Sprintf("Medians of up to %d runs. The intervals are order statistics (no assumption about distributions), at least 95 %%; "+
			"p is of the Mann-Whitney U test, two-sided. The size of a difference is the median of the ratios of all pairs of runs. "+
			"Nothing is corrected for looking at many rows: one in twenty of equal ones will seem to differ.", r.Runs),
	}
	if r.Workers == 0 {
		return append(out, "A command's time includes its start, and everything it waits for. What it prints goes nowhere.")
	}
	out = append(out,
		fmt.Sprintf("Every run is a program of its own, confined to as many cores as there are workers (%d). A worker process has GOMAXPROCS=1, "+
			"the program of goroutines has all of those cores; the parent of the processes shares them with its workers.", r.Workers),
		"What runs goroutines here is yunta's pool with Model: Goroutines, the same program with one option changed, not the shortest loop over a channel.",
		pinning(r.Pinned),
		"Goroutines share memory: that a crash there ends the whole program is by design. Processes copy what they are given; goroutines do not.",
		"counter: processes take yunta's lock, which survives the death of its owner, and add in mapped memory; goroutines take a sync.Mutex, Python multiprocessing.Lock.",
		"Python does the first part of the tasks only; its rates are for a task. Its algorithms are the same, its integers are not machine words.",
		"PSS counts a page that n processes map as one n-th in each. It was read once, after the work, in one sweep; a peak in between is not seen. Sums of RSS count shared pages again and again.",
		"Times of workers and of the parent are of one clock, that of the machine's time of day; if it was set during a run, that run's timeline is wrong.",
		"The timeline's marks cost each task two looks at the clock and 48 bytes of result, the same in both models.")
	if m.Python != "" {
		out = append(out, "Python "+compare.Clean(m.Python, 20)+".")
	}
	return out
}
