package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"strconv"
	"text/tabwriter"
	"time"

	"github.com/spf13/cobra"

	"yunta/child"
	"yunta/child/affinity"
	"yunta/oslock/rundir"
	"yunta/supervisor"
)

// maxSummand keeps the sum within 63 bits and the wait within seconds.
const maxSummand = 4_000_000_000

// A labAddend is what one task adds up, and where the first tasks meet before they begin.
type labAddend struct {
	N    int64
	Dir  string
	Meet uint32 // how many come; 0 for a task that meets nobody
}

// A labSum is the sum of 1..N, and who worked it out.
type labSum struct {
	N, Sum int64
	PID    int
	CPU    int // -1 where the system does not tell
}

var labSumEntry = child.Register("lab/sum", func(ctx context.Context, a labAddend) (labSum, error) {
	if err := a.meet(ctx); err != nil {
		return labSum{}, err
	}
	s := labSum{N: a.N, PID: os.Getpid()}
	for i := int64(1); i <= a.N; i++ {
		if i%1_000_000 == 0 && ctx.Err() != nil {
			return labSum{}, ctx.Err()
		}
		s.Sum += i
	}
	s.CPU = affinity.CurrentCPU()
	return s, nil
})

// meet keeps the process that comes first from adding up everything before the others have started: these are short sums.
func (a labAddend) meet(ctx context.Context) error {
	if a.Meet == 0 {
		return nil
	}
	r, err := openResource(a.Dir)
	if err != nil {
		return err
	}
	defer r.close()
	if err := r.meet(ctx, a.Meet, time.Second); !errors.Is(err, errAlone) {
		return err
	}
	return nil // the sum is right all the same
}

func newLabSumCommand() *cobra.Command {
	return &cobra.Command{
		Use:   "sum [N...]",
		Short: "The sums of 1..N by a pool of four processes",
		Long: `Adds up 1..N for each N, one task each, by a pool of four processes pinned to a core each,
and prints the sums with the process that worked each out and the core it ran on. The four begin
together, with the first four N; who is done takes the next. Without arguments N is 100000,
200000, 300000 and 400000.

In Python:

    from multiprocessing import Pool

    def total(n):
        return sum(range(1, n + 1))

    if __name__ == '__main__':
        with Pool(processes=4) as pool:
            print(pool.map(total, [100000, 200000, 300000, 400000]))`,
		Example: "  yunta lab sum\n  yunta lab sum 10 100 1000",
		RunE: func(cmd *cobra.Command, args []string) error {
			numbers := []int64{100000, 200000, 300000, 400000}
			if len(args) > 0 {
				numbers = numbers[:0]
			}
			for _, arg := range args {
				n, err := strconv.ParseInt(arg, 10, 64)
				if err != nil || n < 0 || n > maxSummand {
					return usagef("%q is not a number between 0 and %d", arg, maxSummand)
				}
				numbers = append(numbers, n)
			}
			ctx, release := interruptible(cmd.Context(), cmd.ErrOrStderr(), cmd.CommandPath())
			defer release()
			return sumInPool(ctx, cmd.OutOrStdout(), numbers)
		},
	}
}

func sumInPool(ctx context.Context, stdout io.Writer, numbers []int64) error {
	dir, err := rundir.Create("lab")
	if err != nil {
		return err
	}
	defer dir.Close()
	r, err := createResource(dir.Path(), 0)
	if err != nil {
		return err
	}
	defer r.close()

	const processes = 4
	options := supervisor.PoolOptions{Name: "lab", Processes: processes, Pin: supervisor.PinCores}
	pool, err := supervisor.NewPool(ctx, options)
	if errors.Is(err, errors.ErrUnsupported) {
		fmt.Fprintln(stdout, "this system has no call to pin a process to a core: the kernel places them")
		options.Pin = supervisor.PinNone
		pool, err = supervisor.NewPool(ctx, options)
	}
	if err != nil {
		return endOf(ctx, err)
	}
	defer endPool(pool)

	tasks := make([]labAddend, len(numbers))
	for i, n := range numbers {
		tasks[i].N = n
		if i < processes {
			tasks[i].Dir, tasks[i].Meet = dir.Path(), uint32(min(processes, len(numbers)))
		}
	}
	sums, err := supervisor.Map(ctx, pool.With(supervisor.CallOptions{ChunkSize: 1}), labSumEntry, tasks)
	if err != nil {
		return endOf(ctx, err)
	}
	table := tabwriter.NewWriter(stdout, 0, 0, 2, ' ', tabwriter.AlignRight)
	fmt.Fprintln(table, "1 to\tsum\tpid\tcore\t")
	all := make([]int64, len(sums))
	for i, s := range sums {
		fmt.Fprintf(table, "%d\t%d\t%d\t%s\t\n", s.N, s.Sum, s.PID, coreName(s.CPU))
		all[i] = s.Sum
	}
	table.Flush()
	fmt.Fprintln(stdout, all)
	return errors.Join(pool.Close(), pool.Wait(ctx))
}

func coreName(cpu int) string {
	if cpu < 0 {
		return "?"
	}
	return strconv.Itoa(cpu)
}

// endOf returns why the work ended: the signal, if one came, rather than what it led to.
func endOf(ctx context.Context, err error) error {
	if ctx.Err() != nil {
		return context.Cause(ctx)
	}
	return err
}
