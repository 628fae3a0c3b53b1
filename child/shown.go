package child

import (
	"sync"
	"time"

	"yunta/child/board"
	"yunta/oslock"
)

// longTask is from which run time on each task of a chunk is shown on the board:
// that costs some 100 ns.
const longTask = 20 * time.Microsecond

// follow shows a task that is not the first of its chunk on the board, if tasks
// take long enough for anybody to see it.
func (s *server) follow(c *chunk, i int) {
	if s.line != nil && (s.average == 0 || s.average >= longTask) {
		s.line.Idle(s.done, s.failed)
		s.line.Run(c.entry, c.job, c.first+uint64(i), epoch.UnixNano()+int64(now()))
	}
}

// waits shows on the board what this process waits for: of several waits the one
// that has lasted longest.
type waits struct {
	line  *board.Line
	trace *trace
	mu    sync.Mutex // guards list
	list  []oslock.Wait
}

func (s *server) showWaits() {
	w := &waits{line: s.line, trace: s.trace}
	oslock.WatchWaits(w.tell)
}

func (w *waits) tell(wait oslock.Wait) {
	w.mu.Lock()
	defer w.mu.Unlock()
	at := -1
	for i := range w.list {
		if w.list[i].ID == wait.ID {
			at = i
		}
	}
	switch {
	case wait.Over && at >= 0:
		w.trace.waited(wait)
		w.list = append(w.list[:at], w.list[at+1:]...)
	case wait.Over:
	case at >= 0:
		w.list[at] = wait
	default:
		w.list = append(w.list, wait)
	}
	if len(w.list) == 0 {
		w.line.WaitsFor("", 0, time.Time{})
		return
	}
	first := w.list[0]
	for _, o := range w.list {
		if o.Since.Before(first.Since) {
			first = o
		}
	}
	w.line.WaitsFor(first.File, first.Owner, first.Since)
}
