package oslock

import (
	"context"
	"errors"
	"path/filepath"
	"strconv"
	"sync"
	"sync/atomic"
	"testing"
	"time"
)

func openRW(t testing.TB, name string, o LockOptions) *RWLock {
	t.Helper()
	rw, err := OpenRWLock(name, o)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { rw.Close() })
	return rw
}

func wantTryR(t testing.TB, rw *RWLock, want bool) {
	t.Helper()
	if got, err := rw.TryRLock(); got != want || err != nil {
		t.Fatalf("TryRLock = %v, %v, want %v", got, err, want)
	}
}

// tryGets blocks until TryLock gets it. Where nobody is woken, what was reserved for those who gave up stays so for some
// milliseconds.
func tryGets(t testing.TB, rw *RWLock) {
	t.Helper()
	eventually(t, "TryLock gets it", func() bool {
		ok, err := rw.TryLock()
		return ok && err == nil
	})
}

// writerWaits blocks until a writer waits for the readers to leave.
func writerWaits(t testing.TB, rw *RWLock) {
	t.Helper()
	f := rw.h.file.Load()
	eventually(t, "a writer waits for readers", func() bool { return f.rw.leaving.word.Load()&bitW != 0 })
}

func TestRWLockExcludes(t *testing.T) {
	t.Parallel()
	path := tempPath(t)
	a, b := openRW(t, path, LockOptions{}), openRW(t, path, LockOptions{})
	must(t, "RLock", a.RLock(soon(t)))
	must(t, "RLock", b.RLock(soon(t)))
	wantTryR(t, b, true)
	wantTry(t, b, false)
	writer := after(func() error { return b.Lock(soon(t)) })
	writerWaits(t, b)
	wantTryR(t, a, false) // a writer waits
	reader := after(func() error { return a.RLock(soon(t)) })
	waiting(t, &a.h)
	for range 3 {
		wantBlocked(t, writer)
		must(t, "RUnlock", a.RUnlock())
	}
	wantDone(t, writer, nil)
	wantError(t, "RUnlock too many", a.RUnlock(), ErrNotOwner)
	wantTry(t, a, false)
	wantTryR(t, a, false)
	wantBlocked(t, reader)
	must(t, "Unlock", a.Unlock()) // another handle of the process
	wantDone(t, reader, nil)
	wantError(t, "Unlock too many", a.Unlock(), ErrNotOwner)
	wantError(t, "Repaired without the lock", a.Repaired(), ErrNotOwner)
	must(t, "RUnlock", b.RUnlock())
	tryGets(t, a)
	must(t, "Unlock", a.Unlock())
	if a.File() != path {
		t.Errorf("File = %s, want %s", a.File(), path)
	}
}

func TestRWLockManyGoroutines(t *testing.T) {
	t.Parallel()
	path := tempPath(t)
	handles := []*RWLock{openRW(t, path, LockOptions{}), openRW(t, path, LockOptions{})}
	const goroutines, rounds = 20, 200
	var wg sync.WaitGroup
	var readers atomic.Int32
	total := 0 // not atomic: the race detector watches the lock
	for i := range goroutines {
		wg.Go(func() {
			rw := handles[i%2]
			for n := range rounds {
				if n%4 == 0 {
					must(t, "Lock", rw.Lock(soon(t)))
					if readers.Load() != 0 {
						t.Error("a reader beside a writer")
					}
					total++
					must(t, "Unlock", rw.Unlock())
					continue
				}
				must(t, "RLock", rw.RLock(soon(t)))
				readers.Add(1)
				_ = total
				readers.Add(-1)
				must(t, "RUnlock", rw.RUnlock())
			}
		})
	}
	wg.Wait()
	if want := goroutines * rounds / 4; total != want {
		t.Errorf("counted %d, want %d", total, want)
	}
	f := handles[0].h.file.Load()
	if v := f.word.Load(); v != 0 || f.rw.state.Load() != 0 || f.read() {
		t.Errorf("at the end the word is %#x, state %d, readers %v", v, f.rw.state.Load(), f.read())
	}
}

func TestRWLockBetweenProcesses(t *testing.T) {
	t.Parallel()
	path := tempPath(t)
	rw, p := openRW(t, path, LockOptions{}), act(t)
	p.do("rw "+path, "ok")
	p.do("rlock", "ok")
	wantTryR(t, rw, true)
	wantTry(t, rw, false)
	p.do("trywlock", "false")
	must(t, "RUnlock", rw.RUnlock())
	wantError(t, "RUnlock of another process's share", rw.RUnlock(), ErrNotOwner)
	done := after(func() error { return rw.Lock(soon(t)) })
	writerWaits(t, rw)
	p.do("tryrlock", "false")
	wantBlocked(t, done)
	p.do("runlock", "ok")
	wantDone(t, done, nil)
	p.do("tryrlock", "false")
	p.do("wlock 5ms", "timeout")
	p.do("rlock 5ms", "timeout")
	p.do("wunlock", "notowner")
	p.send("rlock")
	waiting(t, &rw.h)
	must(t, "Unlock", rw.Unlock())
	p.expect("ok")
	p.do("runlock", "ok")
	// Where nobody is woken, what was reserved for the ones who gave up stays so for some milliseconds.
	eventually(t, "TryLock gets it", func() bool { return p.ask("trywlock") == "true" })
	wantTryR(t, rw, false)
	p.do("wunlock", "ok")
}

// A context that ends takes a waiting writer out of the readers' way.
func TestRWLockCancel(t *testing.T) {
	t.Parallel()
	rw := openRW(t, tempPath(t), LockOptions{})
	must(t, "RLock", rw.RLock(soon(t)))
	ctx, cancel := context.WithCancel(context.Background())
	writer := after(func() error { return rw.Lock(ctx) })
	writerWaits(t, rw)
	reader := after(func() error { return rw.RLock(soon(t)) })
	waiting(t, &rw.h)
	cancel()
	wantDone(t, writer, context.Canceled)
	wantDone(t, reader, nil)
	must(t, "RUnlock", rw.RUnlock())
	must(t, "RUnlock", rw.RUnlock())
	tryGets(t, rw)
	must(t, "Unlock", rw.Unlock())
}

// A reader who dies gives its share back, and nobody is told.
func TestRWLockKilledReader(t *testing.T) {
	t.Parallel()
	path := tempPath(t)
	rw := openRW(t, path, LockOptions{})
	for _, try := range []bool{false, true} {
		p := act(t)
		p.do("rw "+path, "ok")
		p.do("rlock", "ok")
		p.do("rlock", "ok")
		wantTry(t, rw, false)
		if try {
			p.kill()
			eventually(t, "TryLock gets it", func() bool {
				ok, err := rw.TryLock()
				return ok && err == nil
			})
		} else {
			done := after(func() error { return rw.Lock(soon(t)) })
			writerWaits(t, rw)
			p.kill()
			wantDone(t, done, nil)
		}
		must(t, "Unlock", rw.Unlock())
	}
}

// A writer who dies inside leaves it to the next, reader or writer, who is told until somebody has repaired.
func TestRWLockKilledWriter(t *testing.T) {
	t.Parallel()
	path := tempPath(t)
	rw := openRW(t, path, LockOptions{})
	kill := func(lock string) {
		p := act(t)
		p.do("rw "+path, "ok")
		p.do("wlock", lock)
		p.kill()
	}
	kill("ok")
	wantError(t, "RLock", rw.RLock(soon(t)), ErrOwnerDied)
	if ok, err := rw.TryRLock(); !ok || !errors.Is(err, ErrOwnerDied) {
		t.Errorf("TryRLock = %v, %v, want true and ErrOwnerDied", ok, err)
	}
	wantError(t, "Repaired by a reader", rw.Repaired(), ErrNotOwner)
	must(t, "RUnlock", rw.RUnlock())
	must(t, "RUnlock", rw.RUnlock())
	wantError(t, "Lock", rw.Lock(soon(t)), ErrOwnerDied)
	must(t, "Unlock", rw.Unlock())
	kill("died") // over the repair
	wantError(t, "Lock", rw.Lock(soon(t)), ErrOwnerDied)
	must(t, "Repaired", rw.Repaired())
	must(t, "Unlock", rw.Unlock())
	must(t, "RLock", rw.RLock(soon(t)))
	must(t, "RUnlock", rw.RUnlock())

	broken := errors.New("broken")
	result := broken
	calls := 0
	repairing := openRW(t, path, LockOptions{Repair: func() error {
		calls++
		if rw.h.file.Load().rw.state.Load()&stateInside == 0 {
			t.Error("repair runs outside")
		}
		return result
	}})
	for _, how := range []func() error{
		func() error { return repairing.RLock(soon(t)) },
		func() error { return repairing.Lock(soon(t)) },
		func() error { _, err := repairing.TryLock(); return err },
		func() error { _, err := repairing.TryRLock(); return err },
	} {
		kill("ok")
		result = broken
		eventually(t, "repair fails", func() bool { return errors.Is(how(), broken) })
		wantError(t, "RUnlock after a failed repair", repairing.RUnlock(), ErrNotOwner)
		wantError(t, "Unlock after a failed repair", repairing.Unlock(), ErrNotOwner)
		result = nil
		must(t, "with repair", how())
		if repairing.Unlock() != nil {
			must(t, "RUnlock", repairing.RUnlock())
		}
		must(t, "Lock", rw.Lock(soon(t)))
		must(t, "Unlock", rw.Unlock())
	}
	if calls != 8 {
		t.Errorf("repair ran %d times, want 8", calls)
	}
}

// Who dies in the line, or while it waits for readers, has not been inside: nobody is told.
func TestRWLockKilledWaiter(t *testing.T) {
	t.Parallel()
	path := tempPath(t)
	rw := openRW(t, path, LockOptions{})
	must(t, "RLock", rw.RLock(soon(t)))
	p := act(t)
	p.do("rw "+path, "ok")
	p.send("wlock")
	writerWaits(t, rw)
	done := after(func() error { return rw.RLock(soon(t)) })
	waiting(t, &rw.h)
	p.kill()
	wantDone(t, done, nil)
	must(t, "RUnlock", rw.RUnlock())
	must(t, "RUnlock", rw.RUnlock())

	must(t, "Lock", rw.Lock(soon(t)))
	p = act(t)
	p.do("rw "+path, "ok")
	p.do("dieat taken", "ok") // a reader who has the word
	p.send("rlock")
	waiting(t, &rw.h)
	must(t, "Unlock", rw.Unlock())
	if p.wait() == nil {
		t.Error("it lives")
	}
	must(t, "RLock", rw.RLock(soon(t)))
	must(t, "RUnlock", rw.RUnlock())
	must(t, "Lock", rw.Lock(soon(t)))
	must(t, "Unlock", rw.Unlock())
}

func TestRWLockClosed(t *testing.T) {
	t.Parallel()
	path := tempPath(t)
	rw, other := openRW(t, path, LockOptions{}), openRW(t, path, LockOptions{})
	must(t, "RLock", rw.RLock(soon(t)))
	writer := after(func() error { return rw.Lock(context.Background()) })
	writerWaits(t, rw)
	reader := after(func() error { return rw.RLock(context.Background()) })
	waiting(t, &rw.h)
	rw.Close()
	wantDone(t, writer, ErrClosed)
	wantDone(t, reader, ErrClosed)
	for what, err := range map[string]error{
		"Lock": rw.Lock(soon(t)), "RLock": rw.RLock(soon(t)), "Unlock": rw.Unlock(), "RUnlock": rw.RUnlock(), "Repaired": rw.Repaired(),
	} {
		wantError(t, what, err, ErrClosed)
	}
	wantTry(t, other, false) // the share stays taken
	must(t, "RUnlock", other.RUnlock())
	tryGets(t, other)
	must(t, "Unlock", other.Unlock())
}

// hammeringReader takes and gives shares as fast as it can: [lock, board, line].
var hammeringReader = newHelper("hammering-reader", func(h *helperIO, args []string) error {
	b, err := openBoard(args[1])
	if err != nil {
		return err
	}
	line, err := strconv.Atoi(args[2])
	if err != nil {
		return err
	}
	rw, err := OpenRWLock(args[0], LockOptions{})
	if err != nil {
		return err
	}
	go exitWithTest(h)
	count := b.r.Uint64(1024 + 64*line)
	for {
		if err := rw.RLock(context.Background()); err != nil {
			return err
		}
		count.Add(1)
		for start := time.Now(); time.Since(start) < 50*time.Microsecond; {
		}
		if err := rw.RUnlock(); err != nil {
			return err
		}
	}
})

// Readers who overlap all the time do not keep a writer out, nor do writers one another's readers.
func TestRWLockWritersDoNotStarve(t *testing.T) {
	path, board := tempPath(t), filepath.Join(t.TempDir(), "board")
	b, err := openBoard(board)
	if err != nil {
		t.Fatal(err)
	}
	defer b.r.Unmap()
	const n = 4
	for i := range n {
		hammeringReader.start(t, nil, path, board, strconv.Itoa(i))
	}
	read := func(i int) uint64 { return b.r.Uint64(1024 + 64*i).Load() }
	eventually(t, "all read", func() bool {
		for i := range n {
			if read(i) < 10 {
				return false
			}
		}
		return true
	})
	rw := openRW(t, path, LockOptions{})
	var longest time.Duration
	const writes = 100
	for range writes {
		start := time.Now()
		must(t, "Lock", rw.Lock(soon(t)))
		longest = max(longest, time.Since(start))
		must(t, "Unlock", rw.Unlock())
	}
	t.Logf("%d writes among %d readers, longest wait %v", writes, n, longest)
	before := read(0)
	eventually(t, "readers get in among writers", func() bool {
		must(t, "Lock", rw.Lock(soon(t)))
		must(t, "Unlock", rw.Unlock())
		return read(0) > before+20
	})
}
