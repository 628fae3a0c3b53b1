package main

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"io"
	"iter"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"syscall"
	"time"

	"github.com/spf13/cobra"

	"yunta/cmd/yunta/internal/jobs"
	"yunta/oslock/rundir"
	"yunta/supervisor"
)

// lookAheadJobs is how many jobs for each worker have been taken from the input and have not ended: the one that runs, and enough for a
// worker to go on with while this process is busy printing.
const lookAheadJobs = 8

// keptOutput is how much of the beginning of each output a file of results keeps, in bytes.
const keptOutput = 16 << 20

// A mapRun is one run of yunta map.
type mapRun struct {
	o       mapOptions
	name    string
	in      source
	bar     *bar
	spill   *rundir.Dir
	control *jobs.Control
	brake   *brake
	pool    *supervisor.Pool
	printer printer
	order   *order // nil without -k
	summary summary

	mu     sync.Mutex
	values map[int]string // of jobs that have been taken from the input and have not ended, by index

	trouble error           // why no more jobs are begun, if nobody asked for that
	claimed map[string]bool // files of the spill folder that belong to jobs that wait to be printed
}

func newMapRun(cmd *cobra.Command, o mapOptions, in source) (*mapRun, error) {
	workers, cores := o.workers()
	if o.pin.chosen == 0 && workers < cores {
		// A job that could use several cores would be kept from those that nobody uses.
		o.pin.chosen = slices.Index(o.pin.words, "none")
	}
	o.jobs = workers
	r := &mapRun{
		o: o, name: cmd.CommandPath(), in: in, values: map[int]string{}, claimed: map[string]bool{},
		bar: newCountBar(cmd.ErrOrStderr(), "jobs", o.bar),
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
	r.brake = &brake{control: r.control, say: r.say, running: r.running, stop: make(chan struct{}), abandon: func() { _ = r.spill.Close() }}
	r.printer = printer{stdout: cmd.OutOrStdout(), stderr: r.bar, dir: r.spill.Path(), tag: o.tag}
	if r.bar.terminal && isTerminal(os.Stdout) {
		r.printer.stdout = r.bar // or it would be written into the bar
	}
	if o.keep {
		r.order = newOrder(r.spill.Path())
	}
	r.brake.listen()
	return r, nil
}

// workers returns how many there may be, and how many cores if that matters: counting them means reading several files.
func (o *mapOptions) workers() (workers, cores int) {
	if o.jobs == 1 || o.values != nil && len(o.values) <= 1 {
		return 1, 2
	}
	cores = supervisor.CPUCount()
	workers = o.jobs
	if workers == 0 {
		workers = cores
	}
	if o.values != nil {
		workers = min(workers, len(o.values))
	}
	return workers, cores
}

// close ends what the run has begun and removes what it has made.
func (r *mapRun) close() {
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
	_ = r.spill.Close() // once more does nothing
}

func (r *mapRun) say(format string, args ...any) {
	fmt.Fprintf(r.bar, r.name+": "+format+"\n", args...)
}

// running counts the jobs that run just now.
func (r *mapRun) running() (n int) {
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
func (r *mapRun) run(ctx context.Context) error {
	r.summary.begun = time.Now()
	r.bar.start(int64(len(r.o.values)))
	keep, ahead := 0, lookAheadJobs
	if r.o.results != "" {
		keep, ahead = keptOutput, 2 // each of them may have that much
	}
	pool, err := supervisor.NewPool(ctx, supervisor.PoolOptions{
		Name: "map", Processes: r.o.jobs, OnDemand: true, Pin: r.o.pin.value(), Retries: r.o.retries, Stderr: r.bar,
		Initializer: mapBegin.Bind(jobs.Settings{
			Dir: r.spill.Path(), Timeout: r.o.timeout, Grace: r.o.grace, Keep: keep, Retries: r.o.retries, Env: withheld(),
		}),
		ResultsFile: r.o.results, Resume: r.o.resume,
	})
	if err != nil {
		return err
	}
	r.mu.Lock()
	r.pool = pool
	r.mu.Unlock()
	defer suspendable(pool.Signal)()
	view := pool.With(supervisor.CallOptions{ChunkSize: 1, Buffer: ahead * r.o.jobs})
	for res, err := range supervisor.IMapResults(ctx, view, mapJob, r.arguments()) {
		if err != nil {
			r.fail(err)
			break
		}
		if err := r.take(res); err != nil {
			r.fail(err)
			break
		}
	}
	return r.finish()
}

// finish prints what is left to print once no more results come, and returns how the run went.
func (r *mapRun) finish() error {
	if r.order != nil {
		if err := r.order.rest(r.show); err != nil {
			r.fail(err)
		}
	}
	r.bar.stop()
	err := r.brake.err()
	switch {
	case err != nil:
	case r.printer.brokenPipe():
		return interruptError{syscall.SIGPIPE} // as quietly as any filter
	case r.printer.err != nil:
		err = r.printer.err
	case r.trouble != nil:
		err = r.trouble
	case r.summary.failed > 0:
		err = errReported
	}
	if !r.o.quiet && (r.summary.failed > 0 || isTerminal(r.bar.out)) {
		r.summary.print(r.bar, r.name)
	}
	_ = r.pool.Close()
	return err
}

// fail begins no more jobs, because something is wrong that is not a job's fault.
func (r *mapRun) fail(err error) {
	if r.trouble == nil {
		r.trouble = err
	}
	r.brake.raise(jobs.Stop)
}

// arguments yields the argument vectors of the jobs, until the input ends or the run does.
func (r *mapRun) arguments() iter.Seq2[[]string, error] {
	return func(yield func([]string, error) bool) {
		for i := 0; ; i++ {
			if r.order != nil && r.order.room(i+1, r.brake.stop) != nil {
				return
			}
			select {
			case <-r.brake.stop:
				return
			default:
			}
			value, err := r.in.next(r.brake.stop)
			switch {
			case err == io.EOF:
				r.bar.know(int64(i))
				_ = r.pool.Close() // workers leave as soon as they have nothing to do
				return
			case errors.Is(err, errStopped):
				return
			case err != nil:
				yield(nil, err)
				return
			}
			r.mu.Lock()
			r.values[i] = value
			r.mu.Unlock()
			if !yield(r.o.template.expand(value), nil) {
				return
			}
		}
	}
}

// take deals with a job that has ended.
func (r *mapRun) take(res supervisor.Result[jobs.Result]) error {
	f := &finished{number: res.Index + 1, result: res.Value, before: res.Resumed}
	if f.before {
		f.result = jobs.Result{End: jobs.Exited}
	}
	for _, out := range []*jobs.Output{&f.result.Stdout, &f.result.Stderr} {
		if out.File != "" {
			out.Data = nil // that is for the file of results
		}
	}
	r.mu.Lock()
	f.value = r.values[res.Index]
	delete(r.values, res.Index)
	r.mu.Unlock()
	if res.Err != nil {
		r.bury(f, res.Err)
	}
	r.claim(f, true)
	r.bar.add(1)
	if f.result.DiskFull && r.trouble == nil {
		r.trouble = fmt.Errorf("%s has no room left: the output of job %d may not be whole, and no more jobs are begun (set $TMPDIR to a folder with more room)",
			r.spill.Path(), f.number)
		r.brake.raise(jobs.Drain)
	}
	if r.order != nil {
		return r.order.put(f, r.show)
	}
	return r.show(f)
}

// bury finds out what became of a job that has no result, and what it had written.
func (r *mapRun) bury(f *finished, err error) {
	f.died = "was not done: " + oneLine(err)
	e, ok := errors.AsType[*supervisor.TaskError](err)
	if !ok || e.PID == 0 {
		return
	}
	exit, ok := errors.AsType[*supervisor.ExitError](err)
	if !ok {
		return
	}
	f.died = "was lost: its worker " + ended(exit)
	f.result.Elapsed = exit.Ran
	r.control.EndGroup(e.Worker)
	prefix := jobs.Prefix(e.Worker, e.PID)
	entries, _ := os.ReadDir(r.spill.Path()) // none is as good as one that cannot be read
	for _, entry := range entries {
		name := entry.Name()
		if info, err := entry.Info(); err == nil && info.Size() > 0 && strings.HasPrefix(name, prefix) && !r.claimed[name] {
			f.rest = append(f.rest, name)
		}
	}
	slices.SortFunc(f.rest, func(a, b string) int { // by sequence: longer numbers are later
		if len(a) != len(b) {
			return len(a) - len(b)
		}
		return strings.Compare(a, b)
	})
}

// ended says how a worker did.
func ended(e *supervisor.ExitError) string {
	how := fmt.Sprintf("ended with status %d", e.Code)
	if e.Signal != 0 {
		how = fmt.Sprintf("was killed by signal %d (%s)", int(e.Signal), jobs.SignalName(e.Signal))
	}
	if e.OOM {
		how += ", the machine being out of memory"
	}
	return how
}

// claim remembers which files belong to a job that is not printed yet.
func (r *mapRun) claim(f *finished, waits bool) {
	for _, name := range append(f.rest, f.result.Stdout.File, f.result.Stderr.File) {
		switch {
		case name == "":
		case waits:
			r.claimed[name] = true
		default:
			delete(r.claimed, name)
		}
	}
}

// show prints a job whose turn it is.
func (r *mapRun) show(f *finished) error {
	wrote := r.printer.err == nil
	err := r.printer.print(f)
	r.claim(f, false)
	r.summary.add(f)
	r.remark(f)
	if err != nil {
		return fmt.Errorf("the output of job %d: %w", f.number, err)
	}
	if wrote && r.printer.err != nil {
		r.brake.raise(jobs.Stop)
	}
	return nil
}

// remark says at once what a job's output and exit status do not.
func (r *mapRun) remark(f *finished) {
	cut := f.died != "" || f.result.Cut()
	if !f.failed() || r.printer.brokenPipe() {
		return
	}
	if !cut && f.result.End != jobs.NotStarted && f.result.Problem == "" && !r.bar.terminal {
		return // the summary will tell
	}
	tail := ""
	switch {
	case cut && (f.result.Stdout.Size > 0 || f.result.Stderr.Size > 0 || len(f.rest) > 0):
		tail = "; its output above is cut short"
	case f.result.End == jobs.Exited && f.result.Problem != "":
		tail = "; its output above is not whole: " + f.result.Problem
	}
	after := ""
	if f.result.Elapsed > 0 {
		after = " after " + rounded(f.result.Elapsed).String()
	}
	r.say("job %d (%s) %s%s%s", f.number, short(f.value), f.how(), after, tail)
}

// withheld is what workers do not get from this process's environment, but their jobs do.
func withheld() (env []string) {
	for _, key := range []string{"GOMAXPROCS", "GOMEMLIMIT"} {
		if value, ok := os.LookupEnv(key); ok {
			env = append(env, key+"="+value)
		}
	}
	return env
}

// A flusher writes in large pieces.
type flusher = bufio.Writer

func newFlusher(w io.Writer) *flusher { return bufio.NewWriterSize(w, inputBuffer) }
