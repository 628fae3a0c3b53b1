package main

import (
	"os"
	"os/signal"
	"syscall"
)

// suspendable makes Ctrl-Z stop what the workers run, too: they have process groups of their own, which the terminal does not know. send
// passes a signal on to them. The function it returns ends that.
func suspendable(send func(syscall.Signal) error) func() {
	if signal.Ignored(syscall.SIGTSTP) { // a shell without job control
		return func() {}
	}
	signals := make(chan os.Signal, 4)
	signal.Notify(signals, syscall.SIGTSTP, syscall.SIGCONT)
	ended := make(chan struct{})
	go func() {
		for {
			select {
			case s := <-signals:
				_ = send(s.(syscall.Signal)) // a pool of goroutines stops with this process
				if s == syscall.SIGTSTP {
					_ = syscall.Kill(os.Getpid(), syscall.SIGSTOP)
				}
			case <-ended:
				return
			}
		}
	}()
	return func() {
		signal.Stop(signals)
		close(ended)
	}
}
