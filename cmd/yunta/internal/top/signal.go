package top

import (
	"errors"
	"fmt"
	"os"
	"slices"
	"syscall"

	"yunta/supervisor"
)

// errChanged says that there is no longer the process that the question was about.
var errChanged = errors.New("it is gone, or another has taken its place")

// A target is a process that a key means: the one that was seen, and no other that may get its number.
type target struct {
	boss   int // process id of the supervisor
	worker int // index, -1 for the supervisor itself
	pid    int
	begun  uint64
	name   string
}

func targetOf(s *Snapshot, r Row) (t target, ok bool) {
	b := r.Supervisor
	if r.Worker == nil {
		return target{b.PID, -1, b.PID, b.Usage.begun, b.Name}, b.Err == nil && b.PID > 1
	}
	w := r.Worker
	return target{b.PID, w.Worker, w.PID, w.Usage.begun, b.Name + "/" + workerName(w)}, w.PID > 1 && w.State != "dead" && w.State != "unused"
}

// signal sends a signal to a process if it still is the one that was seen: the board names it, it has the same parent and
// age, and the handle was opened before all that was looked at, so that it cannot mean a later one of the same number.
func (t target) signal(sig syscall.Signal, boards func() ([]supervisor.Board, error)) error {
	p, err := os.FindProcess(t.pid)
	if err != nil {
		return errChanged
	}
	defer func() { _ = p.Release() }()
	all, err := boards()
	if err != nil {
		return err
	}
	i := slices.IndexFunc(all, func(b supervisor.Board) bool { return b.PID == t.boss && b.Err == nil })
	if i < 0 {
		return errChanged
	}
	if t.worker >= 0 {
		if t.worker >= len(all[i].Workers) || all[i].Workers[t.worker].PID != t.pid || all[i].Workers[t.worker].State == "dead" {
			return errChanged
		}
	}
	// What a board says may have been written by anybody of this user: the system must say so, too.
	if known {
		now, ok := processOf(t.pid)
		if !ok || now.begun != t.begun || t.worker >= 0 && now.parent != t.boss {
			return errChanged
		}
	}
	if err := p.Signal(sig); err != nil {
		if errors.Is(err, os.ErrProcessDone) {
			return errChanged
		}
		return fmt.Errorf("%s, process %d: %w", t.name, t.pid, err)
	}
	return nil
}
