// Small is the least program that has a pool: what its idle worker takes is
// what any worker takes. It says on standard output what the benchmark "Peers"
// wants to know of it.
package main

import (
	"context"
	"fmt"
	"os"
	"runtime"
	"strings"
	"time"

	"yunta/child"
	"yunta/supervisor"
)

var square = child.Register("square", func(_ context.Context, n int) (int, error) { return n * n, nil })

func main() {
	child.Main()
	if len(os.Args) > 1 && os.Args[1] == "idle" { // what any Go process takes that does nothing
		fmt.Println(os.Getpid())
		fmt.Scanln()
		return
	}
	ctx := context.Background()
	p, err := supervisor.NewPool(ctx, supervisor.PoolOptions{Processes: 2})
	if err == nil {
		_, err = supervisor.Map(ctx, p, square, make([]int, 1000))
	}
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
	runtime.GC()
	time.Sleep(100 * time.Millisecond) // until the workers sleep
	var pids []string
	for _, w := range p.Workers() {
		pids = append(pids, fmt.Sprint(w.PID))
	}
	fmt.Println(strings.Join(pids, " "))
	fmt.Scanln()
	p.Terminate()
	p.Wait(ctx)
}
