package oslock

import (
	"context"
	"fmt"
	"os"
	"path/filepath"
	"strconv"
	"testing"
	"time"
)

// benchTime is how long the processes of one measurement compete.
const benchTime = time.Second

// competitor counts how often it gets through a section of one increment in benchTime: [how, file, board].
var competitor = newHelper("competitor", func(h *helperIO, args []string) error {
	b, err := openBoard(args[2])
	if err != nil {
		return err
	}
	enter, leave, err := section(args[0], args[1], b)
	if err != nil {
		return err
	}
	h.say("ready")
	if _, err := h.hear(); err != nil {
		return nil
	}
	count, total := 0, b.first()
	for end := time.Now().Add(benchTime); count%64 != 0 || time.Now().Before(end); count++ {
		if err := enter(); err != nil {
			return err
		}
		total.Store(total.Load() + 1)
		if err := leave(); err != nil {
			return err
		}
	}
	h.say("%d", count)
	return nil
}).forBenchmarks()

// section returns the two halves of a way to keep others out.
func section(how, file string, b tortureBoard) (enter, leave func() error, err error) {
	ctx := context.Background()
	switch how {
	case "lock":
		l, err := OpenLock(file, LockOptions{})
		if err != nil {
			return nil, nil, err
		}
		return func() error { return l.Lock(ctx) }, l.Unlock, nil
	case "undo":
		s, err := OpenSemaphore(file, 1, SemaphoreOptions{Undo: true})
		if err != nil {
			return nil, nil, err
		}
		return func() error { return s.Acquire(ctx) }, func() error { return s.Release(1) }, nil
	case "flock":
		fd, err := openOrMake(workingFolder, file, 0o600)
		if err != nil {
			return nil, nil, err
		}
		enter := func() error { return waitFlock(fd) }
		return enter, func() error { dropFlockFD(fd); return nil }, nil
	case "cas": // the limit: spinning
		word := b.inside()
		enter := func() error {
			for !word.CompareAndSwap(0, 1) {
			}
			return nil
		}
		return enter, func() error { word.Store(0); return nil }, nil
	}
	return nil, nil, fmt.Errorf("no such way: %s", how)
}

// BenchmarkContended has 2 and 8 processes compete; the figure is all their sections a second, and fairness the
// slowest process's share of the quickest one's.
func BenchmarkContended(b *testing.B) {
	for _, how := range []string{"cas", "lock", "undo", "flock"} {
		for _, n := range []int{2, 8} {
			b.Run(fmt.Sprintf("%s/%d", how, n), func(b *testing.B) {
				dir := b.TempDir()
				board, file := filepath.Join(dir, "board"), filepath.Join(dir, "file")
				total, shares, runs := 0, 0.0, 0
				for b.Loop() {
					os.Remove(board)
					least, most := compete(b, n, how, file, board, &total)
					shares += float64(least) / float64(most)
					runs++
				}
				seconds := benchTime.Seconds() * float64(runs)
				b.ReportMetric(float64(total)/seconds/1e6, "Mops/s")
				b.ReportMetric(shares/float64(runs), "fairness")
				b.ReportMetric(0, "ns/op")
			})
		}
	}
}

func compete(b *testing.B, n int, how, file, board string, total *int) (least, most int) {
	b.Helper()
	var ps []*process
	for range n {
		p := competitor.start(b, nil, how, file, board)
		p.expect("ready")
		ps = append(ps, p)
	}
	for _, p := range ps {
		p.send("go")
	}
	for i, p := range ps {
		count, err := strconv.Atoi(p.line())
		if err != nil {
			b.Fatal(err)
		}
		if err := p.wait(); err != nil {
			b.Fatal(err)
		}
		*total += count
		most = max(most, count)
		if i == 0 || count < least {
			least = count
		}
	}
	return least, most
}

// BenchmarkFlockFree is flock(2), the kernel's own lock between processes.
func BenchmarkFlockFree(b *testing.B) {
	fd, err := openOrMake(workingFolder, filepath.Join(b.TempDir(), "file"), 0o600)
	if err != nil {
		b.Fatal(err)
	}
	defer closeFD(fd)
	for b.Loop() {
		if err := waitFlock(fd); err != nil {
			b.Fatal(err)
		}
		dropFlockFD(fd)
	}
}
