package supervisor_test

import (
	"bufio"
	"bytes"
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
	"syscall"
	"testing"
	"time"
)

// Environment variables by which the test binary is told to be something else.
const (
	helperEnv = "YUNTA_TEST_HELPER" // name of the helper to play
	runEnv    = "YUNTA_TEST_RUN"    // marks all processes that descend from one helper
	earlyEnv  = "YUNTA_TEST_EARLY"  // what to do before child.Main is called, see early_test.go
)

// helpers are the programs that the test binary can play, each a program that
// uses the library as any other would.
var helpers = map[string]func(args []string) int{}

var helpersPlayed sync.Map

// helper registers one, beside the test that uses it. It returns the exit status.
func helper(name string, f func(args []string) int) string {
	helpers[name] = f
	return name
}

// playHelper is called by TestMain after child.Main.
func playHelper() {
	name := os.Getenv(helperEnv)
	if name == "" {
		return
	}
	f := helpers[name]
	if f == nil {
		fmt.Fprintf(os.Stderr, "no helper %q\n", name)
		os.Exit(98)
	}
	os.Exit(f(os.Args[1:]))
}

// program is a running helper.
type program struct {
	*exec.Cmd
	t      testing.TB
	run    string // value of runEnv
	lines  chan string
	stderr lockedBuffer
	exited chan struct{}
	err    error
}

var runs atomic.Int64

// command makes a helper process that is not yet started. Its standard input
// is empty, its process group its own.
func command(t testing.TB, name string, args ...string) *program {
	t.Helper()
	if helpers[name] == nil && name != "" {
		t.Fatalf("no helper %q", name)
	}
	helpersPlayed.Store(name, true)
	p := &program{Cmd: exec.Command(testBinary(t), args...), t: t, lines: make(chan string, 100), exited: make(chan struct{})}
	p.run = fmt.Sprintf("%d-%d", os.Getpid(), runs.Add(1))
	p.Env = append(os.Environ(), helperEnv+"="+name, runEnv+"="+p.run)
	p.SysProcAttr = &syscall.SysProcAttr{Setpgid: true}
	p.Stderr = &p.stderr
	return p
}

func testBinary(t testing.TB) string {
	t.Helper()
	path, err := os.Executable()
	if err != nil {
		t.Fatal(err)
	}
	return path
}

// start starts it; when the test ends it is killed if need be, and nothing of
// it may be left.
func (p *program) start() *program {
	p.t.Helper()
	out, err := p.StdoutPipe()
	if err != nil {
		p.t.Fatal(err)
	}
	p.WaitDelay = patience
	if err := p.Start(); err != nil {
		p.t.Fatal(err)
	}
	go func() {
		for s := bufio.NewScanner(out); s.Scan(); {
			p.lines <- s.Text()
		}
		close(p.lines)
		p.err = p.Wait()
		close(p.exited)
	}()
	p.t.Cleanup(func() {
		p.kill()
		p.gone()
	})
	return p
}

// say waits for the helper's next line and returns what follows the prefix.
func (p *program) say(prefix string) string {
	p.t.Helper()
	select {
	case line, ok := <-p.lines:
		if rest, found := strings.CutPrefix(line, prefix); found && ok {
			return strings.TrimSpace(rest)
		}
		if !ok {
			p.t.Fatalf("helper ended with status %d, want %q; stderr:\n%s", p.wait(), prefix, p.stderr.String())
		}
		p.t.Fatalf("helper said %q, want %q; stderr:\n%s", line, prefix, p.stderr.String())
	case <-time.After(patience):
		p.t.Fatalf("helper did not say %q; stderr:\n%s", prefix, p.stderr.String())
	}
	return ""
}

// kill kills the helper itself, not its group.
func (p *program) kill() {
	p.t.Helper()
	_ = p.Process.Kill()
	p.wait()
}

// wait waits for its end and returns its exit status, -1 after a signal.
func (p *program) wait() int {
	p.t.Helper()
	for {
		select {
		case <-p.exited:
			return p.ProcessState.ExitCode()
		case <-p.lines: // nobody listens any more
		case <-time.After(patience):
			p.t.Fatalf("helper does not end; stderr:\n%s", p.stderr.String())
		}
	}
}

// goneTime is how long after the death of a supervisor a process of its may live.
const goneTime = 2 * time.Second

// gone checks that no process that descends from the helper is left, after at
// most goneTime.
func (p *program) gone() {
	p.t.Helper()
	var left []process
	for end := time.Now().Add(goneTime); ; time.Sleep(2 * time.Millisecond) {
		if left = descendants(p.run); len(left) == 0 {
			return
		}
		if time.Now().After(end) {
			break
		}
	}
	p.t.Errorf("%v after the supervisor's end there is still %v", goneTime, left)
	for _, x := range left {
		_ = syscall.Kill(x.pid, syscall.SIGKILL)
	}
}

// process is one that a test found.
type process struct {
	pid, parent, group int
	name               string
}

func (p process) String() string { return fmt.Sprintf("%s (pid %d)", p.name, p.pid) }

// lockedBuffer is a buffer that goroutines share.
type lockedBuffer struct {
	mu sync.Mutex
	b  bytes.Buffer
}

func (b *lockedBuffer) Write(p []byte) (int, error) {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.b.Write(p)
}

func (b *lockedBuffer) String() string {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.b.String()
}

// sign adds a line to a file, whole even if several processes do so at once.
func sign(path, line string) {
	f, err := os.OpenFile(path, os.O_WRONLY|os.O_CREATE|os.O_APPEND, 0o600)
	if err == nil {
		_, err = f.WriteString(line + "\n")
		err = errors.Join(err, f.Close())
	}
	if err != nil {
		panic(err)
	}
}

// signPID adds this process's number.
func signPID(path string) { sign(path, strconv.Itoa(os.Getpid())) }

// signed returns the lines of a file, none if there is no such file.
func signed(path string) []string {
	b, _ := os.ReadFile(path)
	return strings.Fields(string(b))
}

// waitSigned waits until a file has n lines.
func waitSigned(t testing.TB, path string, n int) []string {
	t.Helper()
	waitFor(t, fmt.Sprintf("%d lines in %s", n, filepath.Base(path)), func() bool { return len(signed(path)) >= n })
	return signed(path)
}

// waitPID waits until one process has signed and returns its number.
func waitPID(t testing.TB, path string) int {
	t.Helper()
	n, err := strconv.Atoi(waitSigned(t, path, 1)[0])
	if err != nil {
		t.Fatal(err)
	}
	return n
}

// alive reports whether there is a process of that number, dead ones that
// nobody has reaped apart.
func alive(pid int) bool {
	for _, p := range processes() {
		if p.pid == pid {
			return true
		}
	}
	return false
}

// shortDir makes a directory with a short path for run directories.
func shortDir(t testing.TB) string {
	t.Helper()
	dir, err := os.MkdirTemp(os.Getenv("YUNTA_DIR"), "h")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { os.RemoveAll(dir) })
	return dir
}

// runFolders returns the folders of supervisors in a run directory.
func runFolders(t testing.TB, dir string) (out []string) {
	t.Helper()
	all, err := os.ReadDir(dir)
	if err != nil {
		t.Fatal(err)
	}
	for _, e := range all {
		if strings.HasPrefix(e.Name(), "run-") || strings.HasPrefix(e.Name(), ".run-") {
			out = append(out, e.Name())
		}
	}
	return out
}

// random returns a generator whose seed the test prints when it fails.
// YUNTA_TEST_SEED gives it back.
func random(t testing.TB) *rand.Rand {
	t.Helper()
	seed := uint64(time.Now().UnixNano())
	if s := os.Getenv("YUNTA_TEST_SEED"); s != "" {
		n, err := strconv.ParseUint(s, 10, 64)
		if err != nil {
			t.Fatalf("YUNTA_TEST_SEED: %v", err)
		}
		seed = n
	}
	t.Logf("YUNTA_TEST_SEED=%d", seed)
	return rand.New(rand.NewPCG(seed, 0))
}

// soon waits for f and fails if it takes longer than it may.
func soon(t testing.TB, what string, limit time.Duration, f func()) time.Duration {
	t.Helper()
	start := time.Now()
	done := make(chan struct{})
	go func() {
		defer close(done)
		f()
	}()
	select {
	case <-done:
	case <-time.After(patience):
		t.Fatalf("%s hangs", what)
	}
	took := time.Since(start)
	if limit *= slowness; took > limit {
		t.Errorf("%s took %v, may take %v", what, took, limit)
	}
	return took
}

// must stops a helper that cannot go on.
func must(err error) {
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(97)
	}
}

// helperContext bounds a helper's life, in case nobody kills it.
func helperContext() context.Context {
	ctx, cancel := context.WithTimeout(context.Background(), 2*patience)
	_ = cancel // the program ends before
	return ctx
}

// inheritable makes a descriptor that programs started from here inherit.
func inheritable(t testing.TB) (fd int) {
	t.Helper()
	fd, err := syscall.Dup(int(os.Stdin.Fd())) // without close-on-exec
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { syscall.Close(fd) })
	return fd
}
