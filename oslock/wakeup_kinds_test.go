package oslock

import (
	"context"
	"os"
	"testing"
	"time"

	"yunta/oslock/futex"
)

// As TestNoWakeUpIsLost, for the kinds made of locks: everybody sleeps for ever, and is woken by those who should.
func TestNoWakeUpIsLostByKinds(t *testing.T) {
	if !futex.Native() {
		t.Skip("nobody sleeps here without looking")
	}
	pace := testHookPace
	defer func() { testHookPace = pace }()
	testHookPace = func(time.Duration) time.Duration { return time.Hour }
	start := func(t *testing.T, deed string) *process {
		t.Helper()
		p := act(t, "YUNTA_OSLOCK_NOPACE=1")
		p.do(deed, "ok")
		return p
	}
	asleepHere := func(t *testing.T) { t.Helper(); asleep(t, os.Getpid()) }
	asleepThere := func(t *testing.T, p *process) { t.Helper(); asleep(t, p.cmd.Process.Pid) }

	t.Run("rwlock/writer after readers", func(t *testing.T) {
		path := tempPath(t)
		rw, p, q := openRW(t, path, LockOptions{}), start(t, "rw "+path), start(t, "rw "+path)
		p.do("rlock", "ok")
		q.do("rlock", "ok")
		done := after(func() error { return rw.Lock(soon(t)) })
		asleepHere(t)
		p.do("runlock", "ok")
		asleepHere(t)
		wantBlocked(t, done)
		q.do("runlock", "ok")
		wantDone(t, done, nil)
		must(t, "Unlock", rw.Unlock())
	})
	t.Run("rwlock/line after a writer", func(t *testing.T) {
		path := tempPath(t)
		rw, p, q := openRW(t, path, LockOptions{}), start(t, "rw "+path), start(t, "rw "+path)
		must(t, "Lock", rw.Lock(soon(t)))
		reader := after(func() error { return rw.RLock(soon(t)) })
		asleepHere(t)
		p.send("rlock")
		asleepThere(t, p)
		q.send("wlock")
		asleepThere(t, q)
		must(t, "Unlock", rw.Unlock())
		wantDone(t, reader, nil)
		p.expect("ok")
		asleepThere(t, q)
		must(t, "RUnlock", rw.RUnlock())
		p.do("runlock", "ok")
		q.expect("ok")
	})
	t.Run("rwlock/writer gives up", func(t *testing.T) {
		path := tempPath(t)
		rw, p, q := openRW(t, path, LockOptions{}), start(t, "rw "+path), start(t, "rw "+path)
		p.do("rlock", "ok")
		ctx, cancel := context.WithCancel(context.Background())
		writer := after(func() error { return rw.Lock(ctx) })
		asleepHere(t)
		q.send("rlock")
		asleepThere(t, q)
		cancel()
		wantDone(t, writer, context.Canceled)
		q.expect("ok")
	})
	t.Run("event", func(t *testing.T) {
		path := tempPath(t)
		e, p := openEvent(t, path), start(t, "event "+path)
		ctx, cancel := context.WithCancel(context.Background())
		gone := after(func() error { return e.Wait(ctx) })
		asleepHere(t)
		second := after(func() error { return e.Wait(soon(t)) })
		p.send("waitset")
		asleepThere(t, p)
		cancel()
		wantDone(t, gone, context.Canceled)
		asleepHere(t)
		must(t, "Set", e.Set())
		must(t, "Clear", e.Clear())
		wantDone(t, second, nil)
		p.expect("ok")
	})
	t.Run("condition", func(t *testing.T) {
		_, c, deed := newCondition(t)
		p := start(t, deed)
		ctx, cancel := context.WithCancel(context.Background())
		first := after(func() error { return lockWait(ctx, t, c) })
		asleepHere(t)
		second := after(func() error { return lockWait(soon(t), t, c) })
		seated(t, c, 2)
		p.send("lockwait")
		asleepThere(t, p)
		third := after(func() error { return lockWait(soon(t), t, c) })
		seated(t, c, 4)
		cancel() // the one who sleeps for this process
		wantDone(t, first, context.Canceled)
		asleepHere(t)
		lockNotify(t, c, 1)
		wantDone(t, second, nil)
		asleepHere(t)
		lockNotify(t, c, 1)
		p.expect("ok")
		wantBlocked(t, third)
		p.do("lock", "ok")
		p.do("notify 1", "ok")
		p.do("unlock", "ok")
		wantDone(t, third, nil)
	})
	t.Run("barrier", func(t *testing.T) {
		path := tempPath(t)
		b, p := openBarrier(t, path, 3, BarrierOptions{}), start(t, "barrier "+path+" 3")
		for range 10 {
			first := meet(t, b)
			asleepHere(t)
			p.send("meet")
			asleepThere(t, p)
			wantDone(t, meet(t, b), nil)
			wantDone(t, first, nil)
			p.expect("1")
		}
		first := meet(t, b)
		asleepHere(t)
		p.send("meet")
		asleepThere(t, p)
		must(t, "Abort", b.Abort())
		wantDone(t, first, ErrBroken)
		p.expect("broken")
	})
}
