package main

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"os"
	"regexp"
	"strings"
	"sync"
	"time"

	"github.com/spf13/cobra"

	"yunta/supervisor"
)

const keepLong = `Starts a long-running command, starts it again when it ends, and stops it when this command is told to stop. With
--file, several: a line "NAME: COMMAND" each, read by /bin/sh, started in their order, each when the one before
is ready, and stopped in the reverse order. Empty lines and those that begin with # are left out.

  yunta keep -- ./server --port 8080
  yunta keep --file services --ready-line 'listening on' --output logs

A command is ready when it has been started, or with one of --ready-line (a line of its output matches the regular
expression), --ready-tcp (something accepts connections at HOST:PORT; with --file a %s stands for the name) and
--ready-fd (it writes a line to descriptor N, as s6 has it). One that is not ready within --ready-timeout
has failed to start.

A command that ends is started again after --backoff, which doubles with each failure in a row up to --backoff-max. More than
--intensity restarts within --period are too many: everything is stopped, and the status is 1. --restart failure starts
only those again that failed, --restart never none; when all have ended, so has yunta keep.

To stop a command it gets SIGTERM, with its whole process group, and SIGKILL after --grace. SIGINT and SIGTERM stop
everything in order, a second one kills at once; SIGHUP, SIGUSR1 and SIGUSR2 are passed on to all commands. The
commands are killed if yunta keep itself is. What is left of a command's group when it has ended is
killed. A command that makes a session of its own leaves all this.

Output: as it comes for one command; with --file each line after the name of its command; with --output in files
DIR/NAME.log, appended to. Standard input is /dev/null.

Exit status: the command's own when it has ended and is not to be restarted (with --file 0, or 1 if one
failed); 1 when a start failed or there were too many restarts; 2 bad command line; 128 and the number of the signal
that stopped it.`

// keepFlags are the command line of yunta keep.
type keepFlags struct {
	file, restart, strategy, output string
	readyLine, readyTCP             string
	readyFD                         int
	readyTimeout, grace             time.Duration
	intensity                       int
	period, backoff, backoffMax     time.Duration
	quiet                           bool
}

func newKeepCommand() *cobra.Command {
	var f keepFlags
	cmd := &cobra.Command{
		Use:   "keep [flags] [--file FILE | -- COMMAND [ARG...]]",
		Short: "Keep long-running commands running, and stop them in order",
		Long:  keepLong,
		RunE: func(cmd *cobra.Command, args []string) error {
			k, err := f.plan(args)
			if err != nil {
				return err
			}
			k.stderr = cmd.ErrOrStderr()
			return k.run(cmd.Context())
		},
	}
	flags := cmd.Flags()
	flags.SetInterspersed(false)
	flags.StringVarP(&f.file, "file", "f", "", "keep the commands of this file, \"NAME: COMMAND\" a line")
	flags.StringVar(&f.restart, "restart", "always", "which commands that end are started again: always, failure, never")
	flags.StringVar(&f.strategy, "strategy", "one", "whom a restart concerns: one, all, rest (it and those after it)")
	flags.StringVarP(&f.output, "output", "o", "", "write output to files in this folder")
	flags.StringVar(&f.readyLine, "ready-line", "", "ready when a line of output matches this regular expression")
	flags.StringVar(&f.readyTCP, "ready-tcp", "", "ready when HOST:PORT accepts connections")
	flags.IntVar(&f.readyFD, "ready-fd", 0, "ready when a line comes from this descriptor, 3 or more")
	flags.DurationVar(&f.readyTimeout, "ready-timeout", 30*time.Second, "how long a command may take to be ready")
	flags.DurationVar(&f.grace, "grace", 5*time.Second, "between SIGTERM and SIGKILL")
	flags.IntVar(&f.intensity, "intensity", 5, "how many restarts within --period are accepted")
	flags.DurationVar(&f.period, "period", 10*time.Second, "the time in which restarts are counted")
	flags.DurationVar(&f.backoff, "backoff", 200*time.Millisecond, "the wait before the first restart; 0 for none")
	flags.DurationVar(&f.backoffMax, "backoff-max", 30*time.Second, "the longest wait before a restart")
	flags.BoolVarP(&f.quiet, "quiet", "q", false, "say nothing of starts and restarts")
	return cmd
}

// keptCommand is one of the commands, and how it is kept.
type keptCommand struct {
	name string
	argv []string
}

// keeping is a whole run of yunta keep.
type keeping struct {
	flags    keepFlags
	commands []keptCommand
	line     *regexp.Regexp // nil without --ready-line
	options  supervisor.GroupOptions
	restart  supervisor.Restart
	stderr   io.Writer
	starter  *keepStarter
	guard    *keepGuard
	out      *keepOutput
	group    *supervisor.Group
}

// plan checks the command line.
func (f *keepFlags) plan(args []string) (*keeping, error) {
	k := &keeping{flags: *f}
	restarts := map[string]supervisor.Restart{"always": supervisor.Permanent, "failure": supervisor.Transient, "never": supervisor.Temporary}
	strategies := map[string]supervisor.Strategy{"one": supervisor.OneForOne, "all": supervisor.OneForAll, "rest": supervisor.RestForOne}
	var ok bool
	if k.restart, ok = restarts[f.restart]; !ok {
		return nil, usagef("--restart %q: want always, failure or never", f.restart)
	}
	if k.options.Strategy, ok = strategies[f.strategy]; !ok {
		return nil, usagef("--strategy %q: want one, all or rest", f.strategy)
	}
	for name, d := range map[string]time.Duration{
		"ready-timeout": f.readyTimeout, "grace": f.grace, "period": f.period, "backoff": f.backoff, "backoff-max": f.backoffMax,
	} {
		if d < 0 || d == 0 && name != "backoff" {
			return nil, usagef("--%s %v: must be positive", name, d)
		}
	}
	ways := 0
	for _, given := range []bool{f.readyLine != "", f.readyTCP != "", f.readyFD != 0} {
		if given {
			ways++
		}
	}
	switch {
	case ways > 1:
		return nil, usagef("only one of --ready-line, --ready-tcp and --ready-fd can be given")
	case f.readyFD != 0 && (f.readyFD < 3 || f.readyFD > 255):
		return nil, usagef("--ready-fd %d: want 3 to 255", f.readyFD)
	case f.intensity < 0:
		return nil, usagef("--intensity %d: must not be negative", f.intensity)
	case (f.file == "") == (len(args) == 0):
		return nil, usagef("want a command, or --file, and not both")
	}
	if f.readyTCP != "" {
		if _, _, err := net.SplitHostPort(f.readyTCP); err != nil {
			return nil, usagef("--ready-tcp %q: want HOST:PORT", f.readyTCP)
		}
	}
	var err error
	if f.readyLine != "" {
		if k.line, err = regexp.Compile(f.readyLine); err != nil {
			return nil, usagef("--ready-line: %v", err)
		}
	}
	k.options.Name, k.options.Period = "keep", f.period
	if k.options.Intensity = f.intensity; f.intensity == 0 {
		k.options.Intensity = supervisor.NoRestarts
	}
	k.options.Backoff = supervisor.Backoff{Min: f.backoff, Max: max(f.backoff, f.backoffMax)}
	if k.restart != supervisor.Permanent {
		k.options.AutoShutdown = supervisor.AllSignificant
	}
	if f.file == "" {
		k.commands = []keptCommand{{commandName(args[0]), args}}
		return k, nil
	}
	k.commands, err = readKeepFile(f.file)
	return k, err
}

// commandName is what messages call a command: the last part of its path.
func commandName(path string) string {
	if name := printable(path[strings.LastIndexByte(path, '/')+1:]); name != "" {
		return name
	}
	return printable(path)
}

var keepName = sync.OnceValue(func() *regexp.Regexp { return regexp.MustCompile(`^[A-Za-z0-9_][A-Za-z0-9_.-]*$`) })

// readKeepFile reads lines of "NAME: COMMAND".
func readKeepFile(path string) (all []keptCommand, err error) {
	f, err := os.Open(path)
	if err != nil {
		return nil, usageError{err}
	}
	defer f.Close()
	seen := map[string]bool{}
	lines := bufio.NewScanner(f)
	lines.Buffer(nil, 1<<20)
	for n := 1; lines.Scan(); n++ {
		line := strings.TrimSpace(lines.Text())
		if line == "" || line[0] == '#' {
			continue
		}
		name, command, ok := strings.Cut(line, ":")
		name, command = strings.TrimSpace(name), strings.TrimSpace(command)
		switch {
		case !ok || command == "" || !keepName().MatchString(name):
			return nil, usagef("%s:%d: want NAME: COMMAND, a name of letters, digits, dot, dash and underscore", path, n)
		case seen[name]:
			return nil, usagef("%s:%d: %s is there already", path, n, name)
		}
		seen[name] = true
		all = append(all, keptCommand{name, []string{"/bin/sh", "-c", command}})
	}
	if err := lines.Err(); err != nil {
		return nil, usagef("%s: %v", path, err)
	}
	if len(all) == 0 {
		return nil, usagef("%s: no command", path)
	}
	return all, nil
}

// run keeps the commands until something ends that.
func (k *keeping) run(ctx context.Context) error {
	var err error
	if k.out, err = newKeepOutput(k); err != nil {
		return err
	}
	defer k.out.close()
	k.starter = newKeepStarter()
	if k.guard, err = startKeepGuard(); err != nil {
		return err
	}
	defer k.guard.end()
	var specs []supervisor.ChildSpec
	results := &keepResults{last: map[string]int{}}
	for _, c := range k.commands {
		spec := supervisor.ChildSpec{
			ID: c.name, Restart: k.restart, Significant: k.restart != supervisor.Permanent, Grace: k.flags.grace,
			New: func(int) (supervisor.Child, error) { return newKeptProcess(k, c, results), nil },
		}
		if k.line != nil || k.flags.readyTCP != "" || k.flags.readyFD != 0 {
			spec.ReadyTimeout = k.flags.readyTimeout
		}
		specs = append(specs, spec)
	}
	if !k.flags.quiet {
		k.options.Events = k.tell
	}
	k.group = supervisor.NewGroup(k.options, specs...)
	if ctx == nil {
		ctx = context.Background()
	}
	ctx, brakes := k.obey(ctx)
	defer brakes.end()
	if err := k.group.Start(ctx); err != nil && brakes.err() == nil {
		return err
	}
	err = k.group.Wait(context.Background())
	if stopped := brakes.err(); stopped != nil {
		return stopped
	}
	if late, ok := errors.AsType[*supervisor.StopError](err); ok && late == err {
		err = nil // they were killed, which --grace asks for
	}
	if err != nil {
		return err
	}
	return results.err(len(k.commands))
}

// tell says what happens on standard error.
func (k *keeping) tell(e supervisor.Event) {
	switch e.Kind {
	case supervisor.ChildStarted, supervisor.ChildStopping, supervisor.GroupStopping, supervisor.GroupStopped:
		return // one line a step is enough
	case supervisor.ChildReady:
		fmt.Fprintf(k.stderr, "keep: %s: process %d is up\n", e.Child, e.PID)
		return
	}
	fmt.Fprintln(k.stderr, e)
}
