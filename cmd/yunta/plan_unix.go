//go:build unix

package main

import (
	"os"

	"golang.org/x/sys/unix"
)

func makeFIFO(path string) error {
	if err := unix.Mkfifo(path, 0o600); err != nil {
		return &os.PathError{Op: "mkfifo", Path: path, Err: err}
	}
	return nil
}
