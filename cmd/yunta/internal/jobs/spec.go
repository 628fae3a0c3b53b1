package jobs

import (
	"slices"
	"strconv"
	"strings"
	"syscall"
	"time"
)

// Settings are what all jobs of a run have in common.
type Settings struct {
	Dir     string        // the spill folder, absolute
	Timeout time.Duration // of each attempt; 0 for none
	Limited bool          // the parent changes the timeout while the run goes on, see Control.Limit
	Grace   time.Duration // between SIGTERM and SIGKILL
	Steps   []Step        // how a job is stopped; nil: SIGTERM, Grace, SIGKILL
	Keep    int           // how many bytes of an output that is too large for the result are in it all the same
	Retries int           // how often a job that failed is tried again
	Backoff time.Duration // before the second attempt; twice that before the third, and so on; 0 for none
	Env     []string      // added to the jobs' environment: what a worker does not inherit from its supervisor
	Shell   string        // a job is a command line that this shell reads; "": an argument vector
	Output  Way           // where what jobs write goes
	Number  bool          // PARALLEL_SEQ and PARALLEL_JOBSLOT are in a job's environment
	Nice    int           // added to the niceness of jobs
}

// A Step of stopping a job: a signal, and how long its effect is waited for.
type Step struct {
	Signal syscall.Signal
	Wait   time.Duration
}

// Way says where jobs write to.
type Way int

// The ways of output.
const (
	Grouped  Way = iota // into files, for the parent to print when the job has ended
	Lines               // whole lines to this process's standard output and error as they come
	Straight            // to this process's standard output and error
	Terminal            // the same, and the job has the terminal
)

// A Spec is a job with what belongs to it alone.
type Spec struct {
	//lint:ignore U1000 the codec reads its tag
	_msgpack struct{} `msgpack:",as_array"`

	Argv  []string // or one command line, see Settings.Shell. SlotMark in it stands for the number of the worker, from 1
	Seq   int      // number of the job
	Tag   string   // in front of each line, for Lines
	Lead  string   // printed before the job's output, where that is not Grouped
	Env   []string // added to the environment
	Wd    string   // working directory; "": this process's
	Input Input
}

// Input is what a job finds on its standard input. The zero value is /dev/null.
type Input struct {
	//lint:ignore U1000 the codec reads its tag
	_msgpack struct{} `msgpack:",as_array"`

	File string // path
	Part bool   // not the file itself, but a pipe with Head and then Size bytes of it from At
	At   int64
	Size int64
	Head []byte
}

// SlotMark stands for the number of the worker that runs a job, which is known only there. No argument can hold it.
const SlotMark = "\x00%"

// Slotted puts a worker's number in the place of marks.
func Slotted(s string, worker int) string {
	if !strings.Contains(s, SlotMark) {
		return s
	}
	return strings.ReplaceAll(s, SlotMark, strconv.Itoa(worker+1))
}

// steps returns how jobs are stopped; the last one is SIGKILL.
func (s *Settings) steps() []Step {
	steps := s.Steps
	if steps == nil {
		steps = []Step{{syscall.SIGTERM, s.Grace}}
	}
	if len(steps) == 0 || steps[len(steps)-1].Signal != syscall.SIGKILL {
		steps = append(slices.Clip(steps), Step{syscall.SIGKILL, sweepPatience})
	}
	return steps
}

// merged adds variables to an environment, in place of those of the same name.
func merged(env, more []string) []string {
	if len(more) == 0 {
		return env
	}
	names := make([]string, len(more))
	for i, v := range more {
		name, _, _ := strings.Cut(v, "=")
		names[i] = name + "="
	}
	all := make([]string, 0, len(env)+len(more))
	for _, v := range env {
		if !slices.ContainsFunc(names, func(n string) bool { return strings.HasPrefix(v, n) }) {
			all = append(all, v)
		}
	}
	return append(all, more...)
}
