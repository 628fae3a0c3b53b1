package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"time"

	"github.com/spf13/cobra"

	"yunta/child"
	"yunta/oslock"
	"yunta/oslock/rundir"
	"yunta/supervisor"
)

// A guard is what keeps the two processes of a lab apart.
type guard string

const (
	guardNone      guard = "nothing"
	guardSemaphore guard = "semaphore"
	guardLock      guard = "lock"
)

// A labAppend tells one process what to append, and where.
type labAppend struct {
	Dir     string // holds the resource and what guards it
	Guard   guard
	Process int // 1 or 2
	Lines   int
	Window  time.Duration
}

var labAppendEntry = child.Register("lab/append", func(ctx context.Context, a labAppend) (pid int, err error) {
	r, err := openResource(a.Dir)
	if err != nil {
		return 0, err
	}
	defer r.close()
	enter, leave, closeGuard, err := a.Guard.open(a.Dir)
	if err != nil {
		return 0, err
	}
	defer func() { err = errors.Join(err, closeGuard()) }()
	if err := r.meet(ctx, 2, 10*time.Second); err != nil {
		return 0, err
	}
	for n := 1; n <= a.Lines; n++ {
		if err := enter(ctx); err != nil {
			return 0, err
		}
		r.append(labLine(a.Process, n, a.Lines), a.Window)
		if err := leave(); err != nil {
			return 0, err
		}
	}
	return os.Getpid(), nil
})

func labLine(process, n, of int) string {
	if of == 1 {
		return fmt.Sprintf("data of process %d\n", process)
	}
	return fmt.Sprintf("data of process %d, line %d\n", process, n)
}

// open opens the guard that lies in dir, which makes it when it is the first to come.
func (g guard) open(dir string) (enter func(context.Context) error, leave, closeGuard func() error, err error) {
	switch g {
	case guardSemaphore:
		s, err := oslock.OpenSemaphore(filepath.Join(dir, "semaphore"), 1, oslock.SemaphoreOptions{})
		if err != nil {
			return nil, nil, nil, err
		}
		return s.Acquire, func() error { return s.Release(1) }, s.Close, nil
	case guardLock:
		l, err := oslock.OpenLock(filepath.Join(dir, "lock"), oslock.LockOptions{})
		if err != nil {
			return nil, nil, nil, err
		}
		return l.Lock, l.Unlock, l.Close, nil
	}
	nothing := func() error { return nil }
	return func(context.Context) error { return nil }, nothing, nothing, nil
}

func newLabGuardCommand(g guard) *cobra.Command {
	var (
		lines  int
		window time.Duration
		broken bool
	)
	cmd := &cobra.Command{
		Use:   string(g),
		Short: fmt.Sprintf("Two processes append to one resource under a %s", g),
		Args:  noArguments,
		RunE: func(cmd *cobra.Command, _ []string) error {
			if broken && !cmd.Flags().Changed("lines") {
				lines = brokenLines
			}
			if lines < 1 || lines > maxLabLines {
				return usagef("--lines is %d, must be between 1 and %d", lines, maxLabLines)
			}
			if window < 0 || window > time.Second {
				return usagef("--window is %v, must be between 0s and 1s", window)
			}
			task := labAppend{Guard: g, Lines: lines, Window: window}
			if broken {
				task.Guard = guardNone
			}
			ctx, release := interruptible(cmd.Context(), cmd.ErrOrStderr(), cmd.CommandPath())
			defer release()
			return appendTogether(ctx, cmd.OutOrStdout(), task)
		},
	}
	cmd.Flags().IntVar(&lines, "lines", 1, fmt.Sprintf("lines that each process appends (%d with --broken)", brokenLines))
	cmd.Flags().DurationVar(&window, "window", time.Millisecond, "pause between reading where the end is and writing there")
	cmd.Flags().BoolVar(&broken, "broken", false, fmt.Sprintf("the same without the %s, to see it go wrong", g))

	made, within := "Lock()", "with lock:"
	if g == guardSemaphore {
		made, within = "Semaphore(1)", "with semaphore:"
	}
	cmd.Long = fmt.Sprintf(`Two processes append a line each to one shared resource, and the lines are printed. A %[1]s
lets one of them in at a time, for appending is three steps: read where the end is, write there,
store the new end. Without it (--broken) one comes in between the steps of the other, and lines
are overwritten or torn.

In Python:

    from multiprocessing import %[2]s, Process

    %[1]s = %[3]s
    shared = []

    def append(line):
        %[4]s
            shared.append(line)

    if __name__ == '__main__':
        processes = [Process(target=append, args=(f'data of process {i}',)) for i in (1, 2)]
        for p in processes: p.start()
        for p in processes: p.join()
        print(shared)

That prints [], an empty list: the %[1]s is shared, but each process appends to its own copy of
the list, and the parent prints a third one. Here the resource is a file in the run directory that
both processes map into their memory, so both lines are there.`, g, pythonName(g), made, within)
	return cmd
}

func pythonName(g guard) string {
	if g == guardSemaphore {
		return "Semaphore"
	}
	return "Lock"
}

const (
	// maxLabLines keeps the resource within a few megabytes.
	maxLabLines = 100_000
	// brokenLines is enough for something to go wrong: about every other line does.
	brokenLines = 200
)

// appendTogether has two processes append and prints what is there then.
func appendTogether(ctx context.Context, stdout io.Writer, task labAppend) error {
	dir, err := rundir.Create("lab")
	if err != nil {
		return err
	}
	defer dir.Close()
	task.Dir = dir.Path()
	r, err := createResource(task.Dir, 2*task.Lines*len(labLine(2, task.Lines, task.Lines)))
	if err != nil {
		return err
	}
	defer r.close()

	pool, err := supervisor.NewPool(ctx, supervisor.PoolOptions{Name: "lab", Processes: 2})
	if err != nil {
		return endOf(ctx, err)
	}
	defer endPool(pool)
	tasks := []labAppend{task, task}
	tasks[0].Process, tasks[1].Process = 1, 2
	pids, err := supervisor.Map(ctx, pool.With(supervisor.CallOptions{ChunkSize: 1}), labAppendEntry, tasks)
	if err != nil {
		return endOf(ctx, err)
	}
	if err := errors.Join(pool.Close(), pool.Wait(ctx)); err != nil {
		return endOf(ctx, err)
	}

	found := r.inspect(task.Lines)
	if len(found.whole) <= 20 {
		for _, line := range found.whole {
			fmt.Fprintln(stdout, line)
		}
	}
	for _, line := range found.torn[:min(3, len(found.torn))] {
		fmt.Fprintf(stdout, "torn: %.100q\n", line)
	}
	fmt.Fprintf(stdout, "%d of %d lines survived", len(found.whole), 2*task.Lines)
	if len(found.torn) > 0 {
		fmt.Fprintf(stdout, ", %d torn", len(found.torn))
	}
	fmt.Fprintf(stdout, ": processes %d and %d, kept apart by %s\n", pids[0], pids[1], task.Guard.article())
	if task.Guard != guardNone && len(found.whole) != 2*task.Lines {
		return fmt.Errorf("%s did not keep the processes apart", task.Guard.article())
	}
	return nil
}

func (g guard) article() string {
	if g == guardNone {
		return string(g)
	}
	return "a " + string(g)
}
