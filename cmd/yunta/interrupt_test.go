package main

import (
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"
)

// A count is a running yunta count with enough to do for a test to come in between.
type count struct {
	cmd            *exec.Cmd
	stdout, stderr output
	workers        []int
}

// An output can be looked at while it is written.
type output struct {
	mu   sync.Mutex
	text strings.Builder
}

func (o *output) Write(p []byte) (int, error) {
	o.mu.Lock()
	defer o.mu.Unlock()
	return o.text.Write(p)
}

func (o *output) String() string {
	o.mu.Lock()
	defer o.mu.Unlock()
	return o.text.String()
}

func (o *output) len() int {
	o.mu.Lock()
	defer o.mu.Unlock()
	return o.text.Len()
}

// startCount starts yunta count on some trees and waits until its workers are there.
func startCount(t *testing.T, workers int, trees ...string) *count {
	t.Helper()
	args := append([]string{"count", "--json", "-j", fmt.Sprint(workers)}, trees...)
	c := &count{cmd: command(t, args...)}
	c.cmd.Stdout, c.cmd.Stderr = &c.stdout, &c.stderr
	if err := c.cmd.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = c.cmd.Process.Kill() })
	waitFor(t, "the workers to start", func() bool {
		c.workers = childrenOf(t, c.cmd.Process.Pid)
		return len(c.workers) == workers
	})
	return c
}

// command returns one that plays yunta, in a run directory of its own.
func command(t *testing.T, args ...string) *exec.Cmd {
	t.Helper()
	exe, err := os.Executable()
	if err != nil {
		t.Fatal(err)
	}
	dir, err := runDirectory()
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { os.RemoveAll(dir) })
	cmd := exec.CommandContext(t.Context(), exe)
	cmd.Args = append([]string{"yunta"}, args...)
	cmd.Env = append(os.Environ(), "YUNTA_DIR="+dir)
	cmd.WaitDelay = 10 * time.Second // a worker that is left would keep stdout open
	return cmd
}

func goSource(t *testing.T) string {
	t.Helper()
	out, err := exec.CommandContext(t.Context(), "go", "env", "GOROOT").Output()
	if err != nil {
		t.Fatal("go env GOROOT:", err)
	}
	return strings.TrimSpace(string(out)) + "/src"
}

// processes lists the living ones as process and parent. A zombie does not live.
func processes(t *testing.T) map[int]int {
	t.Helper()
	out, err := exec.CommandContext(t.Context(), "ps", "-axo", "pid=,ppid=,stat=").Output()
	if err != nil {
		t.Fatal("ps:", err)
	}
	parents := map[int]int{}
	for line := range strings.Lines(string(out)) {
		var pid, parent int
		var state string
		if _, err := fmt.Sscan(line, &pid, &parent, &state); err == nil && state[0] != 'Z' {
			parents[pid] = parent
		}
	}
	return parents
}

func childrenOf(t *testing.T, pid int) []int {
	t.Helper()
	var children []int
	for child, parent := range processes(t) {
		if parent == pid {
			children = append(children, child)
		}
	}
	return children
}

func (c *count) checkNothingLeft(t *testing.T) {
	t.Helper()
	waitFor(t, "the workers to end", func() bool {
		living := processes(t)
		for _, pid := range c.workers {
			if _, lives := living[pid]; lives {
				return false
			}
		}
		return true
	})
}

// runFolders returns what supervisors have in the command's run directory.
func (c *count) runFolders(t *testing.T) []string {
	t.Helper()
	dir := ""
	for _, kv := range c.cmd.Env {
		if v, ok := strings.CutPrefix(kv, "YUNTA_DIR="); ok {
			dir = v // the last counts
		}
	}
	left, err := filepath.Glob(filepath.Join(dir, "*run-*"))
	if err != nil || dir == "" {
		t.Fatal(dir, err)
	}
	return left
}

func waitFor(t *testing.T, what string, done func() bool) {
	t.Helper()
	for end := time.Now().Add(30 * time.Second); !done(); time.Sleep(5 * time.Millisecond) {
		if time.Now().After(end) {
			t.Fatal("waited too long for", what)
		}
	}
}

func exitCode(err error) int {
	if exit, ok := errors.AsType[*exec.ExitError](err); ok {
		return exit.ExitCode()
	}
	return 0
}

func TestCountInterrupted(t *testing.T) {
	t.Parallel()
	tests := []struct {
		name   string
		signal syscall.Signal
		status int
	}{
		{"interrupted", syscall.SIGINT, 130},
		{"terminated", syscall.SIGTERM, 143},
		{"hung up", syscall.SIGHUP, 129},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			t.Parallel()
			c := startCount(t, 2, goSource(t), goSource(t), goSource(t))
			if err := c.cmd.Process.Signal(test.signal); err != nil {
				t.Fatal(err)
			}
			if got := exitCode(c.cmd.Wait()); got != test.status {
				t.Errorf("exit status %d, want %d", got, test.status)
			}
			if got := c.stderr.String(); !regexp.MustCompile(`^yunta count: signal: [a-z ]+; stopping \(once more to kill\)\n$`).MatchString(got) {
				t.Errorf("stderr %q is not the one line", got)
			}
			if c.stdout.String() != "" {
				t.Errorf("stdout %q", c.stdout.String())
			}
			living := processes(t)
			for _, pid := range c.workers {
				if _, lives := living[pid]; lives {
					t.Errorf("worker %d lives on", pid)
				}
			}
			if left := c.runFolders(t); len(left) > 0 {
				t.Errorf("left in the run directory: %v", left)
			}
		})
	}
}

func TestCountInterruptedTwice(t *testing.T) {
	t.Parallel()
	c := startCount(t, 2, goSource(t), goSource(t), goSource(t))
	// The second comes as soon as the first was seen: two that come together are one.
	for range 2 {
		if err := c.cmd.Process.Signal(syscall.SIGINT); err != nil && !errors.Is(err, os.ErrProcessDone) {
			t.Fatal(err)
		}
		waitFor(t, "the line on stderr", func() bool { return strings.HasSuffix(c.stderr.String(), "\n") })
	}
	if got := exitCode(c.cmd.Wait()); got != 130 {
		t.Errorf("exit status %d, want 130", got)
	}
	if got := strings.Count(c.stderr.String(), "\n"); got != 1 {
		t.Errorf("%d lines on stderr, want 1: %q", got, c.stderr.String())
	}
	c.checkNothingLeft(t)
}

// Ctrl-Z stops the workers with the command, and they go on with it.
func TestCountSuspended(t *testing.T) {
	t.Parallel()
	c := startCount(t, 2, goSource(t), goSource(t))
	all := append([]int{c.cmd.Process.Pid}, c.workers...)
	stopped := func(want bool) func() bool {
		return func() bool {
			for _, pid := range all {
				out, err := exec.CommandContext(t.Context(), "ps", "-o", "stat=", "-p", fmt.Sprint(pid)).Output()
				if err != nil || strings.HasPrefix(string(out), "T") != want {
					return false
				}
			}
			return true
		}
	}
	waitFor(t, "all to stop", func() bool {
		// Again, should the first have come before the command was prepared for it.
		for _, s := range []syscall.Signal{syscall.SIGCONT, syscall.SIGTSTP} {
			if err := c.cmd.Process.Signal(s); err != nil {
				t.Fatal(err)
			}
		}
		for range 100 {
			if stopped(true)() {
				return true
			}
		}
		return false
	})
	if err := c.cmd.Process.Signal(syscall.SIGCONT); err != nil {
		t.Fatal(err)
	}
	if err := c.cmd.Wait(); err != nil {
		t.Errorf("%v; stderr: %s", err, c.stderr.String())
	}
	c.checkNothingLeft(t)
}

func TestCountSurvivesAKilledWorker(t *testing.T) {
	t.Parallel()
	var want, got struct{ Words, Distinct, Files, Bytes int64 }
	tree := goSource(t) + "/cmd"
	undisturbed := command(t, "count", "--json", "--model", "goroutine", tree)
	out, err := undisturbed.Output()
	if err != nil {
		t.Fatal(err)
	}
	if err := json.Unmarshal(out, &want); err != nil {
		t.Fatal(err)
	}
	c := startCount(t, 2, tree)
	if err := syscall.Kill(c.workers[0], syscall.SIGKILL); err != nil {
		t.Fatal(err)
	}
	if err := c.cmd.Wait(); err != nil {
		t.Fatalf("%v; stderr: %s", err, c.stderr.String())
	}
	if err := json.Unmarshal([]byte(c.stdout.String()), &got); err != nil {
		t.Fatal(err)
	}
	if got != want {
		t.Errorf("got %+v, want %+v", got, want)
	}
	c.checkNothingLeft(t)
}

func TestCountKilled(t *testing.T) {
	t.Parallel()
	c := startCount(t, 2, goSource(t), goSource(t), goSource(t))
	if err := c.cmd.Process.Kill(); err != nil {
		t.Fatal(err)
	}
	_ = c.cmd.Wait() // says that it was killed
	c.checkNothingLeft(t)
}
