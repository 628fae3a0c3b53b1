package main

import (
	"errors"
	"fmt"
	"io"
	"os"
	"strconv"
	"strings"

	"github.com/spf13/cobra"
	"github.com/spf13/pflag"

	"yunta/cmd/yunta/internal/jobs"
)

// Exit statuses. A signal's is 128 and its number, as in a shell.
const (
	exitFailure = 1 // the work was not done, or not all of it
	exitUsage   = 2 // the command line makes no sense
)

// run is the whole command, from arguments to exit status.
func run(args []string, stdout, stderr io.Writer) int {
	root := newRootCommand(args)
	root.SetArgs(args)
	out := &keenWriter{w: stdout}
	root.SetOut(out)
	root.SetErr(stderr)
	understood := false
	root.PersistentPreRun = func(*cobra.Command, []string) { understood = true }
	cmd, err := root.ExecuteC()
	if err == nil {
		if out.err == nil {
			return 0
		}
		err, understood = out.err, true
	}
	if interrupt, ok := errors.AsType[interruptError](err); ok {
		return interrupt.status() // it was said when it came
	}
	if s, ok := errors.AsType[statusError](err); ok {
		if s.err != nil {
			fmt.Fprintf(stderr, "%s: %s\n", cmd.Name(), oneLine(s))
		}
		return s.status
	}
	if missing, ok := errors.AsType[notFoundError](err); ok {
		fmt.Fprintf(stderr, "%s: %s\n", cmd.CommandPath(), oneLine(err))
		return jobs.Status(missing.err)
	}
	if _, bad := errors.AsType[usageError](err); understood && !bad {
		if !errors.Is(err, errReported) {
			fmt.Fprintf(stderr, "%s: %s\n", cmd.CommandPath(), oneLine(err))
		}
		return exitFailure
	}
	hint := ""
	if !understood {
		hint = fmt.Sprintf(" (see '%s --help')", cmd.CommandPath())
	}
	fmt.Fprintf(stderr, "%s: %s%s\n", cmd.CommandPath(), oneLine(err), hint)
	return exitUsage
}

// A keenWriter remembers that something could not be written: a full disk must not look like success, whatever printed.
type keenWriter struct {
	w   io.Writer
	err error

	looked, isPipe bool
}

// pipe reports whether it writes to a pipe.
func (k *keenWriter) pipe() bool {
	if f, ok := k.w.(*os.File); ok && !k.looked {
		info, err := f.Stat()
		k.isPipe = err == nil && info.Mode()&os.ModeNamedPipe != 0
		if k.isPipe {
			jobs.Widen(f)
		}
	}
	k.looked = true
	return k.isPipe
}

func (k *keenWriter) Write(p []byte) (int, error) {
	n, err := k.w.Write(p)
	if k.err == nil {
		k.err = err
	}
	return n, err
}

// errReported ends a command that has said itself what went wrong.
var errReported = errors.New("reported")

// A usageError is found after the flags were read, but is still the command line's fault.
type usageError struct{ error }

func usagef(format string, args ...any) error { return usageError{fmt.Errorf(format, args...)} }

func oneLine(err error) string {
	return strings.Join(strings.FieldsFunc(err.Error(), func(r rune) bool { return r == '\n' }), "; ")
}

// subcommands are made when they are needed: a job of map that takes a millisecond should not wait for the flags of all others.
func subcommands() []subcommand {
	return []subcommand{
		{"map", newMapCommand},
		{"parallel", newParallelCommand},
		{"results", newResultsCommand},
		{"lab", newLabCommand},
		{"count", newCountCommand},
		{"version", newVersionCommand},
		{"doctor", newDoctorCommand},
		{"python-worker", newPythonWorkerCommand},
		{"lock", newLockCommand},
		{"sem", newSemCommand},
		{"semaphore", newSemaphoreCommand},
		{"keep", newKeepCommand},
		{"top", newTopCommand},
		{"compare", newCompareCommand},
		{"man", newManCommand},
		{"completion", newCompletionCommand},
	}
}

type subcommand struct {
	name string
	make func() *cobra.Command
}

// newRootCommand makes the command for some arguments: with the subcommand that they name first, or with all.
func newRootCommand(args []string) *cobra.Command {
	root := &cobra.Command{
		Use:   "yunta",
		Short: "Run work in several processes, pinned to cores and kept apart by locks",
		Long: `yunta runs work in several processes, pinned to cores and kept apart by locks, as
Python's multiprocessing does. A task that crashes or hangs takes down one process, which is
seen, named and replaced; the rest of the work goes on.

Nothing is coloured but "yunta top", which heeds NO_COLOR; bars and redrawn lines are for terminals alone.
"yunta completion SHELL" and "yunta man DIR" write what a shell and man need.

Exit status: 0 done, 1 failed in part or whole, 2 bad command line, 130 interrupted.`,
		SilenceErrors: true,
		SilenceUsage:  true,
	}
	isGroup(root)
	root.SetFlagErrorFunc(flagError)
	for _, c := range subcommands() {
		if len(args) > 0 && args[0] == c.name {
			root.AddCommand(c.make())
		}
	}
	if !root.HasSubCommands() {
		for _, c := range subcommands() {
			root.AddCommand(c.make())
		}
		addCompletions(root)
	}
	root.SetHelpCommand(newHelpCommand(root))
	return root
}

// isGroup makes cmd a command that only holds others: alone it prints its help, and a name it does not know is an error, with
// the names that may have been meant.
func isGroup(cmd *cobra.Command) {
	cmd.SuggestionsMinimumDistance = 2
	cmd.Args = func(cmd *cobra.Command, args []string) error {
		if len(args) == 0 {
			return nil
		}
		return unknownCommand(cmd, args[0])
	}
	cmd.RunE = func(cmd *cobra.Command, _ []string) error { return cmd.Help() }
}

// flagError says what is wrong with a flag's value without the names of the functions that found out.
func flagError(_ *cobra.Command, err error) error {
	invalid, ok := errors.AsType[*pflag.InvalidValueError](err)
	if !ok {
		return err
	}
	f, cause := invalid.GetFlag(), invalid.Unwrap()
	switch kind := f.Value.Type(); {
	case errors.Is(cause, strconv.ErrRange):
		cause = errors.New("too large")
	case kind == "int":
		cause = errors.New("not a whole number")
	case kind == "bool":
		cause = errors.New("neither true nor false")
	case kind == "duration":
		cause = errors.New("not a duration such as 20us")
	}
	return fmt.Errorf("--%s %q: %w", f.Name, invalid.GetValue(), cause)
}

// noArguments is the Args of a command that takes flags only.
func noArguments(_ *cobra.Command, args []string) error {
	if len(args) > 0 {
		return fmt.Errorf("takes no arguments, not even %q", args[0])
	}
	return nil
}

func unknownCommand(parent *cobra.Command, name string) error {
	if near := parent.SuggestionsFor(name); len(near) > 0 {
		return fmt.Errorf("unknown command %q; did you mean %s?", name, strings.Join(near, " or "))
	}
	return fmt.Errorf("unknown command %q", name)
}

// newHelpCommand differs from cobra's own in that an unknown name is an error.
func newHelpCommand(root *cobra.Command) *cobra.Command {
	return &cobra.Command{
		Use:   "help [COMMAND...]",
		Short: "Explain a command",
		ValidArgsFunction: func(_ *cobra.Command, args []string, _ string) ([]cobra.Completion, cobra.ShellCompDirective) {
			var names []cobra.Completion
			if parent, rest, err := root.Find(args); err == nil && len(rest) == 0 {
				for _, c := range parent.Commands() {
					if c.IsAvailableCommand() {
						names = append(names, cobra.CompletionWithDesc(c.Name(), c.Short))
					}
				}
			}
			return names, cobra.ShellCompDirectiveNoFileComp
		},
		RunE: func(_ *cobra.Command, args []string) error {
			cmd, rest, err := root.Find(args)
			if err != nil {
				return usageError{err}
			}
			if len(rest) > 0 {
				return usageError{unknownCommand(cmd, rest[0])}
			}
			cmd.InitDefaultHelpFlag()
			return cmd.Help()
		},
	}
}
