package supervisor_test

import (
	"bufio"
	"context"
	"errors"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"yunta/supervisor"
)

const (
	manyProcesses = 200
	largeEcho     = 256 << 20
	largeResult   = 16 << 20
	largeResults  = 64
)

// processRows are the rows of starting, of large values and of memory.
func processRows(py *python) []*peerRow {
	near, _ := someCores()
	return []*peerRow{
		{
			name: "First", title: "first pool of a program, to its first result", goals: []goal{{overLimit, 1.3}},
			ours:   medianOfParts(5, "first"),
			python: py.asked("first", args{"n": 5}),
			limit:  seconds(reexec), limitIs: "bare re-exec of this binary",
			note: "the clock runs from before the pool is made, in a new process each; Python forks",
		},
		{
			name: "Another", title: "another pool, to its first result", goals: []goal{{overLimit, 1.3}},
			ours:   oursAnother,
			python: py.asked("another", args{"n": 5}),
			limit:  seconds(reexec), limitIs: "bare re-exec of this binary",
		},
		{
			name: "Start200", title: "200 Processes started and waited for", goals: []goal{{overLimit, 1.15}, {overPython, 1}},
			ours: seconds(oursProcesses), python: py.asked("start", args{"n": manyProcesses}),
			limit: seconds(bareStart), limitIs: "os/exec of this binary, all at once",
			note: "Python forks 200 Processes",
		},
		{
			name: "Pool200", title: "a pool of 200 processes made, closed and waited for", goals: []goal{{overLimit, 1.15}},
			ours: seconds(oursStart), python: py.asked("start", args{"n": manyProcesses}),
			limit: seconds(bareStart), limitIs: "os/exec of this binary, all at once",
			note: "Python forks 200 Processes",
			also: []peerAlso{
				{what: "200 tasks in a new process each, two at a time (MaxTasksPerChild: 1)", round: seconds(oursRecycled)},
			},
		},
		{
			name: "Echo", title: "256 MiB there and back", goals: []goal{{overPython, 6}},
			ours:   seconds(oursEcho),
			python: py.asked("echo", args{"n": 3, "size": largeEcho}),
			limit:  seconds(func(*testing.B) time.Duration { return 2 * copies(3, largeEcho) }), limitIs: "two copies in warm memory",
			also: []peerAlso{{
				what:  "through raw pipes of 1 MiB",
				round: seconds(func(b *testing.B) time.Duration { return pipeEcho(b, 3, largeEcho, near) }),
			}},
			note: "Python: send_bytes and recv_bytes of a Pipe",
		},
		{
			name: "Results", title: "results of 16 MiB, one after the other", goals: []goal{{overLimit, 2}},
			ours: oursResults, python: py.asked("results", args{"n": largeResults / 4, "size": largeResult}),
			limit: seconds(func(*testing.B) time.Duration { return copies(9, largeResult) }), limitIs: "a copy in warm memory",
		},
		{
			name: "IMap", title: "peak of memory after 10,000,000 tasks of an endless IMap", show: memory, goals: []goal{{overLimit, 1.5}},
			ours: medianOfParts(1, "imap", "10000000"), python: py.asked("imap_peak", args{"n": 300_000}),
			limit: medianOfParts(1, "imap", "1000000"), limitIs: "after 1,000,000",
			needs: onlyWith(peakMemory() > 0),
			note:  "of the parent alone; Python's after 300,000 tasks, in chunks of 100, since it reads all of its input at once",
		},
	}
}

func onlyWith(ok bool) func() error {
	return func() error {
		if ok {
			return nil
		}
		return errNotHere
	}
}

// medianOfParts is the median figure of several processes that play a part.
func medianOfParts(n int, part ...string) func(*testing.B) float64 {
	return func(b *testing.B) float64 {
		times := make([]float64, n)
		for i := range times {
			times[i] = played(b, part...)
		}
		return median(times)
	}
}

// poolAndResult is how long a new pool takes to its first result; then the pool is ended.
func poolAndResult(ctx context.Context) (time.Duration, error) {
	start := time.Now()
	p, err := supervisor.NewPool(ctx, supervisor.PoolOptions{Processes: 2})
	if err != nil {
		return 0, err
	}
	_, err = supervisor.Apply(ctx, p, square, 7)
	t := time.Since(start)
	p.Close()
	return t, errors.Join(err, p.Wait(ctx))
}

func oursAnother(b *testing.B) float64 {
	times := make([]float64, 5)
	for i := range times {
		t, err := poolAndResult(b.Context())
		if err != nil {
			b.Fatal(err)
		}
		times[i] = t.Seconds()
	}
	return median(times)
}

// reexec is the median time from starting this binary to its end when all it
// does is exit.
func reexec(b *testing.B) time.Duration {
	return medianOf(9, func() {
		if err := limitCmd("exit").Run(); err != nil {
			b.Fatal(err)
		}
	})
}

func oursStart(b *testing.B) time.Duration {
	start := time.Now()
	withPool(b, supervisor.PoolOptions{Processes: manyProcesses}, func(*supervisor.Pool) {})
	return time.Since(start)
}

func oursProcesses(b *testing.B) time.Duration {
	start := time.Now()
	all := make([]*supervisor.Process, manyProcesses)
	for i := range all {
		all[i] = supervisor.NewProcess(square, i, supervisor.ProcessOptions{})
		if err := all[i].Start(b.Context()); err != nil {
			b.Fatal(err)
		}
	}
	for _, p := range all {
		if err := p.Wait(b.Context()); err != nil {
			b.Fatal(err)
		}
	}
	return time.Since(start)
}

func oursRecycled(b *testing.B) time.Duration {
	start := time.Now()
	withPool(b, supervisor.PoolOptions{Processes: 2, MaxTasksPerChild: 1}, func(p *supervisor.Pool) {
		if _, err := supervisor.Map(b.Context(), p, square, ints(manyProcesses)); err != nil {
			b.Fatal(err)
		}
	})
	return time.Since(start)
}

func bareStart(b *testing.B) time.Duration {
	start := time.Now()
	var cmds []*exec.Cmd
	for range manyProcesses {
		cmd := limitCmd("exit")
		if err := cmd.Start(); err != nil {
			b.Fatal(err)
		}
		cmds = append(cmds, cmd)
	}
	for _, cmd := range cmds {
		if err := cmd.Wait(); err != nil {
			b.Fatal(err)
		}
	}
	return time.Since(start)
}

func oursEcho(b *testing.B) (t time.Duration) {
	withPool(b, supervisor.PoolOptions{Processes: 2}, func(p *supervisor.Pool) {
		data := make([]byte, largeEcho)
		once := func() {
			if got, err := supervisor.Apply(context.Background(), p, echo, data); len(got) != len(data) || err != nil {
				b.Fatal(len(got), err)
			}
		}
		for range 8 { // until both heaps have what they need
			once()
		}
		t = medianOf(3, once)
	})
	return t
}

func oursResults(b *testing.B) (t float64) {
	withPool(b, supervisor.PoolOptions{Processes: 2}, func(p *supervisor.Pool) {
		some := func(n int) {
			sizes := func(yield func(int) bool) {
				for range n {
					if !yield(largeResult) {
						return
					}
				}
			}
			for got, err := range supervisor.IMapUnordered(b.Context(), p, benchBlob, sizes) {
				if len(got) != largeResult || err != nil {
					b.Fatal(len(got), err)
				}
			}
		}
		some(16)
		start := time.Now()
		some(largeResults)
		t = time.Since(start).Seconds() / largeResults
	})
	return t
}

// commandRows are the rows of whole programs.
func commandRows(py *python) []*peerRow {
	c := &commands{}
	lab := func(name string) *peerRow {
		return &peerRow{
			name: "Lab" + strings.ToUpper(name[:1]) + name[1:], title: "yunta lab " + name + ", the whole process", goals: []goal{{overPython, 5}},
			ours:   func(b *testing.B) float64 { return c.run(b, 9, c.yunta(b), "lab", name) },
			python: py.asked("script", args{"n": 5, "path": filepath.Join("testdata", "labs", name+".py")}),
			limit:  func(b *testing.B) float64 { return c.run(b, 9, c.yunta(b), "version") }, limitIs: "yunta version",
		}
	}
	many := &peerRow{
		name: "CommandMap", title: "yunta map of true, 1000 times, two at a time", goals: []goal{{overLimit, 1 / 0.85}}, show: rate,
		ours:  func(b *testing.B) float64 { return c.map1000(b, c.yunta(b), "map", "-j", "2", "--", "true", "{}") },
		limit: c.spawnLoop, limitIs: "posix_spawn in C, two in flight",
		also: []peerAlso{
			{what: "xargs -P 2", round: func(b *testing.B) float64 { return c.map1000(b, "xargs", "-P", "2", "-n", "1", "true") }},
			{what: "GNU parallel -j 2", round: func(b *testing.B) float64 { return c.map1000(b, "parallel", "-j", "2", "true") }},
		},
	}
	one := &peerRow{
		name: "CommandMapOne", title: "yunta map of one true, the whole process", goals: []goal{{atMost, 6e-3}},
		ours:  func(b *testing.B) float64 { return c.run(b, 9, c.yunta(b), "map", "--", "true", ":::", "x") },
		limit: func(b *testing.B) float64 { return c.run(b, 9, c.yunta(b), "version") }, limitIs: "yunta version",
	}
	rows := []*peerRow{lab("sum"), lab("semaphore"), lab("lock"), many, one}
	idle := &peerRow{
		name: "Idle", title: "an idle worker's memory (PSS)", show: memory, goals: []goal{{atMost, 1 << 20}},
		ours: c.idleWorker, python: py.asked("idle", nil),
		limit: c.idleProcess, limitIs: "an idle process of the same program",
		note:  "in a program that has a pool and nothing else",
		needs: onlyWith(ownMemory("self") > 0),
	}
	for _, r := range rows {
		r.needs = func() error { return c.probe(r) }
	}
	return append(rows, idle)
}

// idle has a program of testdata/small show the memory of the processes
// that it names.
func (c *commands) idle(b *testing.B, args ...string) float64 {
	cmd := exec.Command(c.small(b), args...)
	cmd.Stderr = os.Stderr
	in, err1 := cmd.StdinPipe()
	out, err2 := cmd.StdoutPipe()
	if err := errors.Join(err1, err2, cmd.Start()); err != nil {
		b.Fatal(err)
	}
	line, err := bufio.NewReader(out).ReadString('\n')
	if err != nil {
		b.Fatal(err)
	}
	most := 0.0
	for pid := range strings.FieldsSeq(line) {
		most = max(most, ownMemory(pid))
	}
	in.Close()
	if err := cmd.Wait(); err != nil {
		b.Fatal(err)
	}
	return most
}

func (c *commands) idleWorker(b *testing.B) float64  { return c.idle(b) }
func (c *commands) idleProcess(b *testing.B) float64 { return c.idle(b, "idle") }
