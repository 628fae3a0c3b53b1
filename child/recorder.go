package child

import (
	"crypto/sha256"
	"fmt"
	"os"
	"syscall"
	"time"

	"yunta/child/wire"
	"yunta/ipc"
	"yunta/oslock/mapped"
)

// recorder writes what becomes of tasks into the durable result file: that a
// task has begun, before it does, and how it ended, before anybody else hears
// of it. So whoever dies when, a task whose result was seen is in the file, and
// one that may have had effects is known to have begun.
type recorder struct {
	file  *ipc.ResultFile
	w     *ipc.ResultWriter
	pid   int
	begun bool // the task that runs has a record
}

// openRecorder opens the result file that this process inherited, if it did.
func (s *server) openRecorder() error {
	o := s.config.Results
	if o == nil {
		closeInherited(wire.FDResults)
		return nil
	}
	syscall.CloseOnExec(wire.FDResults)
	f, err := ipc.OpenResultsFile(os.NewFile(wire.FDResults, "results"), ipc.ResultsOptions{
		Sync: ipc.SyncPolicy(o.Sync), KeepArgument: o.KeepArgument,
	})
	if err != nil {
		return err
	}
	// The one that was here before is dead: this process goes on where it wrote.
	w := f.NewWriter(s.config.Writer, ipc.ExtentRef(s.bell.Results.Load()))
	w.OnExtent = func(x ipc.ExtentRef) { s.bell.Results.Store(uint64(x)) }
	s.recorder = &recorder{file: f, w: w, pid: os.Getpid()}
	return nil
}

// begin records that the i-th task of a chunk has begun.
func (r *recorder) begin(c *chunk, i int, entry string, digest [sha256.Size]byte, argument []byte) error {
	occurrence, attempt := c.marks.At(i)
	err := r.w.Begin(&ipc.Record{
		Job: c.marks.Job, Entry: entry, Digest: digest, Occurrence: occurrence, Attempt: attempt,
		Index: int64(c.marks.First) + int64(i), PID: r.pid, Started: time.Now(),
		Argument: argument, ArgumentSize: int64(len(argument)),
	})
	if err != nil {
		return recordError{err}
	}
	r.begun = true
	return nil
}

// end records how the task that runs ended.
func (r *recorder) end(payload []byte, status ipc.RecordStatus) error {
	r.begun = false
	room, err := r.w.Room(len(payload))
	if err == nil {
		// Anybody may cut the file off meanwhile.
		err = mapped.Guard(func() error { return r.w.Commit(append(room, payload...), status) })
	}
	if err != nil {
		return recordError{err}
	}
	return nil
}

// recordError is a failure of the result file, which is not the task's own.
type recordError struct{ err error }

func (e recordError) Error() string { return fmt.Sprintf("child: results file: %v", e.err) }
func (e recordError) Unwrap() error { return e.err }

// statusOf is how a result that was returned is recorded.
func statusOf(result any) ipc.RecordStatus {
	if s, ok := result.(Succeeder); ok && !s.Succeeded() {
		return ipc.RecordUnsuccessful
	}
	return ipc.RecordSucceeded
}
