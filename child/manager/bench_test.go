package manager

import (
	"bufio"
	"context"
	"fmt"
	"os"
	"strings"
	"testing"
	"time"
)

var benchServer = part("server", func(args []string) error {
	s, err := NewServer(context.Background(), ServerOptions{})
	if err != nil {
		return err
	}
	fmt.Println(s.Addr())
	bufio.NewScanner(os.Stdin).Scan() // until nobody needs it
	return s.Close()
})

// otherServer returns a client of a server in another process.
func otherServer(t testing.TB) (*Client, *played) {
	t.Helper()
	p := play(t, benchServer)
	if !p.lines.Scan() {
		t.Fatal("no server")
	}
	c, err := Dial(testContext(t), "unix", strings.TrimSpace(p.lines.Text()), DialOptions{})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { c.Close() })
	return c, p
}

// BenchmarkCalls is what one call of one client costs, there and back, with the server in another process. Python takes
// some 40 us.
func BenchmarkCalls(b *testing.B) {
	ctx := context.Background()
	c, _ := otherServer(b)
	d, err := NewDict[string, int](ctx, c, map[string]int{"k": 1})
	if err != nil {
		b.Fatal(err)
	}
	q, err := NewQueue[int](ctx, c, QueueOptions{})
	if err != nil {
		b.Fatal(err)
	}
	l, err := NewLock(ctx, c)
	if err != nil {
		b.Fatal(err)
	}
	bench := func(name string, calls float64, f func(ctx context.Context) error) {
		b.Run(name, func(b *testing.B) {
			b.ReportAllocs()
			for b.Loop() {
				if err := f(ctx); err != nil {
					b.Fatal(err)
				}
			}
			b.ReportMetric(float64(b.Elapsed().Nanoseconds())/float64(b.N)/calls, "ns/call")
		})
	}
	bench("Set", 1, func(ctx context.Context) error { return d.Set(ctx, "k", 5) })
	bench("Get", 1, func(ctx context.Context) error { _, err := d.Get(ctx, "k"); return err })
	bench("Add", 1, func(ctx context.Context) error { _, err := d.Add(ctx, "k", 1); return err })
	bench("PutGet", 2, func(ctx context.Context) error {
		if err := q.Put(ctx, 1); err != nil {
			return err
		}
		_, err := q.Get(ctx)
		return err
	})
	bench("LockUnlock", 2, func(ctx context.Context) error {
		if err := l.Lock(ctx); err != nil {
			return err
		}
		return l.Unlock(ctx)
	})
	timed, cancel := context.WithTimeout(ctx, time.Hour)
	defer cancel()
	bench("AddWithContext", 1, func(context.Context) error { _, err := d.Add(timed, "k", 1); return err })
	b.Run("AddParallel", func(b *testing.B) {
		b.ReportAllocs()
		b.SetParallelism(8)
		b.RunParallel(func(pb *testing.PB) {
			for pb.Next() {
				if _, err := d.Add(ctx, "k", 1); err != nil {
					b.Error(err)
				}
			}
		})
	})
}
