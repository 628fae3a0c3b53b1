package main

import (
	"context"
	"fmt"
	"io"
	"os"
	"os/signal"
	"syscall"
	"time"

	"yunta/supervisor"
)

// An interruptError is why the work ended early: a signal that asked for it.
type interruptError struct{ signal syscall.Signal }

func (e interruptError) Error() string { return "signal: " + e.signal.String() }

func (e interruptError) status() int { return 128 + int(e.signal) }

// interruptible returns a context that ends at the first SIGINT, SIGTERM or SIGHUP, with an interruptError as its cause; one line to
// stderr says so. A second signal ends this process at once, and with it every child: the library sees to that. The function it
// returns gives the signals their usual meaning back.
func interruptible(ctx context.Context, stderr io.Writer, name string) (context.Context, func()) {
	ctx, cancel := context.WithCancelCause(ctx)
	signals := make(chan os.Signal, 2)
	wanted := []os.Signal{syscall.SIGINT, syscall.SIGTERM}
	if !signal.Ignored(syscall.SIGHUP) { // nohup(1)
		wanted = append(wanted, syscall.SIGHUP)
	}
	signal.Notify(signals, wanted...)
	ended := make(chan struct{})
	go func() {
		for first := true; ; first = false {
			select {
			case s := <-signals:
				e := interruptError{s.(syscall.Signal)}
				if !first {
					os.Exit(e.status())
				}
				fmt.Fprintf(stderr, "%s: %v; stopping (once more to kill)\n", name, e)
				cancel(e)
			case <-ended:
				return
			}
		}
	}()
	return ctx, func() {
		signal.Stop(signals)
		close(ended)
		cancel(nil)
	}
}

// endTime is how long an interrupted command waits for its workers: longer than the pool takes from asking to killing.
const endTime = 5 * time.Second

// endPool ends a pool and waits until its workers, and what it kept in the run directory, are gone. A second signal does not wait.
func endPool(pool *supervisor.Pool) {
	_ = pool.Terminate() // it has no error
	ctx, cancel := context.WithTimeout(context.Background(), endTime)
	defer cancel()
	_ = pool.Wait(ctx) // what is left then, the end of this process ends
}
