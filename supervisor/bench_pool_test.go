package supervisor_test

import (
	"context"
	"fmt"
	"slices"
	"strings"
	"testing"

	"yunta/child"
	"yunta/supervisor"
)

// benchPoint is a small struct, as tasks have them.
type benchPoint struct {
	Name string
	X, Y int
}

var (
	benchString = child.Register("bench-string", func(_ context.Context, s string) (string, error) { return s, nil })
	benchMove   = child.Register("bench-move", func(_ context.Context, p benchPoint) (benchPoint, error) {
		p.X, p.Y = p.Y, p.X
		return p, nil
	})
	benchBlob = child.Register("bench-blob", func(_ context.Context, size int) ([]byte, error) {
		if len(blob) != size {
			blob = make([]byte, size)
		}
		return blob, nil
	})
	blob []byte
)

// benchModels runs a benchmark with a pool of two, as processes and as goroutines.
func benchModels(b *testing.B, f func(b *testing.B, p *supervisor.Pool)) {
	for _, m := range []supervisor.Model{supervisor.Processes, supervisor.Goroutines} {
		b.Run(m.String(), func(b *testing.B) {
			b.ReportAllocs()
			f(b, newPool(b, supervisor.PoolOptions{Processes: 2, Model: m}))
		})
	}
}

func BenchmarkApply(b *testing.B) {
	benchModels(b, func(b *testing.B, p *supervisor.Pool) {
		for b.Loop() {
			applyOnce(b, p)
		}
	})
}

// BenchmarkApplyAsync keeps a hundred calls under way.
func BenchmarkApplyAsync(b *testing.B) {
	benchModels(b, func(b *testing.B, p *supervisor.Pool) {
		var flight []*supervisor.Future[int]
		ctx := context.Background()
		get := func() {
			if got, err := flight[0].Get(ctx); got != 49 || err != nil {
				b.Fatal(got, err)
			}
			flight = flight[1:]
		}
		for b.Loop() {
			flight = append(flight, supervisor.ApplyAsync(ctx, p, square, 7))
			if len(flight) == 100 {
				get()
			}
		}
		for len(flight) > 0 {
			get()
		}
	})
}

func BenchmarkMap(b *testing.B) {
	b.Run("ints", func(b *testing.B) {
		for _, chunk := range []int{0, 1, 1000} {
			name := fmt.Sprintf("chunk=%d", chunk)
			if chunk == 0 {
				name = "chunk=auto"
			}
			b.Run(name, func(b *testing.B) { benchMap(b, square, ints(200_000), chunk) })
		}
	})
	b.Run("strings20", func(b *testing.B) {
		args := make([]string, 200_000)
		for i := range args {
			args[i] = strings.Repeat(string(rune('a'+i%26)), 20)
		}
		benchMap(b, benchString, args, 0)
	})
	b.Run("struct", func(b *testing.B) {
		args := make([]benchPoint, 100_000)
		for i := range args {
			args[i] = benchPoint{"point", i, -i}
		}
		benchMap(b, benchMove, args, 0)
	})
}

// benchMap maps args once an iteration and says what a task takes.
func benchMap[T any](b *testing.B, e child.Entry[T, T], args []T, chunk int) {
	benchModels(b, func(b *testing.B, p *supervisor.Pool) {
		p = p.With(supervisor.CallOptions{ChunkSize: chunk})
		for b.Loop() {
			if _, err := supervisor.Map(context.Background(), p, e, args); err != nil {
				b.Fatal(err)
			}
		}
		b.ReportMetric(float64(b.Elapsed().Nanoseconds())/float64(b.N*len(args)), "ns/task")
	})
}

func BenchmarkIMap(b *testing.B) {
	args := ints(200_000)
	benchModels(b, func(b *testing.B, p *supervisor.Pool) {
		for b.Loop() {
			for _, err := range supervisor.IMap(context.Background(), p, square, slices.Values(args)) {
				if err != nil {
					b.Fatal(err)
				}
			}
		}
		b.ReportMetric(float64(b.Elapsed().Nanoseconds())/float64(b.N*len(args)), "ns/task")
	})
}

// BenchmarkNewPool is from the start of a pool to its first result, and to its end.
func BenchmarkNewPool(b *testing.B) {
	for _, m := range []supervisor.Model{supervisor.Processes, supervisor.Goroutines} {
		b.Run(m.String(), func(b *testing.B) {
			b.ReportAllocs()
			for b.Loop() {
				p, err := supervisor.NewPool(context.Background(), supervisor.PoolOptions{Processes: 2, Model: m})
				if err != nil {
					b.Fatal(err)
				}
				applyOnce(b, p)
				p.Close()
				if err := p.Wait(context.Background()); err != nil {
					b.Fatal(err)
				}
			}
		})
	}
}

func BenchmarkEcho(b *testing.B) {
	for _, size := range []struct {
		name  string
		bytes int
	}{{"64KiB", 64 << 10}, {"1MiB", 1 << 20}, {"16MiB", 16 << 20}, {"64MiB", 64 << 20}, {"256MiB", 256 << 20}} {
		b.Run(size.name, func(b *testing.B) {
			data := make([]byte, size.bytes)
			benchModels(b, func(b *testing.B, p *supervisor.Pool) {
				b.SetBytes(2 * int64(size.bytes))
				for b.Loop() {
					if got, err := supervisor.Apply(context.Background(), p, echo, data); len(got) != len(data) || err != nil {
						b.Fatal(len(got), err)
					}
				}
			})
		})
	}
}
