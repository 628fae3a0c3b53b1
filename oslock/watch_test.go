package oslock

import (
	"context"
	"os"
	"testing"
)

// watch collects what is told of waits at one file. Not parallel: there is one watcher a process.
func watch(t *testing.T, file string) <-chan Wait {
	t.Helper()
	told := make(chan Wait, 1000)
	WatchWaits(func(w Wait) {
		if w.File == file {
			told <- w
		}
	})
	t.Cleanup(func() { WatchWaits(nil) })
	return told
}

func nextWait(t *testing.T, told <-chan Wait) Wait {
	t.Helper()
	select {
	case w := <-told:
		return w
	case <-soon(t).Done():
		t.Fatal("nobody was told of the wait")
		return Wait{}
	}
}

func TestWatchWaits(t *testing.T) {
	path := tempPath(t)
	l := openLock(t, path, LockOptions{})
	told := watch(t, path)
	first, second := act(t), act(t)
	for _, p := range []*process{first, second} {
		p.do("open "+path, "ok")
	}
	first.do("lock", "ok")
	locked := after(func() error { return l.Lock(soon(t)) })
	w := nextWait(t, told)
	if w.File != path || w.Kind != "lock" || w.Owner != first.cmd.Process.Pid || w.Over || w.ID == 0 || w.Since.IsZero() {
		t.Errorf("told %+v, want a wait for process %d", w, first.cmd.Process.Pid)
	}
	wantBlocked(t, locked)
	first.do("unlock", "ok")
	wantDone(t, locked, nil)
	over := nextWait(t, told)
	if w.Over = true; over != w {
		t.Errorf("told %+v, want %+v", over, w)
	}
	mustUnlock(t, l)

	// Another takes it while we wait: we are told of the new owner.
	first.do("lock", "ok")
	locked = after(func() error { return l.Lock(soon(t)) })
	if w = nextWait(t, told); w.Owner != first.cmd.Process.Pid || w.ID == over.ID {
		t.Errorf("told %+v", w)
	}
	second.send("lock")
	first.cmd.Process.Kill()
	for !w.Over { // the next told is of second, or that we got it ourselves
		if w = nextWait(t, told); !w.Over && w.Owner != second.cmd.Process.Pid && w.Owner != 0 {
			t.Errorf("told of owner %d, want %d", w.Owner, second.cmd.Process.Pid)
		}
		if w.Owner == second.cmd.Process.Pid && !w.Over {
			second.line()
			second.do("repaired", "ok")
			second.do("unlock", "ok")
		}
	}
	if err := <-locked; err != nil && !isHeld(err) {
		t.Fatal(err)
	}
	mustUnlock(t, l)
}

// A wait that is given up is told as over, and one that was never told of is not.
func TestWatchGivenUp(t *testing.T) {
	path := tempPath(t)
	l := openLock(t, path, LockOptions{})
	mustLock(t, l)
	told := watch(t, path)
	ctx, cancel := context.WithCancel(context.Background())
	gaveUp := after(func() error { return l.Lock(ctx) })
	w := nextWait(t, told)
	if w.Owner != os.Getpid() {
		t.Errorf("owner %d, want this process, %d", w.Owner, os.Getpid())
	}
	cancel()
	wantDone(t, gaveUp, context.Canceled)
	if over := nextWait(t, told); !over.Over || over.ID != w.ID {
		t.Errorf("told %+v", over)
	}
	ended, end := context.WithCancel(context.Background())
	end()
	wantError(t, "Lock", l.Lock(ended), context.Canceled)
	mustUnlock(t, l)
	select {
	case w := <-told:
		t.Errorf("told of a wait that was none: %+v", w)
	default:
	}
}

// Writers and readers of a read-write lock are told who is in the way.
func TestWatchReadersAndWriter(t *testing.T) {
	path := tempPath(t)
	rw, err := OpenRWLock(path, LockOptions{})
	if err != nil {
		t.Fatal(err)
	}
	defer rw.Close()
	told := watch(t, path)
	p := act(t)
	p.do("rw "+path, "ok")
	for _, row := range []struct {
		enter, leave string
		lock, unlock func() error
	}{
		{"rlock", "runlock", func() error { return rw.Lock(soon(t)) }, rw.Unlock},
		{"wlock", "wunlock", func() error { return rw.RLock(soon(t)) }, rw.RUnlock},
	} {
		p.do(row.enter, "ok")
		locked := after(row.lock)
		if w := nextWait(t, told); w.Owner != p.cmd.Process.Pid || w.Kind != "read-write lock" {
			t.Errorf("%s: told %+v, want a wait for process %d", row.enter, w, p.cmd.Process.Pid)
		}
		p.do(row.leave, "ok")
		wantDone(t, locked, nil)
		for w := nextWait(t, told); !w.Over; w = nextWait(t, told) {
		}
		if err := row.unlock(); err != nil {
			t.Fatal(err)
		}
	}
}

func TestProcessOfAMember(t *testing.T) {
	t.Parallel()
	r, err := member()
	if err != nil {
		t.Fatal(err)
	}
	if got := r.pid(r.me); got != os.Getpid() {
		t.Errorf("pid of this member is %d, want %d", got, os.Getpid())
	}
	later := numberFor(slotOf(r.me), nextGen(genOf(r.me)))
	if got := r.pid(later); got != 0 {
		t.Errorf("a number nobody has yet is process %d, want 0", got)
	}
	if got := r.pid(0); got != 0 {
		t.Errorf("nobody is process %d, want 0", got)
	}
}
