package main

import (
	"errors"
	"fmt"
	"io"
	"os"
	"runtime/debug"
	"time"

	"github.com/spf13/cobra"
)

// Exit statuses of yunta lock that are not the command's: those of sysexits(3), as flock(1) has them.
const (
	exitUsageSys    = 64 // EX_USAGE: the command line makes no sense
	exitDataErr     = 65 // EX_DATAERR: the descriptor is not open, or cannot be locked
	exitNoInput     = 66 // EX_NOINPUT: the lock file cannot be opened
	exitUnavailable = 69 // EX_UNAVAILABLE: the command cannot be run
	exitOSErr       = 71 // EX_OSERR: the system has no more of something
	exitCantCreate  = 73 // EX_CANTCREAT: no room for the lock file, or a read-only file system
)

const lockShort = "Run a command under a lock that flock(1) knows, or lock a shell's open file"

const lockLong = `yunta lock is flock(1), option by option, and excludes it on the same file:

  yunta lock [OPTIONS] FILE|DIRECTORY COMMAND [ARG...]
  yunta lock [OPTIONS] FILE|DIRECTORY -c STRING        run by $SHELL -c
  yunta lock [OPTIONS] NUMBER                          a descriptor the shell has open, as 9

  -x, -e, --exclusive    alone (the default)
  -s, --shared           together with others who share
  -u, --unlock           give the lock of a descriptor back
  -n, --nb, --nonblock   fail rather than wait
  -w, --wait, --timeout SECONDS
                         wait so long at most; fractions count, 0 is -n
  -E, --conflict-exit-code NUMBER
                         the status of -n and -w when they fail, 0 to 255 (1)
  -o, --close            the command does not get the descriptor (always so without --inherit)
  -F, --no-fork          become the command instead of starting it; it has the descriptor then
  -c, --command STRING   after the file: one string for the shell
      --verbose          how long it took to get the lock, or why it was not to be had
  -h, --help  -V, --version

Beyond flock(1):

      --inherit          the command inherits the descriptor, as flock(1) has it: what it leaves running
                         keeps the lock. Without, the lock is free when the command has ended, and on Linux
                         the command is killed when yunta lock is, so that it never runs without the lock.
                         (What the command itself has started is not killed.) SIGTERM and SIGHUP are passed
                         on to the command.
      --who              run nothing; say who has the lock of FILE, who waits, and since when: the start of
                         the process, which took the lock then or later. Linux tells; elsewhere only
                         whether it is taken.

A failed -n or -w says on standard error who has the lock. Its status is 1 as flock(1)'s, which a command may
have too: scripts that must tell give -E a number of their own, such as 75 (EX_TEMPFAIL).

Called as flock, through a link of that name, it is flock(1): --inherit always, and nothing said.

Exit status: the command's, or 128 and the number of the signal that ended it; 1 or -E's for a lock that was
not to be had; 64 bad command line; 65 bad descriptor; 66 the file cannot be opened; 69 the command
cannot be run; 71 out of some resource; 73 the file cannot be made. --who: 0 taken, 1 free.`

func newLockCommand() *cobra.Command {
	return newWholeCommand("lock", "lock [OPTIONS] FILE|DIRECTORY|NUMBER [COMMAND [ARG...]]", lockShort, lockLong)
}

// lockRequest is a command line of yunta lock or flock.
type lockRequest struct {
	prog    string // for messages
	asFlock bool

	how      lockKind
	nonblock bool
	timeout  time.Duration // 0 for none
	atOnce   bool          // the timeout is zero
	conflict int           // exit status
	inherit  bool
	noFork   bool
	verbose  bool
	who      bool

	file string   // "" for the descriptor
	fd   int      // if there is no file
	argv []string // nil to take a descriptor's lock only
}

type lockKind int

const (
	lockExclusive lockKind = iota
	lockShared
	lockNone // unlock
)

// lockError ends yunta lock with a status; "" says nothing.
type lockError struct {
	status int
	text   string
	hint   bool // where to read on
}

func (e *lockError) Error() string { return e.text }

func lockErrorf(status int, format string, args ...any) error {
	return &lockError{status: status, text: fmt.Sprintf(format, args...)}
}

// errLockHelp and errLockVersion are asked for, and no errors to the caller.
var (
	errLockHelp    = errors.New("help")
	errLockVersion = errors.New("version")
)

func flockMain(args []string) int {
	return lockStatus(&lockRequest{prog: "flock", asFlock: true}, args)
}
func lockMain(args []string) int { return lockStatus(&lockRequest{prog: "yunta lock"}, args) }

func lockStatus(r *lockRequest, args []string) int {
	err := r.parse(args)
	if err == nil {
		var status int
		if status, err = r.run(); err == nil {
			return status
		}
	}
	switch {
	case errors.Is(err, errLockHelp):
		return printed(lockLong + "\n")
	case errors.Is(err, errLockVersion):
		return printed(r.prog + " of yunta " + programVersion() + "\n")
	}
	status := exitOSErr
	if e, ok := errors.AsType[*lockError](err); ok {
		status = e.status
		if e.hint {
			err = fmt.Errorf("%w (see '%s --help')", err, r.prog)
		}
	}
	if err.Error() != "" {
		fmt.Fprintf(os.Stderr, "%s: %s\n", r.prog, oneLine(err))
	}
	return status
}

func programVersion() string {
	info, ok := debug.ReadBuildInfo()
	if !ok {
		info = &debug.BuildInfo{}
	}
	return buildOf(info).Version
}

// printed writes to standard output and returns the exit status.
func printed(text string) int {
	if _, err := io.WriteString(os.Stdout, text); err != nil {
		return exitFailure
	}
	return 0
}
