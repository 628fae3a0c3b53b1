package board

import (
	"encoding/binary"
	"errors"
	"fmt"
	"io/fs"
	"math/rand/v2"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"yunta/oslock/mapped"
)

func newBoard(t testing.TB, lines int) (*Board, string) {
	t.Helper()
	path := filepath.Join(t.TempDir(), "board")
	b, err := Create(path, lines, "test")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { b.Close() })
	return b, path
}

func newLine(t testing.TB, path string, i int) *Line {
	t.Helper()
	l, err := OpenLine(path, i)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { l.Close() })
	return l
}

func read(t testing.TB, b *Board, i int) Status {
	t.Helper()
	s, err := b.Read(i)
	if err != nil {
		t.Fatal(err)
	}
	return s
}

func must(t testing.TB, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}

func TestLifeOfALine(t *testing.T) {
	t.Parallel()
	boss, path := newBoard(t, 3)
	b, err := Open(path)
	must(t, err)
	defer b.Close()
	if h := b.Header(); h != boss.Header() || h.PID != os.Getpid() || h.Name != "test" || h.Lines != 3 || time.Since(h.Started) > time.Hour {
		t.Errorf("header %+v, want %+v", h, boss.Header())
	}
	pid := os.Getpid()
	want := Status{CPU: -1}
	expect := func(when string) {
		t.Helper()
		got := read(t, b, 1)
		got.CPU = want.CPU // this thread's business
		if got != want {
			t.Errorf("%s: got %+v, want %+v", when, got, want)
		}
	}
	expect("before anything")
	must(t, boss.Starting(1, pid, 4))
	want.PID, want.State, want.Restarts = pid, Starting, 4
	expect("started")
	l := newLine(t, path, 1)
	expect("line opened")
	must(t, boss.Serving(1))
	want.State = Idle
	expect("serving")
	l.Run("main.square", 7, 8, 9)
	want.State, want.Entry, want.Job, want.Index, want.Start = Running, "main.square", 7, 8, time.Unix(0, 9)
	expect("running")
	l.WaitsFor(strings.Repeat("x", 60)+"/the.lock", 11, time.Unix(0, 12))
	want.WaitsFor, want.Owner, want.Since = strings.Repeat("x", 47)+"/the.lock", 11, time.Unix(0, 12)
	expect("waiting")
	l.WaitsFor(strings.Repeat("x", 60)+"/the.lock", 13, time.Unix(0, 12))
	want.Owner = 13
	expect("waiting for another owner")
	l.WaitsFor("", 0, time.Time{})
	want.WaitsFor, want.Owner, want.Since = "", 0, time.Time{}
	expect("waited")
	l.Idle(5, 2)
	want.State, want.Done, want.Failed = Idle, 5, 2
	expect("idle")
	l.Run("a name of far more bytes than there is roöm for", 7, 8, 9)
	l.Idle(5, 2)
	want.Entry = "a name of far more bytes than th"
	expect("long name")
	must(t, boss.Stopping(1))
	want.State = Stopping
	expect("stopping")
	must(t, boss.Dead(1))
	want.State = Dead
	expect("dead")
	must(t, boss.Starting(1, pid+1, 5))
	want = Status{CPU: -1, PID: pid + 1, State: Starting, Restarts: 5}
	expect("replaced: nothing is left of the one before")
	must(t, boss.Starting(1, pid, 5))
	must(t, boss.Serving(1))
	newLine(t, path, 1).Idle(1, 1)
	want = Status{CPU: -1, PID: pid, State: Idle, Restarts: 5, Done: 1, Failed: 1, DoneBefore: 5, FailedBefore: 2}
	expect("the next one counts for itself, and what was before is kept")
	newLine(t, path, 1)
	want.Done, want.Failed, want.DoneBefore, want.FailedBefore = 0, 0, 6, 3
	expect("and once more")
	must(t, boss.Starting(1, pid+1, 5))

	all, err := b.All()
	must(t, err)
	if len(all) != 3 || all[1].PID != pid+1 || all[0] != (Status{CPU: -1}) || all[2] != all[0] {
		t.Errorf("All() = %+v", all)
	}
}

func TestNilLine(t *testing.T) {
	t.Parallel()
	var l *Line
	l.Run("x", 1, 2, 3)
	l.Idle(1, 2)
	l.WaitsFor("x", 1, time.Now())
	must(t, l.Close())
}

func TestStateNames(t *testing.T) {
	t.Parallel()
	if got := fmt.Sprint(Unused, Starting, Idle, Running, Stopping, Dead, State(9)); got != "unused starting idle running stopping dead state 9" {
		t.Errorf("got %q", got)
	}
}

func TestCreateRefuses(t *testing.T) {
	t.Parallel()
	_, path := newBoard(t, 1)
	if _, err := Create(path, 1, "again"); !errors.Is(err, fs.ErrExist) {
		t.Errorf("Create over a file: %v", err)
	}
	for _, n := range []int{-1, maxLines + 1} {
		if _, err := Create(filepath.Join(t.TempDir(), "b"), n, ""); err == nil {
			t.Errorf("Create with %d lines succeeded", n)
		}
	}
	if _, err := OpenLine(path, 1); err == nil {
		t.Error("OpenLine past the end succeeded")
	}
	long := strings.Repeat("ö", 40)
	b, err := Create(filepath.Join(t.TempDir(), "b"), 0, long)
	must(t, err)
	defer b.Close()
	if got := b.Header().Name; got != strings.Repeat("ö", 32) {
		t.Errorf("name %q", got)
	}
}

func TestOpenRefuses(t *testing.T) {
	t.Parallel()
	_, good := newBoard(t, 2)
	data, err := os.ReadFile(good)
	must(t, err)
	change := func(f func([]byte) []byte) func(string) error {
		return func(path string) error { return os.WriteFile(path, f(append([]byte(nil), data...)), 0o600) }
	}
	put := func(off int, v uint32) func(string) error {
		return change(func(d []byte) []byte { binary.NativeEndian.PutUint32(d[off:], v); return d })
	}
	for _, tt := range []struct {
		name string
		make func(path string) error
		want error
	}{
		{"missing", func(string) error { return nil }, fs.ErrNotExist},
		{"empty", change(func([]byte) []byte { return nil }), ErrNotBoard},
		{"short header", change(func(d []byte) []byte { return d[:headerSize-1] }), ErrNotBoard},
		{"short lines", change(func(d []byte) []byte { return d[:len(d)-1] }), ErrNotBoard},
		{"magic", put(0, 0), ErrNotBoard},
		{"version", put(8, 1), ErrNotBoard},
		{"byte order", put(12, 0x04030201), ErrNotBoard},
		{"line size", put(16, 64), ErrNotBoard},
		{"many lines", put(20, 1<<31), ErrNotBoard},
		{"more lines", put(20, 3), ErrNotBoard},
		{"directory", func(path string) error { return os.Mkdir(path, 0o700) }, ErrNotBoard},
		{"named pipe", func(path string) error { return syscall.Mkfifo(path, 0o600) }, ErrNotBoard},
		{"link", func(path string) error { return os.Symlink(good, path) }, syscall.ELOOP},
	} {
		path := filepath.Join(t.TempDir(), "board")
		must(t, tt.make(path))
		if _, err := Open(path); !errors.Is(err, tt.want) {
			t.Errorf("%s: Open error = %v, want %v", tt.name, err, tt.want)
		}
	}
}

// A reader of another goroutine or process never sees half of a change.
func TestReadersSeeWholeLines(t *testing.T) {
	t.Parallel()
	b, path := newBoard(t, 1)
	watch := func(t *testing.T, pid int) {
		t.Helper()
		must(t, b.Starting(0, pid, 0))
		must(t, b.Serving(0))
		var last uint64
		seen, torn := 0, 0
		for end := time.Now().Add(200 * time.Millisecond); time.Now().Before(end); {
			s := read(t, b, 0)
			if w := wrong(s); w != "" {
				t.Fatalf("does not belong together: %s", w)
			}
			switch {
			case s.Torn:
				torn++
			case s.Index < last:
				t.Fatalf("task %d after %d", s.Index, last)
			case s.Index > last:
				last = s.Index
				seen++
			}
		}
		t.Logf("%d different tasks seen of %d, %d reads of a writer that was not running", seen, last, torn)
		if seen == 0 {
			t.Error("nothing seen")
		}
	}
	t.Run("goroutine", func(t *testing.T) {
		l := newLine(t, path, 0)
		stop := make(chan struct{})
		var wg sync.WaitGroup
		wg.Go(func() {
			for n := uint64(1); ; n++ {
				select {
				case <-stop:
					return
				default:
					consistent(l, n)
				}
			}
		})
		watch(t, os.Getpid())
		close(stop)
		wg.Wait()
	})
	t.Run("process", func(t *testing.T) {
		watch(t, helper(t, path).Process.Pid)
	})
}

// Killed at any instant, a writer leaves a line that can be read and that the next writer repairs.
func TestWriterKilled(t *testing.T) {
	t.Parallel()
	b, path := newBoard(t, 1)
	torn := 0
	for range 20 {
		cmd := helper(t, path)
		must(t, b.Starting(0, cmd.Process.Pid, 0))
		must(t, b.Serving(0))
		time.Sleep(time.Duration(rand.IntN(2000)) * time.Microsecond)
		cmd.Process.Kill()
		cmd.Wait()
		start := time.Now()
		s := read(t, b, 0)
		if s.Torn {
			torn++
		}
		if w := wrong(s); w != "" {
			t.Fatalf("does not belong together: %s", w)
		}
		if d := time.Since(start); d > 5*time.Second {
			t.Errorf("the read took %v", d)
		}
	}
	t.Logf("%d of 20 were killed while they wrote", torn)

	// And for certain in the middle.
	must(t, b.Starting(0, os.Getpid(), 0))
	must(t, b.Serving(0))
	l := newLine(t, path, 0)
	l.Run("old", 1, 1, 1)
	openSection(&l.words[wordRunSeq], l.seq+1)
	store(&l.words[wordJob], 2)
	if s := read(t, b, 0); !s.Torn || s.Entry != "old" || s.Job != 2 || s.State != Running {
		t.Errorf("half-written line reads %+v", s)
	}
	openSection(&l.words[wordWaitSeq], l.waitSeq+1)
	next := newLine(t, path, 0)
	if s := read(t, b, 0); s.Torn || s.Entry != "" || s.State != Idle {
		t.Errorf("line after a new writer reads %+v", s)
	}
	next.Run("new", 3, 3, 3)
	next.WaitsFor("lock", 0, time.Time{})
	if s := read(t, b, 0); s.Torn || s.Entry != "new" || s.Job != 3 || s.WaitsFor != "lock" {
		t.Errorf("line after a new writer reads %+v", s)
	}
}

// Truncating the file crashes nobody.
func TestTruncated(t *testing.T) {
	t.Parallel()
	b, path := newBoard(t, 4*os.Getpagesize()/lineSize)
	last := b.Header().Lines - 1
	l := newLine(t, path, last)
	must(t, os.Truncate(path, headerSize))
	var fault *mapped.FaultError
	if _, err := b.Read(last); !errors.As(err, &fault) {
		t.Errorf("Read error = %v, want a fault", err)
	}
	if _, err := b.All(); !errors.As(err, &fault) {
		t.Errorf("All error = %v, want a fault", err)
	}
	if err := b.Dead(last); !errors.As(err, &fault) {
		t.Errorf("Dead error = %v, want a fault", err)
	}
	l.WaitsFor("x", 1, time.Now())
	for range 2 {
		l.Run("x", 1, 2, 3)
		l.Idle(1, 2)
	}
	if !l.gone.Load() {
		t.Error("the writer noticed nothing")
	}
}

func TestWriterAllocatesNothing(t *testing.T) {
	_, path := newBoard(t, 1)
	l := newLine(t, path, 0)
	n := uint64(0)
	if got := testing.AllocsPerRun(1000, func() {
		n++
		l.Run("entry", n, n, int64(n))
		l.WaitsFor("lock", 1, time.Unix(0, int64(n)))
		l.WaitsFor("", 0, time.Time{})
		l.Idle(n, n)
	}); got != 0 {
		t.Errorf("%v allocations, want none", got)
	}
}

func FuzzOpen(f *testing.F) {
	_, path := newBoard(f, 2)
	l := newLine(f, path, 1)
	l.Run("entry", 1, 2, 3)
	data, err := os.ReadFile(path)
	must(f, err)
	f.Add(data)
	f.Add(data[:headerSize])
	f.Add([]byte(magic))
	file := filepath.Join(f.TempDir(), "fuzzed")
	f.Fuzz(func(t *testing.T, data []byte) {
		path := fmt.Sprintf("%s-%d", file, os.Getpid())
		os.Remove(path) // ext4 writes a file that was cut to nothing to the disk at once: a hundred times slower
		must(t, os.WriteFile(path, data, 0o600))
		b, err := Open(path)
		if err != nil {
			if !errors.Is(err, ErrNotBoard) {
				t.Errorf("Open error = %v, want ErrNotBoard", err)
			}
			return
		}
		defer b.Close()
		all, err := b.All()
		must(t, err)
		for _, s := range all {
			if strings.ContainsFunc(s.Entry+s.WaitsFor+b.Header().Name, func(r rune) bool { return r < ' ' || r == 0x7f }) {
				t.Errorf("control characters in %+v", s)
			}
		}
		if l, err := OpenLine(path, 0); err == nil {
			l.Run("x", 1, 2, 3)
			must(t, l.Close())
		}
	})
}

func BenchmarkLine(b *testing.B) {
	_, path := newBoard(b, 1)
	l := newLine(b, path, 0)
	n := uint64(0)
	b.Run("Run", func(b *testing.B) {
		b.ReportAllocs()
		for b.Loop() {
			n++
			l.Run("entry", 1, n, int64(n))
		}
	})
	b.Run("RunIdle", func(b *testing.B) {
		b.ReportAllocs()
		for b.Loop() {
			n++
			l.Run("entry", 1, n, int64(n))
			l.Idle(n, 0)
		}
	})
	b.Run("unguarded", func(b *testing.B) {
		for b.Loop() {
			n++
			l.run("entry", 1, n, int64(n))
		}
	})
}

func BenchmarkRead(b *testing.B) {
	board, path := newBoard(b, 1)
	must(b, board.Starting(0, os.Getpid(), 0))
	must(b, board.Serving(0))
	newLine(b, path, 0).Run("entry", 1, 2, 3)
	b.ReportAllocs()
	for b.Loop() {
		read(b, board, 0)
	}
}

func Example() {
	dir, err := os.MkdirTemp("", "board")
	if err != nil {
		panic(err)
	}
	defer os.RemoveAll(dir)
	path := filepath.Join(dir, "board")
	b, err := Create(path, 1, "example") // the supervisor
	if err != nil {
		panic(err)
	}
	defer b.Close()
	b.Starting(0, os.Getpid(), 0)

	l, err := OpenLine(path, 0) // its worker
	if err != nil {
		panic(err)
	}
	defer l.Close()
	b.Serving(0)
	l.Run("square", 1, 42, time.Now().UnixNano())

	s, err := b.Read(0) // an onlooker
	fmt.Println(s.State, s.Entry, s.Index, err)
	// Output: running square 42 <nil>
}
