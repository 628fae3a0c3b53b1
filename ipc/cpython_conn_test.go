package ipc

import (
	"bytes"
	"encoding/binary"
	"errors"
	"io"
	"os"
	"os/exec"
	"os/signal"
	"slices"
	"strings"
	"syscall"
	"testing"
	"time"
)

// These are tests of CPython's Lib/test/_test_multiprocessing.py, by its names.

// connParts are what another process does with a connection it inherits.
var connParts = map[string]func(c *Conn, args []string) error{
	"echo": func(c *Conn, _ []string) error {
		for {
			m, err := c.RecvBytes()
			if err != nil || len(m) == 0 { // the message that says to quit
				return errors.Join(err, c.Close())
			}
			if err := c.SendBytes(m); err != nil {
				return err
			}
		}
	},
	"writefd": func(c *Conn, args []string) error {
		var fill []*os.File
		for len(args) > 1 && len(fill) < 256 { // so that the next has a large number
			f, err := c.File()
			if err != nil {
				return err
			}
			fill = append(fill, f)
		}
		f, err := c.RecvFile()
		if err != nil {
			return err
		}
		if len(args) > 1 && f.Fd() < 256 {
			return errors.New("the descriptor has a small number")
		}
		_, err = f.WriteString(args[0])
		return errors.Join(err, f.Close())
	},
	"nofd": func(c *Conn, _ []string) error { return c.write([]byte{0}, nil) },
	"strings": func(c *Conn, args []string) error {
		for _, s := range args {
			time.Sleep(10 * time.Millisecond)
			if err := c.SendBytes([]byte(s)); err != nil {
				return err
			}
		}
		return c.Close()
	},
	"poll": func(c *Conn, _ []string) error {
		ok, err := c.Poll(time.Minute)
		if err == nil && !ok {
			err = errors.New("Poll found nothing")
		}
		return err
	},
	"dontmerge": func(c *Conn, _ []string) error {
		return errors.Join(c.SendBytes([]byte("a")), c.SendBytes([]byte("b")), c.SendBytes([]byte("cd")))
	},
	"access": func(c *Conn, _ []string) error {
		w, err := recvConn(c)
		if err != nil {
			return err
		}
		if w.CanRecv() {
			return errors.New("a sending end arrives as another")
		}
		if err := errors.Join(w.Send("all is well"), w.Close()); err != nil {
			return err
		}
		r, err := recvConn(c)
		if err != nil {
			return err
		}
		if r.CanSend() {
			return errors.New("a receiving end arrives as another")
		}
		m, err := Recv[string](r)
		return errors.Join(err, c.Send(m+m))
	},
	"signals": func(c *Conn, _ []string) error {
		signal.Notify(make(chan os.Signal, 1), syscall.SIGUSR1)
		if err := c.Send("ready"); err != nil {
			return err
		}
		n, err := Recv[int](c)
		return errors.Join(err, c.Send(n), c.SendBytes(bytes.Repeat([]byte("x"), signalBytes)))
	},
	"ten": func(c *Conn, args []string) error {
		for i := range 10 {
			if args[0] == "slow" {
				time.Sleep(time.Duration((i+os.Getpid())*7919%20) * time.Millisecond)
			}
			if err := c.Send([]int{i, os.Getpid()}); err != nil {
				return err
			}
		}
		return c.Close()
	},
}

// signalBytes are more than a connection holds: sending them blocks.
const signalBytes = 16 << 20

var _ = addHelper("cpython", func(args []string) {
	c, err := ConnOf(os.NewFile(3, "conn"), ConnOptions{})
	if err == nil {
		err = connParts[args[0]](c, args[1:])
	}
	if err != nil {
		panic(err)
	}
})

// startPart starts a process that has c, which is closed here. The returned
// function waits for its end.
func startPart(t *testing.T, c *Conn, args ...string) (cmd *exec.Cmd, join func()) {
	t.Helper()
	f, err := c.File()
	if err != nil {
		t.Fatal(err)
	}
	cmd = helper(t, "cpython", args...)
	cmd.ExtraFiles = []*os.File{f}
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	f.Close()
	c.Close()
	return cmd, func() {
		t.Helper()
		if err := cmd.Wait(); err != nil {
			t.Error(err)
		}
	}
}

func sendConn(c, what *Conn) error {
	return errors.Join(c.Send(what), what.Close())
}

func recvConn(c *Conn) (*Conn, error) {
	return Recv[*Conn](c)
}

func must(t *testing.T, errs ...error) {
	t.Helper()
	if err := errors.Join(errs...); err != nil {
		t.Fatal(err)
	}
}

func wantBytes(t *testing.T, c *Conn, want string) {
	t.Helper()
	if got, err := c.RecvBytes(); string(got) != want || err != nil {
		t.Fatalf("received %d bytes, %.50q, %v; want %d, %.50q", len(got), got, err, len(want), want)
	}
}

func wantPoll(t *testing.T, c *Conn, timeout time.Duration, want bool) {
	t.Helper()
	start := time.Now()
	if got, err := c.Poll(timeout); got != want || err != nil {
		t.Errorf("Poll(%v) = %v, %v; want %v", timeout, got, err, want)
	}
	if d := time.Since(start); !want && d < timeout {
		t.Errorf("Poll(%v) took %v", timeout, d)
	}
}

// A receive with an offset is one into the rest of a slice.
func TestCPython__TestConnection_test_connection(t *testing.T) {
	t.Parallel()
	conn, child := testConns(t)
	_, join := startPart(t, child, "echo")

	must(t, conn.Send([]any{1, 2.25, nil}))
	if got, err := Recv[[]any](conn); err != nil || !slices.Equal(got, []any{int64(1), 2.25, nil}) {
		t.Errorf("%v, %v", got, err)
	}
	const msg = "hello world"
	long := strings.Repeat(msg, 10)
	must(t, conn.SendBytes([]byte(msg)))
	wantBytes(t, conn, msg)

	arr := make([]byte, 16)
	for i := range uint32(4) {
		binary.NativeEndian.PutUint32(arr[4*i:], i)
	}
	for _, offset := range []int{0, 12} {
		buffer, want := make([]byte, 40), make([]byte, 40)
		copy(want[offset:], arr)
		must(t, conn.SendBytes(arr))
		if n, err := conn.RecvInto(buffer[offset:]); n != len(arr) || err != nil || !bytes.Equal(buffer, want) {
			t.Errorf("RecvInto from %d on: %d, %v, % x", offset, n, err, buffer)
		}
	}
	must(t, conn.SendBytes([]byte(long)))
	var short *ShortBufferError
	if n, err := conn.RecvInto(make([]byte, 40)); n != 0 || !errors.As(err, &short) || string(short.Message) != long {
		t.Errorf("RecvInto too short a buffer: %d, %v", n, err)
	}

	wantPoll(t, conn, 0, false)
	wantPoll(t, conn, -1, false)
	wantPoll(t, conn, 80*time.Millisecond, false)
	must(t, conn.Send(nil))
	wantPoll(t, conn, time.Minute, true)
	if got, err := Recv[any](conn); got != nil || err != nil {
		t.Errorf("nil arrives as %v, %v", got, err)
	}

	big := strings.Repeat("X", 16<<20)
	must(t, conn.SendBytes([]byte(big)))
	wantBytes(t, conn, big)

	must(t, conn.SendBytes(nil)) // tells the other to quit
	if !conn.CanRecv() || !conn.CanSend() {
		t.Error("a duplex end goes one way")
	}
	var v any
	if err := conn.Recv(&v); err != io.EOF {
		t.Errorf("Recv at the end: %v", err)
	}
	if _, err := conn.RecvBytes(); err != io.EOF {
		t.Errorf("RecvBytes at the end: %v", err)
	}
	join()
}

func TestCPython__TestConnection_test_duplex_false(t *testing.T) {
	t.Parallel()
	reader, writer := testSimplex(t)
	must(t, writer.Send(1))
	if got, err := Recv[int](reader); got != 1 || err != nil {
		t.Errorf("%d, %v", got, err)
	}
	if !reader.CanRecv() || reader.CanSend() || writer.CanRecv() || !writer.CanSend() {
		t.Error("the ends go the wrong way")
	}
	_, err := writer.Poll(0)
	for _, err := range []error{reader.Send(2), writer.Recv(new(int)), err} {
		if !errors.Is(err, ErrDirection) {
			t.Errorf("the wrong way: %v", err)
		}
	}
}

func TestCPython__TestConnection_test_spawn_close(t *testing.T) {
	t.Parallel()
	conn, child := testConns(t)
	_, join := startPart(t, child, "echo") // closes our copy at once
	must(t, conn.SendBytes([]byte("hello")))
	wantBytes(t, conn, "hello")
	must(t, conn.SendBytes(nil), conn.Close())
	join()
}

// A part of a buffer is a slice; a wrong one panics before SendBytes is called.
func TestCPython__TestConnection_test_sendbytes(t *testing.T) {
	t.Parallel()
	msg := []byte("abcdefghijklmnopqrstuvwxyz")
	a, b := testConns(t)
	for _, part := range [][]byte{msg, msg[5:], msg[7 : 7+8], msg[26:], msg[26:26]} {
		must(t, a.SendBytes(part))
		wantBytes(t, b, string(part))
	}
	for _, wrong := range [][2]int{{27, 27}, {22, 27}, {26, 27}, {-1, 26}, {4, 3}} {
		func() {
			defer func() {
				if recover() == nil {
					t.Errorf("no panic for %v", wrong)
				}
			}()
			a.SendBytes(msg[:26:26][wrong[0]:wrong[1]])
		}()
	}
	wantPoll(t, b, 0, false)
}

func fdTransfer(t *testing.T, data string, more ...string) {
	t.Helper()
	conn, child := testConns(t)
	_, join := startPart(t, child, append([]string{"writefd", data}, more...)...)
	f, err := os.Create(t.TempDir() + "/file")
	must(t, err)
	must(t, conn.SendFile(f), f.Close())
	join()
	if got, err := os.ReadFile(f.Name()); string(got) != data || err != nil {
		t.Errorf("%q, %v; want %q", got, err, data)
	}
}

func TestCPython__TestConnection_test_fd_transfer(t *testing.T) {
	t.Parallel()
	fdTransfer(t, "foo")
}

// Here it is the receiver's numbers that are large; a sender's descriptors have
// the numbers that the system gives them.
func TestCPython__TestConnection_test_large_fd_transfer(t *testing.T) {
	t.Parallel()
	fdTransfer(t, "bar", "large")
}

func TestCPython__TestConnection_test_missing_fd_transfer(t *testing.T) {
	t.Parallel()
	conn, child := testConns(t)
	_, join := startPart(t, child, "nofd")
	if f, err := conn.RecvFile(); !errors.Is(err, ErrNoFile) {
		t.Errorf("%v, %v", f, err)
	}
	join()
}

// The scope of a function, with defer, is what "with" is in Python.
func TestCPython__TestConnection_test_context(t *testing.T) {
	t.Parallel()
	a, b, err := Pipe()
	must(t, err)
	func() {
		defer a.Close()
		defer b.Close()
		must(t, a.Send(1729))
		if got, err := Recv[int](b); got != 1729 || err != nil {
			t.Errorf("%d, %v", got, err)
		}
		if a.Closed() || b.Closed() {
			t.Error("closed too early")
		}
	}()
	for _, c := range []*Conn{a, b} {
		if err := c.Recv(new(int)); !c.Closed() || !errors.Is(err, ErrClosed) {
			t.Errorf("Recv after Close: %v", err)
		}
	}
}

func TestCPython__TestPoll_test_empty_string(t *testing.T) {
	t.Parallel()
	a, b := testConns(t)
	wantPoll(t, a, 0, false)
	must(t, b.SendBytes(nil))
	wantPoll(t, a, 0, true)
	wantPoll(t, a, 0, true)
	wantBytes(t, a, "")
	wantPoll(t, a, 0, false)
}

func TestCPython__TestPoll_test_strings(t *testing.T) {
	t.Parallel()
	a, b := testConns(t)
	messages := []string{"hello", "", "a", "b", "", "bye", "", "lop"}
	_, join := startPart(t, b, append([]string{"strings"}, messages...)...)
	for _, m := range messages {
		wantPoll(t, a, time.Minute, true)
		wantBytes(t, a, m)
	}
	join()
}

func TestCPython__TestPoll_test_boundaries(t *testing.T) {
	t.Parallel()
	r, w := testSimplex(t)
	f, err := r.File()
	must(t, err)
	mine, err := ConnOf(f, ConnOptions{})
	must(t, err)
	defer mine.Close()
	_, join := startPart(t, r, "poll")
	must(t, w.SendBytes([]byte("first")), w.SendBytes([]byte("second")), w.Close())
	join()
	wantBytes(t, mine, "first")
}

func TestCPython__TestPoll_test_dont_merge(t *testing.T) {
	t.Parallel()
	a, b := testConns(t)
	wantPoll(t, a, 0, false)
	wantPoll(t, a, 10*time.Millisecond, false)
	_, join := startPart(t, b, "dontmerge")
	wantBytes(t, a, "a")
	for _, m := range []string{"b", "cd"} {
		wantPoll(t, a, time.Minute, true)
		wantPoll(t, a, time.Minute, true)
		wantPoll(t, a, 0, true)
		wantBytes(t, a, m)
	}
	join()
}

func TestCPython__TestPicklingConnections_test_access(t *testing.T) {
	t.Parallel()
	conn, child := testConns(t)
	_, join := startPart(t, child, "access")
	r, w := testSimplex(t)
	must(t, sendConn(conn, w))
	if got, err := Recv[string](r); got != "all is well" || err != nil {
		t.Errorf("%q, %v", got, err)
	}
	r, w = testSimplex(t)
	must(t, sendConn(conn, r), w.Send("foobar"), w.Close())
	if got, err := Recv[string](conn); got != "foobarfoobar" || err != nil {
		t.Errorf("%q, %v", got, err)
	}
	join()
}

// A Conn is made of a descriptor only if that is one.
func TestCPython_TestInvalidHandle_test_invalid_handles(t *testing.T) {
	t.Parallel()
	for _, fd := range []int{44977608, -1} {
		f := os.NewFile(uintptr(fd), "bogus") // nil for -1
		if c, err := ConnOf(f, ConnOptions{}); err == nil {
			t.Errorf("a connection of descriptor %d: %v", fd, c)
		}
	}
	if ok, err := Readable(44977608); ok || !errors.Is(err, syscall.EBADF) {
		t.Errorf("polling a bogus descriptor: %v, %v", ok, err)
	}
}

func TestCPython_TestIgnoreEINTR_test_ignore(t *testing.T) {
	t.Parallel()
	conn, child := testConns(t)
	cmd, join := startPart(t, child, "signals")
	if got, err := Recv[string](conn); got != "ready" || err != nil {
		t.Fatalf("%q, %v", got, err)
	}
	interrupt := func() {
		for range 10 {
			time.Sleep(5 * time.Millisecond)
			must(t, cmd.Process.Signal(syscall.SIGUSR1))
		}
	}
	interrupt()
	must(t, conn.Send(1234))
	if got, err := Recv[int](conn); got != 1234 || err != nil {
		t.Errorf("%d, %v", got, err)
	}
	interrupt()
	wantBytes(t, conn, strings.Repeat("x", signalBytes))
	join()
}
