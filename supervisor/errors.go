package supervisor

import (
	"errors"
	"fmt"
	"strings"
	"syscall"
	"time"

	"yunta/child"
)

// Sentinel errors of pools and processes.
var (
	ErrWorkerDied     = errors.New("supervisor: worker died")               // the process that ran the task ended; see ExitError
	ErrTaskTimeout    = errors.New("supervisor: task timed out")            // and was stopped
	ErrPoolClosed     = errors.New("supervisor: pool is closed")            // no more work is taken
	ErrPoolTerminated = errors.New("supervisor: pool was terminated")       // before the task was done
	ErrMemoryLimit    = errors.New("supervisor: memory limit exceeded")     // the worker ran out of its MemoryLimit
	ErrPoolBroken     = errors.New("supervisor: pool cannot start workers") // replacements failed several times in a row
	ErrFailFast       = errors.New("supervisor: ended by FailFast after a failed task")
	ErrNotStarted     = errors.New("supervisor: process was not started")
	ErrStarted        = errors.New("supervisor: process was started before") // each can be started once
	ErrProcessRunning = errors.New("supervisor: process is running")         // and cannot be closed
	ErrProcessClosed  = errors.New("supervisor: process is closed")
	ErrRanged         = errors.New("supervisor: a streamed map can be ranged over only once")
)

// RemoteError is an error or panic of a task, as it arrived from its process.
type RemoteError = child.RemoteError

// TaskError says which task failed, where and why. Err is a *RemoteError for
// what the task itself did, an *ExitError for the death of its process, or
// wraps ErrTaskTimeout, ErrPoolTerminated or the error of a context.
type TaskError struct {
	Entry    string
	Index    int // in the job's arguments, from 0
	Worker   int // index in the pool, -1 when the task was not running
	PID      int // of the worker, 0 when the task was not running
	Attempts int // how often it was tried
	Err      error
}

func (e *TaskError) Error() string {
	var b strings.Builder
	fmt.Fprintf(&b, "supervisor: task %d of %q", e.Index, e.Entry)
	if e.PID != 0 {
		fmt.Fprintf(&b, " on worker %d (pid %d)", e.Worker, e.PID)
	} else if e.Worker >= 0 {
		fmt.Fprintf(&b, " on worker %d", e.Worker)
	}
	if e.Attempts > 1 {
		fmt.Fprintf(&b, ", attempt %d", e.Attempts)
	}
	fmt.Fprintf(&b, ": %s", strings.TrimPrefix(e.Err.Error(), "supervisor: "))
	return b.String()
}

func (e *TaskError) Unwrap() error { return e.Err }

// Span is a range of task indices, [From, To).
type Span struct{ From, To int }

// MapError is what a Map returns when not every task succeeded. The results of
// those that did are handed over with it. errors.Is and errors.As look into
// every failure.
type MapError struct {
	Total      int          // tasks in the job
	Errors     []*TaskError // one for each failed task, in order of index
	Unfinished []Span       // tasks that were never finished because the job was ended
	Cause      error        // why it was ended; nil when it was not
}

func (e *MapError) Error() string {
	var b strings.Builder
	fmt.Fprintf(&b, "supervisor: %d of %d tasks failed", len(e.Errors), e.Total)
	if n := e.unfinished(); n > 0 {
		fmt.Fprintf(&b, ", %d unfinished (%s)", n, strings.TrimPrefix(e.Cause.Error(), "supervisor: "))
	}
	const shown = 3
	for i, t := range e.Errors {
		if i == shown {
			fmt.Fprintf(&b, "; and %d more", len(e.Errors)-shown)
			break
		}
		fmt.Fprintf(&b, "; %s", strings.TrimPrefix(t.Error(), "supervisor: "))
	}
	return b.String()
}

func (e *MapError) unfinished() (n int) {
	for _, s := range e.Unfinished {
		n += s.To - s.From
	}
	return n
}

// Unwrap returns every failure, and the cause of an early end.
func (e *MapError) Unwrap() []error {
	all := make([]error, 0, len(e.Errors)+1)
	for _, t := range e.Errors {
		all = append(all, t)
	}
	if e.Cause != nil {
		all = append(all, e.Cause)
	}
	return all
}

// ExitError says how a child ended. A worker's wraps ErrWorkerDied; that of a
// [Process] wraps the error or panic of its entry, a [*RemoteError]. Either
// wraps ErrMemoryLimit when that was the reason.
type ExitError struct {
	Process string         // name of the Process, "" for a worker
	PID     int            // of a Process
	Code    int            // exit status, -1 when a signal ended it
	Signal  syscall.Signal // 0 when it exited
	Core    bool           // it dumped core
	Ran     time.Duration  // how long the task had run, as far as is known
	PeakRSS int64          // of the process, in bytes; 0 unknown, as on Linux below the supervisor's own
	OOM     bool           // the kernel's out-of-memory killer struck in this cgroup meanwhile
	Stderr  string         // the last of what it wrote to standard error
	memory  bool
	broke   error // why the supervisor killed it: what it sent made no sense
	cause   error // of a Process: what its entry returned, or why it never ran
}

func (e *ExitError) Error() string {
	var b strings.Builder
	if e.Process == "" {
		b.WriteString(ErrWorkerDied.Error())
	} else {
		fmt.Fprintf(&b, "supervisor: %s (pid %d)", e.Process, e.PID)
	}
	switch {
	case e.memory:
		b.WriteString(": memory limit exceeded")
	case e.OOM:
		b.WriteString(": out of memory, killed by the kernel")
	}
	if e.Signal != 0 {
		fmt.Fprintf(&b, ": signal %d (%v)", int(e.Signal), e.Signal)
	} else {
		fmt.Fprintf(&b, ": exit status %d", e.Code)
	}
	if e.Signal == syscall.SIGKILL && e.broke != nil {
		fmt.Fprintf(&b, " for what it sent (%v)", e.broke)
	}
	if e.Ran > 0 {
		fmt.Fprintf(&b, " after %v", e.Ran.Round(time.Millisecond))
	}
	if e.PeakRSS > 0 {
		fmt.Fprintf(&b, ", peak RSS %.1f MiB", float64(e.PeakRSS)/(1<<20))
	}
	if e.cause != nil { // which its standard error has, too
		fmt.Fprintf(&b, "; %s", strings.TrimPrefix(e.cause.Error(), "supervisor: "))
	} else if s := lastLines(e.Stderr, 5); s != "" {
		fmt.Fprintf(&b, "; stderr: %s", s)
	}
	return b.String()
}

// Unwrap returns the sentinel errors that apply.
func (e *ExitError) Unwrap() (all []error) {
	if e.Process == "" {
		all = append(all, ErrWorkerDied)
	}
	if e.memory {
		all = append(all, ErrMemoryLimit)
	}
	if e.cause != nil {
		all = append(all, e.cause)
	}
	return all
}

// lastLines returns the last n lines of what a child wrote, or the first n of
// a crash of Go or Python in it: the rest of a crash is stacks.
func lastLines(s string, n int) string {
	if i := crashAt(s); i >= 0 {
		lines := strings.SplitN(strings.TrimSpace(s[i:]), "\n", n+1)
		return strings.Join(lines[:min(n, len(lines))], "\n")
	}
	lines := strings.Split(strings.TrimSpace(s), "\n")
	return strings.Join(lines[max(0, len(lines)-n):], "\n")
}

// crashAt finds the last line that begins the report of a crash by the Go runtime
// or Python's faulthandler, -1 if there is none.
func crashAt(s string) int {
	at := -1
	for _, mark := range []string{"panic: ", "fatal error: ", "SIG", "Fatal Python error: "} {
		if at < 0 && strings.HasPrefix(s, mark) {
			at = 0
		}
		if i := strings.LastIndex(s, "\n"+mark); i >= 0 {
			at = max(at, i+1)
		}
	}
	return at
}
