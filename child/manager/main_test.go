package manager

import (
	"bufio"
	"context"
	"errors"
	"flag"
	"fmt"
	"io"
	"math/rand/v2"
	"os"
	"os/exec"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"

	"go.uber.org/goleak"
)

// parts are what the test binary can play as another process. It gets a proxy's text and arguments.
var parts = map[string]func(args []string) error{}

// part registers one beside the test that uses it.
func part(name string, f func(args []string) error) string {
	parts[name] = f
	return name
}

var partsPlayed sync.Map

const partEnv = "YUNTA_MANAGER_PART"

func TestMain(m *testing.M) {
	if name := os.Getenv(partEnv); name != "" {
		f := parts[name]
		if f == nil {
			fmt.Fprintln(os.Stderr, "no part", name)
			os.Exit(98)
		}
		if err := f(os.Args[1:]); err != nil {
			fmt.Fprintln(os.Stderr, err)
			os.Exit(97)
		}
		os.Exit(0)
	}
	base := "/dev/shm"
	if _, err := os.Stat(base); err != nil {
		base = "/tmp"
	}
	dir, err := os.MkdirTemp(base, "mgr")
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(2)
	}
	os.Setenv("YUNTA_DIR", dir)
	code := m.Run()
	left, _ := os.ReadDir(dir)
	for _, e := range left {
		if strings.HasPrefix(e.Name(), "run-") {
			fmt.Fprintln(os.Stderr, "left in the run directory:", e.Name())
			code = 1
		}
	}
	os.RemoveAll(dir)
	if err := goleak.Find(); err != nil {
		fmt.Fprintln(os.Stderr, err)
		code = 1
	}
	if code == 0 && flag.Lookup("test.run").Value.String() == "" && flag.Lookup("test.list").Value.String() == "" &&
		flag.Lookup("test.fuzz").Value.String() == "" {
		for name := range parts {
			if _, played := partsPlayed.Load(name); !played {
				fmt.Fprintln(os.Stderr, "no test plays", name)
				code = 1
			}
		}
	}
	os.Exit(code)
}

// patience bounds how long a test waits for what must happen.
const patience = 60 * time.Second

func testContext(t testing.TB) context.Context {
	t.Helper()
	ctx, cancel := context.WithTimeout(context.Background(), patience)
	t.Cleanup(cancel)
	return ctx
}

// testServer starts a server that is closed when the test ends.
func testServer(t testing.TB, o ServerOptions) *Server {
	t.Helper()
	s, err := NewServer(context.Background(), o)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := s.Close(); err != nil {
			t.Error(err)
		}
	})
	return s
}

// connect returns a new client of the server.
func connect(t testing.TB, s *Server) *Client {
	t.Helper()
	c, err := s.Connect(testContext(t))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { c.Close() })
	return c
}

// testClient returns a client of a server of its own.
func testClient(t testing.TB) (context.Context, *Client) {
	t.Helper()
	return testContext(t), connect(t, testServer(t, ServerOptions{}))
}

// must returns what cannot fail.
func must[T any](t testing.TB) func(v T, err error) T {
	return func(v T, err error) T {
		t.Helper()
		if err != nil {
			t.Fatal(err)
		}
		return v
	}
}

func check(t testing.TB, errs ...error) {
	t.Helper()
	if err := errors.Join(errs...); err != nil {
		t.Fatal(err)
	}
}

func wantIs(t testing.TB, err, want error) {
	t.Helper()
	if !errors.Is(err, want) {
		t.Errorf("error %v, want one that is %v", err, want)
	}
}

// played is another process that plays a part.
type played struct {
	*exec.Cmd
	t     testing.TB
	lines *bufio.Scanner
	in    io.WriteCloser
}

// play starts one. What it prints is read by say.
func play(t testing.TB, name string, args ...string) *played {
	t.Helper()
	partsPlayed.Store(name, true)
	cmd := exec.Command(os.Args[0], args...)
	cmd.Env = append(os.Environ(), partEnv+"="+name)
	cmd.Stderr = os.Stderr
	out, err := cmd.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	in, err := cmd.StdinPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	p := &played{cmd, t, bufio.NewScanner(out), in}
	t.Cleanup(p.kill)
	return p
}

// say waits for the next line.
func (p *played) say(want string) {
	p.t.Helper()
	if !p.lines.Scan() || p.lines.Text() != want {
		p.t.Fatalf("the other process says %q, want %q", p.lines.Text(), want)
	}
}

// kill kills the process, with SIGKILL, and waits for its end.
func (p *played) kill() {
	_ = p.Process.Kill()
	_ = p.Wait()
}

// end waits until the process has ended by itself.
func (p *played) end() {
	p.t.Helper()
	p.in.Close()
	if err := p.Wait(); err != nil {
		p.t.Errorf("the other process: %v", err)
	}
}

// text is what a proxy travels as.
func text(t testing.TB, p interface{ MarshalText() ([]byte, error) }) string {
	t.Helper()
	b, err := p.MarshalText()
	if err != nil {
		t.Fatal(err)
	}
	return string(b)
}

// arrived makes a proxy of its text in another process.
func arrived[P any, O interface {
	*P
	UnmarshalText([]byte) error
}](text string) O {
	o := O(new(P))
	if err := o.UnmarshalText([]byte(text)); err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(96)
	}
	return o
}

// blocked checks that a call waits, which shows on the server, and returns the channel of its error.
func blocked(t testing.TB, s *Server, f func() error) chan error {
	t.Helper()
	before := s.waitingRequests()
	done := make(chan error, 1)
	go func() { done <- f() }()
	waitFor(t, "a request that waits", func() bool { return s.waitingRequests() > before })
	return done
}

// waitingRequests is how many requests have goroutines of their own.
func (s *Server) waitingRequests() (n int) {
	s.mu.Lock()
	defer s.mu.Unlock()
	for c := range s.sessions {
		c.mu.Lock()
		n += len(c.waiting)
		c.mu.Unlock()
	}
	return n
}

func waitFor(t testing.TB, what string, cond func() bool) {
	t.Helper()
	for end := time.Now().Add(patience); time.Now().Before(end); time.Sleep(time.Millisecond) {
		if cond() {
			return
		}
	}
	t.Fatalf("waited %v for %s", patience, what)
}

func random(t testing.TB) *rand.Rand {
	t.Helper()
	seed := uint64(time.Now().UnixNano())
	if s := os.Getenv("YUNTA_TEST_SEED"); s != "" {
		n, err := strconv.ParseUint(s, 10, 64)
		if err != nil {
			t.Fatal(err)
		}
		seed = n
	}
	t.Logf("YUNTA_TEST_SEED=%d", seed)
	return rand.New(rand.NewPCG(seed, 0))
}
