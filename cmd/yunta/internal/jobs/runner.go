package jobs

import (
	"context"
	"errors"
	"os"
	"os/signal"
	"slices"
	"sync"
	"syscall"
	"time"

	"yunta/child"
	"yunta/child/affinity"
)

// Settings are what all jobs of a run have in common.
type Settings struct {
	Dir     string        // the spill folder, absolute
	Timeout time.Duration // of each attempt; 0 for none
	Grace   time.Duration // between SIGTERM and SIGKILL
	Keep    int           // how many bytes of an output that is too large for the result are in it all the same
	Retries int           // how often a job that failed is tried again
	Env     []string      // added to the jobs' environment: what a worker does not inherit from its supervisor
}

// A runner is a worker's side of a run: it runs one job after another.
type runner struct {
	Settings
	worker  int
	env     []string
	paths   map[string]string // of commands, by their names
	stdin   int
	out     outputs
	control *Control

	mu      sync.Mutex
	running *running // nil between jobs
	closing bool     // the process is about to be killed: nothing is started any more
	tree    tree     // what is known of the jobs' processes
}

// running is a job while it runs.
type running struct {
	pid     int
	reason  End           // why it is being stopped, or Exited
	force   bool          // SIGKILL without waiting for the grace
	stopped chan struct{} // closed when nothing of it is left; nil while nobody stops it
}

// current is this worker's. A process has one run in its life.
var current *runner

// Begin prepares this worker for jobs; it is the pool's initializer.
func Begin(_ context.Context, s Settings) (struct{}, error) {
	self := child.Self()
	r := &runner{
		Settings: s, worker: self.Worker, paths: map[string]string{},
		env: slices.Concat(os.Environ(), s.Env),
		out: outputs{dir: s.Dir, most: s.Keep, worker: self.Worker, pid: self.PID},
	}
	err := adopt()
	if err == nil {
		r.stdin, err = syscall.Open(os.DevNull, syscall.O_RDONLY|syscall.O_CLOEXEC, 0)
	}
	if err == nil {
		r.control, err = openControl(s.Dir)
	}
	if err != nil {
		return struct{}{}, err
	}
	r.control.EndGroup(r.worker) // of the job that the worker before this one was running when it died
	child.BeforeKill(r.close)
	// A SIGTERM ends this process whoever sent it: the kernel, when the supervisor has been killed, perhaps long before the rest of the
	// supervisor's death shows. What runs goes first.
	terms := make(chan os.Signal, 1)
	signal.Notify(terms, syscall.SIGTERM)
	go func() {
		<-terms
		r.close()
	}()
	go r.control.watch(r.told)
	current = r
	return struct{}{}, nil
}

// Run runs a job; it is the tasks' entry. That the job failed is said in the result: an error would be this program's own.
func Run(_ context.Context, argv []string) (Result, error) {
	r := current
	if r == nil {
		return Result{}, errors.New("jobs: Run before Begin")
	}
	for attempt := 1; ; attempt++ {
		res := r.attempt(argv)
		res.Attempts = attempt
		if res.End == NotRun {
			res.Attempts--
		}
		if res.Succeeded() || attempt > r.Retries || res.DiskFull || res.End == Stopped || r.control.Level() != Going {
			res.Worker, res.CPU = r.worker, affinity.CurrentCPU()
			return res, nil
		}
		r.out.discard(&res)
	}
}

// attempt runs a job once.
func (r *runner) attempt(argv []string) (res Result) {
	if r.control.Level() != Going {
		return Result{End: NotRun}
	}
	start := time.Now()
	res.Start = start.UnixNano()
	if err := r.out.open(); err != nil {
		res.refuse(err, exitCannotRun)
		return res
	}
	j, err := r.start(argv)
	if err != nil {
		res.refuse(err, startStatus(err))
		return res
	}
	var timer *time.Timer
	if r.Timeout > 0 {
		timer = time.AfterFunc(r.Timeout, func() { r.stop(j, TimedOut, false) })
	}
	switch l := r.control.Level(); { // raised since it was asked for, and before there was a job to stop
	case l == Kill:
		r.stop(j, Stopped, true)
	case l == Stop:
		r.stop(j, Stopped, false)
	}
	status := waitFor(j.pid)
	if timer != nil {
		timer.Stop()
	}
	r.mu.Lock()
	r.hold() // with a result that nobody reads, this process would end before the rest of the job has
	r.running = nil
	j.pid = 0 // it is reaped: the number may be another's
	if published {
		r.control.group(r.worker).Store(0)
	}
	stopped := j.stopped
	r.mu.Unlock()
	if stopped != nil {
		<-stopped
	}
	res.Elapsed = time.Since(start)
	res.End = j.reason
	res.Code = status.ExitStatus()
	if status.Signaled() {
		res.Signal, res.Core = status.Signal(), status.CoreDump()
	}
	r.out.collect(&res, r.alone())
	return res
}

// Exit statuses that a shell gives for commands it cannot run.
const (
	exitCannotRun = 126
	exitNotFound  = 127
)

func startStatus(err error) int {
	if errors.Is(err, os.ErrNotExist) {
		return exitNotFound
	}
	return exitCannotRun
}

func (r *Result) refuse(err error, status int) {
	r.End, r.Code, r.Problem = NotStarted, status, err.Error()
	r.DiskFull = isFull(err)
}

// start starts the job, unless this process is about to end.
func (r *runner) start(argv []string) (*running, error) {
	path, err := r.find(argv[0])
	if err != nil {
		return nil, err
	}
	r.mu.Lock()
	defer r.mu.Unlock()
	r.hold()
	files := [3]uintptr{uintptr(r.stdin), uintptr(r.out.stdout.fd), uintptr(r.out.stderr.fd)}
	attr := &syscall.ProcAttr{Env: r.env, Files: files[:], Sys: sysProcAttr()}
	pid, err := syscall.ForkExec(path, argv, attr)
	if errors.Is(err, syscall.ENOEXEC) { // a script without #!: execvp(3) gives it to the shell, and so do all shells
		pid, err = syscall.ForkExec("/bin/sh", slices.Concat([]string{"sh", path}, argv[1:]), attr)
	}
	if err != nil {
		delete(r.paths, argv[0]) // it may have moved
		return nil, explain(argv, err)
	}
	r.running = &running{pid: pid, reason: Exited}
	if published {
		r.control.group(r.worker).Store(uint32(pid))
	}
	return r.running, nil
}

// hold does not return when this process is about to be killed. mu is held.
func (r *runner) hold() {
	for r.closing {
		r.mu.Unlock()
		time.Sleep(time.Minute)
		r.mu.Lock()
	}
}

// find returns the path of a command, and remembers it.
func (r *runner) find(name string) (string, error) {
	if path, ok := r.paths[name]; ok {
		return path, nil
	}
	path, err := Find(name)
	if err == nil {
		r.paths[name] = path
	}
	return path, err
}

// waitFor blocks until a child has ended, and reaps it.
func waitFor(pid int) (status syscall.WaitStatus) {
	for {
		if _, err := syscall.Wait4(pid, &status, 0, nil); err != syscall.EINTR {
			return status
		}
	}
}

// told acts on a new level of the run.
func (r *runner) told(l Level) {
	r.mu.Lock()
	j := r.running
	r.mu.Unlock()
	if j != nil && l >= Stop {
		r.stop(j, Stopped, l == Kill)
	}
}

// stop begins to stop a job, or hastens it.
func (r *runner) stop(j *running, reason End, force bool) {
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.running != j {
		return
	}
	j.force = j.force || force
	if j.stopped == nil {
		j.reason, j.stopped = reason, make(chan struct{})
		go r.sweep(j)
	}
}

const (
	// sweepPause is the time between two looks at what is left of a job.
	firstPause, longestPause = time.Millisecond, 20 * time.Millisecond
	// sweepPatience is how long after SIGKILL a process is waited for: one that the kernel holds, in a read from a dead file server
	// say, must not hold up the run.
	sweepPatience = 5 * time.Second
	// closeTime is how long the killing may take before this process is killed itself.
	closeTime = 800 * time.Millisecond
)

// sweep stops all processes of a job: SIGTERM, and after the grace SIGKILL until none is left.
func (r *runner) sweep(j *running) {
	defer close(j.stopped)
	asked := time.Now()
	var killed time.Time
	told := family{}
	for pause := firstPause; ; pause = min(2*pause, longestPause) {
		r.mu.Lock()
		force := j.force || time.Since(asked) >= r.Grace
		sig := syscall.SIGTERM
		if force {
			sig, told = syscall.SIGKILL, family{} // again and again: whoever forks is caught in the end
			if killed.IsZero() {
				killed = time.Now()
			}
		}
		n := r.signalTree(j.pid, sig, told)
		r.mu.Unlock()
		if n == 0 || force && time.Since(killed) > sweepPatience {
			return
		}
		time.Sleep(pause)
	}
}

// close kills what runs, before this process is killed. It does not return before nothing is left, or its time is up.
func (r *runner) close() {
	end := time.Now().Add(closeTime)
	for time.Now().Before(end) {
		r.mu.Lock()
		r.closing = true
		pid := 0
		if r.running != nil {
			pid = r.running.pid
		}
		n := r.signalTree(pid, syscall.SIGKILL, family{})
		r.mu.Unlock()
		if n == 0 {
			return
		}
		time.Sleep(firstPause)
	}
}
