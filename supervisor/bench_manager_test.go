package supervisor_test

import (
	"context"
	"sync"
	"testing"
	"time"

	"yunta/child/manager"
	"yunta/supervisor"
)

// managerRows are the rows of calls to a manager's process.
func managerRows(py *python) []*peerRow {
	const calls, each = 20_000, 4_000
	return []*peerRow{
		{
			name: "Manager", title: "a manager's dict: set and get, one client", goals: []goal{{overPython, 5}},
			ours:   func(b *testing.B) float64 { return managerCalls(b, 1, calls) },
			python: py.asked("manager", args{"n": calls, "clients": 1}),
			note:   "of one call, there and back",
		},
		{
			name: "Manager4", title: "the same, 4 clients at a time", goals: []goal{{overPython, 5}},
			ours:   func(b *testing.B) float64 { return managerCalls(b, 4, each) },
			python: py.asked("manager", args{"n": each, "clients": 4}),
			note:   "of all clients together; Python's are threads, with a connection each",
		},
	}
}

// managerCalls is the time of a call when so many goroutines make n pairs each.
func managerCalls(b *testing.B, clients, n int) float64 {
	b.Helper()
	ctx := context.Background()
	m, err := supervisor.NewManager(ctx, supervisor.ManagerOptions{})
	if err != nil {
		b.Fatal(err)
	}
	defer m.Close()
	d, err := manager.NewDict(ctx, m.Client(), map[string]int{"k": 0})
	if err != nil {
		b.Fatal(err)
	}
	pairs := func(n int) {
		for i := range n {
			if err := d.Set(ctx, "k", i); err != nil {
				b.Error(err)
				return
			}
			if _, err := d.Get(ctx, "k"); err != nil {
				b.Error(err)
				return
			}
		}
	}
	pairs(100)
	var all sync.WaitGroup
	start := time.Now()
	for range clients {
		all.Go(func() { pairs(n) })
	}
	all.Wait()
	return time.Since(start).Seconds() / float64(2*n*clients)
}
