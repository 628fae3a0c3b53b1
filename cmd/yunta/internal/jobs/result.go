package jobs

import (
	"fmt"
	"syscall"
	"time"
)

// End says how a job ended.
type End string

// The ends.
const (
	Exited     End = "exited"      // by itself: see Code and Signal
	NotStarted End = "not started" // it could not be: see Problem
	TimedOut   End = "timed out"   // it was stopped after Settings.Timeout
	Stopped    End = "stopped"     // because the run was
	NotRun     End = "not run"     // the run ended before its turn
)

// Result is what became of a job. A file of results keeps it under these names.
type Result struct {
	End      End            `msgpack:"end"`
	Code     int            `msgpack:"exit"`                 // status; 127 and 126 of a job that could not be started; -1 when a signal ended it
	Signal   syscall.Signal `msgpack:"signal,omitempty"`     // that ended it
	Core     bool           `msgpack:"core_dump,omitempty"`  // it dumped core
	Problem  string         `msgpack:"problem,omitempty"`    // why it could not be started, or why its output is not whole
	DiskFull bool           `msgpack:"disk_full,omitempty"`  // the spill folder's disk has no room left
	Attempts int            `msgpack:"attempts"`             // how often it was started
	Start    int64          `msgpack:"start_ns"`             // of the last attempt, in nanoseconds since 1970
	Elapsed  time.Duration  `msgpack:"elapsed_ns,omitempty"` // of the last attempt
	Worker   int            `msgpack:"worker"`
	CPU      int            `msgpack:"cpu"` // where it was waited for; -1 where the system does not tell
	Stdout   Output         `msgpack:"stdout"`
	Stderr   Output         `msgpack:"stderr"`
}

// Output is what a job has written to one of its two files.
type Output struct {
	Data []byte `msgpack:"data,omitempty"` // all of it, when it is little; else as much of its beginning as Settings.Keep says
	File string `msgpack:"file,omitempty"` // when it is much: the base name of a file in the spill folder, which is the receiver's to remove
	Size int64  `msgpack:"size"`           // in bytes
	Cut  bool   `msgpack:"cut,omitempty"`  // Data is only the beginning
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
