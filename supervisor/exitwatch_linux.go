//go:build linux && !portable

package supervisor

import (
	"errors"

	"golang.org/x/sys/unix"
)

const watchesExit = true

// watchExit waits for the end of a worker's process (pidfd_open(2), Linux 5.3)
// and sees to it that it is noticed: what the worker forked into a session of its
// own may keep the pipe open that would tell it.
func (w *worker) watchExit() {
	err := w.cmd.Process.WithHandle(func(fd uintptr) {
		p := []unix.PollFd{{Fd: int32(fd), Events: unix.POLLIN}}
		for {
			if _, err := unix.Poll(p, -1); !errors.Is(err, unix.EINTR) {
				return
			}
		}
	})
	if err == nil { // else there are no such descriptors here
		w.relay.hurry()
	}
	close(w.relay.exited)
}
