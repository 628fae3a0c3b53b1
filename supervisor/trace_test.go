package supervisor_test

import (
	"bytes"
	"cmp"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"math"
	"math/rand/v2"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"syscall"
	"testing"
	"time"

	"yunta/child"
	"yunta/child/affinity"
	"yunta/oslock"
	"yunta/supervisor"
)

// traceEvent is one event of a trace, as any reader of the format would have it.
type traceEvent struct {
	Phase string         `json:"ph"`
	Name  string         `json:"name"`
	PID   int            `json:"pid"`
	TID   int            `json:"tid"`
	TS    *float64       `json:"ts"`
	Dur   *float64       `json:"dur"`
	Cat   string         `json:"cat"`
	ID    int            `json:"id"`
	Args  map[string]any `json:"args"`
}

func (e traceEvent) number(key string) int {
	n, _ := e.Args[key].(float64)
	return int(n)
}

func nanoseconds(us float64) int64 { return int64(math.Round(us * 1000)) }

// readTrace reads a trace; one that was cut off, be it in the middle of an event,
// loses that one and gets the bracket it lacks.
func readTrace(t testing.TB, data []byte) (events []traceEvent, whole bool) {
	t.Helper()
	data = bytes.TrimSpace(data)
	if whole = bytes.HasSuffix(data, []byte("\n]")); !whole {
		if bytes.Count(data, []byte("{")) != bytes.Count(data, []byte("}")) {
			data = data[:bytes.LastIndexByte(data, '\n')]
		}
		data = append(bytes.TrimSuffix(bytes.TrimSpace(data), []byte(",")), ']')
	}
	if err := json.Unmarshal(data, &events); err != nil {
		t.Fatalf("no JSON: %v in ...%s", err, data[max(0, len(data)-300):])
	}
	return events, whole
}

// traceSums are what a trace counts.
type traceSums struct {
	tasks, failed, lost, retries, deaths, starts, arrows, jobs, onCores, curves int
}

type laneKey struct{ pid, tid int }

// checkTrace checks what holds of every trace, and sums it up.
func checkTrace(t testing.TB, data []byte, ended bool) (sums traceSums, events []traceEvent) {
	t.Helper()
	events, whole := readTrace(t, data)
	if whole != ended {
		t.Errorf("the array ends: %v, want %v", whole, ended)
	}
	type span struct{ from, to int64 }
	lanes := map[laneKey][]span{}
	names := map[laneKey]string{}
	open := map[int]bool{}
	starts := map[int]traceEvent{}
	onCores := 0
	for _, e := range events {
		lane := laneKey{e.PID, e.TID}
		if (e.TS == nil) != (e.Phase == "M") {
			t.Fatalf("metadata alone has no time: %+v", e)
		}
		switch e.Phase {
		case "M":
			if e.Name == "thread_name" {
				names[lane] = e.Args["name"].(string)
			}
		case "X":
			s := span{nanoseconds(*e.TS), nanoseconds(*e.TS) + nanoseconds(*e.Dur)}
			if l := lanes[lane]; len(l) > 0 && s.from < l[len(l)-1].to {
				t.Errorf("%s: %s from %d overlaps with the one before, to %d", names[lane], e.Name, s.from, l[len(l)-1].to)
			}
			if s.from < 0 || s.to < s.from {
				t.Errorf("%s: %s from %d to %d", names[lane], e.Name, s.from, s.to)
			}
			lanes[lane] = append(lanes[lane], s)
			if e.Cat == "task" {
				sums.tasks += e.number("tasks")
				sums.failed += e.number("failed")
				if e.number("tasks") < 1 || e.number("failed") > e.number("tasks") {
					t.Errorf("%+v", e)
				}
				if _, lost := e.Args["lost"]; lost {
					sums.lost++
				}
				if _, known := e.Args["cpu"]; known {
					onCores++
				}
			}
			if strings.HasPrefix(names[lane], "core ") {
				onCores--
				sums.onCores++
			}
		case "b":
			if sums.jobs++; open[e.ID] {
				t.Errorf("job %d begins twice", e.ID)
			}
			open[e.ID] = true
		case "e":
			if !open[e.ID] {
				t.Errorf("job %d ends and had not begun", e.ID)
			}
			delete(open, e.ID)
		case "s":
			starts[e.ID] = e
		case "f":
			from, ok := starts[e.ID]
			delete(starts, e.ID)
			if !ok || nanoseconds(*from.TS) > nanoseconds(*e.TS) {
				t.Errorf("an arrow from %+v to %+v", from, e)
				continue
			}
			sums.arrows++
			within := func(k laneKey, at int64) bool {
				i, _ := slices.BinarySearchFunc(lanes[k], at, func(s span, at int64) int { return cmp.Compare(s.to, at) })
				return i < len(lanes[k]) && lanes[k][i].from <= at
			}
			if !within(lane, nanoseconds(*e.TS)) {
				t.Errorf("an arrow ends at %v in %s, where there is no slice", *e.TS, names[lane])
			}
		case "C":
			sums.curves++
			if e.number("n") < 0 {
				t.Errorf("%+v", e)
			}
		case "i":
			switch {
			case strings.HasPrefix(e.Name, "retry "):
				sums.retries++
			case strings.HasPrefix(e.Name, "died: "):
				sums.deaths++
			case e.Name == "started":
				sums.starts++
			}
		default:
			t.Errorf("event %+v", e)
		}
	}
	if len(starts) > 0 {
		t.Errorf("%d arrows that end nowhere", len(starts))
	}
	if ended && len(open) > 0 {
		t.Errorf("%d jobs never end", len(open))
	}
	if onCores != 0 {
		t.Errorf("the lanes of cores and of workers differ by %d slices", onCores)
	}
	for lane := range lanes {
		if names[lane] == "" {
			t.Errorf("lane %v has no name", lane)
		}
	}
	return sums, events
}

// tracedPool runs f with a pool that is traced, and returns the trace with the
// pool's own counts.
func tracedPool(t testing.TB, o supervisor.PoolOptions, f func(ctx context.Context, p *supervisor.Pool)) ([]byte, supervisor.Stats) {
	t.Helper()
	var out bytes.Buffer
	o.Trace = &out
	p, err := supervisor.NewPool(context.Background(), o)
	if err != nil {
		t.Fatal(err)
	}
	ctx := testContext(t)
	f(ctx, p)
	p.Close()
	if err := p.Wait(ctx); err != nil {
		t.Fatal(err)
	}
	return out.Bytes(), p.Stats()
}

func TestTraceCountsAsThePoolDoes(t *testing.T) {
	models(t, func(t *testing.T, o supervisor.PoolOptions) {
		o.Name = `a "name"` + "\n\xff"
		data, stats := tracedPool(t, o, func(ctx context.Context, p *supervisor.Pool) {
			if _, err := supervisor.Map(ctx, p, square, ints(20_000)); err != nil {
				t.Error(err)
			}
			if _, err := supervisor.Map(ctx, p.With(supervisor.CallOptions{Retries: 2}), fails, ints(40)); err == nil {
				t.Error("nothing failed")
			}
			for i := range 50 {
				if _, err := supervisor.Apply(ctx, p, square, i); err != nil {
					t.Error(err)
				}
			}
			if _, err := supervisor.Map(ctx, p.With(supervisor.CallOptions{ChunkSize: 3}), sleep, []time.Duration{1e6, 1e6, 1e6, 0, 0}); err != nil {
				t.Error(err)
			}
			if _, err := supervisor.Apply(ctx, p, echo, make([]byte, 1<<20)); err != nil {
				t.Error(err)
			}
			n := 0
			for _, err := range supervisor.IMapUnordered(ctx, p, square, slices.Values(ints(300))) {
				if n++; err != nil {
					t.Error(err)
				}
			}
			if _, err := supervisor.Apply(ctx, p, panics, "x"); err == nil {
				t.Error("no panic")
			}
		})
		sums, events := checkTrace(t, data, true)
		if sums.tasks != int(stats.Tasks) || sums.failed != int(stats.Failed) || sums.retries != int(stats.Retried) {
			t.Errorf("the trace has %+v, the pool %+v", sums, stats)
		}
		if affinity.CurrentCPU() >= 0 && sums.onCores == 0 {
			t.Error("nothing in the lanes of cores")
		}
		if sums.jobs != 4 || sums.arrows == 0 || sums.curves == 0 {
			t.Errorf("%+v: want four jobs of several tasks, arrows and curves", sums)
		}
		last := events[len(events)-1]
		if last.Name != "yunta end" || last.number("tasks") != int(stats.Tasks) || last.number("dropped_events") != 0 || last.number("dropped_tasks") != 0 {
			t.Errorf("the end %+v", last)
		}
		// Short tasks travel together in the file, too.
		if slices := bytes.Count(data, []byte(`"cat":"task"`)); slices > int(stats.Tasks)/2 && !raceEnabled {
			t.Errorf("%d slices for %d tasks", slices, stats.Tasks)
		}
	})
}

// A worker that dies leaves a slice that says so, and the marks of its end and of
// its successor's beginning.
func TestTraceOfDeaths(t *testing.T) {
	o := supervisor.PoolOptions{Processes: 2, Retries: 1}
	data, stats := tracedPool(t, o, func(ctx context.Context, p *supervisor.Pool) {
		for i := range 3 {
			if _, err := supervisor.Apply(ctx, p, exit, i+1); !errors.Is(err, supervisor.ErrWorkerDied) {
				t.Errorf("error %v", err)
			}
		}
		args := []int{0, 1, 2, 3, 4, 5, 6, 7}
		if _, err := supervisor.Map(ctx, p.With(supervisor.CallOptions{ChunkSize: 4}), dieOnFive, args); err == nil {
			t.Error("nobody died")
		}
	})
	sums, events := checkTrace(t, data, true)
	if sums.tasks != int(stats.Tasks) || sums.failed != int(stats.Failed) || sums.retries != int(stats.Retried) {
		t.Errorf("the trace has %+v, the pool %+v", sums, stats)
	}
	if sums.lost != 8 || sums.deaths != int(stats.Died) || sums.starts != 2+int(stats.Restarts) {
		t.Errorf("the trace has %+v, the pool %+v, want 8 tasks lost", sums, stats)
	}
	if !slices.ContainsFunc(events, func(e traceEvent) bool { return e.Name == "died: exit status 2" }) {
		t.Error("no death by exit status 2 is told")
	}
}

// Whenever workers are killed, each attempt at a task is in the trace once, and the
// one that was lost is told as such.
func TestTraceOfKilledWorkers(t *testing.T) {
	for _, chunk := range []int{0, 1, 7} {
		data, stats := tracedPool(t, supervisor.PoolOptions{Processes: 2, Retries: 50}, func(ctx context.Context, p *supervisor.Pool) {
			done := make(chan struct{})
			go func() {
				defer close(done)
				if _, err := supervisor.Map(ctx, p.With(supervisor.CallOptions{ChunkSize: chunk}), pauses, make([]int, 8000)); err != nil {
					t.Error(err)
				}
			}()
			for killed := 0; killed < 15; {
				select {
				case <-done:
					return
				case <-time.After(time.Duration(rand.IntN(4000)) * time.Microsecond):
				}
				for _, w := range p.Workers() {
					if w.State == "running" {
						_ = syscall.Kill(w.PID, syscall.SIGKILL)
						killed++
						break
					}
				}
			}
			<-done
		})
		sums, _ := checkTrace(t, data, true)
		if sums.tasks != int(stats.Tasks) || sums.failed != int(stats.Failed) || sums.retries != int(stats.Retried) || sums.deaths != int(stats.Died) {
			t.Errorf("chunks of %d: the trace has %+v, the pool %+v", chunk, sums, stats)
		}
		if stats.Died == 0 {
			t.Error("nobody was killed")
		}
	}
}

var dieOnFive = child.Register("dieOnFive", func(_ context.Context, n int) (int, error) {
	if n == 5 {
		os.Exit(9)
	}
	return n, nil
})

// Tasks that time out, in both models.
func TestTraceOfTimeouts(t *testing.T) {
	models(t, func(t *testing.T, o supervisor.PoolOptions) {
		o.TaskTimeout, o.Grace = 20*time.Millisecond, 20*time.Millisecond
		var out bytes.Buffer
		o.Trace = &out
		p := newPool(t, o)
		ctx := testContext(t)
		if _, err := supervisor.Apply(ctx, p, dawdles, 500*time.Millisecond); !errors.Is(err, supervisor.ErrTaskTimeout) {
			t.Errorf("error %v", err)
		}
		if _, err := supervisor.Map(ctx, p, square, ints(100)); err != nil {
			t.Error(err)
		}
		p.Close()
		if err := p.Wait(ctx); err != nil {
			t.Fatal(err)
		}
		sums, _ := checkTrace(t, out.Bytes(), true)
		if stats := p.Stats(); sums.tasks != int(stats.Tasks) || sums.failed != int(stats.Failed) || sums.lost != 1 {
			t.Errorf("the trace has %+v, the pool %+v", sums, stats)
		}
	})
}

// dawdles does not care for its context.
var dawdles = child.Register("dawdles", func(_ context.Context, d time.Duration) (int, error) {
	time.Sleep(d)
	return 0, nil
})

var locksFor = child.Register("locksFor", func(ctx context.Context, path string) (int, error) {
	l, err := oslock.OpenLock(path, oslock.LockOptions{})
	if err != nil {
		return 0, err
	}
	defer l.Close()
	signPID(path + ".come")
	if err := l.Lock(ctx); err != nil {
		return 0, err
	}
	for len(signed(path+".come")) < 2 && ctx.Err() == nil {
		time.Sleep(time.Millisecond)
	}
	time.Sleep(20 * time.Millisecond) // a wait is told of when it has lasted 1 ms
	return 0, l.Unlock()
})

// Waits for locks and pauses of the garbage collector have lanes of their own.
func TestTraceOfWaitsAndCollections(t *testing.T) {
	path := filepath.Join(t.TempDir(), "the.lock")
	data, _ := tracedPool(t, supervisor.PoolOptions{Processes: 2}, func(ctx context.Context, p *supervisor.Pool) {
		if _, err := supervisor.Map(ctx, p.With(supervisor.CallOptions{ChunkSize: 1}), locksFor, []string{path, path, path, path}); err != nil {
			t.Error(err)
		}
		if _, err := supervisor.Map(ctx, p, collects, ints(40)); err != nil {
			t.Error(err)
		}
	})
	_, events := checkTrace(t, data, true)
	waits, pauses := 0, 0
	for _, e := range events {
		switch {
		case e.Name == "wait for the.lock":
			waits++
		case e.Name == "GC pause" && e.TID > 10:
			pauses++
		}
	}
	if waits == 0 || pauses == 0 {
		t.Errorf("%d waits and %d pauses of workers", waits, pauses)
	}
}

var collects = child.Register("collects", func(context.Context, int) (int, error) {
	for range 20 {
		garbage = make([]byte, 1<<20)
	}
	time.Sleep(time.Millisecond)
	return 0, nil
})

var garbage []byte

// A writer that fails harms nobody.
func TestTraceThatCannotBeWritten(t *testing.T) {
	w := &brokenWriter{}
	p := newPool(t, supervisor.PoolOptions{Processes: 1, Trace: w})
	if _, err := supervisor.Map(testContext(t), p, square, ints(1000)); err != nil {
		t.Error(err)
	}
}

type brokenWriter struct{ n int }

func (b *brokenWriter) Write([]byte) (int, error) {
	b.n++
	return 0, errors.New("disk full")
}

// A writer that blocks holds nobody up before the pool's end, and what found no
// room is counted.
func TestTraceThatIsTooSlow(t *testing.T) {
	w := &dammedWriter{open: make(chan struct{})}
	p := newPool(t, supervisor.PoolOptions{Processes: 2, Trace: w})
	ctx := testContext(t)
	const n = 60_000 // of at least 200 bytes each
	if _, err := supervisor.Map(ctx, p.With(supervisor.CallOptions{ChunkSize: 1}), pauses, make([]int, n)); err != nil {
		t.Error(err)
	}
	close(w.open)
	p.Close()
	if err := p.Wait(ctx); err != nil {
		t.Fatal(err)
	}
	sums, events := checkTrace(t, w.Bytes(), true)
	end := events[len(events)-1]
	if dropped := end.number("dropped_tasks"); dropped == 0 || dropped+sums.tasks != n || end.number("dropped_events") == 0 {
		t.Errorf("%d tasks told, %d dropped, %d events", sums.tasks, dropped, end.number("dropped_events"))
	}
	if len(w.Bytes()) > 32<<20 {
		t.Errorf("%d bytes had been kept", len(w.Bytes()))
	}
}

type dammedWriter struct {
	bytes.Buffer
	open chan struct{}
}

func (b *dammedWriter) Write(p []byte) (int, error) {
	<-b.open
	return b.Buffer.Write(p)
}

// pauses is a little longer than what is told together.
var pauses = child.Register("pauses", func(context.Context, int) (int, error) {
	for end := time.Now().Add(21 * time.Microsecond); time.Now().Before(end); {
	}
	return 0, nil
})

// A pool that does not come up ends its trace all the same.
func TestTraceOfAFailedStart(t *testing.T) {
	for _, o := range []supervisor.PoolOptions{
		{Processes: 1, Initializer: fails.Bind(1)},
		{Processes: 1, Model: supervisor.Goroutines, Initializer: fails.Bind(1)},
		{Processes: 1, Model: supervisor.Goroutines, MemoryLimit: 1 << 30},
	} {
		var out bytes.Buffer
		o.Trace = &out
		if _, err := supervisor.NewPool(testContext(t), o); err == nil {
			t.Fatal("it came up")
		}
		checkTrace(t, out.Bytes(), true)
	}
}

var tracesForEver = helper("traces", func(args []string) int {
	f, err := os.Create(args[0])
	if err != nil {
		return 1
	}
	p, err := supervisor.NewPool(context.Background(), supervisor.PoolOptions{Processes: 2, Trace: f})
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		return 1
	}
	fmt.Println("running")
	for {
		if _, err := supervisor.Map(context.Background(), p, square, ints(5000)); err != nil {
			return 1
		}
	}
})

// The trace of a run that was killed can be read, up to its last moments.
func TestTraceOfAKilledRun(t *testing.T) {
	for range 3 {
		file := filepath.Join(t.TempDir(), "trace.json")
		p := command(t, tracesForEver, file).start()
		waitFor(t, "something in the trace", func() bool {
			data, err := os.ReadFile(file)
			return err == nil && bytes.Count(data, []byte(`"cat":"task"`)) > 100
		})
		p.kill()
		<-p.exited
		data, err := os.ReadFile(file)
		if err != nil {
			t.Fatal(err)
		}
		if sums, _ := checkTrace(t, data, false); sums.tasks < 100 {
			t.Errorf("only %d tasks", sums.tasks)
		}
	}
}

// BenchmarkTrace says what a trace costs: on is with, off without.
func BenchmarkTrace(b *testing.B) {
	for _, row := range []struct {
		name string
		run  func(ctx context.Context, p *supervisor.Pool, n int) error
	}{
		{"Map/short", func(ctx context.Context, p *supervisor.Pool, n int) error {
			_, err := supervisor.Map(ctx, p, square, ints(n))
			return err
		}},
		{"Map/50us", func(ctx context.Context, p *supervisor.Pool, n int) error {
			_, err := supervisor.Map(ctx, p, works, ints(n))
			return err
		}},
		{"Apply", func(ctx context.Context, p *supervisor.Pool, n int) error {
			for i := range n {
				if _, err := supervisor.Apply(ctx, p, square, i); err != nil {
					return err
				}
			}
			return nil
		}},
	} {
		for _, on := range []bool{false, true} {
			name := row.name + "/off"
			if on {
				name = row.name + "/on"
			}
			b.Run(name, func(b *testing.B) {
				var w countingWriter
				o := supervisor.PoolOptions{Processes: 1}
				if on {
					o.Trace = &w
				}
				p := newPool(b, o)
				b.ResetTimer()
				if err := row.run(context.Background(), p, b.N); err != nil {
					b.Fatal(err)
				}
				b.StopTimer()
				p.Close()
				_ = p.Wait(context.Background())
				if on {
					b.ReportMetric(float64(w)/float64(b.N), "trace-B/task")
				}
			})
		}
	}
}

type countingWriter int

func (c *countingWriter) Write(p []byte) (int, error) {
	*c += countingWriter(len(p))
	return len(p), nil
}

var works = child.Register("works", func(context.Context, int) (int, error) {
	n := 0
	for end := time.Now().Add(50 * time.Microsecond); time.Now().Before(end); {
		n++
	}
	return n, nil
})
