package supervisor

import (
	"errors"
	"fmt"
	"io/fs"
	"path/filepath"
	"time"

	"yunta/child/board"
	"yunta/oslock/rundir"
)

// Board is what a running supervisor shows of itself and its workers, as
// [Boards] reads it.
type Board struct {
	PID     int       // of the supervisor's process, in its own PID namespace
	Name    string    // PoolOptions.Name, at most 64 bytes of it
	Program string    // base name of the program
	Started time.Time // when the supervisor was made
	Workers []BoardWorker
	// Err says why the board cannot be read: it is another version's, or somebody
	// damaged it. There are no Workers then.
	Err error
}

// BoardWorker is a worker as its board shows it, at one moment. Strings are
// printable, whatever was written.
type BoardWorker struct {
	Worker int    // index in the pool
	PID    int    // 0 where none was started yet
	CPU    int    // that it is pinned to; -1 if to none, or to several
	State  string // unused, starting, idle, running, stopping, dead

	Entry   string    // of the task that runs, or ran last; at most 32 bytes of it
	Job     uint64    // which of the pool's jobs that is of, from 1
	Task    uint64    // its index in the job; that of short tasks is of the first of their chunk
	Started time.Time // when it began; zero before the first

	Done     uint64 // tasks that succeeded, and
	Failed   uint64 // that failed, in this worker and those it replaced
	Restarts int    // how many it replaced

	WaitsFor string    // the end of the path of the lock it waits for, 56 bytes; "" if for none
	Owner    int       // process id of the lock's owner, 0 if not known
	Since    time.Time // when that wait began

	// Torn says that the worker was stopped or killed while it wrote: each field
	// is right, but they may not belong together.
	Torn bool
}

// Boards lists the running supervisors of this user that have processes for
// workers, in any program on this machine that uses the same run directory,
// oldest first. It reads their boards and disturbs nobody: no supervisor or
// worker is asked, and nothing is cleared away. Each line is read as a whole,
// all lines not at the same moment.
//
// Pools of goroutines, and processes started one by one or in a Group, have no
// board. Python has nothing like it.
//
// The error is of the run directory; one of a single board stands in the
// [Board].
func Boards() ([]Board, error) {
	folders, err := rundir.List()
	if err != nil {
		return nil, fmt.Errorf("supervisor: %w", err)
	}
	var out []Board
	for _, f := range folders {
		b := Board{PID: f.PID, Name: f.Name, Program: f.Program, Started: f.Started}
		err := b.read(filepath.Join(f.Path, "board"))
		if errors.Is(err, fs.ErrNotExist) {
			continue // no pool's folder, or one that is just being made or removed
		}
		b.Err = err
		out = append(out, b)
	}
	return out, nil
}

func (b *Board) read(path string) error {
	f, err := board.Open(path)
	if err != nil {
		return err
	}
	defer func() { _ = f.Close() }()
	lines, err := f.All()
	if err != nil {
		return err
	}
	h := f.Header()
	b.PID, b.Name, b.Started = h.PID, h.Name, h.Started
	b.Workers = make([]BoardWorker, len(lines))
	for i, l := range lines {
		b.Workers[i] = BoardWorker{
			Worker: i, PID: l.PID, CPU: l.CPU, State: l.State.String(),
			Entry: l.Entry, Job: l.Job, Task: l.Index, Started: l.Start,
			Done: l.Done + l.DoneBefore, Failed: l.Failed + l.FailedBefore, Restarts: l.Restarts,
			WaitsFor: l.WaitsFor, Owner: l.Owner, Since: l.Since, Torn: l.Torn,
		}
	}
	return nil
}
