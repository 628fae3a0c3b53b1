package oslock

import (
	"context"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"
)

// hammer locks and unlocks as fast as it can until it is killed: [lock, board, line].
var hammer = newHelper("hammer", func(h *helperIO, args []string) error {
	b, err := openBoard(args[1])
	if err != nil {
		return err
	}
	line, err := strconv.Atoi(args[2])
	if err != nil {
		return err
	}
	l, err := OpenLock(args[0], LockOptions{})
	if err != nil {
		return err
	}
	go func() {
		h.hear()
		os.Exit(0)
	}()
	count := b.r.Uint64(1024 + 64*line)
	for {
		if err := l.Lock(context.Background()); err != nil {
			return err
		}
		count.Store(count.Load() + 1)
		for start := time.Now(); time.Since(start) < 20*time.Microsecond; {
		}
		if err := l.Unlock(); err != nil {
			return err
		}
	}
})

// Nobody starves, whoever else hammers: neither a process nor a goroutine that comes seldom.
func TestNobodyStarves(t *testing.T) {
	path, board := tempPath(t), filepath.Join(t.TempDir(), "board")
	b, err := openBoard(board)
	if err != nil {
		t.Fatal(err)
	}
	defer b.r.Unmap()
	const n = 4
	for i := range n {
		hammer.start(t, nil, path, board, strconv.Itoa(i))
	}
	eventually(t, "each of them gets it many times", func() bool {
		for i := range n {
			if b.r.Uint64(1024+64*i).Load() < 100 {
				return false
			}
		}
		return true
	})
	l := openLock(t, path, LockOptions{})
	var longest time.Duration
	for range 50 {
		start := time.Now()
		mustLock(t, l)
		longest = max(longest, time.Since(start))
		mustUnlock(t, l)
	}
	t.Logf("50 times among %d hammers, longest wait %v", n, longest)
}

// However many goroutines wait, one thread sleeps for them.
func TestOneSleeperPerProcess(t *testing.T) {
	path := tempPath(t)
	l := openLock(t, path, LockOptions{})
	mustLock(t, l)
	var wg sync.WaitGroup
	const n = 500
	for range n {
		wg.Go(func() {
			if err := l.Lock(soon(t)); err != nil {
				t.Error(err)
				return
			}
			if err := l.Unlock(); err != nil {
				t.Error(err)
			}
		})
	}
	waiting(t, &l.h)
	status, err := os.ReadFile("/proc/self/status")
	if _, after, ok := strings.Cut(string(status), "\nThreads:\t"); err == nil && ok {
		text, _, _ := strings.Cut(after, "\n")
		if threads, _ := strconv.Atoi(text); threads > 100 {
			t.Errorf("%d threads for %d waiting goroutines", threads, n)
		}
	}
	mustUnlock(t, l)
	wg.Wait()
}
