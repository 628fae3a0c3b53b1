package manager

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"os"
	"testing"

	"yunta/ipc"
	"yunta/oslock"
)

// holder takes what its arguments say, says so, and waits until it is killed.
var holder = part("holder", func(args []string) error {
	ctx, cancel := context.WithTimeout(context.Background(), patience)
	defer cancel()
	var err error
	switch what, text := args[0], args[1]; what {
	case "lock":
		err = arrived[Lock](text).Lock(ctx)
	case "rlock":
		r := arrived[RLock](text)
		err = errors.Join(r.Lock(ctx), r.Lock(ctx))
	case "semaphore":
		s := arrived[Semaphore](text)
		err = errors.Join(s.Acquire(ctx), s.Acquire(ctx))
	case "lease":
		q := arrived[Queue[int]](text)
		for range 2 {
			_, gerr := q.Get(ctx)
			err = errors.Join(err, gerr)
		}
	case "get", "put", "barrier", "event", "acquire", "condition", "method":
		go func() { // it waits, which shows on the server
			switch what {
			case "get":
				_, _ = arrived[Queue[int]](text).Get(ctx)
			case "put":
				_ = arrived[Queue[int]](text).Put(ctx, 99)
			case "barrier":
				_, _ = arrived[Barrier](text).Wait(ctx)
			case "event":
				_ = arrived[Event](text).Wait(ctx)
			case "acquire":
				_ = arrived[Lock](text).Lock(ctx)
			case "condition":
				c := arrived[Condition](text)
				_ = errors.Join(c.Lock(ctx), c.Wait(ctx))
			case "method":
				_, _ = roomStay.Call(ctx, arrived[Object[*room]](text), "guest")
			}
		}()
	}
	if err != nil {
		return err
	}
	fmt.Println("taken")
	bufio.NewScanner(os.Stdin).Scan()
	return nil
})

// hold has another process take it; what only waits has done so when this returns.
func hold(t *testing.T, s *Server, what string, p interface{ MarshalText() ([]byte, error) }, waits bool) *played {
	t.Helper()
	before := s.waitingRequests()
	other := play(t, holder, what, text(t, p))
	other.say("taken")
	if waits {
		waitFor(t, what+" to wait", func() bool { return s.waitingRequests() > before })
	}
	return other
}

// waitClients waits until so many clients are connected.
func waitClients(t *testing.T, s *Server, n int) {
	t.Helper()
	waitFor(t, fmt.Sprintf("%d clients", n), func() bool { return s.clients() == n })
}

func TestDeathGivesBackLocks(t *testing.T) {
	t.Parallel()
	ctx := testContext(t)
	s := testServer(t, ServerOptions{})
	c := connect(t, s)
	l := must[*Lock](t)(NewLock(ctx, c))
	r := must[*RLock](t)(NewRLock(ctx, c))
	n := must[*Semaphore](t)(NewSemaphore(ctx, c, 2))
	for _, test := range []struct {
		what string
		p    interface{ MarshalText() ([]byte, error) }
		take func() error // by somebody else
		free func() (bool, error)
	}{
		{"lock", l, func() error { return l.Lock(ctx) }, func() (bool, error) { return l.TryLock(ctx) }},
		{"rlock", r, func() error { return r.Lock(ctx) }, func() (bool, error) { return r.TryLock(ctx) }},
		{"semaphore", n, func() error { return n.Acquire(ctx) }, func() (bool, error) { return n.TryAcquire(ctx) }},
	} {
		other := hold(t, s, test.what, test.p, false)
		if ok, err := test.free(); ok || err != nil {
			t.Errorf("%s: taken twice, %v", test.what, err)
		}
		waits := blocked(t, s, test.take)
		other.kill()
		if err := <-waits; err != nil {
			t.Errorf("%s after its owner's death: %v", test.what, err)
		}
	}
	if v, err := n.Value(ctx); v != 1 || err != nil {
		t.Errorf("%d permits, %v: one of two is ours", v, err)
	}
	check(t, l.Unlock(ctx), r.Unlock(ctx), n.Release(ctx, 1))
}

// One that only waits is next no more, and leaves nobody else waiting.
func TestDeathOfWhoWaits(t *testing.T) {
	t.Parallel()
	ctx := testContext(t)
	s := testServer(t, ServerOptions{})
	c := connect(t, s)

	l := must[*Lock](t)(NewLock(ctx, c))
	check(t, l.Lock(ctx))
	other := hold(t, s, "acquire", l, true)
	waits := blocked(t, s, func() error { return l.Lock(ctx) })
	other.kill()
	waitClients(t, s, 1)
	check(t, l.Unlock(ctx), <-waits, l.Unlock(ctx))
	if locked, err := l.Locked(ctx); locked || err != nil {
		t.Errorf("a dead one got the lock, %v", err)
	}

	q := must[*Queue[int]](t)(NewQueue[int](ctx, c, QueueOptions{MaxSize: 1}))
	other = hold(t, s, "get", q, true)
	other.kill()
	waitClients(t, s, 1)
	check(t, q.Put(ctx, 1))
	other = hold(t, s, "put", q, true)
	other.kill()
	waitClients(t, s, 1)
	if v, err := q.Get(ctx); v != 1 || err != nil {
		t.Errorf("got %d, %v", v, err)
	}
	if _, err := q.TryGet(ctx); !errors.Is(err, ipc.ErrEmpty) {
		t.Errorf("an item of one who died waiting to put it: %v", err)
	}

	e := must[*Event](t)(NewEvent(ctx, c))
	hold(t, s, "event", e, true).kill()
	waitClients(t, s, 1)
	check(t, e.Set(ctx), e.Wait(ctx))

	d := must[*Condition](t)(NewCondition(ctx, c, nil))
	other = hold(t, s, "condition", d, true)
	waits = blocked(t, s, func() error {
		if err := d.Lock(ctx); err != nil {
			return err
		}
		return errors.Join(d.Wait(ctx), d.Unlock(ctx))
	})
	other.kill()
	waitClients(t, s, 1)
	check(t, d.Lock(ctx), d.Notify(ctx, 1), d.Unlock(ctx), <-waits)
	if n := s.waitingRequests(); n != 0 {
		t.Errorf("%d requests still wait", n)
	}
}

func TestDeathBreaksBarrier(t *testing.T) {
	t.Parallel()
	ctx := testContext(t)
	s := testServer(t, ServerOptions{})
	c := connect(t, s)
	b := must[*Barrier](t)(NewBarrier(ctx, c, 3))
	other := hold(t, s, "barrier", b, true)
	waits := blocked(t, s, func() error { _, err := b.Wait(ctx); return err })
	other.kill()
	wantIs(t, <-waits, oslock.ErrBroken)
	_, err := b.Wait(ctx)
	wantIs(t, err, oslock.ErrBroken)
	check(t, b.Reset(ctx))
	parties := make(chan int, 3)
	for range 3 {
		go func() {
			i, err := b.Wait(ctx)
			if err != nil {
				t.Error(err)
			}
			parties <- i
		}()
	}
	if sum := <-parties + <-parties + <-parties; sum != 3 {
		t.Errorf("the parties' numbers add up to %d, want 0+1+2", sum)
	}
}

func TestDeathGivesBackLeases(t *testing.T) {
	t.Parallel()
	ctx := testContext(t)
	s := testServer(t, ServerOptions{})
	c := connect(t, s)
	q := must[*Queue[int]](t)(NewQueue[int](ctx, c, QueueOptions{Leased: true}))
	for i := range 3 {
		check(t, q.Put(ctx, i))
	}
	other := hold(t, s, "lease", q, false)
	if v, err := q.Get(ctx); v != 2 || err != nil {
		t.Errorf("got %d, %v while two are leased", v, err)
	}
	waits := blocked(t, s, func() error {
		v, err := q.Get(ctx)
		if v != 0 {
			err = errors.Join(err, fmt.Errorf("got %d before 0", v))
		}
		return err
	})
	other.kill()
	check(t, <-waits)
	if v, err := q.Get(ctx); v != 1 || err != nil {
		t.Errorf("got %d, %v", v, err)
	}
	for range 3 {
		check(t, q.TaskDone(ctx))
	}
	check(t, q.Wait(ctx))
	wantIs(t, q.TaskDone(ctx), ErrTooOften)
}

// room is a registered type that knows who is there.
type room struct{ guests chan string }

var (
	rooms    = Register("room", func(context.Context, int) (*room, error) { return &room{make(chan string, 10)}, nil })
	roomStay = RegisterMethod(rooms, "stay", func(ctx context.Context, r *room, guest string) (int, error) {
		AtClientEnd(ctx, func() { r.guests <- guest + " left" })
		r.guests <- guest + " came"
		<-ctx.Done()
		r.guests <- guest + " was told"
		return 0, ctx.Err()
	})
	roomNext = RegisterMethod(rooms, "next", func(ctx context.Context, r *room, _ int) (string, error) {
		select {
		case g := <-r.guests:
			return g, nil
		case <-ctx.Done():
			return "", ctx.Err()
		}
	})
)

func TestDeathEndsMethods(t *testing.T) {
	t.Parallel()
	ctx := testContext(t)
	s := testServer(t, ServerOptions{})
	c := connect(t, s)
	r := must[*Object[*room]](t)(rooms.New(ctx, c, 0))
	other := hold(t, s, "method", r, true)
	if got, err := roomNext.Call(ctx, r, 0); got != "guest came" || err != nil {
		t.Errorf("%q, %v", got, err)
	}
	other.kill()
	got := map[string]bool{must[string](t)(roomNext.Call(ctx, r, 0)): true, must[string](t)(roomNext.Call(ctx, r, 0)): true}
	if !got["guest was told"] || !got["guest left"] {
		t.Errorf("%v", got)
	}
}
