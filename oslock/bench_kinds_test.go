package oslock

import (
	"path/filepath"
	"sync"
	"sync/atomic"
	"testing"
)

// The kinds made of locks, uncontended, each beside what Go has for the goroutines of one process.

func BenchmarkRWLockFree(b *testing.B) {
	ctx := b.Context()
	rw := openRW(b, filepath.Join(b.TempDir(), "rw"), LockOptions{})
	b.Run("read", func(b *testing.B) {
		b.ReportAllocs()
		for b.Loop() {
			rw.RLock(ctx)
			rw.RUnlock()
		}
	})
	b.Run("write", func(b *testing.B) {
		b.ReportAllocs()
		for b.Loop() {
			rw.Lock(ctx)
			rw.Unlock()
		}
	})
	var mu sync.RWMutex
	n := 0
	b.Run("limit/read", func(b *testing.B) {
		for b.Loop() {
			mu.RLock()
			_ = n
			mu.RUnlock()
		}
	})
	b.Run("limit/write", func(b *testing.B) {
		for b.Loop() {
			mu.Lock()
			n++
			mu.Unlock()
		}
	})
}

func BenchmarkEventSet(b *testing.B) {
	ctx := b.Context()
	e := openEvent(b, filepath.Join(b.TempDir(), "event"))
	e.Set()
	b.Run("wait", func(b *testing.B) {
		b.ReportAllocs()
		for b.Loop() {
			e.Wait(ctx)
		}
	})
	b.Run("set and clear", func(b *testing.B) {
		b.ReportAllocs()
		for b.Loop() {
			e.Clear()
			e.Set()
		}
	})
	var flag atomic.Uint32
	b.Run("limit/wait", func(b *testing.B) {
		for b.Loop() {
			flag.Load()
		}
	})
}

func BenchmarkCondition(b *testing.B) {
	ctx := b.Context()
	l, c, deed := newCondition(b)
	b.Run("notify nobody", func(b *testing.B) {
		b.ReportAllocs()
		l.Lock(ctx)
		defer l.Unlock()
		for b.Loop() {
			c.Notify(1)
		}
	})
	// To and fro with another goroutine, and the same with sync.Cond.
	turn := 0
	b.Run("there and back", func(b *testing.B) {
		b.ReportAllocs()
		var wg sync.WaitGroup
		done := false
		wg.Go(func() {
			l.Lock(ctx)
			defer l.Unlock()
			for !done {
				c.WaitFor(ctx, func() bool { return turn == 1 || done })
				turn = 0
				c.NotifyAll()
			}
		})
		l.Lock(ctx)
		for b.Loop() {
			turn = 1
			c.NotifyAll()
			c.WaitFor(ctx, func() bool { return turn == 0 })
		}
		done = true
		c.NotifyAll()
		l.Unlock()
		wg.Wait()
	})
	b.Run("limit/there and back", func(b *testing.B) {
		var mu sync.Mutex
		c := sync.NewCond(&mu)
		var wg sync.WaitGroup
		done := false
		wg.Go(func() {
			mu.Lock()
			defer mu.Unlock()
			for !done {
				for turn == 0 && !done {
					c.Wait()
				}
				turn = 0
				c.Broadcast()
			}
		})
		mu.Lock()
		for b.Loop() {
			turn = 1
			c.Broadcast()
			for turn == 1 {
				c.Wait()
			}
		}
		done = true
		c.Broadcast()
		mu.Unlock()
		wg.Wait()
	})
	// One process is woken, locks, unlocks and waits again: lines to and from it are part of the time.
	b.Run("wake a process", func(b *testing.B) {
		p := act(b)
		p.do(deed, "ok")
		for b.Loop() {
			p.send("lockwait")
			seated(b, c, 1)
			lockNotify(b, c, 1)
			p.expect("ok")
		}
	})
}

func BenchmarkBarrier(b *testing.B) {
	ctx := b.Context()
	b.Run("1", func(b *testing.B) {
		bar := openBarrier(b, filepath.Join(b.TempDir(), "barrier"), 1, BarrierOptions{})
		b.ReportAllocs()
		for b.Loop() {
			bar.Wait(ctx)
		}
	})
	b.Run("2 goroutines", func(b *testing.B) {
		bar := openBarrier(b, filepath.Join(b.TempDir(), "barrier"), 2, BarrierOptions{})
		b.ReportAllocs()
		var wg sync.WaitGroup
		wg.Go(func() {
			for {
				if _, err := bar.Wait(ctx); err != nil {
					return
				}
			}
		})
		for b.Loop() {
			bar.Wait(ctx)
		}
		bar.Abort()
		wg.Wait()
	})
	b.Run("limit/2 goroutines", func(b *testing.B) { // two channels do the same
		to, fro := make(chan struct{}), make(chan struct{})
		go func() {
			for range to {
				fro <- struct{}{}
			}
		}()
		for b.Loop() {
			to <- struct{}{}
			<-fro
		}
		close(to)
	})
}
