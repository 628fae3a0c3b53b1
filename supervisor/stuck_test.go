package supervisor_test

import (
	"bytes"
	"context"
	"errors"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/vmihailenco/msgpack/v5"

	"yunta/child"
	"yunta/supervisor"
)

// Tests of what goes on while something else is stuck: a task, a pipe that is
// full, a writer that takes nothing.

// gated returns at once, or waits for the file that it is given.
var gated = child.Register("gated", func(ctx context.Context, path string) (string, error) {
	if path == "" {
		return "", nil
	}
	sign(path+".begun", "x")
	return untilThere.Func()(ctx, path)
})

// warm makes gated known as a short one, so that many are dealt ahead.
func warm(t *testing.T, p *supervisor.Pool) {
	t.Helper()
	if _, err := supervisor.Map(testContext(t), p, gated, make([]string, 2000)); err != nil {
		t.Fatal(err)
	}
}

// A result does not wait for the task behind it, even if the worker has begun
// that before it told of the result.
func TestResultBeforeSlowTask(t *testing.T) {
	t.Parallel()
	p := newPool(t, supervisor.PoolOptions{Processes: 1})
	warm(t, p)
	dir := t.TempDir()
	first, last := filepath.Join(dir, "first"), filepath.Join(dir, "last")
	supervisor.ApplyAsync(testContext(t), p, gated, first)
	waitSigned(t, first+".begun", 1)
	// These are in the pipe together when the worker comes to read it again.
	var quick []*supervisor.Future[string]
	for range 5 {
		quick = append(quick, supervisor.ApplyAsync(testContext(t), p, gated, ""))
	}
	slow := supervisor.ApplyAsync(testContext(t), p, gated, last)
	sign(first, "x")
	waitSigned(t, last+".begun", 1)
	for i, f := range quick {
		if _, err := f.Get(testContext(t)); err != nil {
			t.Fatalf("result %d: %v", i, err)
		}
	}
	select {
	case <-slow.Done():
		t.Error("the slow task is done: nothing was shown")
	default:
	}
	sign(last, "x")
	if got, err := slow.Get(testContext(t)); err != nil || got != "there" {
		t.Errorf("the slow task: %v, %v", got, err)
	}
}

// Results of a chunk that is not over are handed on, whatever long timeout
// another worker's task has.
func TestResultBesideLongTimeout(t *testing.T) {
	t.Parallel()
	p := newPool(t, supervisor.PoolOptions{Processes: 2})
	waitFor(t, "both workers", func() bool { return idle(p) == 2 })
	dir := t.TempDir()
	long := filepath.Join(dir, "long")
	f := supervisor.ApplyAsync(testContext(t), p.With(supervisor.CallOptions{Timeout: time.Hour}), gated, long)
	waitSigned(t, long+".begun", 1)
	for _, name := range []string{"a", "b", "c"} {
		time.Sleep(20 * time.Millisecond) // for the monitor to go to sleep until then, if it would
		path := filepath.Join(dir, name)
		told := make(chan struct{})
		v := p.With(supervisor.CallOptions{ChunkSize: 2, OnProgress: func(done, _ int) {
			if done == 1 {
				close(told)
			}
		}})
		pair := supervisor.MapAsync(testContext(t), v, gated, []string{"", path})
		waitSigned(t, path+".begun", 1)
		select {
		case <-told:
		case <-time.After(patience):
			t.Fatal("the first result waits for the second task")
		}
		sign(path, "x")
		if _, err := pair.Get(testContext(t)); err != nil {
			t.Error(err)
		}
	}
	sign(long, "x")
	if _, err := f.Get(testContext(t)); err != nil {
		t.Error(err)
	}
}

// A value that a task returns after it was told to stop is nobody's.
func TestStoppedTaskHasNoResult(t *testing.T) {
	t.Parallel()
	models(t, func(t *testing.T, o supervisor.PoolOptions) {
		o.Grace = 10 * time.Second
		p := newPool(t, o)
		v := p.With(supervisor.CallOptions{ChunkSize: 3, Timeout: 200 * time.Millisecond * slowness})
		got, err := supervisor.Map(testContext(t), v, answersLate, []int{5, -1, 6})
		var m *supervisor.MapError
		if !errors.As(err, &m) || !errors.Is(err, supervisor.ErrTaskTimeout) || len(m.Errors) != 1 || m.Errors[0].Index != 1 {
			t.Fatalf("got %v", err)
		}
		if want := []int{5, 0, 6}; !slices.Equal(got, want) {
			t.Errorf("got %v, want %v", got, want)
		}
		if got, err := supervisor.Apply(testContext(t), v, answersLate, -1); !errors.Is(err, supervisor.ErrTaskTimeout) || got != 0 {
			t.Errorf("got %v, %v", got, err)
		}
	})
}

// answersLate waits for its end when the argument is negative, and answers all the same.
var answersLate = child.Register("answersLate", func(ctx context.Context, n int) (int, error) {
	if n < 0 {
		<-ctx.Done()
	}
	return n, nil
})

// A death is dealt with even if what the child wrote cannot be passed on.
func TestBlockedStderr(t *testing.T) {
	t.Parallel()
	w := &blockedWriter{begun: make(chan struct{}), open: make(chan struct{})}
	p := newPool(t, supervisor.PoolOptions{Processes: 2, Stderr: w})
	open := sync.OnceFunc(func() { close(w.open) })
	t.Cleanup(open)
	dir := t.TempDir()
	for _, name := range []string{"exit", "another"} {
		_, err := supervisor.Apply(testContext(t), p, lastWords, filepath.Join(dir, name))
		var e *supervisor.ExitError
		if !errors.As(err, &e) || e.Code != 5 || !strings.Contains(e.Stderr, "line 1;") {
			t.Fatalf("%s: got %v", name, err)
		}
	}
	<-w.begun
	if got, err := supervisor.Apply(testContext(t), p, square, 3); err != nil || got != 9 {
		t.Errorf("afterwards: %v, %v", got, err)
	}
	p.Close()
	soon(t, "Wait", 5*time.Second, func() {
		if err := p.Wait(testContext(t)); err != nil {
			t.Error(err)
		}
	})
	open()
	waitFor(t, "what both wrote", func() bool { return strings.Count(w.String(), "line 20;\n") == 2 })
}

// blockedWriter takes nothing until it is opened, as a stopped terminal does.
type blockedWriter struct {
	once        sync.Once
	begun, open chan struct{}
	lockedBuffer
}

func (w *blockedWriter) Write(b []byte) (int, error) {
	w.once.Do(func() { close(w.begun) })
	<-w.open
	return w.lockedBuffer.Write(b)
}

// load is an argument of some size; with a path its task signs that and hangs.
type load struct {
	Path string
	Load []byte
}

var carries = child.Register("carries", func(ctx context.Context, l load) (int, error) {
	if l.Path != "" {
		return sticks.Func()(ctx, l.Path)
	}
	return len(l.Load), nil
})

// jam makes a pool of one worker, and arguments of which the one after lead
// hangs and the others are more than the pipe to it holds. Once free is called
// they are dealt together: they are written while the worker hangs.
func jam(t *testing.T, lead int) (p *supervisor.Pool, args []load, stuck string, free func()) {
	t.Helper()
	p = newPool(t, supervisor.PoolOptions{Processes: 1, Grace: 100 * time.Millisecond})
	if _, err := supervisor.Map(testContext(t), p, carries, make([]load, 2000)); err != nil { // known as a short one
		t.Fatal(err)
	}
	dir := t.TempDir()
	stuck, gate := filepath.Join(dir, "stuck"), filepath.Join(dir, "gate")
	supervisor.ApplyAsync(testContext(t), p, gated, gate) // not known, so nothing is dealt behind it
	waitSigned(t, gate+".begun", 1)
	args = make([]load, lead+1)
	args[lead].Path = stuck
	for range 40 {
		args = append(args, load{Load: bytes.Repeat([]byte{1}, 60_000)})
	}
	return p, args, stuck, func() { sign(gate, "x") }
}

// A worker that hangs with its pipe full, so that somebody is blocked in a
// write to it, is terminated all the same when it is asked to leave.
func TestLeavingWithFullPipe(t *testing.T) {
	t.Parallel()
	p, args, stuck, free := jam(t, 1)
	v := p.With(supervisor.CallOptions{ChunkSize: 1, Buffer: len(args) + 1})
	input := func(yield func(load) bool) {
		defer free()
		for _, a := range args {
			if !yield(a) {
				return
			}
		}
	}
	for _, err := range supervisor.IMapUnordered(testContext(t), v, carries, input) {
		if err != nil {
			t.Error(err)
		}
		waitPID(t, stuck)
		break // what runs may finish, so nobody stops it
	}
	soon(t, "Close", 5*time.Second, func() { p.Close() })
	soon(t, "Wait", 5*time.Second, func() {
		if err := p.Wait(testContext(t)); err != nil {
			t.Error(err)
		}
	})
}

// Who cancels a job does not wait for the pipe that its arguments are written to.
func TestCancelWithFullPipe(t *testing.T) {
	t.Parallel()
	p, args, stuck, free := jam(t, 0)
	f := supervisor.MapAsync(testContext(t), p.With(supervisor.CallOptions{ChunkSize: 1}), carries, args)
	free()
	victim := waitPID(t, stuck)
	soon(t, "Cancel", 5*time.Second, func() {
		f.Cancel()
		if _, err := f.Get(testContext(t)); !errors.Is(err, context.Canceled) {
			t.Errorf("got %v", err)
		}
	})
	waitFor(t, "the worker to be gone", func() bool { return !alive(victim) })
	if got, err := supervisor.Apply(testContext(t), p, square, 3); err != nil || got != 9 {
		t.Errorf("afterwards: %v, %v", got, err)
	}
}

// hesitant is an argument whose encoder, when it has a hesitation, stops once.
type hesitant struct {
	N int
	*hesitation
}

type hesitation struct {
	stopped     atomic.Bool
	begun, goOn chan struct{}
}

func (a hesitant) EncodeMsgpack(e *msgpack.Encoder) error {
	if h := a.hesitation; h != nil && h.stopped.CompareAndSwap(false, true) {
		close(h.begun)
		<-h.goOn
	}
	return e.EncodeInt(int64(a.N))
}

func (a *hesitant) DecodeMsgpack(d *msgpack.Decoder) (err error) {
	a.N, err = d.DecodeInt()
	return err
}

var squareHesitant = child.Register("squareHesitant", func(_ context.Context, a hesitant) (int, error) { return a.N * a.N, nil })

// Tasks whose arguments are still being encoded are not given to another
// worker: or a Map could return while the caller's arguments are being read.
func TestEncodingIsNotStolen(t *testing.T) {
	t.Parallel()
	p := newPool(t, supervisor.PoolOptions{Processes: 2})
	waitFor(t, "both workers", func() bool { return idle(p) == 2 })
	h := &hesitation{begun: make(chan struct{}), goOn: make(chan struct{})}
	args := make([]hesitant, 4)
	for i := range args {
		args[i].N = i
	}
	args[3].hesitation = h
	type outcome struct {
		got []int
		err error
	}
	returned := make(chan outcome, 1)
	go func() {
		got, err := supervisor.Map(testContext(t), p.With(supervisor.CallOptions{ChunkSize: len(args)}), squareHesitant, args)
		returned <- outcome{got, err}
	}()
	<-h.begun
	// The other worker looks for work after each of these.
	for i := range 100 {
		if got, err := supervisor.Apply(testContext(t), p, square, i); err != nil || got != i*i {
			t.Errorf("got %v, %v", got, err)
		}
	}
	if n := p.Stats().Stolen; n != 0 {
		t.Errorf("%d tasks were taken back", n)
	}
	select {
	case o := <-returned:
		t.Fatalf("Map has returned %v, %v", o.got, o.err)
	default:
	}
	close(h.goOn)
	if o := <-returned; o.err != nil || !slices.Equal(o.got, []int{0, 1, 4, 9}) {
		t.Errorf("got %v, %v", o.got, o.err)
	}
}
