package report

import (
	"fmt"
	"strconv"
	"strings"

	"yunta/cmd/yunta/internal/compare"
)

// start shows where the time to the first result goes, step by step: medians over the runs.
func start(r *compare.Report, w *compare.Workload) figure {
	type bar struct {
		arm   int
		steps []compare.Step
		total float64
	}
	var bars []bar
	top := 0.0
	g := compare.Grid{Head: []string{"", "step", "ms"}, Right: 2}
	for i, arm := range r.Shown() {
		values := map[string][]float64{}
		var names []string
		for _, run := range w.Runs {
			if run.Arm != arm.Key || run.Error != "" {
				continue
			}
			steps := run.Start
			if ready, found := run.Metrics["ready"]; found && len(steps) == 0 {
				steps = []compare.Step{{Name: "all of it", MS: ready}}
			}
			for _, s := range steps {
				if values[s.Name] == nil {
					names = append(names, s.Name)
				}
				values[s.Name] = append(values[s.Name], s.MS)
			}
		}
		b := bar{arm: i}
		for _, name := range names {
			ms := compare.Summarize(values[name]).Median
			b.steps = append(b.steps, compare.Step{Name: name, MS: ms})
			b.total += ms
			g.Rows = append(g.Rows, []string{arm.Name, compare.Clean(name, 40), compare.Num(ms)})
		}
		if b.total > 0 {
			bars = append(bars, b)
			top = max(top, b.total)
		}
	}
	if len(bars) == 0 {
		return figure{}
	}
	c := &canvas{w: half, h: float64(len(bars))*48 + 48}
	x := linear(top, 90, half-14)
	axis(c, x, "ms from nothing to the first result")
	for i, b := range bars {
		y, at := 14+float64(i)*48, x.at(0)
		c.text("name small", 0, y+18, r.Shown()[b.arm].Name)
		for k, s := range b.steps {
			width := x.at(s.MS) - x.at(0)
			c.rect(fill(b.arm)+" part p"+strconv.Itoa(k%4), at, y, width, 28, fmt.Sprintf("%s: %s ms", s.Name, compare.Num(s.MS)))
			if width > 150 {
				c.text("inside", at+6, y+18, compare.Clean(s.Name, int(width/6.5)))
			}
			at += width
		}
	}
	return figure{
		ID: "start", Question: "Why does the first task come late?", SVG: c.svg("time to the first result, by steps"), Answer: rowAnswer(r, w, "ready"), Table: g,
		How: "The steps are stamped by the worker that did the first task: when its packages were set up, when it had shaken hands and run the pool's initializer, when the pool was complete, when the result was there.",
	}
}

func axis(c *canvas, x scale, label string) {
	for _, v := range x.ticks() {
		c.line("grid", x.at(v), 6, x.at(v), c.h-36)
		c.text("tick mid", x.at(v), c.h-20, compare.Exact(v))
	}
	c.text("tick mid", (x.from+x.to)/2, c.h-4, label)
}

// memory shows the processes of each arm's middle run, and what a sum of RSS would claim.
func memory(r *compare.Report, w *compare.Workload) figure {
	var arms []int
	top := 0.0
	g := compare.Grid{Head: []string{"", "process", "PSS MB", "RSS MB", "Go heap MB"}, Right: 2}
	readings := map[int][]compare.Reading{}
	for i, arm := range r.Shown() {
		run := w.MedianRun(arm.Key)
		if run == nil || len(run.Memory) == 0 {
			continue
		}
		pss, rss := 0.0, 0.0
		for _, m := range run.Memory {
			pss, rss = pss+float64(m.PSS)/1e6, rss+float64(m.RSS)/1e6
			heap := "-"
			if m.Heap > 0 {
				heap = compare.Num(float64(m.Heap) / 1e6)
			}
			g.Rows = append(g.Rows, []string{arm.Name, compare.Clean(m.Who, 20), compare.Num(float64(m.PSS) / 1e6), compare.Num(float64(m.RSS) / 1e6), heap})
		}
		if pss > 0 {
			arms, readings[i] = append(arms, i), run.Memory
			top = max(top, rss, pss)
		}
	}
	if len(arms) == 0 {
		return figure{}
	}
	c := &canvas{w: half, h: float64(len(arms))*48 + 48}
	x := linear(top, 90, half-14)
	axis(c, x, "MB of PSS, a part for each process; dashed: sum of RSS")
	for k, i := range arms {
		y, at, rss := 14+float64(k)*48, x.at(0), 0.0
		c.text("name small", 0, y+18, r.Shown()[i].Name)
		for p, m := range readings[i] {
			width := x.at(float64(m.PSS)/1e6) - x.at(0)
			c.rect(fill(i)+" part p"+strconv.Itoa(p%4), at, y, width, 28, fmt.Sprintf("%s: PSS %s MB, RSS %s MB", m.Who, compare.Num(float64(m.PSS)/1e6), compare.Num(float64(m.RSS)/1e6)))
			at += width
			rss += float64(m.RSS) / 1e6
		}
		c.line("ideal", x.at(rss), y-4, x.at(rss), y+32)
	}
	return figure{
		ID: "memory", Question: "How much memory is really extra?", SVG: c.svg("memory by process"), Answer: rowAnswer(r, w, "pss"), Table: g,
		How: "Of the run in the middle. PSS shares a page among those who map it, so the program's text is not counted once for every process.",
	}
}

// collector shows what collecting garbage and waiting for locks cost.
func collector(r *compare.Report, w *compare.Workload) figure {
	var rows []compare.Row
	for _, key := range []string{"gc_pause", "gc_max", "gc_cycles", "lock_wait"} {
		if row, found := w.Row(key); found {
			rows = append(rows, row)
		}
	}
	if len(rows) == 0 {
		return figure{}
	}
	shown := r.Shown()
	c := &canvas{w: half, h: 10}
	question := "One big heap or many small ones?"
	var answers []string
	for _, row := range rows {
		m, _ := compare.MetricOf(row.Metric)
		if row.Metric == "lock_wait" {
			question = "How much of the time goes into waiting for the lock?"
		}
		c.text("name small", 0, c.h+12, strings.TrimSpace(m.Label+", "+m.Unit))
		c.h += 20
		top := 0.0
		for _, cell := range row.Arms {
			top = max(top, cell.Hi)
		}
		x := scale{lo: 0, hi: max(top, 1e-9), from: 90, to: half - 70}
		for i, arm := range shown {
			s, found := row.Cell(arm.Key)
			if !found {
				continue
			}
			c.text("tick", 0, c.h+12, arm.Name)
			c.rect(fill(i)+" part", x.at(0), c.h, max(x.at(s.Median)-x.at(0), 1), 16, arm.Name+": "+s.String()+" "+m.Unit)
			c.line("ci", x.at(s.Lo), c.h+8, x.at(s.Hi), c.h+8)
			c.text("tick", x.at(s.Hi)+6, c.h+12, compare.Num(s.Median))
			c.h += 21
		}
		c.h += 10
	}
	for _, key := range []string{"gc_pause", "lock_wait"} {
		if text := rowAnswer(r, w, key); text != "" {
			answers = append(answers, text)
		}
	}
	return figure{
		ID: "heap", Question: question, SVG: c.svg("garbage collection and locks"), Answer: strings.Join(answers, " "),
		How: "Summed over all heaps of a run, from its start to the end of the tasks. Waiting is sampled at every sixteenth locking.",
	}
}

// timeline shows what each worker of each arm's middle run did when. Tasks that fall into one pixel are drawn as one.
func timeline(r *compare.Report, w *compare.Workload) figure {
	var longest int64
	lanes, left, tasks := 0, 0, 0
	for _, arm := range r.Shown() {
		run := w.MedianRun(arm.Key)
		if run == nil {
			continue
		}
		for _, l := range run.Lanes {
			lanes++
			left += l.Left
			tasks += len(l.Spans) / 2
			var end int64
			for _, v := range l.Spans {
				end += v
			}
			longest = max(longest, end)
		}
	}
	if lanes == 0 || lanes > 64 || longest == 0 {
		return figure{}
	}
	c := &canvas{w: wide, h: float64(lanes)*20 + 46}
	x := linear(float64(longest)/1e3, 170, wide-14)
	axis(c, x, "ms since the tasks were handed over")
	y := 10.0
	for i, arm := range r.Shown() {
		run := w.MedianRun(arm.Key)
		if run == nil {
			continue
		}
		for _, l := range run.Lanes {
			c.text("tick", 0, y+11, arm.Name+" "+compare.Clean(l.Name, 12))
			c.rect("track", x.at(0), y, x.to-x.from, 14, "")
			c.add(`<path class="lane %s" d="%s"/>`, fill(i), lanePath(l.Spans, x, y))
			y += 20
		}
	}
	answer := fmt.Sprintf("%d tasks are drawn", tasks)
	if left > 0 {
		answer += fmt.Sprintf("; %d later ones were not kept", left)
	}
	return figure{
		ID: "timeline", Question: "Who worked when?", SVG: c.svg("timeline of tasks by worker"), Answer: answer + ".", Wide: true,
		How: "Of the middle run of each model, on one scale of time. White is a worker without a task: it waits for work, for the others to send, or for its turn on the core.",
	}
}

// lanePath draws busy stretches as rectangles of one path, merged where they touch at the resolution of half a pixel.
func lanePath(spans []int64, x scale, y float64) string {
	var d strings.Builder
	var t int64
	from, to := -1.0, -1.0
	flush := func() {
		if to > from {
			fmt.Fprintf(&d, "M%s %sh%sv14h%sz", n(from), n(y), n(to-from), n(from-to))
		}
	}
	for i := 0; i+1 < len(spans); i += 2 {
		a := x.at(float64(t+spans[i]) / 1e3)
		t += spans[i] + spans[i+1]
		b := max(x.at(float64(t)/1e3), a+0.4)
		if from >= 0 && a-to < 0.5 {
			to = max(to, b)
			continue
		}
		flush()
		from, to = a, b
	}
	flush()
	return d.String()
}
