//go:build unix

package jobs

import (
	"errors"
	"io"
	"os"
	"time"

	"golang.org/x/sys/unix"
)

// A feed gives a job its standard input.
type feed struct {
	fd    int      // for the job
	pipe  *os.File // the end that is written to; nil when the file itself is the input
	file  *os.File
	in    Input
	ended chan struct{}
}

// open prepares a job's input, which may block when it is a named pipe.
func (in Input) open() (*feed, error) {
	f := &feed{in: in}
	if !in.Part {
		fd, err := unix.Open(in.File, unix.O_RDONLY|unix.O_CLOEXEC, 0)
		for err == unix.EINTR {
			fd, err = unix.Open(in.File, unix.O_RDONLY|unix.O_CLOEXEC, 0)
		}
		if err != nil {
			return nil, &os.PathError{Op: "open", Path: in.File, Err: err}
		}
		f.fd = fd
		return f, nil
	}
	file, err := os.Open(in.File)
	if err != nil {
		return nil, err
	}
	var p [2]int
	if err := pipe2(&p); err != nil {
		_ = file.Close()
		return nil, os.NewSyscallError("pipe", err)
	}
	growPipe(p[1])
	_ = unix.SetNonblock(p[1], true) // so that the writing can be broken off
	f.fd, f.pipe, f.file = p[0], os.NewFile(uintptr(p[1]), "pipe"), file
	return f, nil
}

// started goes on when the job has its end.
func (f *feed) started() {
	_ = unix.Close(f.fd)
	f.fd = -1
	if f.pipe == nil {
		return
	}
	f.ended = make(chan struct{})
	go func() {
		defer close(f.ended)
		defer f.pipe.Close()
		if _, err := f.pipe.Write(f.in.Head); err == nil {
			_ = pour(f.pipe, f.file, f.in.At, f.in.Size) // a job need not read all
		}
	}()
}

// stop gives up what the job has not read: it has ended.
func (f *feed) stop() {
	if f.fd >= 0 {
		_ = unix.Close(f.fd)
	}
	if f.pipe == nil {
		return
	}
	if f.ended != nil {
		_ = f.pipe.SetWriteDeadline(time.Unix(1, 0))
		<-f.ended
	}
	_ = f.pipe.Close()
	_ = f.file.Close()
}

// copyPart writes a part of a file by reading it.
func copyPart(w io.Writer, file *os.File, at, size int64) error {
	n, err := io.Copy(struct{ io.Writer }{w}, io.NewSectionReader(file, at, size))
	if err == nil && n < size {
		err = errors.New("the file has become shorter")
	}
	return err
}

// Pour writes the first size bytes of a file to a pipe, without copying them where that works. The file must not change any more: its pages
// are what the pipe holds.
func Pour(pipe, file *os.File, size int64) error { return pour(pipe, file, 0, size) }

// Widen gives a pipe more room, where that can be done, so that both sides wake less often.
func Widen(pipe *os.File) { growPipe(int(pipe.Fd())) }
