package ipc_test

import (
	"crypto/sha256"
	"fmt"
	"log"
	"os"
	"path/filepath"

	"yunta/ipc"
)

func ExampleOpenResults() {
	dir, err := os.MkdirTemp("", "results")
	if err != nil {
		log.Fatal(err)
	}
	defer os.RemoveAll(dir)
	path := filepath.Join(dir, "squares.results")

	f, err := ipc.OpenResults(path, ipc.ResultsOptions{Exclusive: true})
	if err != nil {
		log.Fatal(err)
	}
	c := ipc.CodecFor[int]()
	for i := range 3 {
		arg, _ := c.Append(nil, i)
		value, _ := c.Append(nil, i*i)
		err := f.Append(ipc.Record{
			Job: "squares", Entry: "square", Index: int64(i),
			Digest: sha256.Sum256(arg), Argument: arg,
			Status: ipc.RecordSucceeded, Payload: value,
		})
		if err != nil {
			log.Fatal(err)
		}
	}
	if err := f.Close(); err != nil {
		log.Fatal(err)
	}

	// Another process, another day.
	f, err = ipc.OpenResults(path, ipc.ResultsOptions{ReadOnly: true})
	if err != nil {
		log.Fatal(err)
	}
	defer f.Close()
	for r, err := range f.Records() {
		if err != nil {
			log.Fatal(err)
		}
		v, _, err := c.Decode(r.Payload)
		fmt.Println(r.Entry, r.Index, r.Status, v, err)
	}
	// Output:
	// square 0 succeeded 0 <nil>
	// square 1 succeeded 1 <nil>
	// square 2 succeeded 4 <nil>
}

func ExampleResultWriter() {
	dir, err := os.MkdirTemp("", "results")
	if err != nil {
		log.Fatal(err)
	}
	defer os.RemoveAll(dir)
	f, err := ipc.OpenResults(filepath.Join(dir, "r.results"), ipc.ResultsOptions{New: true})
	if err != nil {
		log.Fatal(err)
	}
	defer f.Close()
	list := func() {
		for r, err := range f.Records() {
			fmt.Printf("%s %s %q %v\n", r.Entry, r.Status, r.Payload, err)
		}
	}
	w := f.NewWriter(1, 0)
	defer w.Close()
	if err := w.Begin(&ipc.Record{Job: "greetings", Entry: "greet"}); err != nil {
		log.Fatal(err)
	}
	list()
	buf, err := w.Room(64)
	if err != nil {
		log.Fatal(err)
	}
	if err := w.Commit(append(buf, "hello"...), ipc.RecordSucceeded); err != nil {
		log.Fatal(err)
	}
	list()
	// Output:
	// greet running "" <nil>
	// greet succeeded "hello" <nil>
}
