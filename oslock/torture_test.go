package oslock

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"os"
	"path/filepath"
	"strconv"
	"sync/atomic"
	"syscall"
	"testing"
	"time"

	"yunta/oslock/futex"
	"yunta/oslock/mapped"
)

// The torture: processes that lock and unlock as fast as they can, in every way there is, while the test kills
// them at random instants and starts others. Half of them also kill themselves between two steps
// of a protocol. YUNTA_TORTURE=5m makes each last five minutes instead of a number of kills.
const (
	torturers    = 6
	tortureKills = 200 // in an ordinary run, of each torture
	// stuckTime without any progress means that everybody waits for the dead.
	stuckTime = 5 * time.Second
)

// tortureBoard is memory that the torturers and the test share.
type tortureBoard struct{ r *mapped.Region }

func openBoard(path string) (tortureBoard, error) {
	f, err := os.OpenFile(path, os.O_RDWR|os.O_CREATE, 0o600)
	if err != nil {
		return tortureBoard{}, err
	}
	defer f.Close()
	if err := f.Truncate(4096); err != nil {
		return tortureBoard{}, err
	}
	r, err := mapped.Map(f, 0, 4096)
	return tortureBoard{r}, err
}

func (b tortureBoard) inside() *atomic.Uint64     { return b.r.Uint64(0) }   // who is in the section
func (b tortureBoard) first() *atomic.Uint64      { return b.r.Uint64(64) }  // counted at its start
func (b tortureBoard) second() *atomic.Uint64     { return b.r.Uint64(128) } // and at its end
func (b tortureBoard) deaths() *atomic.Uint64     { return b.r.Uint64(192) } // dead owners found
func (b tortureBoard) violations() *atomic.Uint64 { return b.r.Uint64(256) }
func (b tortureBoard) steps() *atomic.Uint64      { return b.r.Uint64(320) } // self-kills

// armSteps makes this process kill itself at one of many steps.
func armSteps(b tortureBoard, rnd *rand.Rand) {
	left := 1 + rnd.IntN(300)
	testHookStep = func(string) {
		if left--; left == 0 {
			b.steps().Add(1)
			dieNow()
		}
	}
}

// dieNow ends this process as kill -9 does.
func dieNow() {
	syscall.Kill(os.Getpid(), syscall.SIGKILL)
	select {}
}

// torturer is what both kinds of helper start with: [board, file, seed, points], where points is the step to die
// at, "some" or "none".
func torturer(args []string) (b tortureBoard, rnd *rand.Rand, err error) {
	if b, err = openBoard(args[0]); err != nil {
		return b, nil, err
	}
	n, err := strconv.ParseUint(args[2], 10, 64)
	rnd = rand.New(rand.NewPCG(n, n))
	switch args[3] {
	case "none":
	case "some":
		armSteps(b, rnd)
	default:
		testHookStep = func(name string) {
			if name == args[3] {
				dieNow()
			}
		}
	}
	if rnd.IntN(3) == 0 {
		testHookSleeper = futex.NewPlainSleeper
	}
	return b, rnd, err
}

var lockTorturer = newHelper("lock-torturer", func(h *helperIO, args []string) error {
	b, rnd, err := torturer(args)
	if err != nil {
		return err
	}
	go func() { // the test is gone
		h.hear()
		os.Exit(0)
	}()
	repair := func() error {
		b.deaths().Add(1)
		if rnd.IntN(10) == 0 {
			return errors.New("cannot repair today")
		}
		// Whoever died inside left this behind.
		b.second().Store(b.first().Load())
		b.inside().Store(0)
		return nil
	}
	open := func() (*RLock, error) {
		o := LockOptions{Repair: repair}
		if rnd.IntN(2) == 0 {
			o.Repair = nil
		}
		return OpenRLock(args[1], o)
	}
	l, err := open()
	if err != nil {
		return err
	}
	me := uint64(l.lock.h.file.Load().me)
	for round := 0; ; round++ {
		held, err := lockSomehow(l, rnd)
		if isHeld(err) {
			for err = repair(); err != nil; err = repair() {
			}
			if err = l.Repaired(); err != nil {
				return err
			}
		}
		if !held {
			continue
		}
		again := rnd.IntN(4) == 0
		if again {
			if err := l.Lock(context.Background()); err != nil {
				return err
			}
		}
		if was := b.inside().Swap(me); was != 0 {
			b.violations().Add(1)
			fmt.Fprintf(os.Stderr, "%#x entered while %#x was inside\n", me, was)
		}
		n := b.first().Add(1)
		if rnd.IntN(50) == 0 { // long enough for others to sleep, and to reserve
			time.Sleep(time.Duration(rnd.IntN(2000)) * time.Microsecond)
		}
		if m := b.second().Add(1); m != n {
			b.violations().Add(1)
			fmt.Fprintf(os.Stderr, "%#x counts %d and %d\n", me, n, m)
		}
		b.inside().Store(0)
		if again {
			if err := l.Unlock(); err != nil {
				return err
			}
		}
		if err := l.Unlock(); err != nil {
			return err
		}
		if rnd.IntN(100) == 0 {
			if err := l.Close(); err != nil {
				return err
			}
			if l, err = open(); err != nil {
				return err
			}
		}
	}
})

// lockSomehow locks in one of the ways there are, and reports whether it did.
func lockSomehow(l *RLock, rnd *rand.Rand) (held bool, err error) {
	const longest = hangTime / 2
	patience := longest
	switch rnd.IntN(8) {
	case 0:
		return l.TryLock()
	case 1:
		patience = time.Duration(rnd.IntN(3000)) * time.Microsecond
	}
	ctx, cancel := context.WithTimeout(context.Background(), patience)
	defer cancel()
	err = l.Lock(ctx)
	if patience == longest && errors.Is(err, context.DeadlineExceeded) {
		fmt.Fprintf(os.Stderr, "starved: %v\n", err)
		os.Exit(1)
	}
	return err == nil || isHeld(err), err
}

var permitTorturer = newHelper("permit-torturer", func(h *helperIO, args []string) error {
	b, rnd, err := torturer(args)
	if err != nil {
		return err
	}
	go func() {
		h.hear()
		os.Exit(0)
	}()
	s, err := OpenSemaphore(args[1], 3, SemaphoreOptions{Undo: true})
	if err != nil {
		return err
	}
	held := 0
	for {
		if got := s.h.file.Load().taken(); got != uint64(held) {
			b.violations().Add(1)
			fmt.Fprintf(os.Stderr, "the row says %d permits, this process took %d\n", got, held)
		}
		if held > 0 && rnd.IntN(2) == 0 {
			n := 1 + rnd.IntN(held)
			if err := s.Release(n); err != nil {
				return err
			}
			held -= n
			continue
		}
		ctx, cancel := context.WithTimeout(context.Background(), time.Duration(rnd.IntN(3000))*time.Microsecond)
		if rnd.IntN(4) == 0 {
			if ok, _ := s.TryAcquire(); ok {
				held++
			}
		} else if s.Acquire(ctx) == nil {
			held++
		}
		cancel()
		b.first().Add(1)
		if rnd.IntN(50) == 0 {
			time.Sleep(time.Duration(rnd.IntN(1000)) * time.Microsecond)
		}
		if held == 0 && rnd.IntN(100) == 0 {
			if err := s.Close(); err != nil {
				return err
			}
			if s, err = OpenSemaphore(args[1], 3, SemaphoreOptions{Undo: true}); err != nil {
				return err
			}
		}
	}
})

// torture runs torturers, kills them, and calls check in between; check returns what is wrong.
func torture(t *testing.T, hp *helper, file string, b tortureBoard, board string, check func() error) {
	rnd := seed(t)
	end, kills := time.Now().Add(time.Hour), tortureKills
	if text := os.Getenv("YUNTA_TORTURE"); text != "" {
		d, err := time.ParseDuration(text)
		if err != nil {
			t.Fatalf("YUNTA_TORTURE: %v", err)
		}
		end, kills = time.Now().Add(d), 1<<62
	}
	startOne := func(i int) *process {
		points := "none"
		if rnd.IntN(2) == 0 {
			points = "some"
		}
		return hp.start(t, nil, board, file, strconv.FormatUint(role(rnd.Uint64(), i), 10), points)
	}
	var ps [torturers]*process
	for i := range ps {
		ps[i] = startOne(i)
	}
	last, since, deaths := uint64(0), time.Now(), 0
	for deaths < kills && time.Now().Before(end) {
		time.Sleep(time.Duration(rnd.IntN(15)) * time.Millisecond)
		i := rnd.IntN(torturers)
		if rnd.IntN(torturers) > 0 { // else one that may have killed itself is only replaced
			ps[i].cmd.Process.Kill()
		} else if ps[i].cmd.Process.Signal(syscall.Signal(0)) == nil && !exited(ps[i]) {
			continue
		}
		if err := ps[i].wait(); !diedBy(err, syscall.SIGKILL) {
			t.Fatalf("torturer ended by itself: %v", err)
		}
		deaths++
		ps[i] = startOne(i)
		if err := check(); err != nil {
			t.Error(err)
		}
		if now := b.first().Load(); now != last {
			last, since = now, time.Now()
		} else if time.Since(since) > stuckTime {
			t.Fatalf("no progress in %v after %d kills", stuckTime, deaths)
		}
		if n := b.violations().Load(); n != 0 {
			t.Fatalf("%d violations after %d kills", n, deaths)
		}
	}
	for _, p := range ps {
		p.kill()
	}
	t.Logf("%d kills, %d of them at a step; %d entries, %d dead owners found",
		deaths, b.steps().Load(), b.first().Load(), b.deaths().Load())
	if n := b.violations().Load(); n != 0 {
		t.Fatalf("%d violations", n)
	}
}

// role makes a seed even or odd: where there are two parts to play, that says which.
func role(seed uint64, i int) uint64 { return seed&^1 | uint64(i)&1 }

// exited reports whether the helper is dead and waits to be reaped.
func exited(p *process) bool {
	text, err := os.ReadFile(fmt.Sprintf("/proc/%d/stat", p.cmd.Process.Pid))
	if err != nil {
		return false
	}
	for i := len(text) - 1; i > 1; i-- {
		if text[i] == ')' {
			return text[i+2] == 'Z'
		}
	}
	return false
}

func TestTortureLock(t *testing.T) {
	board, file := filepath.Join(t.TempDir(), "board"), tempPath(t)
	b, err := openBoard(board)
	if err != nil {
		t.Fatal(err)
	}
	defer b.r.Unmap()
	torture(t, lockTorturer, file, b, board, func() error { return nil })

	// Whatever they left, the next one gets it, and can put it in order.
	l := openLock(t, file, LockOptions{Repair: func() error {
		b.second().Store(b.first().Load())
		b.inside().Store(0)
		return nil
	}})
	mustLock(t, l)
	if b.inside().Load() != 0 || b.first().Load() != b.second().Load() {
		t.Errorf("inside %#x, counted %d and %d", b.inside().Load(), b.first().Load(), b.second().Load())
	}
	mustUnlock(t, l)
	mustLock(t, l)
	mustUnlock(t, l)
	if v := l.h.file.Load().word.Load(); v != 0 {
		t.Errorf("the word is %#x at the end, want 0", v)
	}
}

func TestTortureSemaphore(t *testing.T) {
	board, file := filepath.Join(t.TempDir(), "board"), tempPath(t)
	b, err := openBoard(board)
	if err != nil {
		t.Fatal(err)
	}
	defer b.r.Unmap()
	s := openSemaphore(t, file, 3, SemaphoreOptions{Undo: true})
	snapshots := 0
	torture(t, permitTorturer, file, b, board, func() error {
		for range 50 {
			if n, ok := snapshot(s); ok {
				snapshots++
				if n != 3 {
					return fmt.Errorf("value and counts add up to %d, want 3", n)
				}
			}
		}
		return nil
	})
	t.Logf("%d exact snapshots", snapshots)
	eventually(t, "all permits are back", func() bool {
		n, err := s.Value()
		return err == nil && n == 3
	})
}

// snapshot adds up value and counts, if nothing moves meanwhile.
func snapshot(s *Semaphore) (sum int, ok bool) {
	f := s.h.file.Load()
	x := f.undo.wide.Load()
	f.help(x)
	sum = int(valueOf(x))
	for slot := range slots {
		sum += int(rowCount(f.row(slot).Load()))
	}
	return sum, sameOp(f.undo.wide.Load(), x)
}
