package ipc

import (
	"encoding/binary"
	"math"
	"slices"
)

type signed interface {
	~int8 | ~int16 | ~int32 | ~int64
}

type unsigned interface {
	~uint8 | ~uint16 | ~uint32 | ~uint64
}

const (
	maxIntSize = 9  // first byte and eight of payload
	intBlock   = 64 // values between two looks at the capacity: 576 bytes at most
)

// isFix says whether n is encoded as one byte: -32 to 127.
func isFix(n int64) bool { return uint64(n+32) < 160 }

func appendInt(dst []byte, n int64) []byte {
	if isFix(n) {
		return append(dst, byte(n))
	}
	if n >= 0 {
		return appendUintWide(dst, uint64(n))
	}
	return appendNegative(dst, n)
}

func appendUint(dst []byte, n uint64) []byte {
	if n <= math.MaxInt8 {
		return append(dst, byte(n))
	}
	return appendUintWide(dst, n)
}

func appendUintWide(dst []byte, n uint64) []byte {
	switch {
	case n <= math.MaxUint8:
		return append(dst, codeUint8, byte(n))
	case n <= math.MaxUint16:
		return append(dst, codeUint16, byte(n>>8), byte(n))
	case n <= math.MaxUint32:
		return append(dst, codeUint32, byte(n>>24), byte(n>>16), byte(n>>8), byte(n))
	default:
		return binary.BigEndian.AppendUint64(append(dst, codeUint64), n)
	}
}

func appendNegative(dst []byte, n int64) []byte {
	switch {
	case n >= math.MinInt8:
		return append(dst, codeInt8, byte(n))
	case n >= math.MinInt16:
		return append(dst, codeInt16, byte(n>>8), byte(n))
	case n >= math.MinInt32:
		return append(dst, codeInt32, byte(n>>24), byte(n>>16), byte(n>>8), byte(n))
	default:
		return binary.BigEndian.AppendUint64(append(dst, codeInt64), uint64(n))
	}
}

func sizeInt(n int64) int {
	if n >= 0 {
		return sizeUint(uint64(n))
	}
	switch {
	case n >= -32:
		return 1
	case n >= math.MinInt8:
		return 2
	case n >= math.MinInt16:
		return 3
	case n >= math.MinInt32:
		return 5
	default:
		return 9
	}
}

func sizeUint(n uint64) int {
	switch {
	case n <= math.MaxInt8:
		return 1
	case n <= math.MaxUint8:
		return 2
	case n <= math.MaxUint16:
		return 3
	case n <= math.MaxUint32:
		return 5
	default:
		return 9
	}
}

// appendInts makes room for a block of values at a time, so that the loop over
// the block need not ask. Where the room left would do for these values but not
// for the largest ones it counts exactly: dst may be the last of a mapped
// extent, and growing would move it to the heap.
func appendInts[I signed](dst []byte, vs []I) []byte {
	for len(vs) > 0 {
		block := vs[:min(len(vs), intBlock)]
		vs = vs[len(block):]
		if cap(dst)-len(dst) < maxIntSize*len(block) {
			need := 0
			for _, v := range block {
				need += sizeInt(int64(v))
			}
			dst = slices.Grow(dst, need)
		}
		n := len(dst)
		buf := dst[:cap(dst)]
		for _, v := range block {
			if x := int64(v); isFix(x) {
				buf[n] = byte(x)
				n++
			} else {
				n = len(appendInt(buf[:n], x))
			}
		}
		dst = buf[:n]
	}
	return dst
}

func appendUints[U unsigned](dst []byte, vs []U) []byte {
	for len(vs) > 0 {
		block := vs[:min(len(vs), intBlock)]
		vs = vs[len(block):]
		if cap(dst)-len(dst) < maxIntSize*len(block) {
			need := 0
			for _, v := range block {
				need += sizeUint(uint64(v))
			}
			dst = slices.Grow(dst, need)
		}
		n := len(dst)
		buf := dst[:cap(dst)]
		for _, v := range block {
			if x := uint64(v); x <= math.MaxInt8 {
				buf[n] = byte(x)
				n++
			} else {
				n = len(appendUintWide(buf[:n], x))
			}
		}
		dst = buf[:n]
	}
	return dst
}

// readInt reads any integer at src[i] and returns it with the index after it.
// wide is true for one above MaxInt64; its bits are then n's.
func readInt(src []byte, i int) (n int64, next int, wide bool, st status) {
	if i >= len(src) {
		return 0, i, false, statusShort
	}
	c := src[i]
	if int8(c) >= -32 {
		return int64(int8(c)), i + 1, false, statusOK
	}
	i++
	switch c {
	case codeUint8, codeInt8:
		b := cut(src, i, 1)
		if b == nil {
			return 0, i, false, statusShort
		}
		n = int64(b[0])
		if c == codeInt8 {
			n = int64(int8(b[0]))
		}
		return n, i + 1, false, statusOK
	case codeUint16, codeInt16:
		b := cut(src, i, 2)
		if b == nil {
			return 0, i, false, statusShort
		}
		n = int64(binary.BigEndian.Uint16(b))
		if c == codeInt16 {
			n = int64(int16(n))
		}
		return n, i + 2, false, statusOK
	case codeUint32, codeInt32:
		b := cut(src, i, 4)
		if b == nil {
			return 0, i, false, statusShort
		}
		n = int64(binary.BigEndian.Uint32(b))
		if c == codeInt32 {
			n = int64(int32(n))
		}
		return n, i + 4, false, statusOK
	case codeUint64, codeInt64:
		b := cut(src, i, 8)
		if b == nil {
			return 0, i, false, statusShort
		}
		n = int64(binary.BigEndian.Uint64(b))
		return n, i + 8, c == codeUint64 && n < 0, statusOK
	}
	return 0, i, false, statusCode
}

// decodeInts fills dst from src. It returns how many it decoded and where the
// next one starts.
func decodeInts[I signed](src []byte, dst []I) (n, i int, st status) {
	for n < len(dst) {
		if i < len(src) && int8(src[i]) >= -32 {
			dst[n] = I(int8(src[i]))
			i++
			n++
			continue
		}
		v, next, wide, st := readInt(src, i)
		if st != statusOK {
			return n, i, st
		}
		if wide || int64(I(v)) != v {
			return n, i, statusRange
		}
		dst[n] = I(v)
		i = next
		n++
	}
	return n, i, statusOK
}

func decodeUints[U unsigned](src []byte, dst []U) (n, i int, st status) {
	for n < len(dst) {
		if i < len(src) && src[i] <= math.MaxInt8 {
			dst[n] = U(src[i])
			i++
			n++
			continue
		}
		v, next, wide, st := readInt(src, i)
		if st != statusOK {
			return n, i, st
		}
		if v < 0 && !wide || uint64(U(v)) != uint64(v) {
			return n, i, statusRange
		}
		dst[n] = U(v)
		i = next
		n++
	}
	return n, i, statusOK
}
