package ipc

import (
	"errors"
	"io/fs"
	"os"
	"path/filepath"
	"runtime"
	"sync"
	"syscall"
	"testing"
)

// The allocator of shared memory is the queue's: its extents. After thousands of items of random sizes, many of them
// leased for a while, they lie side by side and fill the file exactly; what is empty is used again; and at the
// end everything is gone.
func TestCPython__TestHeap_test_heap(t *testing.T) {
	t.Parallel()
	rnd := testRand(t)
	q, err := NewQueue[[]byte](QueueOptions{})
	if err != nil {
		t.Fatal(err)
	}
	total := 5000
	if raceEnabled || testing.Short() {
		total = 500
	}
	var out []*Lease[[]byte]
	for i := range total {
		mustPut(t, q, testBytes(i, rnd.IntN(5000)*rnd.IntN(2)+rnd.IntN(100)))
		if q.Len() > 20 || rnd.IntN(2) == 0 {
			l, err := q.Lease(soon(t))
			if err != nil {
				t.Fatal(err)
			}
			out = append(out, l)
		}
		for len(out) > 50 {
			k := rnd.IntN(len(out))
			if err := out[k].Done(); err != nil {
				t.Fatal(err)
			}
			out = append(out[:k], out[k+1:]...)
		}
	}
	end := uint64(queueBase)
	extents := 0
	for ; extents < maxQueueExtents; extents++ {
		e := q.f.entry(extents)
		if e.size.Load() == 0 {
			break
		}
		if e.off.Load() != end {
			t.Errorf("extent %d is at %d, want %d", extents, e.off.Load(), end)
		}
		end += e.size.Load()
	}
	info, err := q.f.file.Stat()
	if err != nil || uint64(info.Size()) != end {
		t.Errorf("the file has %d bytes, want %d (%v)", info.Size(), end, err)
	}
	if extents > 60 {
		t.Errorf("%d extents for some 70 items at a time", extents)
	}
	for _, l := range out {
		if err := l.Done(); err != nil {
			t.Error(err)
		}
	}
	h := q.Handle()
	if err := q.Detach(); err != nil {
		t.Error(err)
	}
	left, err := filepath.Glob(filepath.Join(filepath.Dir(h.File), "*"+q.f.seg.name))
	if err != nil || len(left) > 0 {
		t.Errorf("left: %v, %v", left, err)
	}
}

// Memory is given back by any goroutine, in the middle of whatever others do, and by finalizers.
func TestCPython__TestHeap_test_free_from_gc(t *testing.T) {
	t.Parallel()
	var wg sync.WaitGroup
	closed := make(chan error, 400)
	for range 4 {
		wg.Go(func() {
			for range 25 {
				a, err := NewArray[byte](100, ValueOptions{})
				if err != nil {
					t.Error(err)
					return
				}
				runtime.AddCleanup(new([16]byte), func(a *Array[byte]) { closed <- a.Close() }, a)
				m, err := CreateSharedMemory("", 10)
				if err != nil {
					t.Error(err)
					return
				}
				go func() { closed <- errors.Join(m.Close(), m.Unlink()) }()
				runtime.GC()
			}
		})
	}
	wg.Wait()
	for range 200 {
		select {
		case err := <-closed:
			if err != nil {
				t.Error(err)
			}
		default:
			runtime.GC()
			if err := <-closed; err != nil {
				t.Error(err)
			}
		}
	}
}

// There is no tracker process that a signal could hit. What a signal does to a maker concerns its own
// segments; everybody else's stay, and can be made as before.
func trackerSignal(t *testing.T, sig os.Signal) {
	t.Helper()
	m := testSegment(t, uniqueName(t), 10)
	p := startOther(t, "memory")
	wantSaid(t, p.ask("open %s", m.Name()), "ok")
	theirs := uniqueName(t)
	wantSaid(t, p.ask("create %s", theirs), "ok")
	if err := p.cmd.Process.Signal(sig); err != nil {
		t.Fatal(err)
	}
	p.cmd.Wait()
	_, err := OpenSharedMemory(theirs)
	wantIs(t, err, fs.ErrNotExist)
	again := testSegment(t, theirs, 10)
	for _, name := range []string{m.Name(), again.Name()} {
		o, err := OpenSharedMemory(name)
		if err != nil {
			t.Errorf("%q: %v", name, err)
			continue
		}
		o.Close()
	}
}

func TestCPython_TestResourceTracker_test_resource_tracker_sigint(t *testing.T) {
	t.Parallel()
	trackerSignal(t, syscall.SIGINT)
}

func TestCPython_TestResourceTracker_test_resource_tracker_sigterm(t *testing.T) {
	t.Parallel()
	trackerSignal(t, syscall.SIGTERM)
}

func TestCPython_TestResourceTracker_test_resource_tracker_sigkill(t *testing.T) {
	t.Parallel()
	trackerSignal(t, syscall.SIGKILL)
}
