//go:build unix

package ipc

import "golang.org/x/sys/unix"

// openWithoutWaiting keeps the opening of a named pipe from waiting for its
// other end. To a regular file it means nothing.
const openWithoutWaiting = unix.O_NONBLOCK
