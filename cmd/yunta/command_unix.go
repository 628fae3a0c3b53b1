//go:build unix

package main

import (
	"errors"
	"os"
	"os/signal"
	"slices"
	"sync"
	"syscall"

	"golang.org/x/sys/unix"

	"yunta/cmd/yunta/internal/jobs"
)

// A startedCommand is one that this process has started for somebody who waits for it, and stands in for: it hears the signals that come.
type startedCommand struct {
	mu  sync.Mutex
	pid int // 0 once it is reaped: the number may be another's
}

// startCommand starts a command as execvp(3) finds it, with these descriptors from 0 on. bound makes it die with this process, where the
// system can; the calling thread must not end before the process then. Ignored signals stay ignored, as far as the Go runtime tells.
func startCommand(argv, env []string, files []uintptr, bound bool) (*startedCommand, error) {
	var c *startedCommand
	err := execvp(argv, func(path string, argv []string) (err error) {
		c, err = startProgram(path, argv, env, files, bound)
		return err
	})
	return c, err
}

// startProgram is startCommand for a program at a path.
func startProgram(path string, argv, env []string, files []uintptr, bound bool) (*startedCommand, error) {
	if signal.Ignored(syscall.SIGINT) {
		signal.Ignore(syscall.SIGQUIT) // a shell without job control ignores both for what it starts in the background
	}
	pid, err := syscall.ForkExec(path, argv, &syscall.ProcAttr{Env: env, Files: files, Sys: boundAttr(bound)})
	if err != nil {
		return nil, err
	}
	return &startedCommand{pid: pid}, nil
}

// become replaces this process by the command. It returns only if that fails.
func become(argv []string) error {
	return execvp(argv, func(path string, argv []string) error { return syscall.Exec(path, argv, os.Environ()) })
}

// execvp finds a command and runs it by f, by the shell if it is a script without #!.
func execvp(argv []string, f func(path string, argv []string) error) error {
	path, err := jobs.Find(argv[0])
	if err != nil {
		return err
	}
	err = f(path, argv)
	if errors.Is(err, syscall.ENOEXEC) {
		err = f("/bin/sh", slices.Concat([]string{"sh", path}, argv[1:]))
	}
	return err
}

// wait returns the exit status of the command as a shell has it.
func (c *startedCommand) wait() int {
	info := c.reap()
	if info.Signaled() {
		return 128 + int(info.Signal())
	}
	return info.ExitStatus()
}

func wait4(pid int) (info unix.WaitStatus) {
	for {
		if _, err := unix.Wait4(pid, &info, 0, nil); err != unix.EINTR {
			return info
		}
	}
}

func (c *startedCommand) signal(s syscall.Signal) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.pid != 0 {
		_ = syscall.Kill(c.pid, s) // it has ended, at worst
	}
}

// caughtSignals come to this process while it stands in for a command.
type caughtSignals chan os.Signal

// catchSignals begins to catch what asks this process to end, and what programs make of their own. It is called before the thread is locked, if
// it is to be: the runtime hands every one of these signals from thread to thread, which costs a locked one a millisecond.
func catchSignals() caughtSignals {
	caught := make(caughtSignals, 8)
	var all []os.Signal
	for _, s := range []os.Signal{syscall.SIGINT, syscall.SIGQUIT, syscall.SIGTERM, syscall.SIGHUP, syscall.SIGUSR1, syscall.SIGUSR2} {
		if !signal.Ignored(s) {
			all = append(all, s)
		}
	}
	signal.Notify(caught, all...)
	return caught
}

// pass lets the command have the signals, for good: this process stays until the command has ended. Of those a terminal sends, the command has
// its own.
func (c *startedCommand) pass(signals caughtSignals) {
	go func() {
		for s := range signals {
			if fromTerminal := s == syscall.SIGINT || s == syscall.SIGQUIT; !fromTerminal || !inForeground() {
				c.signal(s.(syscall.Signal))
			}
		}
	}()
}

// inForeground reports whether this process is of the group that the terminal's keys send signals to.
func inForeground() bool {
	tty, err := unix.Open("/dev/tty", unix.O_RDONLY|unix.O_NOCTTY|unix.O_CLOEXEC, 0)
	if err != nil {
		return false
	}
	defer unix.Close(tty)
	group, err := unix.IoctlGetInt(tty, unix.TIOCGPGRP)
	return err == nil && group == unix.Getpgrp()
}

// withDescriptor is what a command gets that inherits a descriptor: these three, and fd as the lowest of the others that is free, where a C
// program would have it: the runtime keeps some low ones to itself, which a command does not get.
func withDescriptor(stdio [3]uintptr, fd uintptr) []uintptr {
	files := stdio[:]
	for n := 3; keptAtExec(n); n++ {
		files = append(files, uintptr(n))
	}
	return append(files, fd)
}

// keptAtExec reports whether a descriptor is open and stays so in a command that is started.
func keptAtExec(fd int) bool {
	flags, err := unix.FcntlInt(uintptr(fd), unix.F_GETFD, 0)
	return err == nil && flags&unix.FD_CLOEXEC == 0
}
