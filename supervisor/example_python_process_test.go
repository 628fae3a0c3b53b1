package supervisor_test

import (
	"context"
	"fmt"
	"log/slog"
	"os"
	"strings"

	"yunta/child"
	"yunta/ipc"
	"yunta/oslock"
	"yunta/supervisor"
)

// The examples of this file and of the other example_python files are those of
// the Python documentation, and print what is printed there; a line that differs
// from run to run there is told by what it has to agree with. Values are in Go's
// notation.

var hello = child.Register("hello", func(_ context.Context, name string) (int, error) {
	fmt.Println("hello", name)
	return 0, nil
})

// multiprocessing, "The Process class".
func ExampleNewProcess_hello() {
	ctx := context.Background()
	p := supervisor.NewProcess(hello, "bob", supervisor.ProcessOptions{})
	if err := p.Start(ctx); err != nil {
		panic(err)
	}
	if err := p.Wait(ctx); err != nil {
		panic(err)
	}
	// Output: hello bob
}

var info = child.Register("info", func(_ context.Context, main int) (int, error) {
	fmt.Println("function f")
	fmt.Println("parent process: that of the main line:", os.Getppid() == main && child.Parent().PID() == main)
	fmt.Println("process id: another:", os.Getpid() != main)
	return 0, nil
})

// multiprocessing, "The Process class": the numbers of the processes.
func ExampleNewProcess_numbers() {
	ctx := context.Background()
	p := supervisor.NewProcess(info, os.Getpid(), supervisor.ProcessOptions{})
	if err := p.Start(ctx); err != nil {
		panic(err)
	}
	if err := p.Wait(ctx); err != nil {
		panic(err)
	}
	// Output:
	// function f
	// parent process: that of the main line: true
	// process id: another: true
}

// multiprocessing, "Process and exceptions": the session of is_alive, terminate
// and exitcode.
func ExampleProcess_Terminate() {
	ctx := context.Background()
	p := supervisor.NewProcess(waitsLong, 1000, supervisor.ProcessOptions{Name: "sleeper"})
	fmt.Println(p.Name(), p.Alive())
	if err := p.Start(ctx); err != nil {
		panic(err)
	}
	fmt.Println(p.Name(), p.Alive())
	p.Terminate()
	<-p.Done()
	code, exited := p.ExitCode()
	fmt.Println(p.Name(), p.Alive(), code, exited)
	// Output:
	// sleeper false
	// sleeper true
	// sleeper false -15 true
}

var waitsLong = child.Register("waitsLong", func(context.Context, int) (int, error) { select {} })

// multiprocessing, "Process": kill, and the reference of active_children.
func ExampleProcess_Kill() {
	ctx := context.Background()
	p := supervisor.NewProcess(waitsLong, 1000, supervisor.ProcessOptions{Daemon: true})
	if err := p.Start(ctx); err != nil {
		panic(err)
	}
	for _, c := range supervisor.ActiveChildren() {
		if c == p {
			fmt.Println("active, a daemon:", p.Daemon())
		}
	}
	p.Kill()
	<-p.Done()
	fmt.Println(p.ExitCode())
	fmt.Println("cores:", supervisor.CPUCount() > 0)
	// Output:
	// active, a daemon: true
	// -9 true
	// cores: true
}

var presents = child.Register("presents", func(context.Context, int) (int, error) {
	name, parent := child.Self().Name, child.Parent()
	fmt.Println(name, "has a parent that lives:", parent.Alive())
	return 0, nil
})

// multiprocessing, "Miscellaneous": current_process and parent_process.
func ExampleNewProcess_self() {
	ctx := context.Background()
	fmt.Println("the program itself has one:", child.Parent() != nil)
	p := supervisor.NewProcess(presents, 0, supervisor.ProcessOptions{Name: "guest"})
	if err := p.Start(ctx); err != nil {
		panic(err)
	}
	if err := p.Wait(ctx); err != nil {
		panic(err)
	}
	// Output:
	// the program itself has one: false
	// guest has a parent that lives: true
}

type helloWorld struct {
	Lock *oslock.Lock
	N    int
}

var helloLocked = child.Register("helloLocked", func(ctx context.Context, a helloWorld) (int, error) {
	if err := a.Lock.Lock(ctx); err != nil {
		return 0, err
	}
	fmt.Println("hello world", a.N)
	return 0, a.Lock.Unlock()
})

// multiprocessing, "Synchronization between processes": one at a time prints.
// The lock is passed on, as "Explicitly pass resources to child processes" asks.
func ExampleNewProcess_lock() {
	ctx := context.Background()
	l, err := oslock.OpenLock("example-hello", oslock.LockOptions{})
	if err != nil {
		panic(err)
	}
	defer oslock.Unlink("example-hello")
	defer l.Close()
	var all []*supervisor.Process
	for n := range 10 {
		p := supervisor.NewProcess(helloLocked, helloWorld{l, n}, supervisor.ProcessOptions{})
		if err := p.Start(ctx); err != nil {
			panic(err)
		}
		all = append(all, p)
	}
	for _, p := range all {
		if err := p.Wait(ctx); err != nil {
			panic(err)
		}
	}
	// Unordered output:
	// hello world 0
	// hello world 1
	// hello world 2
	// hello world 3
	// hello world 4
	// hello world 5
	// hello world 6
	// hello world 7
	// hello world 8
	// hello world 9
}

// multiprocessing, "Programming guidelines", "Joining processes that use queues":
// the program that never ends in Python. Here an item is in shared memory when
// Put returns, so it ends.
func ExampleNewProcess_joinFirst() {
	ctx := context.Background()
	q, err := ipc.NewQueue[string](ipc.QueueOptions{})
	if err != nil {
		panic(err)
	}
	defer q.Detach()
	p := supervisor.NewProcess(putsMuch, q, supervisor.ProcessOptions{})
	if err := p.Start(ctx); err != nil {
		panic(err)
	}
	if err := p.Wait(ctx); err != nil { // this deadlocks in Python
		panic(err)
	}
	obj, err := q.Get(ctx)
	fmt.Println(len(obj), err)
	// Output: 1000000 <nil>
}

var putsMuch = child.Register("putsMuch", func(ctx context.Context, q *ipc.Queue[string]) (int, error) {
	defer q.Detach()
	return 0, q.Put(ctx, strings.Repeat("X", 1000000))
})

var doomed = child.Register("doomed", func(context.Context, int) (int, error) {
	child.Logger().Debug("not at this level")
	child.Logger().Warn("doomed")
	return 0, nil
})

// multiprocessing, "Logging": log_to_stderr and get_logger, on standard output.
func ExampleProcessOptions_logLevel() {
	ctx := context.Background()
	handler := slog.NewTextHandler(os.Stdout, &slog.HandlerOptions{Level: slog.LevelInfo, ReplaceAttr: func(_ []string, a slog.Attr) slog.Attr {
		if a.Key == slog.TimeKey || a.Key == "pid" || a.Key == "entry" {
			return slog.Attr{}
		}
		return a
	}})
	logger := slog.New(handler)
	logger.Warn("doomed", "process", "MainProcess")
	p := supervisor.NewProcess(doomed, 0, supervisor.ProcessOptions{Logger: logger, Name: "SpawnProcess"})
	if err := p.Start(ctx); err != nil {
		panic(err)
	}
	if err := p.Wait(ctx); err != nil {
		panic(err)
	}
	// Output:
	// level=WARN msg=doomed process=MainProcess
	// level=WARN msg=doomed process=SpawnProcess
}
