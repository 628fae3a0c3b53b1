package main

import (
	"os"

	"yunta/cmd/yunta/internal/halt"
	"yunta/cmd/yunta/internal/joblog"
	"yunta/cmd/yunta/internal/jobs"
	"yunta/supervisor"
)

// runOptions are what a run is asked for, whatever its command line looks like.
type runOptions struct {
	slots    int // workers; 0: as many as there are usable cores
	most     int // jobs in all, if that is known; 0 if not
	pin      supervisor.Pin
	auto     bool // pin only if there is a worker for each core
	settings jobs.Settings
	plain    bool // jobs are argument vectors and nothing else
	results  string
	trace    string // a file
	resume   bool
	keep     bool
	verbose  bool // print each command before its output
	announce bool // print each command on stderr when it is begun
	keeper   *keeper
	log      *joblog.Log
	halt     halt.Rule
	gate     gateOptions
	percent  float64 // a job's longest time, of the median of those that have ended
	bar      barOptions
	quiet    bool // no summary
	manner   manner
}

// A manner is in what yunta map and yunta parallel differ while a run goes on.
type manner struct {
	level  func(s os.Signal, now jobs.Level) jobs.Level // what a signal asks for
	halted func(f *finished, how string)                // says which job made the run halt
	lost   func(f *finished) bool                       // says of a job what the summary will not; false: in the usual way
}
