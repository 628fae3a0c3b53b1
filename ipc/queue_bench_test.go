package ipc

import (
	"context"
	"fmt"
	"os"
	"os/exec"
	"slices"
	"strconv"
	"testing"
	"time"
)

func testQueue[T any](t testing.TB, o QueueOptions) *Queue[T] {
	t.Helper()
	q, err := NewQueue[T](o)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := q.Detach(); err != nil {
			t.Error(err)
		}
	})
	return q
}

// One goroutine puts and gets in turn: what the two cost when nobody waits.
func BenchmarkQueuePutGet(b *testing.B) {
	ctx := context.Background()
	b.Run("int", func(b *testing.B) {
		q := testQueue[int](b, QueueOptions{})
		b.ReportAllocs()
		for i := 0; b.Loop(); i++ {
			if err := q.Put(ctx, i); err != nil {
				b.Fatal(err)
			}
			if n, err := q.Get(ctx); err != nil || n != i {
				b.Fatal(n, err)
			}
		}
	})
	b.Run("struct", func(b *testing.B) {
		q := testQueue[point](b, QueueOptions{})
		b.ReportAllocs()
		for i := int64(0); b.Loop(); i++ {
			if err := q.Put(ctx, point{X: i}); err != nil {
				b.Fatal(err)
			}
			if p, err := q.Get(ctx); err != nil || p.X != i {
				b.Fatal(p, err)
			}
		}
	})
	b.Run("lease", func(b *testing.B) {
		q := testQueue[int](b, QueueOptions{})
		b.ReportAllocs()
		for i := 0; b.Loop(); i++ {
			if err := q.Put(ctx, i); err != nil {
				b.Fatal(err)
			}
			l, err := q.Lease(ctx)
			if err != nil {
				b.Fatal(err)
			}
			if err := l.Done(); err != nil {
				b.Fatal(err)
			}
		}
	})
}

// The helper puts args[1] items of args[2] bytes (0: numbers), from the moment it is told.
var _ = addHelper("queueputs", func(args []string) {
	n, _ := strconv.Atoi(args[1])
	size, _ := strconv.Atoi(args[2])
	ctx := context.Background()
	h := Handle{File: args[0]}
	must := func(err error) {
		if err != nil {
			panic(err)
		}
	}
	if size == 0 {
		q, err := OpenQueue[int](h)
		must(err)
		conversation(func([]string) string {
			for i := range n {
				must(q.Put(ctx, i))
			}
			return "ok"
		})
	}
	q, err := OpenQueue[[]byte](h)
	must(err)
	item := make([]byte, size)
	conversation(func([]string) string {
		for range n {
			must(q.Put(ctx, item))
		}
		return "ok"
	})
})

// Another process puts, this one gets.
func BenchmarkQueueBetweenProcesses(b *testing.B) {
	ctx := context.Background()
	for _, max := range []int{0, 1000} {
		b.Run(fmt.Sprintf("int/max%d", max), func(b *testing.B) {
			const n = 1_000_000
			q := testQueue[int](b, QueueOptions{MaxSize: max})
			p := startOther(b, "queueputs", q.Handle().File, strconv.Itoa(n), "0")
			for b.Loop() {
				fmt.Fprintln(p.in, "go")
				for i := range n {
					if got, err := q.Get(ctx); err != nil || got != i {
						b.Fatal(got, err)
					}
				}
				p.hear()
			}
			b.ReportMetric(float64(n)*float64(b.N)/b.Elapsed().Seconds()/1e6, "Mitems/s")
		})
	}
	b.Run("1MiB", func(b *testing.B) {
		const n = 256
		q := testQueue[[]byte](b, QueueOptions{MaxSize: 16})
		p := startOther(b, "queueputs", q.Handle().File, strconv.Itoa(n), strconv.Itoa(1<<20))
		b.SetBytes(n << 20)
		for b.Loop() {
			fmt.Fprintln(p.in, "go")
			for range n {
				if got, err := q.Get(ctx); err != nil || len(got) != 1<<20 {
					b.Fatal(len(got), err)
				}
			}
			p.hear()
		}
	})
}

// Beside Python's queues, in turns: how often faster, by the median of the rounds.
func BenchmarkQueuePeers(b *testing.B) {
	python, err := exec.LookPath("python3")
	if err != nil {
		b.Skip("there is no python3")
	}
	rounds := 5
	if n, err := strconv.Atoi(os.Getenv("YUNTA_BENCH_ROUNDS")); err == nil {
		rounds = n
	}
	for _, job := range []struct {
		name             string
		ours, peer, size int
		limit            int
	}{
		{"int", 2_000_000, 100_000, 0, 0},
		{"int/max1000", 2_000_000, 100_000, 0, 1000},
		{"1MiB/max16", 512, 128, 1 << 20, 16},
	} {
		for _, kind := range []string{"Queue", "SimpleQueue"} {
			if kind == "SimpleQueue" && job.limit != 0 {
				continue
			}
			b.Run(job.name+"/"+kind, func(b *testing.B) {
				var ours, peers, ratios []float64 // items a second
				for b.Loop() {
					for range rounds {
						o := float64(job.ours) / passItems(b, job.ours, job.size, job.limit).Seconds()
						out, err := exec.Command(python, "testdata/peer_queue.py", kind,
							strconv.Itoa(job.peer), strconv.Itoa(job.size), strconv.Itoa(job.limit)).Output()
						var s float64
						if _, serr := fmt.Sscan(string(out), &s); err != nil || serr != nil {
							b.Fatal(err, serr)
						}
						p := float64(job.peer) / s
						ours, peers, ratios = append(ours, o), append(peers, p), append(ratios, o/p)
					}
				}
				b.ReportMetric(0, "ns/op")
				b.ReportMetric(median(ours), "items/s")
				b.ReportMetric(median(peers), "python-items/s")
				b.ReportMetric(median(ratios), "times")
			})
		}
	}
}

func median(v []float64) float64 {
	slices.Sort(v)
	return v[len(v)/2]
}

// passItems has another process put n items while this one gets them.
func passItems(b *testing.B, n, size, limit int) time.Duration {
	b.Helper()
	ctx := context.Background()
	q, err := NewQueue[[]byte](QueueOptions{MaxSize: limit})
	if err != nil {
		b.Fatal(err)
	}
	defer q.Detach()
	ints, err := OpenQueue[int](q.Handle())
	if err != nil {
		b.Fatal(err)
	}
	defer ints.Detach()
	p := startOther(b, "queueputs", q.Handle().File, strconv.Itoa(n), strconv.Itoa(size))
	start := time.Now()
	fmt.Fprintln(p.in, "go")
	for i := range n {
		if size == 0 {
			if got, err := ints.Get(ctx); err != nil || got != i {
				b.Fatal(got, err)
			}
		} else if got, err := q.Get(ctx); err != nil || len(got) != size {
			b.Fatal(len(got), err)
		}
	}
	took := time.Since(start)
	p.hear()
	p.end()
	return took
}
