package supervisor_test

import (
	"context"
	"encoding/binary"
	"fmt"
	"runtime"
	"strconv"
	"strings"
	"testing"
	"time"

	"yunta/child"
	"yunta/child/affinity"
	"yunta/supervisor"
)

const (
	mapTasks = 1_000_000
	// pythonSingles is how many tasks Python gets one by one: a million would take half a minute a round.
	pythonSingles = 50_000
	// lokySingles is the same for loky, which is slower still.
	lokySingles = 5_000
)

func seconds(f func(b *testing.B) time.Duration) func(*testing.B) float64 {
	return func(b *testing.B) float64 { return f(b).Seconds() }
}

// someCores are two cores to pin to, the same one twice where there is one.
func someCores() (near, far int) {
	if cpus, err := affinity.Usable(); err == nil && len(cpus) > 0 {
		return cpus[0], cpus[len(cpus)-1]
	}
	return 0, 0
}

// callRows are the rows of single calls.
func callRows(py, _ *python) []*peerRow {
	near, far := someCores()
	ping := func(at int) func(*testing.B) float64 {
		return seconds(func(b *testing.B) time.Duration { return pingPong(b, 3000, near, at) })
	}
	free := []goal{{overPython, 5}}
	if supervisor.CPUCount() > 1 {
		free = append(free, goal{atMost, 4e-6})
	}
	alone := &peerRow{
		name: "ApplyOneCore", title: "Apply, caller and worker on one core", goals: []goal{{overLimit, 1.2}},
		ours:  func(b *testing.B) float64 { return playedOn(b, near, "apply") },
		limit: ping(near), limitIs: "raw blocking pipes, on one core",
	}
	if near == far {
		alone.note = "there is one core in all"
	}
	return []*peerRow{
		{
			name: "Apply", title: "Apply, a core free (median)", goals: free,
			ours:   seconds(oursApply),
			python: py.asked("apply", args{"n": 2000}),
			limit:  ping(far), limitIs: "raw blocking pipes, on two cores",
			also: []peerAlso{
				{what: "raw blocking pipes wherever the caller runs", round: ping(-1)},
			},
		},
		alone,
	}
}

// dataRows are the rows of many tasks.
func dataRows(py, loky *python) []*peerRow {
	ours := func(workers, chunk int) func(*testing.B) float64 {
		return func(b *testing.B) float64 {
			return oursMap(b, square, ints(mapTasks), supervisor.PoolOptions{Processes: workers}, chunk)
		}
	}
	goroutines := func(chunk int) peerAlso {
		return peerAlso{what: "a pool of two goroutines", round: func(b *testing.B) float64 {
			return oursMap(b, square, ints(mapTasks), supervisor.PoolOptions{Processes: 2, Model: supervisor.Goroutines}, chunk)
		}}
	}
	byLoky := func(n, chunk int, of string) peerAlso {
		return peerAlso{what: fmt.Sprintf("loky, chunks of %d", chunk), round: loky.asked("loky_map", args{"n": n, "chunk": chunk, "of": of})}
	}
	return []*peerRow{
		{
			name: "Map", title: "Map of 1,000,000 ints", goals: []goal{{overPython, 5}}, show: rate,
			ours: ours(2, 0), python: py.asked("map", args{"n": mapTasks}),
			limit: seconds(func(b *testing.B) time.Duration { return pipeSquares(b, 10*mapTasks, 1000) }), limitIs: "raw pipes, 1000 a write",
			also: []peerAlso{goroutines(0), byLoky(mapTasks/5, 1000, "ints")},
		},
		{
			name: "MapSingly", title: "Map of 1,000,000 ints, chunks of 1", goals: []goal{{overPython, 50}}, show: rate,
			ours: ours(2, 1), python: py.asked("map", args{"n": pythonSingles, "chunk": 1}),
			limit: seconds(func(b *testing.B) time.Duration { return pipeSquares(b, mapTasks/2, 1) }), limitIs: "raw pipes, 1 a write",
			also: []peerAlso{goroutines(1), byLoky(lokySingles, 1, "ints")},
			note: "Python was given 50,000 tasks with chunksize=1, loky 5,000; their rates do not depend on how many",
		},
		{
			name: "MapStrings", title: "Map of 1,000,000 strings of 20 bytes", goals: []goal{{overPython, 3}}, show: rate,
			ours: func(b *testing.B) float64 {
				return oursMap(b, benchString, benchTexts(), supervisor.PoolOptions{Processes: 2}, 0)
			},
			python: py.asked("map", args{"n": mapTasks, "of": "strings"}),
			limit: seconds(func(b *testing.B) time.Duration {
				texts, out := benchTexts(), make([]string, mapTasks)
				return pipeItems(b, "echo", mapTasks, 1000, 20,
					func(buf []byte, i int) { copy(buf, texts[i]) },
					func(buf []byte, i int) { out[i] = string(buf) })
			}), limitIs: "raw pipes, 1000 a write",
		},
		{
			name: "MapStructs", title: "Map of 1,000,000 structs of a string and two ints", goals: []goal{{overPython, 3}}, show: rate,
			ours: func(b *testing.B) float64 {
				return oursMap(b, benchMove, benchPoints(), supervisor.PoolOptions{Processes: 2}, 0)
			},
			python: py.asked("map", args{"n": mapTasks, "of": "structs"}),
			limit: seconds(func(b *testing.B) time.Duration {
				points, out := benchPoints(), make([]benchPoint, mapTasks)
				return pipeItems(b, "echo", mapTasks, 1000, 24,
					func(buf []byte, i int) {
						copy(buf[16:], points[i].Name)
						binary.LittleEndian.PutUint64(buf, uint64(points[i].Y))
						binary.LittleEndian.PutUint64(buf[8:], uint64(points[i].X))
					},
					func(buf []byte, i int) {
						out[i] = benchPoint{string(buf[16:21]), int(binary.LittleEndian.Uint64(buf)), int(binary.LittleEndian.Uint64(buf[8:]))}
					})
			}), limitIs: "raw pipes, 1000 a write",
			note: "Python's struct is a dataclass",
		},
		{
			name: "Map64", title: "Map of 1,000,000 ints, 64 workers", goals: []goal{{overLimit, 2}}, show: rate,
			ours: ours(64, 0), python: py.asked("map", args{"n": mapTasks, "workers": 64}),
			limit: ours(2, 0), limitIs: "the same, 2 workers",
		},
		{
			name: "MapSingly64", title: "Map of 1,000,000 ints, chunks of 1, 64 workers", goals: []goal{{overLimit, 2}}, show: rate,
			ours: ours(64, 1), python: py.asked("map", args{"n": pythonSingles, "chunk": 1, "workers": 64}),
			limit: ours(2, 1), limitIs: "the same, 2 workers",
		},
		flatRow(),
	}
}

// benchTexts and benchPoints are made anew each time: garbage that other rows
// do not have to look through.
func benchTexts() []string {
	texts := make([]string, mapTasks)
	for i := range texts {
		texts[i] = fmt.Sprintf("%020d", i)
	}
	return texts
}

func benchPoints() []benchPoint {
	points := make([]benchPoint, mapTasks)
	for i := range points {
		points[i] = benchPoint{"point", i, -i}
	}
	return points
}

// flatRow shows what a task costs among few and among many.
func flatRow() *peerRow {
	among := func(n int) func(*testing.B) float64 {
		return func(b *testing.B) (t float64) {
			withPool(b, supervisor.PoolOptions{Processes: 2}, func(p *supervisor.Pool) {
				t = mapOnce(b, p, square, ints(n), max(1, min(200, 100_000/n)))
			})
			return t
		}
	}
	r := &peerRow{
		name: "Flat", title: "a task among 10^7", goals: []goal{{overLimit, 1.25}},
		ours: among(1e7), limit: among(1e3), limitIs: "a task among 10^3",
	}
	for e, n := 4, 10_000; n < 1e7; e, n = e+1, 10*n {
		r.also = append(r.also, peerAlso{what: "among 10^" + strconv.Itoa(e), round: among(n)})
	}
	return r
}

// withPool has f measure with a pool that lives no longer than that.
func withPool(b *testing.B, o supervisor.PoolOptions, f func(p *supervisor.Pool)) {
	b.Helper()
	p, err := supervisor.NewPool(b.Context(), o)
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
	withPool(b, supervisor.PoolOptions{Processes: 2}, func(p *supervisor.Pool) {
		for range 200 {
			applyOnce(b, p)
		}
		t = medianOf(3000, func() { applyOnce(b, p) })
	})
	return t
}

// oursMap is the time of a task of one Map over args in a pool that is warm.
func oursMap[A, R any](b *testing.B, e child.Entry[A, R], args []A, o supervisor.PoolOptions, chunk int) (t float64) {
	withPool(b, o, func(p *supervisor.Pool) {
		p = p.With(supervisor.CallOptions{ChunkSize: chunk})
		t = mapOnce(b, p, e, args, 1)
	})
	return t
}

// mapOnce is the time of a task of n Maps, one after the other.
func mapOnce[A, R any](b *testing.B, p *supervisor.Pool, e child.Entry[A, R], args []A, n int) float64 {
	ctx := context.Background()
	if _, err := supervisor.Map(ctx, p, e, args[:1000]); err != nil {
		b.Fatal(err)
	}
	start := time.Now()
	for range n {
		if _, err := supervisor.Map(ctx, p, e, args); err != nil {
			b.Fatal(err)
		}
	}
	return time.Since(start).Seconds() / float64(n*len(args))
}

// played is the figure that a part of this binary prints.
func played(b *testing.B, part ...string) float64 {
	b.Helper()
	out, err := limitCmd(part...).Output()
	if err != nil {
		b.Fatal(part, err)
	}
	t, err := strconv.ParseFloat(strings.TrimSpace(string(out)), 64)
	if err != nil {
		b.Fatal(part, err)
	}
	return t
}

// playedOn is played in a process that has one core in all.
func playedOn(b *testing.B, cpu int, part ...string) float64 {
	runtime.LockOSThread()
	defer runtime.UnlockOSThread()
	defer tie(cpu)()
	return played(b, part...)
}
