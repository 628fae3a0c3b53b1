package supervisor_test

import (
	"fmt"
	"io"
	"os"
	"os/exec"
	"runtime"
	"strings"
	"unicode/utf8"

	"yunta/supervisor"
)

// printPeers prints what was measured: a table, what else has to be said, and
// where and when it was.
func printPeers(w io.Writer, rows []*peerRow, py *python, rounds int, load string, markdown bool) {
	cells := [][]string{{"job", "yunta", "python3", "faster", "target", "", "limit", "x limit", "the limit is"}}
	var notes []string
	for _, r := range rows {
		if r.times[0] == nil {
			continue // not chosen by -bench
		}
		show := duration
		if r.rate {
			show = rate
		}
		ours, python, limit := median(r.times[0]), median(r.times[1]), median(r.times[2])
		theirs, faster, target, verdict := "", "", "", ""
		if python > 0 {
			theirs, faster = show(python), fmt.Sprintf("%.3gx", python/ours)
		}
		if r.target > 0 {
			target = fmt.Sprintf("%gx", r.target)
			switch {
			case python == 0:
			case python/ours < r.target:
				verdict = "MISSED"
			default:
				verdict = "met"
			}
		}
		cells = append(cells, []string{
			r.title, show(ours), theirs, faster, target, verdict,
			show(limit), fmt.Sprintf("%.2f", ours/limit), r.limitIs,
		})
		if r.note != "" && py.missing == nil {
			notes = append(notes, r.title+": "+r.note+".")
		}
		for _, a := range r.also {
			notes = append(notes, fmt.Sprintf("Another limit, %s: %s.", a.what, duration(median(a.times))))
		}
	}
	if py.missing != nil {
		notes = append(notes, fmt.Sprintf("The python3 column is empty: %v.", py.missing))
	}
	notes = append(notes,
		fmt.Sprintf("Medians of %d rounds, in which the sides take turns; two workers each, everything started anew each round.", rounds),
		machine(py.version)+"; load average "+load+" when it began.")
	fmt.Fprintln(w)
	if markdown {
		writeMarkdown(w, cells, notes)
	} else {
		writePlain(w, cells, notes)
	}
	fmt.Fprintln(w)
}

func writePlain(w io.Writer, cells [][]string, notes []string) {
	width := make([]int, len(cells[0]))
	for _, row := range cells {
		for i, c := range row {
			width[i] = max(width[i], utf8.RuneCountInString(c))
		}
	}
	for _, row := range cells {
		var line strings.Builder
		for i, c := range row {
			pad := strings.Repeat(" ", width[i]-utf8.RuneCountInString(c))
			if i == 0 || i == len(row)-1 || i == 5 {
				line.WriteString(c + pad)
			} else {
				line.WriteString(pad + c)
			}
			line.WriteString("  ")
		}
		fmt.Fprintln(w, strings.TrimRight(line.String(), " "))
	}
	fmt.Fprintln(w)
	for _, n := range notes {
		fmt.Fprintln(w, n)
	}
}

func writeMarkdown(w io.Writer, cells [][]string, notes []string) {
	for i, row := range cells {
		fmt.Fprintf(w, "| %s |\n", strings.Join(row, " | "))
		if i == 0 {
			fmt.Fprintln(w, "|---|--:|--:|--:|--:|---|--:|--:|---|")
		}
	}
	fmt.Fprintln(w)
	for _, n := range notes {
		fmt.Fprintln(w, n+"  ")
	}
}

// duration shows seconds.
func duration(s float64) string {
	for _, u := range []struct {
		name string
		size float64
	}{{"s", 1}, {"ms", 1e-3}, {"us", 1e-6}} {
		if s >= u.size {
			return fmt.Sprintf("%.3g %s", s/u.size, u.name)
		}
	}
	return fmt.Sprintf("%.3g ns", s*1e9)
}

// rate shows seconds a task as tasks a second.
func rate(s float64) string { return fmt.Sprintf("%.3g M/s", 1/s/1e6) }

// machine says where it was measured.
func machine(python string) string {
	parts := []string{
		processor(), fmt.Sprintf("%d usable cores", supervisor.CPUCount()),
		output("uname", "-srm"), runtime.Version(),
	}
	if python != "" {
		parts = append(parts, "Python "+python)
	}
	return strings.Join(parts, ", ")
}

func processor() string {
	if b, err := os.ReadFile("/proc/cpuinfo"); err == nil {
		for line := range strings.Lines(string(b)) {
			if key, value, ok := strings.Cut(line, ":"); ok && strings.TrimSpace(key) == "model name" {
				return strings.TrimSpace(value)
			}
		}
	}
	if s := output("sysctl", "-n", "machdep.cpu.brand_string"); s != "" {
		return s
	}
	return runtime.GOARCH
}

// loadAverage is that of the last 1, 5 and 15 minutes, as uptime(1) says it.
func loadAverage() string {
	s := output("uptime")
	for _, mark := range []string{"load average: ", "load averages: "} {
		if _, load, ok := strings.Cut(s, mark); ok {
			return load
		}
	}
	return "unknown"
}

func output(name string, args ...string) string {
	b, err := exec.Command(name, args...).Output()
	if err != nil {
		return ""
	}
	return strings.TrimSpace(string(b))
}
