package supervisor_test

import (
	"context"
	"errors"
	"fmt"
	"time"

	"yunta/child"
	"yunta/supervisor"
)

// ticker is a service: an entry that runs until it is asked to end.
var ticker = child.Register("ticker", func(ctx context.Context, every time.Duration) (int, error) {
	child.Ready(ctx) // whatever needs it may start
	for {
		select {
		case <-ctx.Done():
			return 0, nil
		case <-time.After(every):
			child.Beat(ctx) // not hung
		}
	}
})

// Two processes that depend on each other in order: when the first dies, both
// are replaced; they are stopped in reverse.
func ExampleGroup() {
	ctx := context.Background()
	service := func(id string) supervisor.ChildSpec {
		return supervisor.ChildSpec{
			ID:           id,
			New:          supervisor.ProcessChild(ticker, 10*time.Millisecond, supervisor.ProcessOptions{}),
			ReadyTimeout: 30 * time.Second,
			Heartbeat:    30 * time.Second,
			Grace:        30 * time.Second,
		}
	}
	back := make(chan struct{})
	g := supervisor.NewGroup(supervisor.GroupOptions{
		Strategy: supervisor.RestForOne,
		Events: func(e supervisor.Event) {
			switch e.Kind {
			case supervisor.ChildReady, supervisor.ChildExited, supervisor.ChildRestarting, supervisor.ChildStopped:
				fmt.Println(e.Child, e.Kind)
			}
			if e.Kind == supervisor.ChildReady && e.Child == "web" && e.Incarnation == 2 {
				close(back)
			}
		},
	}, service("store"), service("web"))
	if err := g.Start(ctx); err != nil {
		fmt.Println(err)
		return
	}
	if p, ok := g.Children()[0].Child.(*supervisor.Process); ok {
		p.Kill()
	}
	<-back
	fmt.Println(g.Stop(ctx))
	// Output:
	// store ready
	// web ready
	// store exited
	// store restarting
	// web stopped
	// store ready
	// web ready
	// web stopped
	// store stopped
	// <nil>
}

// What cannot be mended goes up: the group gives up, with the failures.
func ExampleGroup_Wait() {
	ctx := context.Background()
	n := 0
	g := supervisor.NewGroup(supervisor.GroupOptions{Intensity: 2, Period: time.Minute}, supervisor.ChildSpec{
		ID: "flaky",
		New: supervisor.FuncChild(func(context.Context) error {
			n++
			return fmt.Errorf("no connection, try %d", n)
		}),
	})
	if err := g.Start(ctx); err != nil {
		fmt.Println(err)
		return
	}
	err := g.Wait(ctx)
	var gaveUp *supervisor.IntensityError
	fmt.Println(errors.Is(err, supervisor.ErrIntensity), errors.As(err, &gaveUp))
	for _, f := range gaveUp.Failures {
		fmt.Println(f)
	}
	// Output:
	// true true
	// supervisor: child "flaky", start 1: no connection, try 1
	// supervisor: child "flaky", start 2: no connection, try 2
	// supervisor: child "flaky", start 3: no connection, try 3
}

// The report of a stop names who did not end in time, and what was done to it.
// A goroutine that does not heed its context can only be left running.
func ExampleGroup_Stop() {
	ctx := context.Background()
	end := make(chan struct{})
	defer close(end)
	g := supervisor.NewGroup(supervisor.GroupOptions{}, supervisor.ChildSpec{
		ID: "good", New: supervisor.FuncChild(func(ctx context.Context) error { <-ctx.Done(); return nil }),
	}, supervisor.ChildSpec{
		ID: "deaf", New: supervisor.FuncChild(func(context.Context) error { <-end; return nil }),
		Grace: 50 * time.Millisecond,
	})
	if err := g.Start(ctx); err != nil {
		fmt.Println(err)
		return
	}
	fmt.Println(g.Stop(ctx))
	// Output: supervisor: not stopped in time: deaf (start 1): abandoned
}

// Children come and go while the group runs.
func ExampleGroup_Add() {
	ctx := context.Background()
	g := supervisor.NewGroup(supervisor.GroupOptions{})
	if err := g.Start(ctx); err != nil {
		fmt.Println(err)
		return
	}
	spec := supervisor.ChildSpec{
		ID: "a", New: supervisor.FuncChild(func(ctx context.Context) error { <-ctx.Done(); return nil }),
	}
	fmt.Println(g.Add(ctx, spec), g.Count())
	fmt.Println(g.Add(ctx, spec))
	fmt.Println(g.Terminate(ctx, "a"), g.Children()[0].State)
	fmt.Println(g.Restart(ctx, "a"), g.Children()[0].State)
	fmt.Println(g.Terminate(ctx, "a"), g.Remove("a"), g.Count())
	fmt.Println(g.Stop(ctx))
	// Output:
	// <nil> {1 1 0}
	// supervisor: there is a child of that ID: "a"
	// <nil> down
	// <nil> running
	// <nil> <nil> {0 0 0}
	// <nil>
}
