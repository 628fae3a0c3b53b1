package mapped

import (
	"fmt"
	"os"
	"strings"
)

// Anonymous returns a file of size bytes, all zero, that has no name and is gone
// when the last process that has it open or mapped is: memory to be inherited
// by children. name is only shown to people who look (/proc/PID/maps).
//
// On Linux it is a memfd, close-on-exec, sealed so that nobody can shrink it
// under those who mapped it; growing is allowed. Elsewhere it is an unlinked file
// in the directory for temporary files, and nothing keeps a process that has it
// from shrinking it.
func Anonymous(name string, size int64) (*os.File, error) {
	if size < 0 {
		return nil, fmt.Errorf("%w: an anonymous file of %d bytes", ErrRange, size)
	}
	f, err := anonymous(name, size)
	if err != nil {
		return nil, fmt.Errorf("mapped: anonymous file %s: %w", name, err)
	}
	return f, nil
}

// unlinked is Anonymous by means that every system has.
func unlinked(name string, size int64) (*os.File, error) {
	f, err := os.CreateTemp("", "yunta-"+strings.ReplaceAll(name, "/", "-")+"-*")
	if err != nil {
		return nil, err
	}
	if err := os.Remove(f.Name()); err != nil {
		f.Close()
		return nil, err
	}
	if err := f.Truncate(size); err != nil {
		f.Close()
		return nil, err
	}
	return f, nil
}

// Reserve makes size bytes of f from off on real: afterwards a store through a
// mapping of them finds its block. The file grows if it ends before; what it
// holds stays. A full disk is an error (ENOSPC) from this call, not a fault later.
// It costs a system call where the file system can allocate (fallocate on ext4,
// xfs, btrfs, tmpfs), and writing the whole range where it cannot.
func Reserve(f *os.File, off, size int64) error {
	if off < 0 || size <= 0 || off+size < off {
		return fmt.Errorf("%w: reserve %d bytes at offset %d of %s", ErrRange, size, off, f.Name())
	}
	if err := reserve(f, off, size); err != nil {
		return fmt.Errorf("mapped: reserve %d bytes of %s: %w", size, f.Name(), err)
	}
	return nil
}

// Discard gives the memory or the blocks of a range back to the system; the
// range then reads as zeros and is no longer reserved. It is a hint: where the
// file system cannot punch holes, and on every system but Linux, it does nothing,
// and the bytes stay as they were.
func Discard(f *os.File, off, size int64) error {
	if off < 0 || size <= 0 || off+size < off {
		return fmt.Errorf("%w: discard %d bytes at offset %d of %s", ErrRange, size, off, f.Name())
	}
	if err := discard(f, off, size); err != nil {
		return fmt.Errorf("mapped: discard %d bytes of %s: %w", size, f.Name(), err)
	}
	return nil
}
