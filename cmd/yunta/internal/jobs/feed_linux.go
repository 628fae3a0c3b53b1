//go:build linux && !portable

package jobs

import (
	"io"
	"os"

	"golang.org/x/sys/unix"
)

// Kernel versions: pipe2 2.6.27, F_SETPIPE_SZ 2.6.35, sendfile(2) to a pipe 2.6.33.

// pipeSize is the wished capacity of a pipe to a job, in bytes: fewer wake-ups of both sides.
const pipeSize = 1 << 20

func pipe2(p *[2]int) error { return unix.Pipe2(p[:], unix.O_CLOEXEC) }

func growPipe(fd int) { _, _ = unix.FcntlInt(uintptr(fd), unix.F_SETPIPE_SZ, pipeSize) }

// pour writes a part of a file to a pipe, without copying it where that works.
func pour(pipe, file *os.File, at, size int64) error {
	raw, err := pipe.SyscallConn()
	if err != nil {
		return err
	}
	for size > 0 {
		var n int
		var failed error
		err := raw.Write(func(fd uintptr) bool {
			n, failed = unix.Sendfile(int(fd), int(file.Fd()), &at, int(min(size, 1<<30)))
			return failed != unix.EAGAIN
		})
		switch {
		case err != nil:
			return err
		case failed == unix.EINTR:
		case failed == unix.EINVAL || failed == unix.ENOSYS: // not of this file
			return copyPart(pipe, file, at, size)
		case failed != nil:
			return failed
		case n == 0:
			return io.ErrUnexpectedEOF
		}
		size -= int64(max(n, 0))
	}
	return nil
}
