//go:build unix

package ipc

import (
	"errors"
	"io"
	"syscall"
	"testing"
	"time"
)

func TestPipeOf(t *testing.T) {
	t.Parallel()
	if p, err := PipeOf(1 << 19); !errors.Is(err, syscall.EBADF) {
		t.Errorf("PipeOf a descriptor that is not open: %v, %v", p, err)
	}
	// A descriptor left non-blocking must block all the same.
	var fds [2]int
	if err := syscall.Pipe(fds[:]); err != nil {
		t.Fatal(err)
	}
	syscall.SetNonblock(fds[0], true)
	r, err := PipeOf(fds[0])
	if err != nil {
		t.Fatal(err)
	}
	w, err := PipeOf(fds[1])
	if err != nil {
		t.Fatal(err)
	}
	defer r.Close()
	got := make(chan error, 1)
	go func() {
		_, err := r.Read(make([]byte, 1))
		got <- err
	}()
	select {
	case err := <-got:
		t.Fatalf("Read of an empty pipe returned %v", err)
	case <-time.After(20 * time.Millisecond):
	}
	w.Close()
	if err := <-got; err != io.EOF {
		t.Errorf("Read = %v, want io.EOF", err)
	}
}
