package main

import (
	"slices"
	"strconv"
	"strings"
	"time"

	"yunta/cmd/yunta/internal/halt"
	"yunta/cmd/yunta/internal/jobs"
	"yunta/cmd/yunta/internal/machine"
)

// check works out what flags mean, alone and together.
func (o *mapOptions) check() error {
	for _, f := range []func() error{o.checkSlots, o.checkLimits, o.checkInput, o.checkOutput, o.checkPipe, o.checkResults} {
		if err := f(); err != nil {
			return err
		}
	}
	return nil
}

func (o *mapOptions) checkSlots() error {
	o.run.pin, o.run.auto = o.pin.value(), o.pin.chosen == 0
	o.run.most = o.in.count()
	if o.pipe.on && !o.pipe.tee || o.pipepart != "" {
		o.run.most = 0
	}
	if o.slots == "" {
		if o.run.most != 1 { // or it is not worth looking
			o.run.slots = defaultSlots()
		}
		if o.tty {
			o.run.slots = 1
		}
		return nil
	}
	if n, err := strconv.Atoi(o.slots); err == nil && n > maxJobs {
		return usagef("--jobs is %d, must be between 0 and %d", n, maxJobs)
	}
	n, ok, err := parseSlots(o.slots)
	if err != nil {
		return usagef("--jobs %w", err)
	}
	if !ok {
		if _, err = slotsOfFile(o.slots); err != nil {
			return usagef("--jobs %s is neither a number of jobs nor a file with one: %w", o.slots, err)
		}
		o.run.gate.file, n = o.slots, maxJobs
	}
	o.run.slots = n
	return nil
}

func (o *mapOptions) checkLimits() (err error) {
	s := &o.run.settings
	if number, ok := strings.CutSuffix(o.timeout, "%"); ok {
		if o.run.percent, err = strconv.ParseFloat(number, 64); err != nil || !(o.run.percent > 0) {
			return usagef("--timeout %q: not a percentage above 0", o.timeout)
		}
	} else if o.timeout != "" {
		if s.Timeout, err = time.ParseDuration(o.timeout); err != nil {
			seconds, bad := strconv.ParseFloat(o.timeout, 64)
			if bad != nil {
				return usagef("--timeout %q: not a duration such as 90s, nor a percentage", o.timeout)
			}
			s.Timeout = time.Duration(seconds * float64(time.Second))
		}
	}
	switch {
	case s.Timeout < 0:
		return usagef("--timeout is %v, must not be negative", s.Timeout)
	case s.Grace < 0:
		return usagef("--grace is %v, must not be negative", s.Grace)
	case s.Retries < 0:
		return usagef("--retries is %d, must not be negative", s.Retries)
	case s.Backoff < 0:
		return usagef("--backoff is %v, must not be negative", s.Backoff)
	case o.run.gate.delay < 0:
		return usagef("--delay is %v, must not be negative", o.run.gate.delay)
	case s.Nice < -20 || s.Nice > 19:
		return usagef("--nice is %d, must be between -20 and 19", s.Nice)
	}
	if o.halt != "" {
		if o.run.halt, err = halt.Parse(o.halt); err != nil {
			return usagef("--halt %s: %w", o.halt, err)
		}
	}
	if o.load != "" {
		number, percent := strings.CutSuffix(o.load, "%")
		if o.run.gate.load, err = strconv.ParseFloat(number, 64); err != nil || !(o.run.gate.load > 0) {
			return usagef("--load %q: not a load such as 4 or 80%%", o.load)
		}
		if percent {
			o.run.gate.load *= float64(cpuCount()) / 100
		}
		if _, err := machine.Load(); err != nil {
			return err
		}
	}
	if o.memfree != "" {
		if o.run.gate.memfree, err = machine.ParseBytes(o.memfree); err != nil {
			return usagef("--memfree %w", err)
		}
		_, err = machine.Free()
	}
	return err
}

func (o *mapOptions) checkInput() (err error) {
	switch {
	case o.null && o.in.fromStdin(), o.null && (len(o.in.files) > 0 || slices.ContainsFunc(o.in.args, func(a sourceArg) bool { return a.files })):
		o.in.separator = "\x00"
	case o.null:
		return usagef("--null is about standard input, which is not read when values are given after :::")
	case o.delimiter != "":
		if o.in.separator, err = separatorOf(o.delimiter); err != nil {
			return usagef("--delimiter %w", err)
		}
	}
	switch {
	case !slices.Contains([]string{"", "n", "l", "r", "lr", "rl"}, o.in.trim):
		return usagef("--trim %q: must be one of l, r, lr", o.in.trim)
	case o.each < 0:
		return usagef("--max-args is %d, must not be negative", o.each)
	}
	for _, e := range o.env {
		if name, _, ok := strings.Cut(e, "="); !ok || name == "" {
			return usagef("--env %q: not NAME=VALUE; what is in the environment jobs have anyway", e)
		}
	}
	if !o.pipe.on && o.pipepart == "" {
		if o.header != "" && o.header != ":" {
			return usagef("--header takes \":\", the first line of each source; a number or an expression only with --pipe")
		}
		o.in.header = o.header == ":"
	}
	return checkPattern("--colsep", o.in.columns)
}

func (o *mapOptions) checkOutput() error {
	ways := 0
	for way, on := range map[jobs.Way]bool{jobs.Lines: o.lines, jobs.Straight: o.straight, jobs.Terminal: o.tty} {
		if on {
			o.run.settings.Output = way
			ways++
		}
	}
	kept := o.run.results != "" || o.outputs != ""
	switch {
	case ways > 1:
		return usagef("only one of --line-buffer, --ungroup and --tty can be had")
	case ways > 0 && kept:
		return usagef("--results and --outputs keep what jobs print: they do not go with --line-buffer, --ungroup or --tty")
	case o.goOn && o.run.results == "" && o.logPath == "" && o.outputs == "":
		return usagef("--resume needs --results FILE, the file to go on with, or --joblog FILE")
	case (o.again || o.retry) && o.logPath == "":
		return usagef("--resume-failed and --retry-failed need --joblog FILE")
	case o.run.results != "" && (o.sh != "" || o.pipe.on || o.pipepart != "" || o.wd != "" || len(o.env) > 0):
		return usagef("--results knows jobs by their arguments alone: it does not go with --sh, --pipe, --pipepart, --wd or --env; use --joblog and --outputs")
	}
	if o.run.keep && o.lines {
		o.run.settings.Output = jobs.Grouped // lines of a job whose turn is not yet would have to wait anyway
	}
	o.run.bar = barOptions{bar: o.bar || o.eta || o.progress.words[o.progress.chosen] == "bar", report: o.progress.value(), name: "yunta map"}
	return nil
}

func (o *mapOptions) checkPipe() (err error) {
	p := &o.pipe
	if o.pipepart != "" {
		p.on, p.part, p.file = true, true, o.pipepart
	}
	if p.tee || p.roundRobin {
		p.on = true
	}
	if !p.on {
		return nil
	}
	n, err := machine.ParseBytes(o.block)
	if err != nil || n == 0 {
		return usagef("--block %q: not a size such as 10M", o.block)
	}
	p.block = max(n, 1)
	if n < 0 {
		p.block, p.perSlot = 1<<20, int(-n)
	}
	if p.marks.Start != "" && p.marks.End == "\n" {
		p.marks.End = "" // whoever says how records begin has not said that they are lines
	}
	if p.header, err = headerPattern(o.header); err != nil {
		return usagef("--header: %w", err)
	}
	p.records = o.each
	if _, err := p.marks.Cutter(); err != nil {
		return usagef("%w", err)
	}
	switch {
	case p.part && (p.tee || p.roundRobin || p.records > 0):
		return usagef("--pipepart does not go with --tee, --round-robin or -N: use --pipe < FILE")
	case !p.tee && (len(o.in.args) > 0 || len(o.in.files) > 0):
		return usagef("with --pipe jobs get blocks of the input, and no values: leave out what stands after :::, or use --tee")
	case p.tee && o.in.fromStdin():
		return usagef("--tee needs values after :::, one for each job")
	}
	return nil
}
