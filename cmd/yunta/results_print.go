package main

import (
	"encoding/csv"
	"encoding/json"
	"fmt"
	"io"
	"strconv"
	"strings"
	"unicode"
)

// A rowPrinter prints rows as they come.
type rowPrinter interface {
	begin() error
	row(r *resultRow) error
}

func (o resultsOptions) printer(out io.Writer) rowPrinter {
	switch {
	case o.json:
		e := json.NewEncoder(out)
		e.SetEscapeHTML(false)
		return jsonRows{e}
	case o.csv:
		return csvRows{csv.NewWriter(out)}
	}
	return tableRows{out}
}

type jsonRows struct{ e *json.Encoder }

func (jsonRows) begin() error             { return nil }
func (p jsonRows) row(r *resultRow) error { return p.e.Encode(r) }

type csvRows struct{ w *csv.Writer }

func (p csvRows) begin() error {
	return p.write("job", "entry", "index", "occurrence", "attempt", "state", "started", "seconds", "writer", "pid", "digest", "argument", "result", "error")
}

func (p csvRows) row(r *resultRow) error {
	seconds, result := "", ""
	if r.Seconds != nil {
		seconds = strconv.FormatFloat(*r.Seconds, 'f', 6, 64)
	}
	if r.Result != nil {
		result = compact(r.Result)
	}
	return p.write(r.Job, r.Entry, strconv.FormatInt(r.Index, 10), strconv.FormatUint(uint64(r.Occurrence), 10), strconv.FormatUint(uint64(r.Attempt), 10),
		r.State, r.Started, seconds, strconv.FormatUint(uint64(r.Writer), 10), strconv.Itoa(r.PID), r.Digest, compact(r.Argument), result, r.Error)
}

func (p csvRows) write(cells ...string) error {
	if err := p.w.Write(cells); err != nil {
		return err
	}
	p.w.Flush()
	return p.w.Error()
}

// tableRows are lines for people: columns of fixed width, since rows are printed as they are found.
type tableRows struct{ out io.Writer }

// Widths beyond which a value is cut in the table.
const (
	argumentWidth = 40
	resultWidth   = 60
)

func (p tableRows) begin() error {
	_, err := fmt.Fprintf(p.out, "%8s  %-12s  %3s  %10s  %6s  %7s  %-20s  %s\n", "index", "state", "try", "seconds", "writer", "pid", "entry", "argument -> result")
	return err
}

func (p tableRows) row(r *resultRow) error {
	seconds := "-"
	if r.Seconds != nil {
		seconds = strconv.FormatFloat(*r.Seconds, 'f', 6, 64)
	}
	end := ""
	switch {
	case r.Error != "":
		end = " -> " + brief(r.Error, resultWidth)
	case r.State == "succeeded" || r.State == "unsuccessful":
		end = " -> " + brief(compact(r.Result), resultWidth)
	}
	entry := r.Entry
	if r.Job != "" {
		entry = r.Job + "/" + entry
	}
	_, err := fmt.Fprintf(p.out, "%8d  %-12s  %3d  %10s  %6d  %7d  %-20s  %s%s\n",
		r.Index, r.State, r.Attempt, seconds, r.Writer, r.PID, brief(entry, 20), brief(compact(r.Argument), argumentWidth), end)
	return err
}

// brief is a text on one line, cut if it is long.
func brief(s string, width int) string {
	var b strings.Builder
	n := 0
	for _, r := range s {
		if n == width {
			return b.String() + "..."
		}
		if !unicode.IsPrint(r) {
			r = ' '
		}
		b.WriteRune(r)
		n++
	}
	return b.String()
}
