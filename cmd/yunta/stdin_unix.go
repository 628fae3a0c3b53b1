//go:build unix

package main

import (
	"errors"
	"os"

	"golang.org/x/sys/unix"
)

// errClosedInput is what a closed stdin comes to: the Go runtime has opened /dev/null in its place before main, for reading and writing.
// Who means an empty input opens it for reading only, as shells do.
var errClosedInput = errors.New("reading the values: standard input is closed")

func checkInput(f *os.File) error {
	flags, err := unix.FcntlInt(f.Fd(), unix.F_GETFL, 0)
	if err != nil || flags&unix.O_ACCMODE != unix.O_RDWR {
		return nil // reading it will tell
	}
	info, err := f.Stat()
	null, nullErr := os.Stat(os.DevNull)
	if err == nil && nullErr == nil && os.SameFile(info, null) {
		return errClosedInput
	}
	return nil
}
