package ipc_test

import (
	"context"
	"errors"
	"fmt"
	"io"
	"log"
	"os"

	"yunta/ipc"
)

func ExamplePipe() {
	a, b, err := ipc.Pipe()
	if err != nil {
		log.Fatal(err)
	}
	defer a.Close()
	defer b.Close()

	if err := a.Send([]any{1, "hello", nil}); err != nil {
		log.Fatal(err)
	}
	got, err := ipc.Recv[[]any](b)
	fmt.Println(got, err)

	if err := b.SendBytes([]byte("thank you")); err != nil {
		log.Fatal(err)
	}
	bytes, err := a.RecvBytes()
	fmt.Printf("%q %v\n", bytes, err)
	// Output:
	// [1 hello <nil>] <nil>
	// "thank you" <nil>
}

func ExampleSimplexPipe() {
	r, w, err := ipc.SimplexPipe()
	if err != nil {
		log.Fatal(err)
	}
	defer r.Close()
	go func() {
		defer w.Close()
		for n := range 3 {
			if err := w.Send(n * n); err != nil {
				log.Print(err)
			}
		}
	}()
	for {
		n, err := ipc.Recv[int](r)
		if errors.Is(err, io.EOF) {
			break
		}
		fmt.Println(n, err)
	}
	fmt.Println(r.Send(1))
	// Output:
	// 0 <nil>
	// 1 <nil>
	// 4 <nil>
	// ipc: the connection goes the other way only: this end receives
}

func ExampleConn_RecvInto() {
	a, b, err := ipc.Pipe()
	if err != nil {
		log.Fatal(err)
	}
	defer a.Close()
	defer b.Close()
	for range 2 {
		if err := a.SendBytes([]byte("ten bytes.")); err != nil {
			log.Fatal(err)
		}
	}
	buf := make([]byte, 16)
	n, err := b.RecvInto(buf)
	fmt.Printf("%q %v\n", buf[:n], err)

	_, err = b.RecvInto(buf[:4])
	if short, ok := errors.AsType[*ipc.ShortBufferError](err); ok {
		fmt.Println(err)
		fmt.Printf("%q\n", short.Message)
	}
	// Output:
	// "ten bytes." <nil>
	// ipc: a message of 10 bytes does not fit a buffer of 4
	// "ten bytes."
}

func ExampleListen() {
	ctx := context.Background()
	l, err := ipc.Listen("unix", "", ipc.ListenOptions{AuthKey: []byte("secret password")})
	if err != nil {
		log.Fatal(err)
	}
	defer l.Close()

	go func() {
		c, err := ipc.Dial(ctx, "unix", l.Addr().String(), ipc.DialOptions{AuthKey: []byte("secret password")})
		if err != nil {
			log.Print(err)
			return
		}
		defer c.Close()
		if err := c.Send(map[string]float64{"pi": 3.14}); err != nil {
			log.Print(err)
		}
	}()

	c, err := l.Accept(ctx)
	if err != nil {
		log.Fatal(err)
	}
	defer c.Close()
	got, err := ipc.Recv[map[string]float64](c)
	fmt.Println(got, err)

	_, err = ipc.Dial(ctx, "unix", l.Addr().String(), ipc.DialOptions{AuthKey: []byte("guess")})
	fmt.Println(errors.Is(err, ipc.ErrAuth))
	// Output:
	// map[pi:3.14] <nil>
	// true
}

func ExampleWait() {
	var readers []ipc.Waiter
	for n := range 3 {
		r, w, err := ipc.SimplexPipe()
		if err != nil {
			log.Fatal(err)
		}
		readers = append(readers, r)
		go func() {
			defer w.Close()
			if err := w.Send(n); err != nil {
				log.Print(err)
			}
		}()
	}
	sum := 0
	for open := len(readers); open > 0; {
		ready, err := ipc.Wait(context.Background(), readers...)
		if err != nil {
			log.Fatal(err)
		}
		for _, r := range ready {
			c := r.(*ipc.Conn)
			n, err := ipc.Recv[int](c)
			if err != nil { // io.EOF
				c.Close()
				open--
				for i := range readers {
					if readers[i] == r {
						readers = append(readers[:i], readers[i+1:]...)
						break
					}
				}
				continue
			}
			sum += n
		}
	}
	fmt.Println(sum)
	// Output: 3
}

func ExampleConn_SendFile() {
	a, b, err := ipc.Pipe()
	if err != nil {
		log.Fatal(err)
	}
	defer a.Close()
	defer b.Close()
	f, err := os.CreateTemp("", "example")
	if err != nil {
		log.Fatal(err)
	}
	defer os.Remove(f.Name())
	if err := errors.Join(a.SendFile(f), f.Close()); err != nil {
		log.Fatal(err)
	}

	got, err := b.RecvFile() // in another process, as a rule
	if err != nil {
		log.Fatal(err)
	}
	fmt.Fprint(got, "written by the receiver")
	got.Close()

	text, err := os.ReadFile(f.Name())
	fmt.Println(string(text), err)
	// Output: written by the receiver <nil>
}
