package oslock

import (
	"context"
	"errors"
	"io"
	"os"
	"os/exec"
	"strconv"
	"strings"
	"testing"
	"time"

	"yunta/oslock/futex"
)

// actor is another process that does what the test tells it, one line a deed, and answers each with one
// line: "ok", a number, true or false, or the error's name.
var actor = newHelper("actor", func(h *helperIO, args []string) error {
	if name := os.Getenv("YUNTA_OSLOCK_BOOT"); name != "" {
		testHookBootName = func() string { return name }
	}
	if os.Getenv("YUNTA_OSLOCK_PLAIN") != "" {
		testHookSleeper = futex.NewPlainSleeper
	}
	if os.Getenv("YUNTA_OSLOCK_NOPACE") != "" {
		testHookPace = func(time.Duration) time.Duration { return time.Hour }
	}
	a := &actorState{}
	for {
		line, err := h.hear()
		if err == io.EOF {
			return nil // the test is gone, or has heard enough
		}
		if err != nil {
			return err
		}
		h.say("%s", a.do(strings.Fields(line)))
	}
})

type actorState struct {
	lock    *Lock
	sem     *Semaphore
	rw      *RWLock
	event   *Event
	cond    *Condition
	barrier *Barrier
	kids    []*exec.Cmd
}

// names are the errors that tests ask for.
var names = map[string]error{
	"died": ErrOwnerDied, "notowner": ErrNotOwner, "closed": ErrClosed, "over": ErrOverRelease,
	"registry": ErrOtherRegistry, "lost": ErrRegistryLost, "damaged": ErrDamaged,
	"timeout": context.DeadlineExceeded, "mismatch": ErrMismatch, "broken": ErrBroken,
}

func answer(err error) string {
	if err == nil {
		return "ok"
	}
	for name, e := range names {
		if errors.Is(err, e) {
			return name
		}
	}
	return "error: " + err.Error()
}

func (a *actorState) do(words []string) string {
	ctx, cancel := context.WithTimeout(context.Background(), hangTime)
	defer cancel()
	arg := func(i int) string {
		if i < len(words) {
			return words[i]
		}
		return ""
	}
	number := func(i int) int { n, _ := strconv.Atoi(arg(i)); return n }
	var err error
	switch words[0] {
	case "open": // open PATH [repair]
		o := LockOptions{}
		if arg(2) == "repair" {
			o.Repair = func() error { return nil }
		}
		a.lock, err = OpenLock(arg(1), o)
	case "lock": // lock [TIMEOUT]
		if d, _ := time.ParseDuration(arg(1)); d > 0 {
			ctx, cancel = context.WithTimeout(ctx, d)
			defer cancel()
		}
		err = a.lock.Lock(ctx)
	case "try":
		var ok bool
		if ok, err = a.lock.TryLock(); err == nil {
			return strconv.FormatBool(ok)
		}
	case "unlock":
		err = a.lock.Unlock()
	case "repaired":
		err = a.lock.Repaired()
	case "close":
		err = a.lock.Close()
	case "sem": // sem PATH VALUE [undo]
		a.sem, err = OpenSemaphore(arg(1), number(2), SemaphoreOptions{Undo: arg(3) == "undo"})
	case "acquire": // acquire [TIMEOUT]
		if d, _ := time.ParseDuration(arg(1)); d > 0 {
			ctx, cancel = context.WithTimeout(ctx, d)
			defer cancel()
		}
		err = a.sem.Acquire(ctx)
	case "tryacquire":
		var ok bool
		if ok, err = a.sem.TryAcquire(); err == nil {
			return strconv.FormatBool(ok)
		}
	case "release":
		err = a.sem.Release(number(1))
	case "value":
		var n int
		if n, err = a.sem.Value(); err == nil {
			return strconv.Itoa(n)
		}
	case "member":
		var r *registry
		if r, err = member(); err == nil {
			return strconv.Itoa(int(r.me))
		}
	case "jointime": // how long it took, in nanoseconds
		start := time.Now()
		if _, err = member(); err == nil {
			return strconv.Itoa(int(time.Since(start)))
		}
	case "impatient": // waits for a lost owner this long only
		testHookLostPatience, err = time.ParseDuration(arg(1))
	case "dieat": // dieat STEP... the first time it gets there
		step := strings.Join(words[1:], " ")
		testHookStep = func(name string) {
			if name == step {
				dieNow()
			}
		}
	case "spawn": // a child of its own, which outlives it
		kid := exec.Command("cat")
		var w *os.File
		if kid.Stdin, w, err = os.Pipe(); err == nil {
			if err = kid.Start(); err == nil {
				a.kids = append(a.kids, kid)
				_ = w // open until this process ends: then cat ends too
				return strconv.Itoa(kid.Process.Pid)
			}
		}
	default:
		return a.moreDeeds(ctx, words[0], arg)
	}
	return answer(err)
}

// act starts an actor; env is added to its environment.
func act(t testing.TB, env ...string) *process {
	t.Helper()
	return actor.start(t, env)
}

// do tells the actor one deed and wants that answer.
func (p *process) do(deed, want string) {
	p.t.Helper()
	p.send(deed)
	if got := p.line(); got != want {
		p.t.Fatalf("helper %d: %s: %s, want %s", p.cmd.Process.Pid, deed, got, want)
	}
}

// ask tells the actor one deed and returns its answer.
func (p *process) ask(deed string) string {
	p.t.Helper()
	p.send(deed)
	return p.line()
}

// moreDeeds are those of the kinds made of locks.
func (a *actorState) moreDeeds(ctx context.Context, deed string, arg func(int) string) string {
	number := func(i int) int { n, _ := strconv.Atoi(arg(i)); return n }
	if d, _ := time.ParseDuration(arg(1)); d > 0 {
		var cancel context.CancelFunc
		ctx, cancel = context.WithTimeout(ctx, d)
		defer cancel()
	}
	truth := func(ok bool, err error) string {
		if err == nil {
			return strconv.FormatBool(ok)
		}
		return answer(err)
	}
	var err error
	switch deed {
	case "rw": // rw PATH [repair]
		o := LockOptions{}
		if arg(2) == "repair" {
			o.Repair = func() error { return nil }
		}
		a.rw, err = OpenRWLock(arg(1), o)
	case "rlock":
		err = a.rw.RLock(ctx)
	case "tryrlock":
		return truth(a.rw.TryRLock())
	case "runlock":
		err = a.rw.RUnlock()
	case "wlock":
		err = a.rw.Lock(ctx)
	case "trywlock":
		return truth(a.rw.TryLock())
	case "wunlock":
		err = a.rw.Unlock()
	case "wrepaired":
		err = a.rw.Repaired()
	case "event": // event PATH
		a.event, err = OpenEvent(arg(1), EventOptions{})
	case "set":
		err = a.event.Set()
	case "clear":
		err = a.event.Clear()
	case "isset":
		return strconv.FormatBool(a.event.IsSet())
	case "waitset":
		err = a.event.Wait(ctx)
	case "cond": // cond LOCK PATH
		if a.lock, err = OpenLock(arg(1), LockOptions{}); err == nil {
			a.cond, err = OpenCondition(a.lock, arg(2), ConditionOptions{})
		}
	case "wait":
		err = a.cond.Wait(ctx)
	case "lockwait": // and unlock
		if err = a.lock.Lock(context.Background()); err == nil {
			err = a.cond.Wait(ctx)
			err = errors.Join(err, a.lock.Unlock())
		}
	case "notify": // notify N
		err = a.cond.Notify(number(1))
	case "barrier": // barrier PATH PARTIES
		a.barrier, err = OpenBarrier(arg(1), number(2), BarrierOptions{})
	case "meet":
		var n int
		if n, err = a.barrier.Wait(ctx); err == nil {
			return strconv.Itoa(n)
		}
	default:
		return "no such deed"
	}
	return answer(err)
}
