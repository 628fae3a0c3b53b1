package supervisor_test

import (
	"encoding/binary"
	"os"
	"os/exec"
	"runtime"
	"sync"
	"testing"
	"time"

	"yunta/child/affinity"
	"yunta/ipc"
)

// The limits are what the machine gives without a pool: bare system calls on
// blocking pipes to another process of this binary, started and pinned as the
// pool starts and pins its workers, and bare instructions.

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
	out := make([]uint64, n)
	t := pipeItems(b, "square", n, some, 8,
		func(buf []byte, i int) { binary.LittleEndian.PutUint64(buf, uint64(i)) },
		func(buf []byte, i int) { out[i] = binary.LittleEndian.Uint64(buf) })
	for v := range out {
		if out[v] != uint64(v*v) {
			b.Fatalf("square of %d is %d", v, out[v])
		}
	}
	return t
}

// pipeItems is the time an item of size bytes takes when n are written to two
// processes, some of them a write, and what comes back is read.
func pipeItems(b *testing.B, part string, n, some, size int, put, get func(buf []byte, i int)) time.Duration {
	cpus, err := affinity.Usable()
	if err != nil || len(cpus) == 0 {
		cpus = []int{0}
	}
	var ls [2]*limit
	for i := range ls {
		ls[i] = startLimit(b, part, 256<<10, cpus[i%len(cpus)])
		defer ls[i].stop()
		out := make([]byte, size) // so that both are up
		if !writeAll(ls[i].w.FD(), out) || !readFull(ls[i].r.FD(), out) {
			b.Fatal("the other process is gone")
		}
	}
	var wg sync.WaitGroup
	start := time.Now()
	for i, l := range ls {
		from, to := i*n/len(ls), (i+1)*n/len(ls)
		wg.Go(func() {
			buf := make([]byte, 0, size*some)
			for v := from; v < to; v++ {
				buf = buf[:len(buf)+size]
				put(buf[len(buf)-size:], v)
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
				whole := have / size * size
				for i := 0; i < whole; i, v = i+size, v+1 {
					get(buf[i:i+size], v)
				}
				have = copy(buf, buf[whole:have])
			}
		})
	}
	wg.Wait()
	return time.Since(start) / time.Duration(n)
}

// copies is the time of copying size bytes in warm memory.
func copies(n, size int) time.Duration {
	from, to := make([]byte, size), make([]byte, size)
	copy(to, from)
	return medianOf(n, func() { copy(to, from) })
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
