package oslock

import (
	"context"
	"errors"
	"io/fs"
	"os"
	"path/filepath"
	"runtime"
	"sync"
	"sync/atomic"
	"syscall"
	"testing"
	"time"
)

// fileLockGone bounds waits that end at once unless something is broken.
const fileLockGone = 20 * time.Second

func fileLockPath(t testing.TB) string {
	t.Helper()
	return filepath.Join(t.TempDir(), "lock")
}

func fileLockContext(t testing.TB) context.Context {
	t.Helper()
	ctx, cancel := context.WithTimeout(context.Background(), fileLockGone)
	t.Cleanup(cancel)
	return ctx
}

func openForLock(t testing.TB, path string) *os.File {
	t.Helper()
	f, err := os.Open(path)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { f.Close() })
	return f
}

// tryFileLock fails unless a try on l gives want, and undoes the try.
func tryFileLock(t testing.TB, l *FileLock, shared, want bool) {
	t.Helper()
	try := l.TryLock
	if shared {
		try = l.TryRLock
	}
	got, err := try()
	if err != nil || got != want {
		t.Errorf("try (shared %v) = %v, %v, want %v", shared, got, err, want)
	}
	if got {
		if err := l.Unlock(); err != nil {
			t.Error(err)
		}
	}
}

// The forms of a file lock behave the same.
func fileLockForms(t *testing.T, f func(t *testing.T, open func() *FileLock)) {
	t.Helper()
	t.Run("path", func(t *testing.T) {
		t.Parallel()
		path := fileLockPath(t)
		f(t, func() *FileLock { return NewFileLock(path) })
	})
	t.Run("directory", func(t *testing.T) {
		t.Parallel()
		path := t.TempDir()
		f(t, func() *FileLock { return NewFileLock(path) })
	})
	t.Run("descriptor", func(t *testing.T) {
		t.Parallel()
		path := t.TempDir()
		f(t, func() *FileLock { return FileLockOf(openForLock(t, path)) })
	})
}

func TestFileLockHandlesExclude(t *testing.T) {
	t.Parallel()
	fileLockForms(t, func(t *testing.T, open func() *FileLock) {
		ctx := fileLockContext(t)
		a, b := open(), open()
		if err := a.Lock(ctx); err != nil {
			t.Fatal(err)
		}
		for _, l := range []*FileLock{a, b} {
			tryFileLock(t, l, false, false)
			tryFileLock(t, l, true, false)
		}
		if err := a.Unlock(); err != nil {
			t.Fatal(err)
		}
		tryFileLock(t, b, false, true)

		// Shared: both at once, twice on one handle; an exclusive one only after the last has left.
		for _, l := range []*FileLock{a, a, b} {
			if err := l.RLock(ctx); err != nil {
				t.Fatal(err)
			}
		}
		c := open()
		tryFileLock(t, c, true, true)
		for _, l := range []*FileLock{a, b, a} {
			tryFileLock(t, c, false, false)
			if err := l.Unlock(); err != nil {
				t.Fatal(err)
			}
		}
		tryFileLock(t, c, false, true)
		for _, l := range []*FileLock{a, b, c} {
			if err := l.Unlock(); !errors.Is(err, ErrNotOwner) {
				t.Errorf("Unlock of what is not locked: %v, want ErrNotOwner", err)
			}
			if err := l.Close(); err != nil {
				t.Error(err)
			}
		}
	})
}

func TestFileLockGoroutines(t *testing.T) {
	t.Parallel()
	for _, handles := range []int{1, 4} {
		fileLockForms(t, func(t *testing.T, open func() *FileLock) {
			ctx := fileLockContext(t)
			locks := make([]*FileLock, handles)
			for i := range locks {
				locks[i] = open()
			}
			const goroutines, rounds = 8, 50
			counter := 0 // without a lock of its own: the race detector watches
			var shared, writers atomic.Int32
			var wg sync.WaitGroup
			for g := range goroutines {
				l := locks[g%handles]
				wg.Go(func() {
					for range rounds {
						if err := l.Lock(ctx); err != nil {
							t.Error(err)
							return
						}
						if handles == 1 {
							counter++
						}
						if writers.Add(1) != 1 || shared.Load() != 0 {
							t.Error("not alone")
						}
						writers.Add(-1)
						if err := l.Unlock(); err != nil {
							t.Error(err)
						}
						if err := l.RLock(ctx); err != nil {
							t.Error(err)
							return
						}
						shared.Add(1)
						if writers.Load() != 0 {
							t.Error("a writer beside a reader")
						}
						shared.Add(-1)
						if err := l.Unlock(); err != nil {
							t.Error(err)
						}
					}
				})
			}
			wg.Wait()
			if handles == 1 && counter != goroutines*rounds {
				t.Errorf("counter %d, want %d", counter, goroutines*rounds)
			}
		})
	}
}

// fileLockBlocked starts f and returns its result to come, after making sure that f waits.
func fileLockBlocked(t testing.TB, l *FileLock, f func() error) <-chan error {
	t.Helper()
	done := make(chan error, 1)
	before := l.waiting()
	go func() { done <- f() }()
	for end := time.Now().Add(fileLockGone); l.waiting() == before; runtime.Gosched() {
		select {
		case err := <-done:
			t.Fatalf("returned %v instead of waiting", err)
		default:
		}
		if time.Now().After(end) {
			t.Fatal("does not wait")
		}
	}
	return done
}

// waiting counts those who are in the queue or inside without having been granted the lock.
func (l *FileLock) waiting() int {
	l.gate.mu.Lock()
	defer l.gate.mu.Unlock()
	l.mu.Lock()
	defer l.mu.Unlock()
	return len(l.gate.queue) + max(l.gate.inside, -l.gate.inside) - l.granted
}

func fileLockSoon(t testing.TB, done <-chan error, want error) {
	t.Helper()
	select {
	case err := <-done:
		if !errors.Is(err, want) {
			t.Errorf("got %v, want %v", err, want)
		}
	case <-time.After(fileLockGone):
		t.Fatal("still waiting")
	}
}

// A wait ends with its context, be it for another goroutine or for another handle, and disturbs nobody.
func TestFileLockCancel(t *testing.T) {
	t.Parallel()
	fileLockForms(t, func(t *testing.T, open func() *FileLock) {
		ctx := fileLockContext(t)
		owner, l := open(), open()
		if err := owner.Lock(ctx); err != nil {
			t.Fatal(err)
		}
		cctx, cancel := context.WithCancel(ctx)
		var waits []<-chan error
		for i := range 6 { // the first asks the kernel, the rest queue behind it
			wait := l.Lock
			if i%3 == 0 {
				wait = l.RLock
			}
			waits = append(waits, fileLockBlocked(t, l, func() error { return wait(cctx) }))
		}
		last := fileLockBlocked(t, l, func() error { return l.Lock(ctx) })
		same := fileLockBlocked(t, owner, func() error { return owner.Lock(cctx) })
		start := time.Now()
		cancel()
		for _, done := range append(waits, same) {
			fileLockSoon(t, done, context.Canceled)
		}
		t.Logf("%d waits ended %v after the cancel", len(waits)+1, time.Since(start))
		if err := l.Lock(cctx); !errors.Is(err, context.Canceled) {
			t.Errorf("Lock with an ended context: %v", err)
		}
		if err := owner.Unlock(); err != nil {
			t.Fatal(err)
		}
		fileLockSoon(t, last, nil)
		tryFileLock(t, owner, true, false)
		if err := l.Unlock(); err != nil {
			t.Error(err)
		}
	})
}

// A waiter in the queue that gives up lets those behind it pass.
func TestFileLockQueueAdvances(t *testing.T) {
	t.Parallel()
	ctx := fileLockContext(t)
	l := NewFileLock(fileLockPath(t))
	if err := l.RLock(ctx); err != nil {
		t.Fatal(err)
	}
	cctx, cancel := context.WithCancel(ctx)
	writer := fileLockBlocked(t, l, func() error { return l.Lock(cctx) })
	reader := fileLockBlocked(t, l, func() error { return l.RLock(ctx) }) // behind the writer
	tryFileLock(t, l, true, false)
	cancel()
	fileLockSoon(t, writer, context.Canceled)
	fileLockSoon(t, reader, nil)
	for range 2 {
		if err := l.Unlock(); err != nil {
			t.Error(err)
		}
	}
	tryFileLock(t, l, false, true)
}

func TestFileLockClose(t *testing.T) {
	t.Parallel()
	fileLockForms(t, func(t *testing.T, open func() *FileLock) {
		ctx := fileLockContext(t)
		other, l := open(), open()
		if err := other.RLock(ctx); err != nil {
			t.Fatal(err)
		}
		asking := fileLockBlocked(t, l, func() error { return l.Lock(ctx) })
		queued := fileLockBlocked(t, l, func() error { return l.RLock(ctx) })
		if err := l.Close(); err != nil {
			t.Error(err)
		}
		fileLockSoon(t, asking, ErrClosed)
		fileLockSoon(t, queued, ErrClosed)

		// Closing what is locked unlocks it.
		if err := errors.Join(other.Close(), other.Close()); err != nil {
			t.Error(err)
		}
		tryFileLock(t, open(), false, true)
		if _, err := other.TryLock(); !errors.Is(err, ErrClosed) {
			t.Errorf("TryLock: %v, want ErrClosed", err)
		}
		for _, err := range []error{other.Lock(ctx), other.RLock(ctx), other.Unlock()} {
			if !errors.Is(err, ErrClosed) {
				t.Errorf("got %v, want ErrClosed", err)
			}
		}
	})
}

func TestFileLockErrors(t *testing.T) {
	t.Parallel()
	ctx := fileLockContext(t)
	dir := t.TempDir()
	closed := openForLock(t, dir)
	closed.Close()
	for _, tt := range []struct {
		name string
		l    *FileLock
		want error
	}{
		{"no parent", NewFileLock(filepath.Join(dir, "no", "lock")), fs.ErrNotExist},
		{"bad name", NewFileLock("a\x00b"), syscall.EINVAL},
		{"empty name", NewFileLock(""), fs.ErrNotExist},
		{"closed file", FileLockOf(closed), os.ErrClosed},
	} {
		t.Run(tt.name, func(t *testing.T) {
			if err := tt.l.Lock(ctx); !errors.Is(err, tt.want) {
				t.Errorf("Lock: %v, want %v", err, tt.want)
			}
			if ok, err := tt.l.TryRLock(); ok || !errors.Is(err, tt.want) {
				t.Errorf("TryRLock: %v, %v, want %v", ok, err, tt.want)
			}
			if err := tt.l.Unlock(); !errors.Is(err, ErrNotOwner) {
				t.Errorf("Unlock: %v, want ErrNotOwner", err)
			}
		})
	}
}

func TestFileLockMode(t *testing.T) {
	t.Parallel()
	for _, tt := range []struct{ mode, want fs.FileMode }{{0, 0o600}, {0o640, 0o640}, {0o400, 0o400}} {
		path := fileLockPath(t)
		l := NewFileLockWith(path, FileLockOptions{Mode: tt.mode})
		if l.Path() != path {
			t.Errorf("Path() = %q", l.Path())
		}
		for range 2 { // the second time it exists
			tryFileLock(t, l, false, true)
		}
		if info, err := os.Stat(path); err != nil || info.Mode() != tt.want {
			t.Errorf("mode %v, %v, want %v", info.Mode(), err, tt.want)
		}
	}
}

// An owner that removes the file before it unlocks, as many programs do, must not leave two owners.
func TestFileLockRemovedFile(t *testing.T) {
	t.Parallel()
	ctx := fileLockContext(t)
	path := fileLockPath(t)
	owner, waiter := NewFileLock(path), NewFileLock(path)
	if err := owner.Lock(ctx); err != nil {
		t.Fatal(err)
	}
	old := FileLockOf(openForLock(t, path)) // stays with the removed file
	done := fileLockBlocked(t, waiter, func() error { return waiter.Lock(ctx) })
	if err := errors.Join(os.Remove(path), owner.Unlock()); err != nil {
		t.Fatal(err)
	}
	fileLockSoon(t, done, nil)
	tryFileLock(t, NewFileLock(path), false, false)
	tryFileLock(t, old, false, true) // the waiter has the new file's lock
	if err := waiter.Close(); err != nil {
		t.Error(err)
	}
}

// A taken lock whose handle is dropped stays taken, as a program expects that takes one for its whole life.
func TestFileLockDropped(t *testing.T) {
	t.Parallel()
	path := fileLockPath(t)
	func() {
		if err := NewFileLock(path).Lock(fileLockContext(t)); err != nil {
			t.Fatal(err)
		}
	}()
	for range 3 {
		runtime.GC()
	}
	tryFileLock(t, NewFileLock(path), true, false)
	fileLocksTaken.Range(func(l, _ any) bool {
		if l := l.(*FileLock); l.Path() == path {
			l.Close()
		}
		return true
	})
	tryFileLock(t, NewFileLock(path), false, true)
}

// No wait may keep a thread of the operating system.
func TestFileLockThreads(t *testing.T) {
	ctx, cancel := context.WithCancel(fileLockContext(t))
	path := fileLockPath(t)
	owner := NewFileLock(path)
	if err := owner.Lock(ctx); err != nil {
		t.Fatal(err)
	}
	before := fileLockThreads()
	var waits []<-chan error
	for range 100 {
		l := NewFileLock(path)
		waits = append(waits, fileLockBlocked(t, l, func() error { return l.Lock(ctx) }))
	}
	if got := fileLockThreads(); before > 0 && got > before+20 {
		t.Errorf("%d threads with 100 waiters, %d before", got, before)
	}
	cancel()
	for _, done := range waits {
		fileLockSoon(t, done, context.Canceled)
	}
	if err := owner.Close(); err != nil {
		t.Error(err)
	}
}

// fileLockThreads counts this process's threads, 0 if the system does not say.
func fileLockThreads() int {
	entries, _ := os.ReadDir("/proc/self/task")
	return len(entries)
}

func BenchmarkFileLock(b *testing.B) {
	ctx := context.Background()
	for name, l := range map[string]*FileLock{
		"path": NewFileLock(fileLockPath(b)), "descriptor": FileLockOf(openForLock(b, b.TempDir())),
	} {
		b.Run(name, func(b *testing.B) {
			b.ReportAllocs()
			for b.Loop() {
				if err := errors.Join(l.Lock(ctx), l.Unlock()); err != nil {
					b.Fatal(err)
				}
			}
		})
	}
}
