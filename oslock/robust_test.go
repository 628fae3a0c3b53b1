package oslock

import (
	"context"
	"errors"
	"fmt"
	"os"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"

	"yunta/oslock/futex"
)

func TestLockBetweenProcesses(t *testing.T) {
	t.Parallel()
	path := tempPath(t)
	l, p := openLock(t, path, LockOptions{}), act(t)
	p.do("open "+path, "ok")
	p.do("lock", "ok")
	wantTry(t, l, false)
	wantError(t, "Unlock of another process's lock", l.Unlock(), ErrNotOwner)
	wantError(t, "Repaired of another process's lock", l.Repaired(), ErrNotOwner)
	done := after(func() error { return l.Lock(soon(t)) })
	waiting(t, &l.h)
	wantBlocked(t, done)
	p.do("unlock", "ok")
	wantDone(t, done, nil)
	p.do("try", "false")
	p.do("unlock", "notowner")
	p.send("lock")
	waiting(t, &l.h)
	mustUnlock(t, l)
	p.expect("ok")
	p.do("unlock", "ok")
}

// Every way to lock, against an owner that is killed: the waiter gets it within a second, and is told.
func TestKilledOwner(t *testing.T) {
	t.Parallel()
	for _, early := range []bool{false, true} { // killed while somebody waits, or before
		for _, how := range []string{"Lock", "TryLock", "RLock"} {
			t.Run(fmt.Sprint(how, early), func(t *testing.T) {
				t.Parallel()
				path := tempPath(t)
				p := act(t)
				p.do("open "+path, "ok")
				p.do("lock", "ok")
				r, err := OpenRLock(path, LockOptions{})
				if err != nil {
					t.Fatal(err)
				}
				defer r.Close()
				get := map[string]func() error{
					"Lock":  func() error { return r.lock.Lock(soon(t)) },
					"RLock": func() error { return r.Lock(soon(t)) },
					"TryLock": func() error {
						for end := time.Now().Add(hangTime); time.Now().Before(end); {
							if ok, err := r.TryLock(); ok {
								return err
							}
							time.Sleep(100 * time.Microsecond)
						}
						return errors.New("still not")
					},
				}[how]
				if early {
					p.kill()
				}
				done := after(get)
				if !early {
					if how != "TryLock" {
						waiting(t, &r.lock.h)
					}
					wantBlocked(t, done)
					p.kill()
				}
				killed := time.Now()
				wantDone(t, done, ErrOwnerDied)
				t.Logf("after %v", time.Since(killed))
				mustUnlock(t, r.lock)
				// Nobody has repaired: the next is told too, until somebody says so.
				wantError(t, "Lock", r.lock.Lock(soon(t)), ErrOwnerDied)
				if err := r.lock.Repaired(); err != nil {
					t.Fatal(err)
				}
				mustUnlock(t, r.lock)
				mustLock(t, r.lock)
				mustUnlock(t, r.lock)
			})
		}
	}
}

func TestRepair(t *testing.T) {
	t.Parallel()
	path := tempPath(t)
	p := act(t)
	p.do("open "+path, "ok")
	p.do("lock", "ok")
	p.kill()
	broken := errors.New("broken")
	var result error
	calls := 0
	var l *Lock
	l = openLock(t, path, LockOptions{Repair: func() error {
		calls++
		if owner := ownerOf(l.h.file.Load().word.Load()); owner != l.h.file.Load().me {
			t.Errorf("repair runs while the owner is %#x", owner)
		}
		return result
	}})
	result = broken
	err := l.Lock(soon(t))
	if !errors.Is(err, broken) || errors.Is(err, ErrOwnerDied) {
		t.Errorf("Lock with a failing repair = %v, want that error and not ErrOwnerDied", err)
	}
	wantError(t, "Unlock after a failed repair", l.Unlock(), ErrNotOwner)
	if ok, err := l.TryLock(); ok || !errors.Is(err, broken) {
		t.Errorf("TryLock with a failing repair = %v, %v, want false and that error", ok, err)
	}
	func() {
		defer func() {
			if recover() == nil {
				t.Error("the panic of a repair was swallowed")
			}
		}()
		panicking := openLock(t, path, LockOptions{Repair: func() error { panic("in repair") }})
		panicking.Lock(soon(t))
	}()
	result = nil
	mustLock(t, l)
	mustUnlock(t, l)
	mustLock(t, l)
	mustUnlock(t, l)
	if calls != 3 {
		t.Errorf("repair ran %d times, want 3", calls)
	}
}

// A process that dies over the repair leaves it to the next.
func TestKilledInRepair(t *testing.T) {
	t.Parallel()
	path := tempPath(t)
	p := act(t)
	p.do("open "+path, "ok")
	p.do("lock", "ok")
	p.kill()
	for _, step := range []string{"repairing", "repaired"} {
		p := act(t)
		p.do("dieat "+step, "ok")
		p.do("open "+path+" repair", "ok")
		p.send("lock")
		if err := p.wait(); !diedBy(err, syscall.SIGKILL) {
			t.Fatalf("at %s: %v", step, err)
		}
	}
	l := openLock(t, path, LockOptions{})
	wantError(t, "Lock", l.Lock(soon(t)), ErrOwnerDied)
	mustUnlock(t, l)
}

func TestStoppedOwnerLives(t *testing.T) {
	t.Parallel()
	path := tempPath(t)
	p := act(t)
	p.do("open "+path, "ok")
	p.do("lock", "ok")
	p.cmd.Process.Signal(syscall.SIGSTOP)
	l := openLock(t, path, LockOptions{})
	ctx, cancel := context.WithTimeout(context.Background(), 20*maxPace)
	defer cancel()
	wantError(t, "Lock", l.Lock(ctx), context.DeadlineExceeded)
	p.cmd.Process.Signal(syscall.SIGCONT)
	p.do("unlock", "ok")
	mustLock(t, l)
	mustUnlock(t, l)
}

// A killed waiter takes nothing with it: neither a wake-up nor a reservation.
func TestKilledWaiter(t *testing.T) {
	t.Parallel()
	path := tempPath(t)
	l := openLock(t, path, LockOptions{})
	rnd := seed(t)
	for range 20 {
		mustLock(t, l)
		doomed, other := act(t), act(t)
		for _, p := range []*process{doomed, other} {
			p.do("open "+path, "ok")
			p.send("lock")
		}
		waiting(t, &l.h)
		if rnd.IntN(2) == 0 { // until it is one of those who have waited
			eventually(t, "a reservation", func() bool { return l.h.file.Load().word.Load()&bitS != 0 })
		}
		mustUnlock(t, l)
		doomed.cmd.Process.Kill()
		if got := other.line(); got != "ok" && got != "died" { // the doomed one may have had it
			t.Fatalf("the other waiter: %s", got)
		}
		doomed.kill()
		other.kill()
		if err := l.Lock(soon(t)); err != nil && !errors.Is(err, ErrOwnerDied) {
			t.Fatal(err)
		}
		if err := l.Repaired(); err != nil {
			t.Fatal(err)
		}
		mustUnlock(t, l)
	}
	wantTry(t, l, true)
	mustUnlock(t, l)
}

// After a waiter for whom the lock was reserved has died, TryLock alone must get it too.
func TestReservationOfTheDead(t *testing.T) {
	t.Parallel()
	l := openLock(t, tempPath(t), LockOptions{})
	l.h.file.Load().word.Store(bitS | bitW)
	eventually(t, "TryLock takes a lock reserved for nobody", func() bool {
		ok, err := l.TryLock()
		return ok && err == nil
	})
	mustUnlock(t, l)
	l.h.file.Load().word.Store(bitS)
	mustLock(t, l)
	mustUnlock(t, l)
	// An unlock that wakes nobody makes the lock free for all at once.
	word := l.h.file.Load().word
	mustLock(t, l)
	word.Or(bitS)
	mustUnlock(t, l)
	if v := word.Load(); v != 0 {
		t.Errorf("unlocked, reserved for nobody: the word is %#x, want 0", v)
	}
	if futex.Native() {
		mustLock(t, l)
		word.Or(bitS | bitW)
		mustUnlock(t, l)
		if v := word.Load(); v != 0 {
			t.Errorf("unlocked, nobody woken: the word is %#x, want 0", v)
		}
	}
}

// What a process started by the owner inherits must not keep the owner alive.
func TestChildOfKilledOwner(t *testing.T) {
	t.Parallel()
	path := tempPath(t)
	p := act(t)
	p.do("open "+path, "ok")
	p.do("lock", "ok")
	pid, err := strconv.Atoi(p.ask("spawn"))
	if err != nil {
		t.Fatal(err)
	}
	folder := fmt.Sprintf("/proc/%d/fd/", pid)
	entries, _ := os.ReadDir(folder)
	for _, e := range entries {
		if name, _ := os.Readlink(folder + e.Name()); name == path || strings.Contains(name, "/members") {
			t.Errorf("the child inherited %s", name)
		}
	}
	// cat ends when the pipe's last writer does; stopped, it outlives its parent for sure.
	syscall.Kill(pid, syscall.SIGSTOP)
	defer syscall.Kill(pid, syscall.SIGKILL)
	p.kill()
	l := openLock(t, path, LockOptions{})
	wantError(t, "Lock", l.Lock(soon(t)), ErrOwnerDied)
	mustUnlock(t, l)
}

func TestKilledTaker(t *testing.T) {
	t.Parallel()
	path := tempPath(t)
	s := openSemaphore(t, path, 3, SemaphoreOptions{Undo: true})
	for _, waits := range []bool{true, false} {
		p := act(t)
		p.do("sem "+path+" 3 undo", "ok")
		for range 3 {
			p.do("acquire", "ok")
		}
		wantTryAcquire(t, s, false)
		wantError(t, "Release of another process's permit", s.Release(1), ErrOverRelease)
		if waits {
			done := after(func() error { return s.Acquire(soon(t)) })
			waiting(t, &s.h)
			p.kill()
			wantDone(t, done, nil)
		} else {
			p.kill()
			eventually(t, "TryAcquire gets what the dead had", func() bool {
				ok, err := s.TryAcquire()
				return ok && err == nil
			})
		}
		mustRelease(t, s, 1)
		wantValue(t, s, 3)
	}
}

// Without undo, what the dead took is gone, and a killed waiter keeps nobody else from waking.
func TestKilledPlainWaiter(t *testing.T) {
	t.Parallel()
	path := tempPath(t)
	s := openSemaphore(t, path, 0, SemaphoreOptions{})
	for range 10 {
		doomed, other := act(t), act(t)
		for _, p := range []*process{doomed, other} {
			p.do("sem "+path+" 0", "ok")
			p.send("acquire")
		}
		waiting(t, &s.h)
		doomed.kill()
		mustRelease(t, s, 1)
		other.expect("ok")
		other.kill()
		wantValue(t, s, 0)
	}
}

// Cancelling must be quick with either way to sleep, and must not disturb the others.
func TestCancel(t *testing.T) {
	for name, sleeper := range map[string]func(*Lock){"waitv": func(*Lock) {}, "plain": func(*Lock) {
		testHookSleeper = futex.NewPlainSleeper
	}} {
		t.Run(name, func(t *testing.T) {
			path := tempPath(t)
			l := openLock(t, path, LockOptions{})
			sleeper(l)
			t.Cleanup(func() { testHookSleeper = futex.NewSleeper })
			mustLock(t, l)
			p := act(t, "YUNTA_OSLOCK_PLAIN=1")
			p.do("open "+path, "ok")
			p.send("lock") // waits all the while
			waiting(t, &l.h)
			var longest time.Duration
			for range 50 {
				ctx, cancel := context.WithCancel(context.Background())
				asleep := make(chan struct{}, 1)
				testHookStep = func(name string) {
					if name == "about to sleep" {
						select {
						case asleep <- struct{}{}:
						default:
						}
					}
				}
				done := after(func() error { return l.Lock(ctx) })
				select {
				case <-asleep:
				case <-time.After(time.Millisecond): // W and S were there already: no mark to set
				}
				start := time.Now()
				cancel()
				wantDone(t, done, context.Canceled)
				longest = max(longest, time.Since(start))
				testHookStep = nil
			}
			t.Logf("longest from cancel to return: %v", longest)
			mustUnlock(t, l)
			p.expect("ok")
			p.do("unlock", "ok")
			mustLock(t, l)
			mustUnlock(t, l)
		})
	}
}
