package ipc

import (
	"encoding/binary"
	"math"
	"slices"
)

func appendBool(dst []byte, v bool) []byte {
	if v {
		return append(dst, codeTrue)
	}
	return append(dst, codeFalse)
}

func appendFloat32(dst []byte, f float32) []byte {
	return binary.BigEndian.AppendUint32(append(dst, codeFloat32), math.Float32bits(f))
}

func appendFloat64(dst []byte, f float64) []byte {
	return binary.BigEndian.AppendUint64(append(dst, codeFloat64), math.Float64bits(f))
}

func appendFloats64(dst []byte, vs []float64) []byte {
	dst = slices.Grow(dst, 9*len(vs))
	buf := dst[len(dst) : len(dst)+9*len(vs)]
	for _, v := range vs {
		b := buf[:9]
		b[0] = codeFloat64
		binary.BigEndian.PutUint64(b[1:], math.Float64bits(v))
		buf = buf[9:]
	}
	return dst[:len(dst)+9*len(vs)]
}

// readFloat reads a float of either width, or an integer: a Python peer sends
// 3 where it means 3.0.
func readFloat(src []byte, i int) (f float64, next int, st status) {
	if i >= len(src) {
		return 0, i, statusShort
	}
	switch src[i] {
	case codeFloat64:
		b := cut(src, i+1, 8)
		if b == nil {
			return 0, i, statusShort
		}
		return math.Float64frombits(binary.BigEndian.Uint64(b)), i + 9, statusOK
	case codeFloat32:
		b := cut(src, i+1, 4)
		if b == nil {
			return 0, i, statusShort
		}
		return float64(math.Float32frombits(binary.BigEndian.Uint32(b))), i + 5, statusOK
	}
	n, next, wide, st := readInt(src, i)
	if wide {
		return float64(uint64(n)), next, st
	}
	return float64(n), next, st
}

func decodeFloats64(src []byte, dst []float64) (n, i int, st status) {
	for n < len(dst) {
		f, next, st := readFloat(src, i)
		if st != statusOK {
			return n, i, st
		}
		dst[n] = f
		i = next
		n++
	}
	return n, i, statusOK
}

// decodeFloats32 rounds what was sent as a float64; one beyond the range of a
// float32 is refused rather than made infinite.
func decodeFloats32(src []byte, dst []float32) (n, i int, st status) {
	for n < len(dst) {
		if b := cut(src, i, 5); b != nil && b[0] == codeFloat32 {
			// Not by way of float64, which would quieten a signalling NaN.
			dst[n] = math.Float32frombits(binary.BigEndian.Uint32(b[1:]))
			i += 5
			n++
			continue
		}
		f, next, st := readFloat(src, i)
		if st != statusOK {
			return n, i, st
		}
		if math.IsInf(float64(float32(f)), 0) && !math.IsInf(f, 0) {
			return n, i, statusRange
		}
		dst[n] = float32(f)
		i = next
		n++
	}
	return n, i, statusOK
}

func decodeBools(src []byte, dst []bool) (n, i int, st status) {
	for n < len(dst) {
		if i >= len(src) {
			return n, i, statusShort
		}
		switch src[i] {
		case codeTrue:
			dst[n] = true
		case codeFalse:
			dst[n] = false
		default:
			return n, i, statusCode
		}
		i++
		n++
	}
	return n, i, statusOK
}
