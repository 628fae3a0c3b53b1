package supervisor

import (
	"context"
	"io"
	"log/slog"
	"sync"
	"syscall"
	"time"

	"yunta/child"
	"yunta/child/wire"
)

// ProcessOptions says how a process is run. The zero value is the recommended
// setting. Python: the arguments of multiprocessing.Process. Fields that
// [PoolOptions] has, too, mean the same.
type ProcessOptions struct {
	// Name shows in logs, errors and lists of processes; "" means "Process-1"
	// and so on, "Process-1:2" for the second one that Process-1 starts.
	Name string
	// Daemon says what [WaitChildren] does with the process: it terminates a
	// daemon and waits for any other. When this program ends, every process
	// ends; in Python only daemons do.
	Daemon bool
	// CPUs is the affinity mask, as the kernel numbers them; nil means this
	// process's own. GOMAXPROCS in the child follows it.
	CPUs []int
	// Env is added to the child's environment, as "key=value".
	Env []string
	// Stdout gets what the child prints, by whole lines; nil lets it inherit
	// this process's standard output.
	Stdout io.Writer
	// Stderr gets what it writes to standard error, by whole lines; nil means
	// this process's.
	Stderr io.Writer
	// Prefix begins every line that is passed on to Stdout and Stderr, with
	// {name} and {pid} replaced.
	Prefix string
	// Grace is the time between asking and forcing; 0 means 2 s.
	Grace time.Duration
	// MemoryLimit bounds the child's memory in bytes; 0 means none.
	MemoryLimit int64
	// Logger gets what happens to the process, and what it logs by child.Logger;
	// nil means nothing is logged.
	Logger *slog.Logger
}

// Process is one call of an entry in a process of its own: Python's
// multiprocessing.Process. A process may start pools and processes itself,
// daemons too. All methods may be called from any goroutine.
//
// The exit code is 0 when the entry returned nil, 1 when it returned an error
// or panicked, the text and stack then being on the child's standard error, n
// after os.Exit(n) or a [child.ExitStatus], and -n when signal n ended it. A
// panic in another goroutine of the child's is Go's own: 2. The result of the
// entry is dropped, as in Python: [Apply] is for results, and so are the
// connections and queues that an argument may carry.
//
// When the process ends, and when this one does, however it does, what is left
// in the child's process group is killed. An entry must not replace its program
// (exec) or close descriptors that it did not open.
type Process struct {
	call child.Call
	o    ProcessOptions
	name string
	done chan struct{}

	mu       sync.Mutex
	state    processState
	stopping bool
	timers   []*time.Timer
	unhook   func() bool
	exit     *ExitError    // once it has ended
	launched chan struct{} // closed when Start returns

	w        ward
	logs     *logPump
	spawner  *spawner
	identity []int

	incarnation int           // in a group, else 0
	signals     child.Signals // set before the start; nil if nobody listens
}

type processState int

const (
	processNew processState = iota
	processStarting
	processRunning
	processEnded
	processClosed
)

// NewProcess returns a process that is not yet started. What is wrong with the
// options is an error of Start.
func NewProcess[A, R any](e child.Entry[A, R], arg A, o ProcessOptions) *Process {
	p := &Process{call: e.Bind(arg), o: o, done: make(chan struct{})}
	p.identity, p.name = nextIdentity()
	if o.Name != "" {
		p.name = o.Name
	}
	return p
}

// Name returns the process's name.
func (p *Process) Name() string { return p.name }

// PID returns the process number, 0 before the start. After the end it may be
// another's.
func (p *Process) PID() int {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.state != processRunning && p.state != processEnded {
		return 0
	}
	return p.w.pid
}

// Daemon reports whether it is a daemon.
func (p *Process) Daemon() bool { return p.o.Daemon }

// Alive reports whether the process was started and has not ended.
func (p *Process) Alive() bool {
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.state == processRunning
}

// ExitCode returns the exit code once the process has ended.
func (p *Process) ExitCode() (code int, exited bool) {
	p.mu.Lock()
	defer p.mu.Unlock()
	switch {
	case p.state != processEnded:
		return 0, false
	case p.exit == nil:
		return 0, true
	case p.exit.Signal != 0:
		return -int(p.exit.Signal), true
	}
	return p.exit.Code, true
}

// Err returns how the process ended, nil with exit code 0 and before the end,
// and otherwise an [*ExitError].
func (p *Process) Err() error {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.exit == nil {
		return nil
	}
	return p.exit
}

// Done is closed when the process has ended; never if it is not started. Python:
// the sentinel.
func (p *Process) Done() <-chan struct{} { return p.done }

// Wait blocks until the process has ended and returns [Process.Err], or until
// ctx ends, whose error it then returns. Waiting again is allowed. Python:
// Process.join.
func (p *Process) Wait(ctx context.Context) error {
	if err := p.usable(); err != nil {
		return err
	}
	select {
	case <-p.done: // even if ctx has ended, too
		return p.Err()
	default:
	}
	select {
	case <-p.done:
		return p.Err()
	case <-ctx.Done():
		return context.Cause(ctx)
	}
}

// usable is why a started process is wanted and there is none.
func (p *Process) usable() error {
	p.mu.Lock()
	defer p.mu.Unlock()
	switch p.state {
	case processNew, processStarting:
		return ErrNotStarted
	case processClosed:
		return ErrProcessClosed
	}
	return nil
}

// Terminate sends SIGTERM to the process and its group. It does not block, and
// does nothing after the end. Python: Process.terminate.
func (p *Process) Terminate() error {
	err := p.usable()
	if err == nil {
		p.w.terminate()
	}
	return err
}

// Kill sends SIGKILL to the process and its group. It does not block, and does
// nothing after the end. Python: Process.kill.
func (p *Process) Kill() error { return p.Signal(syscall.SIGKILL) }

// Signal sends a signal to the process and its group.
func (p *Process) Signal(sig syscall.Signal) error {
	err := p.usable()
	if err == nil {
		p.w.signalGroup(sig)
	}
	return err
}

// Stop ends the process: it asks it to, which ends the context of its entry,
// terminates it after the grace, and kills it after another. It returns nil
// when the process has ended. The end of ctx kills it at once, and its error is
// returned.
func (p *Process) Stop(ctx context.Context) error {
	if err := p.usable(); err != nil {
		return err
	}
	p.beginStop()
	select {
	case <-p.done:
		return nil
	case <-ctx.Done():
		p.w.kill()
		<-p.done // which nothing can hold up any more
		return context.Cause(ctx)
	}
}

func (p *Process) beginStop() {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.stopping || p.state != processRunning {
		return
	}
	p.stopping = true
	p.timers = append(p.timers, time.AfterFunc(p.o.Grace, p.w.terminate), time.AfterFunc(2*p.o.Grace, p.w.kill))
	go p.w.tell(wire.AppendSlots(nil, wire.KindStop)) // a stopped process reads nothing
}

// Close declares that the process is not needed any more: every later call of a
// method that returns an error returns [ErrProcessClosed], but Close. Closing a
// running one is an error, [ErrProcessRunning]. It need not be called.
func (p *Process) Close() error {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.state == processStarting || p.state == processRunning {
		return ErrProcessRunning
	}
	p.state, p.exit = processClosed, nil
	return nil
}
