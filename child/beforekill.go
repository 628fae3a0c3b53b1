package child

import (
	"sync"
	"time"
)

// beforeKillTime bounds how long the functions given to BeforeKill may take:
// nothing of a dead supervisor may stay for long.
const beforeKillTime = time.Second

var beforeKill killList

type killList struct {
	mu    sync.Mutex
	funcs []func()
	once  sync.Once
}

// BeforeKill registers a function that a worker calls before it kills its own
// process group: because the supervisor has died, or has given the running
// task up. It is for what the group does not hold, such as programs that a
// task started in sessions of their own. All such functions together have one
// second. They are not called when somebody else kills the worker with
// SIGKILL: nothing is called then.
func BeforeKill(f func()) {
	if f == nil {
		panic("child: BeforeKill(nil)")
	}
	beforeKill.mu.Lock()
	defer beforeKill.mu.Unlock()
	beforeKill.funcs = append(beforeKill.funcs, f)
}

func (l *killList) run() {
	l.mu.Lock()
	funcs := l.funcs
	l.mu.Unlock()
	if len(funcs) == 0 {
		return
	}
	l.once.Do(func() {
		done := make(chan struct{})
		go func() {
			defer close(done)
			for _, f := range funcs {
				runOne(f)
			}
		}()
		select {
		case <-done:
		case <-time.After(beforeKillTime):
		}
	})
}

// runOne keeps one that panics from holding up the end.
func runOne(f func()) {
	defer func() { _ = recover() }()
	f()
}
