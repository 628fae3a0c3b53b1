package supervisor_test

import (
	"context"
	"errors"
	"io"
	"strings"
	"testing"

	"yunta/child"
	"yunta/ipc"
	"yunta/supervisor"
)

// CPython's class _TestSubclassingProcess.

// upcaser is an actor: it owns both ends of its connection and its process.
type upcaser struct {
	*supervisor.Process
	conn *ipc.Conn
}

var upcases = child.Register("upcases", func(_ context.Context, c *ipc.Conn) (int, error) {
	for {
		s, err := ipc.Recv[string](c)
		if errors.Is(err, io.EOF) {
			return 0, nil
		}
		if err == nil {
			err = c.Send(strings.ToUpper(s))
		}
		if err != nil {
			return 0, err
		}
	}
})

func startUpcaser(t *testing.T) *upcaser {
	t.Helper()
	here, there, err := ipc.Pipe()
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { here.Close() })
	p := startProcess(t, upcases, there, supervisor.ProcessOptions{})
	there.Close()
	return &upcaser{p, here}
}

func (u *upcaser) ask(t *testing.T, s string) string {
	t.Helper()
	if err := u.conn.Send(s); err != nil {
		t.Fatal(err)
	}
	got, err := ipc.Recv[string](u.conn)
	if err != nil {
		t.Fatal(err)
	}
	return got
}

func TestCPython__TestSubclassingProcess_test_subclassing(t *testing.T) {
	t.Parallel()
	u := startUpcaser(t)
	for _, s := range []string{"hello", "world"} {
		if got := u.ask(t, s); got != strings.ToUpper(s) {
			t.Errorf("got %q", got)
		}
	}
	u.conn.Close()
	if code := ended(t, u.Process); code != 0 {
		t.Error(u.Err())
	}
}

func TestCPython__TestSubclassingProcess_test_stderr_flush(t *testing.T) {
	t.Parallel()
	var out lockedBuffer
	p := startProcess(t, panics, "out of order", supervisor.ProcessOptions{Stderr: &out})
	if code := ended(t, p); code != 1 {
		t.Errorf("exit code %d", code)
	}
	for _, want := range []string{p.Name(), "panic: out of order", "main_test.go:", "goroutine "} {
		if !strings.Contains(out.String(), want) {
			t.Errorf("%q is not in %s", want, out.String())
		}
	}
}

// Python's sys.exit takes anything; in Go it is an ExitStatus or an error.
func TestCPython__TestSubclassingProcess_test_sys_exit(t *testing.T) {
	t.Parallel()
	for _, row := range []struct {
		p    *supervisor.Process
		code int
	}{
		{startProcess(t, exitsWith, 0, supervisor.ProcessOptions{}), 0},
		{startProcess(t, exitsWith, 8, supervisor.ProcessOptions{}), 8},
		{startProcess(t, exit, 5, supervisor.ProcessOptions{}), 5},
	} {
		if code := ended(t, row.p); code != row.code {
			t.Errorf("exit code %d, want %d", code, row.code)
		}
	}
	var out lockedBuffer
	if code := ended(t, startProcess(t, sayWhen, 3, supervisor.ProcessOptions{Stderr: &out})); code != 1 || !strings.Contains(out.String(), errSayWhen.Error()+"!!!") {
		t.Errorf("an error: exit code %d, stderr %q", code, out.String())
	}
}
