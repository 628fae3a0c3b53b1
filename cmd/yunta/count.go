package main

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"slices"
	"strings"
	"sync/atomic"
	"time"

	"github.com/spf13/cobra"

	"yunta/child"
	"yunta/child/affinity"
	"yunta/cmd/yunta/internal/wordcount"
	"yunta/supervisor"
)

// A countPart is what one task of yunta count came to, and who did it.
type countPart struct {
	wordcount.Partial
	Worker int // index in the pool
	PID    int
	CPU    int // where the task ended; -1 where the system does not tell
	Busy   time.Duration
}

var countEntry = child.Register("count", func(ctx context.Context, b wordcount.Batch) (countPart, error) {
	start := time.Now()
	worker, leave := enterLane()
	defer leave()
	partial, err := wordcount.Count(ctx, b)
	return countPart{partial, worker, os.Getpid(), affinity.CurrentCPU(), time.Since(start)}, err
})

// lanes counts the tasks that run in this process, by lane: a bit each of the first 64.
var lanes atomic.Uint64

// enterLane returns the index of the worker that calls it. Goroutines have no index: of those that run at the same time each takes
// the lowest that is free.
func enterLane() (index int, leave func()) {
	if worker := child.Self().Worker; worker >= 0 {
		return worker, func() {}
	}
	for {
		taken := lanes.Load()
		for index = 0; index < 63 && taken&(1<<index) != 0; index++ {
		}
		if lanes.CompareAndSwap(taken, taken|1<<index) {
			return index, func() { lanes.And(^(uint64(1) << index)) }
		}
	}
}

// maxJobs is as many workers as a pool takes.
const maxJobs = 4096

type countOptions struct {
	jobs  int
	top   int
	json  bool
	model choice[supervisor.Model]
	pin   choice[supervisor.Pin]
}

func newCountCommand() *cobra.Command {
	o := countOptions{
		model: choice[supervisor.Model]{
			words:  []string{"process", "goroutine"},
			values: []supervisor.Model{supervisor.Processes, supervisor.Goroutines},
		},
		pin: choice[supervisor.Pin]{
			words:  []string{"auto", "none", "cores"},
			values: []supervisor.Pin{supervisor.PinAuto, supervisor.PinNone, supervisor.PinCores},
		},
	}
	cmd := &cobra.Command{
		Use:   "count PATH...",
		Short: "Count the words in trees of files, by a pool of pinned processes",
		Long: fmt.Sprintf(`Counts the words of all regular files at and below each PATH. The files are cut into tasks of
about equal size, a pool of processes counts a task each at a time (map), and this process adds
up what they found (reduce). It prints the most frequent words, and what each worker and each
core did. The totals depend neither on --jobs nor on --model.

A word is a longest run of letters and decimal digits (Unicode categories L and Nd), lower-cased
letter by letter; everything else, and any byte that is not UTF-8, stands between words. Of a run
longer than %d bytes only the beginning, that many bytes cut at a letter, is the word. Files with
a NUL among their first %d bytes are binary and are not counted. Symbolic links are not
followed, but for a PATH itself. A PATH given twice is counted twice.

A file or folder that cannot be read is named on stderr, the rest is counted, and the exit status
is 1. A worker that dies is replaced, and its task is done again.`, wordcount.MaxWord, wordcount.SniffLen),
		Example: "  yunta count .\n  yunta count -j 4 --model goroutine --json ~/src | jq .seconds",
		Args: func(_ *cobra.Command, args []string) error {
			if len(args) == 0 {
				return errors.New("needs at least one file or folder to count")
			}
			return nil
		},
		RunE: func(cmd *cobra.Command, args []string) error {
			if err := o.check(args); err != nil {
				return err
			}
			return runCount(cmd, o, args)
		},
	}
	cmd.Flags().IntVarP(&o.jobs, "jobs", "j", 0, "number of workers (0: one for each usable core)")
	cmd.Flags().IntVar(&o.top, "top", 20, "how many of the most frequent words to print")
	cmd.Flags().BoolVar(&o.json, "json", false, "print one JSON object instead of tables")
	addChoice(cmd, &o.model, "model", "what the workers are")
	addChoice(cmd, &o.pin, "pin", "pin each worker to a core: if there are enough, never, always")
	return cmd
}

func (o countOptions) check(roots []string) error {
	switch {
	case o.jobs < 0 || o.jobs > maxJobs:
		return usagef("--jobs is %d, must be between 0 and %d", o.jobs, maxJobs)
	case o.top < 0:
		return usagef("--top is %d, must not be negative", o.top)
	case o.model.value() == supervisor.Goroutines && o.pin.String() == "cores":
		return usagef("--pin cores needs --model process: a goroutine has no core of its own")
	}
	for _, root := range roots {
		if root == "" {
			return usagef("a PATH is empty")
		}
		info, err := os.Stat(root)
		if err != nil {
			if e, ok := errors.AsType[*fs.PathError](err); ok {
				err = e.Err
			}
			return usagef("%s: %v", root, err)
		}
		if !info.IsDir() && !info.Mode().IsRegular() {
			return usagef("%s: neither a file nor a folder", root) // below a folder such are passed over
		}
	}
	return nil
}

func runCount(cmd *cobra.Command, o countOptions, roots []string) error {
	bar := newBar(cmd.ErrOrStderr(), "counting")
	defer bar.stop()
	ctx, release := interruptible(cmd.Context(), bar, cmd.CommandPath())
	defer release()

	report, err := countTrees(ctx, o, roots, bar)
	if err != nil {
		return endOf(ctx, err)
	}
	bar.stop()
	for _, p := range report.Unreadable {
		fmt.Fprintf(cmd.ErrOrStderr(), "%s: %s: %s\n", cmd.CommandPath(), p.Path, p.Text)
	}
	for _, err := range report.lost {
		fmt.Fprintf(cmd.ErrOrStderr(), "%s: not counted: %s\n", cmd.CommandPath(), oneLine(err))
	}
	print := report.print
	if o.json {
		print = report.printJSON
	}
	if err := print(cmd.OutOrStdout()); err != nil {
		return err
	}
	if len(report.Unreadable) > 0 || len(report.lost) > 0 {
		return errReported
	}
	return nil
}

// countTrees lists, maps and reduces.
func countTrees(ctx context.Context, o countOptions, roots []string, bar *bar) (*countReport, error) {
	start := time.Now()
	files, problems, err := wordcount.Walk(ctx, roots)
	if err != nil {
		return nil, err
	}
	listed := time.Since(start)
	var total int64
	for _, f := range files {
		total += f.Size
	}
	jobs := o.jobs
	if jobs == 0 {
		jobs = supervisor.CPUCount()
	}
	batches := wordcount.Batches(files, wordcount.Target(total, jobs))

	pool, err := supervisor.NewPool(ctx, supervisor.PoolOptions{
		Name: "count", Processes: jobs, Model: o.model.value(), Pin: o.pin.value(), Retries: 2, Stderr: bar,
	})
	if err != nil {
		return nil, err
	}
	defer suspendable(pool.Signal)()
	defer endPool(pool)
	bar.start(total)
	r := &countReport{Model: o.model.String(), Jobs: jobs, Pin: o.pin.String(), top: o.top}
	r.addProblems(problems)
	view := pool.With(supervisor.CallOptions{ChunkSize: 1})
	for part, err := range supervisor.IMapUnordered(ctx, view, countEntry, slices.Values(batches)) {
		if ctx.Err() != nil {
			return nil, ctx.Err()
		}
		if err != nil {
			r.lost = append(r.lost, err)
			continue
		}
		if err := r.add(part); err != nil {
			return nil, err
		}
		bar.add(part.Listed)
	}
	if err := ctx.Err(); err != nil {
		return nil, err
	}
	if err := errors.Join(pool.Close(), pool.Wait(ctx)); err != nil {
		return nil, err
	}
	if came := r.Tasks + len(r.lost); came != len(batches) {
		return nil, fmt.Errorf("the pool answered %d of %d tasks", came, len(batches))
	}
	r.finish(listed, time.Since(start))
	return r, nil
}

func (r *countReport) addProblems(problems []wordcount.Problem) {
	for _, p := range problems {
		// A large file that cannot be read fails in each of its pieces.
		if !slices.ContainsFunc(r.Unreadable, func(q wordcount.Problem) bool { return q.Path == p.Path }) {
			r.Unreadable = append(r.Unreadable, p)
		}
	}
	slices.SortFunc(r.Unreadable, func(a, b wordcount.Problem) int { return strings.Compare(a.Path, b.Path) })
}
