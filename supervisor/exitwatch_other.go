//go:build !linux || portable

package supervisor

const watchesExit = false

// watchExit has nothing to wait with: a worker's death shows when its end of the
// notices pipe is closed, or when it was killed from here.
func (w *worker) watchExit() { close(w.relay.exited) }
