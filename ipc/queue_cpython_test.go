package ipc

import (
	"context"
	"errors"
	"fmt"
	"net"
	"os"
	"strconv"
	"sync"
	"testing"
	"time"
)

// The other process of the tests below.
var _ = addHelper("queueechoes", func(args []string) {
	q, err := OpenQueue[int](Handle{File: args[0]})
	if err != nil {
		panic(err)
	}
	conversation(func(w []string) string {
		n := 0
		if len(w) > 1 {
			n, _ = strconv.Atoi(w[1])
		}
		switch w[0] {
		case "put":
			return said(q.Put(context.Background(), n))
		case "get":
			v, err := q.Get(context.Background())
			if err != nil {
				return said(err)
			}
			return strconv.Itoa(v)
		case "drain":
			for range n {
				if _, err := q.Get(context.Background()); err != nil {
					return said(err)
				}
			}
		case "done":
			return said(q.TaskDone())
		case "empty":
			return strconv.FormatBool(q.Empty())
		case "len":
			return strconv.Itoa(q.Len())
		case "serve": // until the queue is closed
			for {
				if _, err := q.Get(context.Background()); err != nil {
					return said(err)
				}
				if err := q.TaskDone(); err != nil {
					return said(err)
				}
			}
		}
		return "ok"
	})
})

func startEchoes(t *testing.T, q *Queue[int]) *other {
	t.Helper()
	return startOther(t, "queueechoes", q.Handle().File)
}

// within calls f with a context of that length and returns how long it took.
func within(d time.Duration, f func(context.Context) error) (time.Duration, error) {
	start := time.Now()
	ctx, cancel := context.WithTimeout(context.Background(), d)
	defer cancel()
	err := f(ctx)
	return time.Since(start), err
}

func TestCPython__TestQueue_test_put(t *testing.T) {
	t.Parallel()
	q := testQueue[int](t, QueueOptions{MaxSize: 6})
	p := startEchoes(t, q)
	mustPut(t, q, 1, 2, 3)
	for n := 4; n <= 5; n++ {
		if err := q.TryPut(n); err != nil {
			t.Error(err)
		}
	}
	if _, err := within(time.Minute, func(ctx context.Context) error { return q.Put(ctx, 6) }); err != nil {
		t.Error(err)
	}
	if q.Empty() || !q.Full() {
		t.Error("not full")
	}
	wantIs(t, q.TryPut(7), ErrFull)
	for _, d := range []time.Duration{0, 50 * time.Millisecond} {
		took, err := within(d, func(ctx context.Context) error { return q.Put(ctx, 7) })
		wantIs(t, err, ErrFull, context.DeadlineExceeded)
		if took < d {
			t.Errorf("full after %v, want %v", took, d)
		}
	}
	wantSaid(t, p.ask("drain 6"), "ok")
	if !q.Empty() || q.Full() {
		t.Error("not empty")
	}
	p.end()
}

func TestCPython__TestQueue_test_get(t *testing.T) {
	t.Parallel()
	q := testQueue[int](t, QueueOptions{})
	p := startEchoes(t, q)
	for n := 2; n <= 5; n++ {
		wantSaid(t, p.ask("put %d", n), "ok")
	}
	if q.Empty() {
		t.Error("empty")
	}
	mustGet(t, q, 2, 3)
	if n, err := q.TryGet(); n != 4 || err != nil {
		t.Errorf("%d, %v", n, err)
	}
	mustGet(t, q, 5)
	_, err := q.TryGet()
	wantIs(t, err, ErrEmpty)
	for _, d := range []time.Duration{0, 50 * time.Millisecond} {
		took, err := within(d, func(ctx context.Context) error { _, err := q.Get(ctx); return err })
		wantIs(t, err, ErrEmpty, context.DeadlineExceeded)
		if took < d {
			t.Errorf("empty after %v, want %v", took, d)
		}
	}
	p.end()
}

func TestCPython__TestQueue_test_fork(t *testing.T) {
	t.Parallel()
	q := testQueue[int](t, QueueOptions{})
	for i := range 10 {
		mustPut(t, q, i)
	}
	p := startEchoes(t, q)
	for i := 10; i < 20; i++ {
		wantSaid(t, p.ask("put %d", i), "ok")
	}
	p.end()
	for i := range 20 {
		mustGet(t, q, i)
	}
	_, err := q.TryGet()
	wantIs(t, err, ErrEmpty)
}

func TestCPython__TestQueue_test_qsize(t *testing.T) {
	t.Parallel()
	q := testQueue[int](t, QueueOptions{})
	want := func(n int) {
		t.Helper()
		if got := q.Len(); got != n {
			t.Errorf("Len = %d, want %d", got, n)
		}
	}
	want(0)
	mustPut(t, q, 1)
	want(1)
	mustPut(t, q, 5)
	want(2)
	mustGet(t, q, 1)
	want(1)
	mustGet(t, q, 5)
	want(0)
}

func TestCPython__TestQueue_test_task_done(t *testing.T) {
	t.Parallel()
	q := testQueue[int](t, QueueOptions{})
	for range 4 {
		p := startEchoes(t, q)
		fmt.Fprintln(p.in, "serve")
		defer func() { wantSaid(t, p.hear(), "closed") }()
	}
	for i := range 10 {
		mustPut(t, q, i)
	}
	if err := q.Wait(soon(t)); err != nil {
		t.Error(err)
	}
	if !q.Empty() || q.TaskDone() == nil {
		t.Error("not all was done")
	}
	q.Close()
}

func TestCPython__TestQueue_test_timeout(t *testing.T) {
	t.Parallel()
	q := testQueue[int](t, QueueOptions{})
	took, err := within(200*time.Millisecond, func(ctx context.Context) error { _, err := q.Get(ctx); return err })
	wantIs(t, err, ErrEmpty)
	if took < 200*time.Millisecond {
		t.Errorf("empty after %v", took)
	}
}

// There is no feeder: Put itself returns the error, and no place is lost.
func TestCPython__TestQueue_test_queue_feeder_donot_stop_onexc(t *testing.T) {
	t.Parallel()
	q := testQueue[touchy](t, QueueOptions{MaxSize: 1})
	wantIs(t, q.Put(soon(t), touchy{-1}), ErrEncode)
	if err := q.TryPut(touchy{1}); err != nil {
		t.Error(err)
	}
	mustGet(t, q, touchy{1})
}

// There is no hook: the caller has the item, and the error with its type.
func TestCPython__TestQueue_test_queue_feeder_on_queue_feeder_error(t *testing.T) {
	t.Parallel()
	q := testQueue[stubborn](t, QueueOptions{MaxSize: 1})
	err := q.Put(soon(t), stubborn{})
	if e, ok := errors.AsType[*stubbornError](err); !ok || e.reason != "no" {
		t.Errorf("got error %v", err)
	}
	if !q.Empty() {
		t.Error("something was put")
	}
}

type stubborn struct{}

type stubbornError struct{ reason string }

func (e *stubbornError) Error() string { return e.reason }

func (stubborn) MarshalText() ([]byte, error) { return nil, &stubbornError{"no"} }

func (*stubborn) UnmarshalText([]byte) error { return nil }

func TestCPython__TestQueue_test_closed_queue_put_get_exceptions(t *testing.T) {
	t.Parallel()
	q := testQueue[int](t, QueueOptions{})
	q.Close()
	wantIs(t, q.Put(soon(t), 1), ErrClosed)
	_, err := q.Get(soon(t))
	wantIs(t, err, ErrClosed)
}

// SimpleQueue is a Queue without MaxSize.
func TestCPython_TestSimpleQueue_test_empty(t *testing.T) {
	t.Parallel()
	q := testQueue[int](t, QueueOptions{})
	p := startEchoes(t, q)
	for range 2 {
		if !q.Empty() {
			t.Error("not empty")
		}
		wantSaid(t, p.ask("empty"), "true")
		wantSaid(t, p.ask("put 1"), "ok")
		wantSaid(t, p.ask("empty"), "false")
		if q.Empty() {
			t.Error("empty")
		}
		mustGet(t, q, 1)
	}
	p.end()
}

func TestCPython_TestSimpleQueue_test_close(t *testing.T) {
	t.Parallel()
	q := testQueue[int](t, QueueOptions{})
	if err := errors.Join(q.Close(), q.Close(), q.Detach(), q.Detach()); err != nil {
		t.Error(err)
	}
}

// There are no pipes; what Detach closes is the file, and the memory goes.
func TestCPython_TestSimpleQueue_test_closed(t *testing.T) {
	t.Parallel()
	q := testQueue[int](t, QueueOptions{})
	if err := q.Detach(); err != nil {
		t.Error(err)
	}
	if _, err := q.f.file.Stat(); !errors.Is(err, os.ErrClosed) {
		t.Errorf("the file is open: %v", err)
	}
	if q.f.region.Size() != 0 {
		t.Error("the memory is mapped")
	}
}

// There is no default timeout in the process: a deadline belongs to one connection, or one call.
func TestCPython_TestTimeouts_test_timeout(t *testing.T) {
	t.Parallel()
	a, b := net.Pipe()
	defer a.Close()
	defer b.Close()
	if err := a.SetDeadline(time.Now().Add(-time.Second)); err != nil {
		t.Fatal(err)
	}
	q := testQueue[int](t, QueueOptions{})
	p := startEchoes(t, q)
	_, err := within(time.Millisecond, func(ctx context.Context) error { _, err := q.Get(ctx); return err })
	wantIs(t, err, ErrEmpty)
	got := later(func() error { _, err := q.Get(context.Background()); return err })
	wantBlocked(t, got)
	wantSaid(t, p.ask("put 123"), "ok")
	wantDone(t, got, nil)
	p.end()
}

// Row 6 of the pains: a child that puts 100 MB and ends can be waited for, with nobody reading.
func TestQueueUnread(t *testing.T) {
	t.Parallel()
	if testing.Short() {
		t.Skip("takes 100 MB")
	}
	q := testQueue[[]byte](t, QueueOptions{})
	p := startOther(t, "queueputs", q.Handle().File, "100", "1000000")
	wantSaid(t, p.ask("go"), "ok")
	p.end()
	if q.Len() != 100 {
		t.Errorf("%d items", q.Len())
	}
	for range 100 {
		if b, err := q.Get(soon(t)); err != nil || len(b) != 1000000 {
			t.Fatal(len(b), err)
		}
	}
}

// Each producer's items come in the order in which it put them, however many get them.
func TestQueueOrder(t *testing.T) {
	t.Parallel()
	q := testQueue[[2]int](t, QueueOptions{MaxSize: 7})
	const producers, each = 4, 500
	var wg, consumers sync.WaitGroup
	for p := range producers {
		w := openAgain(t, q)
		wg.Go(func() {
			for i := range each {
				if err := w.Put(soon(t), [2]int{p, i}); err != nil {
					t.Error(err)
					return
				}
			}
		})
	}
	var got [3][][2]int
	for c := range got {
		r := openAgain(t, q)
		consumers.Go(func() {
			for {
				v, err := r.Get(soon(t))
				if err != nil {
					wantIs(t, err, ErrClosed)
					return
				}
				got[c] = append(got[c], v)
			}
		})
	}
	wg.Wait()
	q.Close()
	consumers.Wait()
	seen := map[[2]int]bool{}
	for c := range got {
		last := [producers]int{-1, -1, -1, -1}
		for _, v := range got[c] {
			if v[1] <= last[v[0]] || seen[v] {
				t.Fatalf("consumer %d got %v after %d", c, v, last[v[0]])
			}
			last[v[0]], seen[v] = v[1], true
		}
	}
	if len(seen) != producers*each {
		t.Errorf("%d items of %d", len(seen), producers*each)
	}
}
