package main

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"strconv"
	"text/tabwriter"
	"time"

	"github.com/spf13/cobra"

	"yunta/oslock"
	"yunta/oslock/rundir"
)

// Exit statuses of yunta semaphore beside 0 and exitUsage.
const (
	exitNoPermit = 1 // none was to be had in time; the name is taken
	exitNoSem    = 3 // there is no such semaphore, or it cannot be used
)

const semaphoreLong = `A named counter of permits that any process of the user shares: POSIX's semaphores, sem_overview(7), from a
shell, and those of the library (oslock.OpenSemaphore, multiprocessing.Semaphore). A NAME without a slash lives
in the user's run directory; one with a slash is the path of a file.

  yunta semaphore create slots 3
  yunta semaphore wait slots && { work; yunta semaphore post slots; }

Nobody owns a permit here: anybody may post, and a script that dies between wait and post takes its permit with it, since
the system cannot know whose it was. Where a permit shall come back by itself, use yunta sem.

Exit status: 0 done; 1 no permit in time (wait -n, --timeout), or the name exists (create); 2 bad command line; 3 no
such semaphore, or it cannot be used.`

func newSemaphoreCommand() *cobra.Command {
	cmd := &cobra.Command{
		Use:   "semaphore",
		Short: "POSIX semaphores from a shell: create, wait, post, value, unlink, list",
		Long:  semaphoreLong,
	}
	isGroup(cmd)
	cmd.AddCommand(newSemaphoreCreate(), newSemaphoreWait(), newSemaphorePost(), newSemaphoreValue(), newSemaphoreUnlink(), newSemaphoreList())
	return cmd
}

// semaphoreKinds are the ways a semaphore's file can be, and what list calls them.
var semaphoreKinds = []struct {
	name string
	o    oslock.SemaphoreOptions
}{
	{"plain", oslock.SemaphoreOptions{Existing: true}},
	{"bounded", oslock.SemaphoreOptions{Existing: true, Bounded: true}},
	{"undo", oslock.SemaphoreOptions{Existing: true, Undo: true}},
	{"undo bounded", oslock.SemaphoreOptions{Existing: true, Undo: true, Bounded: true}},
}

// openExisting opens a semaphore of whatever kind and says which it is.
func openExisting(name string) (s *oslock.Semaphore, kind string, err error) {
	for _, k := range semaphoreKinds {
		s, err = oslock.OpenSemaphore(name, 0, k.o)
		if !errors.Is(err, oslock.ErrMismatch) {
			return s, k.name, err
		}
	}
	return nil, "", err
}

// withSemaphore opens a semaphore that shells may count with, and calls f. What goes wrong is said here.
func withSemaphore(cmd *cobra.Command, name string, counts bool, f func(*oslock.Semaphore) error) error {
	s, kind, err := openExisting(name)
	if err == nil {
		if counts && (kind == "undo" || kind == "undo bounded") {
			err = errors.Join(fmt.Errorf("%s gives back what a process took when it ends: use yunta sem, or a program", name), s.Close())
		} else {
			err = errors.Join(f(s), s.Close())
		}
	}
	return semaphoreFailed(cmd, name, err)
}

func semaphoreFailed(cmd *cobra.Command, name string, err error) error {
	if _, ok := errors.AsType[statusError](err); ok || err == nil {
		return err
	}
	if _, ok := errors.AsType[interruptError](err); ok {
		return err
	}
	if errors.Is(err, fs.ErrNotExist) {
		err = fmt.Errorf("there is no semaphore %s", name)
	}
	fmt.Fprintf(cmd.ErrOrStderr(), "%s: %s\n", cmd.CommandPath(), oneLine(err))
	if errors.Is(err, oslock.ErrName) || errors.Is(err, oslock.ErrValue) {
		return statusError{status: exitUsage}
	}
	return statusError{status: exitNoSem}
}

func newSemaphoreCreate() *cobra.Command {
	var bounded bool
	cmd := &cobra.Command{
		Use:   "create NAME VALUE",
		Short: "Make a semaphore with so many permits, 0 to 2147483647",
		Args:  cobra.ExactArgs(2),
		RunE: func(cmd *cobra.Command, args []string) error {
			value, err := strconv.ParseUint(args[1], 10, 31)
			if err != nil {
				return usagef("value %q: want a number from 0 to 2147483647", args[1])
			}
			old, _, err := openExisting(args[0])
			if err == nil {
				old.Close()
				fmt.Fprintf(cmd.ErrOrStderr(), "%s: %s exists; its value is as it was\n", cmd.CommandPath(), args[0])
				return statusError{status: exitNoPermit}
			}
			if errors.Is(err, fs.ErrNotExist) {
				var s *oslock.Semaphore
				if s, err = oslock.OpenSemaphore(args[0], int(value), oslock.SemaphoreOptions{Bounded: bounded}); err == nil {
					err = s.Close()
				} else if errors.Is(err, fs.ErrNotExist) {
					err = fmt.Errorf("the folder of %s does not exist", args[0])
				}
			}
			return semaphoreFailed(cmd, args[0], err)
		},
	}
	cmd.Flags().BoolVar(&bounded, "bounded", false, "refuse posts beyond VALUE")
	return cmd
}

func newSemaphoreWait() *cobra.Command {
	var now bool
	var timeout time.Duration
	cmd := &cobra.Command{
		Use:   "wait NAME",
		Short: "Take a permit, and wait until there is one",
		Args:  cobra.ExactArgs(1),
		RunE: func(cmd *cobra.Command, args []string) error {
			if timeout < 0 {
				return usagef("--timeout %v: must not be negative", timeout)
			}
			return withSemaphore(cmd, args[0], true, func(s *oslock.Semaphore) error {
				if now || cmd.Flags().Changed("timeout") && timeout == 0 {
					ok, err := s.TryAcquire()
					if err == nil && !ok {
						return statusError{status: exitNoPermit}
					}
					return err
				}
				ctx := context.Background()
				if timeout > 0 {
					var cancel context.CancelFunc
					ctx, cancel = context.WithTimeout(ctx, timeout)
					defer cancel()
				}
				quietQuit()
				err := s.Acquire(ctx)
				if errors.Is(err, context.DeadlineExceeded) {
					return statusError{status: exitNoPermit}
				}
				return err
			})
		},
	}
	cmd.Flags().BoolVarP(&now, "nonblock", "n", false, "fail with status 1 rather than wait")
	cmd.Flags().DurationVar(&timeout, "timeout", 0, "wait so long at most, as 1.5s; 0 is -n")
	return cmd
}

func newSemaphorePost() *cobra.Command {
	return &cobra.Command{
		Use:   "post NAME [N]",
		Short: "Give back a permit, or N",
		Args:  cobra.RangeArgs(1, 2),
		RunE: func(cmd *cobra.Command, args []string) error {
			n := uint64(1)
			if len(args) == 2 {
				var err error
				if n, err = strconv.ParseUint(args[1], 10, 31); err != nil || n == 0 {
					return usagef("%q: want a number from 1 to 2147483647", args[1])
				}
			}
			return withSemaphore(cmd, args[0], true, func(s *oslock.Semaphore) error { return s.Release(int(n)) })
		},
	}
}

func newSemaphoreValue() *cobra.Command {
	return &cobra.Command{
		Use:   "value NAME",
		Short: "Print how many permits are there",
		Args:  cobra.ExactArgs(1),
		RunE: func(cmd *cobra.Command, args []string) error {
			return withSemaphore(cmd, args[0], false, func(s *oslock.Semaphore) error {
				n, err := s.Value()
				if err == nil {
					fmt.Fprintln(cmd.OutOrStdout(), n)
				}
				return err
			})
		},
	}
}

func newSemaphoreUnlink() *cobra.Command {
	return &cobra.Command{
		Use:   "unlink NAME...",
		Short: "Remove semaphores; who has one open goes on with it",
		Args:  cobra.MinimumNArgs(1),
		RunE: func(cmd *cobra.Command, args []string) error {
			var failed error
			for _, name := range args {
				s, _, err := openExisting(name) // nothing but a semaphore is removed
				if err == nil {
					err = errors.Join(s.Close(), oslock.Unlink(name))
				}
				if err = semaphoreFailed(cmd, name, err); err != nil {
					failed = err
				}
			}
			return failed
		},
	}
}

func newSemaphoreList() *cobra.Command {
	return &cobra.Command{
		Use:   "list",
		Short: "List the semaphores of the run directory: name, value, kind",
		Args:  noArguments,
		RunE: func(cmd *cobra.Command, _ []string) error {
			t := tabwriter.NewWriter(cmd.OutOrStdout(), 0, 0, 2, ' ', 0)
			err := eachSemaphore(func(name string, value int, kind string) {
				fmt.Fprintf(t, "%s\t%d\t%s\n", printable(name), value, kind)
			})
			if err != nil {
				return semaphoreFailed(cmd, "", err)
			}
			return t.Flush()
		},
	}
}

// eachSemaphore calls show with each semaphore of the run directory.
func eachSemaphore(show func(name string, value int, kind string)) error {
	root, err := rundir.Root()
	var entries []os.DirEntry
	if err == nil {
		entries, err = os.ReadDir(root)
	}
	for _, e := range entries {
		if !e.Type().IsRegular() {
			continue
		}
		s, kind, err := openExisting(e.Name())
		if err != nil {
			continue // another kind of lock, or gone
		}
		if n, err := s.Value(); err == nil {
			show(e.Name(), n, kind)
		}
		s.Close()
	}
	return err
}
