package ipc

import (
	"encoding/binary"
	"math"
	"strings"
	"unsafe"
)

func strHead(n int) int {
	switch {
	case n < 32:
		return 1
	case n <= math.MaxUint8:
		return 2
	case n <= math.MaxUint16:
		return 3
	default:
		return 5
	}
}

func binHead(n int) int {
	switch {
	case n <= math.MaxUint8:
		return 2
	case n <= math.MaxUint16:
		return 3
	default:
		return 5
	}
}

// appendString reports false for a string whose length msgpack cannot say.
func appendString(dst []byte, s string) ([]byte, bool) {
	n := len(s)
	switch {
	case n < 32:
		dst = append(dst, fixStr|byte(n))
	case n <= math.MaxUint8:
		dst = append(dst, codeStr8, byte(n))
	case n <= math.MaxUint16:
		dst = append(dst, codeStr16, byte(n>>8), byte(n))
	case uint64(n) <= math.MaxUint32:
		dst = binary.BigEndian.AppendUint32(append(dst, codeStr32), uint32(n))
	default:
		return dst, false
	}
	return append(dst, s...), true
}

func appendBytes(dst, b []byte) ([]byte, bool) {
	n := len(b)
	switch {
	case b == nil:
		return append(dst, codeNil), true
	case n <= math.MaxUint8:
		dst = append(dst, codeBin8, byte(n))
	case n <= math.MaxUint16:
		dst = append(dst, codeBin16, byte(n>>8), byte(n))
	case uint64(n) <= math.MaxUint32:
		dst = binary.BigEndian.AppendUint32(append(dst, codeBin32), uint32(n))
	default:
		return dst, false
	}
	return append(dst, b...), true
}

// readString returns the bytes of the string or binary at src[i], aliasing
// src; both forms do for both types, as older Python peers know only one.
func readString(src []byte, i int) (b []byte, next int, st status) {
	if i >= len(src) {
		return nil, i, statusShort
	}
	c := src[i]
	i++
	var size int
	switch {
	case c&0xe0 == fixStr:
		size = int(c & 0x1f)
	case c == codeStr8 || c == codeBin8:
		h := cut(src, i, 1)
		if h == nil {
			return nil, i, statusShort
		}
		size = int(h[0])
		i++
	case c == codeStr16 || c == codeBin16:
		h := cut(src, i, 2)
		if h == nil {
			return nil, i, statusShort
		}
		size = int(binary.BigEndian.Uint16(h))
		i += 2
	case c == codeStr32 || c == codeBin32:
		h := cut(src, i, 4)
		if h == nil {
			return nil, i, statusShort
		}
		// As uint32 first: an int may have 32 bits.
		n := binary.BigEndian.Uint32(h)
		i += 4
		if uint64(n) > uint64(len(src)-i) {
			return nil, i, statusShort
		}
		size = int(n)
	default:
		return nil, i, statusCode
	}
	if len(src)-i < size {
		return nil, i, statusShort
	}
	return src[i : i+size], i + size, statusOK
}

func decodeStrings(src []byte, dst []string) (n, i int, st status) {
	for n < len(dst) {
		b, next, st := readString(src, i)
		if st != statusOK {
			return n, i, st
		}
		dst[n] = string(b)
		i = next
		n++
	}
	return n, i, statusOK
}

func decodeByteSlices(src []byte, dst [][]byte) (n, i int, st status) {
	for n < len(dst) {
		if i < len(src) && src[i] == codeNil {
			dst[n] = nil
			i++
			n++
			continue
		}
		b, next, st := readString(src, i)
		if st != statusOK {
			return n, i, st
		}
		c := make([]byte, len(b)) // with nothing between these two lines it is not cleared first
		copy(c, b)
		dst[n] = c
		i = next
		n++
	}
	return n, i, statusOK
}

// DecodeInPieces is Decode for a value so large that src should not stay in
// memory as long as the copy grows: a string or a byte slice is copied piece
// bytes at a time, and passed is told after each how many bytes of src, counted
// from its start, will not be read again. Other types are decoded at once.
func (c *Codec[T]) DecodeInPieces(src []byte, piece int, passed func(n int)) (v T, rest []byte, err error) {
	if c.plan.shape != shapeString && c.plan.shape != shapeBytes {
		return c.Decode(src)
	}
	from, next, st := readString(src, 0)
	if st != statusOK {
		return c.Decode(src) // nil, or the error
	}
	// A Builder's memory is not cleared before it is written.
	var b strings.Builder
	b.Grow(len(from))
	head := next - len(from)
	for at := 0; at < len(from); {
		to := min(at+max(piece, 1), len(from))
		b.Write(from[at:to])
		at = to
		passed(head + at)
	}
	s := b.String()
	if c.plan.shape == shapeString {
		*(*string)(unsafe.Pointer(&v)) = s // T's kind is string
		return v, src[next:], nil
	}
	// Nobody else has the string: its memory is as good as that of a slice.
	data := unsafe.Slice(unsafe.StringData(s), len(s))
	if len(s) == 0 {
		data = []byte{}
	}
	*(*[]byte)(unsafe.Pointer(&v)) = data // T is a slice of bytes
	return v, src[next:], nil
}
