package supervisor_test

import (
	"context"
	"errors"
	"os"
	"strings"
	"testing"

	"yunta/child"
	"yunta/ipc"
	"yunta/supervisor"
)

// CPython's class _TestSubclassingProcess.

// upcaser is an actor: it owns both ends of its pipes and its process.
type upcaser struct {
	*supervisor.Process
	in, out *os.File
}

type upcaserArg struct{ In, Out ipc.File }

var upcases = child.Register("upcases", func(_ context.Context, a upcaserArg) (int, error) {
	buf := make([]byte, 100)
	for {
		n, err := a.In.Read(buf)
		if err != nil {
			return 0, nil // its end
		}
		if _, err := a.Out.WriteString(strings.ToUpper(string(buf[:n]))); err != nil {
			return 0, err
		}
	}
})

func startUpcaser(t *testing.T) *upcaser {
	t.Helper()
	inR, inW, err1 := os.Pipe()
	outR, outW, err2 := os.Pipe()
	if err := errors.Join(err1, err2); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { inW.Close(); outR.Close() })
	p := startProcess(t, upcases, upcaserArg{ipc.File{File: inR}, ipc.File{File: outW}}, supervisor.ProcessOptions{})
	inR.Close()
	outW.Close()
	return &upcaser{p, inW, outR}
}

func (u *upcaser) ask(t *testing.T, s string) string {
	t.Helper()
	buf := make([]byte, 100)
	if _, err := u.in.WriteString(s); err != nil {
		t.Fatal(err)
	}
	n, err := u.out.Read(buf)
	if err != nil {
		t.Fatal(err)
	}
	return string(buf[:n])
}

func TestCPython__TestSubclassingProcess_test_subclassing(t *testing.T) {
	t.Parallel()
	u := startUpcaser(t)
	for _, s := range []string{"hello", "world"} {
		if got := u.ask(t, s); got != strings.ToUpper(s) {
			t.Errorf("got %q", got)
		}
	}
	u.in.Close()
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
