package supervisor_test

import (
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"os"

	"yunta/child"
	"yunta/ipc"
	"yunta/supervisor"
)

var greet = child.Register("greet", func(_ context.Context, c *ipc.Conn) (int, error) {
	defer c.Close()
	name, err := ipc.Recv[string](c)
	if err != nil {
		return 0, err
	}
	return 0, c.Send("hello, " + name)
})

// A process with a connection to it, as in the documentation of Python's Pipe.
func ExampleNewProcess() {
	ctx := context.Background()
	here, there, err := ipc.Pipe()
	if err != nil {
		panic(err)
	}
	p := supervisor.NewProcess(greet, there, supervisor.ProcessOptions{})
	if err := p.Start(ctx); err != nil {
		panic(err)
	}
	there.Close() // the child has its own
	here.Send("bob")
	answer, err := ipc.Recv[string](here)
	fmt.Println(answer, err)
	here.Close()
	fmt.Println(p.Wait(ctx))
	code, exited := p.ExitCode()
	fmt.Println(code, exited, p.Alive())
	// Output:
	// hello, bob <nil>
	// <nil>
	// 0 true false
}

// How a process failed is an ExitError, with what its entry returned in it.
func ExampleProcess_Wait() {
	ctx := context.Background()
	p := supervisor.NewProcess(fails, 3, supervisor.ProcessOptions{Stderr: io.Discard})
	if err := p.Start(ctx); err != nil {
		panic(err)
	}
	err := p.Wait(ctx)
	var exit *supervisor.ExitError
	var remote *supervisor.RemoteError
	fmt.Println(errors.As(err, &exit), exit.Code)
	fmt.Println(errors.As(err, &remote), remote.Message)
	// Output:
	// true 1
	// true odd: 3: odd number
}

// Results as they come, as in the documentation of Python's as_completed.
func ExampleAsCompleted() {
	ctx := context.Background()
	pool, err := supervisor.NewPool(ctx, supervisor.PoolOptions{Processes: 2})
	if err != nil {
		panic(err)
	}
	defer pool.Close()
	var futures []*supervisor.Future[int]
	for i := range 4 {
		futures = append(futures, supervisor.ApplyAsync(ctx, pool, square, i))
	}
	sum := 0
	for f, err := range supervisor.AsCompleted(ctx, futures...) {
		if err != nil {
			panic(err)
		}
		n, _ := f.Get(ctx)
		sum += n
	}
	fmt.Println(sum)
	// Output: 14
}

var logsIn = child.Register("logsIn", func(_ context.Context, user string) (int, error) {
	child.Logger().Info("logged in", "user", user)
	return 0, nil
})

// What a child logs reaches the logger of its parent.
func ExampleProcessOptions_logger() {
	ctx := context.Background()
	logger := slog.New(slog.NewTextHandler(os.Stdout, &slog.HandlerOptions{ReplaceAttr: func(_ []string, a slog.Attr) slog.Attr {
		if a.Key == slog.TimeKey || a.Key == "pid" {
			return slog.Attr{} // never the same
		}
		return a
	}}))
	p := supervisor.NewProcess(logsIn, "ada", supervisor.ProcessOptions{Name: "clerk", Logger: logger})
	if err := p.Start(ctx); err != nil {
		panic(err)
	}
	fmt.Println(p.Wait(ctx))
	// Output:
	// level=INFO msg="logged in" process=clerk entry=logsIn user=ada
	// <nil>
}
