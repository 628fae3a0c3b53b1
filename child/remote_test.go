package child

import (
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"strings"
	"syscall"
	"testing"

	"yunta/child/wire"
)

var errSentinel = errors.New("child test: a sentinel error")

func init() { RegisterError(errSentinel) }

// cross sends an error the way a task's error goes.
func cross(t *testing.T, stage Stage, err error) *RemoteError {
	t.Helper()
	r, rest, derr := DecodeError(wire.Wrap(nil, encodeError(stage, err)))
	if derr != nil || len(rest) != 0 {
		t.Fatal(rest, derr)
	}
	return r
}

type badError struct{}

func (badError) Error() string { panic("no text") }

func TestRemoteError(t *testing.T) {
	_, errOpen := os.Open("/nonexistent/file")
	for _, tt := range []struct {
		name string
		err  error
		is   []error
		not  []error
		text string
	}{
		{"plain", errors.New("no"), nil, []error{io.EOF}, "no"},
		{"registered", fmt.Errorf("deep: %w", errSentinel), []error{errSentinel}, nil, "deep: child test: a sentinel error"},
		{"standard", fmt.Errorf("reading: %w", io.ErrUnexpectedEOF), []error{io.ErrUnexpectedEOF}, []error{io.EOF}, "reading: unexpected EOF"},
		{"errno", errOpen, []error{fs.ErrNotExist, syscall.ENOENT}, []error{fs.ErrExist}, "open /nonexistent/file: no such file or directory"},
		{"context", context.Canceled, []error{context.Canceled}, []error{context.DeadlineExceeded}, "context canceled"},
		{"joined", errors.Join(errSentinel, io.EOF), []error{errSentinel, io.EOF}, nil, "child test: a sentinel error\nEOF"},
		{"large", errors.New(strings.Repeat("x", 1<<20)), nil, nil, strings.Repeat("x", 1<<20)},
		{"panicking text", badError{}, nil, nil, "error of type child.badError whose Error or Is method panicked: no text"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			r := cross(t, StageRun, tt.err)
			if r.Error() != tt.text {
				t.Errorf("text %.80q, want %.80q", r.Error(), tt.text)
			}
			for _, want := range tt.is {
				if !errors.Is(r, want) {
					t.Errorf("is not %v", want)
				}
			}
			for _, not := range tt.not {
				if errors.Is(r, not) {
					t.Errorf("is %v", not)
				}
			}
		})
	}
	// An error that crossed twice, as in a pool inside a task, keeps its stack.
	once := cross(t, StageRun, &RemoteError{Type: "T", Message: "m", Stack: "s", Panic: true, causes: []error{errSentinel}})
	twice := cross(t, StageRun, fmt.Errorf("inner pool: %w", once))
	if twice.Stack != "s" || !twice.Panic || !errors.Is(twice, errSentinel) {
		t.Errorf("crossing twice lost something: %+v", twice)
	}
	var errno syscall.Errno
	if !errors.As(cross(t, StageRun, errOpen), &errno) || errno != syscall.ENOENT {
		t.Errorf("errno is %v", errno)
	}
}

func TestRemotePanic(t *testing.T) {
	func() {
		defer func() {
			r, _, err := DecodeError(wire.Wrap(nil, encodePanic(StageEncodeResult, recover())))
			if err != nil {
				t.Fatal(err)
			}
			if !r.Panic || r.Stage != StageEncodeResult || !strings.Contains(r.Stack, "TestRemotePanic") || !errors.Is(r, errSentinel) {
				t.Errorf("got %+v", r)
			}
			if want := "encoding the result: panic: child test: a sentinel error"; r.Error() != want {
				t.Errorf("text %q, want %q", r, want)
			}
		}()
		panic(errSentinel)
	}()
}

func TestRegisterErrorTwice(t *testing.T) {
	RegisterError(errSentinel) // the same one: harmless
	defer func() {
		if recover() == nil {
			t.Error("two errors that cannot be told apart were registered")
		}
	}()
	RegisterError(errors.New(errSentinel.Error()))
}

// FuzzDecodeError: whatever a child may send instead of an error, the parent
// refuses or reads it.
func FuzzDecodeError(f *testing.F) {
	f.Add(wire.Wrap(nil, encodeError(StageRun, fmt.Errorf("x: %w", errSentinel))))
	f.Add([]byte{0xc6, 0, 0, 0, 1, 0x80})
	f.Fuzz(func(t *testing.T, b []byte) {
		if e, _, err := DecodeError(b); err == nil {
			_ = e.Error()
		}
	})
}

func TestRegister(t *testing.T) {
	if started.Load() {
		t.Skip("child.Main has been called in this binary, so Register refuses by design")
	}
	for name, f := range map[string]func(){
		"empty": func() { Register("", func(context.Context, int) (int, error) { return 0, nil }) },
		"nil":   func() { Register[int, int]("nil", nil) },
		"twice": func() {
			Register("twice", func(context.Context, int) (int, error) { return 0, nil })
			Register("twice", func(context.Context, int) (int, error) { return 0, nil })
		},
	} {
		func() {
			defer func() {
				if recover() == nil {
					t.Errorf("%s: no panic", name)
				}
			}()
			f()
		}()
	}
}

func TestBuild(t *testing.T) {
	f, err := os.Open(executable())
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	if id := readBuildID(f); id == "" || id != Build() || strings.Count(id, "/") != 3 {
		t.Errorf("build ID %q, Build() %q: want the four parts of a Go build ID", id, Build())
	}
	if id := readBuildID(strings.NewReader("#!/bin/sh\n")); id != "" {
		t.Errorf("a script has build ID %q", id)
	}
}

func TestTaskContext(t *testing.T) {
	var c taskContext
	if c.Err() != nil {
		t.Fatal(c.Err())
	}
	sub, cancel := context.WithCancel(&c)
	defer cancel()
	done := c.Done()
	c.end(context.DeadlineExceeded)
	c.end(context.Canceled)
	<-done
	<-sub.Done()
	if c.Err() != context.DeadlineExceeded || sub.Err() != context.DeadlineExceeded {
		t.Error(c.Err(), sub.Err())
	}
	var late taskContext
	late.end(context.Canceled)
	<-late.Done()
}
