//go:build unix && (!linux || portable)

package jobs

import (
	"os"
	"syscall"

	"golang.org/x/sys/unix"
)

func pipe2(p *[2]int) error {
	syscall.ForkLock.RLock()
	defer syscall.ForkLock.RUnlock()
	if err := unix.Pipe(p[:]); err != nil {
		return err
	}
	unix.CloseOnExec(p[0])
	unix.CloseOnExec(p[1])
	return nil
}

func growPipe(int) {}

func pour(pipe, file *os.File, at, size int64) error { return copyPart(pipe, file, at, size) }
