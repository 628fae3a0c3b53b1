package compare

import (
	"fmt"
	"math"
	"slices"
	"strings"
)

// answersOf says what the numbers of one workload say, a sentence each.
func (r *Report) answersOf(w *Workload) []string {
	out := []string{}
	shown := r.Shown()
	if len(shown) > 1 {
		a, b := shown[0].Name, shown[1].Name
		if row, found := w.Row(w.Main()); found && row.Diff != nil {
			out = append(out, r.mainSentence(w, row, a, b))
		}
		if other := r.otherSentence(w, a, b); other != "" {
			out = append(out, other)
		}
	}
	out = append(out, r.thirdSentences(w)...)
	out = append(out, r.curveSentences(w)...)
	return append(out, r.faultSentences(w)...)
}

func (r *Report) mainSentence(w *Workload, row Row, a, b string) string {
	m, _ := MetricOf(row.Metric)
	d := *row.Diff
	n := min(row.Arms[0].N, row.Arms[1].N)
	switch d.Verdict {
	case TooFew:
		return fmt.Sprintf("%s: too few runs (%d) to tell %s from %s.", w.Name, n, a, b)
	case None:
		return fmt.Sprintf("%s: no evidence of a difference in %s between %s and %s (%s, n=%d).", w.Name, m.Label, a, b, PText(d.P), n)
	case InNoise:
		return fmt.Sprintf("%s: %s and %s differ by %s in %s, no more than the same thing does from itself (%s).",
			w.Name, a, b, Percent(math.Abs(d.Ratio-1)), m.Label, Percent(d.Noise))
	}
	winner, loser := a, b
	ratio, lo, hi := d.Ratio, d.Lo, d.Hi
	if (d.Verdict == Higher) != m.High {
		winner, loser = b, a
	}
	if d.Verdict == Lower && ratio > 0 {
		ratio, lo, hi = 1/ratio, 1/d.Hi, 1/d.Lo
	}
	what := "did %s more tasks per second than %s"
	if !m.High {
		what = "needed less time: %s more went into %s"
	}
	if ratio >= 1.1 {
		what = "did %s the tasks per second of %s"
		if !m.High {
			what = "needed less time: %s as much went into %s"
		}
	}
	return fmt.Sprintf("%s: %s "+what+" (95%% CI %s, %s, n=%d).", w.Name, winner, amount(ratio), loser, interval(lo, hi, ratio), PText(d.P), n)
}

// amount prints a ratio above 1 as a percentage or a factor.
func amount(ratio float64) string {
	if ratio < 1.1 {
		return Percent(ratio - 1)
	}
	return Num(ratio) + "x"
}

func interval(lo, hi, ratio float64) string {
	if ratio < 1.1 {
		return Percent(lo-1) + " to " + Percent(hi-1)
	}
	return Num(lo) + "x to " + Num(hi) + "x"
}

// otherSentence tells of the other metrics that differ for sure, of at least a twentieth.
func (r *Report) otherSentence(w *Workload, a, b string) string {
	var parts []string
	for _, row := range w.Rows {
		m, _ := MetricOf(row.Metric)
		if row.Metric == w.Main() || row.Metric == "rss" || row.Metric == "gc_cycles" || row.Diff == nil || !row.Diff.Real() {
			continue
		}
		if math.Abs(row.Diff.Ratio-1) < 0.05 {
			continue
		}
		parts = append(parts, fmt.Sprintf("%s %s against %s", m.Label, withUnit(row.Arms[0].Median, m.Unit), withUnit(row.Arms[1].Median, m.Unit)))
	}
	if len(parts) == 0 {
		return ""
	}
	return fmt.Sprintf("%s: %s against %s: %s.", w.Name, a, b, strings.Join(parts, ", "))
}

func withUnit(v float64, unit string) string { return strings.TrimSpace(Num(v) + " " + unit) }

// thirdSentences tell of every further arm how it stands to the first.
func (r *Report) thirdSentences(w *Workload) []string {
	var out []string
	shown := r.Shown()
	metric, _ := MetricOf(w.Main())
	for _, arm := range shown[min(2, len(shown)):] {
		first := w.Values(shown[0].Key, metric.Key)
		other := w.Values(arm.Key, metric.Key)
		if len(first) == 0 || len(other) == 0 {
			continue
		}
		d := Compare(first, other, r.noiseOf(w, metric.Key))
		if !d.Real() || d.Ratio == 0 {
			out = append(out, fmt.Sprintf("%s: no difference in %s shown between %s and %s.", w.Name, metric.Label, shown[0].Name, arm.Name))
			continue
		}
		out = append(out, fmt.Sprintf("%s: %s had %s the %s of %s (95%% CI %sx to %sx).",
			w.Name, shown[0].Name, Num(d.Ratio)+"x", metric.Label, arm.Name, Num(d.Lo), Num(d.Hi)))
	}
	return out
}

// sentences are the verdict over all workloads: who won at what, and where the border lies.
func (r *Report) sentences() []string {
	out := []string{}
	shown := r.Shown()
	if len(shown) < 2 {
		return out
	}
	var first, second, neither []string
	for _, w := range r.Workloads {
		row, found := w.Row(w.Main())
		if !found || row.Diff == nil {
			continue
		}
		m, _ := MetricOf(row.Metric)
		d := *row.Diff
		switch {
		case !d.Real():
			neither = append(neither, w.Name)
		case (d.Verdict == Higher) == m.High:
			first = append(first, fmt.Sprintf("%s (%s)", w.Name, amount(max(d.Ratio, 1/d.Ratio))))
		default:
			second = append(second, fmt.Sprintf("%s (%s)", w.Name, amount(max(d.Ratio, 1/d.Ratio))))
		}
	}
	what := "in tasks per second"
	for i, names := range [][]string{first, second} {
		if len(names) > 0 {
			out = append(out, fmt.Sprintf("%s won %s at %s.", shown[i].Name, what, list(names)))
		}
	}
	if len(neither) > 0 {
		out = append(out, fmt.Sprintf("No difference between %s and %s was shown at %s.", shown[0].Name, shown[1].Name, list(neither)))
	}
	for _, w := range r.Workloads {
		if w.Curve != nil && w.Curve.Kind == "length" {
			out = append(out, r.curveSentences(w)...)
		}
		out = append(out, r.faultSentences(w)...)
	}
	if !slices.ContainsFunc(r.Workloads, func(w *Workload) bool { return w.Main() == "throughput" }) {
		for i := range out {
			out[i] = strings.Replace(out[i], what, "on time", 1)
		}
	}
	return out
}

func list(names []string) string {
	if len(names) == 1 {
		return names[0]
	}
	return strings.Join(names[:len(names)-1], ", ") + " and " + names[len(names)-1]
}
