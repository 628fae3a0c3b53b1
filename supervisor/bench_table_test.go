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
func printPeers(w io.Writer, rows []*peerRow, missing []error, rounds int, where string) {
	cells := [][]string{{"job", "yunta", "python3", "faster", "target", "", "limit", "x limit", "the limit is"}}
	var notes []string
	for _, r := range rows {
		switch {
		case r.times[0] == nil: // not chosen by -bench
		case r.missing != nil:
			notes = append(notes, fmt.Sprintf("%s: left out: %v.", r.title, r.missing))
		default:
			cells = append(cells, r.cells())
			notes = append(notes, r.notes()...)
		}
	}
	for i, what := range []string{"python3", "loky"} {
		if missing[i] != nil {
			notes = append(notes, fmt.Sprintf("There are no figures of %s: %v.", what, missing[i]))
		}
	}
	notes = append(notes,
		fmt.Sprintf("Medians of %d rounds, in which the sides take turns; two workers each unless it says otherwise, everything started anew each round.", rounds),
		where)
	fmt.Fprintln(w)
	if os.Getenv("YUNTA_BENCH_MARKDOWN") != "" {
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
			if i == 0 || i == len(row)-1 || i == 4 || i == 5 {
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
			fmt.Fprintln(w, "|---|--:|--:|--:|---|---|--:|--:|---|")
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
func rate(s float64) string {
	switch {
	case s < 1e-5:
		return fmt.Sprintf("%.3g M/s", 1/s/1e6)
	case s < 1e-2:
		return fmt.Sprintf("%.3g k/s", 1/s/1e3)
	}
	return fmt.Sprintf("%.3g /s", 1/s)
}

// memory shows bytes.
func memory(n float64) string {
	if n < 1<<20 {
		return fmt.Sprintf("%.3g KiB", n/(1<<10))
	}
	return fmt.Sprintf("%.3g MiB", n/(1<<20))
}

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
