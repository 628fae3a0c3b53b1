package supervisor_test

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"

	"yunta/child"
	"yunta/ipc"
	"yunta/supervisor"
)

var putsList = child.Register("putsList", func(ctx context.Context, q *ipc.Queue[[]any]) (int, error) {
	defer q.Detach()
	return 0, q.Put(ctx, []any{42, nil, "hello"})
})

// multiprocessing, "Exchanging objects between processes": Queue; and "Contexts
// and start methods", whose program is the same.
func ExampleNewProcess_queue() {
	ctx := context.Background()
	q, err := ipc.NewQueue[[]any](ipc.QueueOptions{})
	if err != nil {
		panic(err)
	}
	defer q.Detach()
	p := supervisor.NewProcess(putsList, q, supervisor.ProcessOptions{})
	if err := p.Start(ctx); err != nil {
		panic(err)
	}
	fmt.Println(q.Get(ctx))
	fmt.Println(p.Wait(ctx))
	// Output:
	// [42 <nil> hello] <nil>
	// <nil>
}

var sendsList = child.Register("sendsList", func(_ context.Context, c *ipc.Conn) (int, error) {
	return 0, errors.Join(c.Send([]any{42, nil, "hello"}), c.Close())
})

// multiprocessing, "Exchanging objects between processes": Pipe.
func ExampleNewProcess_pipe() {
	ctx := context.Background()
	parent, conn, err := ipc.Pipe()
	if err != nil {
		panic(err)
	}
	defer parent.Close()
	p := supervisor.NewProcess(sendsList, conn, supervisor.ProcessOptions{})
	if err := p.Start(ctx); err != nil {
		panic(err)
	}
	conn.Close()
	fmt.Println(ipc.Recv[[]any](parent))
	fmt.Println(p.Wait(ctx))
	// Output:
	// [42 <nil> hello] <nil>
	// <nil>
}

type numbers struct {
	Num *ipc.Value[float64]
	Arr *ipc.Array[int32]
}

var negates = child.Register("negates", func(ctx context.Context, a numbers) (int, error) {
	err := a.Arr.Update(ctx, func(arr []int32) error {
		for i := range arr {
			arr[i] = -arr[i]
		}
		return nil
	})
	return 0, errors.Join(err, a.Num.Store(ctx, 3.1415927), a.Num.Close(), a.Arr.Close())
})

// multiprocessing, "Sharing state between processes": Value and Array.
func ExampleNewProcess_sharedState() {
	ctx := context.Background()
	num, err := ipc.NewValue(0.0, ipc.ValueOptions{})
	if err != nil {
		panic(err)
	}
	defer num.Close()
	arr, err := ipc.NewArrayOf([]int32{0, 1, 2, 3, 4, 5, 6, 7, 8, 9}, ipc.ValueOptions{})
	if err != nil {
		panic(err)
	}
	defer arr.Close()
	p := supervisor.NewProcess(negates, numbers{num, arr}, supervisor.ProcessOptions{})
	if err := p.Start(ctx); err != nil {
		panic(err)
	}
	if err := p.Wait(ctx); err != nil {
		panic(err)
	}
	fmt.Println(num.Load(ctx))
	fmt.Println(arr.Slice(ctx, 0, arr.Len()))
	// Output:
	// 3.1415927 <nil>
	// [0 -1 -2 -3 -4 -5 -6 -7 -8 -9] <nil>
}

type coordinates struct{ X, Y float64 }

type ctypes struct {
	N *ipc.Value[int32]
	X *ipc.Value[float64]
	S *ipc.Array[byte]
	A *ipc.Array[coordinates]
}

var modifies = child.Register("modifies", func(ctx context.Context, a ctypes) (int, error) {
	return 0, errors.Join(
		a.N.Update(ctx, func(n *int32) error { *n *= *n; return nil }),
		a.X.Update(ctx, func(x *float64) error { *x *= *x; return nil }),
		a.S.Update(ctx, func(s []byte) error { copy(s, bytes.ToUpper(s)); return nil }),
		a.A.Update(ctx, func(ps []coordinates) error {
			for i, p := range ps {
				ps[i] = coordinates{p.X * p.X, p.Y * p.Y}
			}
			return nil
		}))
})

// multiprocessing.sharedctypes: numbers, a string and an array of structures that
// a child process modifies. In Python one lock serves all; each has one here.
func ExampleNewProcess_sharedCtypes() {
	ctx := context.Background()
	n, err1 := ipc.NewValue(int32(7), ipc.ValueOptions{})
	x, err2 := ipc.NewValue(1.0/3.0, ipc.ValueOptions{})
	s, err3 := ipc.NewArrayOf([]byte("hello world"), ipc.ValueOptions{})
	a, err4 := ipc.NewArrayOf([]coordinates{{1.875, -6.25}, {-5.75, 2.0}, {2.375, 9.5}}, ipc.ValueOptions{})
	if err := errors.Join(err1, err2, err3, err4); err != nil {
		panic(err)
	}
	defer n.Close()
	defer x.Close()
	defer s.Close()
	defer a.Close()
	p := supervisor.NewProcess(modifies, ctypes{n, x, s, a}, supervisor.ProcessOptions{})
	if err := p.Start(ctx); err != nil {
		panic(err)
	}
	if err := p.Wait(ctx); err != nil {
		panic(err)
	}
	fmt.Println(n.Load(ctx))
	fmt.Println(x.Load(ctx))
	text, err := s.Slice(ctx, 0, s.Len())
	fmt.Println(string(text), err)
	fmt.Println(a.Slice(ctx, 0, a.Len()))
	// Output:
	// 49 <nil>
	// 0.1111111111111111 <nil>
	// HELLO WORLD <nil>
	// [{3.515625 39.0625} {33.0625 4} {5.640625 90.25}] <nil>
}

type numbered struct {
	N    int
	Name string
}

var sendsTen = child.Register("sendsTen", func(_ context.Context, w *ipc.Conn) (int, error) {
	for i := range 10 {
		if err := w.Send(numbered{i, child.Self().Name}); err != nil {
			return 0, err
		}
	}
	return 0, w.Close()
})

// multiprocessing.connection: wait, for the messages of several processes at once.
// Python prints each; here they are counted.
func ExampleNewProcess_waitForMany() {
	ctx := context.Background()
	var readers []ipc.Waiter
	for range 4 {
		r, w, err := ipc.SimplexPipe()
		if err != nil {
			panic(err)
		}
		readers = append(readers, r)
		p := supervisor.NewProcess(sendsTen, w, supervisor.ProcessOptions{})
		if err := p.Start(ctx); err != nil {
			panic(err)
		}
		w.Close() // so that the child's is the only one: its end is then seen
	}
	senders, sum := map[string]int{}, 0
	for len(readers) > 0 {
		ready, err := ipc.Wait(ctx, readers...)
		if err != nil {
			panic(err)
		}
		for _, r := range ready {
			msg, err := ipc.Recv[numbered](r.(*ipc.Conn))
			if errors.Is(err, io.EOF) {
				r.(*ipc.Conn).Close()
				readers = without(readers, r)
				continue
			}
			senders[msg.Name]++
			sum += msg.N
		}
	}
	for _, n := range senders {
		fmt.Println(n, "messages")
	}
	fmt.Println(sum)
	// Output:
	// 10 messages
	// 10 messages
	// 10 messages
	// 10 messages
	// 180
}

func without(ws []ipc.Waiter, w ipc.Waiter) (left []ipc.Waiter) {
	for _, x := range ws {
		if x != w {
			left = append(left, x)
		}
	}
	return left
}

var setsLast = child.Register("setsLast", func(_ context.Context, m *ipc.SharedMemory) (int, error) {
	defer m.Close()
	m.Bytes()[5] = 255
	return 0, nil
})

// multiprocessing.shared_memory: an array in shared memory, summed by one process
// and changed by another. NumPy's array is a slice of bytes.
func ExampleNewProcess_sharedMemory() {
	ctx := context.Background()
	m, err := ipc.CreateSharedMemory("", 6)
	if err != nil {
		panic(err)
	}
	defer m.Close()
	defer m.Unlink()
	copy(m.Bytes(), []byte{1, 1, 2, 3, 5, 8})
	p := supervisor.NewProcess(setsLast, m, supervisor.ProcessOptions{})
	if err := p.Start(ctx); err != nil {
		panic(err)
	}
	if err := p.Wait(ctx); err != nil {
		panic(err)
	}
	fmt.Println(m.Bytes()[:6])
	// Output: [1 1 2 3 5 255]
}
