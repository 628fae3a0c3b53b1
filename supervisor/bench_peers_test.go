package supervisor_test

import (
	"context"
	"errors"
	"os"
	"path/filepath"
	"runtime"
	"strconv"
	"strings"
	"testing"
	"time"

	"yunta/child/affinity"
	"yunta/oslock"
	"yunta/supervisor"
)

// peerRow is one job, done by yunta, by Python and by the bare machine. Each
// function is one round: it makes what it needs, warms it up, and returns the
// seconds that one task, call or pair took.
type peerRow struct {
	name   string // of the sub-benchmark
	title  string
	target float64 // how many times faster than Python it has to be, 0 if nothing was set
	rate   bool    // shown as tasks a second
	note   string

	ours, python, limit func(b *testing.B) float64
	limitIs             string
	also                []peerAlso

	times [3][]float64 // a round each: ours, Python's, the limit's
}

// peerAlso is another limit, shown below the table.
type peerAlso struct {
	what  string
	round func(b *testing.B) float64
	times []float64
}

// BenchmarkPeers measures the rows that README's table shows. The three sides
// of a row take turns, and so do their orders, so that whatever else runs on
// the machine meets all of them; the figures are medians over the rounds.
// YUNTA_BENCH_ROUNDS says how many (7), YUNTA_BENCH_MARKDOWN=1 prints Markdown.
//
//	go test -run '^$' -bench Peers -benchtime 1x ./supervisor
func BenchmarkPeers(b *testing.B) {
	rounds := 7
	if n, err := strconv.Atoi(os.Getenv("YUNTA_BENCH_ROUNDS")); err == nil && n > 0 {
		rounds = n
	}
	load := loadAverage()
	py := startPython(b)
	rows := peerRows(py)
	for _, r := range rows {
		b.Run(r.name, func(b *testing.B) {
			for b.Loop() {
				r.measure(b, rounds, py.missing == nil)
			}
			b.ReportMetric(0, "ns/op") // it would be the time of all rounds
			if t := median(r.times[1]); t > 0 {
				b.ReportMetric(t/median(r.times[0]), "x-python")
			}
			b.ReportMetric(median(r.times[0])/median(r.times[2]), "x-limit")
		})
	}
	printPeers(os.Stdout, rows, py, rounds, load, os.Getenv("YUNTA_BENCH_MARKDOWN") != "")
}

func (r *peerRow) measure(b *testing.B, rounds int, withPython bool) {
	r.times = [3][]float64{}
	sides := [3]func(*testing.B) float64{r.ours, r.python, r.limit}
	for i := range rounds {
		for k := range sides {
			side := (i + k) % len(sides)
			t := 0.0
			if side != 1 || withPython {
				runtime.GC() // each begins with the garbage of none before it
				t = sides[side](b)
			}
			r.times[side] = append(r.times[side], t)
		}
		for k := range r.also {
			r.also[k].times = append(r.also[k].times, r.also[k].round(b))
		}
	}
}

const (
	mapTasks = 1_000_000
	// pythonSingles is how many tasks Python gets one by one: a million would take half a minute a round.
	pythonSingles = 50_000
	largeEcho     = 64 << 20
)

// peerRows are the rows.
func peerRows(py *python) []*peerRow {
	near, far := 0, 0
	if cpus, err := affinity.Usable(); err == nil && len(cpus) > 0 {
		near, far = cpus[0], cpus[len(cpus)-1]
	}
	asked := func(job string, args map[string]int) func(*testing.B) float64 {
		return func(b *testing.B) float64 { return py.ask(b, job, args) }
	}
	seconds := func(f func(b *testing.B) time.Duration) func(*testing.B) float64 {
		return func(b *testing.B) float64 { return f(b).Seconds() }
	}
	ping := func(at int) func(*testing.B) float64 {
		return seconds(func(b *testing.B) time.Duration { return pingPong(b, 3000, near, at) })
	}
	return []*peerRow{
		{
			name: "Apply", title: "Apply, there and back (median)", target: 5,
			ours:   seconds(oursApply),
			python: asked("apply", map[string]int{"n": 2000}),
			limit:  ping(-1), limitIs: "raw blocking pipes",
			also: []peerAlso{
				{what: "raw blocking pipes, both on one core", round: ping(near)},
				{what: "raw blocking pipes, on two cores", round: ping(far)},
			},
		},
		{
			name: "Map", title: "Map of 1,000,000 ints", target: 3, rate: true,
			ours:   func(b *testing.B) float64 { return oursMap(b, 0) },
			python: asked("map", map[string]int{"n": mapTasks}),
			limit:  seconds(func(b *testing.B) time.Duration { return pipeSquares(b, 10*mapTasks, 1000) }), limitIs: "raw pipes, 1000 a write",
		},
		{
			name: "MapSingly", title: "Map of 1,000,000 ints, chunks of 1", target: 20, rate: true,
			ours:   func(b *testing.B) float64 { return oursMap(b, 1) },
			python: asked("map", map[string]int{"n": pythonSingles, "chunk": 1}),
			limit:  seconds(func(b *testing.B) time.Duration { return pipeSquares(b, mapTasks/2, 1) }), limitIs: "raw pipes, 1 a write",
			note: "Python was given 50,000 tasks with chunksize=1; its rate does not depend on how many",
		},
		{
			name: "Lock", title: "lock + unlock, free", target: 8,
			ours:   oursLock,
			python: asked("lock", map[string]int{"n": 1_000_000}),
			limit:  func(*testing.B) float64 { return casPair(5_000_000) }, limitIs: "two bare compare-and-swaps",
		},
		{
			name: "First", title: "first pool of a program, to its first result", target: 6,
			ours:   oursFirst,
			python: asked("first", map[string]int{"n": 5}),
			limit:  seconds(reexec), limitIs: "bare re-exec of this binary",
			note: "the clock runs from before the pool is made, in a new process each; Python forks",
		},
		{
			name: "Another", title: "another pool, to its first result",
			ours:   oursAnother,
			python: asked("another", map[string]int{"n": 5}),
			limit:  seconds(reexec), limitIs: "bare re-exec of this binary",
		},
		{
			name: "Echo", title: "64 MiB there and back", target: 4,
			ours:   seconds(oursEcho),
			python: asked("echo", map[string]int{"n": 5, "size": largeEcho}),
			limit:  seconds(func(*testing.B) time.Duration { return copies(3, largeEcho) }), limitIs: "two copies in warm memory",
			also: []peerAlso{{
				what:  "64 MiB there and back through raw pipes of 1 MiB",
				round: seconds(func(b *testing.B) time.Duration { return pipeEcho(b, 3, largeEcho, near) }),
			}},
			note: "Python: send_bytes and recv_bytes of a Pipe",
		},
	}
}

// withPool has f measure with a pool of two that lives no longer than that.
func withPool(b *testing.B, f func(p *supervisor.Pool)) {
	b.Helper()
	p, err := supervisor.NewPool(b.Context(), supervisor.PoolOptions{Processes: 2})
	if err != nil {
		b.Fatal(err)
	}
	f(p)
	closePool(b, p)
}

func closePool(b *testing.B, p *supervisor.Pool) {
	b.Helper()
	p.Close()
	if err := p.Wait(b.Context()); err != nil {
		b.Fatal(err)
	}
}

func applyOnce(b *testing.B, p *supervisor.Pool) {
	if got, err := supervisor.Apply(context.Background(), p, square, 7); got != 49 || err != nil {
		b.Fatal(got, err)
	}
}

func oursApply(b *testing.B) (t time.Duration) {
	withPool(b, func(p *supervisor.Pool) {
		for range 200 {
			applyOnce(b, p)
		}
		t = medianOf(3000, func() { applyOnce(b, p) })
	})
	return t
}

func oursMap(b *testing.B, chunk int) (t float64) {
	withPool(b, func(p *supervisor.Pool) {
		p = p.With(supervisor.CallOptions{ChunkSize: chunk})
		args := ints(mapTasks)
		if _, err := supervisor.Map(context.Background(), p, square, args[:1000]); err != nil {
			b.Fatal(err)
		}
		start := time.Now()
		out, err := supervisor.Map(context.Background(), p, square, args)
		t = time.Since(start).Seconds() / mapTasks
		if err != nil || out[mapTasks-1] != (mapTasks-1)*(mapTasks-1) {
			b.Fatal(err)
		}
	})
	return t
}

func oursLock(b *testing.B) float64 {
	l, err := oslock.OpenLock(filepath.Join(b.TempDir(), "lock"), oslock.LockOptions{})
	if err != nil {
		b.Fatal(err)
	}
	defer l.Close()
	const n = 5_000_000
	ctx := context.Background()
	start := time.Now()
	for range n {
		if err := l.Lock(ctx); err != nil {
			b.Fatal(err)
		}
		if err := l.Unlock(); err != nil {
			b.Fatal(err)
		}
	}
	return time.Since(start).Seconds() / n
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

// oursFirst does it in a new process each.
func oursFirst(b *testing.B) float64 {
	times := make([]float64, 5)
	for i := range times {
		out, err := limitCmd("first").Output()
		if err != nil {
			b.Fatal(err)
		}
		if times[i], err = strconv.ParseFloat(strings.TrimSpace(string(out)), 64); err != nil {
			b.Fatal(err)
		}
	}
	return median(times)
}

func oursEcho(b *testing.B) (t time.Duration) {
	withPool(b, func(p *supervisor.Pool) {
		data := make([]byte, largeEcho)
		once := func() {
			if got, err := supervisor.Apply(context.Background(), p, echo, data); len(got) != len(data) || err != nil {
				b.Fatal(len(got), err)
			}
		}
		for range 4 { // until both heaps have what they need
			once()
		}
		t = medianOf(5, once)
	})
	return t
}
