package ipc

import (
	"bytes"
	"cmp"
	"fmt"
	"slices"
)

// Ordered reports whether encoding a value of T always gives the same bytes: it
// can hold no map that comes in no order, no interface, and nothing that encodes
// itself. Where it is false, [Canonical] makes the same bytes of values that
// differ only in the order of their maps. What was given to msgpack.Register or
// RegisterExt is trusted to do so by itself.
func (c *Codec[T]) Ordered() bool { return c.plan.shape != shapeOther || !c.plan.loose }

// Canonical appends to dst the one msgpack value that src is, with the pairs of
// every map in it, at any depth, sorted by the bytes of their keys. All else stays
// as it is. Errors wrap [ErrCorrupt]: src ends early or goes on behind the value,
// is nested more than 10000 deep, or is not msgpack. dst is then returned as it
// was; bytes beyond its length may have changed.
func Canonical(dst, src []byte) ([]byte, error) {
	end, _, st := scan(src, 0, nil)
	switch {
	case st == statusShort:
		return dst, fmt.Errorf("%w: input of %d bytes ends inside the value", ErrCorrupt, len(src))
	case st == statusDeep:
		return dst, fmt.Errorf("%w: nested more than %d deep", ErrCorrupt, maxNesting)
	case st != statusOK:
		return dst, fmt.Errorf("%w: the byte %#x at offset %d is not msgpack", ErrCorrupt, src[end], end)
	case end < len(src):
		return dst, fmt.Errorf("%w: %d bytes behind a value of %d", ErrCorrupt, len(src)-end, end)
	}
	var c canonizer
	dst, _ = c.value(dst, src, 0)
	return dst, nil
}

// canonizer rewrites a value that scan has passed.
type canonizer struct {
	pairs   []pair // of all maps around the place, the innermost last
	scratch []byte
}

// pair is one of a map, at offsets in what is written.
type pair struct{ from, value, to int }

// value appends the value at src[i] and returns where the next one begins. It
// calls itself no deeper than scan allows.
func (c *canonizer) value(dst, src []byte, i int) ([]byte, int) {
	size, inner, _, _ := head(src, i)
	dst = append(dst, src[i:i+int(size)]...)
	code := src[i]
	i += int(size)
	if code&0xf0 != fixMap && code != codeMap16 && code != codeMap32 {
		for range inner {
			dst, i = c.value(dst, src, i)
		}
		return dst, i
	}
	first, start := len(c.pairs), len(dst)
	for range inner / 2 {
		p := pair{from: len(dst)}
		dst, i = c.value(dst, src, i)
		p.value = len(dst)
		dst, i = c.value(dst, src, i)
		p.to = len(dst)
		c.pairs = append(c.pairs, p)
	}
	c.sort(dst, start, c.pairs[first:])
	c.pairs = c.pairs[:first]
	return dst, i
}

// sort puts the pairs of a map, which begin at start and end with dst, in order.
// Keys that are the same are told apart by their values.
func (c *canonizer) sort(dst []byte, start int, pairs []pair) {
	order := func(a, b pair) int {
		return cmp.Or(bytes.Compare(dst[a.from:a.value], dst[b.from:b.value]), bytes.Compare(dst[a.value:a.to], dst[b.value:b.to]))
	}
	if slices.IsSortedFunc(pairs, order) {
		return
	}
	slices.SortFunc(pairs, order)
	c.scratch = c.scratch[:0]
	for _, p := range pairs {
		c.scratch = append(c.scratch, dst[p.from:p.to]...)
	}
	copy(dst[start:], c.scratch)
}
