//go:build unix

package mapped

import (
	"errors"
	"os"

	"golang.org/x/sys/unix"
)

// writeZeros reserves by writing, for where fallocate is missing or refused.
// What lies past the end of the file is written as zeros. What lies inside may
// hold data that others change at this moment, so it is not written over but
// touched through a mapping, by adding nothing to one word of each page: a page
// that cannot get a block faults, and the fault is the answer.
func writeZeros(f *os.File, off, size int64) error {
	info, err := f.Stat()
	if err != nil {
		return err
	}
	end := off + size
	if inside := min(end, info.Size()); off < inside {
		if err := touch(f, off, inside); err != nil {
			return err
		}
	}
	zeros := make([]byte, min(size, zeroChunk))
	for at := max(off, info.Size()); at < end; {
		n, err := f.WriteAt(zeros[:min(end-at, int64(len(zeros)))], at)
		at += int64(n)
		if err != nil {
			return err
		}
	}
	return nil
}

func touch(f *os.File, off, end int64) error {
	page := int64(PageSize())
	start := off / page * page
	r, err := Map(f, start, int(end-start))
	if err != nil {
		return err
	}
	defer func() { _ = r.Unmap() }()
	err = Guard(func() error {
		for at := 0; at+4 <= r.Size(); at += int(page) {
			r.Uint32(at).Add(0)
		}
		return nil
	})
	if _, ok := errors.AsType[*FaultError](err); ok {
		return errors.Join(os.NewSyscallError("reserve", unix.ENOSPC), err)
	}
	return err
}

// zeroChunk is how many bytes one write of zeros carries: enough to make the
// system calls cheap, small enough to allocate for a moment.
const zeroChunk = 256 << 10

func isEINTR(err error) bool { return errors.Is(err, unix.EINTR) }
