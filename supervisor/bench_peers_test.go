package supervisor_test

import (
	"errors"
	"fmt"
	"os"
	"runtime"
	"strconv"
	"strings"
	"testing"
)

// peerRow is one job, done by yunta, by Python and by the bare machine. Each
// side is one round: it makes what it needs, warms it up, and returns the
// figure, which is less the better: mostly the seconds that one task, call or
// pair took. A side may be missing, and one that has nothing to run returns 0.
type peerRow struct {
	name  string // of the sub-benchmark
	title string
	goals []goal
	show  func(float64) string // duration if nil
	note  string

	ours, python, limit func(b *testing.B) float64
	limitIs             string
	also                []peerAlso
	needs               func() error // says why it cannot be measured here
	missing             error        // what that said

	times [3][]float64 // a round each: ours, Python's, the limit's
}

// peerAlso is another figure to compare with.
type peerAlso struct {
	what  string
	round func(b *testing.B) float64
	times []float64
}

// goal is what a row has to reach.
type goal struct {
	kind goalKind
	is   float64
}

type goalKind int

const (
	overPython goalKind = iota // this many times better than Python
	overLimit                  // at most this many times the limit
	atMost                     // at most this figure
)

func (g goal) text(show func(float64) string) string {
	switch g.kind {
	case overPython:
		return fmt.Sprintf("%gx python", g.is)
	case overLimit:
		return fmt.Sprintf("<= %.3gx limit", g.is)
	}
	return "<= " + show(g.is)
}

// met compares; known is false when the other side is missing.
func (g goal) met(ours, python, limit float64) (ok, known bool) {
	switch g.kind {
	case overPython:
		return python >= g.is*ours, python > 0
	case overLimit:
		return ours <= g.is*limit, limit > 0
	}
	return ours <= g.is, true
}

// BenchmarkPeers measures the rows that README's table shows. The three sides
// of a row take turns, and so do their orders, so that whatever else runs on
// the machine meets all of them; the figures are medians over the rounds.
// YUNTA_BENCH_ROUNDS says how many (7), YUNTA_BENCH_MARKDOWN=1 prints Markdown.
//
//	go test -run '^$' -bench Peers -benchtime 1x ./supervisor
//	go test -run '^$' -bench Peers/Map -benchtime 1x ./supervisor
func BenchmarkPeers(b *testing.B) {
	rounds := 7
	if n, err := strconv.Atoi(os.Getenv("YUNTA_BENCH_ROUNDS")); err == nil && n > 0 {
		rounds = n
	}
	load := loadAverage()
	py, loky := startPythons(b)
	var rows []*peerRow
	for _, some := range [][]*peerRow{callRows(py, loky), dataRows(py, loky), processRows(py), mirrorRows(py), managerRows(py), commandRows(py), shellRows(), parallelRows(), lockRows(py)} {
		rows = append(rows, some...)
	}
	for _, r := range rows {
		b.Run(r.name, func(b *testing.B) {
			if r.needs != nil {
				r.missing = r.needs()
			}
			for b.Loop() {
				r.measure(b, rounds)
			}
			b.ReportMetric(0, "ns/op") // it would be the time of all rounds
			if r.missing != nil {
				b.Skip(r.missing)
			}
			ours, python, limit := r.medians()
			if python > 0 {
				b.ReportMetric(python/ours, "x-python")
			}
			if limit > 0 {
				b.ReportMetric(ours/limit, "x-limit")
			}
		})
	}
	printPeers(os.Stdout, rows, []error{py.missing, loky.missing}, rounds, machine(py.version)+"; load average "+load+" when it began, "+loadAverage()+" when it ended.")
}

func (r *peerRow) measure(b *testing.B, rounds int) {
	r.times = [3][]float64{}
	sides := [3]func(*testing.B) float64{r.ours, r.python, r.limit}
	for i := range rounds {
		for k := range sides {
			side := (i + k) % len(sides)
			t := 0.0
			if sides[side] != nil && r.missing == nil {
				runtime.GC() // each begins with the garbage of none before it
				t = sides[side](b)
			}
			r.times[side] = append(r.times[side], t)
		}
		for k := range r.also {
			if r.missing == nil {
				r.also[k].times = append(r.also[k].times, r.also[k].round(b))
			}
		}
	}
}

func (r *peerRow) medians() (ours, python, limit float64) {
	return median(r.times[0]), median(r.times[1]), median(r.times[2])
}

// verdict says whether all goals of a row are met, as far as that is known.
func (r *peerRow) verdict() string {
	ours, python, limit := r.medians()
	all, some := true, false
	for _, g := range r.goals {
		ok, known := g.met(ours, python, limit)
		all = all && (ok || !known)
		some = some || known
	}
	switch {
	case !some:
		return ""
	case all:
		return "met"
	}
	return "MISSED"
}

// cells is the row as the table has it.
func (r *peerRow) cells() []string {
	show := r.show
	if show == nil {
		show = duration
	}
	ours, python, limit := r.medians()
	theirs, faster, bound, ratio := "", "", "", ""
	if python > 0 {
		theirs, faster = show(python), fmt.Sprintf("%.3gx", python/ours)
	}
	if limit > 0 {
		bound, ratio = show(limit), fmt.Sprintf("%.2f", ours/limit)
	}
	var goals []string
	for _, g := range r.goals {
		goals = append(goals, g.text(show))
	}
	return []string{r.title, show(ours), theirs, faster, strings.Join(goals, ", "), r.verdict(), bound, ratio, r.limitIs}
}

// notes is what has to be said beside the table.
func (r *peerRow) notes() (out []string) {
	show := r.show
	if show == nil {
		show = duration
	}
	var also []string
	for _, a := range r.also {
		if t := median(a.times); t > 0 {
			also = append(also, a.what+" "+show(t))
		}
	}
	if len(also) > 0 {
		out = append(out, r.title+": "+strings.Join(also, "; ")+".")
	}
	if r.note != "" {
		out = append(out, r.title+": "+r.note+".")
	}
	return out
}

// errNotHere is why a row is left out that this system has no means for.
var errNotHere = errors.New("not to be measured on this system")
