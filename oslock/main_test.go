package oslock

import (
	"bufio"
	"errors"
	"flag"
	"fmt"
	"io"
	"math/rand/v2"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
	"syscall"
	"testing"
	"time"

	"go.uber.org/goleak"
)

const (
	helperVariable = "YUNTA_OSLOCK_HELPER"
	// hangTime is how long a test waits for what must happen, before it says that it hangs.
	hangTime = 30 * time.Second
)

// helper is a function that the test binary runs as a process of its own. Register it in a
// package variable beside the test that starts it; one that a full run never starts fails the run.
type helper struct {
	name string
	run  func(h *helperIO, args []string) error
	used atomic.Bool
	// bench: only benchmarks start it.
	bench bool
}

var helpers = map[string]*helper{}

func newHelper(name string, run func(h *helperIO, args []string) error) *helper {
	if helpers[name] != nil {
		panic("two helpers are named " + name)
	}
	helpers[name] = &helper{name: name, run: run}
	return helpers[name]
}

// forBenchmarks marks a helper that no test starts.
func (hp *helper) forBenchmarks() *helper {
	hp.bench = true
	return hp
}

// helperIO is a helper's line to the test: lines in, lines out.
type helperIO struct{ in *bufio.Reader }

// say sends one line to the test.
func (*helperIO) say(format string, args ...any) { fmt.Printf(format+"\n", args...) }

// hear waits for the next line of the test; an error means the test is gone.
func (h *helperIO) hear() (string, error) {
	line, err := h.in.ReadString('\n')
	return strings.TrimSuffix(line, "\n"), err
}

// exitWithTest ends this helper when the test is gone, or has heard enough.
func exitWithTest(h *helperIO) {
	h.hear()
	os.Exit(0)
}

// process is a started helper.
type process struct {
	t    testing.TB
	cmd  *exec.Cmd
	in   io.WriteCloser
	out  *bufio.Reader
	once sync.Once
	err  error
}

// start runs the helper as a child process. The child is killed when the test ends; it ends by
// itself when it reads on after the test binary has died. env is added to the environment.
func (hp *helper) start(t testing.TB, env []string, args ...string) *process {
	t.Helper()
	exe, err := os.Executable()
	if err != nil {
		t.Fatal(err)
	}
	p := hp.prepare(t, exe, env, args...)
	p.begin()
	return p
}

// prepare is start before the process begins.
func (hp *helper) prepare(t testing.TB, exe string, env []string, args ...string) *process {
	t.Helper()
	hp.used.Store(true)
	p := &process{t: t, cmd: exec.Command(exe, args...)}
	p.cmd.Env = append(append(os.Environ(), helperVariable+"="+hp.name), env...)
	p.cmd.Stderr = os.Stderr
	in, err := p.cmd.StdinPipe()
	if err != nil {
		t.Fatal(err)
	}
	out, err := p.cmd.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	p.in, p.out = in, bufio.NewReader(out)
	return p
}

func (p *process) begin() {
	p.t.Helper()
	if err := p.cmd.Start(); err != nil {
		p.t.Fatal(err)
	}
	p.t.Cleanup(p.kill)
}

// send writes one line to the helper.
func (p *process) send(line string) {
	p.t.Helper()
	if _, err := io.WriteString(p.in, line+"\n"); err != nil {
		p.t.Errorf("to helper %d: %v", p.cmd.Process.Pid, err)
	}
}

// line returns the next line of the helper, or fails the test.
func (p *process) line() string {
	p.t.Helper()
	type answer struct {
		line string
		err  error
	}
	got := make(chan answer, 1)
	go func() {
		line, err := p.out.ReadString('\n')
		got <- answer{strings.TrimSuffix(line, "\n"), err}
	}()
	select {
	case a := <-got:
		if a.err != nil {
			p.t.Fatalf("helper %d: %v after %q", p.cmd.Process.Pid, a.err, a.line)
		}
		return a.line
	case <-time.After(hangTime):
		p.kill()
		<-got
		p.t.Fatalf("helper %d says nothing", p.cmd.Process.Pid)
		return ""
	}
}

// expect fails the test unless the helper's next line is want.
func (p *process) expect(want string) {
	p.t.Helper()
	if got := p.line(); got != want {
		p.t.Fatalf("helper %d says %q, want %q", p.cmd.Process.Pid, got, want)
	}
}

// wait says no more to the helper, waits until it has ended by itself, and returns its error.
func (p *process) wait() error {
	p.in.Close()
	return p.death()
}

// death waits until the helper has ended, and returns its error.
func (p *process) death() error {
	p.once.Do(func() {
		timer := time.AfterFunc(hangTime, func() { p.cmd.Process.Kill() })
		io.Copy(io.Discard, p.out)
		p.err = p.cmd.Wait()
		timer.Stop()
	})
	return p.err
}

// kill ends the helper with SIGKILL and reaps it.
func (p *process) kill() {
	p.cmd.Process.Kill()
	p.wait()
}

// diedBy reports whether err says that a process was ended by signal s.
func diedBy(err error, s syscall.Signal) bool {
	var exit *exec.ExitError
	if !errors.As(err, &exit) {
		return false
	}
	status, ok := exit.Sys().(syscall.WaitStatus)
	return ok && status.Signaled() && status.Signal() == s
}

// seed returns a random generator that YUNTA_TEST_SEED makes repeatable.
func seed(t testing.TB) *rand.Rand {
	t.Helper()
	n := uint64(time.Now().UnixNano())
	if text := os.Getenv("YUNTA_TEST_SEED"); text != "" {
		given, err := strconv.ParseUint(text, 10, 64)
		if err != nil {
			t.Fatalf("YUNTA_TEST_SEED: %v", err)
		}
		n = given
	}
	t.Logf("YUNTA_TEST_SEED=%d", n)
	return rand.New(rand.NewPCG(n, n))
}

// eventually fails the test unless ok becomes true.
func eventually(t testing.TB, what string, ok func() bool) {
	t.Helper()
	for end := time.Now().Add(hangTime); !ok(); time.Sleep(time.Millisecond) {
		if time.Now().After(end) {
			t.Fatalf("not in %v: %s", hangTime, what)
		}
	}
}

func TestMain(m *testing.M) { os.Exit(testMain(m)) }

func testMain(m *testing.M) int {
	if name := os.Getenv(helperVariable); name != "" {
		hp := helpers[name]
		if hp == nil {
			fmt.Fprintln(os.Stderr, "no helper is named", name)
			return 2
		}
		if err := hp.run(&helperIO{bufio.NewReader(os.Stdin)}, os.Args[1:]); err != nil {
			fmt.Fprintf(os.Stderr, "helper %s: %v\n", name, err)
			return 1
		}
		return 0
	}
	flag.Parse()
	place := "/dev/shm"
	if info, err := os.Stat(place); err != nil || !info.IsDir() {
		place = ""
	}
	dir, err := os.MkdirTemp(place, "yt")
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		return 2
	}
	defer os.RemoveAll(dir)
	os.Setenv("YUNTA_DIR", filepath.Join(dir, "r"))
	before := openFiles()
	code := m.Run()
	if code == 0 {
		code = leaks(before)
	}
	return code
}

// leaks looks for what the tests left behind, prints it, and returns the exit code.
func leaks(before map[string]int) (code int) {
	complain := func(format string, args ...any) {
		fmt.Fprintf(os.Stderr, "leak: "+format+"\n", args...)
		code = 1
	}
	if err := goleak.Find(); err != nil {
		complain("%v", err)
	}
	runtime.GC()
	for name, n := range openFiles() {
		if n > before[name] {
			complain("%d open descriptors of %s, before the tests %d", n, name, before[name])
		}
	}
	if pid, err := syscall.Wait4(-1, nil, syscall.WNOHANG, nil); err == nil {
		complain("child %d was not waited for", pid)
	}
	if flag.Lookup("test.run").Value.String() == "" && !testing.Short() && flag.Lookup("test.skip").Value.String() == "" {
		for name, hp := range helpers {
			if !hp.used.Load() && !hp.bench {
				complain("no test started helper %s", name)
			}
		}
	}
	return code
}

// openFiles counts this process's descriptors by what they are open on, where the system tells. What the
// Go runtime and the process's membership keep for life is left out.
func openFiles() map[string]int {
	found := map[string]int{}
	entries, err := os.ReadDir("/proc/self/fd")
	if err != nil {
		return found
	}
	for _, e := range entries {
		name, err := os.Readlink("/proc/self/fd/" + e.Name())
		if err != nil || strings.HasPrefix(name, "anon_inode:") || strings.HasSuffix(name, "/fd") ||
			strings.Contains(name, "/members") {
			continue
		}
		if i := strings.IndexByte(name, '['); i > 0 {
			name = name[:i] // pipe:[123]
		}
		found[name]++
	}
	return found
}
