package ipc

import (
	"encoding/binary"
	"errors"
	"fmt"
	"hash/crc32"
	"io"
	"os"
	"time"
)

// A result file starts with a header, all numbers in the byte order of the
// machine, since mapped words behind it are too:
//
//	offset  size  meaning
//	0       8     "yuntares"
//	8       4     version
//	12      4     byte-order mark 0x01020304
//	16      4     4096, the size of the header
//	20      4     65536, what extents start at and have multiples of
//	24      4     64, the head of an extent
//	28      4     128, the head of a record
//	32      8     usual size of an extent
//	40      8     when the file was made, nanoseconds since 1970
//	48      16    random identity of the file
//	64      4028  zero
//	4092    4     CRC-32C of all before
//
// Behind it, outside the checksum, stand words that every writer changes, each
// on a cache line of its own:
//
//	4096    8     end: where the next extent will begin
//	4160    8     reach: up to where space was reserved
//	4224    8     dirty: not 0 when something was written since the last sync
//
// The first extent begins at 65536; see extentHead. Any version of the format
// keeps the first sixteen bytes and the checksum where they are.
//
// The end moves by compare-and-swap: who moves it from a to b owns the bytes
// from a to b. A lock, which DESIGN has for the table of anonymous extents, is
// left out on purpose: there is no table, one word is all that changes, and so
// no death can leave a lock held or a table half changed, nor does a file that
// people keep, copy and move need a lock file beside it.
const (
	resultsMagic   = "yuntares"
	resultsVersion = 1
	resultsOrder   = 0x01020304
	resultsBytes   = 4096
	resultsBase    = grain // of the first extent

	resultsEnd   = 4096
	resultsReach = 4160
	resultsDirty = 4224
)

// fileID is what tells one result file from another.
type fileID [16]byte

// sum is what stands for the identity in checksums.
func (id *fileID) sum() uint32 { return crc32.Checksum(id[:], castagnoli()) }

// seedAt begins the checksum of whatever stands at off, a multiple of 8, in a
// file with that sum. A result file may hold results that are result files: with
// the identity and the place in every checksum, nothing in a payload passes for a
// part of the file around it.
func seedAt(sum uint32, off int64) uint32 {
	// Another start makes another checksum, so it is enough that no two places near
	// each other start alike. The product tells those apart that are 32 GiB away.
	return sum ^ uint32(off>>3) ^ uint32(off>>35)*0x9e3779b1
}

type resultsHeader struct {
	extentSize int64
	created    time.Time
	id         fileID
}

func (h *resultsHeader) encode() []byte {
	b := make([]byte, resultsBytes)
	e := binary.NativeEndian
	copy(b, resultsMagic)
	e.PutUint32(b[8:], resultsVersion)
	e.PutUint32(b[12:], resultsOrder)
	e.PutUint32(b[16:], resultsBytes)
	e.PutUint32(b[20:], grain)
	e.PutUint32(b[24:], extentHeadBytes)
	e.PutUint32(b[28:], resultHead)
	e.PutUint64(b[32:], uint64(h.extentSize))
	e.PutUint64(b[40:], uint64(h.created.UnixNano()))
	copy(b[48:64], h.id[:])
	e.PutUint32(b[resultsBytes-4:], crc32.Checksum(b[:resultsBytes-4], castagnoli()))
	return b
}

// decodeResultsHeader takes the first bytes of a file, as many of 4096 as it has.
func decodeResultsHeader(b []byte) (resultsHeader, error) {
	bad := func(format string, args ...any) (resultsHeader, error) {
		return resultsHeader{}, fmt.Errorf("%w: %s", ErrNotResults, fmt.Sprintf(format, args...))
	}
	e := binary.NativeEndian
	switch {
	case len(b) == 0:
		return bad("it is empty")
	case len(b) < len(resultsMagic) || string(b[:8]) != resultsMagic:
		return bad("it begins with %q", b[:min(8, len(b))])
	case len(b) < resultsBytes:
		return resultsHeader{}, fmt.Errorf("%w: it has %d bytes, the header alone %d", ErrTruncated, len(b), resultsBytes)
	}
	sum := e.Uint32(b[resultsBytes-4:])
	got := crc32.Checksum(b[:resultsBytes-4], castagnoli())
	order, version := e.Uint32(b[12:]), e.Uint32(b[8:])
	switch {
	case order != resultsOrder && order == 0x04030201:
		return bad("it was written by a machine of the other byte order")
	case got != sum && version != resultsVersion:
		return resultsHeader{}, fmt.Errorf("%w (%w: header checksum %#x, want %#x): version %d, want %d",
			ErrVersion, ErrCorrupt, got, sum, version, resultsVersion)
	case got != sum:
		return resultsHeader{}, fmt.Errorf("%w: %w: header checksum %#x, want %#x", ErrNotResults, ErrCorrupt, got, sum)
	case order != resultsOrder:
		return bad("byte-order mark %#x, want %#x", order, resultsOrder)
	case version != resultsVersion:
		return resultsHeader{}, fmt.Errorf("%w: version %d, want %d", ErrVersion, version, resultsVersion)
	}
	h := resultsHeader{
		extentSize: int64(e.Uint64(b[32:])),
		created:    time.Unix(0, int64(e.Uint64(b[40:]))),
		id:         fileID(b[48:64]),
	}
	if h.extentSize < grain || h.extentSize > maxExtentSize || h.extentSize%grain != 0 {
		return bad("extents of %d bytes", h.extentSize)
	}
	if e.Uint32(b[16:]) != resultsBytes || e.Uint32(b[20:]) != grain ||
		e.Uint32(b[24:]) != extentHeadBytes || e.Uint32(b[28:]) != resultHead {
		return bad("a layout that version %d does not have", version)
	}
	return h, nil
}

// readResultsHeader reads with a system call, not through a mapping: this is
// the first look at a file that may be anything.
func readResultsHeader(f *os.File) (resultsHeader, error) {
	b := make([]byte, resultsBytes)
	n, err := f.ReadAt(b, 0)
	if err != nil && !errors.Is(err, io.EOF) {
		return resultsHeader{}, err
	}
	return decodeResultsHeader(b[:n])
}

// neverMade says whether a file is what is left of one whose maker died before
// it wrote the header: zeros, no more than the area around the header. A foreign
// file of that kind holds nothing that could be lost.
func neverMade(f *os.File, size int64) (bool, error) {
	if size == 0 {
		return true, nil
	}
	if size > resultsBase || size%resultsBytes != 0 {
		return false, nil
	}
	b := make([]byte, size)
	if _, err := f.ReadAt(b, 0); err != nil {
		return false, err
	}
	for _, c := range b {
		if c != 0 {
			return false, nil
		}
	}
	return true, nil
}
