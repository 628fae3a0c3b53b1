package main

import (
	"errors"
	"fmt"
	"os"
	"slices"
	"strings"
	"time"

	"yunta/cmd/yunta/internal/joblog"
	"yunta/cmd/yunta/internal/jobs"
	"yunta/supervisor"
)

// haltedError ends a run that --halt has ended.
type haltedError struct{ status int }

func (e haltedError) Error() string { return "halted" }

// failedError ends a run of which jobs have failed.
type failedError struct{ jobs int }

func (e failedError) Error() string { return plural(e.jobs, "job") + " failed" }

// take deals with a job that has ended.
func (r *jobRun) take(res supervisor.Result[jobs.Result]) error {
	r.mu.Lock()
	w := r.works[res.Index]
	delete(r.works, res.Index)
	r.mu.Unlock()
	f := &finished{number: res.Index + 1, seq: w.seq, result: res.Value, before: res.Resumed, value: w.value, sent: w.sent}
	if f.before {
		f.result = jobs.Result{End: jobs.Exited}
	}
	for _, out := range []*jobs.Output{&f.result.Stdout, &f.result.Stderr} {
		if out.File != "" {
			out.Data = nil // that is for the file of results
		}
	}
	if w.file != "" {
		_ = os.Remove(w.file) // the folder goes at the end
	}
	f.tag, f.command = jobs.Slotted(w.tag, f.result.Worker), w.shownCommand(f.result.Worker)
	if r.o.keeper != nil {
		f.values, f.tree = w.values, jobs.Slotted(w.tree, f.result.Worker)
	}
	if res.Err != nil {
		r.bury(f, res.Err)
	}
	r.claim(f, true)
	r.bar.add(1)
	if err := r.record(f); err != nil {
		return err
	}
	if r.gate != nil {
		r.gate.leave()
	}
	if f.result.DiskFull && r.trouble == nil {
		r.trouble = fmt.Errorf("%s has no room left: the output of job %d may not be whole, and no more jobs are begun (set $TMPDIR to a folder with more room)",
			r.spill.Path(), f.seq)
		r.brake.raise(jobs.Drain)
	}
	if r.order != nil {
		return r.order.put(f, r.show)
	}
	return r.show(f)
}

// record writes a job into the log and counts it, before another may be begun.
func (r *jobRun) record(f *finished) error {
	if f.result.End == jobs.NotRun || f.before {
		return nil
	}
	if f.result.End == jobs.Stopped {
		return nil // that the run was stopped says nothing about the job, which is to be run again
	}
	if r.o.percent > 0 && f.result.Elapsed > 0 {
		r.limitTime(f.result.Elapsed)
	}
	if r.o.log != nil {
		err := r.o.log.Add(joblog.Entry{
			Seq: f.seq, Start: time.Unix(0, f.result.Start), Elapsed: f.result.Elapsed, Sent: f.sent, Received: f.result.Stdout.Size,
			Exit: f.status(), Signal: int(f.result.Signal), Command: f.command,
		})
		if err != nil {
			return fmt.Errorf("the log of jobs: %w", err)
		}
	}
	if r.counter.Add(!f.failed()) {
		r.last = f
		level := jobs.Drain
		if r.counter.Now {
			level = jobs.Stop
		}
		r.brake.raise(level)
	}
	return nil
}

// medianOf is how many jobs must have ended before their median says anything.
const medianOf = 3

// limitTime sets how long jobs may take, by how long others took.
func (r *jobRun) limitTime(d time.Duration) {
	i, _ := slices.BinarySearch(r.times, d)
	r.times = slices.Insert(r.times, i, d)
	if n := len(r.times); n >= medianOf {
		median := r.times[n/2]
		r.control.SetLimit(time.Duration(float64(median) * r.o.percent / 100))
	}
}

// status is the exit status by which a job is known: 128 and the signal's number when one ended it, as in a shell, and never 0 of a job
// that failed. One that took too long has -1, as GNU parallel gives it.
func (f *finished) status() int {
	switch {
	case f.result.End == jobs.TimedOut:
		return -1
	case f.result.Signal != 0:
		return 128 + int(f.result.Signal)
	case f.failed() && f.result.Code <= 0:
		return -1
	}
	return f.result.Code
}

// bury finds out what became of a job that has no result, and what it had written.
func (r *jobRun) bury(f *finished, err error) {
	f.died = "was not done: " + oneLine(err)
	e, ok := errors.AsType[*supervisor.TaskError](err)
	if !ok || e.PID == 0 {
		return
	}
	exit, ok := errors.AsType[*supervisor.ExitError](err)
	if !ok {
		return
	}
	f.died = "was lost: its worker " + howEnded(exit)
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

// howEnded says how a worker did.
func howEnded(e *supervisor.ExitError) string {
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
func (r *jobRun) claim(f *finished, waits bool) {
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
func (r *jobRun) show(f *finished) error {
	wrote := r.printer.err == nil
	var err error
	if r.o.keeper != nil && f.result.End != jobs.NotRun {
		err = r.o.keeper.keep(f, &r.printer)
	} else if f.result.End != jobs.NotRun && !f.before {
		err = r.printer.print(f)
	}
	r.claim(f, false)
	r.summary.add(f)
	r.remark(f)
	if err != nil {
		return fmt.Errorf("the output of job %d: %w", f.seq, err)
	}
	if wrote && r.printer.err != nil {
		r.brake.raise(jobs.Stop)
	}
	return nil
}

// remark says at once what a job's output and exit status do not.
func (r *jobRun) remark(f *finished) {
	if f == r.last && r.o.manner.halted != nil {
		r.o.manner.halted(f, map[bool]string{true: "failed", false: "succeeded"}[f.failed()])
	}
	cut := f.died != "" || f.result.Cut()
	if !f.failed() || r.printer.brokenPipe() || r.o.manner.lost != nil && r.o.manner.lost(f) {
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
	r.say("job %d (%s) %s%s%s", f.seq, short(f.value), f.how(), after, tail)
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
