package compare

import (
	"cmp"
	"math"
	"slices"
)

// A Row is one metric of one workload: a summary of each arm, and the first arm against the second.
type Row struct {
	Metric string       `json:"metric"`
	Arms   []Cell       `json:"arms"` // those that have it, in the order of the report's
	Diff   *Difference  `json:"diff,omitempty"`
	values [2][]float64 // of the first two arms
}

// A Cell is the summary of one arm.
type Cell struct {
	Arm string `json:"arm"`
	Summary
}

// A Series is the curve of one arm: at each x the medians over its runs.
type Series struct {
	Arm    string        `json:"arm"`
	Points []SeriesPoint `json:"points"`
}

// A SeriesPoint is the summary of all runs at one x; Diff compares the first arm with the second, and stands in the first.
type SeriesPoint struct {
	X float64 `json:"x"`
	Summary
	Diff *Difference `json:"diff,omitempty"`
}

// Noise is the difference, as a share, that one thing shows against itself.
func Noise(a, again []float64) float64 {
	ratio, _, _ := Ratio(a, again)
	if ratio == 0 {
		return 0
	}
	return math.Abs(ratio - 1)
}

// Analyze derives rows, curves and sentences from the runs.
func (r *Report) Analyze() {
	for _, w := range r.Workloads {
		w.Rows = r.rowsOf(w)
		w.Curves = r.curvesOf(w)
		w.Answers = r.answersOf(w)
	}
	r.Sentences = r.sentences()
}

// Values returns the metric's values of one arm, in the order of the runs; runs that failed have none.
func (w *Workload) Values(arm, metric string) []float64 {
	var out []float64
	for _, run := range w.Runs {
		if v, found := run.Metrics[metric]; found && run.Arm == arm && run.Error == "" {
			out = append(out, v)
		}
	}
	return out
}

// Shown are the arms that are no mere repetition.
func (r *Report) Shown() []Arm {
	return slices.DeleteFunc(slices.Clone(r.Arms), func(a Arm) bool { return a.Same != "" })
}

// Name returns an arm's name for people.
func (r *Report) Name(key string) string {
	for _, a := range r.Arms {
		if a.Key == key {
			return a.Name
		}
	}
	return key
}

func (r *Report) rowsOf(w *Workload) []Row {
	rows := []Row{}
	shown := r.Shown()
	for _, m := range Metrics {
		row := Row{Metric: m.Key}
		for i, arm := range shown {
			values := w.Values(arm.Key, m.Key)
			if len(values) == 0 {
				continue
			}
			row.Arms = append(row.Arms, Cell{arm.Key, Summarize(values)})
			if i < 2 {
				row.values[i] = values
			}
		}
		if !slices.ContainsFunc(row.Arms, func(c Cell) bool { return c.Lo != 0 || c.Hi != 0 }) {
			continue // nobody has it, or nothing of it
		}
		if len(row.values[0]) > 0 && len(row.values[1]) > 0 {
			d := Compare(row.values[0], row.values[1], r.noiseOf(w, m.Key))
			row.Diff = &d
		}
		rows = append(rows, row)
	}
	return rows
}

// noiseOf is the greatest difference between an arm and its repetition.
func (r *Report) noiseOf(w *Workload, metric string) float64 {
	noise := 0.0
	for _, arm := range r.Arms {
		if arm.Same != "" {
			noise = max(noise, Noise(w.Values(arm.Same, metric), w.Values(arm.Key, metric)))
		}
	}
	return noise
}

// Cell returns the summary of an arm.
func (row Row) Cell(arm string) (Summary, bool) {
	for _, c := range row.Arms {
		if c.Arm == arm {
			return c.Summary, true
		}
	}
	return Summary{}, false
}

// Row returns the row of a metric.
func (w *Workload) Row(metric string) (Row, bool) {
	for _, row := range w.Rows {
		if row.Metric == metric {
			return row, true
		}
	}
	return Row{}, false
}

func (r *Report) curvesOf(w *Workload) []Series {
	var out []Series
	values := map[string]map[float64][]float64{}
	for _, run := range w.Runs {
		for _, p := range run.Curve {
			if run.Error != "" {
				continue
			}
			if values[run.Arm] == nil {
				values[run.Arm] = map[float64][]float64{}
			}
			values[run.Arm][p.X] = append(values[run.Arm][p.X], p.Y)
		}
	}
	shown := r.Shown()
	for i, arm := range shown {
		at := values[arm.Key]
		if len(at) == 0 {
			continue
		}
		s := Series{Arm: arm.Key}
		for x, ys := range at {
			p := SeriesPoint{X: x, Summary: Summarize(ys)}
			if i == 0 && len(shown) > 1 && len(values[shown[1].Key][x]) > 0 {
				d := Compare(ys, values[shown[1].Key][x], r.curveNoise(values, x))
				p.Diff = &d
			}
			s.Points = append(s.Points, p)
		}
		slices.SortFunc(s.Points, func(a, b SeriesPoint) int { return cmp.Compare(a.X, b.X) })
		out = append(out, s)
	}
	return out
}

func (r *Report) curveNoise(values map[string]map[float64][]float64, x float64) float64 {
	noise := 0.0
	for _, arm := range r.Arms {
		if arm.Same != "" {
			noise = max(noise, Noise(values[arm.Same][x], values[arm.Key][x]))
		}
	}
	return noise
}

// MedianRun returns the run of an arm whose main metric is the median, or the one below it.
func (w *Workload) MedianRun(arm string) *Run {
	var runs []*Run
	metric := w.Main()
	for _, run := range w.Runs {
		if run.Arm == arm && run.Error == "" {
			runs = append(runs, run)
		}
	}
	if len(runs) == 0 {
		return nil
	}
	slices.SortStableFunc(runs, func(a, b *Run) int { return cmp.Compare(a.Metrics[metric], b.Metrics[metric]) })
	return runs[(len(runs)-1)/2]
}
