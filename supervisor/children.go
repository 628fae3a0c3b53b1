package supervisor

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"sync"
	"sync/atomic"

	"yunta/child"
)

// StartMethod is what Python would call the way in which children are started,
// the only one: the program anew, with nothing of its parent's memory.
const StartMethod = "spawn"

// children are the processes that run.
var children processSet

type processSet struct {
	mu   sync.Mutex
	once sync.Once
	set  map[*Process]struct{}
}

func (s *processSet) add(p *Process) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.set == nil {
		s.set = make(map[*Process]struct{})
	}
	s.set[p] = struct{}{}
}

func (s *processSet) remove(p *Process) {
	s.mu.Lock()
	defer s.mu.Unlock()
	delete(s.set, p)
}

// ActiveChildren returns the processes that were started and have not ended,
// in the order of their numbers. Workers of pools are not among them:
// [Pool.Workers] lists those. Python: multiprocessing.active_children.
func ActiveChildren() []*Process {
	children.mu.Lock()
	defer children.mu.Unlock()
	out := make([]*Process, 0, len(children.set))
	for p := range children.set {
		out = append(out, p)
	}
	slices.SortFunc(out, func(a, b *Process) int {
		return cmp.Compare(a.identity[len(a.identity)-1], b.identity[len(b.identity)-1])
	})
	return out
}

// WaitChildren terminates the processes that are daemons and waits for the
// others, until ctx ends, whose error it then returns. Go has nothing that runs
// at the end of a program: main defers this where it wants what Python's does.
// A process whose entry has returned does it by itself, before it ends.
func WaitChildren(ctx context.Context) error {
	all := ActiveChildren()
	for _, p := range all {
		if p.Daemon() {
			_ = p.Terminate() // ended meanwhile, at worst
		}
	}
	for _, p := range all {
		select {
		case <-p.done:
		case <-ctx.Done():
			return errors.Join(context.Cause(ctx), fmt.Errorf("supervisor: %s is still running", p.name))
		}
	}
	return nil
}

// waitAtExit has a child wait for its own children before it ends.
func (s *processSet) waitAtExit() {
	s.once.Do(func() {
		if child.Parent() != nil {
			child.OnExit(0, func() { _ = WaitChildren(context.Background()) })
		}
	})
}

var processCount atomic.Int64

// nextIdentity numbers a new process below this one, as Python does.
func nextIdentity() (identity []int, name string) {
	identity = append(slices.Clone(child.Self().Identity), int(processCount.Add(1)))
	parts := make([]string, len(identity))
	for i, n := range identity {
		parts[i] = fmt.Sprint(n)
	}
	return identity, "Process-" + strings.Join(parts, ":")
}
