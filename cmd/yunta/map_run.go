package main

import (
	"errors"
	"fmt"
	"io"
	"os"
	"strings"

	"github.com/spf13/cobra"

	"yunta/cmd/yunta/internal/fill"
	"yunta/cmd/yunta/internal/input"
	"yunta/cmd/yunta/internal/joblog"
	"yunta/cmd/yunta/internal/jobs"
	"yunta/cmd/yunta/internal/quote"
)

// start runs the jobs, or prints them.
func (o *mapOptions) start(cmd *cobra.Command) error {
	p := &plan{quoted: quote.Word, treed: escapePart, around: o.around, slots: o.run.slots, env: o.env}
	p.shown = o.logPath != "" || o.dry || o.outputs != ""
	rows, names, list, err := o.open(cmd)
	if err != nil {
		return err
	}
	if err := o.templates(p, names); err != nil {
		return err
	}
	if len(p.argv) > 0 && p.argv[0].Empty() && !o.dry {
		if _, err := jobs.Find(o.command[0]); err != nil {
			return notFoundError{o.command[0], err}
		}
	}
	if rows != nil {
		p.rows = &input.Packer{Rows: rows, Most: max(o.each, 1)}
		if o.around || o.join {
			p.rows.Most, p.rows.Size, p.rows.Limit = o.each, p.size, longestCommand
		}
	}
	if err := o.resume(p, list); err != nil {
		return err
	}
	if o.dry {
		return o.print(cmd, p)
	}
	if o.logPath != "" {
		if o.run.log, err = joblog.Create(o.logPath, o.goOn || o.again || o.retry); err != nil {
			return err
		}
		defer o.run.log.Close()
	}
	if o.run.keeper != nil {
		defer o.run.keeper.close()
	}
	s := &o.run.settings
	s.Shell = o.sh
	o.run.resume = o.goOn && o.run.results != ""
	o.run.plain = o.sh == "" && !o.pipe.on && o.wd == "" && len(o.env) == 0 && s.Output == jobs.Grouped
	o.run.manner = manner{level: stepByStep}
	r, err := newJobRun(cmd, cmd.CommandPath(), o.run)
	if err != nil {
		return err
	}
	defer r.close()
	p.slots = r.o.slots
	if p.rows != nil && (o.around || o.join) {
		p.rows.Share = p.slots
	}
	if o.pipe.on {
		if p.blocks, err = newBlockSource(o.pipe, r.spill.Path(), p.slots, cmd.InOrStdin()); err != nil {
			return err
		}
	}
	err = r.run(cmd.Context(), p)
	if h, ok := errors.AsType[haltedError](err); ok {
		return o.halted(r, h)
	}
	if _, ok := errors.AsType[failedError](err); ok {
		return errReported
	}
	return err
}

// halted is the end of a run by --halt.
func (o *mapOptions) halted(r *jobRun, h haltedError) error {
	switch {
	case h.status == 0:
		return nil
	case r.o.halt.Count == 1 && r.last.status() > 0:
		return statusError{r.last.status(), nil}
	}
	return errReported
}

// open opens the sources, if there are any beside --pipe.
func (o *mapOptions) open(cmd *cobra.Command) (rows *input.Combined, names map[string]int, list []string, err error) {
	if o.pipe.on && !o.pipe.tee {
		return nil, nil, nil, nil
	}
	in := cmd.InOrStdin()
	if o.in.fromStdin() {
		if f, ok := in.(*os.File); ok {
			if err := checkInput(f); err != nil {
				return nil, nil, nil, err
			}
		}
		if isTerminal(in) {
			fmt.Fprintf(cmd.ErrOrStderr(), "%s: reading values from the terminal, one a line; Ctrl-D ends them\n", cmd.CommandPath())
		}
	}
	if rows, err = o.in.open(in); err != nil {
		return nil, nil, nil, err
	}
	names, list, err = o.in.names(rows)
	return rows, names, list, err
}

func (o *mapOptions) templates(p *plan, names map[string]int) (err error) {
	syntax := fill.Syntax{Names: names}
	parse := func(flag, text string) *fill.Template {
		if err != nil || text == "" {
			return nil
		}
		var t *fill.Template
		if t, err = syntax.Parse(text); err != nil {
			err = usagef("%s: %w", flag, err)
		}
		return t
	}
	p.wd = parse("--wd", o.wd)
	p.tag = parse("--tagstring", o.tagString)
	if o.tag && p.tag == nil {
		p.tag = parse("--tag", "{}")
	}
	if o.outputs != "" && err == nil {
		t := parse("--outputs", o.outputs)
		if err == nil && !o.dry {
			o.run.keeper, err = openKeeper(o.outputs, t, o.goOn || o.again || o.retry)
		}
		if err == nil && !t.Empty() {
			p.tree = t
		}
	}
	if o.sh != "" {
		line := strings.Join(o.command, " ")
		if p.line = parse("--sh", line); err == nil {
			err = checkQuotes(p.line)
		}
		if err == nil && p.line.Empty() && !o.pipe.on {
			p.line = parse("--sh", line+" {}")
		}
		p.around = o.around
		return err
	}
	p.append = !o.pipe.on || o.pipe.tee
	for _, word := range o.command {
		t, bad := syntax.Parse(word)
		if bad != nil {
			return usagef("%w", bad)
		}
		p.append = p.append && t.Empty()
		p.argv = append(p.argv, t)
	}
	return err
}

// checkQuotes refuses a replacement string within quotes: the quotes that are put around the value would end them, and a shell would read
// the value.
func checkQuotes(t *fill.Template) error {
	var open byte
	var bad error
	begun := ""
	t.Literals(func(literal, placeholder string) {
		if placeholder != "" {
			if open != 0 && bad == nil {
				bad = usagef("%s stands within %c quotes, where its own quotes would undo them: end yours before it, %c%s%c%s%c...%c, or without any if there is nothing else in them",
					placeholder, open, open, begun, open, placeholder, open, open)
			}
			return
		}
		for i := 0; i < len(literal); i++ {
			switch c := literal[i]; {
			case c == '\\' && open != '\'':
				i++
			case open == 0 && (c == '"' || c == '\'' || c == '`'):
				open, begun = c, ""
			case c == open:
				open = 0
			default:
				begun += string(c)
			}
		}
	})
	return bad
}

// resume leaves out what is done.
func (o *mapOptions) resume(p *plan, list []string) error {
	if k := o.run.keeper; k != nil {
		k.names = list
		if o.goOn && o.logPath == "" {
			p.done = k.has
		}
	}
	if o.logPath == "" || !o.goOn && !o.again && !o.retry {
		return nil
	}
	entries, err := joblog.Read(o.logPath)
	if err != nil {
		return err
	}
	if o.retry {
		failed := joblog.Failed(entries)
		p.done = func(w *work) bool { return !failed.Done(w.seq, w.command) }
		return nil
	}
	done := joblog.NewResume(entries, o.again, joblog.Anything())
	p.done = func(w *work) bool { return done.Done(w.seq, w.command) }
	return nil
}

// print is --dry-run.
func (o *mapOptions) print(cmd *cobra.Command, p *plan) error {
	if o.pipe.on {
		return usagef("--dry-run does not go with --pipe: the commands are all the same")
	}
	return printLines(cmd.OutOrStdout(), func(write func(string) error) error {
		for slot := 0; ; slot++ {
			w, err := p.next(nil)
			if err == io.EOF {
				return nil
			}
			if err == nil {
				err = write(w.shownCommand(slot % max(p.slots, 1)))
			}
			if err != nil {
				return err
			}
		}
	})
}
