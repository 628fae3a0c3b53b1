package main

import (
	"fmt"
	"io"
	"slices"
	"time"

	"yunta/cmd/yunta/internal/jobs"
)

const (
	slowestShown = 3
	failedShown  = 10
)

// A summary remembers what the last lines of a run tell; not more, however many jobs there are.
type summary struct {
	begun                   time.Time
	succeeded, failed, left int // left: never begun
	before                  int // succeeded in an earlier run
	slowest                 []remembered
	failures                []remembered
}

// remembered is a job with the text that is shown of it.
type remembered struct {
	number  int
	value   string // quoted and shortened
	how     string
	elapsed time.Duration
}

func (s *summary) add(f *finished) {
	switch {
	case f.before:
		s.before++
		return
	case f.failed():
		s.failed++
		if len(s.failures) < failedShown {
			s.failures = append(s.failures, remember(f))
		}
	case f.result.End == jobs.NotRun:
		s.left++
		return
	default:
		s.succeeded++
	}
	e := f.result.Elapsed
	if len(s.slowest) == slowestShown && e <= s.slowest[slowestShown-1].elapsed {
		return
	}
	i, _ := slices.BinarySearchFunc(s.slowest, e, func(r remembered, e time.Duration) int {
		if r.elapsed >= e {
			return -1
		}
		return 1
	})
	s.slowest = slices.Insert(s.slowest, i, remember(f))
	s.slowest = s.slowest[:min(len(s.slowest), slowestShown)]
}

func remember(f *finished) remembered {
	return remembered{f.seq, short(f.value), f.how(), f.result.Elapsed}
}

func (s *summary) print(w io.Writer, name string) {
	left := ""
	if s.left > 0 {
		left = fmt.Sprintf(", %d not begun", s.left)
	}
	if s.before > 0 {
		left += fmt.Sprintf(", %d done before", s.before)
	}
	fmt.Fprintf(w, "%s: %s in %s: %d succeeded, %d failed%s\n",
		name, plural(s.succeeded+s.failed, "job"), rounded(time.Since(s.begun)), s.succeeded, s.failed, left)
	if len(s.slowest) > 0 && s.succeeded+s.failed > 1 {
		fmt.Fprint(w, "slowest:")
		for i, r := range s.slowest {
			if i > 0 {
				fmt.Fprint(w, ",")
			}
			fmt.Fprintf(w, " job %d (%s) %s", r.number, r.value, rounded(r.elapsed))
		}
		fmt.Fprintln(w)
	}
	for _, r := range s.failures {
		fmt.Fprintf(w, "failed: job %d (%s) %s after %s\n", r.number, r.value, r.how, rounded(r.elapsed))
	}
	if more := s.failed - len(s.failures); more > 0 {
		fmt.Fprintf(w, "failed: and %d more\n", more)
	}
}

// rounded keeps three digits or so, and whole seconds of what is long.
func rounded(d time.Duration) time.Duration {
	unit := time.Microsecond
	for d >= 1000*unit && unit < time.Second {
		unit *= 10
	}
	return d.Round(unit)
}

// shortened is how many bytes of a value a message shows.
const shortened = 60

// short shows a value in a message, on one line.
func short(value string) string {
	q := fmt.Sprintf("%.*q", shortened, value)
	if len([]rune(value)) > shortened {
		q += "..."
	}
	return q
}
