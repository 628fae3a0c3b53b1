//go:build unix

package oslock

import "golang.org/x/sys/unix"

// waitFlock waits in the kernel, as a program does that uses flock alone.
func waitFlock(fd int) error {
	return retry(func() error { return unix.Flock(fd, unix.LOCK_EX) })
}
