package child

import (
	"fmt"
	"os"
	"runtime/debug"
	"slices"
	"sync"
)

// exits are the functions given to OnExit.
var exits exitList

type exitList struct {
	mu    sync.Mutex
	funcs []*ExitFunc // in the order in which they are called
}

// ExitFunc is a function that was given to [OnExit]. Python:
// multiprocessing.util.Finalize.
type ExitFunc struct {
	f        func()
	priority int
}

// OnExit registers f to be called when this child ends by itself: when its
// entry has returned, or when a worker was asked to leave. Those of higher
// priority are called first, and of the same priority the newest. They are not
// called after os.Exit or a signal. In a program that no supervisor started,
// main defers [RunExitFuncs].
func OnExit(priority int, f func()) *ExitFunc {
	if f == nil {
		panic("child: OnExit(nil)")
	}
	x := &ExitFunc{f: f, priority: priority}
	exits.mu.Lock()
	defer exits.mu.Unlock()
	i := slices.IndexFunc(exits.funcs, func(o *ExitFunc) bool { return o.priority <= priority })
	if i < 0 {
		i = len(exits.funcs)
	}
	exits.funcs = slices.Insert(exits.funcs, i, x)
	return x
}

// Run calls the function now, unless it was called or cancelled before, which
// it reports.
func (x *ExitFunc) Run() bool {
	if !x.Cancel() {
		return false
	}
	x.call()
	return true
}

// Cancel takes the function back; false if it was called or cancelled before.
func (x *ExitFunc) Cancel() bool {
	exits.mu.Lock()
	defer exits.mu.Unlock()
	i := slices.Index(exits.funcs, x)
	if i < 0 {
		return false
	}
	exits.funcs = slices.Delete(exits.funcs, i, i+1)
	return true
}

// call reports a panic, and the others go on.
func (x *ExitFunc) call() {
	defer func() {
		if v := recover(); v != nil {
			fmt.Fprintf(os.Stderr, "yunta: exit function: panic: %s\n%s", panicText(v), debug.Stack())
		}
	}()
	x.f()
}

// RunExitFuncs calls the functions given to [OnExit], each once; those that they
// register, too.
func RunExitFuncs() { exits.run() }

func (l *exitList) run() {
	for {
		l.mu.Lock()
		if len(l.funcs) == 0 {
			l.mu.Unlock()
			return
		}
		x := l.funcs[0]
		l.funcs = slices.Delete(l.funcs, 0, 1)
		l.mu.Unlock()
		x.call()
	}
}
