package main

import (
	"errors"
	"io"

	"github.com/spf13/cobra"

	"yunta/cmd/yunta/internal/jobs"
	"yunta/cmd/yunta/internal/quote"
)

// printCommands is --dry-run.
func (o *parallelOptions) printCommands(cmd *cobra.Command, p *plan) error {
	if o.pipe.on {
		return errors.New("--dry-run with --pipe is not supported: the commands are all the same")
	}
	if o.sharing || o.around {
		p.rows.Share = min(p.slots, max(o.run.most, 1))
		if o.run.most == 0 {
			p.rows.Share = p.slots
		}
	}
	return printLines(cmd.OutOrStdout(), func(write func(string) error) error {
		for slot := 0; ; slot++ {
			w, err := p.next(nil)
			if err == io.EOF {
				return nil
			}
			if err == nil {
				line := w.shownCommand(slot % max(p.slots, 1))
				if w.tag != "" {
					line = jobs.Slotted(w.tag, slot%max(p.slots, 1)) + line
				}
				err = write(line)
			}
			if err != nil {
				return err
			}
		}
	})
}

// printQuoted is --shell-quote.
func (o *parallelOptions) printQuoted(cmd *cobra.Command, p *plan) error {
	return printLines(cmd.OutOrStdout(), func(write func(string) error) error {
		for {
			w, err := p.next(nil)
			if err == io.EOF {
				return nil
			}
			if err == nil {
				s := w.command
				for range o.shellQuote {
					s = quote.GNU(s)
				}
				err = write(s)
			}
			if err != nil {
				return err
			}
		}
	})
}

// sayHalted names the job that made the run halt.
func (r *jobRun) sayHalted(f *finished, how string) {
	if r.counter.Event == 2 { // done
		how = "finished"
	}
	r.say("This job %s:\n%s", how, f.command)
}

func (r *jobRun) sayTimedOut(f *finished) bool {
	if f.result.End != jobs.TimedOut {
		return f.died == "" && f.result.End == jobs.Exited && f.result.Problem == "" // its own affair
	}
	tail := ""
	if f.result.Stdout.Size > 0 || f.result.Stderr.Size > 0 {
		tail = " (its output above is cut short)"
	}
	r.say("Warning: This job was killed because it timed out%s:\n%s: Warning: %s", tail, r.name, f.command)
	return true
}
