package supervisor

import (
	"errors"
	"fmt"
	"syscall"
)

// Signal sends a signal to the process group of every worker: what a terminal
// sends to its foreground, such as SIGTSTP and SIGCONT, does not reach workers
// by itself, since each has a group of its own. A worker that is being started
// just now may miss it. To end the pool use [Pool.Terminate], which tells the
// workers why. A pool of goroutines has nobody to signal: errors.ErrUnsupported.
func (p *Pool) Signal(sig syscall.Signal) error {
	c := p.core
	if c.twins != nil {
		return fmt.Errorf("supervisor: Signal with goroutines: %w", errors.ErrUnsupported)
	}
	c.mu.Lock()
	workers := c.present()
	c.mu.Unlock()
	for _, w := range workers {
		w.signalGroup(sig)
	}
	return nil
}
