package supervisor

import (
	"errors"
	"fmt"
	"io"
	"log/slog"
	"slices"
	"time"

	"yunta/child"
	"yunta/child/affinity"
	"yunta/ipc"
)

// Model says what the workers of a pool are.
type Model int

// The models. A program written for one runs on the other unchanged; what
// goroutines cannot do is documented at the options concerned.
const (
	Processes  Model = iota // child processes, one each
	Goroutines              // goroutines of this process
)

func (m Model) String() string {
	switch m {
	case Processes:
		return "processes"
	case Goroutines:
		return "goroutines"
	}
	return fmt.Sprintf("Model(%d)", int(m))
}

// Values that switch an inherited setting off, for CallOptions.
const (
	NoTimeout = time.Duration(-1)
	NoRetries = -1
)

// PoolOptions says how a pool works. The zero value is the recommended
// setting. Python: the arguments of multiprocessing.Pool.
type PoolOptions struct {
	// Processes is the number of workers; 0 means CPUCount.
	Processes int
	// Model is Processes or Goroutines.
	Model Model
	// Command starts the workers as another program, which speaks the plain
	// protocol (child/wire/PROTOCOL.md), instead of this one: a Python program
	// with child/python/yunta_worker.py, {"python3", "worker.py"}. Their entries
	// are declared by child.Foreign. They are pinned, watched, killed and replaced
	// like any others; what such a program must do by itself, such as to heed
	// MemoryLimit, that page says. Tasks are handed to it one at a time, so one
	// costs some 50 us. The program is looked for as by exec.LookPath; it runs
	// in this process's working directory. Not possible with Goroutines.
	Command []string
	// StartTimeout bounds how long a worker may take until it says hello, and a
	// worker of Command without an Initializer until it is ready; past it the
	// worker is killed and its start has failed. 0 means 10 s. What a Python
	// program imports counts.
	StartTimeout time.Duration
	// OnDemand starts only one worker at first, and another whenever there is
	// work that no worker has room for, up to Processes. Python:
	// concurrent.futures starts its processes so. Goroutines cost too little
	// for that to matter.
	OnDemand bool
	// Pin says which cores the workers are pinned to.
	Pin Pin
	// Initializer runs in every worker before its first task. If it fails,
	// NewPool fails; if it fails in a replacement several times in a row, so
	// does the pool. A goroutine pool runs it once for each worker, too, and
	// for each that replaces one; a hung one cannot be ended.
	Initializer child.Call
	// Exit runs in every worker that is asked to leave: at Close and after
	// MaxTasksPerChild, not when it is terminated or killed.
	Exit child.Call
	// MaxTasksPerChild replaces a worker after that many tasks; 0 means never.
	MaxTasksPerChild int
	// TaskTimeout bounds how long one task may run; 0 means no bound. Past it
	// the task's context ends, after Grace its process group gets SIGTERM, and
	// after another Grace SIGKILL. The process always goes, with whatever the
	// task started. A goroutine cannot be stopped: after Grace it is left to
	// itself and replaced.
	TaskTimeout time.Duration
	// Retries is how often a task is tried again when it failed: its worker
	// died, it timed out, panicked or returned an error. Default 0. A task
	// that is retried may have had effects already.
	Retries int
	// Grace is the time between asking and forcing; 0 means 2 s.
	Grace time.Duration
	// MemoryLimit bounds the memory of each worker in bytes; 0 means none. A
	// worker that after a task, and a garbage collection, still holds three
	// quarters of it is replaced before the next task; nothing is lost. From
	// nine tenths on the garbage collector works harder. An allocation beyond
	// the limit ends the worker, and the task that made it fails with
	// ErrMemoryLimit: on Linux the kernel sees to that (RLIMIT_DATA), elsewhere
	// the worker itself watches its Go heap. A worker of Command keeps its limit by
	// itself: yunta_worker.py does, where there is /proc. Not possible with
	// Goroutines.
	MemoryLimit int64
	// ResultsFile keeps the result of every task in the file of that name, as
	// soon as there is one: what is in it survives the death of every process.
	// The file must not exist, unless Resume is set, and no other pool may use
	// it. Tasks of equal argument are told apart by their order.
	ResultsFile string
	// Resume goes on with a ResultsFile: a task that succeeded in it before,
	// known by its job's name, entry and argument, is not run again; its result
	// is taken from the file. A missing file is made.
	Resume bool
	// ResultsSync says when the ResultsFile is forced to disk. Default never:
	// it then outlives all processes, but not the machine's sudden end.
	ResultsSync ipc.SyncPolicy
	// Trace gets a timeline of the pool as JSON, for https://ui.perfetto.dev and
	// chrome://tracing: an array of events in the Trace Event Format. There is a
	// lane for each worker and each core, with tasks (those of less than 20 us
	// together), what they were sent with and how long that waited, crashes,
	// retries, waits for locks, and pauses of the garbage collector; see the
	// package's introduction. It is written as it happens, in whole events, so
	// that the file of a run that was killed lacks the last 50 ms and the closing
	// bracket, which these programs do without; should the kill have cut an event,
	// the last line is to be left out. It is complete when Wait has
	// returned; nobody closes the writer. A writer that fails is given up, and
	// one that is too slow loses events, which are counted at the end; neither
	// holds up the pool before its end. nil traces nothing and costs nothing.
	Trace io.Writer
	// Logger gets what happens to workers, and what they log by child.Logger;
	// nil means nothing is logged.
	Logger *slog.Logger
	// Name shows in logs, in the run directory and in the children's process
	// names; "" means "yunta".
	Name string
	// Env is added to the children's environment, as "key=value". GOMAXPROCS
	// and GOMEMLIMIT are not inherited, but may be given here. Not possible
	// with Goroutines, which share this process's.
	Env []string
	// Stdout gets what children print, by whole lines; nil lets them inherit
	// this process's standard output. What Goroutines print is printed by this
	// process: Stdout, Stderr and Prefix do nothing there.
	Stdout io.Writer
	// Stderr gets what children write to standard error, by whole lines; nil
	// means this process's.
	Stderr io.Writer
	// Prefix begins every line that is passed on to Stdout and Stderr, with
	// {worker}, {name} and {pid} replaced: "[w{worker}] ". What children print to
	// an inherited standard output does not get it.
	Prefix string

	cores   int    // usable ones, counted once: it means reading several files
	program string // path of Command's
}

// CallOptions refines the pool's settings for the calls made through a view,
// see [Pool.With]. Zero fields inherit.
type CallOptions struct {
	// ChunkSize is how many tasks travel together; 0 lets the pool find out
	// from measured run times. Tasks of a chunk that have not begun can still
	// be taken back, so a large one delays nothing but the first results.
	// Chunks of less than 20 us of measured work are sent several at a time.
	ChunkSize int
	// Timeout replaces PoolOptions.TaskTimeout; NoTimeout switches it off.
	Timeout time.Duration
	// Retries replaces PoolOptions.Retries; NoRetries switches them off.
	Retries int
	// Buffer bounds how many tasks an IMap may have taken from its input
	// ahead of what its caller has consumed; 0 lets the pool choose by
	// measured run times.
	Buffer int
	// Job names the call in a ResultsFile. Calls of one entry with the same
	// argument but of different jobs are different calls. Default "".
	Job string
	// FailFast makes Map start nothing more once a task has failed for good.
	FailFast bool
	// OnProgress is called after results have come in, from one goroutine at
	// a time, with growing done and at last done == total. total is -1 while
	// the length of a streamed input is not known. It must not block for long.
	OnProgress func(done, total int)
}

// Tunables of the pool.
const (
	defaultGrace = 2 * time.Second
	// chunkTime is how much measured work goes into one chunk: long enough to
	// make the cost of a frame (about 1 us) disappear, short enough that
	// results flow.
	chunkTime = 200 * time.Microsecond
	// lookAhead is how much measured work a worker may have waiting: enough
	// to cover the way back and forth (20-100 us on a loaded machine).
	lookAhead = time.Millisecond
	// tailTime is the least work of a chunk at the end of a job, where chunks
	// shrink so that all workers end together.
	tailTime = 20 * time.Microsecond
	// growth bounds how much larger than a measured chunk the next one is.
	growth = 16
	// window is how many chunks a worker may have in flight.
	window = 256
	// tick is how often outstanding chunks are looked at when their worker
	// has not spoken: results that wait in mapped memory are handed on within
	// two of them.
	tick = 4 * time.Millisecond
	// helloTimeout is how long a child may take to say hello, by default.
	helloTimeout = 10 * time.Second
	// startAttempts is how often in a row one worker may fail to start before
	// the pool gives up.
	startAttempts = 3
	// startKills is the same for one that somebody kills whenever it starts,
	// which says nothing about the next start: only that there is a bound.
	startKills = 30
	// argumentBudget bounds the bytes of arguments in flight, beyond one
	// chunk for each worker.
	argumentBudget = 64 << 20
	// inlineTarget keeps self-chosen chunks small enough for the pipe.
	inlineTarget = 32 << 10
	// recordedChunk bounds a chunk whose tasks are recorded one by one: that
	// costs more than the frame does.
	recordedChunk = 1024
	// frameBytes is what a chunk's frame takes beside its arguments, in bytes.
	frameBytes = 64
	// tasksPipe is the wished capacity of a tasks pipe in bytes: room for what
	// is in flight, so that writing never waits for a busy worker.
	tasksPipe = 256 << 10
	// smallestPipe is taken for granted where the system does not tell (macOS).
	smallestPipe = 16 << 10
	// stderrTail is how much of a child's last words is kept, in bytes.
	stderrTail = 8 << 10
	// crashHead is how much of the beginning of a crash's report is kept when
	// the report is longer, in bytes.
	crashHead = 1 << 10
	// spinFor is how long a caller of Apply watches the answer's word before
	// it blocks: waking up costs about 20 us on another core.
	spinFor = 50 * time.Microsecond
)

func (o PoolOptions) withDefaults() (PoolOptions, error) {
	switch {
	case o.Processes < 0:
		return o, fmt.Errorf("supervisor: Processes is %d, must not be negative", o.Processes)
	case o.MaxTasksPerChild < 0:
		return o, fmt.Errorf("supervisor: MaxTasksPerChild is %d, must not be negative", o.MaxTasksPerChild)
	case o.TaskTimeout < 0 && o.TaskTimeout != NoTimeout:
		return o, fmt.Errorf("supervisor: TaskTimeout is %v, must not be negative", o.TaskTimeout)
	case o.Retries < 0 && o.Retries != NoRetries:
		return o, fmt.Errorf("supervisor: Retries is %d, must not be negative", o.Retries)
	case o.Grace < 0:
		return o, fmt.Errorf("supervisor: Grace is %v, must not be negative", o.Grace)
	case o.MemoryLimit < 0:
		return o, fmt.Errorf("supervisor: MemoryLimit is %d, must not be negative", o.MemoryLimit)
	case o.StartTimeout < 0:
		return o, fmt.Errorf("supervisor: StartTimeout is %v, must not be negative", o.StartTimeout)
	case o.Command != nil && (len(o.Command) == 0 || o.Command[0] == ""):
		return o, errors.New("supervisor: Command names no program")
	case o.Command != nil && o.Model == Goroutines:
		return o, errors.New("supervisor: Command starts processes, but Model is Goroutines")
	case o.Resume && o.ResultsFile == "":
		return o, errors.New("supervisor: Resume is set, but ResultsFile is not")
	case o.ResultsSync < ipc.SyncNever || o.ResultsSync > ipc.SyncCommit:
		return o, fmt.Errorf("supervisor: ResultsSync is %d, must be one of the policies of package ipc", o.ResultsSync)
	case o.Model != Processes && o.Model != Goroutines:
		return o, fmt.Errorf("supervisor: Model is %d, must be Processes or Goroutines", int(o.Model))
	}
	o.cores = CPUCount()
	if o.Processes == 0 {
		o.Processes = o.cores
	}
	if o.Processes > maxWorkers {
		return o, fmt.Errorf("supervisor: Processes is %d, at most %d", o.Processes, maxWorkers)
	}
	if o.Grace == 0 {
		o.Grace = defaultGrace
	}
	if o.StartTimeout == 0 {
		o.StartTimeout = helloTimeout
	}
	o.Command = slices.Clone(o.Command)
	if err := o.checkForeign(); err != nil {
		return o, err
	}
	if o.Name == "" {
		o.Name = "yunta"
	}
	if o.Logger == nil {
		o.Logger = slog.New(slog.DiscardHandler)
	}
	o.TaskTimeout = max(o.TaskTimeout, 0)
	o.Retries = max(o.Retries, 0)
	return o, nil
}

// maxWorkers bounds a pool: each worker has three pipes and a thread here.
const maxWorkers = 4096

func (o CallOptions) check() error {
	switch {
	case o.ChunkSize < 0:
		return fmt.Errorf("supervisor: ChunkSize is %d, must not be negative", o.ChunkSize)
	case o.Timeout < 0 && o.Timeout != NoTimeout:
		return fmt.Errorf("supervisor: Timeout is %v, must not be negative", o.Timeout)
	case o.Retries < 0 && o.Retries != NoRetries:
		return fmt.Errorf("supervisor: Retries is %d, must not be negative", o.Retries)
	case o.Buffer < 0:
		return fmt.Errorf("supervisor: Buffer is %d, must not be negative", o.Buffer)
	}
	return nil
}

// CPUCount returns how many cores this process may use: its affinity mask and
// its cgroup's quota count, not what the machine has. At least 1. Python:
// os.process_cpu_count.
func CPUCount() int { return affinity.CPUCount() }
