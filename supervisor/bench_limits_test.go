package supervisor_test

import (
	"context"
	"encoding/binary"
	"fmt"
	"os"
	"os/exec"
	"runtime"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"yunta/child"
	"yunta/child/affinity"
	"yunta/ipc"
)

// The limits are what the machine gives without a pool: bare system calls on
// blocking pipes to another process of this binary, started and pinned as the
// pool starts and pins its workers, and bare instructions.

// envLimit names the part that this binary plays at the other end of a limit.
const envLimit = "YUNTA_BENCH_LIMIT"

// playLimit plays it, if there is one, and does not return then. TestMain calls it.
func playLimit() {
	const in, out = 3, 4
	part := os.Getenv(envLimit)
	os.Unsetenv(envLimit) // what it starts plays none
	switch part {
	case "":
		return
	case "exit":
	case "first": // a program that makes a pool, and says how long its first result took
		child.Main()
		t, err := poolAndResult(context.Background())
		if err != nil {
			fmt.Fprintln(os.Stderr, err)
			os.Exit(1)
		}
		fmt.Println(t.Seconds())
	case "echo": // sends back what it gets
		buf := make([]byte, 1<<20)
		for n := read(in, buf); n > 0 && writeAll(out, buf[:n]); n = read(in, buf) {
		}
	case "square": // sends back the squares of the numbers it gets
		buf := make([]byte, 64<<10)
		for have := 0; ; {
			n := read(in, buf[have:])
			if n == 0 {
				break
			}
			have += n
			whole := have &^ 7
			for i := 0; i < whole; i += 8 {
				v := binary.LittleEndian.Uint64(buf[i:])
				binary.LittleEndian.PutUint64(buf[i:], v*v)
			}
			if !writeAll(out, buf[:whole]) {
				break
			}
			have = copy(buf, buf[whole:have])
		}
	}
	os.Exit(0)
}

// limit is the other process of a limit.
type limit struct {
	cmd  *exec.Cmd
	r, w *ipc.PipeFile // nil when it takes no pipes
}

// startLimit starts it on one core, where cores can be chosen.
func startLimit(b *testing.B, part string, pipe, cpu int) *limit {
	b.Helper()
	down, w, err1 := ipc.NewPipe(pipe)
	r, up, err2 := ipc.NewPipe(pipe)
	if err1 != nil || err2 != nil {
		b.Fatal(err1, err2)
	}
	defer down.Close()
	defer up.Close()
	l := &limit{cmd: limitCmd(part), r: r, w: w}
	l.cmd.ExtraFiles = []*os.File{down.File(), up.File()}
	runtime.LockOSThread()
	defer runtime.UnlockOSThread()
	defer tie(cpu)()
	if err := l.cmd.Start(); err != nil {
		b.Fatal(err)
	}
	return l
}

func limitCmd(part string) *exec.Cmd {
	cmd := exec.Command(os.Args[0])
	cmd.Env = append(slices.DeleteFunc(os.Environ(), func(kv string) bool {
		return strings.HasPrefix(kv, "GOMAXPROCS=")
	}), envLimit+"="+part)
	return cmd
}

func (l *limit) stop() {
	l.w.Close()
	l.cmd.Wait()
	l.r.Close()
}

// tie ties the calling thread to a core until the function it returns is called.
func tie(cpu int) func() {
	own, err := affinity.Thread()
	if err != nil || affinity.SetThread([]int{cpu}) != nil {
		return func() {} // not to be had on this system, for the pool neither
	}
	return func() { _ = affinity.SetThread(own) }
}

// pingPong is the median time of one byte there and back. With at >= 0 this
// side is tied to that core, else it runs wherever it runs, as a caller does.
func pingPong(b *testing.B, n, cpu, at int) time.Duration {
	l := startLimit(b, "echo", 0, cpu)
	defer l.stop()
	runtime.LockOSThread()
	defer runtime.UnlockOSThread()
	if at >= 0 {
		defer tie(at)()
	}
	in, out := l.r.FD(), l.w.FD()
	one := make([]byte, 1)
	return medianOf(n, func() {
		if !writeAll(out, one) || !readFull(in, one) {
			b.Fatal("the other process is gone")
		}
	})
}

// pipeSquares is the time a number takes when n are written to two processes,
// some of them a write, as 8 bytes each, and their squares read.
func pipeSquares(b *testing.B, n, some int) time.Duration {
	cpus, err := affinity.Usable()
	if err != nil || len(cpus) == 0 {
		cpus = []int{0}
	}
	var ls [2]*limit
	for i := range ls {
		ls[i] = startLimit(b, "square", 256<<10, cpus[i%len(cpus)])
		defer ls[i].stop()
		out := make([]byte, 8) // so that both are up
		if !writeAll(ls[i].w.FD(), out) || !readFull(ls[i].r.FD(), out) {
			b.Fatal("the other process is gone")
		}
	}
	out := make([]uint64, n)
	var wg sync.WaitGroup
	start := time.Now()
	for i, l := range ls {
		from, to := i*n/len(ls), (i+1)*n/len(ls)
		wg.Go(func() {
			buf := make([]byte, 0, 8*some)
			for v := from; v < to; v++ {
				buf = binary.LittleEndian.AppendUint64(buf, uint64(v))
				if len(buf) == cap(buf) || v == to-1 {
					writeAll(l.w.FD(), buf)
					buf = buf[:0]
				}
			}
		})
		wg.Go(func() {
			buf := make([]byte, 64<<10)
			for have, v := 0, from; v < to; {
				n := read(l.r.FD(), buf[have:])
				if n == 0 {
					return
				}
				have += n
				whole := have &^ 7
				for i := 0; i < whole; i, v = i+8, v+1 {
					out[v] = binary.LittleEndian.Uint64(buf[i:])
				}
				have = copy(buf, buf[whole:have])
			}
		})
	}
	wg.Wait()
	took := time.Since(start)
	for v := range out {
		if out[v] != uint64(v*v) {
			b.Fatalf("square of %d is %d", v, out[v])
		}
	}
	return took / time.Duration(n)
}

// reexec is the median time from starting this binary to its end when all it
// does is exit.
func reexec(b *testing.B) time.Duration {
	return medianOf(5, func() {
		if err := limitCmd("exit").Run(); err != nil {
			b.Fatal(err)
		}
	})
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

// copies is the time of copying size bytes there and back in warm memory.
func copies(n, size int) time.Duration {
	from, to := make([]byte, size), make([]byte, size)
	copy(to, from)
	return medianOf(n, func() {
		copy(to, from)
		copy(from, to)
	})
}

// pipeEcho is the time of size bytes through pipes of 1 MiB to a process that
// sends them back.
func pipeEcho(b *testing.B, n, size, cpu int) time.Duration {
	l := startLimit(b, "echo", 1<<20, cpu)
	defer l.stop()
	data, got := make([]byte, size), make([]byte, size)
	return medianOf(n, func() {
		done := make(chan struct{})
		go func() {
			defer close(done)
			writeAll(l.w.FD(), data)
		}()
		readFull(l.r.FD(), got)
		<-done
	})
}

func medianOf(n int, f func()) time.Duration {
	times := make([]time.Duration, n)
	for i := range times {
		start := time.Now()
		f()
		times[i] = time.Since(start)
	}
	return median(times)
}

// median sorts what it is given.
func median[T time.Duration | float64](xs []T) T {
	slices.Sort(xs)
	return xs[len(xs)/2]
}
