package main

import (
	"errors"
	"fmt"
	"io"
	"os"
	"time"

	"github.com/spf13/cobra"

	"yunta/child"
	"yunta/cmd/yunta/internal/jobs"
	"yunta/supervisor"
)

// The entries of yunta map. A job is its argument vector and nothing else: its digest is what a result is known by.
var (
	mapBegin = child.Register("map.begin", jobs.Begin)
	mapJob   = child.Register("map", jobs.Run)
)

type mapOptions struct {
	jobs    int
	keep    bool
	pin     choice[supervisor.Pin]
	timeout time.Duration
	grace   time.Duration
	retries int
	tag     bool
	dryRun  bool
	bar     bool
	null    bool
	quiet   bool
	results string
	resume  bool

	template template
	values   []string // nil: from stdin
}

func newMapCommand() *cobra.Command {
	o := mapOptions{pin: choice[supervisor.Pin]{
		words:  []string{"auto", "none", "cores"},
		values: []supervisor.Pin{supervisor.PinAuto, supervisor.PinNone, supervisor.PinCores},
	}}
	cmd := &cobra.Command{
		Use:   "map [flags] [--] COMMAND [ARGUMENT...] [::: VALUE...]",
		Short: "Run a command for each value, several at a time",
		Long: fmt.Sprintf(`Runs COMMAND once for each value, as many at a time as there are usable cores. The values are the
lines of standard input (an empty line is an empty value), or what stands after ":::"; standard
input is not read then. A value is one argument, as it is, whatever is in it: no shell reads it.
It takes the place of each {} in COMMAND and its arguments, or stands behind them if there is none.

A job's input is /dev/null. What it prints is printed when it ends, all at once: its output to
standard output, its errors to standard error, in the order in which jobs end, or with -k in that
of the values. What the jobs print waits in files below $TMPDIR (or /tmp), so that it may be of any
length. A job that fails is tried again --retries times, and only what the last try has printed is
printed. The output of a job that was killed or timed out is printed, too, and a line on standard
error says so.

Jobs are started by a pool of workers. With --pin auto each worker and what it runs has a core of its
own if there is a worker for each usable core; commands that use several cores want --pin none.

When a job times out it gets SIGTERM, with all it has started, and SIGKILL after the grace. A first
Ctrl-C begins no more jobs and lets running ones finish, a second one stops them as a timeout
does, a third one kills them. When this command is killed itself, so are its jobs. On Linux that reaches
whatever a job has started; elsewhere, what has not left the job's process group. What a job
that ended by itself has left running is not waited for, and what it prints from then on is lost. In
a session of its own (setsid) it is left alone; otherwise it goes at the end at the latest.

With --results each job's command, exit status, times and output (of each stream the first %d MiB) are
in that file as soon as it has ended, whatever dies then. With --resume a job whose very command has
succeeded before is not run again, and its output not printed again; values may have been
added, removed or moved meanwhile. "yunta results FILE" shows what is in it.

Exit status: 0 all jobs succeeded; 1 some failed, or the values could not be read; 2 bad command
line; 126 or 127 COMMAND cannot be run or was not found, and nothing was begun; 128 and the signal's
number when a signal ended it (130 for Ctrl-C, 141 when the reader of its output has gone away).`, keptOutput>>20),
		Example: `  ls *.flac | yunta map -- flac -d
  find . -name '*.log' -print0 | yunta map -0 -- gzip -9
  yunta map -j 2 -k --tag -- ping -c 1 ::: one.example two.example
  yunta map --results done.yunta --resume -- ./simulate --seed < seeds
  yunta map -- sh -c 'convert "$1" "${1%.png}.jpg"' sh ::: *.png`,
		Args: func(_ *cobra.Command, args []string) (err error) {
			o.template, o.values, err = splitCommand(args)
			return err
		},
		RunE: func(cmd *cobra.Command, _ []string) error {
			if err := o.check(); err != nil {
				return err
			}
			if o.dryRun {
				return o.print(cmd)
			}
			return runMap(cmd, o)
		},
	}
	f := cmd.Flags()
	f.SetInterspersed(false) // what follows the command's name is the command's
	f.IntVarP(&o.jobs, "jobs", "j", 0, "how many jobs run at a time (0: one for each usable core)")
	f.BoolVarP(&o.keep, "keep-order", "k", false, "print in the order of the values")
	addChoice(cmd, &o.pin, "pin", "pin each worker to a core: if there is one for each, never, always")
	f.DurationVar(&o.timeout, "timeout", 0, "stop a job that takes longer, such as 90s (0: never)")
	f.DurationVar(&o.grace, "grace", 2*time.Second, "time between SIGTERM and SIGKILL when a job is stopped")
	f.IntVar(&o.retries, "retries", 0, "try a job that fails again so many times")
	f.BoolVar(&o.tag, "tag", false, "begin each line with the value and a tab")
	f.BoolVar(&o.dryRun, "dry-run", false, "only print the commands, quoted for a shell")
	f.BoolVar(&o.bar, "bar", false, "show how far it is, on a terminal")
	f.BoolVarP(&o.null, "null", "0", false, "values end with a NUL byte, not with the line")
	f.BoolVarP(&o.quiet, "quiet", "q", false, "print no summary")
	f.StringVar(&o.results, "results", "", "keep what becomes of each job in this file, see yunta results")
	f.BoolVar(&o.resume, "resume", false, "go on with --results FILE: run only what has not succeeded")
	return cmd
}

func (o *mapOptions) check() error {
	switch {
	case o.jobs < 0 || o.jobs > maxJobs:
		return usagef("--jobs is %d, must be between 0 and %d", o.jobs, maxJobs)
	case o.timeout < 0:
		return usagef("--timeout is %v, must not be negative", o.timeout)
	case o.grace < 0:
		return usagef("--grace is %v, must not be negative", o.grace)
	case o.retries < 0:
		return usagef("--retries is %d, must not be negative", o.retries)
	case o.null && o.values != nil:
		return usagef("--null is about standard input, which is not read when values are given after :::")
	case o.resume && o.results == "":
		return usagef("--resume needs --results FILE, the file to go on with")
	case o.results != "" && !o.resume && !o.dryRun:
		if _, err := os.Lstat(o.results); err == nil {
			return usagef("--results %s: the file is there already: go on with it by --resume, or name another", o.results)
		}
	}
	return nil
}

// source returns where the values come from.
func (o *mapOptions) source(cmd *cobra.Command) (source, error) {
	if o.values != nil {
		return &given{o.values}, nil
	}
	in := cmd.InOrStdin()
	if f, ok := in.(*os.File); ok {
		if err := checkInput(f); err != nil {
			return nil, err
		}
	}
	if isTerminal(in) {
		fmt.Fprintf(cmd.ErrOrStderr(), "%s: reading values from the terminal, one a line; Ctrl-D ends them\n", cmd.CommandPath())
	}
	separator := byte('\n')
	if o.null {
		separator = 0
	}
	return newLines(in, separator), nil
}

// print is --dry-run.
func (o *mapOptions) print(cmd *cobra.Command) error {
	in, err := o.source(cmd)
	if err != nil {
		return err
	}
	out := newFlusher(cmd.OutOrStdout())
	for {
		value, err := in.next(nil)
		if err == io.EOF {
			return out.Flush()
		}
		if err != nil {
			return errors.Join(out.Flush(), err)
		}
		if _, err := out.WriteString(shellCommand(o.template.expand(value)) + "\n"); err != nil {
			return err
		}
	}
}

// notFoundError ends the command with the status that a shell has for a command it cannot run.
type notFoundError struct {
	name string
	err  error
}

func (e notFoundError) Error() string { return e.name + ": " + e.err.Error() }

func runMap(cmd *cobra.Command, o mapOptions) error {
	if o.template.fixed() {
		if _, err := jobs.Find(o.template.argv[0]); err != nil {
			return notFoundError{o.template.argv[0], err}
		}
	}
	in, err := o.source(cmd)
	if err != nil {
		return err
	}
	r, err := newMapRun(cmd, o, in)
	if err != nil {
		return err
	}
	defer r.close()
	return r.run(cmd.Context())
}
