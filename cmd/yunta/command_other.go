//go:build !linux || portable

package main

import (
	"syscall"

	"golang.org/x/sys/unix"
)

// boundAttr: here a command outlives a process that was killed before it could stop it.
func boundAttr(bool) *syscall.SysProcAttr { return nil }

// reap waits for the command. A signal that comes in the moment after its end may go to a number that is nobody's any more.
func (c *startedCommand) reap() unix.WaitStatus {
	info := wait4(c.pid)
	c.mu.Lock()
	defer c.mu.Unlock()
	c.pid = 0
	return info
}
