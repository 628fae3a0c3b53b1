package main

import (
	"context"
	"errors"
	"fmt"
	"io"
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
