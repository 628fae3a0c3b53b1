package oslock

import (
	"encoding/binary"
	"fmt"
)

// A file of this package, in the machine's byte order:
//
//	offset  size  meaning
//	0       8     "yuntalck", stored last: without it the file is not finished
//	8       4     0x01020304
//	12      2     version of the format
//	14      1     kind: 1 lock, 2 semaphore, 3 semaphore with undo, 4 read-write lock, 5 condition,
//	              6 event, 7 barrier
//	15      1     1: bounded
//	16      16    identity of the member registry whose numbers stand in the file; zero: none do
//	32      4     size of the file
//	36      4     initial value of a semaphore, parties of a barrier
//	40      24    zero
//	64      8     the word (8 bytes of a semaphore with undo, 4 of all others): the cache line is its own
//	72      4     of a lock: how many dead owners there were
//	128     4     with undo, and of a read-write lock: rows ever used; all rows in use are below
//	4096    8     with undo, and of a read-write lock: row 0
//	...           rows 1 to 4095
//
// The rest of a read-write lock is told in rwlock_word.go, of a condition in condition_table.go, of a
// barrier in barrier_state.go.
const (
	fileMagic   = "yuntalck"
	fileVersion = 1
	headerSize  = 64

	offID     = 16
	offWord   = 64
	offDeaths = 72
	offRows   = 4096

	smallSize = 128
	undoSize  = offRows + slots*8
)

type fileKind uint8

const (
	kindLock fileKind = 1 + iota
	kindSemaphore
	kindUndo
	kindRW
	kindCondition
	kindEvent
	kindBarrier
)

// names reports whether members' numbers stand in files of the kind.
func (k fileKind) names() bool { return k != kindSemaphore && k != kindEvent }

func (k fileKind) String() string {
	switch k {
	case kindLock:
		return "lock"
	case kindSemaphore:
		return "semaphore"
	case kindUndo:
		return "semaphore with undo"
	case kindRW:
		return "read-write lock"
	case kindCondition:
		return "condition"
	case kindEvent:
		return "event"
	case kindBarrier:
		return "barrier"
	}
	return fmt.Sprintf("kind %d", uint8(k))
}

// header is what the first 64 bytes say.
type header struct {
	kind    fileKind
	bounded bool
	id      registryID
	initial uint32
	// mustExist is no part of the file: it says that none shall be made.
	mustExist bool
}

// size is how long a file of the header's kind is.
func (h *header) size() int {
	switch h.kind {
	case kindUndo, kindRW:
		return undoSize
	case kindCondition:
		return conditionSize
	case kindBarrier:
		return barrierSize(int(h.initial))
	}
	return smallSize
}

func (h *header) String() string {
	if h.bounded {
		return "bounded " + h.kind.String()
	}
	if h.kind == kindBarrier {
		return fmt.Sprintf("barrier of %d", h.initial)
	}
	return h.kind.String()
}

// encode returns the 64 bytes, magic and all.
func (h *header) encode() []byte {
	b := make([]byte, headerSize)
	copy(b, fileMagic)
	binary.NativeEndian.PutUint32(b[8:], byteOrderMark)
	binary.NativeEndian.PutUint16(b[12:], fileVersion)
	b[14] = byte(h.kind)
	if h.bounded {
		b[15] = 1
	}
	copy(b[offID:], h.id[:])
	binary.NativeEndian.PutUint32(b[32:], uint32(h.size()))
	binary.NativeEndian.PutUint32(b[36:], h.initial)
	return b
}

// decodeHeader reads what a file of size bytes starts with; b is that start, as much of 64 bytes as there
// is. The content may be anybody's.
func decodeHeader(b []byte, size int64) (header, error) {
	if len(b) < len(fileMagic) || string(b[:8]) != fileMagic {
		return header{}, ErrNotOurs
	}
	if len(b) < headerSize {
		return header{}, fmt.Errorf("%w: %d bytes", ErrDamaged, size)
	}
	if binary.NativeEndian.Uint32(b[8:]) != byteOrderMark {
		return header{}, fmt.Errorf("%w: made by a machine of another byte order", ErrNotOurs)
	}
	if v := binary.NativeEndian.Uint16(b[12:]); v != fileVersion {
		return header{}, fmt.Errorf("%w: %d, want %d", ErrVersion, v, fileVersion)
	}
	h := header{
		kind:    fileKind(b[14]),
		bounded: b[15]&1 != 0,
		id:      registryID(b[offID : offID+16]),
		initial: binary.NativeEndian.Uint32(b[36:]),
	}
	want := int64(binary.NativeEndian.Uint32(b[32:]))
	switch {
	case h.kind < kindLock || h.kind > kindBarrier, h.kind == kindBarrier && h.initial > maxParties, want != int64(h.size()):
		return header{}, fmt.Errorf("%w: %v of %d bytes", ErrDamaged, h.kind, want)
	case size != want:
		return header{}, fmt.Errorf("%w: %d bytes, want %d", ErrDamaged, size, want)
	}
	return h, nil
}

// unfinished reports whether a file is what a maker leaves who dies over it: empty, or of full size
// with nothing in it but perhaps the header it was about to finish.
func (h *header) unfinished(b []byte, size int64) bool {
	if size == 0 {
		return true
	}
	if size != int64(h.size()) || len(b) < headerSize || [8]byte(b[:8]) != [8]byte{} {
		return false
	}
	// All zero, or the maker's own header but for the registry.
	mark := binary.NativeEndian.Uint32(b[8:])
	return mark == byteOrderMark || [headerSize]byte(b) == [headerSize]byte{}
}
