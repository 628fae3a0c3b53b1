//go:build linux && !portable

package supervisor_test

import (
	"context"
	"fmt"
	"strings"
	"syscall"
	"testing"
	"time"

	"yunta/child"
	"yunta/supervisor"
)

// A child that is stopped is not waited for in silence.
func TestStoppedChildIsTold(t *testing.T) {
	t.Parallel()
	for sig, reason := range map[syscall.Signal]string{syscall.SIGSTOP: "SIGSTOP;", syscall.SIGTTIN: "SIGTTIN: it wants to read"} {
		var stderr lockedBuffer
		p := newPool(t, supervisor.PoolOptions{Processes: 1, Stderr: &stderr})
		f := supervisor.ApplyAsync(testContext(t), p, stopsItself, sig)
		pid := p.Workers()[0].PID
		want := fmt.Sprintf("yunta: worker 0 (pid %d) is stopped by %s", pid, reason)
		waitFor(t, want, func() bool { return strings.Contains(stderr.String(), want) })
		if err := syscall.Kill(pid, syscall.SIGCONT); err != nil {
			t.Fatal(err)
		}
		if got, err := f.Get(testContext(t)); got != 7 || err != nil {
			t.Errorf("after SIGCONT: %v, %v", got, err)
		}
		if n := strings.Count(stderr.String(), "is stopped"); n != 1 {
			t.Errorf("told %d times:\n%s", n, stderr.String())
		}
	}
}

var stopsItself = child.Register("stopsItself", func(ctx context.Context, sig syscall.Signal) (int, error) {
	if err := syscall.Kill(syscall.Getpid(), sig); err != nil {
		return 0, err
	}
	select { // the signal may take a moment
	case <-ctx.Done():
	case <-time.After(10 * time.Millisecond):
	}
	return 7, nil
})
