package compare

import (
	"fmt"
	"strings"
	"unicode"
	"unicode/utf8"
)

// A Grid is a table before it has a form: the terminal's, Markdown's and the page's are made of the same one.
type Grid struct {
	Head  []string
	Rows  [][]string
	Dim   []bool // rows that say nothing for sure
	Right int    // columns from this one on are aligned to the right
}

// Clean makes a text from outside harmless in a line: control characters and what turns the direction of writing become spaces, and
// it is cut to so many characters.
func Clean(text string, most int) string {
	text = strings.Map(func(r rune) rune {
		if unicode.IsControl(r) || unicode.Is(unicode.Cf, r) || r == utf8.RuneError || r == '\u2028' || r == '\u2029' {
			return ' '
		}
		return r
	}, text)
	if utf8.RuneCountInString(text) <= most {
		return text
	}
	runes := []rune(text)
	return string(runes[:most-1]) + "…"
}

// clean returns the grid without what could do harm in a terminal: names may come from a file.
func (g Grid) clean() Grid {
	for _, line := range append([][]string{g.Head}, g.Rows...) {
		for i := range line {
			line[i] = Clean(line[i], 60)
		}
	}
	return g
}

// MetricGrid has a row for each metric of a workload. Only in brief is how sure a difference is left out.
func (r *Report) MetricGrid(w *Workload, brief bool) Grid {
	shown := r.Shown()
	g := Grid{Head: []string{"", ""}, Right: 2}
	for _, arm := range shown {
		g.Head = append(g.Head, arm.Name)
	}
	two := len(shown) > 1
	if two && brief {
		g.Head = append(g.Head, "1st/2nd")
	} else if two {
		g.Head = append(g.Head, shown[0].Name+" against "+shown[1].Name)
	}
	for _, row := range w.Rows {
		m, _ := MetricOf(row.Metric)
		line := []string{m.Label, m.Unit}
		n := 0
		for _, arm := range shown {
			s, _ := row.Cell(arm.Key)
			line = append(line, s.String())
			n = max(n, s.N)
		}
		dim := false
		if two {
			text := ""
			if row.Diff != nil {
				n := min(row.Arms[0].N, row.Arms[1].N)
				text, dim = row.Diff.Long(n), !row.Diff.Real()
				if brief {
					text = row.Diff.Short()
				}
			}
			line = append(line, text)
		}
		g.Rows, g.Dim = append(g.Rows, line), append(g.Dim, dim)
	}
	return g
}

// CurveGrid has a row for each point of a workload's curves; no rows where there are none.
func (r *Report) CurveGrid(w *Workload, brief bool) Grid {
	if w.Curve == nil || len(w.Curves) == 0 {
		return Grid{}
	}
	g := Grid{Head: []string{w.Curve.X, ""}, Right: 2}
	format, unit := Exact, ""
	switch w.Curve.Kind {
	case "crossing":
		format, unit = Bytes, "us"
	case "length":
		format, unit = Duration, "us"
	case "scaling":
		unit = "task/s"
	}
	shown := r.Shown()
	for _, arm := range shown {
		g.Head = append(g.Head, arm.Name)
	}
	two := len(shown) > 1
	if two && brief {
		g.Head = append(g.Head, "1st/2nd")
	} else if two {
		g.Head = append(g.Head, shown[0].Name+" against "+shown[1].Name)
	}
	for i, p := range w.Curves[0].Points {
		line := []string{format(p.X), unit}
		for _, arm := range shown {
			text := "-"
			if s, found := w.series(arm.Key); found {
				for _, q := range s.Points {
					if q.X == p.X {
						text = q.String()
					}
				}
			}
			line = append(line, text)
		}
		dim := p.Diff != nil && !p.Diff.Real()
		if two {
			text := ""
			if p.Diff != nil && brief {
				text = p.Diff.Short()
			} else if p.Diff != nil {
				text = p.Diff.Long(w.Curves[0].Points[i].N)
			}
			line = append(line, text)
		}
		g.Rows, g.Dim = append(g.Rows, line), append(g.Dim, dim)
	}
	return g
}

// FaultGrid has a row for each fault, with what became of the other tasks in each arm.
func (r *Report) FaultGrid(w *Workload) Grid {
	if len(w.Faults) == 0 {
		return Grid{}
	}
	g := Grid{Head: []string{"fault"}, Right: 9} // texts, not numbers
	shown := r.Shown()
	for _, arm := range shown {
		g.Head = append(g.Head, arm.Name)
	}
	at := map[string]int{}
	for _, f := range w.Faults {
		i, found := at[f.Fault]
		if !found {
			i = len(g.Rows)
			at[f.Fault] = i
			line := make([]string, len(g.Head))
			line[0] = f.Fault
			for j := range line[1:] {
				line[j+1] = "-"
			}
			g.Rows, g.Dim = append(g.Rows, line), append(g.Dim, false)
		}
		for j, arm := range shown {
			if arm.Key == f.Arm {
				g.Rows[i][j+1] = f.Brief()
			}
		}
	}
	return g
}

// Brief says in a few words what became of the work.
func (f Fault) Brief() string {
	if f.Outcome == "skipped" {
		return "-"
	}
	return fmt.Sprintf("%s, %d/%d done", f.Outcome, f.Done, f.Tasks)
}
