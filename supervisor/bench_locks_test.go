package supervisor_test

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"sync/atomic"
	"testing"
	"time"

	"yunta/oslock"
	"yunta/oslock/mapped"
)

// competeFor is how long processes compete for one lock, in milliseconds.
const competeFor = 300

// lockRows are the rows of locks and semaphores.
func lockRows(py *python) []*peerRow {
	contended := func(n int) *peerRow {
		return &peerRow{
			name: fmt.Sprintf("Contended%d", n), title: fmt.Sprintf("lock + unlock, %d processes", n), show: rate,
			goals:  []goal{{overPython, 5}},
			ours:   func(b *testing.B) float64 { return compete(b, n, "lock", false) },
			python: py.asked("contended", args{"n": n, "ms": competeFor}),
			limit:  func(b *testing.B) float64 { return compete(b, n, "cas", false) }, limitIs: "spinning on a bare compare-and-swap",
			note: "of all processes together",
		}
	}
	longest := func(n int) *peerRow {
		return &peerRow{
			name: fmt.Sprintf("Longest%d", n), title: fmt.Sprintf("the longest wait for a lock, %d processes", n),
			goals:  []goal{{overPython, 1}},
			ours:   func(b *testing.B) float64 { return compete(b, n, "lock", true) },
			python: py.asked("contended", args{"n": n, "ms": competeFor, "waits": 1}),
			limit:  func(b *testing.B) float64 { return compete(b, n, "cas", true) }, limitIs: "spinning on a bare compare-and-swap",
		}
	}
	cas := func(*testing.B) float64 { return casPair(5_000_000) }
	return []*peerRow{
		{
			name: "Lock", title: "lock + unlock, free", goals: []goal{{overLimit, 1.5}},
			ours: oursLock, python: py.asked("lock", args{"n": 1_000_000}),
			limit: cas, limitIs: "two bare compare-and-swaps",
		},
		contended(2), longest(2), contended(8), longest(8),
		{
			name: "Undo", title: "semaphore with Undo, acquire + release, free", goals: []goal{{overPython, 1}},
			ours: oursUndo, python: py.asked("lock", args{"n": 1_000_000, "of": "Semaphore"}),
			limit: cas, limitIs: "two bare compare-and-swaps",
			note: "Python's semaphore gives nothing back when a process dies",
		},
	}
}

// casPair is the time of taking a word and giving it back.
func casPair(n int) float64 {
	word := new(atomic.Uint32)
	start := time.Now()
	for range n {
		word.CompareAndSwap(0, 1)
		word.CompareAndSwap(1, 0)
	}
	return time.Since(start).Seconds() / float64(n)
}

func oursLock(b *testing.B) float64 {
	l, err := oslock.OpenLock(filepath.Join(b.TempDir(), "lock"), oslock.LockOptions{})
	if err != nil {
		b.Fatal(err)
	}
	defer l.Close()
	return lockPairs(b, 5_000_000, l.Lock, l.Unlock)
}

func oursUndo(b *testing.B) float64 {
	s, err := oslock.OpenSemaphore(filepath.Join(b.TempDir(), "semaphore"), 1, oslock.SemaphoreOptions{Undo: true})
	if err != nil {
		b.Fatal(err)
	}
	defer s.Close()
	return lockPairs(b, 1_000_000, s.Acquire, func() error { return s.Release(1) })
}

func lockPairs(b *testing.B, n int, enter func(context.Context) error, leave func() error) float64 {
	ctx := context.Background()
	start := time.Now()
	for range n {
		if err := enter(ctx); err != nil {
			b.Fatal(err)
		}
		if err := leave(); err != nil {
			b.Fatal(err)
		}
	}
	return time.Since(start).Seconds() / float64(n)
}

// compete has n processes compete for a lock and returns the seconds a
// section of all together, or the longest wait of any.
func compete(b *testing.B, n int, how string, waits bool) float64 {
	b.Helper()
	file := filepath.Join(b.TempDir(), "file")
	if how == "cas" {
		if err := os.WriteFile(file, make([]byte, mapped.PageSize()), 0o600); err != nil {
			b.Fatal(err)
		}
	}
	cmds, ins, outs := make([]*exec.Cmd, n), make([]io.Closer, n), make([]*bufio.Reader, n)
	line := func(i int) string {
		s, err := outs[i].ReadString('\n')
		if err != nil {
			b.Fatal(err)
		}
		return s[:len(s)-1]
	}
	for i := range n {
		cmds[i] = limitCmd("compete", how, file, strconv.FormatBool(waits))
		in, err1 := cmds[i].StdinPipe()
		out, err2 := cmds[i].StdoutPipe()
		if err := errors.Join(err1, err2, cmds[i].Start()); err != nil {
			b.Fatal(err)
		}
		ins[i], outs[i] = in, bufio.NewReader(out)
		line(i) // it is ready
	}
	for _, in := range ins {
		in.Close()
	}
	sum, longest := 0.0, 0.0
	for i, cmd := range cmds {
		v, err := strconv.ParseFloat(line(i), 64)
		if err != nil {
			b.Fatal(err)
		}
		if err := cmd.Wait(); err != nil {
			b.Fatal(err)
		}
		sum, longest = sum+v, max(longest, v)
	}
	if waits {
		return longest
	}
	return competeFor / 1e3 / sum
}

// playCompete is one of them: [how, file, whether to take the waits].
func playCompete(args []string) (float64, error) {
	enter, leave, err := competitor(args[0], args[1])
	if err != nil {
		return 0, err
	}
	fmt.Println("ready")
	fmt.Scanln() // until its input is closed
	ctx := context.Background()
	count, longest := 0, time.Duration(0)
	for end := time.Now().Add(competeFor * time.Millisecond); time.Now().Before(end); {
		if args[2] == "true" {
			before := time.Now()
			if err := enter(ctx); err != nil {
				return 0, err
			}
			longest = max(longest, time.Since(before))
			if err := leave(); err != nil {
				return 0, err
			}
			continue
		}
		for range 64 {
			if err := enter(ctx); err != nil {
				return 0, err
			}
			if err := leave(); err != nil {
				return 0, err
			}
		}
		count += 64
	}
	if args[2] == "true" {
		return longest.Seconds(), nil
	}
	return float64(count), nil
}

// competitor returns the two halves of a way to keep others out.
func competitor(how, file string) (enter func(context.Context) error, leave func() error, err error) {
	if how == "lock" {
		l, err := oslock.OpenLock(file, oslock.LockOptions{})
		if err != nil {
			return nil, nil, err
		}
		return l.Lock, l.Unlock, nil
	}
	f, err := os.OpenFile(file, os.O_RDWR, 0)
	if err != nil {
		return nil, nil, err
	}
	defer f.Close()
	r, err := mapped.Map(f, 0, mapped.PageSize())
	if err != nil {
		return nil, nil, err
	}
	word := r.Uint32(0)
	enter = func(context.Context) error {
		for !word.CompareAndSwap(0, 1) {
		}
		return nil
	}
	return enter, func() error { word.Store(0); return nil }, nil
}
