package ipc

import (
	"encoding/binary"
	"errors"
	"fmt"
	"iter"
	"math"
	"strings"

	"github.com/vmihailenco/msgpack/v5"

	"yunta/oslock/mapped"
)

// Sentinel errors of a ShareableList.
var (
	// ErrIndex says that a list has no item of that number. Python: IndexError.
	ErrIndex = errors.New("ipc: index out of range")
	// ErrItem refuses an item of a type that a list cannot hold.
	ErrItem = errors.New("ipc: not an item of a shareable list")
	// ErrNoItem says that no item is equal to the one asked for. Python: ValueError.
	ErrNoItem = errors.New("ipc: no such item")
)

// ShareableList is a list in shared memory, of a number of items fixed when it is made: Python's
// multiprocessing.shared_memory.ShareableList. Items are nil, bool, int (and the other integers that fit into an int64),
// float64, string and []byte, mixed as one likes; what was put in as an integer of any type comes out as an int.
//
// An item can be replaced by one of another type, where it lies. The room that a string or []byte has is fixed, too: its
// length when the list was made, rounded up to the next multiple of 8 above it; the others have 8 bytes. What is longer is
// an error that wraps [ErrTooLarge], and changes nothing. Lengths are kept: unlike in Python, zero bytes at an item's end
// stay.
//
// An index below 0 counts from the end. Items are read and written without a lock, as in Python: who reads a string that
// another process is replacing may see some of both. Guard the list by a lock (package oslock) where that matters.
//
// The segment is a [SharedMemory]'s: it exists until Unlink, or until its maker ends. A list can be part of any
// value that is sent to another process of this machine: it travels as a handle of two paths, however long it is, and what
// arrives is the same memory. One that was removed meanwhile is an error that wraps fs.ErrNotExist there.
type ShareableList struct {
	memory *SharedMemory
	n      int
}

// The layout, version 1, in the machine's byte order:
//
//	offset  size  meaning
//	0       8     "yuntaSL1"
//	8       8     number of items
//	16      16n   the items' places: offset of the data from the start (8), its room in bytes (8)
//	16+16n  16n   the items' heads: kind (8), length in bytes (8)
//	...           the data, each at a multiple of 8
const (
	shareableMagic = "yuntaSL1"
	shareableHead  = 16
	shareableEntry = 16
	shareableAlign = 8
)

// Kinds of items.
const (
	itemNil = iota
	itemBool
	itemInt
	itemFloat
	itemString
	itemBytes
)

// itemOf returns an item's kind and data.
func itemOf(v any) (kind uint64, data []byte, err error) {
	word := func(u uint64) []byte { return binary.NativeEndian.AppendUint64(nil, u) }
	switch v := v.(type) {
	case nil:
		return itemNil, nil, nil
	case bool:
		if v {
			return itemBool, word(1), nil
		}
		return itemBool, word(0), nil
	case float64:
		return itemFloat, word(math.Float64bits(v)), nil
	case float32:
		return itemFloat, word(math.Float64bits(float64(v))), nil
	case string:
		return itemString, []byte(v), nil
	case []byte:
		return itemBytes, v, nil
	}
	n, ok := asInt64(v)
	if !ok {
		return 0, nil, fmt.Errorf("%w: a %T", ErrItem, v)
	}
	return itemInt, word(uint64(n)), nil
}

func asInt64(v any) (int64, bool) {
	switch v := v.(type) {
	case int:
		return int64(v), true
	case int8:
		return int64(v), true
	case int16:
		return int64(v), true
	case int32:
		return int64(v), true
	case int64:
		return v, true
	case uint8:
		return int64(v), true
	case uint16:
		return int64(v), true
	case uint32:
		return int64(v), true
	case uint:
		return int64(v), uint64(v) <= math.MaxInt64
	case uint64:
		return int64(v), v <= math.MaxInt64
	}
	return 0, false
}

// roomFor is how many bytes an item of that kind and length gets.
func roomFor(kind uint64, n int) int {
	if kind == itemString || kind == itemBytes {
		return shareableAlign * (n/shareableAlign + 1) // as Python has it
	}
	return shareableAlign
}

// NewShareableList makes a list of the items, in a segment of that name; an empty one is made up. Errors are those of
// [CreateSharedMemory], and [ErrItem].
func NewShareableList(name string, items ...any) (*ShareableList, error) {
	kinds, data, rooms := make([]uint64, len(items)), make([][]byte, len(items)), make([]int, len(items))
	size := shareableHead + 2*shareableEntry*len(items)
	for i, v := range items {
		var err error
		if kinds[i], data[i], err = itemOf(v); err != nil {
			return nil, err
		}
		rooms[i] = roomFor(kinds[i], len(data[i]))
		size += rooms[i]
	}
	m, err := CreateSharedMemory(name, size)
	if err != nil {
		return nil, err
	}
	l := &ShareableList{memory: m, n: len(items)}
	err = mapped.Guard(func() error {
		at := shareableHead + 2*shareableEntry*len(items)
		for i := range items {
			l.put(l.placeOf(i), uint64(at))
			l.put(l.placeOf(i)+8, uint64(rooms[i]))
			l.write(i, at, kinds[i], data[i])
			at += rooms[i]
		}
		l.put(8, uint64(len(items)))
		copy(m.Bytes(), shareableMagic) // last: who opens it sooner finds no list
		return nil
	})
	if err != nil {
		return nil, errors.Join(err, m.Close(), m.Unlink())
	}
	return l, nil
}

// OpenShareableList opens the list of that name, as [OpenSharedMemory] does a segment. A segment that is no list is
// [ErrCorrupt].
func OpenShareableList(name string) (*ShareableList, error) {
	m, err := OpenSharedMemory(name)
	if err != nil {
		return nil, err
	}
	return openList(m)
}

// OpenShareableListHandle opens the list that [ShareableList.Handle] stands for.
func OpenShareableListHandle(h Handle) (*ShareableList, error) {
	m, err := OpenSharedMemoryHandle(h)
	if err != nil {
		return nil, err
	}
	return openList(m)
}

// openList looks the memory over: nothing in it is believed later that was not checked here, or is when it is used.
func openList(m *SharedMemory) (*ShareableList, error) {
	l := &ShareableList{memory: m}
	err := mapped.Guard(func() error {
		b := m.Bytes()
		if len(b) < shareableHead || string(b[:8]) != shareableMagic {
			return fmt.Errorf("%w: %s is no shareable list", ErrCorrupt, m.Name())
		}
		n := l.word(8)
		if n > uint64(len(b)-shareableHead)/(2*shareableEntry) {
			return fmt.Errorf("%w: %s, a list of %d items in %d bytes", ErrCorrupt, m.Name(), n, len(b))
		}
		l.n = int(n)
		return nil
	})
	if err != nil {
		return nil, errors.Join(err, m.Close())
	}
	return l, nil
}

// Len returns the number of items.
func (l *ShareableList) Len() int { return l.n }

// Memory returns the segment that the list lies in.
func (l *ShareableList) Memory() *SharedMemory { return l.memory }

// Name returns the name to open the list by.
func (l *ShareableList) Name() string { return l.memory.Name() }

// Handle returns what another process opens the list by.
func (l *ShareableList) Handle() Handle { return l.memory.Handle() }

// Close unmaps the list; later calls are [ErrClosed]. The segment stays.
func (l *ShareableList) Close() error { return l.memory.Close() }

// Unlink removes the list's name; see [SharedMemory.Unlink].
func (l *ShareableList) Unlink() error { return l.memory.Unlink() }

// All yields the items with their numbers, each as it is when its turn comes. It ends early if the list is closed.
func (l *ShareableList) All() iter.Seq2[int, any] {
	return func(yield func(int, any) bool) {
		for i := range l.n {
			v, err := l.At(i)
			if err != nil || !yield(i, v) {
				return
			}
		}
	}
}

// String returns the items and the name, for people.
func (l *ShareableList) String() string {
	var b strings.Builder
	b.WriteString("ShareableList[")
	for i, v := range l.All() {
		if i > 0 {
			b.WriteString(", ")
		}
		switch v.(type) {
		case string, []byte:
			fmt.Fprintf(&b, "%q", v)
		default:
			fmt.Fprint(&b, v)
		}
	}
	fmt.Fprintf(&b, "](%s)", l.Name())
	return b.String()
}

// EncodeMsgpack sends the list's handle.
func (l *ShareableList) EncodeMsgpack(enc *msgpack.Encoder) error { return l.Handle().encode(enc) }

// DecodeMsgpack opens the list that was sent.
func (l *ShareableList) DecodeMsgpack(dec *msgpack.Decoder) error {
	o, err := decodeOpen(dec, l.memory != nil, OpenShareableListHandle)
	if err == nil {
		*l = *o
	}
	return err
}
