package manager

import (
	"context"
	"errors"
	"fmt"
	"os"
	"strconv"
	"testing"
	"time"

	"yunta/ipc"
	"yunta/oslock"
)

// user does at random what a client can do, without end.
var user = part("user", func(args []string) error {
	ctx := context.Background()
	u, err := newUser(args)
	if err != nil {
		return err
	}
	fmt.Println("begun")
	for i := u.seed; ; i = i*6364136223846793005 + 1442695040888963407 {
		if err := u.step(ctx, int(i>>33)%9); err != nil {
			return err
		}
	}
})

type userOf struct {
	lock  *Lock
	rlock *RLock
	sem   *Semaphore
	work  *Queue[int]
	done  *Dict[string, int]
	bar   *Barrier
	cond  *Condition
	seed  uint64
}

func newUser(args []string) (*userOf, error) {
	u := &userOf{lock: &Lock{}, rlock: &RLock{}, sem: &Semaphore{}, work: &Queue[int]{}, done: &Dict[string, int]{}, bar: &Barrier{}, cond: &Condition{}}
	var err error
	for i, p := range []interface{ UnmarshalText([]byte) error }{u.lock, u.rlock, u.sem, u.work, u.done, u.bar, u.cond} {
		err = errors.Join(err, p.UnmarshalText([]byte(args[i])))
	}
	seed, perr := strconv.ParseUint(args[7], 10, 64)
	u.seed = seed
	return u, errors.Join(err, perr)
}

func (u *userOf) texts(t testing.TB) (out []string) {
	for _, p := range []interface{ MarshalText() ([]byte, error) }{u.lock, u.rlock, u.sem, u.work, u.done, u.bar, u.cond} {
		out = append(out, text(t, p))
	}
	return out
}

// alone adds to one half of a sum and then to the other, under a lock: who sees the halves differ was not alone, unless
// somebody died between.
func (u *userOf) alone(ctx context.Context, what string) error {
	if _, err := u.done.Add(ctx, what+" in", 1); err != nil {
		return err
	}
	n, err := u.done.Add(ctx, what+" inside", 1)
	if err == nil && n != 1 {
		_, err = u.done.Add(ctx, what+" together", 1)
	}
	if err == nil {
		err = u.done.Set(ctx, what+" inside", 0)
	}
	return err
}

func (u *userOf) step(ctx context.Context, what int) error {
	short, cancel := context.WithTimeout(ctx, 2*time.Millisecond)
	defer cancel()
	switch what {
	case 0, 1:
		return errors.Join(u.lock.Lock(ctx), u.done.Set(ctx, "lock inside", 0), u.alone(ctx, "lock"), u.lock.Unlock(ctx))
	case 2:
		return errors.Join(u.rlock.Lock(ctx), u.rlock.Lock(ctx), u.done.Set(ctx, "rlock inside", 0), u.alone(ctx, "rlock"),
			u.rlock.Unlock(ctx), u.rlock.Unlock(ctx))
	case 3:
		return errors.Join(u.sem.Acquire(ctx), u.sem.Acquire(ctx), u.sem.Release(ctx, 2))
	case 4:
		return u.work.Put(ctx, 1)
	case 5, 6:
		n, err := u.work.Get(short)
		if err != nil {
			return ignore(err, context.DeadlineExceeded)
		}
		_, err = u.done.Add(ctx, "done", n)
		return errors.Join(err, u.work.TaskDone(ctx))
	case 7:
		_, err := u.bar.Wait(short)
		return errors.Join(ignore(err, context.DeadlineExceeded, oslock.ErrBroken), u.bar.Reset(ctx))
	default:
		return errors.Join(u.cond.Lock(ctx), ignore(u.cond.Wait(short), context.DeadlineExceeded), u.cond.NotifyAll(ctx), u.cond.Unlock(ctx))
	}
}

func ignore(err error, of ...error) error {
	for _, o := range of {
		if errors.Is(err, o) {
			return nil
		}
	}
	return err
}

// Clients are killed at random moments: nobody is ever in a lock with another, and in the end nothing is held and
// nothing has got lost. YUNTA_TORTURE=2m goes on that long.
func TestTortureClients(t *testing.T) {
	t.Parallel()
	rnd := random(t)
	long := 2 * time.Second
	if v := os.Getenv("YUNTA_TORTURE"); v != "" {
		var err error
		long, err = time.ParseDuration(v)
		check(t, err)
	}
	ctx, cancel := context.WithTimeout(context.Background(), long+patience)
	defer cancel()
	s := testServer(t, ServerOptions{})
	c := connect(t, s)
	const permits = 4
	u := &userOf{
		lock: must[*Lock](t)(NewLock(ctx, c)), rlock: must[*RLock](t)(NewRLock(ctx, c)),
		sem:  must[*Semaphore](t)(NewBoundedSemaphore(ctx, c, permits)),
		work: must[*Queue[int]](t)(NewQueue[int](ctx, c, QueueOptions{MaxSize: 50, Leased: true})),
		done: must[*Dict[string, int]](t)(NewDict[string, int](ctx, c, nil)),
		bar:  must[*Barrier](t)(NewBarrier(ctx, c, 2)), cond: must[*Condition](t)(NewCondition(ctx, c, nil)),
	}
	texts := u.texts(t)
	start := func() *played {
		p := play(t, user, append(texts, strconv.FormatUint(rnd.Uint64(), 10))...)
		p.say("begun")
		return p
	}
	var users []*played
	for range 3 {
		users = append(users, start())
	}
	killed := 0
	for end := time.Now().Add(long); time.Now().Before(end); killed++ {
		time.Sleep(time.Duration(rnd.IntN(30)) * time.Millisecond)
		i := rnd.IntN(len(users))
		users[i].kill()
		if code := users[i].ProcessState.ExitCode(); code != -1 {
			t.Fatalf("a client ended by itself, with status %d", code)
		}
		users[i] = start()
	}
	for _, p := range users {
		p.kill()
	}
	waitClients(t, s, 1)
	t.Logf("%d clients killed", killed)
	wantNothingHeld(t, ctx, s, u, permits)
}

func wantNothingHeld(t *testing.T, ctx context.Context, s *Server, u *userOf, permits int) {
	t.Helper()
	if n := s.waitingRequests(); n != 0 {
		t.Errorf("%d requests still wait", n)
	}
	for name, try := range map[string]func(context.Context) (bool, error){"lock": u.lock.TryLock, "rlock": u.rlock.TryLock, "condition": u.cond.Mutex().TryLock} {
		if ok, err := try(ctx); !ok || err != nil {
			t.Errorf("the %s is not free, %v", name, err)
		}
	}
	if n, err := u.sem.Value(ctx); n != permits || err != nil {
		t.Errorf("%d permits of %d, %v", n, permits, err)
	}
	if n, err := u.bar.Waiting(ctx); n != 0 || err != nil {
		t.Errorf("%d wait at the barrier, %v", n, err)
	}
	// What was put and not done is there to be got.
	for {
		_, err := u.work.TryGet(ctx)
		if errors.Is(err, ipc.ErrEmpty) {
			break
		}
		check(t, err, u.work.TaskDone(ctx))
	}
	check(t, u.work.Wait(ctx))
	for _, what := range []string{"lock", "rlock"} {
		n, err := u.done.Get(ctx, what+" in")
		if err != nil || n == 0 {
			t.Errorf("nobody ever was in the %s, %v", what, err)
		}
		if n, err := u.done.Get(ctx, what+" together"); !errors.Is(err, ErrKey) {
			t.Errorf("%d times two were in the %s, %v", n, what, err)
		}
	}
}
