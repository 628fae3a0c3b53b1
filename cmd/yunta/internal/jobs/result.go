package jobs

import (
	"fmt"
	"syscall"
	"time"
)

// End says how a job ended.
type End uint8

// The ends.
const (
	Exited     End = iota // by itself: see Code and Signal
	NotStarted            // it could not be started: see Problem
	TimedOut              // it was stopped after Settings.Timeout
	Stopped               // it was stopped because the run was
	NotRun                // the run ended before its turn
)

// Result is what became of a job.
type Result struct {
	//lint:ignore U1000 it is an option of the encoder
	_msgpack struct{} `msgpack:",as_array"` //nolint:unused // the same

	End      End
	Code     int            // exit status; 127 and 126 of a job that could not be started; -1 when a signal ended it
	Signal   syscall.Signal // that ended it, or 0
	Core     bool           // it dumped core
	Problem  string         // why it could not be started, or why its output is not whole
	DiskFull bool           // the spill folder's disk has no room left
	Attempts int            // how often it was started
	Start    int64          // of the last attempt, in nanoseconds since 1970
	Elapsed  time.Duration
	Worker   int
	CPU      int // where it was waited for; -1 where the system does not tell
	Stdout   Output
	Stderr   Output
}

// Output is what a job has written to one of its two files.
type Output struct {
	//lint:ignore U1000 it is an option of the encoder
	_msgpack struct{} `msgpack:",as_array"` //nolint:unused // the same

	Data []byte // all of it, when it is little
	File string // else the base name of a file in the spill folder, which is the receiver's to remove
	Size int64
}

// Succeeded reports whether the job ran and exited with status 0. It makes Result a child.Succeeder.
func (r Result) Succeeded() bool { return r.End == Exited && r.Code == 0 }

// Cut reports whether the job was ended before it had written all it would have.
func (r Result) Cut() bool { return r.Signal != 0 || r.End == TimedOut || r.End == Stopped }

// How says in a few words how the job ended.
func (r Result) How() string {
	switch r.End {
	case NotRun:
		return "not run"
	case NotStarted:
		return "could not be started: " + r.Problem
	}
	how := fmt.Sprintf("exit status %d", r.Code)
	if r.Signal != 0 {
		how = fmt.Sprintf("killed by signal %d (%s)", int(r.Signal), SignalName(r.Signal))
		if r.Core {
			how += ", core dumped"
		}
	}
	switch r.End {
	case TimedOut:
		how = "timed out, " + how
	case Stopped:
		how = "stopped, " + how
	}
	return how
}
