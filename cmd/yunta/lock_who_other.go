//go:build !linux || portable

package main

import (
	"errors"
	"fmt"
	"io"
	"os"

	"golang.org/x/sys/unix"
)

// flockUsers: the system does not tell.
func flockUsers(file string) ([]flockUser, error) {
	return nil, fmt.Errorf("who has the lock of %s: %w", file, errors.ErrUnsupported)
}

// whoByTrying finds out whether a lock is taken by taking it for a moment.
func whoByTrying(w io.Writer, file string) (int, error) {
	f, err := os.Open(file)
	if err != nil {
		return 0, lockErrorf(exitNoInput, "%v", err)
	}
	defer f.Close()
	switch err := flockRetry(int(f.Fd()), unix.LOCK_EX|unix.LOCK_NB); err {
	case nil:
		fmt.Fprintf(w, "%s: free\n", file)
		return exitFailure, nil
	case unix.EWOULDBLOCK:
		fmt.Fprintf(w, "%s: taken, this system does not tell by whom\n", file)
		return 0, nil
	default:
		return 0, lockErrorf(exitDataErr, "%s: %v", file, err)
	}
}
