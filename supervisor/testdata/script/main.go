// Script is a program of somebody else's: its entries stand in package main and
// in a package below. An argument is a directory to change to before it starts
// anything.
package main

import (
	"context"
	"fmt"
	"log"
	"os"

	"example/script/tasks"
	"yunta/child"
	"yunta/supervisor"
)

var double = child.Register("double", func(_ context.Context, n int) (int, error) { return 2 * n, nil })

var report = child.Register("report", func(_ context.Context, name string) (int, error) {
	_, err := fmt.Println("process", name)
	return 0, err
})

func main() {
	log.SetFlags(0)
	child.Main()
	if len(os.Args) > 1 {
		if err := os.Chdir(os.Args[1]); err != nil {
			log.Fatal(err)
		}
	}
	ctx := context.Background()
	pool, err := supervisor.NewPool(ctx, supervisor.PoolOptions{Processes: 2})
	if err != nil {
		log.Fatal(err)
	}
	doubles, err := supervisor.Map(ctx, pool, double, []int{1, 2, 3})
	if err != nil {
		log.Fatal(err)
	}
	squares, err := supervisor.Map(ctx, pool, tasks.Square, []int{1, 2, 3})
	if err != nil {
		log.Fatal(err)
	}
	fmt.Println("pool", doubles, squares)
	pool.Close()
	if err := pool.Wait(ctx); err != nil {
		log.Fatal(err)
	}
	p := supervisor.NewProcess(report, "done", supervisor.ProcessOptions{})
	if err := p.Start(ctx); err != nil {
		log.Fatal(err)
	}
	if err := p.Wait(ctx); err != nil {
		log.Fatal(err)
	}
}
