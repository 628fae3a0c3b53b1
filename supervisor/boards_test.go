package supervisor_test

import (
	"context"
	"errors"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"yunta/child"
	"yunta/child/board"
	"yunta/oslock"
	"yunta/oslock/rundir"
	"yunta/supervisor"
)

// embrace is what a task of crosses is given: it locks the first, waits until the
// other has locked its own, and then wants the second.
type embrace struct{ First, Second string }

var crosses = child.Register("crosses", func(ctx context.Context, e embrace) (int, error) {
	var locks []*oslock.Lock
	for _, name := range []string{e.First, e.Second} {
		l, err := oslock.OpenLock(name, oslock.LockOptions{})
		if err != nil {
			return 0, err
		}
		defer l.Close()
		locks = append(locks, l)
	}
	if err := locks[0].Lock(ctx); err != nil {
		return 0, err
	}
	defer locks[0].Unlock()
	if err := os.WriteFile(e.First+".held", nil, 0o600); err != nil {
		return 0, err
	}
	for {
		if _, err := os.Stat(e.Second + ".held"); err == nil {
			break
		}
		time.Sleep(time.Millisecond)
	}
	if err := locks[1].Lock(ctx); err != nil {
		return 0, err
	}
	return 0, locks[1].Unlock()
})

// boardOf returns the board of that name, as it is now.
func boardOf(t testing.TB, name string) (supervisor.Board, bool) {
	t.Helper()
	all, err := supervisor.Boards()
	if err != nil {
		t.Fatal(err)
	}
	i := slices.IndexFunc(all, func(b supervisor.Board) bool { return b.Name == name })
	if i < 0 {
		return supervisor.Board{}, false
	}
	return all[i], true
}

func TestBoards(t *testing.T) {
	p := newPool(t, supervisor.PoolOptions{Processes: 2, Name: "boards test", Pin: supervisor.PinNone})
	ctx := testContext(t)
	if _, err := supervisor.Map(ctx, p, square, ints(1000)); err != nil {
		t.Fatal(err)
	}
	if _, err := supervisor.Map(ctx, p, fails, ints(10)); err == nil {
		t.Fatal("nothing failed")
	}
	file := filepath.Join(t.TempDir(), "signed")
	f := supervisor.ApplyAsync(ctx, p, waits, file)
	defer f.Cancel()
	var b supervisor.Board
	waitFor(t, "the board to show the task", func() bool {
		b, _ = boardOf(t, "boards test")
		return slices.ContainsFunc(b.Workers, func(w supervisor.BoardWorker) bool { return w.Entry == "waits" && w.State == "running" })
	})
	if b.PID != os.Getpid() || b.Err != nil || len(b.Workers) != 2 || time.Since(b.Started) > time.Hour {
		t.Errorf("board %+v", b)
	}
	var done, failed uint64
	for _, w := range b.Workers {
		done, failed = done+w.Done, failed+w.Failed
		if i := slices.IndexFunc(p.Workers(), func(i supervisor.WorkerInfo) bool { return i.PID == w.PID }); i != w.Worker {
			t.Errorf("worker %+v is number %d of the pool", w, i)
		}
		if w.State == "running" && (w.Job != 3 || w.Task != 0 || time.Since(w.Started) > time.Hour) {
			t.Errorf("worker %+v, want the first task of job 3", w)
		}
	}
	if done != 1005 || failed != 5 {
		t.Errorf("%d done and %d failed, want 1005 and 5", done, failed)
	}

	// The one that replaces a worker goes on counting, on the same line.
	running := slices.IndexFunc(b.Workers, func(w supervisor.BoardWorker) bool { return w.State == "running" })
	before := b.Workers[running]
	if proc, err := os.FindProcess(before.PID); err != nil || proc.Kill() != nil {
		t.Fatal(err)
	}
	if _, err := f.Get(ctx); !errors.Is(err, supervisor.ErrWorkerDied) {
		t.Errorf("error %v, want that the worker died", err)
	}
	waitFor(t, "the replacement", func() bool {
		b, _ = boardOf(t, "boards test")
		w := b.Workers[running]
		return w.PID != before.PID && w.State == "idle" && w.Restarts == 1 && w.Done == before.Done
	})
}

// Of long tasks that travel together the board shows each.
func TestBoardFollowsAChunk(t *testing.T) {
	p := newPool(t, supervisor.PoolOptions{Processes: 1, Name: "follows"})
	ctx, cancel := context.WithCancel(testContext(t))
	done := make(chan struct{})
	go func() {
		defer close(done)
		args := []time.Duration{0, time.Microsecond, time.Hour, 0}
		_, _ = supervisor.Map(ctx, p.With(supervisor.CallOptions{ChunkSize: 4}), sleep, args)
	}()
	waitFor(t, "the third task on the board", func() bool {
		b, ok := boardOf(t, "follows")
		return ok && b.Workers[0].Task == 2 && b.Workers[0].Done == 2 && b.Workers[0].State == "running"
	})
	cancel()
	<-done
}

// Boards that are no boards are told as such, and nothing else suffers.
func TestBoardsOfStrangers(t *testing.T) {
	p := newPool(t, supervisor.PoolOptions{Processes: 1, Name: "healthy"})
	d, err := rundir.Create("stranger")
	if err != nil {
		t.Fatal(err)
	}
	defer d.Close()
	path := filepath.Join(d.Path(), "board")
	stranger := func() (found []supervisor.Board) {
		all, err := supervisor.Boards()
		if err != nil {
			t.Fatal(err)
		}
		for _, b := range all {
			if b.Name == "stranger" || b.Name == "??" {
				found = append(found, b)
			}
		}
		return found
	}
	if got := stranger(); len(got) != 0 {
		t.Errorf("a folder without a board is listed: %+v", got)
	}
	if err := os.WriteFile(path, []byte(strings.Repeat("x", 5000)), 0o600); err != nil {
		t.Fatal(err)
	}
	if got := stranger(); len(got) != 1 || !errors.Is(got[0].Err, board.ErrNotBoard) || got[0].PID != os.Getpid() {
		t.Errorf("a foreign file: %+v", got)
	}
	if err := os.Remove(path); err != nil {
		t.Fatal(err)
	}
	b, err := board.Create(path, 3, "\x1b\n")
	if err != nil {
		t.Fatal(err)
	}
	defer b.Close()
	if got := stranger(); len(got) != 1 || got[0].Err != nil || len(got[0].Workers) != 3 || got[0].Workers[2].State != "unused" {
		t.Errorf("a board with a name for a terminal to obey: %+v", got)
	}
	if _, ok := boardOf(t, "healthy"); !ok {
		t.Error("the other supervisor is not listed")
	}
	_ = p
}

func TestDeadlockOfTwoWorkers(t *testing.T) {
	p := newPool(t, supervisor.PoolOptions{Processes: 2, Name: "embrace"})
	dir := t.TempDir()
	one, two := filepath.Join(dir, "one"), filepath.Join(dir, "two")
	ctx := testContext(t)
	a := supervisor.ApplyAsync(ctx, p, crosses, embrace{one, two})
	b := supervisor.ApplyAsync(ctx, p, crosses, embrace{two, one})
	var found []supervisor.Deadlock
	waitFor(t, "the deadlock", func() bool {
		shown, _ := boardOf(t, "embrace")
		found = supervisor.Deadlocks([]supervisor.Board{shown}, time.Now())
		return len(found) > 0
	})
	if len(found) != 1 || len(found[0]) != 2 {
		t.Fatalf("found %+v, want one cycle of two", found)
	}
	d := found[0]
	if d[0].Owner != d[1].PID || d[1].Owner != d[0].PID || d[0].PID >= d[1].PID {
		t.Errorf("cycle %+v", d)
	}
	if names := filepath.Base(d[0].WaitsFor) + filepath.Base(d[1].WaitsFor); names != "onetwo" && names != "twoone" {
		t.Errorf("they wait for %s and %s", d[0].WaitsFor, d[1].WaitsFor)
	}
	// One is killed: the lock that it owned tells the other, whose wait ends.
	if proc, err := os.FindProcess(d[0].PID); err != nil || proc.Kill() != nil {
		t.Fatal(err)
	}
	_, errA := a.Get(ctx)
	_, errB := b.Get(ctx)
	if !errors.Is(errors.Join(errA, errB), supervisor.ErrWorkerDied) || errA == nil && errB == nil {
		t.Errorf("errors %v and %v", errA, errB)
	}
	waitFor(t, "nobody to wait any more", func() bool {
		shown, _ := boardOf(t, "embrace")
		return !slices.ContainsFunc(shown.Workers, func(w supervisor.BoardWorker) bool { return w.WaitsFor != "" })
	})
}

func TestDeadlocksAmongBoards(t *testing.T) {
	t.Parallel()
	at := time.Unix(1000, 0)
	w := func(pid, owner int, since time.Duration) supervisor.BoardWorker {
		return supervisor.BoardWorker{PID: pid, Owner: owner, WaitsFor: "lock", Since: at.Add(-since)}
	}
	const long = time.Second
	for _, row := range []struct {
		name    string
		workers []supervisor.BoardWorker
		want    [][]int
	}{
		{"nobody waits", []supervisor.BoardWorker{{PID: 1}, {PID: 2}}, nil},
		{"a chain", []supervisor.BoardWorker{w(1, 2, long), w(2, 3, long), {PID: 3}}, nil},
		{"an owner who is no worker", []supervisor.BoardWorker{w(1, 99, long)}, nil},
		{"an unknown owner", []supervisor.BoardWorker{w(1, 0, long), {PID: 0}}, nil},
		{"two", []supervisor.BoardWorker{w(2, 1, long), w(1, 2, long)}, [][]int{{1, 2}}},
		{"two that may just have met", []supervisor.BoardWorker{w(2, 1, long), w(1, 2, time.Millisecond)}, nil},
		{"itself", []supervisor.BoardWorker{w(5, 5, long)}, [][]int{{5}}},
		{"three, and one who waits for them", []supervisor.BoardWorker{w(1, 4, long), w(9, 3, long), w(4, 3, long), w(3, 9, long)}, [][]int{{3, 9}}},
		{"a larger one from its middle", []supervisor.BoardWorker{w(7, 2, long), w(2, 5, long), w(5, 7, long)}, [][]int{{2, 5, 7}}},
		{"two cycles", []supervisor.BoardWorker{w(1, 2, long), w(2, 1, long), w(3, 4, long), w(4, 3, long)}, [][]int{{1, 2}, {3, 4}}},
	} {
		half := len(row.workers) / 2 // supervisors share the locks of the run directory
		boards := []supervisor.Board{{Workers: row.workers[:half]}, {Workers: row.workers[half:]}}
		var got [][]int
		for _, d := range supervisor.Deadlocks(boards, at) {
			var pids []int
			for _, w := range d {
				pids = append(pids, w.PID)
			}
			got = append(got, pids)
		}
		if !slices.EqualFunc(got, row.want, slices.Equal) {
			t.Errorf("%s: got %v, want %v", row.name, got, row.want)
		}
	}
}
