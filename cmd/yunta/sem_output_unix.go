//go:build unix

package main

import (
	"errors"
	"fmt"
	"os"
	"syscall"

	"golang.org/x/sys/unix"
)

// A heldOutput is what a command has written, kept until its end in files without a name: no reader has to live for it.
type heldOutput struct{ out, err *os.File }

func (h *heldOutput) open() (err error) {
	for _, f := range []**os.File{&h.out, &h.err} {
		if *f, err = os.CreateTemp("", "yunta-sem-"); err != nil {
			h.close()
			return err
		}
		if err = os.Remove((*f).Name()); err != nil {
			h.close()
			return err
		}
		// Two programs of a command do not write over each other.
		if _, err = unix.FcntlInt((*f).Fd(), unix.F_SETFL, unix.O_APPEND); err != nil {
			h.close()
			return err
		}
	}
	return nil
}

// show writes to standard output and error what there is.
func (h *heldOutput) show() error {
	if h.out == nil {
		return nil
	}
	full := h.full()
	for _, x := range []struct{ from, to *os.File }{{h.out, os.Stdout}, {h.err, os.Stderr}} {
		if _, err := x.from.Seek(0, 0); err != nil {
			return err
		}
		if _, err := x.from.WriteTo(x.to); err != nil {
			if errors.Is(err, syscall.EPIPE) {
				continue // nobody reads it
			}
			return err
		}
	}
	if full {
		return fmt.Errorf("%s is full: the command's output may not be whole", os.TempDir())
	}
	return nil
}

func (h *heldOutput) full() bool {
	var st unix.Statfs_t
	return unix.Fstatfs(int(h.out.Fd()), &st) == nil && st.Blocks > 0 && st.Bfree == 0
}

func (h *heldOutput) close() {
	for _, f := range []*os.File{h.out, h.err} {
		if f != nil {
			f.Close()
		}
	}
}
