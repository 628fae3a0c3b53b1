package main

import (
	"context"
	"os"
	"os/signal"
	"sync"
	"syscall"

	"yunta/supervisor"
)

// keepBrakes act on the signals of a run of yunta keep.
type keepBrakes struct {
	mu      sync.Mutex
	first   syscall.Signal
	release func()
	stop    context.CancelFunc
}

// obey returns a context that ends with the first signal that asks to end, and with it the group; other signals go
// to all commands.
func (k *keeping) obey(ctx context.Context) (context.Context, *keepBrakes) {
	b := &keepBrakes{}
	ctx, b.stop = context.WithCancel(ctx)
	signals := make(chan os.Signal, 16)
	for _, s := range []os.Signal{syscall.SIGINT, syscall.SIGTERM, syscall.SIGHUP, syscall.SIGUSR1, syscall.SIGUSR2} {
		if !signal.Ignored(s) {
			signal.Notify(signals, s)
		}
	}
	ended := make(chan struct{})
	resume := suspendable(func(s syscall.Signal) error { k.signalAll(s, true); return nil })
	b.release = func() {
		resume()
		b.stop()
		signal.Stop(signals)
		close(ended)
	}
	go func() {
		for {
			select {
			case s := <-signals:
				if s == syscall.SIGINT || s == syscall.SIGTERM {
					b.press(k.group, s.(syscall.Signal))
				} else {
					k.signalAll(s.(syscall.Signal), false) // as a file to be read again: what the command has started does not expect it
				}
			case <-ended:
				return
			}
		}
	}()
	return ctx, b
}

// press stops the group, the second time at once.
func (b *keepBrakes) press(g *supervisor.Group, s syscall.Signal) {
	b.mu.Lock()
	defer b.mu.Unlock()
	if b.first != 0 {
		_ = g.Kill() // it was started, or is about to be stopped
		return
	}
	b.first = s
	b.stop() // what the group says of that, its Wait says
}

// signalAll sends a signal to all commands, with their groups or themselves alone.
func (k *keeping) signalAll(s syscall.Signal, groups bool) {
	for _, c := range k.group.Children() {
		if p, ok := c.Child.(*keptProcess); ok {
			p.signal(s, groups)
		}
	}
}

// err is the interruption that ended the run, nil if there was none.
func (b *keepBrakes) err() error {
	b.mu.Lock()
	defer b.mu.Unlock()
	if b.first == 0 {
		return nil
	}
	return interruptError{b.first}
}

func (b *keepBrakes) end() { b.release() }
