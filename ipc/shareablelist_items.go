package ipc

import (
	"bytes"
	"encoding/binary"
	"fmt"
	"math"

	"yunta/oslock/mapped"
)

// At returns item i; i below 0 counts from the end. One that is not there is [ErrIndex].
func (l *ShareableList) At(i int) (v any, err error) {
	err = l.use(i, func(i int) error {
		v, err = l.item(i)
		return err
	})
	return v, err
}

// Set replaces item i; i below 0 counts from the end. What has no room is [ErrTooLarge], what is no item [ErrItem].
func (l *ShareableList) Set(i int, v any) error {
	kind, data, err := itemOf(v)
	if err != nil {
		return err
	}
	return l.use(i, func(i int) error {
		at, room, err := l.place(i)
		if err != nil {
			return err
		}
		if len(data) > room {
			return fmt.Errorf("%w: item %d of %d bytes exceeds its room of %d", ErrTooLarge, i, len(data), room)
		}
		l.write(i, at, kind, data)
		return nil
	})
}

// Room returns how many bytes a string or []byte may have as item i.
func (l *ShareableList) Room(i int) (n int, err error) {
	err = l.use(i, func(i int) error {
		_, n, err = l.place(i)
		return err
	})
	return n, err
}

// Count returns how many items are equal to v. As in Python a number is equal to the same number of another type, and
// true to 1.
func (l *ShareableList) Count(v any) (n int, err error) {
	err = l.each(v, func(int) bool { n++; return true })
	return n, err
}

// Index returns the number of the first item that is equal to v, as Count has it, and [ErrNoItem] if there is none.
func (l *ShareableList) Index(v any) (int, error) {
	at := -1
	if err := l.each(v, func(i int) bool { at = i; return false }); err != nil {
		return 0, err
	}
	if at < 0 {
		return 0, fmt.Errorf("%w: %v is not in the list", ErrNoItem, v)
	}
	return at, nil
}

// Items returns all items.
func (l *ShareableList) Items() ([]any, error) {
	out := make([]any, 0, l.n)
	for i := range l.n {
		v, err := l.At(i)
		if err != nil {
			return nil, err
		}
		out = append(out, v)
	}
	return out, nil
}

// each calls f with the numbers of the items that are equal to v.
func (l *ShareableList) each(v any, f func(i int) bool) error {
	if _, _, err := itemOf(v); err != nil {
		return err
	}
	for i := range l.n {
		item, err := l.At(i)
		if err != nil {
			return err
		}
		if equalItems(item, v) && !f(i) {
			return nil
		}
	}
	return nil
}

func equalItems(a, b any) bool {
	if x, ok := a.([]byte); ok {
		y, ok := b.([]byte)
		return ok && bytes.Equal(x, y)
	}
	if x, ok := number(a); ok {
		y, ok := number(b)
		return ok && x == y
	}
	_, isBytes := b.([]byte) // which must not be compared
	return !isBytes && a == b
}

// number returns what two numbers are compared as: an int64, or a float64 that is none.
func number(v any) (any, bool) {
	switch v := v.(type) {
	case bool:
		if v {
			return int64(1), true
		}
		return int64(0), true
	case float32:
		return number(float64(v))
	case float64:
		// 2^63 is a float64, and the first that is no int64.
		if n := int64(v); v >= -1<<63 && v < 1<<63 && float64(n) == v {
			return n, true
		}
		return v, true
	}
	n, ok := asInt64(v)
	return n, ok
}

// use checks the index and calls f where a fault is an error.
func (l *ShareableList) use(i int, f func(i int) error) error {
	if i < 0 {
		i += l.n
	}
	if i < 0 || i >= l.n {
		return fmt.Errorf("%w: %d in a list of %d", ErrIndex, i, l.n)
	}
	if l.memory.Bytes() == nil {
		return fmt.Errorf("%w: the shareable list", ErrClosed)
	}
	return mapped.Guard(func() error { return f(i) })
}

func (l *ShareableList) placeOf(i int) int { return shareableHead + i*shareableEntry }
func (l *ShareableList) headOf(i int) int  { return shareableHead + (l.n+i)*shareableEntry }

func (l *ShareableList) word(at int) uint64 { return binary.NativeEndian.Uint64(l.memory.Bytes()[at:]) }

func (l *ShareableList) put(at int, v uint64) {
	binary.NativeEndian.PutUint64(l.memory.Bytes()[at:], v)
}

// place returns where the data of item i lies, checked: any process may have written there.
func (l *ShareableList) place(i int) (at, room int, err error) {
	a, r, size := l.word(l.placeOf(i)), l.word(l.placeOf(i)+8), uint64(l.memory.Size())
	if a > size || r > size-a || r < shareableAlign {
		return 0, 0, fmt.Errorf("%w: item %d lies at %d, %d bytes, in a segment of %d", ErrCorrupt, i, a, r, size)
	}
	return int(a), int(r), nil
}

// write is that of an item which has room.
func (l *ShareableList) write(i, at int, kind uint64, data []byte) {
	copy(l.memory.Bytes()[at:], data)
	l.put(l.headOf(i), kind)
	l.put(l.headOf(i)+8, uint64(len(data)))
}

func (l *ShareableList) item(i int) (any, error) {
	at, room, err := l.place(i)
	if err != nil {
		return nil, err
	}
	kind, n := l.word(l.headOf(i)), l.word(l.headOf(i)+8)
	if n > uint64(room) {
		return nil, fmt.Errorf("%w: item %d of %d bytes in a room of %d", ErrCorrupt, i, n, room)
	}
	switch kind {
	case itemNil:
		return nil, nil
	case itemBool:
		return l.word(at) != 0, nil
	case itemInt:
		return int(int64(l.word(at))), nil
	case itemFloat:
		return math.Float64frombits(l.word(at)), nil
	case itemString:
		return string(l.memory.Bytes()[at : at+int(n)]), nil
	case itemBytes:
		return bytes.Clone(l.memory.Bytes()[at : at+int(n) : at+int(n)]), nil
	}
	return nil, fmt.Errorf("%w: item %d is of kind %d", ErrCorrupt, i, kind)
}
