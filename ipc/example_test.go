package ipc_test

import (
	"bytes"
	"context"
	"fmt"
	"log"
	"os"

	"yunta/ipc"
)

func ExampleCodec() {
	type point struct{ X, Y int }
	c := ipc.CodecFor[point]()
	b, err := c.Append(nil, point{3, 400})
	if err != nil {
		log.Fatal(err)
	}
	fmt.Printf("%x\n", b)
	p, rest, err := c.Decode(b)
	fmt.Println(p, len(rest), err)
	// Output:
	// 82a15803a159cd0190
	// {3 400} 0 <nil>
}

func ExampleCodec_DecodeAll() {
	c := ipc.CodecFor[int]()
	b, n, err := c.AppendAll(nil, []int{1, 200, 30000})
	fmt.Printf("%x %d %v\n", b, n, err)
	vs := make([]int, n)
	n, _, err = c.DecodeAll(b, vs)
	fmt.Println(vs[:n], err)

	_, _, err = ipc.CodecFor[int8]().Decode(b[1:])
	fmt.Println(err)
	// Output:
	// 01ccc8cd7530 3 <nil>
	// [1 200 30000] <nil>
	// ipc: cannot decode int8: 200 is out of range
}

func ExampleFrameReader() {
	var stream []byte
	stream = ipc.AppendFrame(stream, []byte("one"))
	stream = ipc.AppendFrame(stream, []byte("two"))
	fmt.Printf("%q\n", stream)
	fr := ipc.NewFrameReader(bytes.NewReader(stream), 0)
	for {
		body, err := fr.Next()
		if err != nil {
			fmt.Println(err)
			break
		}
		fmt.Printf("%s\n", body)
	}
	// Output:
	// "\x00\x00\x00\x03one\x00\x00\x00\x03two"
	// one
	// two
	// EOF
}

func ExampleExtents() {
	dir, err := os.MkdirTemp("", "")
	if err != nil {
		log.Fatal(err)
	}
	defer os.RemoveAll(dir)
	x, err := ipc.CreateExtents(ipc.ExtentOptions{Dir: dir})
	if err != nil {
		log.Fatal(err)
	}
	defer x.Close()

	// The writer, usually another process that has x.File() and OpenExtents.
	ctx := context.Background()
	codec := ipc.CodecFor[string]()
	w := x.NewRecordWriter(1)
	ref, err := w.Begin(ctx, 7)
	if err != nil {
		log.Fatal(err)
	}
	for _, s := range []string{"ox", "yoke", "plough"} {
		buf, err := w.Room(ctx, codec.Size(s))
		if err != nil {
			log.Fatal(err)
		}
		if buf, err = codec.Append(buf, s); err != nil {
			log.Fatal(err)
		}
		if err := w.Commit(ctx, buf); err != nil {
			log.Fatal(err)
		}
	}
	w.End()

	// The reader, which was sent ref.
	r := x.NewRecordReader(ref)
	for !r.Ended() {
		kind, count, body, ok, err := r.Next()
		if err != nil {
			log.Fatal(err)
		}
		if !ok {
			continue // or wait for word from the writer
		}
		values := make([]string, count)
		if _, _, err := codec.DecodeAll(body, values); err != nil {
			log.Fatal(err)
		}
		fmt.Println(kind, values)
	}
	if err := r.Done(); err != nil {
		log.Fatal(err)
	}
	// Output: 7 [ox yoke plough]
}
