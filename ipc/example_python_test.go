package ipc_test

import (
	"context"
	"encoding/binary"
	"errors"
	"fmt"
	"sync"

	"yunta/ipc"
)

// The examples of this file are those of the Python documentation, and print what
// is printed there, in Go's notation.

// multiprocessing, "Connection Objects": send, send_bytes, and an array of ten
// numbers into which five are received.
func ExampleConn_Send() {
	a, b, err := ipc.Pipe()
	if err != nil {
		panic(err)
	}
	defer a.Close()
	defer b.Close()
	if err := a.Send([]any{1, "hello", nil}); err != nil {
		panic(err)
	}
	fmt.Println(ipc.Recv[[]any](b))
	if err := b.SendBytes([]byte("thank you")); err != nil {
		panic(err)
	}
	text, err := a.RecvBytes()
	fmt.Printf("%q %v\n", text, err)

	arr1 := []int32{0, 1, 2, 3, 4}
	sent, err := binary.Append(nil, binary.NativeEndian, arr1)
	if err != nil {
		panic(err)
	}
	if err := a.SendBytes(sent); err != nil {
		panic(err)
	}
	arr2 := make([]int32, 10)
	room := make([]byte, binary.Size(arr2))
	count, err := b.RecvInto(room)
	fmt.Println(count == len(arr1)*4, err)
	if _, err := binary.Decode(room, binary.NativeEndian, arr2); err != nil {
		panic(err)
	}
	fmt.Println(arr2)
	// Output:
	// [1 hello <nil>] <nil>
	// "thank you" <nil>
	// true <nil>
	// [0 1 2 3 4 0 0 0 0 0]
}

// multiprocessing, "Listeners and Clients": the server sends a list, bytes and an
// array to the client that has the password.
func ExampleDial() {
	ctx := context.Background()
	key := []byte("secret password")
	listener, err := ipc.Listen("tcp", "localhost:0", ipc.ListenOptions{AuthKey: key})
	if err != nil {
		panic(err)
	}
	defer listener.Close()
	var server sync.WaitGroup
	server.Go(func() {
		conn, err := listener.Accept(ctx)
		if err != nil {
			panic(err)
		}
		defer conn.Close()
		numbers, _ := binary.Append(nil, binary.NativeEndian, []int32{42, 1729})
		if err := errors.Join(
			conn.Send([]any{2.25, nil, "junk", 8.5}),
			conn.SendBytes([]byte("hello")),
			conn.SendBytes(numbers),
		); err != nil {
			panic(err)
		}
	})
	conn, err := ipc.Dial(ctx, "tcp", listener.Addr().String(), ipc.DialOptions{AuthKey: key})
	if err != nil {
		panic(err)
	}
	defer conn.Close()
	fmt.Println(ipc.Recv[[]any](conn))
	text, err := conn.RecvBytes()
	fmt.Printf("%q %v\n", text, err)
	arr, room := make([]int32, 5), make([]byte, 20)
	fmt.Println(conn.RecvInto(room))
	if _, err := binary.Decode(room, binary.NativeEndian, arr); err != nil {
		panic(err)
	}
	fmt.Println(arr)
	server.Wait()
	// Output:
	// [2.25 <nil> junk 8.5] <nil>
	// "hello" <nil>
	// 8 <nil>
	// [42 1729 0 0 0]
}

// multiprocessing.connection, and "Picklable" sockets of multiprocessing.reduction:
// a connection is sent over another.
func ExampleConn_Send_connection() {
	a, b, err := ipc.Pipe()
	if err != nil {
		panic(err)
	}
	defer a.Close()
	defer b.Close()
	r, w, err := ipc.SimplexPipe()
	if err != nil {
		panic(err)
	}
	defer r.Close()
	if err := errors.Join(a.Send(w), w.Close()); err != nil {
		panic(err)
	}
	got, err := ipc.Recv[*ipc.Conn](b) // in another process, as a rule
	if err != nil {
		panic(err)
	}
	defer got.Close()
	if err := got.Send("all is well"); err != nil {
		panic(err)
	}
	fmt.Println(ipc.Recv[string](r))
	// Output: all is well <nil>
}

// multiprocessing.shared_memory: a block that is created, attached to by name,
// changed by either side and destroyed.
func ExampleCreateSharedMemory() {
	shmA, err := ipc.CreateSharedMemory("", 10)
	if err != nil {
		panic(err)
	}
	buffer := shmA.Bytes()
	copy(buffer, []byte{22, 33, 44, 55})
	buffer[4] = 100
	shmB, err := ipc.OpenSharedMemory(shmA.Name())
	if err != nil {
		panic(err)
	}
	fmt.Println(shmB.Bytes()[:5])
	copy(shmB.Bytes(), "howdy")
	fmt.Printf("%q\n", shmA.Bytes()[:5])
	fmt.Println(shmB.Close(), shmA.Close(), shmA.Unlink())
	// Output:
	// [22 33 44 55 100]
	// "howdy"
	// <nil> <nil> <nil>
}

// queue, "Waiting for task completion": a worker, task_done and join.
func ExampleQueue_TaskDone() {
	ctx := context.Background()
	q, err := ipc.NewQueue[int](ipc.QueueOptions{})
	if err != nil {
		panic(err)
	}
	defer q.Detach()
	var worker sync.WaitGroup
	worker.Go(func() {
		for {
			item, err := q.Get(ctx)
			if err != nil { // ErrClosed
				return
			}
			fmt.Println("Working on", item)
			fmt.Println("Finished", item)
			q.TaskDone()
		}
	})
	for item := range 3 { // 30 in the text
		if err := q.Put(ctx, item); err != nil {
			panic(err)
		}
	}
	err = q.Wait(ctx)
	fmt.Println("All work completed", err)
	q.Close()
	worker.Wait()
	// Output:
	// Working on 0
	// Finished 0
	// Working on 1
	// Finished 1
	// Working on 2
	// Finished 2
	// All work completed <nil>
}
