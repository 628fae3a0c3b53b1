package manager_test

import (
	"context"
	"fmt"

	"yunta/child/manager"
)

// served gives an example a server, in this process, and a client.
func served(f func(ctx context.Context, c *manager.Client)) {
	ctx := context.Background()
	s, err := manager.NewServer(ctx, manager.ServerOptions{})
	if err != nil {
		panic(err)
	}
	defer s.Close()
	c, err := s.Connect(ctx)
	if err != nil {
		panic(err)
	}
	defer c.Close()
	f(ctx, c)
}

func ExampleDict() {
	served(func(ctx context.Context, c *manager.Client) {
		d, err := manager.NewDict(ctx, c, map[string]int{"apples": 2})
		if err != nil {
			panic(err)
		}
		fmt.Println(d.Add(ctx, "apples", 3))
		fmt.Println(d.SetDefault(ctx, "pears", 1))
		fmt.Println(d.CompareAndSwap(ctx, "pears", 7, 8))
		fmt.Println(d.Items(ctx))
	})
	// Output:
	// 5 <nil>
	// 1 <nil>
	// false <nil>
	// map[apples:5 pears:1] <nil>
}

func ExampleQueue() {
	served(func(ctx context.Context, c *manager.Client) {
		q, err := manager.NewQueue[string](ctx, c, manager.QueueOptions{MaxSize: 2})
		if err != nil {
			panic(err)
		}
		go func() {
			for _, s := range []string{"a", "b", "c"} { // the third waits for room
				q.Put(ctx, s)
			}
			q.Close(ctx)
		}()
		for {
			s, err := q.Get(ctx)
			if err != nil {
				fmt.Println(err)
				return
			}
			fmt.Println(s)
		}
	})
	// Output:
	// a
	// b
	// c
	// manager: the queue: ipc: closed
}

func ExampleLock() {
	served(func(ctx context.Context, c *manager.Client) {
		l, err := manager.NewLock(ctx, c)
		if err != nil {
			panic(err)
		}
		fmt.Println(l.Lock(ctx))
		fmt.Println(l.TryLock(ctx))
		fmt.Println(l.Unlock(ctx), l.Unlock(ctx))
	})
	// Output:
	// <nil>
	// false <nil>
	// <nil> manager: unlock of what is not locked
}

var doubled = manager.RegisterUpdate("doubled", func(_ context.Context, v []int, times int) ([]int, error) {
	for range times {
		v = append(v, v...)
	}
	return v, nil
})

// An update runs where the value is: it does not travel, and nobody comes between.
func ExampleRegisterUpdate() {
	served(func(ctx context.Context, c *manager.Client) {
		v, err := manager.NewValue(ctx, c, []int{1, 2})
		if err != nil {
			panic(err)
		}
		fmt.Println(manager.UpdateValue(ctx, v, doubled, 2))
	})
	// Output: [1 2 1 2 1 2 1 2] <nil>
}
