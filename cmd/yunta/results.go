package main

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"slices"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"yunta/ipc"
	"yunta/oslock"
)

// Tunables of --follow.
const (
	followPace = 200 * time.Millisecond
	// followShare bounds the part of the time that looking takes: a look at a large file is followed by a longer pause.
	followShare = 10
)

type resultsOptions struct {
	follow, json, csv, verify bool
	repair                    string
	status                    []string
}

func newResultsCommand() *cobra.Command {
	var o resultsOptions
	cmd := &cobra.Command{
		Use:   "results FILE",
		Short: "List, follow, check, export or repair a file of results",
		Long: `Shows what a file of results holds, as 'yunta map --results FILE' and programs that use the
library (PoolOptions.ResultsFile) write it: a line for each attempt at a task, in the order in
which they lie in the file. It can be read while others write to it.

A task is running while its run is; when nobody has the file open for writing any more it was
interrupted: it may have had effects, and a resumed run does it again. A task is unsuccessful
when its result says so itself, such as a command's exit status.

--verify reads everything and says what is whole, damaged or missing. --repair copies every
whole record into a new file, from which a run can be resumed.

Exit status: 0 all is well, 1 the file is damaged or cannot be read, 2 bad command line.`,
		Example: "  yunta results runs.yunta\n  yunta results --json --status failed,unsuccessful runs.yunta | jq .argument\n  yunta results --repair saved.yunta damaged.yunta",
		Args: func(_ *cobra.Command, args []string) error {
			if len(args) != 1 {
				return errors.New("needs the name of one file")
			}
			return nil
		},
		RunE: func(cmd *cobra.Command, args []string) error {
			if err := o.check(); err != nil {
				return err
			}
			return o.run(cmd, args[0])
		},
	}
	flags := cmd.Flags()
	flags.BoolVarP(&o.follow, "follow", "f", false, "go on with what is written meanwhile, until the last writer is gone")
	flags.BoolVar(&o.json, "json", false, "print a JSON object for each record, one a line")
	flags.BoolVar(&o.csv, "csv", false, "print comma-separated values, with a line of names first")
	flags.BoolVar(&o.verify, "verify", false, "check every record, and print counts instead of records")
	flags.StringVar(&o.repair, "repair", "", "copy every whole record into this new `file`")
	flags.StringSliceVar(&o.status, "status", nil, "only records of these `states`: succeeded, failed, unsuccessful, running, interrupted")
	return cmd
}

func (o resultsOptions) check() error {
	modes := 0
	for _, on := range []bool{o.json, o.csv, o.verify, o.repair != ""} {
		if on {
			modes++
		}
	}
	switch {
	case modes > 1:
		return usagef("--json, --csv, --verify and --repair exclude each other")
	case o.follow && (o.verify || o.repair != ""):
		return usagef("--follow goes with a list, not with --verify or --repair")
	case len(o.status) > 0 && (o.verify || o.repair != ""):
		return usagef("--status goes with a list, not with --verify or --repair")
	}
	for _, s := range o.status {
		if !slices.Contains(recordStates, s) {
			return usagef("--status %q: one of %s", s, strings.Join(recordStates, ", "))
		}
	}
	return nil
}

func (o resultsOptions) run(cmd *cobra.Command, path string) error {
	if o.repair != "" {
		report, err := ipc.RepairResults(path, o.repair)
		if err != nil {
			return err
		}
		fmt.Fprintf(cmd.OutOrStdout(), "%s\n", reportLine(report))
		fmt.Fprintf(cmd.OutOrStdout(), "what is whole is in %s now\n", o.repair)
		return nil
	}
	f, err := ipc.OpenResults(path, ipc.ResultsOptions{ReadOnly: true, MustExist: true})
	if err != nil {
		return err
	}
	defer f.Close()
	if o.verify {
		return verifyResults(cmd, f)
	}
	ctx := cmd.Context()
	if o.follow {
		c, release := interruptible(ctx, io.Discard, cmd.CommandPath())
		defer release()
		ctx = c
	}
	out := bufio.NewWriter(cmd.OutOrStdout())
	list := &resultsList{file: f, path: path, status: o.status, printer: o.printer(out), stderr: cmd.ErrOrStderr(), name: cmd.CommandPath()}
	err = list.print(ctx, o.follow, out)
	if err := errors.Join(err, out.Flush()); err != nil {
		return endOf(ctx, err)
	}
	if list.damaged > 0 {
		fmt.Fprintf(cmd.ErrOrStderr(), "%s: %s damaged: see --verify and --repair\n", cmd.CommandPath(), plural(list.damaged, "place"))
		return errReported
	}
	return nil
}

func verifyResults(cmd *cobra.Command, f *ipc.ResultFile) error {
	report, err := f.Verify()
	if err != nil {
		return err
	}
	fmt.Fprintln(cmd.OutOrStdout(), reportLine(report))
	for _, p := range report.Problems {
		fmt.Fprintf(cmd.ErrOrStderr(), "%s: %s\n", cmd.CommandPath(), oneLine(p))
	}
	if report.Truncated {
		fmt.Fprintf(cmd.ErrOrStderr(), "%s: the file was cut off\n", cmd.CommandPath())
	}
	if report.Damaged > 0 || report.Truncated {
		return errReported
	}
	return nil
}

func reportLine(r ipc.ResultsReport) string {
	return fmt.Sprintf("%s: %d succeeded, %d failed, %d unsuccessful, %d not ended; %s damaged; %s",
		plural(r.Records, "record"), r.Succeeded, r.Failed, r.Unsuccessful, r.Running, plural(r.Damaged, "place"), megabytes(r.Bytes))
}

// resultsList prints records, each once.
type resultsList struct {
	file    *ipc.ResultFile
	path    string
	status  []string
	printer rowPrinter
	stderr  io.Writer
	name    string
	damaged int
}

func (l *resultsList) print(ctx context.Context, follow bool, out *bufio.Writer) error {
	var seen map[ipc.RecordRef]bool
	if follow {
		seen = make(map[ipc.RecordRef]bool)
	}
	if err := l.printer.begin(); err != nil {
		return err
	}
	for {
		// Asked first: what is written until nobody writes is seen by the look after it.
		busy, err := beingWritten(l.path)
		if err != nil {
			return err
		}
		start := time.Now()
		if err := l.look(ctx, seen, busy); err != nil {
			return err
		}
		if !follow || !busy {
			return nil
		}
		if err := out.Flush(); err != nil {
			return err
		}
		select {
		case <-time.After(max(followPace, followShare*time.Since(start))):
		case <-ctx.Done():
			return context.Cause(ctx)
		}
	}
}

// look prints what is there and was not printed yet. One that runs is printed only when nobody can end it any more,
// or when it is not followed.
func (l *resultsList) look(ctx context.Context, seen map[ipc.RecordRef]bool, busy bool) error {
	for r, err := range l.file.Records() {
		if ctx.Err() != nil {
			return context.Cause(ctx)
		}
		if err != nil {
			if !errors.Is(err, ipc.ErrCorrupt) {
				return err
			}
			if seen == nil || !busy {
				l.damaged++
				fmt.Fprintf(l.stderr, "%s: %s\n", l.name, oneLine(err))
			}
			continue
		}
		if seen != nil {
			if seen[r.Ref] || busy && r.Status == ipc.RecordRunning {
				continue
			}
			seen[r.Ref] = true
		}
		state := recordState(r.Status, busy)
		if len(l.status) > 0 && !slices.Contains(l.status, state) {
			continue
		}
		if err := l.printer.row(newRow(&r, state)); err != nil {
			return err
		}
	}
	return nil
}

// beingWritten reports whether anybody has a file of results open for writing: writers share its flock, or own it.
func beingWritten(path string) (bool, error) {
	f, err := os.Open(path)
	if err != nil {
		return false, err
	}
	defer f.Close()
	lock := oslock.FileLockOf(f)
	defer lock.Close()
	free, err := lock.TryLock()
	return !free, err
}
