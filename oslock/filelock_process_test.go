package oslock

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"slices"
	"strconv"
	"sync"
	"testing"
	"time"
)

// fileLockHelper does what its first argument says with the lock on the second.
var fileLockHelper = newHelper("filelock", func(h *helperIO, args []string) error {
	ctx, cancel := context.WithTimeout(context.Background(), fileLockGone)
	defer cancel()
	l := NewFileLock(args[1])
	take := l.Lock
	switch args[0] {
	case "share":
		take = l.RLock
		fallthrough
	case "own": // until the test says so
		if err := take(ctx); err != nil {
			return err
		}
		h.say("locked")
		h.hear()
		return l.Unlock()
	case "add": // a number in a file, read and written under the lock
		rounds, _ := strconv.Atoi(args[3])
		for range rounds {
			if err := take(ctx); err != nil {
				return err
			}
			text, err := os.ReadFile(args[2])
			if err != nil {
				return err
			}
			n, err := strconv.Atoi(string(text))
			if err != nil {
				return err
			}
			if err := os.WriteFile(args[2], []byte(strconv.Itoa(n+1)), 0o600); err != nil {
				return err
			}
			if err := l.Unlock(); err != nil {
				return err
			}
		}
		return nil
	}
	return fmt.Errorf("unknown work %q", args[0])
})

// startFileLock starts the helper.
func startFileLock(t testing.TB, args ...string) *process {
	t.Helper()
	// The race detector would sleep a second at the end of each process.
	return fileLockHelper.start(t, []string{"GORACE=atexit_sleep_ms=0"}, args...)
}

func ownFileLock(t testing.TB, how, path string) *process {
	t.Helper()
	p := startFileLock(t, how, path)
	p.expect("locked")
	return p
}

func endFileLock(t testing.TB, p *process) {
	t.Helper()
	if err := p.wait(); err != nil {
		t.Errorf("helper: %v", err)
	}
}

// startFileLockTool starts another program that says "locked" and owns its lock until its standard input ends.
func startFileLockTool(t testing.TB, cmd *exec.Cmd) (end func()) {
	t.Helper()
	in, err := cmd.StdinPipe()
	if err != nil {
		t.Fatal(err)
	}
	out, err := cmd.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	end = sync.OnceFunc(func() { in.Close(); cmd.Wait() })
	t.Cleanup(end)
	if line, err := bufio.NewReader(out).ReadString('\n'); line != "locked\n" {
		t.Fatalf("%s said %q, %v", cmd.Path, line, err)
	}
	return end
}

func TestFileLockProcesses(t *testing.T) {
	t.Parallel()
	path, number := fileLockPath(t), fileLockPath(t)
	if err := os.WriteFile(number, []byte("0"), 0o600); err != nil {
		t.Fatal(err)
	}
	const processes, rounds = 4, 100
	var all []*process
	for range processes {
		all = append(all, startFileLock(t, "add", path, number, strconv.Itoa(rounds)))
	}
	for _, p := range all {
		endFileLock(t, p)
	}
	if text, _ := os.ReadFile(number); string(text) != strconv.Itoa(processes*rounds) {
		t.Errorf("counted to %s, want %d", text, processes*rounds)
	}
}

func TestFileLockSharedBetweenProcesses(t *testing.T) {
	t.Parallel()
	path := fileLockPath(t)
	l := NewFileLock(path)
	a := ownFileLock(t, "share", path)
	b := ownFileLock(t, "share", path)
	tryFileLock(t, l, true, true)
	tryFileLock(t, l, false, false)
	endFileLock(t, a)
	tryFileLock(t, l, false, false)
	endFileLock(t, b)
	tryFileLock(t, l, false, true)
}

// The lock of a killed process is free at once.
func TestFileLockOwnerKilled(t *testing.T) {
	t.Parallel()
	ctx := fileLockContext(t)
	path := fileLockPath(t)
	var late []time.Duration
	for range 10 {
		owner := ownFileLock(t, "own", path)
		l := NewFileLock(path)
		tryFileLock(t, l, true, false)
		done := fileLockBlocked(t, l, func() error { return l.Lock(ctx) })
		killed := time.Now()
		if err := owner.cmd.Process.Kill(); err != nil {
			t.Fatal(err)
		}
		fileLockSoon(t, done, nil)
		late = append(late, time.Since(killed))
		if err := l.Close(); err != nil {
			t.Error(err)
		}
	}
	slices.Sort(late)
	t.Logf("kill to next owner: median %v, longest %v", late[len(late)/2], late[len(late)-1])
	if late[len(late)-1] > time.Second {
		t.Errorf("the next owner waited %v, want below 1 s", late[len(late)-1])
	}
}

// flock(1) and we exclude each other: exclusive and shared, by path and on a descriptor.
func TestFileLockAndFlock1(t *testing.T) {
	t.Parallel()
	tool, err := exec.LookPath("flock")
	if err != nil {
		t.Skip("flock(1) is not installed")
	}
	ctx := fileLockContext(t)
	// tries runs flock(1) without waiting, and says whether it got the lock.
	tries := func(t *testing.T, mode, path string) bool {
		t.Helper()
		err := exec.Command(tool, mode, "-n", "-E", "75", path, "true").Run()
		var exit *exec.ExitError
		if err != nil && (!errors.As(err, &exit) || exit.ExitCode() != 75) {
			t.Fatal(err)
		}
		return err == nil
	}
	for _, tt := range []struct {
		name, path string
		descriptor bool
	}{
		{"path", fileLockPath(t), false},
		{"directory", t.TempDir(), false},
		{"descriptor", t.TempDir(), true},
	} {
		t.Run(tt.name, func(t *testing.T) {
			l := NewFileLock(tt.path)
			if tt.descriptor {
				l = FileLockOf(openForLock(t, tt.path))
			}
			if err := l.Lock(ctx); err != nil {
				t.Fatal(err)
			}
			if tries(t, "-x", tt.path) || tries(t, "-s", tt.path) {
				t.Error("flock(1) got a lock that we own")
			}
			if err := errors.Join(l.Unlock(), l.RLock(ctx)); err != nil {
				t.Fatal(err)
			}
			if tries(t, "-x", tt.path) || !tries(t, "-s", tt.path) {
				t.Error("flock(1) and our shared lock: want shared only")
			}
			if err := l.Unlock(); err != nil {
				t.Fatal(err)
			}
			if !tries(t, "-x", tt.path) {
				t.Error("flock(1) did not get a free lock")
			}
			own := startFileLockTool(t, exec.Command(tool, "-x", tt.path, "sh", "-c", "echo locked; exec cat"))
			tryFileLock(t, l, false, false)
			tryFileLock(t, l, true, false)
			own()
			share := startFileLockTool(t, exec.Command(tool, "-s", tt.path, "sh", "-c", "echo locked; exec cat"))
			tryFileLock(t, l, false, false)
			tryFileLock(t, l, true, true)
			done := fileLockBlocked(t, l, func() error { return l.Lock(ctx) })
			share()
			fileLockSoon(t, done, nil)
			if err := l.Close(); err != nil {
				t.Error(err)
			}
		})
	}
}

// A descriptor that a shell opened and locked, as in "exec 9>file; flock 9", is one lock for all who inherit it.
func TestFileLockInherited(t *testing.T) {
	t.Parallel()
	path := t.TempDir()
	f := openForLock(t, path)
	l, other := FileLockOf(f), NewFileLock(path)
	if err := l.Lock(fileLockContext(t)); err != nil {
		t.Fatal(err)
	}
	child := exec.Command("sh", "-c", "echo locked; exec cat")
	child.ExtraFiles = []*os.File{f}
	heir := startFileLockTool(t, child)
	f.Close()
	tryFileLock(t, other, true, false) // the child keeps it
	heir()
	tryFileLock(t, other, true, true)
}

// Hand-over between processes after waits of different length.
func BenchmarkFileLockHandover(b *testing.B) {
	for _, held := range []time.Duration{0, time.Millisecond, 20 * time.Millisecond, 200 * time.Millisecond} {
		b.Run(held.String(), func(b *testing.B) {
			ctx := context.Background()
			a := NewFileLock(fileLockPath(b))
			c := NewFileLock(a.Path())
			var late []time.Duration
			for b.Loop() {
				if err := a.Lock(ctx); err != nil {
					b.Fatal(err)
				}
				done := fileLockBlocked(b, c, func() error { return c.Lock(ctx) })
				time.Sleep(held)
				freed := time.Now()
				a.Unlock()
				if err := <-done; err != nil {
					b.Fatal(err)
				}
				late = append(late, time.Since(freed))
				c.Unlock()
			}
			slices.Sort(late)
			b.ReportMetric(float64(late[len(late)/2].Microseconds()), "p50-us")
			b.ReportMetric(float64(late[len(late)*99/100].Microseconds()), "p99-us")
		})
	}
}
