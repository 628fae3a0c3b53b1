package wordcount

import (
	"cmp"
	"encoding/binary"
	"errors"
	"slices"
	"strings"
	"sync"
)

// ErrDamaged says that packed counts cannot be read.
var ErrDamaged = errors.New("wordcount: packed counts are damaged")

// A Tally says how often each word was seen. The zero value is empty and ready for use.
type Tally struct {
	index map[string]uint32
	words []Word
	total int64
}

// A Word is one word and how often it was seen.
type Word struct {
	Word  string `json:"word"`
	Count int64  `json:"count"`
}

// tallies keeps emptied ones: a batch fills about as many places as the one before it.
var tallies = sync.Pool{New: func() any { return new(Tally) }}

// Reset empties t and keeps its memory.
func (t *Tally) Reset() {
	clear(t.index)
	clear(t.words)
	t.words, t.total = t.words[:0], 0
}

// Add counts word n times more. It keeps no reference to word.
func (t *Tally) Add(word []byte, n int64) {
	t.total += n
	if i, seen := t.index[string(word)]; seen {
		t.words[i].Count += n
		return
	}
	if t.index == nil {
		t.index = make(map[string]uint32)
	}
	w := string(word)
	t.index[w] = uint32(len(t.words))
	t.words = append(t.words, Word{w, n})
}

// Total is the number of words seen.
func (t *Tally) Total() int64 { return t.total }

// Distinct is the number of different words seen.
func (t *Tally) Distinct() int { return len(t.words) }

// Top returns the n most frequent words, ties in the order of their bytes.
func (t *Tally) Top(n int) []Word {
	order := func(a, b Word) int {
		return cmp.Or(cmp.Compare(b.Count, a.Count), strings.Compare(a.Word, b.Word))
	}
	if n >= len(t.words) {
		return slices.SortedFunc(slices.Values(t.words), order)
	}
	top := make([]Word, 0, n+1)
	for _, w := range t.words {
		if len(top) == n && (n == 0 || order(top[n-1], w) < 0) {
			continue
		}
		i, _ := slices.BinarySearchFunc(top, w, order)
		top = slices.Insert(top, i, w)
		top = top[:min(n, len(top))]
	}
	return top
}

// AppendPacked appends t's counts to dst: for each word the length of its text as a varint, the text, and the count as a varint.
// This is a fraction of the time and space of a map sent key by key.
func (t *Tally) AppendPacked(dst []byte) []byte {
	for _, w := range t.words {
		dst = binary.AppendUvarint(dst, uint64(len(w.Word)))
		dst = append(dst, w.Word...)
		dst = binary.AppendUvarint(dst, uint64(w.Count))
	}
	return dst
}

// Merge adds packed counts to t. Damaged ones are added up to the damage, with [ErrDamaged].
func (t *Tally) Merge(packed []byte) error {
	for len(packed) > 0 {
		length, n := binary.Uvarint(packed)
		if n <= 0 || length > uint64(len(packed)-n) {
			return ErrDamaged
		}
		word := packed[n : n+int(length)]
		packed = packed[n+int(length):]
		count, n := binary.Uvarint(packed)
		if n <= 0 || int64(count) < 0 {
			return ErrDamaged
		}
		packed = packed[n:]
		t.Add(word, int64(count))
	}
	return nil
}
