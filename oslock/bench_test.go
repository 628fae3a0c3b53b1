package oslock

import (
	"os"
	"path/filepath"
	"sync"
	"testing"

	"yunta/oslock/mapped"
)

// BenchmarkBareCAS is the limit: what any lock in shared memory must do.
func BenchmarkBareCAS(b *testing.B) {
	f, err := mapped.Anonymous("bench", 64)
	if err != nil {
		b.Fatal(err)
	}
	defer f.Close()
	r, err := mapped.Map(f, 0, 64)
	if err != nil {
		b.Fatal(err)
	}
	defer r.Unmap()
	word := r.Uint32(0)
	for b.Loop() {
		word.CompareAndSwap(0, 1)
		word.CompareAndSwap(1, 0)
	}
}

func BenchmarkMutex(b *testing.B) {
	var mu sync.Mutex
	n := 0
	for b.Loop() {
		mu.Lock()
		n++
		mu.Unlock()
	}
}

func BenchmarkLockFree(b *testing.B) {
	l := openLock(b, filepath.Join(b.TempDir(), "lock"), LockOptions{})
	ctx := b.Context()
	b.ReportAllocs()
	for b.Loop() {
		if err := l.Lock(ctx); err != nil {
			b.Fatal(err)
		}
		if err := l.Unlock(); err != nil {
			b.Fatal(err)
		}
	}
}

func BenchmarkRLockAgain(b *testing.B) {
	r, err := OpenRLock(filepath.Join(b.TempDir(), "lock"), LockOptions{})
	if err != nil {
		b.Fatal(err)
	}
	defer r.Close()
	ctx := b.Context()
	b.ReportAllocs()
	for b.Loop() {
		r.Lock(ctx)
		r.Unlock()
	}
}

func BenchmarkSemaphoreFree(b *testing.B) {
	for name, o := range map[string]SemaphoreOptions{"plain": {}, "bounded": {Bounded: true}, "undo": {Undo: true}} {
		b.Run(name, func(b *testing.B) {
			s := openSemaphore(b, filepath.Join(b.TempDir(), "sem"), 3, o)
			ctx := b.Context()
			b.ReportAllocs()
			for b.Loop() {
				s.Acquire(ctx)
				s.Release(1)
			}
		})
	}
}

// BenchmarkOpen is a lock opened and closed; the process is a member already.
func BenchmarkOpen(b *testing.B) {
	path := filepath.Join(b.TempDir(), "lock")
	b.ReportAllocs()
	for b.Loop() {
		l, err := OpenLock(path, LockOptions{})
		if err != nil {
			b.Fatal(err)
		}
		l.Close()
	}
}

// BenchmarkJoin is what the first lock of a process costs beyond opening it, in a process that runs warm. The
// slots stay taken until the process ends, so each finds the first few it tries in use.
func BenchmarkJoin(b *testing.B) {
	base := "/dev/shm"
	if _, err := os.Stat(base); err != nil {
		base = ""
	}
	dir, err := os.MkdirTemp(base, "yt")
	if err != nil {
		b.Fatal(err)
	}
	defer os.RemoveAll(dir)
	b.Setenv("YUNTA_DIR", dir)
	for n := 0; b.Loop(); n++ {
		if n > slots-100 {
			b.Skip("out of slots: use -benchtime 1000x")
		}
		r, err := joinRegistry()
		if err != nil {
			b.Fatal(err)
		}
		r.close()
	}
}
