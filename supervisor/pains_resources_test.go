package supervisor_test

import (
	"context"
	"fmt"
	"io"
	"os"
	"regexp"
	"runtime"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"yunta/child"
	"yunta/supervisor"
)

// chatterEnv makes the program print a lot before main begins, as the init
// function of some library might.
const chatterEnv = "YUNTA_TEST_CHATTER"

const chatterLine = "a line that a library prints when it is loaded"

func init() {
	if os.Getenv(chatterEnv) != "" {
		chatter(chatterLine, 1<<20)
	}
}

// chatter prints about size bytes of a line to standard output and error,
// in pieces that are no lines.
func chatter(line string, size int) {
	text := strings.Repeat(line+"\n", size/(len(line)+1))
	for i := 0; i < len(text); i += 777 {
		piece := text[i:min(i+777, len(text))]
		os.Stdout.WriteString(piece)
		os.Stderr.WriteString(piece)
	}
}

var chatters = child.Register("chatters", func(_ context.Context, line string) (string, error) {
	chatter(line, 1<<20)
	return line, nil
})

// IPC uses descriptors >= 3 only: a task (or an init function) that prints 1 MB
// to stdout and stderr changes nothing; lines are never split.
func TestPain21Output(t *testing.T) {
	t.Parallel()
	var stdout, stderr lineChecker
	p := newPool(t, supervisor.PoolOptions{Processes: 2, Stdout: &stdout, Stderr: &stderr, Env: []string{chatterEnv + "=1"}})
	args := []string{"first worker says this", "another says that", strings.Repeat("long ", 2000)}
	got, err := supervisor.Map(testContext(t), p.With(supervisor.CallOptions{ChunkSize: 1}), chatters, args)
	if err != nil || !slices.Equal(got, args) {
		t.Fatalf("got %.100q, %v", got, err)
	}
	if got, err := supervisor.Map(testContext(t), p, square, ints(1000)); err != nil || got[999] != 999*999 {
		t.Errorf("afterwards: %v", err)
	}
	p.Close()
	if err := p.Wait(testContext(t)); err != nil {
		t.Fatal(err)
	}
	for name, c := range map[string]*lineChecker{"stdout": &stdout, "stderr": &stderr} {
		c.mu.Lock()
		if c.split != "" {
			t.Errorf("%s: written in pieces: %.200q", name, c.split)
		}
		for _, line := range args {
			if want := 1 << 20 / (len(line) + 1); c.lines[line] != want {
				t.Errorf("%s: %d lines %.30q, want %d", name, c.lines[line], line, want)
			}
		}
		if want := 2 * (1 << 20 / (len(chatterLine) + 1)); c.lines[chatterLine] != want {
			t.Errorf("%s: %d lines of the init function, want %d", name, c.lines[chatterLine], want)
		}
		if len(c.lines) != len(args)+1 {
			t.Errorf("%s: %d different lines, want %d: some are split", name, len(c.lines), len(args)+1)
		}
		c.mu.Unlock()
	}
}

// lineChecker is a writer that expects whole lines.
type lineChecker struct {
	mu    sync.Mutex
	lines map[string]int
	split string
}

func (c *lineChecker) Write(b []byte) (int, error) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.lines == nil {
		c.lines = make(map[string]int)
	}
	if len(b) == 0 || b[len(b)-1] != '\n' {
		c.split = string(b)
	}
	for line := range strings.Lines(string(b)) {
		c.lines[strings.TrimSuffix(line, "\n")]++
	}
	return len(b), nil
}

// Open descriptors and goroutines after 200 pool open/close cycles equal the
// count after 10. Nothing runs beside this test.
func TestPain22CyclesLeakNothing(t *testing.T) {
	cycles := 200
	if testing.Short() || raceEnabled {
		cycles = 50
	}
	for _, m := range []supervisor.Model{supervisor.Processes, supervisor.Goroutines} {
		t.Run(m.String(), func(t *testing.T) {
			cycle := func(i int) {
				p, err := supervisor.NewPool(context.Background(), supervisor.PoolOptions{Model: m, Processes: 2, Stdout: io.Discard, Grace: 10 * time.Second})
				if err != nil {
					t.Fatal(err)
				}
				if got, err := supervisor.Apply(testContext(t), p, square, 5); err != nil || got != 25 {
					t.Errorf("got %v, %v", got, err)
				}
				switch i % 4 {
				case 0, 1:
					p.Close()
				case 2:
					p.Terminate()
				case 3:
					if m == supervisor.Processes {
						supervisor.Apply(testContext(t), p, exit, 1)
					}
					p.Close()
				}
				if err := p.Wait(testContext(t)); err != nil {
					t.Fatal(err)
				}
			}
			settled := func() (fds map[int]string, goroutines int) {
				fds, goroutines = openFiles(), runtime.NumGoroutine()
				for range 20 {
					time.Sleep(5 * time.Millisecond)
					runtime.GC()
					if f, g := openFiles(), runtime.NumGoroutine(); len(f) <= len(fds) && g <= goroutines {
						fds, goroutines = f, g
					}
				}
				return fds, goroutines
			}
			for i := range 10 {
				cycle(i)
			}
			fds, goroutines := settled()
			for i := range cycles - 10 {
				cycle(i)
			}
			waitFor(t, "the goroutines to end", func() bool { return runtime.NumGoroutine() <= goroutines })
			if now := openFiles(); len(now) > len(fds) {
				t.Errorf("descriptors %v, were %v", now, fds)
			}
		})
	}
	if left := childrenOf(os.Getpid()); len(left) > 0 {
		t.Errorf("processes left: %v", left)
	}
}

var descriptors = child.Register("descriptors", func(context.Context, int) (map[int]string, error) { return openFiles(), nil })

// A child has only its own pipes open: standard streams, what package wire
// lists, its files in the run directory, and what the Go runtime opens for
// itself; nothing of another worker, and nothing that its parent was started with.
func TestPain22ChildDescriptors(t *testing.T) {
	t.Parallel()
	stray := inheritable(t)
	p := newPool(t, supervisor.PoolOptions{Processes: 3, Stdout: io.Discard})
	waitFor(t, "all workers", func() bool { return idle(p) == 3 })
	seen := make(map[string]int)
	for range 60 {
		fds, err := supervisor.Apply(testContext(t), p, descriptors, 0)
		if err != nil {
			t.Fatal(err)
		}
		var pipes []int
		for fd, what := range fds {
			if fd <= 6 && strings.HasPrefix(what, "pipe:") {
				pipes = append(pipes, fd)
			}
			if fd > 6 && !strings.HasPrefix(what, os.Getenv("YUNTA_DIR")+"/") && !runtimesOwn.MatchString(what) {
				t.Fatalf("descriptor %d is %s; %d was inheritable here", fd, what, stray)
			}
		}
		slices.Sort(pipes)
		if hasLinks && !slices.Equal(pipes, []int{1, 2, 3, 4, 5}) {
			t.Fatalf("descriptors %v", fds)
		}
		seen[fds[3]]++
	}
	if t.Failed() {
		return
	}
	if hasLinks && len(seen) > 3 {
		t.Errorf("three workers have %d tasks pipes", len(seen))
	}
}

// runtimesOwn matches what the Go runtime opens by itself.
var runtimesOwn = regexp.MustCompile(`^(anon_inode:.*|/sys/fs/cgroup/.*|)$`)

var cpuCount = helper("cpuCount", func([]string) int {
	p, err := supervisor.NewPool(context.Background(), supervisor.PoolOptions{})
	must(err)
	defer p.Wait(helperContext())
	defer p.Close()
	q, err := supervisor.NewPool(context.Background(), supervisor.PoolOptions{Model: supervisor.Goroutines})
	must(err)
	defer q.Close()
	_, err = supervisor.Map(helperContext(), p, square, ints(100))
	must(err)
	fmt.Println("count", supervisor.CPUCount(), len(p.Workers()), len(q.Workers()))
	return 0
})
