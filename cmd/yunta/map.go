package main

import (
	"errors"
	"fmt"
	"os"
	"regexp"
	"time"

	"github.com/spf13/cobra"

	"yunta/child"
	"yunta/cmd/yunta/internal/jobs"
	"yunta/supervisor"
)

// The entries of runs of commands. A job that is an argument vector and nothing else has one of its own: its digest is what a result is
// known by.
var (
	mapBegin = child.Register("map.begin", jobs.Begin)
	mapJob   = child.Register("map", jobs.Run)
	mapSpec  = child.Register("map.spec", jobs.RunSpec)
)

func newMapCommand() *cobra.Command {
	o := newMapOptions()
	cmd := &cobra.Command{
		Use:     "map [flags] [--] COMMAND [ARGUMENT...] [::: VALUE... | :::: FILE...]",
		Short:   "Run a command for each value, several at a time",
		Long:    fmt.Sprintf(mapHelp, keptOutput>>20),
		Example: mapExamples,
		Args: func(_ *cobra.Command, args []string) error {
			return o.split(args)
		},
		RunE: func(cmd *cobra.Command, _ []string) error {
			if err := o.check(); err != nil {
				return err
			}
			return o.start(cmd)
		},
	}
	o.flags(cmd)
	return cmd
}

const mapHelp = `Runs COMMAND once for each value, as many at a time as there are usable cores. The values are the
lines of standard input (an empty line is an empty value), of the FILEs behind "::::" (- is standard
input), or what stands behind ":::". A value is one argument, as it is, whatever is in it: no shell
reads it. Several sources give all combinations of their values; ":::+" and "::::+" link a source to
the one before: values are taken from both in step, until one ends. --link links all, and begins
again with those that end early. --colsep cuts values into columns, and --header : names columns by
the first line.

In COMMAND and its arguments stand for a value: {}, {.} without its extension, {/} its last part,
{//} its folder, {/.} the last part without extension; {1}, {2.}, {-1/} that of the first, second,
last source or column; {name}, {name/.} a named column; {#} is the number of the job and {%%} that
of its slot. With no {} of any kind the values stand behind. -n N puts N values into each job,
-X (or -m) as many as a command may have, shared out evenly at the end of the input; an argument
with {} stands there once for each value.

With --sh the words are a line for a shell, in which values are quoted: {} must not stand within
quotes of your own. What --dry-run prints can be pasted into a shell.

A job's input is /dev/null, or with --pipe a block of standard input: whole records, which end with
--recend or begin with --recstart, about --block bytes or -N records of them. --pipepart FILE is the
same for a file, faster; --round-robin gives all blocks to as many jobs as there are slots, and
--tee all of the input to each job.

What a job prints is printed when it ends, all at once: its output to standard output, its errors to
standard error, in the order in which jobs end, or with -k in that of the values. --line-buffer
passes whole lines on as they come, -u everything. What the jobs print waits in files below $TMPDIR
(or /tmp), so that it may be of any length. A job that fails is tried again --retries times, after a
pause of --backoff that doubles, and only what the last try has printed is printed. The output of a
job that was killed or timed out is printed, too, and a line on standard error says so.

Jobs are started by a pool of workers. With --pin auto each worker and what it runs has a core of
its own if there is a worker for each usable core; commands that use several cores want --pin none.

When a job times out it gets SIGTERM, with all it has started, and SIGKILL after the grace. A first
Ctrl-C begins no more jobs and lets running ones finish, a second one stops them as a timeout does,
a third one kills them. --halt ends a run by itself: now or soon, then fail, success or done with a
number of jobs or a percentage. When this command is killed itself, so are its jobs. On Linux that
reaches whatever a job has started; elsewhere, what has not left the job's process group. What a job
that ended by itself has left running is not waited for, and what it prints from then on is lost. In
a session of its own (setsid) it is left alone; otherwise it goes at the end at the latest.

With --results each job's command, exit status, times and output (of each stream the first %d MiB)
are in that file as soon as it has ended, whatever dies then. With --resume a job whose very command
has succeeded before is not run again, and its output not printed again; values may have been added,
removed or moved meanwhile. "yunta results FILE" shows what is in it. --joblog writes a line for
each job in GNU parallel's columns, the exit value of a job that a signal ended being 128 and its
number; --resume goes by the commands in it, too: what has ended is not run again, with
--resume-failed what has succeeded. --retry-failed runs only what has failed. --outputs DIR keeps
outputs in folders named after the values, in place of printing them.

Exit status: 0 all jobs succeeded; 1 some failed, or the values could not be read; 2 bad command
line; with --halt that of the job which ended the run, or 1 if that was to be several; 126 or 127
COMMAND cannot be run or was not found, and nothing was begun; 128 and the signal's number when a
signal ended it (130 for Ctrl-C, 141 when the reader of its output has gone away).`

const mapExamples = `  ls *.flac | yunta map -- flac -d
  find . -name '*.log' -print0 | yunta map -0 -- gzip -9
  yunta map -j 2 -k --tag -- ping -c 1 ::: one.example two.example
  yunta map --header : -- ./simulate --size {size} --seed {seed} ::: size 10 100 ::: seed 1 2 3
  yunta map --results done.yunta --resume -- ./simulate --seed < seeds
  yunta map --sh 'convert {} {.}.jpg && rm {}' ::: *.png
  yunta map --pipe --header : --block 10M -- ./load < big.csv`

// mapOptions are what the command line of yunta map asks for.
type mapOptions struct {
	run  runOptions
	in   inputOptions
	pipe pipeOptions

	command                 []string
	slots, timeout          string
	pin                     choice[supervisor.Pin]
	progress                choice[string]
	sh                      string
	tag, dry, null          bool
	tagString, delimiter    string
	each                    int
	around, join            bool
	outputs, logPath        string
	goOn, again, retry      bool
	wd, halt                string
	header, block           string
	load, memfree, pipepart string
	env                     []string
	lines, straight, tty    bool
	bar, eta                bool
}

func newMapOptions() *mapOptions {
	o := &mapOptions{
		pin: choice[supervisor.Pin]{
			words:  []string{"auto", "none", "cores"},
			values: []supervisor.Pin{supervisor.PinAuto, supervisor.PinNone, supervisor.PinCores},
		},
		progress: choice[string]{words: []string{"none", "bar", "plain", "json"}, values: []string{"", "", "plain", "json"}},
	}
	o.in.separator = "\n"
	return o
}

func (o *mapOptions) flags(cmd *cobra.Command) {
	f := cmd.Flags()
	f.SetInterspersed(false) // what follows the command's name is the command's
	f.StringVarP(&o.slots, "jobs", "j", "", "how many jobs run at a time: N, N% of the cores, +N or -N, a file with that (default one for each usable core)")
	f.BoolVarP(&o.run.keep, "keep-order", "k", false, "print in the order of the values")
	addChoice(cmd, &o.pin, "pin", "pin each worker to a core: if there is one for each, never, always")
	f.StringVar(&o.timeout, "timeout", "", "stop a job that takes longer, such as 90s, or 300% of the median (default never)")
	f.DurationVar(&o.run.settings.Grace, "grace", 2*time.Second, "time between SIGTERM and SIGKILL when a job is stopped")
	f.IntVar(&o.run.settings.Retries, "retries", 0, "try a job that fails again so many times")
	f.DurationVar(&o.run.settings.Backoff, "backoff", 100*time.Millisecond, "pause before a job is tried again; it doubles each time")
	f.BoolVar(&o.tag, "tag", false, "begin each line with the value and a tab")
	f.StringVar(&o.tagString, "tagstring", "", "begin each line with this and a tab; {} and its kin are replaced")
	f.BoolVar(&o.dry, "dry-run", false, "only print the commands, quoted for a shell")
	f.BoolVar(&o.bar, "bar", false, "show how far it is, on a terminal")
	f.BoolVar(&o.eta, "eta", false, "the same as --bar")
	addChoice(cmd, &o.progress, "progress", "how that is shown: a bar, or lines on standard error")
	f.BoolVarP(&o.null, "null", "0", false, "values end with a NUL byte, not with the line")
	f.StringVarP(&o.delimiter, "delimiter", "d", "", "values end with this")
	f.BoolVarP(&o.run.quiet, "quiet", "q", false, "print no summary")
	f.StringVar(&o.run.results, "results", "", "keep what becomes of each job in this file, see yunta results")
	f.StringVar(&o.outputs, "outputs", "", "keep outputs in a tree of folders, or a .csv, .tsv or .json file, and print none")
	f.StringVar(&o.logPath, "joblog", "", "write a line for each job into this file")
	f.StringVar(&o.run.trace, "trace", "", "write a timeline into this file, for https://ui.perfetto.dev")
	f.BoolVar(&o.goOn, "resume", false, "go on with --results FILE or --joblog FILE: run only what is not done")
	f.BoolVar(&o.again, "resume-failed", false, "go on with --joblog FILE: run only what has not succeeded")
	f.BoolVar(&o.retry, "retry-failed", false, "run only what has failed by --joblog FILE")
	f.StringArrayVarP(&o.in.files, "arg-file", "a", nil, "take values from this file (- for standard input)")
	f.StringVarP(&o.in.columns, "colsep", "C", "", "cut values into columns at this regular expression")
	f.StringVar(&o.header, "header", "", "\":\": the first value of each source names its columns; with --pipe also how many lines to repeat")
	f.BoolVar(&o.in.link, "link", false, "link all sources, those that end early begin again")
	f.BoolVarP(&o.in.notBlank, "no-run-if-empty", "r", false, "leave blank values out")
	f.StringVar(&o.in.trim, "trim", "", "take blanks off values at the left or right: l, r, lr")
	f.BoolVar(&o.in.shuffle, "shuf", false, "in random order")
	f.IntVarP(&o.each, "max-args", "n", 0, "put so many values into each job")
	f.IntVarP(&o.each, "max-lines", "L", 0, "the same as -n")
	f.IntVarP(&o.each, "max-replace-args", "N", 0, "the same as -n; with --pipe so many records")
	f.BoolVarP(&o.around, "xargs-context", "X", false, "put as many values into each job as fit, shared out at the end")
	f.BoolVarP(&o.join, "xargs", "m", false, "the same as -X")
	f.StringVar(&o.sh, "sh", "", "give the command to a shell (--sh=SHELL; default /bin/sh), values quoted")
	f.Lookup("sh").NoOptDefVal = "/bin/sh"
	f.BoolVar(&o.lines, "line-buffer", false, "pass on whole lines as they come; with -k when the job has ended")
	f.BoolVarP(&o.straight, "ungroup", "u", false, "jobs write where this command does, as they like")
	f.BoolVar(&o.tty, "tty", false, "a job has the terminal; one at a time unless -j says otherwise")
	f.StringVar(&o.halt, "halt", "", "end early: never, or now|soon,fail|success|done=N|N%")
	f.DurationVar(&o.run.gate.delay, "delay", 0, "time between the beginnings of two jobs")
	f.StringVar(&o.load, "load", "", "begin jobs only while the load average is below N or N% of the cores")
	f.StringVar(&o.memfree, "memfree", "", "begin jobs only while so many bytes of memory are free, such as 2G")
	f.IntVar(&o.run.settings.Nice, "nice", 0, "add this to the niceness of jobs")
	f.StringVar(&o.wd, "wd", "", "run jobs in this folder; {} and its kin are replaced")
	f.StringArrayVar(&o.env, "env", nil, "NAME=VALUE for the jobs' environment")
	f.BoolVar(&o.pipe.on, "pipe", false, "cut standard input into blocks, one for each job to read")
	f.StringVar(&o.pipepart, "pipepart", "", "cut this file into blocks, one for each job to read")
	f.StringVar(&o.block, "block", "1M", "size of a block; -N: N blocks for each slot")
	f.StringVar(&o.pipe.marks.Start, "recstart", "", "records begin with this")
	f.StringVar(&o.pipe.marks.End, "recend", "\n", "records end with this")
	f.BoolVar(&o.pipe.marks.Regexp, "regexp", false, "--recstart and --recend are regular expressions")
	f.BoolVar(&o.pipe.roundRobin, "round-robin", false, "give blocks to jobs that run, as they have room")
	f.BoolVar(&o.pipe.tee, "tee", false, "give all of standard input to each job")
}

// split divides the arguments into the command and where its values are.
func (o *mapOptions) split(args []string) error {
	o.command, o.in.args = splitSources(args, sourceMarks{":::", "::::"})
	switch {
	case len(o.command) == 0:
		return errors.New("needs a command to run")
	case o.command[0] == "":
		return errors.New("the command is empty")
	case len(o.in.args) > 0 && o.in.args[0].linked:
		return errors.New("there is no source before :::+ to link it to")
	}
	return nil
}

// notFoundError ends the command with the status that a shell has for a command it cannot run.
type notFoundError struct {
	name string
	err  error
}

func (e notFoundError) Error() string { return e.name + ": " + e.err.Error() }

// checkPattern refuses what is no regular expression.
func checkPattern(flag, pattern string) error {
	if _, err := regexp.Compile(pattern); err != nil {
		return usagef("%s %s: %w", flag, pattern, err)
	}
	return nil
}

// checkResults refuses to write over a file.
func (o *mapOptions) checkResults() error {
	if o.run.results != "" && !o.goOn && !o.dry {
		if _, err := os.Lstat(o.run.results); err == nil {
			return usagef("--results %s: the file is there already: go on with it by --resume, or name another", o.run.results)
		}
	}
	return nil
}
