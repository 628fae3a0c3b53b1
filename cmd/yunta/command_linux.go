//go:build linux && !portable

package main

import (
	"syscall"

	"golang.org/x/sys/unix"
)

// boundAttr makes the kernel kill a command when this process dies.
func boundAttr(bound bool) *syscall.SysProcAttr {
	if !bound {
		return nil
	}
	return &syscall.SysProcAttr{Pdeathsig: syscall.SIGKILL}
}

// reap waits for the command. Until pid is 0 it is not reaped, so that no signal goes to a number that may be another's.
func (c *startedCommand) reap() unix.WaitStatus {
	for unix.Waitid(unix.P_PID, c.pid, nil, unix.WEXITED|unix.WNOWAIT, nil) == unix.EINTR {
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	info := wait4(c.pid)
	c.pid = 0
	return info
}
