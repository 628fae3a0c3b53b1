package jobs

import (
	"context"
	"errors"
	"os"
	"os/signal"
	"slices"
	"strconv"
	"sync"
	"syscall"
	"time"

	"yunta/child"
	"yunta/child/affinity"
)

// A runner is a worker's side of a run: it runs one job after another.
type runner struct {
	Settings
	worker  int
	env     []string
	paths   map[string]string // of commands, by their names
	stdin   int
	out     outputs
	lock    *os.File // for Lines
	direct  direct
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
	ended   chan struct{} // closed when it has ended by itself or not
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
	if err == nil && s.Output == Lines {
		r.lock, err = openStreamLock(s.Dir)
	}
	if err == nil && s.Nice != 0 {
		err = renice(s.Nice)
	}
	if err != nil {
		return struct{}{}, err
	}
	if s.Shell != "" {
		r.direct = newDirect(s.Shell, r.env)
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

// Run runs a job that is an argument vector and nothing else; it is the tasks' entry. That the job failed is said in the result: an error
// would be this program's own.
func Run(_ context.Context, argv []string) (Result, error) { return run(Spec{Argv: argv}) }

// RunSpec runs a job.
func RunSpec(_ context.Context, s Spec) (Result, error) { return run(s) }

func run(s Spec) (Result, error) {
	r := current
	if r == nil {
		return Result{}, errors.New("jobs: Run before Begin")
	}
	r.complete(&s)
	pause := r.Backoff
	for attempt := 1; ; attempt++ {
		res := r.attempt(&s)
		res.Attempts = attempt
		if res.End == NotRun {
			res.Attempts--
		}
		if res.Succeeded() || attempt > r.Retries || res.DiskFull || res.End == Stopped || !r.pause(pause) {
			res.Worker, res.CPU = r.worker, affinity.CurrentCPU()
			return res, nil
		}
		pause = min(2*pause, longestBackoff)
		r.out.discard(&res)
	}
}

// longestBackoff bounds the time between two attempts.
const longestBackoff = time.Minute

// pause waits before another attempt, and reports whether there may be one.
func (r *runner) pause(d time.Duration) bool {
	for end := time.Now().Add(d); ; {
		if r.control.Level() != Going {
			return false
		}
		left := time.Until(end)
		if left <= 0 {
			return true
		}
		time.Sleep(min(left, watchEvery))
	}
}

// shellVector is what runs a command line: the shell, or the one program that it names.
func (r *runner) shellVector(s *Spec) []string {
	line := Slotted(s.Argv[0], r.worker)
	if s.Wd == "" {
		if argv, ok := r.direct.argv(line); ok {
			// What cannot be found, or is a script that only a shell can read, is the shell's to complain of, or to run.
			if path, err := r.find(argv[0]); err == nil && isProgram(path) {
				s.Env = append(s.Env, r.direct.environment(path)...)
				return argv
			}
		}
	}
	return []string{r.Shell, "-c", line}
}

// complete puts in what only this worker knows.
func (r *runner) complete(s *Spec) {
	if r.Shell != "" {
		s.Argv = r.shellVector(s)
	}
	for i, a := range s.Argv {
		s.Argv[i] = Slotted(a, r.worker)
	}
	s.Tag, s.Wd, s.Lead = Slotted(s.Tag, r.worker), Slotted(s.Wd, r.worker), Slotted(s.Lead, r.worker)
	if r.Number {
		s.Env = append(s.Env, "PARALLEL_SEQ="+strconv.Itoa(s.Seq), "PARALLEL_JOBSLOT="+strconv.Itoa(r.worker+1))
	}
}
