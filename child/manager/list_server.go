package manager

import (
	"bytes"
	"encoding/binary"
	"fmt"
	"slices"
	"sync"

	"yunta/ipc"
)

// Methods of a list. An array has those that keep its length.
const (
	listGet byte = iota
	listSet
	listLen
	listSlice
	listSetSlice
	listIndex
	listCount
	listAdd
	listSwap
	listApply
	listReverse
	listSort
	listExtend
	listInsert
	listPop
	listRemove
	listDelete
	listRepeat
	listClear
)

// list is a List's or an Array's object: encoded values.
type list struct {
	kind string

	mu    sync.Mutex // guards items
	items [][]byte   // each is replaced, and never written into
}

func newList(kind string, q *request) *list {
	return &list{kind: kind, items: copies(&q.in)}
}

// copies takes a counted sequence of values out of a request.
func copies(in *reader) [][]byte {
	n := in.count()
	out := make([][]byte, 0, n)
	for range n {
		b := in.bytes()
		if in.bad {
			return nil
		}
		out = append(out, bytes.Clone(b))
	}
	return out
}

func (l *list) delete() error { return nil }

// at is the place of item i; below 0 it counts from the end.
func (l *list) at(i int) (int, error) {
	n := i
	if n < 0 {
		n += len(l.items)
	}
	if n < 0 || n >= len(l.items) {
		return 0, fmt.Errorf("%w: %d of %d items", ipc.ErrIndex, i, len(l.items))
	}
	return n, nil
}

// clip is a place between items, as Python's slices have it: beyond the ends is at the ends.
func (l *list) clip(i int) int {
	if i < 0 {
		i = max(i+len(l.items), 0)
	}
	return min(i, len(l.items))
}

func (l *list) call(q *request) error {
	if q.method == listApply && q.ctx == nil {
		return errWait // code of the program's own
	}
	l.mu.Lock()
	defer l.mu.Unlock()
	in := &q.in
	switch q.method {
	case listLen:
		q.out = binary.AppendVarint(q.out, int64(len(l.items)))
	case listSlice:
		from, to := l.clip(in.int()), l.clip(in.int())
		q.out = appendAll(q.out, l.items[from:max(from, to)])
	case listSetSlice:
		from, items := in.int(), copies(in)
		if from < 0 || from > len(l.items) || len(items) > len(l.items)-from {
			return fmt.Errorf("%w: %d items from %d on, of %d", ipc.ErrIndex, len(items), from, len(l.items))
		}
		copy(l.items[from:], items)
	case listIndex, listCount, listRemove:
		return l.look(q)
	case listReverse:
		slices.Reverse(l.items)
	case listSort:
		items := slices.Clone(l.items)
		if err := sortItems(in.byte(), items, in.bool()); err != nil {
			return err
		}
		l.items = items
	case listGet, listSet, listAdd, listSwap, listApply:
		return l.one(q)
	default:
		if l.kind == kindArray {
			return ErrNoMethod
		}
		return l.grow(q)
	}
	return nil
}

// one carries out what concerns the item in one place.
func (l *list) one(q *request) error {
	in := &q.in
	i, err := l.at(in.int())
	if err != nil {
		return err
	}
	next := l.items[i]
	switch q.method {
	case listGet:
		q.out = append(q.out, next...)
		return nil
	case listSet:
		next = bytes.Clone(in.rest())
	case listAdd:
		next, err = addNumbers(in.byte(), next, in.rest())
		q.out = append(q.out, next...)
	case listSwap:
		same := sameValue(in.bytes(), next)
		q.out = appendBool(q.out, same)
		if same {
			next = bytes.Clone(in.rest())
		}
	case listApply:
		next, err = applyUpdate(q.ctx, in.text(), next, in.rest())
		q.out = append(q.out, next...)
	}
	if err == nil && !in.bad {
		l.items[i] = next
	}
	return err
}

// look searches for a value.
func (l *list) look(q *request) error {
	want := q.in.rest()
	same := func(b []byte) bool { return sameValue(want, b) }
	if q.method == listCount {
		n := 0
		for _, b := range l.items {
			if same(b) {
				n++
			}
		}
		q.out = binary.AppendVarint(q.out, int64(n))
		return nil
	}
	if l.kind == kindArray && q.method == listRemove {
		return ErrNoMethod
	}
	i := slices.IndexFunc(l.items, same)
	if i < 0 {
		return ipc.ErrNoItem
	}
	if q.method == listRemove {
		l.items = slices.Delete(l.items, i, i+1)
		return nil
	}
	q.out = binary.AppendVarint(q.out, int64(i))
	return nil
}

// grow carries out what changes the length.
func (l *list) grow(q *request) error {
	in := &q.in
	switch q.method {
	case listExtend:
		l.items = append(l.items, copies(in)...)
	case listInsert:
		i := l.clip(in.int())
		l.items = slices.Insert(l.items, i, bytes.Clone(in.rest()))
	case listPop:
		i, err := l.at(in.int())
		if err != nil {
			return err
		}
		q.out = append(q.out, l.items[i]...)
		l.items = slices.Delete(l.items, i, i+1)
	case listDelete:
		from, to := l.clip(in.int()), l.clip(in.int())
		l.items = slices.Delete(l.items, from, max(from, to))
	case listRepeat:
		n := max(in.int(), 0)
		if n > 0 && len(l.items) > maxItems/n {
			return fmt.Errorf("%w: %d items %d times", ipc.ErrTooLarge, len(l.items), n)
		}
		l.items = slices.Repeat(l.items, n)
	case listClear:
		l.items = nil
	default:
		return ErrNoMethod
	}
	return nil
}

// maxItems bounds what one short request can make of a list.
const maxItems = 1 << 28
