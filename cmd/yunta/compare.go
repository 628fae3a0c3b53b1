package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"math/rand/v2"
	"os"
	"os/exec"
	"slices"
	"strconv"
	"strings"
	"text/tabwriter"

	"github.com/spf13/cobra"
	"golang.org/x/term"

	"yunta/cmd/yunta/internal/compare"
	"yunta/cmd/yunta/internal/compare/load"
	"yunta/cmd/yunta/internal/report"
	"yunta/supervisor"
)

type compareOptions struct {
	models                   []string
	noPython, noNoise, quick bool
	pin                      bool
	list                     bool
	workers, runs, warmup    int
	seed                     uint64
	files                    []string
	json, csv, markdown      bool
	html, save, from, failIf string
	condition                *compare.Expr
	workloads                []load.Workload
	commands                 [][]string // two of them, or none
	seedGiven, runsGiven     bool
}

// compareArms are the models, in the order in which they are shown.
var compareArms = []compare.Arm{
	{Key: "process", Name: "process"}, {Key: "goroutine", Name: "goroutine"}, {Key: "python", Name: "python mp"},
}

func newCompareCommand() *cobra.Command {
	o := compareOptions{}
	cmd := &cobra.Command{
		Use:   "compare {WORKLOAD... | all | -- COMMAND... --vs COMMAND...}",
		Short: "Compare processes with goroutines, and with Python, at the same work",
		Long: `Runs the same work in a pool of processes, in a pool of goroutines and, where there is a python3,
by Python's multiprocessing, and says what differs, by how much and how sure that is. --list
names the workloads and explains the numbers.

It tries to be fair: equal inputs and equal results, as many workers as cores and every run
confined to that many cores, but not pinned to one of them (--pin), a program of its own for each run, runs interleaved in an order
that --seed shuffles, runs to warm up that are thrown away, and one model run twice (A/A), whose
difference from itself is the noise. Python does the first part of the tasks only, as it would
take too long; rates and times for a task do not depend on that.

Numbers are medians with 95 % confidence intervals; "~" is no evidence of a difference
(Mann-Whitney U test at 5 %), and what is in brackets is a difference inside the noise. No
correction is made for looking at many rows: one in twenty of equal ones will seem to differ.

With -- it compares any two commands by their time: words up to --vs are the first command.

--fail-if takes a condition such as 'process.throughput < 0.8*goroutine.throughput', with
medians by the names that --list explains; WORKLOAD.process.p99 is that of one workload.

Exit status: 0 compared, 1 a run failed, results differ, or the condition of --fail-if holds.`,
		Example: `  yunta compare primes
  yunta compare all --quick --html report.html
  yunta compare echo tiny --save before.json; yunta compare --from before.json
  yunta compare --runs 20 -- gzip -9 -k -f data --vs zstd -q -f data`,
		RunE: func(cmd *cobra.Command, args []string) error {
			if o.list {
				return listWorkloads(cmd.OutOrStdout())
			}
			o.seedGiven, o.runsGiven = cmd.Flags().Changed("seed"), cmd.Flags().Changed("runs")
			if err := o.check(args, cmd.ArgsLenAtDash()); err != nil {
				return err
			}
			return runCompare(cmd, &o)
		},
		ValidArgsFunction: func(_ *cobra.Command, args []string, _ string) ([]cobra.Completion, cobra.ShellCompDirective) {
			var names []cobra.Completion
			for _, w := range load.Workloads {
				if !slices.Contains(args, w.Name) {
					names = append(names, cobra.CompletionWithDesc(w.Name, w.About))
				}
			}
			return names, cobra.ShellCompDirectiveNoFileComp
		},
	}
	f := cmd.Flags()
	f.StringSliceVar(&o.models, "models", []string{"proc", "go", "py"}, "what to compare: the first two with each other")
	f.BoolVar(&o.noPython, "no-python", false, "leave Python out")
	f.BoolVar(&o.noNoise, "no-noise", false, "leave out the second series of the same thing (A/A)")
	f.BoolVar(&o.pin, "pin", false, "pin each worker process to a core, as pools do by default")
	f.BoolVar(&o.quick, "quick", false, "a quarter of the tasks, and 5 runs")
	f.BoolVar(&o.list, "list", false, "list the workloads and the numbers, and do nothing")
	f.IntVarP(&o.workers, "workers", "j", 0, "workers of each model (0: one for each usable core)")
	f.IntVar(&o.runs, "runs", 12, "runs of each model that count")
	f.IntVar(&o.warmup, "warmup", 1, "runs of each model that are thrown away")
	f.Uint64Var(&o.seed, "seed", 0, "seed of the order (default: another one each time)")
	f.StringSliceVar(&o.files, "files", nil, "where words finds its files (default: documentation of this system)")
	f.BoolVar(&o.json, "json", false, "print everything as JSON")
	f.BoolVar(&o.csv, "csv", false, "print a row for each run as CSV")
	f.BoolVar(&o.markdown, "markdown", false, "print the tables as Markdown")
	f.StringVar(&o.html, "html", "", "write a page with charts to that file as well")
	f.StringVar(&o.save, "save", "", "write the JSON to that file as well")
	f.StringVar(&o.from, "from", "", "run nothing: show what --save or --json has written (- for standard input)")
	f.StringVar(&o.failIf, "fail-if", "", "exit with status 1 if that condition holds")
	cmd.AddCommand(newCompareHostCommand())
	return cmd
}

// newCompareHostCommand makes the program of one run, for this one alone to start.
func newCompareHostCommand() *cobra.Command {
	return &cobra.Command{
		Use: compareHost, Hidden: true, Args: noArguments, Short: "Do one run, for yunta compare",
		RunE: func(cmd *cobra.Command, _ []string) error {
			return load.Serve(cmd.Context(), cmd.InOrStdin(), cmd.OutOrStdout())
		},
	}
}

const compareHost = "one-run"

func listWorkloads(out io.Writer) error {
	table := tabwriter.NewWriter(out, 0, 0, 2, ' ', 0)
	fmt.Fprintln(table, "workload\twhat it does")
	for _, w := range load.Workloads {
		fmt.Fprintf(table, "%s\t%s\n", w.Name, w.About)
	}
	fmt.Fprintln(table, "\t")
	fmt.Fprintln(table, "number\twhat it means")
	for _, m := range compare.Metrics {
		unit := m.Unit
		if unit != "" {
			unit = " (" + unit + ")"
		}
		fmt.Fprintf(table, "%s\t%s%s: %s\n", m.Key, m.Label, unit, m.Help)
	}
	return table.Flush()
}

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

func runCompare(cmd *cobra.Command, o *compareOptions) error {
	r, failed, err := o.report(cmd)
	if err != nil {
		return err
	}
	if err := o.write(cmd, r); err != nil {
		return err
	}
	if o.condition != nil {
		if where := o.condition.Holds(r); len(where) > 0 {
			return fmt.Errorf("%s holds for %s", o.failIf, strings.Join(where, ", "))
		}
	}
	if failed {
		return errReported
	}
	return nil
}

// report makes the comparison, or reads one.
func (o *compareOptions) report(cmd *cobra.Command) (r *compare.Report, failed bool, err error) {
	if o.from == "" {
		return o.runAll(cmd)
	}
	in := cmd.InOrStdin()
	if o.from != "-" {
		f, err := os.Open(o.from)
		if err != nil {
			return nil, false, err
		}
		defer f.Close()
		in = f
	}
	if r, err = compare.Read(in); err != nil {
		return nil, false, fmt.Errorf("%s: %w", o.from, err)
	}
	return r, false, nil
}

// write prints the report in the form that is wanted, and writes the files.
func (o *compareOptions) write(cmd *cobra.Command, r *compare.Report) error {
	for _, file := range []struct {
		path  string
		write func(io.Writer) error
	}{
		{o.save, r.WriteJSON},
		{o.html, func(w io.Writer) error { return report.Write(w, r) }},
	} {
		if file.path == "" {
			continue
		}
		f, err := os.Create(file.path)
		if err != nil {
			return err
		}
		if err := errors.Join(file.write(f), f.Close()); err != nil {
			return err
		}
	}
	out := cmd.OutOrStdout()
	switch {
	case o.json:
		return r.WriteJSON(out)
	case o.csv:
		return r.WriteCSV(out)
	case o.markdown:
		return r.WriteMarkdown(out)
	}
	return r.Print(out, terminalOf(out))
}

// terminalOf finds out how wide the output is, and whether it wants colours. $COLUMNS overrides, as in other programs.
func terminalOf(out io.Writer) compare.Terminal {
	t := compare.Terminal{Width: 80}
	if k, ok := out.(*keenWriter); ok {
		out = k.w
	}
	if f, ok := out.(*os.File); ok && term.IsTerminal(int(f.Fd())) {
		t.Colour = os.Getenv("NO_COLOR") == "" && os.Getenv("TERM") != "dumb"
		if width, _, err := term.GetSize(int(f.Fd())); err == nil && width > 0 {
			t.Width = width
		}
	}
	if n, err := strconv.Atoi(os.Getenv("COLUMNS")); err == nil && n > 0 {
		t.Width = n
	}
	return t
}

// findPython returns the interpreter, "" if there is none that works.
func findPython(ctx context.Context) string {
	path, err := exec.LookPath("python3")
	if err != nil || exec.CommandContext(ctx, path, "-c", "import multiprocessing").Run() != nil {
		return ""
	}
	return path
}
