package ipc

import (
	"encoding/binary"
	"fmt"
	"hash/crc32"
	"os"
	"path/filepath"
	"sync"
)

// The header, all numbers in the byte order of the machine, since mapped words
// behind it are too:
//
//	offset  size  meaning
//	0       8     "yuntaext"
//	8       4     version
//	12      4     byte-order mark 0x01020304
//	16      8     size of the caller's area, which begins at 64 KiB
//	24      8     usual size of an extent
//	32      4     budget
//	36      4     length of the folder's path
//	40      16    random name of the lock and the semaphore, in hexadecimal
//	56      ...   the folder's path
//	4092    4     CRC-32C of all before
//
// Then, each at a multiple of 64 KiB: the area, the table (see entry), the
// extents in the order in which they were made.
const (
	headerMagic   = "yuntaext"
	headerVersion = 1
	headerOrder   = 0x01020304
	headerBytes   = 4096
	headerSize    = grain
	maxDir        = headerBytes - 4 - 56
)

type header struct {
	areaSize   int64
	extentSize int64
	budget     uint32
	id         string
	dir        string
}

func (h *header) tableOff() int64 { return headerSize + (h.areaSize+grain-1)&^(grain-1) }

// base is where the first extent begins.
func (h *header) base() int64 { return h.tableOff() + tableSize }

func (h *header) lockPath() string   { return filepath.Join(h.dir, "extents-"+h.id+".lock") }
func (h *header) permitPath() string { return filepath.Join(h.dir, "extents-"+h.id+".permits") }

// castagnoli is made when it is first needed, which takes 150 us: no writer
// should pay for it at its start. See [headerSum].
var castagnoli = sync.OnceValue(func() *crc32.Table { return crc32.MakeTable(crc32.Castagnoli) })

// headerSum is the CRC-32C of one header, by a table that is made in 2 us.
func headerSum(b []byte) uint32 {
	var table [256]uint32
	for i := range table {
		v := uint32(i)
		for range 8 {
			v = v>>1 ^ crc32.Castagnoli*(v&1)
		}
		table[i] = v
	}
	sum := ^uint32(0)
	for _, c := range b {
		sum = table[byte(sum)^c] ^ sum>>8
	}
	return ^sum
}

func (h *header) encode() []byte {
	b := make([]byte, headerBytes)
	e := binary.NativeEndian
	copy(b, headerMagic)
	e.PutUint32(b[8:], headerVersion)
	e.PutUint32(b[12:], headerOrder)
	e.PutUint64(b[16:], uint64(h.areaSize))
	e.PutUint64(b[24:], uint64(h.extentSize))
	e.PutUint32(b[32:], h.budget)
	e.PutUint32(b[36:], uint32(len(h.dir)))
	copy(b[40:56], h.id)
	copy(b[56:headerBytes-4], h.dir)
	e.PutUint32(b[headerBytes-4:], headerSum(b[:headerBytes-4]))
	return b
}

// readHeader reads with a system call, not through a mapping: this is the first
// look at a file that may be anything.
func readHeader(f *os.File) (header, error) {
	bad := func(format string, args ...any) (header, error) {
		return header{}, fmt.Errorf("%w: not a file of extents: %s", ErrCorrupt, fmt.Sprintf(format, args...))
	}
	fi, err := f.Stat()
	if err != nil {
		return header{}, fmt.Errorf("ipc: extents: %w", err)
	}
	if fi.Size() < headerBytes {
		return bad("it has %d bytes", fi.Size())
	}
	b := make([]byte, headerBytes)
	if _, err := f.ReadAt(b, 0); err != nil {
		return header{}, fmt.Errorf("ipc: extents: %w", err)
	}
	e := binary.NativeEndian
	if string(b[:8]) != headerMagic {
		return bad("it begins with %q", b[:8])
	}
	if order := e.Uint32(b[12:]); order != headerOrder {
		return bad("byte-order mark %#x, want %#x", order, headerOrder)
	}
	if version := e.Uint32(b[8:]); version != headerVersion {
		return bad("version %d, want %d", version, headerVersion)
	}
	if got, want := headerSum(b[:headerBytes-4]), e.Uint32(b[headerBytes-4:]); got != want {
		return bad("checksum %#x, want %#x", got, want)
	}
	h := header{
		areaSize:   int64(e.Uint64(b[16:])),
		extentSize: int64(e.Uint64(b[24:])),
		budget:     e.Uint32(b[32:]),
		id:         string(b[40:56]),
	}
	n := e.Uint32(b[36:])
	switch {
	case n == 0 || n > maxDir:
		return bad("a path of %d bytes", n)
	case h.areaSize < 0 || h.areaSize > maxExtentSize:
		return bad("an area of %d bytes", h.areaSize)
	case h.extentSize < grain || h.extentSize > maxExtentSize || h.extentSize%grain != 0:
		return bad("extents of %d bytes", h.extentSize)
	case h.budget == 0 || h.budget > maxExtents/2:
		return bad("a budget of %d", h.budget)
	case fi.Size() < h.base():
		return bad("it has %d bytes, want %d at least", fi.Size(), h.base())
	}
	h.dir = string(b[56 : 56+n])
	if !filepath.IsAbs(h.dir) || filepath.Base(h.id) != h.id {
		return bad("lock %q in %q", h.id, h.dir)
	}
	return h, nil
}
