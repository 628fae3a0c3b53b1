package ipc

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"strings"
	"sync"
	"testing"
	"time"

	"yunta/oslock/mapped"
)

// openAgain opens another handle of a queue in this process.
func openAgain[T any](t testing.TB, q *Queue[T]) *Queue[T] {
	t.Helper()
	again, err := OpenQueue[T](q.Handle())
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := again.Detach(); err != nil {
			t.Error(err)
		}
	})
	return again
}

func mustPut[T any](t testing.TB, q *Queue[T], vs ...T) {
	t.Helper()
	for _, v := range vs {
		if err := q.Put(soon(t), v); err != nil {
			t.Fatal(err)
		}
	}
}

func mustGet[T comparable](t testing.TB, q *Queue[T], want ...T) {
	t.Helper()
	for _, w := range want {
		if got, err := q.Get(soon(t)); err != nil || got != w {
			t.Fatalf("Get = %v, %v, want %v", got, err, w)
		}
	}
}

func wantIs(t testing.TB, err error, targets ...error) {
	t.Helper()
	for _, target := range targets {
		if !errors.Is(err, target) {
			t.Errorf("got error %v, want %v", err, target)
		}
	}
}

// later runs f in a goroutine.
func later(f func() error) <-chan error {
	done := make(chan error, 1)
	go func() { done <- f() }()
	return done
}

func wantBlocked(t testing.TB, done <-chan error) {
	t.Helper()
	select {
	case err := <-done:
		t.Fatalf("did not wait: %v", err)
	case <-time.After(30 * time.Millisecond):
	}
}

func wantDone(t testing.TB, done <-chan error, target error) {
	t.Helper()
	select {
	case err := <-done:
		if !errors.Is(err, target) {
			t.Fatalf("got error %v, want %v", err, target)
		}
	case <-time.After(30 * time.Second):
		t.Fatal("still waits")
	}
}

func TestQueue(t *testing.T) {
	t.Parallel()
	q := testQueue[string](t, QueueOptions{MaxSize: 3})
	w := openAgain(t, q)
	if !q.Empty() || q.Full() || q.Len() != 0 || q.MaxSize() != 3 || w.MaxSize() != 3 {
		t.Error("a new queue is not empty")
	}
	_, err := q.TryGet()
	wantIs(t, err, ErrEmpty)
	mustPut(t, q, "a", "")
	mustPut(t, w, strings.Repeat("x", 300<<10))
	if q.Empty() || !q.Full() || w.Len() != 3 {
		t.Error("a full queue is not full")
	}
	wantIs(t, w.TryPut("c"), ErrFull)
	mustGet(t, w, "a", "")
	mustPut(t, q, "d")
	mustGet(t, q, strings.Repeat("x", 300<<10), "d")
	if q.Len() != 0 {
		t.Errorf("%d items left", q.Len())
	}
	if n := testQueue[int](t, QueueOptions{}).MaxSize(); n != 0 {
		t.Errorf("MaxSize of an unbounded queue is %d", n)
	}
	for _, n := range []int{-1, maxQueueSize + 1} {
		if _, err := NewQueue[int](QueueOptions{MaxSize: n}); err == nil || !strings.Contains(err.Error(), "MaxSize") {
			t.Errorf("MaxSize %d: %v", n, err)
		}
	}
}

// Items of all sizes, more than fit into one extent, all at once and a few at a time; extents are used again.
func TestQueueSizes(t *testing.T) {
	t.Parallel()
	rnd := testRand(t)
	q := testQueue[[]byte](t, QueueOptions{})
	var sizes []int
	put, got := 0, 0
	total := 3000
	if raceEnabled || testing.Short() {
		total = 500
	}
	for got < total {
		if put < total && (put == got || rnd.IntN(100) < 60) {
			n := rnd.IntN(3000)
			switch rnd.IntN(50) {
			case 0:
				n = rnd.IntN(1 << 20)
			case 1:
				n = []int{0, minQueueExtent - 8, minQueueExtent - 13, minQueueExtent - 12, minQueueExtent, 4 << 20}[rnd.IntN(6)]
			}
			sizes = append(sizes, n)
			mustPut(t, q, testBytes(put, n))
			put++
			continue
		}
		b, err := q.Get(soon(t))
		if err != nil || !bytes.Equal(b, testBytes(got, sizes[got])) {
			t.Fatalf("item %d of %d bytes: %d bytes, %v", got, sizes[got], len(b), err)
		}
		got++
	}
}

func testBytes(i, n int) []byte {
	b := bytes.Repeat([]byte{byte(i), byte(i >> 8), byte(n)}, n/3+1)
	return b[:n]
}

// Memory that a burst took is given back.
func TestQueueShrinks(t *testing.T) {
	t.Parallel()
	if testing.Short() {
		t.Skip("takes 200 MiB")
	}
	q := testQueue[[]byte](t, QueueOptions{})
	for range 200 {
		mustPut(t, q, make([]byte, 1<<20))
	}
	for range 200 {
		if _, err := q.Get(soon(t)); err != nil {
			t.Fatal(err)
		}
	}
	reserved := uint64(0)
	for id := range maxQueueExtents {
		reserved += q.f.entry(id).reserved.Load()
	}
	if reserved > keepQueueMemory+2*maxQueueExtent {
		t.Errorf("%d MiB are kept", reserved>>20)
	}
	for i := range 100 { // what was given back is got again
		mustPut(t, q, testBytes(i, 1<<20))
	}
	for i := range 100 {
		if b, err := q.Get(soon(t)); err != nil || !bytes.Equal(b, testBytes(i, 1<<20)) {
			t.Fatalf("item %d: %v", i, err)
		}
	}
}

func TestQueueWaits(t *testing.T) {
	t.Parallel()
	q := testQueue[int](t, QueueOptions{MaxSize: 1})
	w := openAgain(t, q)
	for _, r := range []*Queue[int]{q, w} {
		got := later(func() error { _, err := r.Get(soon(t)); return err })
		wantBlocked(t, got)
		mustPut(t, q, 1)
		wantDone(t, got, nil)

		mustPut(t, q, 2)
		put := later(func() error { return r.Put(soon(t), 3) })
		wantBlocked(t, put)
		mustGet(t, q, 2)
		wantDone(t, put, nil)
		mustGet(t, w, 3)
	}
}

// Many goroutines wait on two handles, and nobody needs a nap to be woken.
func TestQueueWakesAll(t *testing.T) {
	if raceEnabled {
		t.Skip("the portable path and the race detector have no wake-ups to miss")
	}
	old := testHookNap
	testHookNap = func(time.Duration) time.Duration { return time.Hour }
	defer func() { testHookNap = old }()
	q := testQueue[int](t, QueueOptions{MaxSize: 2})
	w := openAgain(t, q)
	const n, each = 20, 200
	ctx, cancel := context.WithTimeout(context.Background(), time.Minute)
	defer cancel()
	var wg sync.WaitGroup
	for i := range n {
		r := []*Queue[int]{q, w}[i%2]
		wg.Go(func() {
			for range each {
				if err := r.Put(ctx, 1); err != nil {
					t.Error(err)
					return
				}
			}
		})
		wg.Go(func() {
			for range each {
				if _, err := r.Get(ctx); err != nil {
					t.Error(err)
					return
				}
			}
		})
	}
	wg.Wait()
	if q.Len() != 0 {
		t.Errorf("%d items left", q.Len())
	}
}

func TestQueueContext(t *testing.T) {
	t.Parallel()
	q := testQueue[int](t, QueueOptions{MaxSize: 1})
	ended, cancel := context.WithCancel(t.Context())
	cancel()
	if err := q.Put(ended, 1); err != nil { // it need not wait
		t.Error(err)
	}
	mustGet(t, q, 1)
	mustPut(t, q, 1)
	wantIs(t, q.Put(ended, 2), context.Canceled, ErrFull)
	mustGet(t, q, 1)
	_, err := q.Get(ended)
	wantIs(t, err, context.Canceled, ErrEmpty)
	start := time.Now()
	short, cancel := context.WithTimeout(t.Context(), 20*time.Millisecond)
	defer cancel()
	_, err = q.Get(short)
	wantIs(t, err, context.DeadlineExceeded, ErrEmpty)
	if d := time.Since(start); d < 20*time.Millisecond {
		t.Errorf("ended after %v", d)
	}
	for _, start := range []func(context.Context) error{
		func(ctx context.Context) error { _, err := q.Get(ctx); return err },
		func(ctx context.Context) error { _, err := q.Lease(ctx); return err },
	} {
		ctx, cancel := context.WithCancel(t.Context())
		done := later(func() error { return start(ctx) })
		wantBlocked(t, done)
		cancel()
		wantDone(t, done, context.Canceled)
	}
}

func TestQueueClose(t *testing.T) {
	t.Parallel()
	q := testQueue[int](t, QueueOptions{MaxSize: 2})
	w := openAgain(t, q)
	mustPut(t, q, 1, 2)
	put := later(func() error { return w.Put(soon(t), 3) })
	wantBlocked(t, put)
	if err := errors.Join(w.Close(), q.Close()); err != nil {
		t.Fatal(err)
	}
	wantDone(t, put, ErrClosed)
	wantIs(t, q.Put(soon(t), 4), ErrClosed)
	wantIs(t, w.TryPut(4), ErrClosed)
	mustGet(t, q, 1)
	mustGet(t, w, 2)
	for _, r := range []*Queue[int]{q, w} {
		_, err := r.Get(soon(t))
		wantIs(t, err, ErrClosed)
		_, err = r.TryGet()
		wantIs(t, err, ErrClosed)
		_, err = r.Lease(soon(t))
		wantIs(t, err, ErrClosed)
	}
	// Those who wait for items are woken.
	q2 := testQueue[int](t, QueueOptions{})
	got := []<-chan error{}
	for _, r := range []*Queue[int]{q2, openAgain(t, q2), q2} {
		got = append(got, later(func() error { _, err := r.Get(soon(t)); return err }))
	}
	wantBlocked(t, got[0])
	q2.Close()
	for _, done := range got {
		wantDone(t, done, ErrClosed)
	}
	late := openAgain(t, q2)
	wantIs(t, late.TryPut(1), ErrClosed)
}

func TestQueueDetach(t *testing.T) {
	t.Parallel()
	q, err := NewQueue[int](QueueOptions{MaxSize: 1})
	if err != nil {
		t.Fatal(err)
	}
	w := openAgain(t, q)
	mustPut(t, q, 1)
	put := later(func() error { return q.Put(soon(t), 2) })
	waits := later(func() error { return q.Wait(soon(t)) })
	wantBlocked(t, put)
	wantBlocked(t, waits)
	h := q.Handle()
	if err := errors.Join(q.Detach(), q.Detach()); err != nil {
		t.Error(err)
	}
	wantDone(t, put, ErrClosed)
	wantDone(t, waits, ErrClosed)
	wantIs(t, q.TryPut(1), ErrClosed)
	_, err = q.TryGet()
	wantIs(t, err, ErrClosed)
	if q.Len() != 0 {
		t.Error("a detached queue has items")
	}
	_, err = OpenQueue[int](h)
	wantIs(t, err, fs.ErrNotExist)
	mustGet(t, w, 1) // those who have it open go on
	mustPut(t, w, 5)
	mustGet(t, w, 5)
	for n := 0; w.f.entry(1).size.Load() == 0; n++ { // and it grows still
		mustPut(t, w, n)
		mustGet(t, w, n)
	}
}

func TestQueueHandle(t *testing.T) {
	t.Parallel()
	q := testQueue[string](t, QueueOptions{})
	b, err := CodecFor[Handle]().Append(nil, q.Handle())
	if err != nil {
		t.Fatal(err)
	}
	h, _, err := CodecFor[Handle]().Decode(b)
	if err != nil || h != q.Handle() {
		t.Fatalf("%v, %v", h, err)
	}
	if j, err := json.Marshal(h); err != nil || len(j) > 300 {
		t.Errorf("%s, %v", j, err)
	}
	mustPut(t, q, "text")
	ints, err := OpenQueue[int](h)
	if err != nil {
		t.Fatal(err)
	}
	defer ints.Detach()
	_, err = ints.TryGet()
	wantIs(t, err, ErrDecode)
	mustPut(t, q, "more")
	mustGet(t, q, "more")

	name := uniqueName(t)
	named := testQueue[int](t, QueueOptions{Name: name})
	_, err = NewQueue[int](QueueOptions{Name: name})
	wantIs(t, err, fs.ErrExist)
	again, err := OpenQueue[int](Handle{File: name})
	if err != nil {
		t.Fatal(err)
	}
	defer again.Detach()
	mustPut(t, again, 3)
	mustGet(t, named, 3)

	m, err := CreateSharedMemory("", 10)
	if err != nil {
		t.Fatal(err)
	}
	defer m.Unlink()
	defer m.Close()
	_, err = OpenQueue[int](m.Handle())
	wantIs(t, err, ErrCorrupt)
	_, err = OpenValue[int](q.Handle())
	wantIs(t, err, ErrCorrupt)
	_, err = OpenQueue[int](Handle{File: "nowhere"})
	wantIs(t, err, fs.ErrNotExist)
}

type unencodable struct {
	OK int
	F  func() `msgpack:",omitempty"`
}

type touchy struct{ N int }

func (v touchy) MarshalText() ([]byte, error) {
	if v.N < 0 {
		return nil, fmt.Errorf("touchy: %d", v.N)
	}
	return fmt.Append(nil, v.N), nil
}

func (v *touchy) UnmarshalText(b []byte) error {
	_, err := fmt.Sscan(string(b), &v.N)
	if v.N == 13 {
		return errors.New("touchy: 13")
	}
	return err
}

// What cannot be encoded is an error of Put, and changes nothing.
func TestQueueEncoding(t *testing.T) {
	t.Parallel()
	q := testQueue[touchy](t, QueueOptions{MaxSize: 2})
	for range 3 {
		wantIs(t, q.Put(soon(t), touchy{-1}), ErrEncode)
	}
	mustPut(t, q, touchy{13}, touchy{2})
	_, err := q.Get(soon(t))
	wantIs(t, err, ErrDecode)
	mustGet(t, q, touchy{2})
	mustPut(t, q, touchy{13}, touchy{3})
	_, err = q.Lease(soon(t))
	wantIs(t, err, ErrDecode)
	mustGet(t, q, touchy{3})
	bad := testQueue[unencodable](t, QueueOptions{})
	wantIs(t, bad.Put(soon(t), unencodable{F: func() {}}), ErrEncode)
}

func TestQueueWaitDone(t *testing.T) {
	t.Parallel()
	q := testQueue[int](t, QueueOptions{})
	w := openAgain(t, q)
	if err := q.Wait(soon(t)); err != nil {
		t.Error(err)
	}
	if err := q.TaskDone(); err == nil {
		t.Error("TaskDone of nothing")
	}
	mustPut(t, q, 1, 2, 3)
	waits := later(func() error { return w.Wait(soon(t)) })
	mustGet(t, q, 1, 2)
	l, err := q.Lease(soon(t))
	if err != nil || l.Value != 3 {
		t.Fatal(l, err)
	}
	if err := errors.Join(q.TaskDone(), w.TaskDone()); err != nil {
		t.Error(err)
	}
	wantBlocked(t, waits)
	ctx, cancel := context.WithCancel(t.Context())
	other := later(func() error { return w.Wait(ctx) })
	cancel()
	wantDone(t, other, context.Canceled)
	if err := l.Done(); err != nil {
		t.Error(err)
	}
	wantDone(t, waits, nil)
	if l.Done() == nil || l.Return() == nil {
		t.Error("a lease ended twice")
	}
	if q.TaskDone() == nil {
		t.Error("TaskDone once too often")
	}
}

func TestQueueLease(t *testing.T) {
	t.Parallel()
	q := testQueue[int](t, QueueOptions{MaxSize: 3})
	w := openAgain(t, q)
	mustPut(t, q, 1, 2, 3)
	a, err := q.Lease(soon(t))
	if err != nil {
		t.Fatal(err)
	}
	b, err := w.Lease(soon(t))
	if err != nil {
		t.Fatal(err)
	}
	if a.Value != 1 || b.Value != 2 || q.Len() != 1 {
		t.Errorf("leased %d and %d of 3, %d left", a.Value, b.Value, q.Len())
	}
	mustPut(t, q, 4, 5)
	if err := errors.Join(b.Return(), a.Return()); err != nil {
		t.Fatal(err)
	}
	if q.Len() != 5 {
		t.Errorf("%d items", q.Len())
	}
	mustGet(t, w, 1) // in the order in which they were put
	c, err := q.Lease(soon(t))
	if err != nil || c.Value != 2 {
		t.Fatal(c, err)
	}
	mustGet(t, q, 3, 4, 5)
	_, err = q.TryGet()
	wantIs(t, err, ErrEmpty)
	got := later(func() error {
		v, err := w.Get(soon(t))
		if err == nil && v != 2 {
			err = fmt.Errorf("got %d", v)
		}
		return err
	})
	wantBlocked(t, got)
	if err := c.Return(); err != nil {
		t.Error(err)
	}
	wantDone(t, got, nil)

	// A lease outlives its handle.
	mustPut(t, w, 6)
	again, err := OpenQueue[int](q.Handle())
	if err != nil {
		t.Fatal(err)
	}
	d, err := again.Lease(soon(t))
	if err != nil || d.Value != 6 {
		t.Fatal(d, err)
	}
	if err := errors.Join(again.Detach(), d.Return()); err != nil {
		t.Error(err)
	}
	mustGet(t, q, 6)
}

// A leased record stays where it is though the queue runs on for long.
func TestQueueLeasePinsItsExtent(t *testing.T) {
	t.Parallel()
	q := testQueue[[]byte](t, QueueOptions{})
	want := testBytes(7, 10000)
	mustPut(t, q, want)
	l, err := q.Lease(soon(t))
	if err != nil {
		t.Fatal(err)
	}
	for i := range 300 {
		mustPut(t, q, testBytes(i, 9000))
		if b, err := q.Get(soon(t)); err != nil || !bytes.Equal(b, testBytes(i, 9000)) {
			t.Fatal(i, err)
		}
	}
	if err := l.Return(); err != nil {
		t.Fatal(err)
	}
	if b, err := q.Get(soon(t)); err != nil || !bytes.Equal(b, want) {
		t.Fatalf("it came back as %d bytes, %v", len(b), err)
	}
}

func TestQueueTooManyLeases(t *testing.T) {
	t.Parallel()
	q := testQueue[int](t, QueueOptions{})
	for i := range maxLeases + 1 {
		mustPut(t, q, i)
	}
	var leases []*Lease[int]
	for range maxLeases {
		l, err := q.Lease(soon(t))
		if err != nil {
			t.Fatal(err)
		}
		leases = append(leases, l)
	}
	_, err := q.Lease(soon(t))
	wantIs(t, err, ErrFull)
	if err := leases[7].Done(); err != nil {
		t.Error(err)
	}
	l, err := q.Lease(soon(t))
	if err != nil || l.Value != maxLeases {
		t.Fatal(l, err)
	}
	for _, l := range append(leases[:7], append(leases[8:], l)...) {
		if err := l.Done(); err != nil {
			t.Fatal(err)
		}
	}
	if err := q.Wait(soon(t)); err != nil {
		t.Error(err)
	}
}

// A queue that somebody has cut off, or written over, gives errors, and crashes nobody.
func TestQueueDamaged(t *testing.T) {
	t.Parallel()
	rnd := testRand(t)
	for range 200 {
		q := testQueue[[]byte](t, QueueOptions{MaxSize: 100})
		for i := range 5 {
			mustPut(t, q, testBytes(i, 20000))
		}
		l, err := q.Lease(soon(t))
		if err != nil {
			t.Fatal(err)
		}
		for range 1 + rnd.IntN(3) {
			words := []int{offTail, offHead, offOldTail, offOldHead, offJournal, offDone, offLeased &^ 7, offLeases, offLeases + 8}
			at := words[rnd.IntN(len(words))]
			if rnd.IntN(2) == 0 {
				at = offExtents + 8*rnd.IntN(16)
			}
			q.f.region.Uint64(at).Store(rnd.Uint64() >> rnd.IntN(64))
		}
		ctx, cancel := context.WithTimeout(t.Context(), 10*time.Millisecond)
		for i := range 4 { // any result will do
			q.Put(ctx, testBytes(i, 50000))
			q.Get(ctx)
			if l, err := q.Lease(ctx); err == nil {
				l.Return()
			}
			q.TaskDone()
			q.Len()
		}
		l.Done()
		cancel()
	}
	q := testQueue[int](t, QueueOptions{})
	mustPut(t, q, 1)
	if err := q.f.file.Truncate(queueBase); err != nil {
		t.Fatal(err)
	}
	fault := func(err error) {
		t.Helper()
		if _, ok := errors.AsType[*mapped.FaultError](err); !ok {
			t.Errorf("cut off: %v", err)
		}
	}
	_, err := q.Get(soon(t))
	fault(err)
	fault(q.Put(soon(t), 1))
	fault(q.TryPut(1)) // and it is not locked
}
