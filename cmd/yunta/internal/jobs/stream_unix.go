//go:build unix

package jobs

import (
	"bytes"
	"errors"
	"io"
	"os"
	"path/filepath"
	"sync"
	"time"

	"golang.org/x/sys/unix"
)

// A stream passes on what a job writes, by whole lines.
type stream struct {
	lock  *os.File // of all workers: one writes at a time
	to    int      // a descriptor of this process
	tag   []byte
	write int // for the job
	read  *os.File
	ended chan struct{}
	size  int64
	err   error
}

const (
	// longestLine is how much of a line without an end is kept, in bytes, before it is passed on in pieces.
	longestLine = 4 << 20
	// lingering is how long is waited for more from a job that has ended: what it wrote is in the pipe already.
	lingering = 50 * time.Millisecond
)

// lockName is the file whose lock says who may write lines.
const lockName = "lines"

func openStreamLock(dir string) (*os.File, error) {
	return os.OpenFile(filepath.Join(dir, lockName), os.O_RDWR|os.O_CREATE, 0o600)
}

func newStream(lock *os.File, to int, tag string) (*stream, error) {
	var p [2]int
	if err := pipe2(&p); err != nil {
		return nil, os.NewSyscallError("pipe", err)
	}
	_ = unix.SetNonblock(p[0], true)
	s := &stream{lock: lock, to: to, write: p[1], read: os.NewFile(uintptr(p[0]), "pipe"), ended: make(chan struct{})}
	if tag != "" {
		s.tag = []byte(tag)
	}
	return s, nil
}

// started begins passing on.
func (s *stream) started() {
	_ = unix.Close(s.write)
	s.write = -1
	go s.run()
}

// finish ends it after the job has ended, and reports how much there was.
func (s *stream) finish() (int64, error) {
	if s.write >= 0 {
		_ = unix.Close(s.write)
		_ = s.read.Close()
		return 0, nil
	}
	// Who still has the pipe is no part of the job any more.
	_ = s.read.SetReadDeadline(time.Now().Add(lingering))
	<-s.ended
	_ = s.read.Close()
	return s.size, s.err
}

func (s *stream) run() {
	defer close(s.ended)
	buf := make([]byte, 0, 64<<10)
	for {
		if len(buf) == cap(buf) {
			buf = append(make([]byte, 0, 2*cap(buf)), buf...)
		}
		n, err := s.read.Read(buf[len(buf):cap(buf)])
		s.size += int64(n)
		buf = buf[:len(buf)+n]
		end := bytes.LastIndexByte(buf, '\n') + 1
		if err != nil || end == 0 && len(buf) >= longestLine {
			end = len(buf)
		}
		if end > 0 {
			s.put(buf[:end])
			buf = append(buf[:0], buf[end:]...)
		}
		if err != nil {
			if !errors.Is(err, io.EOF) && !errors.Is(err, os.ErrDeadlineExceeded) && s.err == nil {
				s.err = err
			}
			return
		}
	}
}

// writing keeps the two streams of a job apart: a flock is the open file's, not the goroutine's.
var writing sync.Mutex

func (s *stream) put(lines []byte) {
	if s.err != nil {
		return // read on, so that the job is not held up
	}
	if s.tag != nil {
		var tagged []byte
		for line := range bytes.Lines(lines) {
			tagged = append(append(tagged, s.tag...), line...)
		}
		lines = tagged
	}
	writing.Lock()
	defer writing.Unlock()
	for unix.Flock(int(s.lock.Fd()), unix.LOCK_EX) == unix.EINTR {
	}
	defer func() { _ = unix.Flock(int(s.lock.Fd()), unix.LOCK_UN) }()
	for len(lines) > 0 {
		n, err := unix.Write(s.to, lines)
		switch {
		case err == unix.EINTR:
		case err == unix.EAGAIN: // somebody made it non-blocking
			_, _ = unix.Poll([]unix.PollFd{{Fd: int32(s.to), Events: unix.POLLOUT}}, -1)
		case err != nil:
			s.err = os.NewSyscallError("write", err)
			return
		default:
			lines = lines[n:]
		}
	}
}
