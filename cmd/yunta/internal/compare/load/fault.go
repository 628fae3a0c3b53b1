package load

import (
	"context"
	"errors"
	"os"
	"runtime/debug"
	"slices"
	"syscall"
	"time"

	"yunta/child"
	"yunta/cmd/yunta/internal/compare"
	"yunta/supervisor"
)

// Faults are what one task of crash does. Python has no map that must not be written by two, and its stack is a limit of its own.
var Faults = []string{"panic", "exit", "kill", "map", "stack", "hang"}

// FaultText says what a fault is, for people.
var FaultText = map[string]string{
	"panic": "a panic (in Python an exception)",
	"exit":  "the task ends its process",
	"kill":  "SIGKILL, as from the kernel when memory is short",
	"map":   "two goroutines write one map",
	"stack": "recursion without end",
	"hang":  "the task never ends and ignores being told to",
}

const (
	faultTasks = 20
	faultAt    = 7
)

// A blow is one task of crash.
type blow struct {
	Index int
	Fault string
}

var strike = child.Register("compare/strike", func(_ context.Context, b blow) (int, error) {
	if b.Index != faultAt {
		time.Sleep(time.Millisecond) // so that both workers have some
		return b.Index, nil
	}
	switch b.Fault {
	case "panic":
		panic("the task of yunta compare crash that panics")
	case "exit":
		os.Exit(3)
	case "kill":
		p, err := os.FindProcess(os.Getpid())
		if err != nil {
			return 0, err
		}
		if err := p.Signal(syscall.SIGKILL); err != nil {
			return 0, err
		}
		select {}
	case "map":
		return len(scribble()), nil
	case "stack":
		debug.SetMaxStack(1 << 20)
		return recurse(0), nil
	case "hang":
		select {}
	}
	return 0, errors.New("no such fault")
})

// scribble writes one map from several goroutines, which the runtime ends the program for as soon as it sees it.
func scribble() map[int]int {
	m := map[int]int{}
	for g := range 8 {
		go func() {
			for i := 0; ; i++ {
				m[i%64+g] = i
			}
		}()
	}
	for deadline := time.Now().Add(10 * time.Second); time.Now().Before(deadline); {
		m[1]++
	}
	return m
}

//go:noinline
func recurse(n int) int {
	if n < 0 {
		return 0
	}
	return recurse(n+1) + n
}

// suffer runs twenty tasks, one of which does what the spec says.
func suffer(ctx context.Context, s Spec) (*Outcome, error) {
	pool, err := supervisor.NewPool(ctx, supervisor.PoolOptions{
		Name: "crash", Processes: s.Workers, Model: model(s), TaskTimeout: 700 * time.Millisecond, Grace: 100 * time.Millisecond,
	})
	if err != nil {
		return nil, err
	}
	defer func() {
		_ = pool.Terminate() // it has no error
		ctx, cancel := context.WithTimeout(ctx, 2*time.Second)
		defer cancel()
		_ = pool.Wait(ctx) // a goroutine that hangs never ends
	}()
	blows := make([]blow, faultTasks)
	for i := range blows {
		blows[i] = blow{i, s.Fault}
	}
	f := compare.Fault{Fault: s.Fault, Arm: s.Model, Tasks: faultTasks, Outcome: "lost"}
	began := time.Now()
	view := pool.With(supervisor.CallOptions{ChunkSize: 1})
	for _, err := range supervisor.IMap(ctx, view, strike, slices.Values(blows)) {
		if err == nil {
			f.Done++
		} else {
			f.Detail = firstLine(err.Error())
		}
	}
	f.Seconds = time.Since(began).Seconds()
	if f.Done == faultTasks-1 {
		f.Outcome = "contained"
		if s.Fault == "hang" && s.Model == "goroutine" {
			f.Outcome = "leaked" // nothing can end a goroutine
		}
	}
	return &Outcome{Fault: &f}, nil
}
