//go:build !linux || portable

package jobs

import (
	"errors"
	"syscall"
)

// sysProcAttr: a process group of its own for each job, so that all of it can be signalled without this worker.
func sysProcAttr() *syscall.SysProcAttr { return &syscall.SysProcAttr{Setpgid: true} }

// published reports whether the parent is told of the job's process group.
const published = true

// EndGroup kills the job that a worker was running when it died. One whose worker was killed between starting it and saying so is not
// found.
func (c *Control) EndGroup(worker int) {
	if group := c.group(worker).Swap(0); group != 0 {
		_ = syscall.Kill(-int(group), syscall.SIGKILL) // gone already, at best
	}
}

// adopt has nothing to do: a job's group is all that is known of it.
func adopt() error { return nil }

// tree is what a runner knows of its jobs' processes.
type tree struct {
	group int // of the job that is being stopped
}

// family is what signalTree remembers by.
type family map[int]uint64

// alone reports whether nobody can write to the job's files any more: here that is never known.
func (r *runner) alone() bool { return false }

// signalTree sends a signal to the job's process group if it is not in told, adds it there, and returns 0 when nobody is left. The group
// keeps its number as long as it has members. mu is held.
func (r *runner) signalTree(pid int, sig syscall.Signal, told family) (n int) {
	if pid != 0 {
		r.tree.group = pid
	}
	if r.tree.group == 0 {
		return 0
	}
	if _, again := told[r.tree.group]; again {
		sig = 0
	}
	told[r.tree.group] = 0
	if err := syscall.Kill(-r.tree.group, sig); errors.Is(err, syscall.ESRCH) || pid == 0 && errors.Is(err, syscall.EPERM) {
		r.tree.group = 0
		return 0
	}
	if pid == 0 && sig == syscall.SIGKILL {
		r.tree.group = 0 // that reached them all; who has adopted them may take his time to reap them
		return 0
	}
	if sig == syscall.SIGTERM {
		_ = syscall.Kill(-r.tree.group, syscall.SIGCONT) // one that is stopped would not hear it
	}
	return 1
}
