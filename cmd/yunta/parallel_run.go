package main

import (
	"errors"
	"fmt"
	"os"
	"strconv"
	"strings"

	"github.com/spf13/cobra"

	"yunta/cmd/yunta/internal/fill"
	"yunta/cmd/yunta/internal/input"
	"yunta/cmd/yunta/internal/joblog"
	"yunta/cmd/yunta/internal/jobs"
	"yunta/cmd/yunta/internal/quote"
)

// start checks what the options ask for together, and does it.
func (o *parallelOptions) start(cmd *cobra.Command, command []string) error {
	if err := o.settle(); err != nil {
		return err
	}
	p, err := o.plan(cmd, command)
	if err != nil {
		return err
	}
	if o.shellQuote > 0 {
		return o.printQuoted(cmd, p)
	}
	if err := o.resume(p); err != nil {
		return err
	}
	if o.dry {
		return o.printCommands(cmd, p)
	}
	if o.logPath != "" {
		if o.run.log, err = joblog.Create(o.logPath, o.goOn || o.retry); err != nil {
			return err
		}
		defer o.run.log.Close()
	}
	if o.run.keeper != nil {
		defer o.run.keeper.close()
	}
	o.run.settings.Shell, o.run.settings.Number = parallelShell(), true
	p.env = []string{"PARALLEL_PID=" + strconv.Itoa(os.Getpid()), "PARALLEL_SSHLOGIN=:", "PARALLEL_SSHHOST=:"}
	o.run.manner = manner{level: signalled}
	r, err := newJobRun(cmd, cmd.Name(), o.run)
	if err != nil {
		return err
	}
	defer r.close()
	r.o.manner.halted, r.o.manner.lost = r.sayHalted, r.sayTimedOut
	p.slots = r.o.slots
	if o.sharing || o.around {
		p.rows.Share = p.slots
	}
	if o.pipe.on {
		o.pipe.header, err = headerPattern(o.header)
		if err == nil {
			p.blocks, err = newBlockSource(o.pipe, r.spill.Path(), p.slots, cmd.InOrStdin())
		}
		if err != nil {
			return err
		}
	}
	return o.status(r, r.run(cmd.Context(), p))
}

// settle works out what options mean together.
func (o *parallelOptions) settle() error {
	n, isNumber, err := 0, true, error(nil)
	if o.slots != "" {
		n, isNumber, err = parseSlots(o.slots)
		if err == nil && !isNumber {
			if _, err = slotsOfFile(o.slots); err != nil {
				return fmt.Errorf("--jobs %s: neither a number of jobs nor a file with one: %w", o.slots, err)
			}
			o.run.gate.file, n = o.slots, maxJobs
		} else if n == 0 {
			n = allAtOnce
		}
	}
	if err != nil {
		return fmt.Errorf("--jobs: %w", err)
	}
	o.run.slots, o.run.auto = n, true
	switch {
	case o.goOn && !o.retry && o.logPath == "" && o.results == "":
		return errors.New("--resume and --resume-failed need --joblog or --results")
	case o.retry && o.logPath == "":
		return errors.New("--retry-failed needs --joblog")
	case o.again && o.logPath == "":
		return errors.New("--resume-failed needs --joblog")
	case o.pipe.part && len(o.in.files) != 1:
		return errors.New("--pipepart needs one file: -a FILE")
	case o.run.settings.Output == jobs.Terminal:
		n = max(n, 1)
		o.run.slots = n
	}
	if o.pipe.on {
		if o.pipe.lines == 0 {
			o.pipe.records = o.most
		}
		if o.pipe.part {
			o.pipe.file, o.in.files = o.in.files[0], nil
			if o.pipe.tee || o.pipe.by != byInput || o.most > 0 || o.pipe.roundRobin || o.pipe.strip {
				return errors.New("--pipepart does not go with --tee, --cat, --fifo, -N, -L, --round-robin or --rrs: use --pipe < FILE")
			}
		}
	} else {
		o.in.header = o.header != ""
		if o.in.header && o.header != ":" {
			return errors.New("--header takes : here, the first line of each source; a number or an expression only with --pipe")
		}
	}
	if o.run.keep && o.run.settings.Output == jobs.Lines {
		o.run.settings.Output = jobs.Grouped // lines of a job whose turn is not yet would have to wait anyway
	}
	if o.run.settings.Output != jobs.Grouped && (o.results != "" || o.files) {
		return errors.New("--results and --files do not go with --ungroup, --line-buffer or --tty")
	}
	o.run.most = o.in.count()
	if o.pipe.on && !o.pipe.tee {
		o.run.most = 0
	}
	switch {
	case o.run.slots > 0:
	case o.run.most == 1: // it is not worth looking
		o.run.slots = 1
	default:
		o.run.slots = defaultSlots()
	}
	if o.pipe.tee && o.run.most > 0 && o.slots == "" {
		o.run.slots = max(o.run.slots, o.run.most) // all of them at once, or none would get on
	}
	o.run.bar.name = "parallel"
	return nil
}

// allAtOnce is how many jobs -j 0 runs at a time: each has a worker, which takes memory.
const allAtOnce = 1024

// plan makes the plan of the run, without blocks.
func (o *parallelOptions) plan(cmd *cobra.Command, command []string) (*plan, error) {
	p := &plan{quoted: quote.GNU, around: o.around, shown: true, slots: o.run.slots, longest: longestCommand}
	if o.length > 0 {
		p.longest = o.length
	}
	if !o.pipe.on || o.pipe.tee {
		if err := o.checkStdin(cmd); err != nil {
			return nil, err
		}
		rows, err := o.in.open(cmd.InOrStdin())
		if err != nil {
			return nil, err
		}
		syntaxNames, names, err := o.in.names(rows)
		if err != nil {
			return nil, err
		}
		return p, o.templates(p, command, syntaxNames, names, rows)
	}
	return p, o.templates(p, command, nil, nil, nil)
}

func (o *parallelOptions) checkStdin(cmd *cobra.Command) error {
	if f, ok := cmd.InOrStdin().(*os.File); ok && o.in.fromStdin() {
		if err := checkInput(f); err != nil {
			return err
		}
		if isTerminal(f) {
			fmt.Fprintln(cmd.ErrOrStderr(), "parallel: reading values from the terminal, one a line; Ctrl-D ends them")
		}
	}
	return nil
}

func (o *parallelOptions) templates(p *plan, command []string, names map[string]int, list []string, rows input.Rows) (err error) {
	syntax := fill.Syntax{Renamed: o.rename, Plus: o.plus, Exprs: true, Names: names, Open: o.open, Shut: o.shut, Own: o.own}
	if o.quote {
		for i, word := range command {
			t, err := syntax.Parse(word)
			if err != nil {
				return err
			}
			command[i] = ""
			t.Literals(func(literal, placeholder string) {
				if literal != "" {
					literal = quote.GNU(literal)
				}
				command[i] += literal + placeholder
			})
			if word == "" {
				command[i] = "''"
			}
		}
	}
	line := strings.Join(command, " ")
	if p.line, err = syntax.Parse(line); err != nil {
		return err
	}
	if p.line.Empty() && !o.none && (!o.pipe.on || o.pipe.by != byInput) {
		if p.line, err = syntax.Parse(line + strings.Repeat(" ", min(len(command), 1)) + o.all()); err != nil {
			return err
		}
	}
	p.rawAll = p.line.Begins() // a command line, or the beginning of one, which quotes would make one word
	if o.tag {
		text := o.tagString
		if text == "" {
			text = o.all()
		}
		if p.tag, err = syntax.Parse(text); err != nil {
			return err
		}
	}
	if o.wd != "" {
		if o.wd == "..." {
			return errors.New("--wd ...: this option of GNU parallel is not supported: nothing is kept in HOME")
		}
		if p.wd, err = syntax.Parse(o.wd); err != nil {
			return err
		}
		p.makeWd = !o.dry
	}
	if o.results != "" {
		t, err := syntax.Parse(o.results)
		if err != nil {
			return err
		}
		if !o.dry {
			if o.run.keeper, err = openKeeper(o.results, t, o.goOn || o.retry); err != nil {
				return err
			}
			o.run.keeper.names = list
			if o.run.keeper.filled {
				p.tree = t
			}
		}
	} else if o.files {
		o.run.keeper = &keeper{list: true}
	}
	if rows != nil {
		p.rows = o.packer(p, rows)
	}
	return nil
}

// all is the replacement string for all values, whatever it is called.
func (o *parallelOptions) all() string {
	for name, meaning := range o.rename {
		if meaning == "{}" {
			return name
		}
	}
	return "{}"
}

func (o *parallelOptions) packer(p *plan, rows input.Rows) *input.Packer {
	k := &input.Packer{Rows: rows, Most: 1}
	if o.none {
		return k
	}
	if o.most > 0 {
		k.Most = o.most
	}
	if o.around || o.join {
		k.Most, k.Size, k.Limit = o.most, p.size, p.longest
	}
	return k
}
