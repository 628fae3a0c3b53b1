package supervisor_test

import (
	"context"
	"fmt"
	"testing"

	"yunta/child"
	"yunta/ipc"
	"yunta/supervisor"
)

type sharedTools struct {
	Queue  *ipc.Queue[string]
	Memory *ipc.SharedMemory
	Value  *ipc.Value[int64]
	Array  *ipc.Array[float64]
	None   *ipc.Queue[int]
}

var usesShared = child.Register("usesShared", func(ctx context.Context, a sharedTools) (int, error) {
	if a.None != nil {
		return 0, fmt.Errorf("a queue out of nothing")
	}
	if err := a.Queue.Put(ctx, "from the child"); err != nil {
		return 0, err
	}
	copy(a.Memory.Bytes(), "hello")
	if err := a.Value.Store(ctx, 42); err != nil {
		return 0, err
	}
	return a.Array.Len(), a.Array.Set(ctx, 1, 2.5)
})

// Queues and shared memory arrive working, in processes and in tasks.
func TestSharedArguments(t *testing.T) {
	t.Parallel()
	for _, how := range []string{"process", "task"} {
		t.Run(how, func(t *testing.T) {
			ctx := testContext(t)
			q, err := ipc.NewQueue[string](ipc.QueueOptions{MaxSize: 3})
			must(err)
			defer q.Detach()
			m, err := ipc.CreateSharedMemory("", 100)
			must(err)
			defer m.Close()
			defer m.Unlink()
			v, err := ipc.NewValue[int64](1, ipc.ValueOptions{})
			must(err)
			defer v.Close()
			a, err := ipc.NewArray[float64](3, ipc.ValueOptions{})
			must(err)
			defer a.Close()
			arg := sharedTools{Queue: q, Memory: m, Value: v, Array: a}
			if how == "process" {
				p := startProcess(t, usesShared, arg, supervisor.ProcessOptions{})
				if code := ended(t, p); code != 0 {
					t.Fatal(p.Err())
				}
			} else if n, err := supervisor.Apply(ctx, newPool(t, supervisor.PoolOptions{Processes: 1}), usesShared, arg); n != 3 || err != nil {
				t.Fatal(n, err)
			}
			if got, err := q.Get(ctx); got != "from the child" || err != nil {
				t.Errorf("queue: %q, %v", got, err)
			}
			if string(m.Bytes()[:5]) != "hello" {
				t.Errorf("memory: %q", m.Bytes()[:5])
			}
			if got, err := v.Load(ctx); got != 42 || err != nil {
				t.Errorf("value: %d, %v", got, err)
			}
			if got, err := a.At(ctx, 1); got != 2.5 || err != nil {
				t.Errorf("array: %v, %v", got, err)
			}
		})
	}
}
