//go:build unix

package supervisor_test

import (
	"errors"
	"syscall"
)

// read and write are the bare system calls: what the limits are made of.

func read(fd int, b []byte) int {
	for {
		n, err := syscall.Read(fd, b)
		if !errors.Is(err, syscall.EINTR) {
			return max(n, 0)
		}
	}
}

func readFull(fd int, b []byte) bool {
	for len(b) > 0 {
		n := read(fd, b)
		if n == 0 {
			return false
		}
		b = b[n:]
	}
	return true
}

func writeAll(fd int, b []byte) bool {
	for len(b) > 0 {
		n, err := syscall.Write(fd, b)
		if err != nil && !errors.Is(err, syscall.EINTR) {
			return false
		}
		b = b[max(n, 0):]
	}
	return true
}
