package main

import (
	"math/rand/v2"
	"slices"

	"yunta/cmd/yunta/internal/compare"
	"yunta/cmd/yunta/internal/compare/load"
	"yunta/supervisor"
)

// check completes the options from what is on the command line.
func (o *compareOptions) check(args []string, dash int) error {
	forms := 0
	for _, wanted := range []bool{o.json, o.csv, o.markdown} {
		if wanted {
			forms++
		}
	}
	if o.quick && !o.runsGiven {
		o.runs = 5
	}
	switch {
	case forms > 1:
		return usagef("only one of --json, --csv and --markdown can be printed; --save and --html write files beside it")
	case o.runs < 1 || o.runs > 1000:
		return usagef("--runs is %d, must be between 1 and 1000", o.runs)
	case o.warmup < 0 || o.warmup > 100:
		return usagef("--warmup is %d, must be between 0 and 100", o.warmup)
	case o.workers < 0 || o.workers > 64:
		return usagef("--workers is %d, must be between 0 and 64", o.workers)
	}
	if o.workers == 0 {
		o.workers = min(supervisor.CPUCount(), 64)
	}
	if !o.seedGiven {
		o.seed = rand.Uint64N(1_000_000)
	}
	if o.failIf != "" {
		var err error
		if o.condition, err = compare.ParseExpr(o.failIf); err != nil {
			return usagef("--fail-if %q: %w", o.failIf, err)
		}
	}
	if o.from != "" {
		if len(args) > 0 {
			return usagef("--from runs nothing, not even %q", args[0])
		}
		return nil
	}
	if dash >= 0 {
		if dash > 0 {
			return usagef("either workloads are compared or, after --, two commands")
		}
		at := slices.Index(args, "--vs")
		if at < 1 || at == len(args)-1 {
			return usagef("-- needs a command, --vs and another command")
		}
		o.commands = [][]string{args[:at], args[at+1:]}
		return o.checkNames()
	}
	if err := o.checkWorkloads(args); err != nil {
		return err
	}
	if err := o.checkModels(); err != nil {
		return err
	}
	return o.checkNames()
}

func (o *compareOptions) checkWorkloads(args []string) error {
	if len(args) == 0 {
		return usagef("needs a workload, or all (see 'yunta compare --list')")
	}
	for _, name := range args {
		if name == "all" {
			o.workloads = slices.Clone(load.Workloads)
			return nil
		}
		w, found := load.Find(name)
		if !found {
			return usagef("there is no workload %q (see 'yunta compare --list')", name)
		}
		if !slices.ContainsFunc(o.workloads, func(v load.Workload) bool { return v.Name == name }) {
			o.workloads = append(o.workloads, w)
		}
	}
	return nil
}

func (o *compareOptions) checkModels() error {
	full := map[string]string{"proc": "process", "go": "goroutine", "py": "python"}
	var models []string
	for _, m := range o.models {
		if name, found := full[m]; found {
			m = name
		}
		if !slices.ContainsFunc(compareArms, func(a compare.Arm) bool { return a.Key == m }) {
			return usagef("--models: %q is none of proc, go and py", m)
		}
		if slices.Contains(models, m) {
			return usagef("--models: %s is there twice", m)
		}
		if m != "python" || !o.noPython {
			models = append(models, m)
		}
	}
	if len(models) == 0 {
		return usagef("--models: there is nothing left to compare")
	}
	o.models = models
	return nil
}

// checkNames finds out before anything runs that a condition asks for what will not be there.
func (o *compareOptions) checkNames() error {
	if o.condition == nil {
		return nil
	}
	arms, workloads := o.models, []string{"commands"}
	if o.commands != nil {
		arms = []string{"a", "b"}
	} else {
		workloads = nil
		for _, w := range o.workloads {
			workloads = append(workloads, w.Name)
		}
	}
	if err := o.condition.Check(arms, workloads); err != nil {
		return usagef("--fail-if: %w", err)
	}
	return nil
}
