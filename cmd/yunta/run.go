package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"iter"
	"os"
	"path/filepath"
	"sync"
	"syscall"
	"time"

	"github.com/spf13/cobra"

	"yunta/cmd/yunta/internal/halt"
	"yunta/cmd/yunta/internal/input"
	"yunta/cmd/yunta/internal/jobs"
	"yunta/oslock/rundir"
	"yunta/supervisor"
)

const (
	// lookAheadJobs is how many jobs for each worker have been taken from the input and have not ended: the one that runs, and enough for
	// a worker to go on with while this process is busy printing.
	lookAheadJobs = 8
	// lookAheadBlocks is the same when jobs bring blocks of the input with them, or outputs for a file of results.
	lookAheadBlocks = 2
	// keptOutput is how much of the beginning of each output a file of results keeps, in bytes.
	keptOutput = 16 << 20
)

// A jobRun is one run of commands.
type jobRun struct {
	o       runOptions
	plan    *plan
	name    string
	bar     *bar
	spill   *rundir.Dir
	control *jobs.Control
	brake   *brake
	gate    *gate // nil: nothing but the number of workers holds jobs up
	pool    *supervisor.Pool
	printer printer
	order   *order // nil without -k
	summary summary
	trace   *traceFile // nil without --trace
	counter halt.Counter
	last    *finished // that made the run halt
	times   []time.Duration

	mu      sync.Mutex
	works   map[int]*work // jobs that have been taken from the input and have not ended, by index
	noInput error         // why there is no more input, if it has not come to its end

	trouble error           // why no more jobs are begun, if nobody asked for that
	claimed map[string]bool // files of the spill folder that belong to jobs that wait to be printed
}

// newJobRun prepares a run; its plan is given to it later, since it may need the spill folder.
func newJobRun(cmd *cobra.Command, name string, o runOptions) (*jobRun, error) {
	slots, cores := o.workers()
	if o.auto && slots < cores {
		// A job that could use several cores would be kept from those that nobody uses.
		o.pin = supervisor.PinNone
	}
	o.slots = slots
	r := &jobRun{
		o: o, name: name, works: map[int]*work{}, claimed: map[string]bool{}, counter: halt.Counter{Rule: o.halt},
		bar: o.bar.make(cmd.ErrOrStderr()),
	}
	temp, err := filepath.Abs(os.TempDir())
	if err != nil {
		return nil, err
	}
	if r.spill, err = rundir.CreateIn(filepath.Join(temp, fmt.Sprintf("yunta-%d", os.Geteuid())), "map"); err != nil {
		return nil, fmt.Errorf("no folder for the jobs' output: %w", err)
	}
	if r.control, err = jobs.CreateControl(r.spill.Path()); err != nil {
		return nil, errors.Join(fmt.Errorf("no room for the jobs' output: %w", err), r.spill.Close())
	}
	r.brake = &brake{
		control: r.control, say: r.say, running: r.running, step: o.manner.level, stop: make(chan struct{}),
		abandon: func() { _ = r.spill.Close() },
	}
	r.printer = printer{stdout: cmd.OutOrStdout(), stderr: r.bar, dir: r.spill.Path(), verbose: o.verbose && o.settings.Output == jobs.Grouped}
	if r.bar.terminal && isTerminal(os.Stdout) {
		r.printer.stdout = r.bar // or it would be written into the bar
	}
	if o.keep {
		r.order = newOrder(r.spill.Path())
	}
	if o.gate.wanted() || !o.halt.Never() || o.percent > 0 {
		// Which job is begun next depends on how others end: none is handed to a worker before its time.
		r.gate = newGate(o.gate, slots)
	}
	if r.trace, err = createTrace(o.trace); err != nil {
		return nil, errors.Join(err, r.spill.Close())
	}
	r.brake.listen()
	return r, nil
}

// workers returns how many there may be, and how many cores if that matters: counting them means reading several files.
func (o *runOptions) workers() (workers, cores int) {
	if o.slots == 1 || o.most == 1 {
		return 1, 2
	}
	cores = supervisor.CPUCount()
	workers = o.slots
	if workers == 0 {
		workers = cores
	}
	if o.most > 0 {
		workers = min(workers, o.most)
	}
	return workers, cores
}

// close ends what the run has begun and removes what it has made.
func (r *jobRun) close() {
	r.bar.stop()
	if r.order != nil {
		r.order.close()
	}
	if r.pool != nil && r.control.Level() == jobs.Going {
		// All is done: the files can go while the workers leave.
		_ = r.pool.Close()
		_ = r.spill.Close()
		_ = r.pool.Wait(context.Background())
	} else if r.pool != nil {
		_ = r.pool.Terminate()
		_ = r.pool.Wait(context.Background())
	}
	r.brake.quit()
	if said := r.trace.close(); said != "" && !r.o.quiet {
		r.say("%s", said)
	}
	_ = r.spill.Close() // once more does nothing
}

func (r *jobRun) say(format string, args ...any) {
	fmt.Fprintf(r.bar, r.name+": "+format+"\n", args...)
}

// running counts the jobs that run just now.
func (r *jobRun) running() (n int) {
	r.mu.Lock()
	pool := r.pool
	r.mu.Unlock()
	if pool == nil {
		return 0
	}
	for _, w := range pool.Workers() {
		if w.State == "running" {
			n++
		}
	}
	return n
}

// run runs all jobs and says how it went.
func (r *jobRun) run(ctx context.Context, p *plan) error {
	r.plan = p
	r.summary.begun = time.Now()
	r.bar.start(int64(r.o.most))
	if r.o.halt.Percent > 0 {
		total, err := p.total()
		if err != nil {
			return err
		}
		r.counter.Total = total
	}
	s, ahead := r.o.settings, lookAheadJobs
	s.Dir, s.Env, s.Limited = r.spill.Path(), append(s.Env, withheld()...), r.o.percent > 0
	if r.o.results != "" {
		s.Keep, ahead = keptOutput, lookAheadBlocks
	}
	if p.blocks != nil {
		ahead = lookAheadBlocks
	}
	pool, err := supervisor.NewPool(ctx, supervisor.PoolOptions{
		Name: "map", Processes: r.o.slots, OnDemand: true, Pin: r.o.pin, Retries: s.Retries, Stderr: r.bar,
		Initializer: mapBegin.Bind(s), ResultsFile: r.o.results, Resume: r.o.resume, Trace: r.trace.writer(),
	})
	if err != nil {
		return err
	}
	r.mu.Lock()
	r.pool = pool
	r.mu.Unlock()
	defer suspendable(pool.Signal)()
	view := pool.With(supervisor.CallOptions{ChunkSize: 1, Buffer: ahead * r.o.slots})
	results := supervisor.IMapResults(ctx, view, mapSpec, r.specs())
	if r.o.plain {
		results = supervisor.IMapResults(ctx, view, mapJob, vectors(r.specs()))
	}
	for res, err := range results {
		if err == nil {
			err = r.take(res)
		}
		if err != nil {
			r.fail(err)
			break
		}
	}
	return r.finish()
}

func vectors(specs iter.Seq2[jobs.Spec, error]) iter.Seq2[[]string, error] {
	return func(yield func([]string, error) bool) {
		for s, err := range specs {
			if !yield(s.Argv, err) {
				return
			}
		}
	}
}

// specs yields the jobs, until the input ends or the run does.
func (r *jobRun) specs() iter.Seq2[jobs.Spec, error] {
	return func(yield func(jobs.Spec, error) bool) {
		for i := 0; ; i++ {
			if r.order != nil && r.order.room(i+1, r.brake.stop) != nil {
				return
			}
			if r.gate != nil && r.gate.wait(r.brake.stop) != nil {
				return
			}
			select {
			case <-r.brake.stop:
				return
			default:
			}
			w, err := r.plan.next(r.brake.stop)
			switch {
			case err == io.EOF:
				r.bar.know(int64(i))
				_ = r.pool.Close() // workers leave as soon as they have nothing to do
				return
			case errors.Is(err, input.ErrStopped):
				return
			case err != nil:
				// What runs finishes: it has nothing to do with it.
				r.mu.Lock()
				r.noInput = err
				r.mu.Unlock()
				r.brake.raise(jobs.Drain)
				_ = r.pool.Close()
				return
			}
			r.mu.Lock()
			r.works[i] = w
			r.mu.Unlock()
			if r.o.announce {
				fmt.Fprintln(r.bar, jobs.Slotted(w.command, 0))
			}
			if r.o.verbose && r.o.settings.Output != jobs.Grouped {
				w.spec.Lead = w.command + "\n"
			}
			if r.gate != nil {
				r.gate.enter()
			}
			if w.feed != nil {
				go w.feed()
			}
			if !yield(w.spec, nil) {
				return
			}
			w.spec = jobs.Spec{} // it is on its way
		}
	}
}

// fail begins no more jobs, because something is wrong that is not a job's fault.
func (r *jobRun) fail(err error) {
	if r.trouble == nil {
		r.trouble = err
	}
	r.brake.raise(jobs.Stop)
}

// finish prints what is left to print once no more results come, and returns how the run went.
func (r *jobRun) finish() error {
	if r.order != nil {
		if err := r.order.rest(r.show); err != nil {
			r.fail(err)
		}
	}
	r.bar.stop()
	r.mu.Lock()
	if r.trouble == nil {
		r.trouble = r.noInput
	}
	r.mu.Unlock()
	err := r.brake.err()
	switch {
	case err != nil:
	case r.printer.brokenPipe():
		err = interruptError{syscall.SIGPIPE} // as quietly as any filter
	case r.printer.err != nil:
		err = r.printer.err
	case r.trouble != nil:
		err = r.trouble
	case r.last != nil:
		err = haltedError{status: r.counter.Status(r.last.status())}
	case r.summary.failed > 0:
		err = failedError{r.summary.failed}
	}
	if !r.o.quiet && !r.printer.brokenPipe() && (r.summary.failed > 0 || isTerminal(r.bar.out)) {
		r.summary.print(r.bar, r.name)
	}
	_ = r.pool.Close()
	return err
}
