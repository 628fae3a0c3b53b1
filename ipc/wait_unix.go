//go:build unix

package ipc

import (
	"os"
	"sync"
	"time"

	"golang.org/x/sys/unix"
)

// waker ends a poll under way. It is a descriptor, or a pair of them, that is
// polled along.
type waker struct {
	mu     sync.Mutex // guards closed, and w.to as long as it is written to
	closed bool
	from   int // becomes readable
	to     int
}

// wake makes the poll under way, or else the next one, return. It may be called
// at any time, by anyone.
func (w *waker) wake() {
	w.mu.Lock()
	defer w.mu.Unlock()
	if !w.closed {
		// Full means that it is readable, which is all there is to say.
		_, _ = unix.Write(w.to, []byte{1, 0, 0, 0, 0, 0, 0, 0})
	}
}

// drain undoes wake.
func (w *waker) drain() {
	var b [64]byte
	_ = retry(func() error {
		_, err := unix.Read(w.from, b[:])
		return err
	})
}

func (w *waker) close() {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.closed = true
	_ = unix.Close(w.from)
	if w.to != w.from {
		_ = unix.Close(w.to)
	}
}

// pollAll polls the entries, and w, as long as timeout; below 0 is no limit. A
// signal does not end it.
func pollAll(entries []pollEntry, w *waker, timeout time.Duration) error {
	fds := make([]unix.PollFd, len(entries), len(entries)+1)
	for i, e := range entries {
		fds[i] = unix.PollFd{Fd: int32(e.fd), Events: unix.POLLIN}
	}
	if w != nil {
		fds = append(fds, unix.PollFd{Fd: int32(w.from), Events: unix.POLLIN})
	}
	var end time.Time
	if timeout > 0 {
		end = time.Now().Add(timeout)
	}
	err := retry(func() error {
		left := timeout
		if timeout > 0 {
			left = max(0, time.Until(end))
		}
		_, err := pollWait(fds, left)
		return err
	})
	if err != nil {
		return os.NewSyscallError("poll", err)
	}
	for i := range entries {
		if fds[i].Revents != 0 { // an error, too, is found by who reads
			entries[i].ready = true
		}
	}
	return nil
}
