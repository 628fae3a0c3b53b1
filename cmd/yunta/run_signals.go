package main

import (
	"os"
	"os/signal"
	"sync"
	"syscall"

	"yunta/cmd/yunta/internal/jobs"
)

// stepByStep is what signals ask of yunta map: a first Ctrl-C lets running jobs finish, a second one stops them, a third one kills them.
// SIGTERM and SIGHUP begin with the second step.
func stepByStep(s os.Signal, now jobs.Level) jobs.Level {
	if s != syscall.SIGINT {
		return max(now+1, jobs.Stop)
	}
	return now + 1
}

// A brake ends a run early, by steps.
type brake struct {
	control *jobs.Control
	say     func(format string, args ...any)
	running func() int // how many jobs run
	abandon func()     // before this process ends at once
	step    func(s os.Signal, now jobs.Level) jobs.Level
	stop    chan struct{} // closed at the first step
	once    sync.Once

	mu     sync.Mutex
	level  jobs.Level     // of the signals
	signal syscall.Signal // the first one
	quit   func()
}

// listen begins to act on signals. A signal that this process was started to ignore stays ignored.
func (b *brake) listen() {
	signals := make(chan os.Signal, 4)
	for _, s := range []os.Signal{syscall.SIGINT, syscall.SIGTERM, syscall.SIGHUP} {
		if !signal.Ignored(s) {
			signal.Notify(signals, s)
		}
	}
	// A reader that goes away is an error of the write then, and not the end of this process without its cleaning up.
	signal.Notify(make(chan os.Signal, 1), syscall.SIGPIPE)
	ended := make(chan struct{})
	b.quit = func() {
		signal.Stop(signals)
		close(ended)
	}
	go func() {
		for {
			select {
			case s := <-signals:
				b.press(s.(syscall.Signal))
			case <-ended:
				return
			}
		}
	}()
}

// press takes the next step.
func (b *brake) press(s syscall.Signal) {
	b.mu.Lock()
	defer b.mu.Unlock()
	if b.signal == 0 {
		b.signal = s
	}
	if b.level == jobs.Kill {
		b.abandon()
		os.Exit(interruptError{b.signal}.status())
	}
	b.level = b.step(s, b.level)
	n := b.running()
	switch {
	case n == 0:
		b.say("%v; no jobs run, and none is begun", interruptError{s})
	case b.level == jobs.Drain:
		b.say("%v; finishing %s, once more to stop %s", interruptError{s}, plural(n, "running job"), them(n))
	case b.level == jobs.Stop:
		b.say("%v; stopping %s, once more to kill %s", interruptError{s}, plural(n, "running job"), them(n))
	case b.level == jobs.Kill:
		b.say("%v; killing %s", interruptError{s}, plural(n, "running job"))
	}
	b.raise(b.level)
}

// raise takes a step that no signal asked for.
func (b *brake) raise(l jobs.Level) {
	b.once.Do(func() { close(b.stop) })
	b.control.Raise(l)
}

// err is the error of an interrupted run.
func (b *brake) err() error {
	b.mu.Lock()
	defer b.mu.Unlock()
	if b.signal != 0 {
		return interruptError{b.signal}
	}
	return nil
}

func them(n int) string {
	if n == 1 {
		return "it"
	}
	return "them"
}
