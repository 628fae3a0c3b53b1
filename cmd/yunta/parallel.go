package main

import (
	"bufio"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"syscall"

	"github.com/spf13/cobra"

	"yunta/cmd/yunta/internal/jobs"
)

// exitParallel is the exit status of yunta parallel's own errors.
const exitParallel = 255

// longestCommand is how long a command may be, in bytes: it is one argument of the shell, for which Linux has a limit of 128 KiB.
const longestCommand = 131000

// A statusError ends the command with a status of its own, after what it says.
type statusError struct {
	status int
	err    error // nil: it was said
}

func (e statusError) Error() string {
	if e.err == nil {
		return "reported"
	}
	return e.err.Error()
}

func newParallelCommand() *cobra.Command {
	cmd := &cobra.Command{
		Use:   "parallel [options] [COMMAND [ARGUMENT...]] [::: VALUE... | :::: FILE...]",
		Short: "Run shell commands as GNU parallel does, with its options",
		Long: `Runs a shell command for each value, with the options, replacement strings and exit statuses of GNU
parallel, for fingers and scripts that know them; what is new should use "yunta map", where a value
is an argument and no text of a shell. Called through a link named parallel this is what it is.

The command's words are joined by blanks and given to $PARALLEL_SHELL, or $SHELL, with -c; values are
quoted where they are put in. Within quotes of your own these quotes are undone: write {}, not "{}".
Without a command each value is one.

Different from GNU parallel, on purpose: what jobs have printed that a timeout, --halt, or a signal
has ended is printed, and a line says so; the log (--joblog) has 128 and the signal's number as the
exit value of a job that a signal ended, besides the signal; --resume goes by the commands
in the log if they are this run's, and by their numbers only if they are not; nothing is read from
or written to HOME. When this command is killed by whatever signal, all jobs end.

Exit status: 0 all jobs succeeded; 1 to 100 so many failed; 101 more; 255 another error, or ended by
SIGTERM or SIGINT. With --halt: that of the job which ended the run, when one was to; else how many
failed, or with % the percentage.

Signals: SIGHUP begins no more jobs; SIGTERM and SIGINT stop those that run (--termseq), once more
kills them.

Options: -0 -d -a -C --colsep --header --link -r --trim -E --shuf --arg-sep --arg-file-sep
  -n -N -L -l -X -m --xargs -s -I -i -U --rpl --plus --parens -q
  -j -P --delay --load --memfree --nice --timeout --termseq --retries --halt --wd --env
  -k -u --group --line-buffer --lb --tty --tag --tagstring -v -t --dry-run --results --files
  --joblog --resume --resume-failed --retry-failed --bar --eta --progress --tmpdir --shell-quote
  --pipe --pipepart --block --recstart --recend --regexp --rrs --round-robin --cat --fifo --tee
  -J --plain --shebang --version --help
  {= EXPRESSION =} takes s///, tr///, uc, lc, ucfirst, lcfirst, length, seq(), slot(), uq(), and
  $_ = of these, numbers and texts with + - * / % and the dot. --memfree does not kill jobs.
  --bar, --eta and --progress are one bar, on a terminal.

Not supported, and refused by name:
` + supportedTable(),
		Example: `  parallel gzip ::: *.log
  find . -name '*.jpg' | parallel convert {} {.}.png
  parallel --header : ./sim --a {a} --b {b} ::: a 1 2 3 ::: b x y
  cat big.csv | parallel --pipe --header : --block 10M ./load`,
		DisableFlagParsing: true,
		RunE: func(cmd *cobra.Command, args []string) error {
			err := runParallel(cmd, args)
			if err == nil {
				return nil
			}
			if s, ok := errors.AsType[statusError](err); ok {
				return s
			}
			if i, ok := errors.AsType[interruptError](err); ok && i.signal == syscall.SIGPIPE {
				return i
			}
			return statusError{exitParallel, err}
		},
	}
	return cmd
}

// expandOptions puts options from profiles and from $PARALLEL in front of those of the command line.
func expandOptions(args []string) ([]string, error) {
	var front []string
	if words := strings.TrimSpace(os.Getenv("PARALLEL")); words != "" && !slices.Contains(args, "--plain") {
		more, err := splitWords(words)
		if err != nil {
			return nil, fmt.Errorf("$PARALLEL: %w", err)
		}
		front = append(front, more...)
	}
	for i, a := range args {
		name := ""
		switch {
		case a == ":::" || a == "::::" || a == "--":
			return append(front, args...), nil
		case (a == "-J" || a == "--profile") && i+1 < len(args):
			name = args[i+1]
		case strings.HasPrefix(a, "--profile="):
			name = strings.TrimPrefix(a, "--profile=")
		case strings.HasPrefix(a, "-J") && len(a) > 2:
			name = a[2:]
		default:
			continue
		}
		b, err := os.ReadFile(name)
		if err != nil {
			return nil, err
		}
		for line := range strings.Lines(string(b)) {
			if line = strings.TrimSpace(line); line == "" || line[0] == '#' {
				continue
			}
			more, err := splitWords(line)
			if err != nil {
				return nil, fmt.Errorf("%s: %w", name, err)
			}
			front = append(front, more...)
		}
	}
	return append(front, args...), nil
}

// splitWords splits at blanks, except within quotes and behind a backslash.
func splitWords(s string) (words []string, err error) {
	var word strings.Builder
	quote, begun := byte(0), false
	for i := 0; i < len(s); i++ {
		c := s[i]
		switch {
		case quote != 0 && c == quote:
			quote = 0
		case c == '\\' && quote != '\'' && i+1 < len(s):
			i++
			word.WriteByte(s[i])
			begun = true
		case quote != 0:
			word.WriteByte(c)
		case c == '\'' || c == '"':
			quote, begun = c, true
		case c == ' ' || c == '\t' || c == '\n':
			if begun {
				words = append(words, word.String())
				word.Reset()
				begun = false
			}
		default:
			word.WriteByte(c)
			begun = true
		}
	}
	if quote != 0 {
		return nil, fmt.Errorf("a quote %c is not closed", quote)
	}
	if begun {
		words = append(words, word.String())
	}
	return words, nil
}

func runParallel(cmd *cobra.Command, args []string) error {
	o := newParallelOptions()
	args, shebang, err := shebangArguments(args)
	if err != nil {
		return err
	}
	if args, err = expandOptions(args); err != nil {
		return err
	}
	args, err = o.set().Parse(args)
	switch {
	case err != nil:
		return fmt.Errorf("%w (see '%s --help')", err, cmd.CommandPath())
	case o.number:
		_, err := fmt.Fprintln(cmd.OutOrStdout(), parallelVersion)
		return err
	case o.help:
		return cmd.Help()
	case o.version:
		_, err := fmt.Fprintf(cmd.OutOrStdout(), "yunta parallel, which does what GNU parallel %d does\n", parallelVersion)
		return err
	}
	if shebang != "" {
		o.in.files, o.in.skipFirst = append(o.in.files, shebang), true
	}
	command, sources := splitSources(args, o.marks)
	o.in.args = sources
	return o.start(cmd, command)
}

// shebangArguments undoes what the kernel makes of a first line "#!/usr/bin/parallel --shebang ...": the options may be one word, and the
// script is the last one.
func shebangArguments(args []string) (rest []string, script string, err error) {
	if len(args) < 2 || !strings.HasPrefix(args[0], "--shebang") && !strings.HasPrefix(args[0], "--hashbang") {
		return args, "", nil
	}
	words, err := splitWords(args[0])
	if err != nil {
		return nil, "", err
	}
	last := len(args) - 1
	return append(words, args[1:last]...), args[last], nil
}

// signalled is what signals ask of yunta parallel.
func signalled(s os.Signal, now jobs.Level) jobs.Level {
	switch {
	case s == syscall.SIGHUP:
		return max(now, jobs.Drain)
	case now >= jobs.Stop:
		return jobs.Kill
	}
	return jobs.Stop
}

// status makes GNU parallel's exit status of what became of a run.
func (o *parallelOptions) status(r *jobRun, err error) error {
	failed, count := errors.AsType[failedError](err)
	halted, byRule := errors.AsType[haltedError](err)
	interrupt, bySignal := errors.AsType[interruptError](err)
	switch {
	case err == nil:
		return nil
	case bySignal && interrupt.signal == syscall.SIGHUP:
		failed.jobs, count = r.summary.failed, true
	case bySignal && interrupt.signal != syscall.SIGPIPE:
		return statusError{exitParallel, nil}
	case byRule:
		failed.jobs, count = halted.status, true
		return statusOf(halted.status)
	}
	if count {
		return statusOf(min(failed.jobs, 101))
	}
	return err
}

func statusOf(n int) error {
	if n == 0 {
		return nil
	}
	return statusError{n & 255, nil}
}

// shell is what runs the commands.
func parallelShell() string {
	for _, name := range []string{"PARALLEL_SHELL", "SHELL"} {
		if s := os.Getenv(name); s != "" {
			return s
		}
	}
	return "/bin/sh"
}

// calledAs returns the arguments with the command in front that the name stands for under which this program was called.
func calledAs(args []string) []string {
	if len(args) > 0 && filepath.Base(args[0]) == "parallel" {
		return append([]string{"parallel"}, args[1:]...)
	}
	return args[1:]
}

// lineBuffer is how many bytes of printed commands are held back for a larger piece.
const lineBuffer = 64 << 10

// printLines writes lines to a writer that is slow line by line.
func printLines(w io.Writer, each func(write func(string) error) error) error {
	out := bufio.NewWriterSize(w, lineBuffer)
	err := each(func(line string) error {
		_, err := out.WriteString(line + "\n")
		return err
	})
	return errors.Join(err, out.Flush())
}
