package main

import (
	"regexp"
	"strings"

	"yunta/cmd/yunta/internal/fill"
	"yunta/cmd/yunta/internal/input"
	"yunta/cmd/yunta/internal/joblog"
)

// resume leaves out what is done.
func (o *parallelOptions) resume(p *plan) error {
	if !o.goOn && !o.retry {
		return nil
	}
	var done *joblog.Resume
	if o.logPath != "" {
		entries, err := joblog.Read(o.logPath)
		if err != nil {
			return err
		}
		if o.retry {
			return o.retryLogged(p, entries)
		}
		done = joblog.NewResume(entries, o.again, commandPattern(p.line))
	}
	p.done = func(w *work) bool {
		if done != nil {
			return done.Done(w.seq, w.command)
		}
		return o.run.keeper != nil && o.run.keeper.has(w)
	}
	return nil
}

// retryLogged runs the commands of the log that have failed, by their own words: no input is read.
func (o *parallelOptions) retryLogged(p *plan, entries []joblog.Entry) error {
	last := map[int]joblog.Entry{}
	var order []int
	for _, e := range entries {
		if _, seen := last[e.Seq]; !seen {
			order = append(order, e.Seq)
		}
		last[e.Seq] = e
	}
	var rows []input.Row
	var seqs []int
	for _, seq := range order {
		if e := last[seq]; e.Failed() {
			rows, seqs = append(rows, input.Row{joblog.Unescape(e.Command)}), append(seqs, seq)
		}
	}
	p.rows, p.seqs = &input.Packer{Rows: input.Listed(rows), Most: 1}, seqs
	o.run.most = max(len(rows), 1)
	return nil
}

// quotedWords matches values as they are quoted: other text, such as that of another command, is not taken for one.
const quotedWords = `(?:(?:[A-Za-z0-9+./_-]|'[^']*'|"'"| )*)`

// commandPattern matches whatever command a template could make; nil if it has something in it that another run would have otherwise.
func commandPattern(t *fill.Template) *regexp.Regexp {
	if t.UsesSlot() || !t.UsesValues() {
		return nil
	}
	word := quotedWords
	if t.Begins() {
		word = ".*" // values are not quoted
	}
	var b strings.Builder
	t.Literals(func(literal, placeholder string) {
		if placeholder != "" {
			b.WriteString(word)
		} else {
			b.WriteString(regexp.QuoteMeta(joblog.Escape(literal)))
		}
	})
	re, err := regexp.Compile("^(?s:" + b.String() + ")$")
	if err != nil {
		return nil
	}
	return re
}
