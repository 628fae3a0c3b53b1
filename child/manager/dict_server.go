package manager

import (
	"bytes"
	"encoding/binary"
	"sync"
)

// Methods of a dict.
const (
	dictGet byte = iota
	dictSet
	dictDelete
	dictPop
	dictPopItem
	dictSetDefault
	dictLen
	dictContains
	dictKeys
	dictValues
	dictItems
	dictUpdate
	dictClear
	dictAdd
	dictSwap
	dictApply
)

// dict is a map of encoded keys and values that keeps the order of insertion, as Python's does. It is a Namespace's, too.
type dict struct {
	kind string

	mu      sync.Mutex // guards what follows
	index   map[string]int
	entries []entry // in order, with gaps
}

type entry struct {
	key   string
	value []byte
	gone  bool
}

func newDict(kind string, q *request) *dict {
	d := &dict{kind: kind, index: map[string]int{}}
	d.update(q)
	return d
}

func (d *dict) delete() error { return nil }

// update sets keys and values that are in a request.
func (d *dict) update(q *request) {
	for range q.in.count() {
		key, value := q.in.bytes(), q.in.bytes()
		if q.in.bad {
			return
		}
		d.set(key, value)
	}
}

// set stores a copy.
func (d *dict) set(key, value []byte) {
	value = bytes.Clone(value)
	if i, ok := d.index[string(key)]; ok {
		d.entries[i].value = value
		return
	}
	k := string(key)
	d.index[k] = len(d.entries)
	d.entries = append(d.entries, entry{key: k, value: value})
}

func (d *dict) get(key []byte) ([]byte, bool) {
	i, ok := d.index[string(key)]
	if !ok {
		return nil, false
	}
	return d.entries[i].value, true
}

// remove leaves a gap, and closes all gaps when they are the most.
func (d *dict) remove(key string) {
	i := d.index[key]
	delete(d.index, key)
	d.entries[i] = entry{gone: true}
	for n := len(d.entries); n > 0 && d.entries[n-1].gone; n-- {
		d.entries = d.entries[:n-1]
	}
	const few = 16
	if len(d.entries) <= 2*len(d.index)+few {
		return
	}
	kept := make([]entry, 0, len(d.index))
	for _, e := range d.entries {
		if !e.gone {
			d.index[e.key] = len(kept)
			kept = append(kept, e)
		}
	}
	d.entries = kept
}

func (d *dict) call(q *request) error {
	if q.method == dictApply && q.ctx == nil {
		return errWait // code of the program's own
	}
	d.mu.Lock()
	defer d.mu.Unlock()
	in := &q.in
	switch q.method {
	case dictSet:
		key, value := in.bytes(), in.rest()
		if in.bad {
			return nil
		}
		d.set(key, value)
	case dictLen:
		q.out = binary.AppendVarint(q.out, int64(len(d.index)))
	case dictContains:
		_, ok := d.get(in.rest())
		q.out = appendBool(q.out, ok)
	case dictKeys, dictValues, dictItems:
		d.list(q)
	case dictUpdate:
		d.update(q)
	case dictClear:
		d.index, d.entries = map[string]int{}, nil
	case dictPopItem:
		if len(d.entries) == 0 {
			return ErrKey
		}
		e := d.entries[len(d.entries)-1] // the last is never a gap
		d.remove(e.key)
		q.out = append(appendBytes(q.out, e.key), e.value...)
	case dictSetDefault, dictAdd, dictSwap, dictApply:
		return d.change(q)
	case dictGet, dictDelete, dictPop:
		key := in.rest()
		value, ok := d.get(key)
		if !ok {
			return ErrKey
		}
		if q.method != dictGet {
			d.remove(string(key))
		}
		if q.method != dictDelete {
			q.out = append(q.out, value...)
		}
	default:
		return ErrNoMethod
	}
	return nil
}

// change sets a key to what depends on its value.
func (d *dict) change(q *request) error {
	in := &q.in
	key := in.bytes()
	value, ok := d.get(key)
	var next []byte
	var err error
	switch q.method {
	case dictSetDefault:
		next = in.rest()
		if ok {
			q.out = append(q.out, value...)
			return nil
		}
	case dictAdd:
		kind := in.byte()
		next, err = addNumbers(kind, value, in.rest())
	case dictSwap:
		was, old := in.bool(), in.bytes()
		next = in.rest()
		same := ok == was && (!ok || sameValue(old, value))
		q.out = appendBool(q.out, same)
		if !same || in.bad {
			return nil
		}
		d.set(key, next)
		return nil
	case dictApply:
		name := in.text()
		next, err = applyUpdate(q.ctx, name, value, in.rest())
	}
	if err != nil || in.bad {
		return err
	}
	d.set(key, next)
	q.out = append(q.out, next...)
	return nil
}

func (d *dict) list(q *request) {
	q.out = binary.AppendUvarint(q.out, uint64(len(d.index)))
	for _, e := range d.entries {
		if e.gone {
			continue
		}
		if q.method != dictValues {
			q.out = appendBytes(q.out, e.key)
		}
		if q.method != dictKeys {
			q.out = appendBytes(q.out, e.value)
		}
	}
}
