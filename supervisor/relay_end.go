package supervisor

import (
	"errors"
	"fmt"
	"io"
	"os"
	"time"

	"yunta/child/wire"
	"yunta/ipc"
)

// kill kills the worker. Whoever else has its end of the notices, in a session
// of its own, does not keep its death from being noticed.
func (w *worker) kill() {
	w.ward.kill()
	if w.relay != nil {
		w.relay.hurry()
	}
}

// hurry bounds how long the rest of what the worker has said is waited for.
func (r *relay) hurry() { _ = r.notices.file.SetReadDeadline(time.Now().Add(drainTime)) }

// runsOn reports whether the worker, whose notices have ended, has not. It takes
// a moment to say so.
func (r *relay) runsOn() bool {
	if r.notices.late {
		return false // it is dead, or about to be
	}
	select {
	case <-r.exited:
		return false
	case <-time.After(drainTime):
		return true
	}
}

var errRunsOn = fmt.Errorf("%w: notices that end while it runs on", wire.ErrProtocol)

// lastWords reads the notices of a worker that may leave the other end of the
// pipe to somebody else when it dies. Past the deadline that hurry sets it reads
// what is there, and no more than a pipe holds: the worker has said nothing since.
type lastWords struct {
	file *os.File
	left int  // bytes that may still come after the deadline
	late bool // it is past; the reader's
}

// largestPipe is what a pipe may hold at most without privileges (pipe(7)), in bytes.
const largestPipe = 1 << 20

func (l *lastWords) Read(b []byte) (int, error) {
	if !l.late {
		n, err := l.file.Read(b)
		if !errors.Is(err, os.ErrDeadlineExceeded) {
			return n, err
		}
		l.late, l.left = true, largestPipe
	}
	raw, err := l.file.SyscallConn()
	if err != nil {
		return 0, err
	}
	ready := false
	if err := raw.Control(func(fd uintptr) { ready, _ = ipc.Readable(int(fd)) }); err != nil {
		return 0, err
	}
	if !ready || l.left == 0 {
		return 0, io.EOF
	}
	_ = l.file.SetReadDeadline(time.Now().Add(drainTime)) // it is there
	n, err := l.file.Read(b[:min(len(b), l.left)])
	l.left -= n
	if errors.Is(err, os.ErrDeadlineExceeded) {
		err = io.EOF
	}
	return n, err
}

func (l *lastWords) Close() error { return l.file.Close() }
