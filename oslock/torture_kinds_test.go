package oslock

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"os"
	"path/filepath"
	"sync/atomic"
	"testing"
	"time"
)

// sometimes sleeps now and then, long enough for others to sleep.
func sometimes(rnd *rand.Rand) {
	if rnd.IntN(50) == 0 {
		time.Sleep(time.Duration(rnd.IntN(2000)) * time.Microsecond)
	}
}

// patiently calls f with a context that ends soon now and then, and otherwise so late that its end means starving.
func patiently(rnd *rand.Rand, f func(ctx context.Context) error) error {
	const longest = hangTime / 2
	patience := longest
	if rnd.IntN(8) == 0 {
		patience = time.Duration(rnd.IntN(3000)) * time.Microsecond
	}
	ctx, cancel := context.WithTimeout(context.Background(), patience)
	defer cancel()
	err := f(ctx)
	if patience == longest && errors.Is(err, context.DeadlineExceeded) {
		fmt.Fprintf(os.Stderr, "starved: %v\n", err)
		os.Exit(1)
	}
	return err
}

// violate notes what must not be.
func (b tortureBoard) violate(format string, args ...any) {
	b.violations().Add(1)
	fmt.Fprintf(os.Stderr, format+"\n", args...)
}

func (b tortureBoard) level() *atomic.Uint64 { return b.r.Uint64(384) } // what a buffer holds
func (b tortureBoard) reads() *atomic.Uint64 { return b.r.Uint64(448) }

// put in order what a writer left who died inside.
func (b tortureBoard) repair() {
	b.deaths().Add(1)
	b.second().Store(b.first().Load())
	b.inside().Store(0)
}

var rwTorturer = newHelper("rw-torturer", func(h *helperIO, args []string) error {
	b, rnd, err := torturer(args)
	if err != nil {
		return err
	}
	go exitWithTest(h)
	open := func() (*RWLock, error) {
		o := LockOptions{}
		if rnd.IntN(2) == 0 {
			o.Repair = func() error {
				if rnd.IntN(10) == 0 {
					return errors.New("cannot repair today")
				}
				b.repair()
				return nil
			}
		}
		return OpenRWLock(args[1], o)
	}
	rw, err := open()
	if err != nil {
		return err
	}
	me := uint64(rw.h.file.Load().me)
	for {
		if rnd.IntN(3) > 0 {
			err = readSomehow(b, rw, rnd)
		} else {
			err = writeSomehow(b, rw, rnd, me)
		}
		if err != nil {
			return err
		}
		if rnd.IntN(100) == 0 {
			if err := rw.Close(); err != nil {
				return err
			}
			if rw, err = open(); err != nil {
				return err
			}
		}
	}
})

func readSomehow(b tortureBoard, rw *RWLock, rnd *rand.Rand) (err error) {
	ok := false
	if rnd.IntN(4) == 0 {
		ok, err = rw.TryRLock()
	} else {
		err = patiently(rnd, rw.RLock)
		ok = err == nil || isHeld(err)
	}
	if !ok {
		return nil
	}
	if err == nil { // else a writer left it in disorder
		n, m := b.first().Load(), b.second().Load()
		sometimes(rnd)
		if now := b.first().Load(); n != m || now != n {
			b.violate("a reader sees %d and %d, later %d", n, m, now)
		}
		b.reads().Add(1)
	}
	return rw.RUnlock()
}

func writeSomehow(b tortureBoard, rw *RWLock, rnd *rand.Rand, me uint64) (err error) {
	ok := false
	if rnd.IntN(4) == 0 {
		ok, err = rw.TryLock()
	} else {
		err = patiently(rnd, rw.Lock)
		ok = err == nil || isHeld(err)
	}
	if !ok {
		return nil
	}
	if isHeld(err) {
		if rnd.IntN(10) == 0 { // the next one is told too
			return rw.Unlock()
		}
		b.repair()
		if err := rw.Repaired(); err != nil {
			return err
		}
	}
	if was := b.inside().Swap(me); was != 0 {
		b.violate("%#x entered while %#x was inside", me, was)
	}
	n := b.first().Add(1)
	sometimes(rnd)
	if m := b.second().Add(1); m != n {
		b.violate("%#x counts %d and %d", me, n, m)
	}
	b.inside().Store(0)
	return rw.Unlock()
}

// condTorturer produces or consumes, as its seed is even or odd, through a buffer of two with a condition for
// each side, whose files stand beside the lock's. Only Notify(1) is used: a lost one is missed.
var condTorturer = newHelper("condition-torturer", func(h *helperIO, args []string) error {
	b, rnd, err := torturer(args)
	if err != nil {
		return err
	}
	go exitWithTest(h)
	l, err := OpenLock(args[1], LockOptions{Repair: func() error { b.deaths().Add(1); return nil }})
	if err != nil {
		return err
	}
	var conds [2]*Condition
	for i := range conds {
		if conds[i], err = OpenCondition(l, args[1]+string(rune('0'+i)), ConditionOptions{}); err != nil {
			return err
		}
	}
	odd := int(args[2][len(args[2])-1]-'0') & 1
	ready := func() bool { return b.level().Load() < 2 }
	if odd == 1 {
		ready = func() bool { return b.level().Load() > 0 }
	}
	for {
		if err := l.Lock(context.Background()); err != nil {
			return err
		}
		err := patiently(rnd, func(ctx context.Context) error { return conds[odd].WaitFor(ctx, ready) })
		switch {
		case err != nil && !errors.Is(err, context.DeadlineExceeded):
			return err
		case err == nil && odd == 0:
			b.level().Add(1)
		case err == nil:
			b.level().Add(^uint64(0))
			b.first().Add(1)
		}
		if err == nil {
			sometimes(rnd)
			if err := conds[1-odd].Notify(1); err != nil {
				return err
			}
		}
		if n := b.level().Load(); n > 2 {
			b.violate("the buffer holds %d", n)
		}
		if err := l.Unlock(); err != nil {
			return err
		}
		sometimes(rnd)
	}
})

// eventTorturer sets and clears, or waits, as its seed is even or odd.
var eventTorturer = newHelper("event-torturer", func(h *helperIO, args []string) error {
	b, rnd, err := torturer(args)
	if err != nil {
		return err
	}
	go exitWithTest(h)
	e, err := OpenEvent(args[1], EventOptions{})
	if err != nil {
		return err
	}
	for odd := args[2][len(args[2])-1] & 1; ; {
		switch {
		case odd == 0:
			err = e.Set()
			sometimes(rnd)
			err = errors.Join(err, e.Clear())
			time.Sleep(time.Duration(rnd.IntN(200)) * time.Microsecond)
		case patiently(rnd, e.Wait) == nil:
			b.first().Add(1)
		}
		if err != nil {
			return err
		}
	}
})

// barrierTorturer meets one other, again and again.
var barrierTorturer = newHelper("barrier-torturer", func(h *helperIO, args []string) error {
	b, rnd, err := torturer(args)
	if err != nil {
		return err
	}
	go exitWithTest(h)
	o := BarrierOptions{Action: func() error {
		b.second().Add(1)
		if rnd.IntN(50) == 0 {
			return errors.New("no action today")
		}
		return nil
	}}
	bar, err := OpenBarrier(args[1], 2, o)
	if err != nil {
		return err
	}
	for {
		err := patiently(rnd, func(ctx context.Context) error {
			index, err := bar.Wait(ctx)
			if err == nil && (index < 0 || index > 1) {
				b.violate("index %d", index)
			}
			return err
		})
		switch {
		case err == nil:
			if n, m := b.first().Add(1), b.second().Load(); n > 2*m {
				b.violate("%d have gone through in %d meetings of two", n, m)
			}
		case !errors.Is(err, ErrBroken) && !errors.Is(err, context.DeadlineExceeded):
			return err
		default:
			if rnd.IntN(3) == 0 {
				if err := bar.Abort(); err != nil {
					return err
				}
			}
			sometimes(rnd)
			if bar.Broken() {
				if err := bar.Reset(); err != nil {
					return err
				}
			}
		}
	}
})

// tortureOf runs the torture of one kind and returns the file and what the board says.
func tortureOf(t *testing.T, hp *helper) (file string, b tortureBoard) {
	t.Helper()
	board, file := filepath.Join(t.TempDir(), "board"), tempPath(t)
	b, err := openBoard(board)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { b.r.Unmap() })
	torture(t, hp, file, b, board, func() error { return nil })
	return file, b
}

func TestTortureRWLock(t *testing.T) {
	file, b := tortureOf(t, rwTorturer)
	t.Logf("%d reads", b.reads().Load())
	rw := openRW(t, file, LockOptions{Repair: func() error { b.repair(); return nil }})
	must(t, "Lock", rw.Lock(soon(t)))
	if b.inside().Load() != 0 || b.first().Load() != b.second().Load() {
		t.Errorf("inside %#x, counted %d and %d", b.inside().Load(), b.first().Load(), b.second().Load())
	}
	must(t, "Unlock", rw.Unlock())
	must(t, "RLock", rw.RLock(soon(t)))
	must(t, "RUnlock", rw.RUnlock())
	f := rw.h.file.Load()
	if v := f.word.Load(); v&^bitW != 0 || f.rw.state.Load() != 0 {
		t.Errorf("the word is %#x at the end, state %d, want 0", v, f.rw.state.Load())
	}
}

func TestTortureCondition(t *testing.T) {
	file, _ := tortureOf(t, condTorturer)
	l := openLock(t, file, LockOptions{Repair: func() error { return nil }})
	for i := range 2 {
		c := openCondition(t, l, file+string(rune('0'+i)))
		done := after(func() error { return lockWait(soon(t), t, c) })
		f := c.h.file.Load()
		eventually(t, "this one waits", func() bool {
			for k := range f.used() {
				if entryOwner(f.entry(k).Load()) == f.me {
					return true
				}
			}
			return false
		})
		mustLock(t, l)
		must(t, "NotifyAll", c.NotifyAll())
		mustUnlock(t, l)
		wantDone(t, done, nil)
	}
}

func TestTortureEvent(t *testing.T) {
	file, _ := tortureOf(t, eventTorturer)
	e := openEvent(t, file)
	must(t, "Clear", e.Clear())
	done := after(func() error { return e.Wait(soon(t)) })
	waiting(t, &e.h)
	must(t, "Set", e.Set())
	wantDone(t, done, nil)
}

func TestTortureBarrier(t *testing.T) {
	file, b := tortureOf(t, barrierTorturer)
	t.Logf("%d meetings", b.second().Load())
	bar := openBarrier(t, file, 2, BarrierOptions{})
	eventually(t, "two meet again", func() bool {
		must(t, "Reset", bar.Reset())
		first, second := meet(t, bar), meet(t, bar)
		a, b := <-first, <-second
		return a == nil && b == nil
	})
}
