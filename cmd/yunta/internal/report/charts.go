package report

import (
	"fmt"
	"math"
	"strings"

	"yunta/cmd/yunta/internal/compare"
)

// Drawings have one of two widths; the page scales them.
const (
	wide = 1000.0
	half = 480.0
	left = 110.0 // for names
)

// forest shows the first arm against the second, workload by workload.
func forest(r *compare.Report) figure {
	type row struct {
		name string
		d    compare.Difference
		high bool
	}
	var rows []row
	lo, hi := 0.8, 1.25
	for _, w := range r.Workloads {
		main, found := w.Row(w.Main())
		if !found || main.Diff == nil || main.Diff.Ratio <= 0 || main.Diff.Lo <= 0 {
			continue
		}
		m, _ := compare.MetricOf(main.Metric)
		rows = append(rows, row{compare.Clean(w.Name, 16), *main.Diff, m.High})
		lo, hi = min(lo, main.Diff.Lo), max(hi, main.Diff.Hi)
	}
	shown := r.Shown()
	if len(rows) == 0 || len(shown) < 2 {
		return figure{}
	}
	c := &canvas{w: wide, h: float64(len(rows))*30 + 64}
	x := logarithmic(lo, hi, left, wide-190)
	for _, v := range x.ticks() {
		c.line("grid", x.at(v), 22, x.at(v), c.h-40)
		c.text("tick mid", x.at(v), c.h-24, compare.Exact(v)+"x")
	}
	c.line("one", x.at(1), 18, x.at(1), c.h-40)
	first, second := shown[0].Name, shown[1].Name
	if rows[0].high {
		c.text("tick mid", x.at(1), 12, second+" better  ◂ equal ▸  "+first+" better")
	} else {
		c.text("tick mid", x.at(1), 12, first+" better  ◂ equal ▸  "+second+" better")
	}
	for i, row := range rows {
		y := 36 + float64(i)*30
		class, arm := "dim", 1
		if row.d.Real() {
			if (row.d.Verdict == compare.Higher) == row.high {
				arm = 0
			}
			class = fill(arm)
		}
		c.text("name", 0, y+4, row.name)
		c.line("ci "+strings.Replace(class, "f", "s", 1), x.at(row.d.Lo), y, x.at(row.d.Hi), y)
		c.mark(class+" dot", arm, x.at(row.d.Ratio), y, 5, fmt.Sprintf("%s: %s, 95 %% CI %s to %s", row.name, compare.Change(row.d.Ratio), compare.Num(row.d.Lo), compare.Num(row.d.Hi)))
		c.text("value", wide-178, y+4, row.d.Short()+"  "+compare.PText(row.d.P))
	}
	c.text("tick mid", (left+wide-190)/2, c.h-6, first+" over "+second+", 95 % CI (log scale)")
	answer := ""
	if len(r.Sentences) > 0 {
		answer = r.Sentences[0]
	}
	return figure{
		ID: "forest", Question: "Who is faster at what?", SVG: c.svg("ratios of throughput with intervals"), Answer: answer, Wide: true,
		How: "Each mark is the median of the ratios of all pairs of runs, each bar its 95 % interval. A bar that crosses 1 is no evidence of a difference.",
	}
}

// runs shows every run as a dot, with the median and its interval.
func runs(r *compare.Report, w *compare.Workload) figure {
	metric := w.Main()
	m, _ := compare.MetricOf(metric)
	row, found := w.Row(metric)
	if !found {
		return figure{}
	}
	shown := r.Shown()
	top := 0.0
	for _, arm := range shown {
		for _, v := range w.Values(arm.Key, metric) {
			top = max(top, v)
		}
	}
	c := &canvas{w: wide, h: float64(len(shown))*58 + 50}
	x := linear(top, left, wide-20)
	for _, v := range x.ticks() {
		c.line("grid", x.at(v), 6, x.at(v), c.h-36)
		c.text("tick mid", x.at(v), c.h-20, compare.Exact(v))
	}
	c.text("tick mid", (left+wide)/2, c.h-4, m.Label+", "+m.Unit)
	for i, arm := range shown {
		y := 36 + float64(i)*58
		c.text("name", 0, y+4, arm.Name)
		s, has := row.Cell(arm.Key)
		if !has {
			continue
		}
		c.rect("ci-box "+fill(i), x.at(s.Lo), y-18, x.at(s.Hi)-x.at(s.Lo), 36, fmt.Sprintf("%s: median %s, 95 %% CI %s to %s", arm.Name, compare.Num(s.Median), compare.Num(s.Lo), compare.Num(s.Hi)))
		c.line("median "+stroke(i), x.at(s.Median), y-20, x.at(s.Median), y+20)
		k := 0
		for _, run := range w.Runs {
			v, has := run.Metrics[metric]
			if run.Arm != arm.Key || !has || run.Error != "" {
				continue
			}
			class, note := fill(i)+" dot", ""
			if run.Load > 0.3 {
				class, note = stroke(i)+" dot open", fmt.Sprintf("; others used %s cpus", compare.Num(run.Load))
			}
			c.mark(class, i, x.at(v), y+float64(k%5-2)*6, 3.6, fmt.Sprintf("%s, run %d: %s %s%s", arm.Name, run.Order, compare.Num(v), m.Unit, note))
			k++
		}
	}
	answer := ""
	if len(w.Answers) > 0 {
		answer = strings.TrimPrefix(w.Answers[0], w.Name+": ")
	}
	return figure{
		ID: "runs", Question: "Which is faster, and do the runs overlap?", SVG: c.svg(m.Label + " of every run"), Answer: answer, Wide: true,
		How: m.Help + ". Boxes are 95 % intervals of the median, the line is the median; an open mark is a run during which other programs used more than 0.3 of a processor.",
	}
}

// latency shows the percentiles, each the median over the runs.
func latency(r *compare.Report, w *compare.Workload) figure {
	names := []string{"min", "10", "25", "50", "75", "90", "95", "99", "99.9", "max"}
	var all [][]float64
	lo, hi := math.Inf(1), 0.0
	g := compare.Grid{Head: append([]string{"percentile, ms"}, names...), Right: 1}
	for _, arm := range r.Shown() {
		var line []float64
		cells := []string{arm.Name}
		for q := range compare.Quantiles {
			var values []float64
			for _, run := range w.Runs {
				if run.Arm == arm.Key && len(run.Latency) > q && run.Error == "" {
					values = append(values, run.Latency[q])
				}
			}
			if len(values) == 0 {
				break
			}
			v := max(compare.Summarize(values).Median, 1e-6)
			line = append(line, v)
			cells = append(cells, compare.Num(v))
			lo, hi = min(lo, v), max(hi, v)
		}
		all = append(all, line)
		if len(line) == len(names) {
			g.Rows = append(g.Rows, cells)
		}
	}
	if hi == 0 {
		return figure{}
	}
	c := &canvas{w: half, h: 270}
	y := logarithmic(lo, hi, 220, 14)
	x := func(q int) float64 { return 52 + float64(q)*(half-72)/float64(len(names)-1) }
	for _, v := range y.ticks() {
		c.line("grid", 46, y.at(v), half-10, y.at(v))
		c.text("tick end", 42, y.at(v)+4, compare.Exact(v))
	}
	for q, name := range names {
		c.text("tick mid", x(q), 238, name)
	}
	c.text("tick mid", half/2, 258, "percentile of calls; time in ms (log scale)")
	for i, line := range all {
		poly(c, i, len(line), func(q int) (float64, float64) { return x(q), y.at(line[q]) })
		for q, v := range line {
			c.mark(fill(i), i, x(q), y.at(v), 3.2, fmt.Sprintf("%s, %s: %s ms", r.Shown()[i].Name, names[q], compare.Num(v)))
		}
	}
	return figure{
		ID: "latency", Question: "What does an unlucky call pay?", SVG: c.svg("latency percentiles"), Table: g,
		Answer: rowAnswer(r, w, "p99"), How: "Single calls, one in flight for each worker, timed from call to result. Each point is the median over the runs.",
	}
}

func poly(c *canvas, arm, count int, at func(int) (float64, float64)) {
	if count == 0 {
		return
	}
	var d strings.Builder
	for i := range count {
		x, y := at(i)
		fmt.Fprintf(&d, "%s%s %s", map[bool]string{true: "M", false: "L"}[i == 0], n(x), n(y))
	}
	c.add(`<path class="curve %s" d="%s"/>`, stroke(arm), d.String())
}

// rowAnswer says what a metric's row says.
func rowAnswer(r *compare.Report, w *compare.Workload, metric string) string {
	row, found := w.Row(metric)
	shown := r.Shown()
	if !found || row.Diff == nil || len(shown) < 2 {
		return ""
	}
	m, _ := compare.MetricOf(metric)
	a, b := row.Arms[0].Median, row.Arms[1].Median
	text := fmt.Sprintf("%s: %s %s %s, %s %s %s", m.Label, shown[0].Name, compare.Num(a), m.Unit, shown[1].Name, compare.Num(b), m.Unit)
	if row.Diff.Verdict == compare.InNoise {
		return text + "; a difference inside the noise of " + compare.Percent(row.Diff.Noise) + "."
	}
	if !row.Diff.Real() {
		return text + "; no evidence of a difference (" + compare.PText(row.Diff.P) + ")."
	}
	return text + " (" + compare.PText(row.Diff.P) + ")."
}

// curve shows what the workload has beside its rates.
func curve(r *compare.Report, w *compare.Workload) figure {
	if w.Curve == nil || len(w.Curves) == 0 || len(w.Curves[0].Points) == 0 {
		return figure{}
	}
	scaling := w.Curve.Kind == "scaling"
	lox, hix, loy, hiy := math.Inf(1), 0.0, math.Inf(1), 0.0
	for _, s := range w.Curves {
		for _, p := range s.Points {
			lox, hix, loy, hiy = min(lox, p.X), max(hix, p.X), min(loy, p.Lo), max(hiy, p.Hi)
		}
	}
	c := &canvas{w: half, h: 270}
	x, y := logarithmic(lox, hix, 62, half-14), logarithmic(loy, hiy, 220, 14)
	format := compare.Exact
	f := figure{ID: w.Curve.Kind, Table: r.CurveGrid(w, true)}
	switch w.Curve.Kind {
	case "scaling":
		x, y = linear(hix, 62, half-14), linear(hiy, 220, 14)
		f.Question, f.How = "Where does adding workers stop helping?", "Tasks per second by number of workers; the dashed line is the rate of one worker times their number. To the right of the thin line there are more workers than cores."
	case "crossing":
		format = compare.Bytes
		f.Question, f.How = "What does it cost to cross?", "One call after the other with a message of that size, there and back. From 64 KiB on messages to a process go through mapped memory. Goroutines pass a reference: nothing is copied."
	case "length":
		format = compare.Duration
		f.Question, f.How = "From which task length on do processes cost nothing?", "Time of a worker spent for each task, by how long the task itself computes (calibrated once, alone). On the dashed line the task would be all there is."
	}
	for _, v := range y.ticks() {
		c.line("grid", 56, y.at(v), half-10, y.at(v))
		c.text("tick end", 52, y.at(v)+4, compare.Exact(v))
	}
	for _, p := range w.Curves[0].Points {
		c.line("grid", x.at(p.X), 14, x.at(p.X), 220)
		c.text("tick mid", x.at(p.X), 238, strings.ReplaceAll(format(p.X), " ", "\u00a0"))
	}
	c.text("tick mid", half/2, 258, w.Curve.X+"; "+w.Curve.Y)
	switch {
	case scaling:
		one := w.Curves[0].Points[0]
		end := min(float64(hix), y.hi/max(one.Median, 1e-9)*one.X)
		c.line("ideal", x.at(one.X), y.at(one.Median), x.at(end), y.at(one.Median*end/one.X))
		c.line("one", x.at(float64(r.Machine.CPUs)), 14, x.at(float64(r.Machine.CPUs)), 220)
	case w.Curve.Kind == "length":
		c.line("ideal", x.at(max(lox, loy*1e3)), y.at(max(lox/1e3, loy)), x.at(min(hix, hiy*1e3)), y.at(min(hix/1e3, hiy)))
	}
	for i, arm := range r.Shown() {
		for _, s := range w.Curves {
			if s.Arm != arm.Key {
				continue
			}
			poly(c, i, len(s.Points), func(k int) (float64, float64) { return x.at(s.Points[k].X), y.at(s.Points[k].Median) })
			for _, p := range s.Points {
				c.line("ci "+stroke(i), x.at(p.X), y.at(p.Lo), x.at(p.X), y.at(p.Hi))
				c.mark(fill(i)+" point", i, x.at(p.X), y.at(p.Median), 4, fmt.Sprintf("%s, %s: %s", arm.Name, format(p.X), p.String()))
			}
		}
	}
	for _, s := range w.Answers {
		if strings.Contains(s, "with ") && scaling && strings.Contains(s, "ideal") || strings.Contains(s, "there and back") || w.Curve.Kind == "length" && strings.Contains(s, "task") && strings.Contains(s, "cost") {
			f.Answer = strings.TrimSpace(f.Answer + " " + strings.TrimPrefix(s, w.Name+": "))
		}
	}
	f.SVG = c.svg(w.Curve.Y + " by " + w.Curve.X)
	return f
}
