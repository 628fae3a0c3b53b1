package compare

import (
	"bufio"
	"fmt"
	"io"
	"strings"
	"unicode/utf8"
)

// A Terminal says how the report is to be printed.
type Terminal struct {
	Width  int  // columns
	Colour bool // with escape sequences
}

// minWidth is what even a narrow terminal has.
const minWidth = 40

// blockWidth is the width below which every arm has a table of its own.
const blockWidth = 80

// A page is a report being printed.
type page struct {
	Terminal
	w *bufio.Writer
	r *Report
}

// Print writes the report for people.
func (r *Report) Print(w io.Writer, t Terminal) error {
	t.Width = max(t.Width, minWidth)
	p := &page{t, bufio.NewWriter(w), r}
	p.header()
	for _, w := range r.Workloads {
		p.workload(w)
	}
	if len(r.Workloads) > 1 && len(r.Sentences) > 0 {
		p.line("")
		p.line(p.style("1", "In all"))
		for _, s := range r.Sentences {
			p.wrap("  ", s)
		}
	}
	if len(r.Warnings) > 0 {
		p.line("")
	}
	for _, s := range r.Warnings {
		p.wrap("! ", Clean(s, 400))
	}
	return p.w.Flush()
}

func (p *page) line(text string) { fmt.Fprintln(p.w, strings.TrimRight(text, " ")) }

func (p *page) style(code, text string) string {
	if !p.Colour || text == "" {
		return text
	}
	return "\x1b[" + code + "m" + text + "\x1b[0m"
}

// wrap prints a paragraph; its first line begins with what is given, the others with as many spaces.
func (p *page) wrap(first, text string) {
	line, empty := first, true
	text = Clean(text, 4000)
	for word := range strings.FieldsSeq(text) {
		if !empty && utf8.RuneCountInString(line)+1+utf8.RuneCountInString(word) > p.Width {
			p.line(line)
			line, empty = strings.Repeat(" ", utf8.RuneCountInString(first)), true
		}
		if !empty {
			line += " "
		}
		line, empty = line+word, false
	}
	p.line(line)
}

func (p *page) header() {
	r := p.r
	m := r.Machine
	cpus := "cpus"
	if m.CPUs == 1 {
		cpus = "cpu"
	}
	text := fmt.Sprintf("%d %s (%s; SMT %s; %s), %s, %s", m.CPUs, cpus, Clean(m.Processor, 60), m.SMT, m.Virtual, m.System, m.Go)
	if m.Python != "" {
		text += ", Python " + Clean(m.Python, 20)
	}
	p.wrap("machine  ", text+"; "+r.LoadText())
	p.wrap("runs     ", r.RunsText())
}

// LoadText says how busy the machine was.
func (r *Report) LoadText() string {
	m := r.Machine
	if m.LoadStart < 0 {
		return "load unknown"
	}
	text := fmt.Sprintf("load %.1f at the start", m.LoadStart)
	if m.LoadEnd >= 0 {
		text += fmt.Sprintf(", %.1f at the end", m.LoadEnd)
	}
	if m.Steal >= 0.005 {
		text += fmt.Sprintf(", %s stolen by the host", Percent(m.Steal))
	}
	return text
}

// RunsText says how the runs were made.
func (r *Report) RunsText() string {
	text := fmt.Sprintf("%d of each, interleaved in an order shuffled by seed %d, after %d to warm up", r.Runs, r.Seed, r.Warmup)
	if r.Workers > 0 {
		text += fmt.Sprintf("; %d workers on as many cores", r.Workers)
		if r.Pinned {
			text += ", processes pinned"
		}
	}
	for _, a := range r.Arms {
		if a.Same != "" {
			text += fmt.Sprintf("; %s ran twice (A/A) for the noise", r.Name(a.Same))
			break
		}
	}
	return text
}

// Says says what a workload was.
func (w *Workload) Says() string {
	text := Clean(w.About, 300)
	if w.Tasks > 0 {
		text += "; " + Exact(float64(w.Tasks)) + " tasks"
	}
	if w.Checksum != "" {
		text += ", checksum " + Clean(w.Checksum, 16) + " equal in all"
	}
	return text
}

func (p *page) workload(w *Workload) {
	p.line("")
	name := Clean(w.Name, 24)
	// The name is styled after the line was broken, which must not count the escape sequences.
	var text strings.Builder
	plain := &page{Terminal{Width: p.Width}, bufio.NewWriter(&text), p.r}
	plain.wrap(name+"  ", w.Says())
	plain.w.Flush()
	fmt.Fprint(p.w, p.style("1", name)+strings.TrimPrefix(text.String(), name))
	p.grid(func(brief bool) Grid { return p.r.MetricGrid(w, brief) })
	p.grid(func(brief bool) Grid { return p.r.CurveGrid(w, brief) })
	p.grid(func(bool) Grid { return p.r.FaultGrid(w) })
	for i, s := range w.Answers {
		if i == 0 {
			p.line("")
		}
		p.wrap("  ", strings.TrimPrefix(s, w.Name+": "))
	}
}

// grid prints a table, in brief where it is too wide, and column by column where that is too wide as well.
func (p *page) grid(make func(brief bool) Grid) {
	full, brief := make(false).clean(), make(true).clean()
	if len(full.Rows) == 0 {
		return
	}
	p.line("")
	for _, g := range []Grid{full, brief} {
		if p.Width >= blockWidth && g.width() <= p.Width {
			p.table(g)
			return
		}
	}
	if p.Width >= blockWidth {
		for i := range brief.Head {
			brief.Head[i] = Clean(brief.Head[i], 12)
		}
		if brief.width() <= p.Width {
			p.table(brief)
			return
		}
	}
	p.blocks(full)
}

const gap = 2

func (g Grid) widths() []int {
	widths := make([]int, len(g.Head))
	for _, line := range append([][]string{g.Head}, g.Rows...) {
		for i, text := range line {
			widths[i] = max(widths[i], utf8.RuneCountInString(text))
		}
	}
	return widths
}

func (g Grid) width() int {
	total := 2 - gap
	for _, w := range g.widths() {
		total += w + gap
	}
	return total
}

func (p *page) table(g Grid) {
	widths := g.widths()
	for n, line := range append([][]string{g.Head}, g.Rows...) {
		text := "  "
		for i, cell := range line {
			space := strings.Repeat(" ", widths[i]-utf8.RuneCountInString(cell))
			if i >= g.Right {
				text += space + cell
			} else {
				text += cell + space
			}
			if i < len(line)-1 {
				text += strings.Repeat(" ", gap)
			}
		}
		text = strings.TrimRight(text, " ")
		switch {
		case n == 0:
			text = p.style("4", text)
		case g.Dim[n-1]:
			text = p.style("2", text)
		}
		p.line(text)
	}
}

// blocks prints one list for each column.
func (p *page) blocks(g Grid) {
	first := min(g.Right, 2, len(g.Head)-1)
	label := 0
	labels := make([]string, len(g.Rows))
	for i, line := range g.Rows {
		labels[i] = strings.TrimSpace(strings.Join(line[:first], " "))
		label = max(label, utf8.RuneCountInString(labels[i]))
	}
	if g.Right == 9 { // faults: one column of labels
		label = 0
		for i, line := range g.Rows {
			labels[i] = line[0]
			label = max(label, utf8.RuneCountInString(labels[i]))
		}
		first = 1
	}
	for column := first; column < len(g.Head); column++ {
		p.line("  " + p.style("4", Clean(g.Head[column], p.Width-2)))
		for i, line := range g.Rows {
			if line[column] == "" || line[column] == "-" {
				continue
			}
			text := "    " + labels[i] + strings.Repeat(" ", label-utf8.RuneCountInString(labels[i])+gap) + line[column]
			if g.Dim[i] {
				text = p.style("2", text)
			}
			p.line(text)
		}
	}
}
