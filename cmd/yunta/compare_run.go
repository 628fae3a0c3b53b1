package main

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"os"
	"slices"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"yunta/cmd/yunta/internal/compare"
	"yunta/cmd/yunta/internal/compare/load"
)

// A comparison is being made.
type comparison struct {
	o        *compareOptions
	executor *load.Executor
	r        *compare.Report
	bar      *bar
	name     string // of the command, for messages
	failed   bool   // some run did, or results differ
	micro    float64
	files    []string
}

// again ends the key of an arm that repeats another.
const again = "-again"

func (o *compareOptions) runAll(cmd *cobra.Command) (*compare.Report, bool, error) {
	bar := newCountBar(cmd.ErrOrStderr(), "comparing", true)
	defer bar.stop()
	ctx, release := interruptible(cmd.Context(), bar, cmd.CommandPath())
	defer release()

	c := &comparison{o: o, bar: bar, name: cmd.CommandPath()}
	python := ""
	if o.commands == nil && slices.Contains(o.models, "python") {
		if python = findPython(ctx); python == "" {
			o.models = slices.DeleteFunc(o.models, func(m string) bool { return m == "python" })
			fmt.Fprintf(bar, "%s: there is no python3 with multiprocessing: it is left out\n", c.name)
		}
		if len(o.models) == 0 {
			return nil, false, errors.New("there is nothing left to compare")
		}
	}
	exe, err := os.Executable()
	if err != nil {
		return nil, false, err
	}
	if c.executor, err = load.NewExecutor([]string{exe, "compare", compareHost}, python, o.workers); err != nil {
		return nil, false, err
	}
	defer c.executor.Close()
	if o.commands != nil {
		c.executor.CPUs = nil // they use what they like
	}
	machine, watch := load.Inspect(ctx, python)
	c.r = &compare.Report{
		Version: compare.Version, Created: time.Now().UTC().Truncate(time.Second), Seed: o.seed, Runs: o.runs, Warmup: o.warmup,
		Workers: o.workers, Quick: o.quick, Pinned: o.pin, Machine: machine, Warnings: []string{},
	}
	if o.commands != nil {
		err = c.compareCommands(ctx)
	} else {
		err = c.compareModels(ctx)
	}
	if err != nil {
		return nil, false, endOf(ctx, err)
	}
	watch.End(&c.r.Machine)
	c.warn()
	c.r.Analyze()
	for _, w := range c.r.Workloads {
		keepLanes(c.r, w)
	}
	return c.r, c.failed, nil
}

// addNoise gives one arm a repetition, and returns how often each arm runs. What is repeated is the last of the two that are compared.
func (c *comparison) addNoise() []int {
	counts := make([]int, 0, len(c.r.Arms)+1)
	for range c.r.Arms {
		counts = append(counts, c.o.runs)
	}
	if c.o.noNoise || len(c.r.Arms) < 2 {
		return counts
	}
	same := c.r.Arms[1]
	c.r.Arms = append(c.r.Arms, compare.Arm{Key: same.Key + again, Name: same.Name + " again", Same: same.Key})
	return append(counts, max((c.o.runs+1)/2, min(c.o.runs, 4)))
}

func (c *comparison) compareModels(ctx context.Context) error {
	for _, m := range c.o.models {
		for _, arm := range compareArms {
			if arm.Key == m {
				c.r.Arms = append(c.r.Arms, arm)
			}
		}
	}
	counts := c.addNoise()
	names := make([]string, len(c.o.workloads))
	for i, w := range c.o.workloads {
		names[i] = w.Name
	}
	c.r.Title = "yunta compare " + strings.Join(names, " ")
	if slices.Contains(names, "words") {
		if err := c.findFiles(ctx); err != nil {
			return err
		}
	}
	if slices.Contains(names, "tiny") {
		c.micro = load.Calibrate()
	}
	total := 0
	for _, w := range c.o.workloads {
		if w.Name == "crash" {
			total += len(load.Faults) * len(c.r.Shown())
		} else {
			total += len(compare.Order(counts, c.o.warmup, 0))
		}
	}
	c.bar.start(int64(total))
	for i, w := range c.o.workloads {
		work := &compare.Workload{Name: w.Name, About: w.About, Runs: []*compare.Run{}}
		c.r.Workloads = append(c.r.Workloads, work)
		spec := w.Spec(c.o.workers, c.o.seed, c.o.quick, c.files)
		spec.PerMicro, spec.Lanes, spec.Pin = c.micro, true, c.o.pin
		work.Tasks, work.Curve = spec.Tasks, axes(w.Curve)
		var err error
		if w.Name == "crash" {
			err = c.faults(ctx, work, spec)
		} else {
			err = c.workload(ctx, work, spec, compare.Order(counts, c.o.warmup, c.o.seed+uint64(i)), len(counts)*c.o.warmup)
		}
		if err != nil {
			return err
		}
	}
	return nil
}

func axes(kind string) *compare.Axes {
	switch kind {
	case "scaling":
		return &compare.Axes{Kind: kind, X: "workers", Y: "tasks per second", High: true}
	case "crossing":
		return &compare.Axes{Kind: kind, X: "message", Y: "us there and back"}
	case "length":
		return &compare.Axes{Kind: kind, X: "task length", Y: "us of a worker's time for each task"}
	}
	return nil
}

func (c *comparison) findFiles(ctx context.Context) error {
	roots := c.o.files
	if len(roots) == 0 {
		roots = []string{"/usr/share/doc", "/usr/share/perl", "/usr/lib/python3", "/usr/include", "/usr/share", "."}
	}
	for _, root := range c.o.files {
		if _, err := os.Stat(root); err != nil {
			return usagef("--files: %w", err)
		}
	}
	if c.files = load.TextFiles(ctx, roots); len(c.files) == 0 {
		return usagef("words found no files of ASCII text between 1 and 256 KiB in %s; say where by --files", strings.Join(roots, ", "))
	}
	return nil
}

// workload does all runs of one workload.
func (c *comparison) workload(ctx context.Context, work *compare.Workload, spec load.Spec, order []int, warmup int) error {
	sum, prefix := "", ""
	for turn, i := range order {
		arm := c.r.Arms[i]
		s := spec
		s.Model = strings.TrimSuffix(arm.Key, again)
		o, err := c.executor.Run(ctx, s)
		if ctx.Err() != nil {
			return ctx.Err()
		}
		c.bar.add(1)
		run := &compare.Run{Load: -1}
		if err != nil {
			run.Error = oneLine(err)
		} else {
			run = &o.Run
			if prefix == "" {
				prefix = o.Prefix
			}
			if sum == "" {
				sum = o.Sum
			}
			if o.Prefix != prefix || o.Sum != "" && o.Sum != sum {
				run.Error = fmt.Sprintf("%s by %s: the results have another checksum than those before", work.Name, arm.Name)
			}
			if o.Note != "" && !slices.ContainsFunc(c.r.Warnings, func(s string) bool { return strings.HasPrefix(s, "Python") }) {
				c.r.Warnings = append(c.r.Warnings, "Python started its processes by "+compare.Clean(o.Note, 20)+".")
			}
		}
		if run.Error != "" {
			c.failed = true
			fmt.Fprintf(c.bar, "%s: %s\n", c.name, run.Error)
		}
		if turn < warmup {
			continue
		}
		run.Arm, run.Order = arm.Key, turn-warmup
		work.Runs = append(work.Runs, run)
	}
	work.Checksum = sum
	if sum == "" {
		work.Checksum = prefix
	}
	return nil
}

// faults lets every model suffer every fault once, in a shuffled order.
func (c *comparison) faults(ctx context.Context, work *compare.Workload, spec load.Spec) error {
	type turn struct{ fault, arm string }
	var turns []turn
	for _, fault := range load.Faults {
		for _, arm := range c.r.Shown() {
			turns = append(turns, turn{fault, arm.Key})
		}
	}
	got := map[turn]compare.Fault{}
	random := rand.New(rand.NewPCG(c.o.seed, 1))
	for _, i := range random.Perm(len(turns)) {
		t := turns[i]
		c.bar.add(1)
		if t.arm == "python" && (t.fault == "map" || t.fault == "stack") {
			got[t] = compare.Fault{Fault: t.fault, Arm: t.arm, Outcome: "skipped", Detail: "Python has no such fault"}
			continue
		}
		s := spec
		s.Model, s.Fault = t.arm, t.fault
		o, err := c.executor.Run(ctx, s)
		if ctx.Err() != nil {
			return ctx.Err()
		}
		if err == nil && o.Fault == nil {
			err = errors.New("the run says nothing of its fault")
		}
		if err != nil {
			return err
		}
		got[t] = *o.Fault
	}
	for _, t := range turns {
		f := got[t]
		f.Detail = compare.Clean(f.Detail, 160)
		work.Faults = append(work.Faults, f)
	}
	return nil
}
