package manager

import (
	"context"
	"errors"
	"maps"
	"math"
	"slices"
	"testing"

	"yunta/ipc"
	"yunta/oslock"
)

// Numbers are those of the proxy's type: integers wrap as Go's do.
func TestAdd(t *testing.T) {
	t.Parallel()
	ctx, c := testClient(t)
	add(t, ctx, c, int8(math.MaxInt8), int8(1), math.MinInt8)
	add(t, ctx, c, int16(-1), int16(-1), -2)
	add(t, ctx, c, int32(math.MinInt32), int32(-1), math.MaxInt32)
	add(t, ctx, c, int64(math.MaxInt64), int64(1), math.MinInt64)
	add(t, ctx, c, 40, 2, 42)
	add(t, ctx, c, uint8(255), uint8(1), 0)
	add(t, ctx, c, uint16(65535), uint16(2), 1)
	add(t, ctx, c, uint32(1<<31), uint32(1<<31), 0)
	add(t, ctx, c, uint64(math.MaxUint64), uint64(1), 0)
	add(t, ctx, c, uint(1), uint(1), 2)
	add(t, ctx, c, float32(0.5), float32(0.25), 0.75)
	add(t, ctx, c, 1e300, 1e300, 2e300)
	type grams int
	add(t, ctx, c, grams(1), grams(2), 3)

	d := must[*Dict[string, string]](t)(NewDict(ctx, c, map[string]string{"k": "v"}))
	_, err := d.Add(ctx, "k", "w")
	wantIs(t, err, ErrNumber)
	// One that another proxy put a text under is refused on the server.
	n := &Dict[string, int]{Proxy: d.Proxy}
	n.init()
	_, err = n.Add(ctx, "k", 1)
	wantIs(t, err, ipc.ErrDecode)
	if v, err := d.Get(ctx, "k"); v != "v" || err != nil {
		t.Errorf("changed to %q, %v", v, err)
	}
}

func add[T comparable](t *testing.T, ctx context.Context, c *Client, start, delta, want T) {
	t.Helper()
	d := must[*Dict[string, T]](t)(NewDict[string, T](ctx, c, nil))
	if got, err := d.Add(ctx, "k", start); got != start || err != nil {
		t.Errorf("%T: %v from nothing, %v", start, got, err)
	}
	if got, err := d.Add(ctx, "k", delta); got != want || err != nil {
		t.Errorf("%T: %v + %v is %v, %v; want %v", start, start, delta, got, err, want)
	}
	l := must[*List[T]](t)(NewList(ctx, c, start))
	v := must[*Value[T]](t)(NewValue(ctx, c, start))
	a := must[*Array[T]](t)(NewArray(ctx, c, start))
	for _, f := range []func() (T, error){
		func() (T, error) { return l.Add(ctx, 0, delta) },
		func() (T, error) { return v.Add(ctx, delta) },
		func() (T, error) { return a.Add(ctx, -1, delta) },
		func() (T, error) { return v.Load(ctx) },
	} {
		if got, err := f(); got != want || err != nil {
			t.Errorf("%T: %v, %v; want %v", start, got, err, want)
		}
	}
}

func TestCompareAndSwap(t *testing.T) {
	t.Parallel()
	ctx, c := testClient(t)
	type point struct{ X, Y int }
	m1, m2 := map[point]string{}, map[point]string{} // whose encodings come in any order
	for i := range 50 {
		m1[point{i, -i}], m2[point{49 - i, i - 49}] = "v", "v"
	}
	v := must[*Value[map[point]string]](t)(NewValue(ctx, c, m1))
	if ok, err := v.CompareAndSwap(ctx, m2, nil); !ok || err != nil {
		t.Errorf("equal maps: %v, %v", ok, err)
	}
	d := must[*Dict[point, int]](t)(NewDict(ctx, c, map[point]int{{1, 2}: 3}))
	for _, test := range []struct {
		key      point
		old, new int
		want     bool
	}{{point{1, 2}, 4, 5, false}, {point{1, 2}, 3, 5, true}, {point{2, 1}, 0, 5, false}} {
		if ok, err := d.CompareAndSwap(ctx, test.key, test.old, test.new); ok != test.want || err != nil {
			t.Errorf("%+v: %v, %v", test, ok, err)
		}
	}
	if ok, err := d.Insert(ctx, point{1, 2}, 9); ok || err != nil {
		t.Errorf("inserted what is there, %v", err)
	}
	if ok, err := d.Insert(ctx, point{2, 1}, 9); !ok || err != nil {
		t.Errorf("not inserted, %v", err)
	}
	if got := must[map[point]int](t)(d.Items(ctx)); !maps.Equal(got, map[point]int{{1, 2}: 5, {2, 1}: 9}) {
		t.Errorf("%v", got)
	}
	l := must[*List[string]](t)(NewList(ctx, c, "a"))
	if ok, err := l.CompareAndSwap(ctx, 0, "b", "c"); ok || err != nil {
		t.Errorf("%v, %v", ok, err)
	}
	if ok, err := l.CompareAndSwap(ctx, -1, "a", "c"); !ok || err != nil {
		t.Errorf("%v, %v", ok, err)
	}
	wantList(t, ctx, l, "c")
}

// Keys keep their order through any number of deletions, like those of a simple model.
func TestDictOrder(t *testing.T) {
	t.Parallel()
	ctx, c := testClient(t)
	rnd := random(t)
	d := must[*Dict[int, int]](t)(NewDict[int, int](ctx, c, nil))
	var order []int
	for i := range 2000 {
		key := rnd.IntN(60)
		at := slices.Index(order, key)
		switch rnd.IntN(3) {
		case 0:
			check(t, d.Set(ctx, key, i))
			if at < 0 {
				order = append(order, key)
			}
		case 1:
			err := d.Delete(ctx, key)
			if at < 0 {
				wantIs(t, err, ErrKey)
			} else {
				check(t, err)
				order = slices.Delete(order, at, at+1)
			}
		case 2:
			key, _, err := d.PopItem(ctx)
			if len(order) == 0 {
				wantIs(t, err, ErrKey)
			} else if last := len(order) - 1; err != nil || key != order[last] {
				t.Fatalf("popped %d, %v; want %d", key, err, order[last])
			} else {
				order = order[:last]
			}
		}
		if got := must[[]int](t)(d.Keys(ctx)); !slices.Equal(got, order) {
			t.Fatalf("keys %v, want %v", got, order)
		}
	}
}

func TestSort(t *testing.T) {
	t.Parallel()
	ctx, c := testClient(t)
	n := must[*List[int]](t)(NewList(ctx, c, 300, -1, 70000, 5, math.MinInt))
	check(t, n.Sort(ctx))
	wantList(t, ctx, n, math.MinInt, -1, 5, 300, 70000)
	check(t, n.SortReverse(ctx))
	wantList(t, ctx, n, 70000, 300, 5, -1, math.MinInt)
	u := must[*List[uint64]](t)(NewList(ctx, c, uint64(math.MaxUint64), 1, 1<<40))
	check(t, u.Sort(ctx))
	wantList(t, ctx, u, 1, 1<<40, math.MaxUint64)
	f := must[*List[float64]](t)(NewList(ctx, c, 2.5, -1, 1e300))
	check(t, f.Sort(ctx))
	wantList(t, ctx, f, -1, 2.5, 1e300)
	s := must[*List[string]](t)(NewList(ctx, c, "b", "", "aa"))
	check(t, s.Sort(ctx))
	wantList(t, ctx, s, "", "aa", "b")
	p := must[*List[[2]int]](t)(NewList(ctx, c, [2]int{2, 1}))
	wantIs(t, p.Sort(ctx), ErrOrder)
	wantIs(t, n.Repeat(ctx, math.MaxInt), ipc.ErrTooLarge)
}

func TestQueueKinds(t *testing.T) {
	t.Parallel()
	ctx := testContext(t)
	s := testServer(t, ServerOptions{})
	c := connect(t, s)
	q := must[*Queue[int]](t)(NewQueue[int](ctx, c, QueueOptions{MaxSize: 2}))
	check(t, q.Put(ctx, 1), q.Put(ctx, 2))
	wantIs(t, q.TryPut(ctx, 3), ipc.ErrFull)
	put := blocked(t, s, func() error { return q.Put(ctx, 3) })
	for want := 1; want <= 3; want++ {
		if v, err := q.Get(ctx); v != want || err != nil {
			t.Errorf("got %d, %v; want %d", v, err, want)
		}
	}
	check(t, <-put)
	joined := blocked(t, s, func() error { return q.Wait(ctx) })
	check(t, q.TaskDone(ctx), q.TaskDone(ctx), q.TaskDone(ctx), <-joined)
	wantIs(t, q.TaskDone(ctx), ErrTooOften)

	// Closed, it can be drained; those who wait are woken.
	get := blocked(t, s, func() error { _, err := q.Get(ctx); return err })
	check(t, q.Close(ctx))
	wantIs(t, <-get, ipc.ErrClosed)
	wantIs(t, q.Put(ctx, 4), ipc.ErrClosed)
	drained := must[*Queue[int]](t)(NewQueue[int](ctx, c, QueueOptions{MaxSize: 1}))
	check(t, drained.Put(ctx, 5))
	put = blocked(t, s, func() error { return drained.Put(ctx, 6) })
	check(t, drained.Close(ctx), drained.Close(ctx))
	wantIs(t, <-put, ipc.ErrClosed)
	if v, err := drained.Get(ctx); v != 5 || err != nil {
		t.Errorf("got %d, %v", v, err)
	}
	_, err := drained.Get(ctx)
	wantIs(t, err, ipc.ErrClosed)
	_, err = NewQueue[int](ctx, c, QueueOptions{MaxSize: -1})
	wantIs(t, err, oslock.ErrValue)

	// Unlinked, it leaves nobody waiting.
	gone := must[*Queue[int]](t)(NewQueue[int](ctx, c, QueueOptions{}))
	get = blocked(t, s, func() error { _, err := gone.Get(ctx); return err })
	check(t, gone.Unlink(ctx))
	wantIs(t, <-get, ErrGone)
	wantIs(t, gone.Put(ctx, 1), ErrGone)
}

func TestLockKinds(t *testing.T) {
	t.Parallel()
	ctx := testContext(t)
	s := testServer(t, ServerOptions{})
	c := connect(t, s)
	r := must[*RLock](t)(NewRLock(ctx, c))
	other := r.Owner()
	check(t, r.Lock(ctx), r.Lock(ctx))
	if ok, err := other.TryLock(ctx); ok || err != nil {
		t.Errorf("two owners, %v", err)
	}
	wantIs(t, other.Unlock(ctx), oslock.ErrNotOwner)
	check(t, r.Unlock(ctx))
	waits := blocked(t, s, func() error { return other.Lock(ctx) })
	check(t, r.Unlock(ctx), <-waits)
	wantIs(t, r.Unlock(ctx), oslock.ErrNotOwner)
	check(t, other.Unlock(ctx))
	wantIs(t, other.Unlock(ctx), ErrNotLocked)

	// Permits that another releases are those of who has them.
	n := must[*Semaphore](t)(NewSemaphore(ctx, c, 1))
	taker := connect(t, s)
	theirs := must[*Semaphore](t)(Via(taker, n))
	check(t, theirs.Acquire(ctx), n.Release(ctx, 1), taker.Close())
	waitClients(t, s, 1)
	if v, err := n.Value(ctx); v != 1 || err != nil {
		t.Errorf("%d permits, %v: one was given back twice", v, err)
	}
	for _, bad := range []int{0, -1} {
		wantIs(t, n.Release(ctx, bad), oslock.ErrValue)
	}
	_, err := NewSemaphore(ctx, c, -1)
	wantIs(t, err, oslock.ErrValue)
	_, err = NewBarrier(ctx, c, 0)
	wantIs(t, err, oslock.ErrValue)

	// Waiting for and notifying a condition take its lock.
	d := must[*Condition](t)(NewCondition(ctx, c, nil))
	wantIs(t, d.Wait(ctx), oslock.ErrNotOwner)
	wantIs(t, d.Notify(ctx, 1), oslock.ErrNotOwner)
	turns := must[*Value[int]](t)(NewValue(ctx, c, 0))
	waits = blocked(t, s, func() error {
		return errors.Join(d.Lock(ctx), d.WaitFor(ctx, func() bool { n, _ := turns.Load(ctx); return n == 2 }), d.Unlock(ctx))
	})
	for range 2 {
		waitFor(t, "the condition to be waited for", func() bool { return s.waitingRequests() == 1 })
		check(t, d.Lock(ctx))
		_, err := turns.Add(ctx, 1)
		check(t, err, d.Notify(ctx, 1), d.Unlock(ctx))
	}
	check(t, <-waits)

	// Unlinked, they leave nobody waiting.
	l := must[*Lock](t)(NewLock(ctx, c))
	check(t, l.Lock(ctx))
	waits = blocked(t, s, func() error { return l.Lock(ctx) })
	check(t, l.Unlink(ctx))
	wantIs(t, <-waits, ErrGone)
	wantIs(t, l.Unlock(ctx), ErrGone)
}
