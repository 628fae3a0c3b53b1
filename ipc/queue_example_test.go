package ipc_test

import (
	"context"
	"errors"
	"fmt"
	"log"

	"yunta/ipc"
)

func ExampleQueue() {
	ctx := context.Background()
	q, err := ipc.NewQueue[string](ipc.QueueOptions{})
	if err != nil {
		log.Fatal(err)
	}
	defer q.Detach()

	// Another process does this, with q.Handle() as an argument.
	other, err := ipc.OpenQueue[string](q.Handle())
	if err != nil {
		log.Fatal(err)
	}
	defer other.Detach()
	for _, word := range []string{"uno", "dos"} {
		if err := other.Put(ctx, word); err != nil {
			log.Fatal(err)
		}
	}
	other.Close()

	for {
		word, err := q.Get(ctx)
		if errors.Is(err, ipc.ErrClosed) {
			break
		}
		if err != nil {
			log.Fatal(err)
		}
		fmt.Println(word)
	}
	// Output:
	// uno
	// dos
}

func ExampleQueue_Lease() {
	ctx := context.Background()
	q, err := ipc.NewQueue[int](ipc.QueueOptions{})
	if err != nil {
		log.Fatal(err)
	}
	defer q.Detach()
	if err := q.Put(ctx, 1); err != nil {
		log.Fatal(err)
	}
	l, err := q.Lease(ctx) // it would come back if this process died now
	if err != nil {
		log.Fatal(err)
	}
	fmt.Println(l.Value, q.Len())
	if err := l.Done(); err != nil {
		log.Fatal(err)
	}
	fmt.Println(q.Wait(ctx))
	// Output:
	// 1 0
	// <nil>
}

func ExampleSharedMemory() {
	m, err := ipc.CreateSharedMemory("", 1024)
	if err != nil {
		log.Fatal(err)
	}
	defer m.Close()
	defer m.Unlink()
	copy(m.Bytes(), "hello")

	other, err := ipc.OpenSharedMemory(m.Name()) // in another process
	if err != nil {
		log.Fatal(err)
	}
	defer other.Close()
	fmt.Printf("%s of %d bytes\n", other.Bytes()[:5], other.Size())
	// Output: hello of 1024 bytes
}

func ExampleValue() {
	ctx := context.Background()
	v, err := ipc.NewValue(int64(40), ipc.ValueOptions{})
	if err != nil {
		log.Fatal(err)
	}
	defer v.Close()
	err = v.Update(ctx, func(n *int64) error { *n++; return nil })
	if err != nil {
		log.Fatal(err)
	}
	fmt.Println(v.Load(ctx))
	fmt.Println(ipc.AtomicOf(v).Add(1))
	// Output:
	// 41 <nil>
	// 42
}

func ExampleArray() {
	ctx := context.Background()
	a, err := ipc.NewArrayOf([]float64{1, 2, 3}, ipc.ValueOptions{})
	if err != nil {
		log.Fatal(err)
	}
	defer a.Close()
	err = a.Update(ctx, func(s []float64) error {
		for i := range s {
			s[i] *= 2
		}
		return nil
	})
	if err != nil {
		log.Fatal(err)
	}
	fmt.Println(a.Slice(ctx, 1, 3))
	// Output: [4 6] <nil>
}
