package ipc

import (
	"context"
	"errors"
	"io"
	"net"
	"os/exec"
	"slices"
	"strings"
	"testing"
	"time"
)

func waitForTen(t *testing.T, pace string) {
	t.Helper()
	var readers []Waiter
	var want, got [][]int
	for range 4 {
		r, w := testSimplex(t)
		cmd, join := startPart(t, w, "ten", pace)
		defer join()
		readers = append(readers, r)
		for i := range 10 {
			want = append(want, []int{i, cmd.Process.Pid})
		}
	}
	for len(readers) > 0 {
		ready, err := Wait(t.Context(), readers...)
		must(t, err)
		for _, r := range ready {
			m, err := Recv[[]int](r.(*Conn))
			switch {
			case err == io.EOF:
				readers = slices.DeleteFunc(readers, func(w Waiter) bool { return w == r })
				r.(*Conn).Close()
			case err != nil:
				t.Fatal(err)
			default:
				got = append(got, m)
			}
		}
	}
	slices.SortFunc(got, slices.Compare)
	slices.SortFunc(want, slices.Compare)
	if !slices.EqualFunc(got, want, slices.Equal) {
		t.Errorf("got %v, want %v", got, want)
	}
}

func TestCPython_TestWait_test_wait(t *testing.T) {
	t.Parallel()
	waitForTen(t, "fast")
}

func TestCPython_TestWait_test_wait_slow(t *testing.T) {
	t.Parallel()
	waitForTen(t, "slow")
}

// The sockets are those of package net, which know nothing of messages.
func waitForSockets(t *testing.T, pace ...string) {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	must(t, err)
	numbers := strings.Split("0123456789", "")
	for range 4 {
		defer startDialer(t, append([]string{"plain", "tcp", l.Addr().String(), strings.Join(numbers, ",")}, pace...)...)()
	}
	var readers []Waiter
	sockets := map[Waiter]net.Conn{}
	got := map[Waiter]string{}
	for range 4 {
		c, err := l.Accept()
		must(t, err)
		defer c.Close()
		w, err := WaitFile(c.(*net.TCPConn))
		must(t, err)
		readers = append(readers, w)
		sockets[w] = c
	}
	l.Close()
	for len(readers) > 0 {
		ready, err := Wait(t.Context(), readers...)
		must(t, err)
		for _, r := range ready {
			buf := make([]byte, 32)
			n, err := sockets[r].Read(buf)
			switch {
			case err == io.EOF:
				readers = slices.DeleteFunc(readers, func(w Waiter) bool { return w == r })
				sockets[r].Close()
			case err != nil:
				t.Fatal(err)
			}
			got[r] += string(buf[:n])
		}
	}
	want := strings.Join(numbers, "\n") + "\n"
	for r := range sockets {
		if got[r] != want {
			t.Errorf("%q, want %q", got[r], want)
		}
	}
}

func TestCPython_TestWait_test_wait_socket(t *testing.T) {
	t.Parallel()
	waitForSockets(t)
}

func TestCPython_TestWait_test_wait_socket_slow(t *testing.T) {
	t.Parallel()
	waitForSockets(t, "slow")
}

func TestCPython_TestWait_test_wait_timeout(t *testing.T) {
	t.Parallel()
	const timeout = 100 * time.Millisecond
	a, b := testConns(t)
	ctx, cancel := context.WithTimeout(t.Context(), timeout)
	defer cancel()
	start := time.Now()
	// Python returns an empty list; here the error says why it is empty.
	if got, err := Wait(ctx, a, b); len(got) != 0 || !errors.Is(err, context.DeadlineExceeded) {
		t.Errorf("%v, %v", got, err)
	}
	if d := time.Since(start); d < timeout-time.Millisecond {
		t.Errorf("it took %v, less than %v", d, timeout)
	}
	must(t, b.Send(nil))
	if got, err := Wait(t.Context(), a, b); err != nil || !slices.Equal(got, []Waiter{a}) {
		t.Errorf("%v, %v", got, err)
	}
}

// sentinel is what an object that stands for a process is to Wait.
type sentinel struct{ done chan struct{} }

func (s *sentinel) Readiness() Readiness { return Readiness{Done: s.done} }

func sentinelOf(cmd *exec.Cmd) *sentinel {
	s := &sentinel{make(chan struct{})}
	go func() {
		cmd.Wait()
		close(s.done)
	}()
	return s
}

// The sentinel of a process is a Waiter, not a number.
func TestCPython_TestWait_test_wait_integer(t *testing.T) {
	t.Parallel()
	a, b := testConns(t)
	c, child := testConns(t)
	cmd, _ := startPart(t, child, "echo")
	p := sentinelOf(cmd)
	ended, cancel := context.WithCancel(t.Context())
	cancel()
	if got, err := Wait(ended, a, p, b); len(got) != 0 || !errors.Is(err, context.Canceled) {
		t.Errorf("%v, %v while the process runs", got, err)
	}
	must(t, c.SendBytes(nil)) // tells it to quit
	if got, err := Wait(t.Context(), a, p, b); err != nil || !slices.Equal(got, []Waiter{p}) {
		t.Errorf("%v, %v; want the process", got, err)
	}
	must(t, a.Send(nil))
	if got, err := Wait(t.Context(), a, p, b); err != nil || !slices.Equal(got, []Waiter{p, b}) {
		t.Errorf("%v, %v; want the process and b", got, err)
	}
	must(t, b.Send(nil))
	if got, err := Wait(t.Context(), a, p, b); err != nil || !slices.Equal(got, []Waiter{a, p, b}) {
		t.Errorf("%v, %v; want all", got, err)
	}
}

// A negative timeout is a context that has ended.
func TestCPython_TestWait_test_neg_timeout(t *testing.T) {
	t.Parallel()
	a, b := testConns(t)
	ctx, cancel := context.WithTimeout(t.Context(), -1)
	defer cancel()
	if got, err := Wait(ctx, a); len(got) != 0 || !errors.Is(err, context.DeadlineExceeded) {
		t.Errorf("%v, %v", got, err)
	}
	must(t, b.Send(1))
	if got, err := Wait(ctx, a); len(got) != 1 || err != nil {
		t.Errorf("with a message there: %v, %v", got, err)
	}
}
