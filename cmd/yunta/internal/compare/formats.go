package compare

import (
	"bufio"
	"encoding/csv"
	"fmt"
	"io"
	"strconv"
	"strings"
)

// WriteCSV writes a row for each run: what it was, all numbers in the units of [Metrics], and how it ended. A number that a run does
// not have is empty.
func (r *Report) WriteCSV(w io.Writer) error {
	out := csv.NewWriter(w)
	head := []string{"workload", "arm", "order"}
	for _, m := range Metrics {
		head = append(head, m.Key)
	}
	_ = out.Write(append(head, "load", "error")) // Error tells
	for _, work := range r.Workloads {
		for _, run := range work.Runs {
			line := []string{work.Name, run.Arm, strconv.Itoa(run.Order)}
			for _, m := range Metrics {
				text := ""
				if v, found := run.Metrics[m.Key]; found {
					text = strconv.FormatFloat(v, 'g', -1, 64)
				}
				line = append(line, text)
			}
			_ = out.Write(append(line, strconv.FormatFloat(run.Load, 'g', 4, 64), run.Error)) // Error tells
		}
	}
	out.Flush()
	return out.Error()
}

// WriteMarkdown writes the tables and sentences in GitHub's Markdown.
func (r *Report) WriteMarkdown(out io.Writer) error {
	w := bufio.NewWriter(out)
	m := r.Machine
	fmt.Fprintf(w, "# %s\n\n%d cpus (%s; SMT %s; %s), %s, %s; %s. Runs: %s.\n", markdown(r.Title), m.CPUs, markdown(m.Processor),
		m.SMT, m.Virtual, m.System, m.Go, r.LoadText(), r.RunsText())
	for _, work := range r.Workloads {
		fmt.Fprintf(w, "\n## %s\n\n%s\n", markdown(work.Name), markdown(work.Says()))
		for _, g := range []Grid{r.MetricGrid(work, false), r.CurveGrid(work, false), r.FaultGrid(work)} {
			g.markdown(w)
		}
		sentences(w, work.Answers)
	}
	if len(r.Workloads) > 1 && len(r.Sentences) > 0 {
		fmt.Fprint(w, "\n## In all\n")
		sentences(w, r.Sentences)
	}
	if len(r.Warnings) > 0 {
		fmt.Fprint(w, "\n## Warnings\n")
		sentences(w, r.Warnings)
	}
	return w.Flush()
}

func sentences(w io.Writer, all []string) {
	if len(all) > 0 {
		fmt.Fprintln(w)
	}
	for _, s := range all {
		fmt.Fprintf(w, "- %s\n", markdown(s))
	}
}

// markdown takes from a text whatever has a meaning there.
func markdown(text string) string {
	return strings.NewReplacer("|", "\\|", "<", "&lt;", ">", "&gt;", "&", "&amp;", "`", "\\`", "*", "\\*", "_", "\\_", "[", "\\[", "]", "\\]", "~", "\\~").
		Replace(Clean(text, 1000))
}

func (g Grid) markdown(w io.Writer) {
	if len(g.Rows) == 0 {
		return
	}
	fmt.Fprintln(w)
	for n, line := range append([][]string{g.Head}, g.Rows...) {
		for _, cell := range line {
			fmt.Fprintf(w, "| %s ", markdown(cell))
		}
		fmt.Fprintln(w, "|")
		if n == 0 {
			for i := range line {
				if i >= g.Right {
					fmt.Fprint(w, "|--:")
				} else {
					fmt.Fprint(w, "|---")
				}
			}
			fmt.Fprintln(w, "|")
		}
	}
}
