package ipc

import (
	"encoding/binary"
	"errors"
	"fmt"
	"hash/crc32"
	"io"
	"os"

	"yunta/oslock/mapped"
)

// An extent begins with a head:
//
//	offset  size  meaning
//	0       8     "yuntaxtn"
//	8       8     its own offset in the file
//	16      8     its size
//	24      4     the writer that took it
//	28      4     zero
//	32      16    identity of the file
//	48      12    zero
//	60      4     CRC-32C of all before, begun with the identity and the offset
//	64      ...   records
//
// The first eight bytes are stored last. Where they are missing there is no
// extent: its writer has not come so far, or died before it did.
const (
	extentMagic     = "yuntaxtn"
	extentHeadBytes = 64
)

type extentHead struct {
	off, size int64
	writer    uint32
	id        fileID
}

func (h *extentHead) encode() []byte {
	b := make([]byte, extentHeadBytes)
	e := binary.NativeEndian
	copy(b, extentMagic)
	e.PutUint64(b[8:], uint64(h.off))
	e.PutUint64(b[16:], uint64(h.size))
	e.PutUint32(b[24:], h.writer)
	copy(b[32:48], h.id[:])
	e.PutUint32(b[60:], crc32.Update(seedAt(h.id.sum(), h.off), castagnoli(), b[:60]))
	return b
}

// decodeExtentHead reports whether the head of an extent of a file stands in b,
// which was read at off.
func decodeExtentHead(b []byte, off int64) (h extentHead, ok bool) {
	e := binary.NativeEndian
	if len(b) < extentHeadBytes || string(b[:8]) != extentMagic || int64(e.Uint64(b[8:])) != off {
		return h, false
	}
	h = extentHead{off: off, size: int64(e.Uint64(b[16:])), writer: e.Uint32(b[24:]), id: fileID(b[32:48])}
	if h.size < grain || h.size > maxExtentSize || h.size%grain != 0 {
		return h, false
	}
	return h, crc32.Update(seedAt(h.id.sum(), off), castagnoli(), b[:60]) == e.Uint32(b[60:])
}

// extentAt reads the head of an extent with a system call: most places where it
// is looked for need no mapping.
func (f *ResultFile) extentAt(off int64) (h extentHead, ok bool, err error) {
	var b [extentHeadBytes]byte
	n, err := f.file.ReadAt(b[:], off)
	if err != nil && !errors.Is(err, io.EOF) {
		return h, false, f.failed(err)
	}
	h, ok = decodeExtentHead(b[:n], off)
	return h, ok && h.id == f.head.id, nil
}

// grow makes an extent at the end of the file, with real space behind all of
// it. A writer that dies here leaves a gap, which readers step over and Spare
// finds.
func (f *ResultFile) grow(size int64, writer uint32) (off int64, reg *mapped.Region, err error) {
	// Growing would hide what somebody cut off.
	if err := f.checkReach(); err != nil {
		return 0, nil, err
	}
	if off, err = f.claim(size); err != nil {
		return 0, nil, err
	}
	step("extent claimed")
	if err := mapped.Reserve(f.file, off, size); err != nil {
		// Nobody else was told of the place: it can be given back, unless somebody
		// has claimed the one behind it.
		err = errors.Join(fmt.Errorf("growing by %d bytes: %w", size, err), mapped.Discard(f.file, off, size))
		f.end.CompareAndSwap(uint64(off+size), uint64(off))
		return 0, nil, f.failed(err)
	}
	step("space reserved")
	storeMax(f.reach, uint64(off+size))
	step("reach raised")
	reg, err = f.plant(off, size, writer)
	return off, reg, err
}

// plant makes an extent of space that is reserved and has nothing in it.
func (f *ResultFile) plant(off, size int64, writer uint32) (*mapped.Region, error) {
	reg, err := mapped.Map(f.file, off, int(size))
	if err != nil {
		return nil, f.failed(err)
	}
	head := (&extentHead{off: off, size: size, writer: writer, id: f.head.id}).encode()
	copy(reg.Bytes()[8:], head[8:])
	step("extent head written")
	reg.Uint64(0).Store(binary.NativeEndian.Uint64(head))
	step("extent made")
	return reg, nil
}

// checkReach makes sure that the file has not been cut off.
func (f *ResultFile) checkReach() error {
	reach := f.reach.Load() // before the size, or the file may grow in between
	fi, err := f.file.Stat()
	if err != nil {
		return f.failed(err)
	}
	if uint64(fi.Size()) < reach {
		return f.cutOff(fi.Size(), reach)
	}
	return nil
}

// claim moves the end of the file by size.
func (f *ResultFile) claim(size int64) (int64, error) {
	for {
		end := f.end.Load()
		if end%grain != 0 || end < resultsBase || end > 1<<60 {
			return 0, f.failed(fmt.Errorf("%w: the end is %#x", ErrCorrupt, end))
		}
		if f.end.CompareAndSwap(end, end+uint64(size)) {
			return int64(end), nil
		}
	}
}

// findEnd puts the end behind all that is there. Only one who has the file
// alone may do so.
func (f *ResultFile) findEnd(size int64) error {
	end := roundGrain(max(size, int64(f.reach.Load()), resultsBase))
	for at := int64(resultsBase); at < size; {
		h, ok, err := f.extentAt(at)
		if err != nil {
			return err
		}
		if !ok {
			at += grain
			continue
		}
		if at += h.size; at > size {
			return f.cutOff(size, uint64(at))
		}
	}
	f.end.Store(uint64(end))
	f.before = end
	return nil
}

func (f *ResultFile) cutOff(have int64, want uint64) error {
	return f.failed(fmt.Errorf("%w: it has %d bytes, had %d", ErrTruncated, have, want))
}

// failed names the file.
func (f *ResultFile) failed(err error) error {
	if errors.Is(err, os.ErrClosed) {
		return fmt.Errorf("%w: result file %s", ErrClosed, f.path)
	}
	// Some calls on a file closed under them fail with an internal error of package
	// os, which has no name.
	if f.closed.Load() {
		return fmt.Errorf("%w: result file %s: %w", ErrClosed, f.path, unprefixed{err})
	}
	return fmt.Errorf("ipc: result file %s: %w", f.path, unprefixed{err})
}

func roundGrain(n int64) int64 { return (n + grain - 1) &^ (grain - 1) }
