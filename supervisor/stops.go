package supervisor

import (
	"fmt"
	"sync"
	"syscall"
	"time"
)

// stopPace is how often living children are asked whether they were stopped.
const stopPace = time.Second

// stops watches the children of this process for stops by somebody's SIGSTOP,
// or by the terminal that they wanted to use (SIGTTIN, SIGTTOU): whatever they
// do waits until somebody continues them, and nobody would know why.
var stops stopWatch

type stopWatch struct {
	mu    sync.Mutex
	wards map[*ward]struct{}
	quit  chan struct{} // ends the goroutine that lives while there are wards
}

func (s *stopWatch) add(w *ward) {
	if !tellsStops {
		return
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	if len(s.wards) == 0 {
		s.wards, s.quit = make(map[*ward]struct{}), make(chan struct{})
		go s.watch(s.quit)
	}
	s.wards[w] = struct{}{}
}

func (s *stopWatch) remove(w *ward) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if _, ok := s.wards[w]; !ok {
		return
	}
	if delete(s.wards, w); len(s.wards) == 0 {
		close(s.quit)
	}
}

func (s *stopWatch) watch(quit <-chan struct{}) {
	ticker := time.NewTicker(stopPace)
	defer ticker.Stop()
	for {
		select {
		case <-quit:
			return
		case <-ticker.C:
		}
		s.mu.Lock()
		all := make([]*ward, 0, len(s.wards))
		for w := range s.wards {
			all = append(all, w)
		}
		s.mu.Unlock()
		for _, w := range all {
			w.tellStop()
		}
	}
}

// tellStop writes a line to where the child's errors go if it was stopped since
// the last time. SIGTSTP comes from the terminal's user, by way of
// [Pool.Signal], and is no news.
func (w *ward) tellStop() {
	w.lmu.Lock()
	var sig syscall.Signal
	if !w.reaped {
		sig = stoppedBy(w.pid)
	}
	w.lmu.Unlock()
	if sig == 0 || sig == syscall.SIGTSTP {
		return
	}
	why := ""
	switch sig {
	case syscall.SIGTTIN:
		why = ": it wants to read from the terminal, which is not its own"
	case syscall.SIGTTOU:
		why = ": it wants to set up the terminal, which is not its own"
	}
	w.output.say(fmt.Sprintf("yunta: %s (pid %d) is stopped by %s%s; it goes on after SIGCONT\n", w.name, w.pid, signalName(sig), why))
}
