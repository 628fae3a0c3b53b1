package oslock

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"yunta/oslock/futex"
)

// While nobody dies, nobody needs the pace at which waiters look for themselves: here they sleep for ever, and
// every wake-up must reach somebody who can use it. In each row two processes are asleep, this one first, so
// this one is woken first.
func TestNoWakeUpIsLost(t *testing.T) {
	if !futex.Native() {
		t.Skip("nobody sleeps here without looking")
	}
	pace := testHookPace
	defer func() { testHookPace, testHookStep = pace, nil }()
	testHookPace = func(time.Duration) time.Duration { return time.Hour }

	for _, kind := range []string{"lock", "plain", "undo"} {
		t.Run(kind+"/taken in turn", func(t *testing.T) {
			s := newSleepers(t, kind)
			s.give()
			wantDone(t, s.here, nil)
			s.give() // must wake the other, whose mark went with the first wake-up
			s.there.expect("ok")
		})
		t.Run(kind+"/taken by a third", func(t *testing.T) {
			s := newSleepers(t, kind)
			third := s.third(t) // woken for nothing, the first leaves: the other must not be forgotten
			s.give()
			wantDone(t, s.here, context.Canceled)
			third.do(s.back, "ok")
			s.there.expect("ok")
		})
		t.Run(kind+"/free when leaving", func(t *testing.T) {
			s := newSleepers(t, kind)
			third := s.third(t)
			s.when("leaving", func() { third.do(s.back, "ok") }) // too late for the first
			s.give()
			wantDone(t, s.here, context.Canceled)
			s.there.expect("ok")
		})
		if kind == "lock" {
			continue
		}
		t.Run(kind+"/two permits, one wake-up", func(t *testing.T) {
			s := newSleepers(t, kind)
			s.when("slept", s.give)
			s.give()
			wantDone(t, s.here, nil)
			s.there.expect("ok")
		})
	}
}

// sleepers are two who wait for a lock or a permit that this process has.
type sleepers struct {
	here            <-chan error // of the goroutine of this process
	cancel          context.CancelFunc
	there           *process
	give            func()
	open, try, back string // an actor's deeds

	mu sync.Mutex // guards at
	at map[string]func()
}

// when runs f once, in the waiting goroutine of this process, when it gets to that step.
func (s *sleepers) when(step string, f func()) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.at[step] = f
}

func (s *sleepers) step(name string) {
	s.mu.Lock()
	f := s.at[name]
	delete(s.at, name)
	s.mu.Unlock()
	if f != nil {
		f()
	}
}

func newSleepers(t *testing.T, kind string) *sleepers {
	t.Helper()
	path := tempPath(t)
	s := &sleepers{open: "open " + path, try: "try", back: "unlock", at: map[string]func(){}}
	testHookStep = s.step
	wait := "lock"
	var take func(context.Context) error
	if kind == "lock" {
		l := openLock(t, path, LockOptions{})
		take = l.Lock
		s.give = func() { mustUnlock(t, l) }
		t.Cleanup(func() { l.Unlock() })
	} else {
		// With undo one can give only what one took, so this process takes both.
		sem := openSemaphore(t, path, 2, SemaphoreOptions{Undo: kind == "undo"})
		mustAcquire(t, sem)
		take, wait = sem.Acquire, "acquire"
		s.give = func() { mustRelease(t, sem, 1) }
		s.open, s.try, s.back = "sem "+path+" 2 "+kind, "tryacquire", "release 1"
		t.Cleanup(func() {
			for sem.Release(1) == nil && kind == "undo" {
			}
		})
	}
	if err := take(soon(t)); err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithTimeout(context.Background(), hangTime)
	t.Cleanup(cancel)
	s.cancel = cancel
	s.here = after(func() error { return take(ctx) })
	asleep(t, os.Getpid())
	s.there = act(t, "YUNTA_OSLOCK_NOPACE=1")
	s.there.do(s.open, "ok")
	s.there.send(wait)
	asleep(t, s.there.cmd.Process.Pid)
	return s
}

// third is one who takes what the woken one is about to take.
func (s *sleepers) third(t *testing.T) *process {
	p := act(t)
	p.do(s.open, "ok")
	s.when("slept", func() {
		eventually(t, "the third has it", func() bool { return p.ask(s.try) == "true" })
		s.cancel()
	})
	return p
}

// asleep waits until a thread of the process sleeps for good in futex_waitv, or skips the test where that cannot be
// seen.
func asleep(t *testing.T, pid int) {
	t.Helper()
	seen := 0
	eventually(t, "a thread sleeps", func() bool {
		files, _ := filepath.Glob(fmt.Sprintf("/proc/%d/task/*/syscall", pid))
		found := false
		for _, f := range files {
			text, err := os.ReadFile(f)
			if errors.Is(err, fs.ErrPermission) {
				t.Skip("may not look at system calls here")
			}
			found = found || strings.HasPrefix(string(text), "449 ")
		}
		if seen++; !found {
			seen = 0
		}
		return seen > 5 // longer than the first sleep, which ends by itself
	})
}
