package main

import (
	"bufio"
	"cmp"
	"encoding/json"
	"fmt"
	"io"
	"math"
	"slices"
	"strconv"
	"text/tabwriter"
	"time"

	"yunta/cmd/yunta/internal/wordcount"
)

// A countReport is what yunta count has found out; --json prints it as it stands.
type countReport struct {
	Words      int64               `json:"words"`
	Distinct   int                 `json:"distinct"`
	Files      int                 `json:"files"`
	Bytes      int64               `json:"bytes"`
	Binary     int                 `json:"binary"`
	Unreadable []wordcount.Problem `json:"unreadable"`
	Lost       []string            `json:"lost"` // tasks that failed for good
	Top        []wordcount.Word    `json:"top"`

	Model   string      `json:"model"`
	Jobs    int         `json:"jobs"`
	Pin     string      `json:"pin"`
	Tasks   int         `json:"tasks"`
	Listing float64     `json:"listing_seconds"`
	Seconds float64     `json:"seconds"`
	Workers []countLane `json:"workers"`
	Cores   []countLane `json:"cores"` // empty where the system does not tell

	top   int
	tally wordcount.Tally
	lost  []error
}

// A countLane is what one worker, or one core, did.
type countLane struct {
	Worker *int    `json:"worker,omitempty"`
	PIDs   []int   `json:"pids,omitempty"` // more than one if it was replaced
	Core   *int    `json:"core,omitempty"`
	Cores  []int   `json:"cores,omitempty"`
	Tasks  int     `json:"tasks"`
	Files  int     `json:"files"`
	Bytes  int64   `json:"bytes"`
	Busy   float64 `json:"busy_seconds"`
	Rate   float64 `json:"mb_per_second"` // while busy
}

func (l *countLane) add(p countPart) {
	l.Tasks++
	l.Files += p.Files
	l.Bytes += p.Bytes
	l.Busy += p.Busy.Seconds()
}

// finish rounds the busy time to what the clock is good for, and works out the rate.
func (l *countLane) finish() {
	l.Busy = microseconds(l.Busy)
	if l.Busy > 0 {
		l.Rate = math.Round(float64(l.Bytes)/1e5/l.Busy) / 10
	}
}

func microseconds(seconds float64) float64 { return math.Round(seconds*1e6) / 1e6 }

// add takes in what one task came to.
func (r *countReport) add(p countPart) error {
	if err := r.tally.Merge(p.Words); err != nil {
		return err
	}
	r.Tasks++
	r.Files += p.Files
	r.Bytes += p.Bytes
	r.Binary += p.Binary
	r.addProblems(p.Problems)

	w := findLane(&r.Workers, func(l countLane) bool { return *l.Worker == p.Worker }, countLane{Worker: &p.Worker})
	w.add(p)
	insert(&w.PIDs, p.PID)
	if p.CPU >= 0 {
		insert(&w.Cores, p.CPU)
		findLane(&r.Cores, func(l countLane) bool { return *l.Core == p.CPU }, countLane{Core: &p.CPU}).add(p)
	}
	return nil
}

func findLane(lanes *[]countLane, is func(countLane) bool, fresh countLane) *countLane {
	i := slices.IndexFunc(*lanes, is)
	if i < 0 {
		i = len(*lanes)
		*lanes = append(*lanes, fresh)
	}
	return &(*lanes)[i]
}

// insert keeps a short sorted set.
func insert(set *[]int, n int) {
	if i, found := slices.BinarySearch(*set, n); !found {
		*set = slices.Insert(*set, i, n)
	}
}

func (r *countReport) finish(listing, total time.Duration) {
	r.Words, r.Distinct, r.Top = r.tally.Total(), r.tally.Distinct(), r.tally.Top(r.top)
	r.Listing, r.Seconds = microseconds(listing.Seconds()), microseconds(total.Seconds())
	for _, err := range r.lost {
		r.Lost = append(r.Lost, oneLine(err))
	}
	for _, lanes := range [][]countLane{r.Workers, r.Cores} {
		for i := range lanes {
			lanes[i].finish()
		}
	}
	slices.SortFunc(r.Workers, func(a, b countLane) int { return cmp.Compare(*a.Worker, *b.Worker) })
	slices.SortFunc(r.Cores, func(a, b countLane) int { return cmp.Compare(*a.Core, *b.Core) })
}

func (r *countReport) printJSON(out io.Writer) error {
	// Lists are never null: a reader can range over them.
	for _, list := range []*[]countLane{&r.Workers, &r.Cores} {
		if *list == nil {
			*list = []countLane{}
		}
	}
	r.Top = append([]wordcount.Word{}, r.Top...)
	r.Unreadable = append([]wordcount.Problem{}, r.Unreadable...)
	r.Lost = append([]string{}, r.Lost...)
	encoder := json.NewEncoder(out)
	encoder.SetIndent("", "  ")
	return encoder.Encode(r)
}

func (r *countReport) print(out io.Writer) error {
	w := bufio.NewWriter(out)
	table := tabwriter.NewWriter(w, 0, 0, 2, ' ', tabwriter.AlignRight)
	if len(r.Top) > 0 {
		rank, count := len(strconv.Itoa(len(r.Top))), len(strconv.FormatInt(r.Top[0].Count, 10))
		for i, word := range r.Top {
			fmt.Fprintf(w, "%*d  %*d  %s\n", rank, i+1, count, word.Count, word.Word)
		}
		fmt.Fprintln(w)
	}
	fmt.Fprintf(w, "%s, %d different, in %s of %s", plural(r.Words, "word"), r.Distinct, plural(r.Files, "file"), megabytes(r.Bytes))
	fmt.Fprintf(w, "; %d binary, %d unreadable\n", r.Binary, len(r.Unreadable))
	fmt.Fprintf(w, "%s by %s in %.3f s, %.3f s of it listing files\n", plural(r.Tasks, "task"), plural(r.Jobs, r.Model), r.Seconds, r.Listing)
	if len(r.lost) > 0 {
		fmt.Fprintf(w, "%s failed: what it was to count is missing above\n", plural(len(r.lost), "task"))
	}

	if len(r.Workers) > 0 {
		fmt.Fprintln(w)
		fmt.Fprintln(table, "worker\tpid\tcore\ttasks\tfiles\tMB\tbusy s\tMB/s\t")
		for _, l := range r.Workers {
			fmt.Fprintf(table, "%d\t%s\t%s\t", *l.Worker, listing(l.PIDs), listing(l.Cores))
			l.printTo(table)
		}
		table.Flush()
	}
	if len(r.Cores) > 0 {
		fmt.Fprintln(w)
		fmt.Fprintln(table, "core\ttasks\tfiles\tMB\tbusy s\tMB/s\t")
		for _, l := range r.Cores {
			fmt.Fprintf(table, "%d\t", *l.Core)
			l.printTo(table)
		}
		table.Flush()
	}
	return w.Flush()
}

func (l countLane) printTo(w io.Writer) {
	fmt.Fprintf(w, "%d\t%d\t%.1f\t%.3f\t%.1f\t\n", l.Tasks, l.Files, float64(l.Bytes)/1e6, l.Busy, l.Rate)
}

// listing prints a short set, and of a long one how many there are.
func listing(set []int) string {
	switch {
	case len(set) == 0:
		return "?"
	case len(set) > 4:
		return fmt.Sprintf("%d of them", len(set))
	}
	text := fmt.Sprint(set)
	return text[1 : len(text)-1]
}

func plural[N int | int64](n N, noun string) string {
	switch {
	case n == 1:
		return "1 " + noun
	case noun == "process":
		return fmt.Sprintf("%d processes", n)
	}
	return fmt.Sprintf("%d %ss", n, noun)
}

func megabytes(n int64) string {
	if n < 1e5 {
		return fmt.Sprintf("%d bytes", n)
	}
	return fmt.Sprintf("%.1f MB", float64(n)/1e6)
}
