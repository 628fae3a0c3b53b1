package top

import (
	"errors"
	"os"
	"os/exec"
	"syscall"
	"testing"

	"yunta/supervisor"
)

// A signal reaches the process that was meant, and none that a board, a number used again or a change in between puts in its place.
func TestSignal(t *testing.T) {
	t.Parallel()
	cmd := exec.CommandContext(t.Context(), "sleep", "600")
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	pid := cmd.Process.Pid
	var begun uint64
	if p, ok := processOf(pid); ok {
		begun = p.begun
	}
	good := target{boss: os.Getpid(), worker: 1, pid: pid, begun: begun, name: "test/w1"}
	boards := func(boss int, workers ...int) func() ([]supervisor.Board, error) {
		b := supervisor.Board{PID: boss}
		for i, pid := range workers {
			b.Workers = append(b.Workers, supervisor.BoardWorker{Worker: i, PID: pid, State: "running"})
		}
		return func() ([]supervisor.Board, error) { return []supervisor.Board{b}, nil }
	}
	us := os.Getpid()
	for _, row := range []struct {
		name   string
		change func(target) target
		boards func() ([]supervisor.Board, error)
	}{
		{"the supervisor has gone", func(t target) target { return t }, boards(us+1, 0, pid)},
		{"the worker was replaced", func(t target) target { return t }, boards(us, 0, us)},
		{"the board has shrunk", func(t target) target { return t }, boards(us, 0)},
		{"another process of that number", func(t target) target { t.begun++; return t }, boards(us, 0, pid)},
		{"a board that names a stranger", func(t target) target { t.boss = us + 1; return t }, boards(us+1, 0, pid)},
		{"no such process", func(t target) target { t.pid = 1 << 30; return t }, boards(us, 0, 1<<30)},
	} {
		if !known && (row.name == "another process of that number" || row.name == "a board that names a stranger") {
			continue // only the system could tell
		}
		if err := row.change(good).signal(syscall.SIGKILL, row.boards); !errors.Is(err, errChanged) {
			t.Errorf("%s: %v, want that nothing was done", row.name, err)
		}
	}
	if err := cmd.Process.Signal(syscall.Signal(0)); err != nil {
		t.Fatalf("it did not survive: %v", err)
	}
	if err := good.signal(syscall.SIGTERM, boards(us, 0, pid)); err != nil {
		t.Error(err)
	}
	err := cmd.Wait()
	exit, ok := errors.AsType[*exec.ExitError](err)
	if !ok || exit.Sys().(syscall.WaitStatus).Signal() != syscall.SIGTERM {
		t.Errorf("it ended with %v, want SIGTERM", err)
	}
}
