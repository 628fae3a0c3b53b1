package supervisor_test

import (
	"context"
	"encoding/binary"
	"fmt"
	"os"
	"os/exec"
	"slices"
	"strings"
	"time"

	"yunta/child"
	"yunta/supervisor"
)

// envLimit names the part that this binary plays in another process of a
// benchmark, with its arguments.
const envLimit = "YUNTA_BENCH_LIMIT"

// playLimit plays it, if there is one, and does not return then. TestMain calls it.
func playLimit() {
	args := strings.Fields(os.Getenv(envLimit))
	os.Unsetenv(envLimit) // what it starts plays none
	if len(args) == 0 {
		return
	}
	parts := map[string]func(args []string) (float64, error){
		"exit":    func([]string) (float64, error) { os.Exit(0); return 0, nil },
		"echo":    func([]string) (float64, error) { playEcho(); os.Exit(0); return 0, nil },
		"square":  func([]string) (float64, error) { playSquare(); os.Exit(0); return 0, nil },
		"compete": playCompete,
		// These have pools of their own.
		"first": func([]string) (float64, error) {
			t, err := poolAndResult(context.Background())
			return t.Seconds(), err
		},
		"apply": func([]string) (float64, error) { return applyAlone() },
		"imap":  playIMap,
	}
	switch args[0] {
	case "first", "apply", "imap":
		child.Main()
	}
	figure, err := parts[args[0]](args[1:])
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
	fmt.Println(figure)
	os.Exit(0)
}

// limitCmd is the command that plays a part.
func limitCmd(part ...string) *exec.Cmd {
	cmd := exec.Command(os.Args[0])
	cmd.Env = append(slices.DeleteFunc(os.Environ(), func(kv string) bool {
		return strings.HasPrefix(kv, "GOMAXPROCS=")
	}), envLimit+"="+strings.Join(part, " "))
	cmd.Stderr = os.Stderr
	return cmd
}

const partIn, partOut = 3, 4

// playEcho sends back what it gets.
func playEcho() {
	buf := make([]byte, 1<<20)
	for n := read(partIn, buf); n > 0 && writeAll(partOut, buf[:n]); n = read(partIn, buf) {
	}
}

// playSquare sends back the squares of the numbers it gets.
func playSquare() {
	buf := make([]byte, 64<<10)
	for have := 0; ; {
		n := read(partIn, buf[have:])
		if n == 0 {
			return
		}
		have += n
		whole := have &^ 7
		for i := 0; i < whole; i += 8 {
			v := binary.LittleEndian.Uint64(buf[i:])
			binary.LittleEndian.PutUint64(buf[i:], v*v)
		}
		if !writeAll(partOut, buf[:whole]) {
			return
		}
		have = copy(buf, buf[whole:have])
	}
}

// applyAlone is the time of an Apply in a process that has one core in all,
// for itself and its worker.
func applyAlone() (float64, error) {
	ctx := context.Background()
	p, err := supervisor.NewPool(ctx, supervisor.PoolOptions{Processes: 1})
	if err != nil {
		return 0, err
	}
	once := func() {
		if _, e := supervisor.Apply(ctx, p, square, 7); e != nil {
			err = e
		}
	}
	medianOf(200, once)
	t := medianOf(3000, once)
	p.Close()
	p.Wait(ctx)
	return t.Seconds(), err
}

// playIMap is the peak of this process's memory after a stream of args[0] tasks.
func playIMap(args []string) (float64, error) {
	var n int
	if _, err := fmt.Sscan(args[0], &n); err != nil {
		return 0, err
	}
	ctx := context.Background()
	p, err := supervisor.NewPool(ctx, supervisor.PoolOptions{Processes: 2})
	if err != nil {
		return 0, err
	}
	endless := func(yield func(int) bool) {
		for i := 0; yield(i); i++ {
		}
	}
	for r, err := range supervisor.IMap(ctx, p, square, endless) {
		if err != nil {
			return 0, err
		}
		if r >= n*n {
			break
		}
	}
	peak := peakMemory()
	p.Terminate()
	return peak, p.Wait(ctx)
}

// median sorts what it is given; 0 if that is nothing.
func median[T time.Duration | float64](xs []T) T {
	if len(xs) == 0 {
		return 0
	}
	slices.Sort(xs)
	return xs[len(xs)/2]
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
