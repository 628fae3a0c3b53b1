package main

import (
	"fmt"
	"io"
	"os"
)

// A traceFile is what --trace writes. It may be nil, and then is nothing.
type traceFile struct {
	file *os.File
	size uint64
	err  error // of the first write that failed
}

// createTrace makes the file, or empties it; "" is nil.
func createTrace(name string) (*traceFile, error) {
	if name == "" {
		return nil, nil
	}
	f, err := os.Create(name)
	if err != nil {
		return nil, fmt.Errorf("--trace: %w", err)
	}
	return &traceFile{file: f}, nil
}

// writer is what a pool gets.
func (t *traceFile) writer() io.Writer {
	if t == nil {
		return nil
	}
	return t
}

// Write is called by one goroutine at a time.
func (t *traceFile) Write(p []byte) (int, error) {
	n, err := t.file.Write(p)
	t.size += uint64(n)
	if t.err == nil {
		t.err = err
	}
	return n, err
}

// close closes the file, once the pool has ended, and tells what became of it.
func (t *traceFile) close() (said string) {
	if t == nil {
		return ""
	}
	err := t.file.Close()
	if t.err != nil {
		err = t.err
	}
	if err != nil {
		return fmt.Sprintf("the trace is not whole: %v", err)
	}
	return fmt.Sprintf("trace: %s, %s, for https://ui.perfetto.dev", t.file.Name(), binarySize(t.size))
}
