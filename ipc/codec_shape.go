package ipc

import (
	"encoding/binary"
	"math"
	"reflect"
	"strconv"
	"unsafe"
)

// shape says how the values of a type lie in memory, for the types that the
// hand-written loops take. shapeSlice is added to that of the elements.
type shape uint8

const (
	shapeOther shape = iota
	shapeBool
	shapeInt8
	shapeInt16
	shapeInt32
	shapeInt64
	shapeUint8
	shapeUint16
	shapeUint32
	shapeUint64
	shapeFloat32
	shapeFloat64
	shapeString
	shapeBytes

	shapeSlice shape = 0x80
)

// shapeOf looks at the kind alone; planOf has made sure that no method of the
// type wants to be asked first.
func shapeOf(t reflect.Type) shape {
	switch t.Kind() {
	case reflect.Bool:
		return shapeBool
	case reflect.Int8:
		return shapeInt8
	case reflect.Int16:
		return shapeInt16
	case reflect.Int32:
		return shapeInt32
	case reflect.Int64:
		return shapeInt64
	case reflect.Int:
		if strconv.IntSize == 32 {
			return shapeInt32
		}
		return shapeInt64
	case reflect.Uint8:
		return shapeUint8
	case reflect.Uint16:
		return shapeUint16
	case reflect.Uint32:
		return shapeUint32
	case reflect.Uint64:
		return shapeUint64
	case reflect.Uint, reflect.Uintptr:
		if strconv.IntSize == 32 {
			return shapeUint32
		}
		return shapeUint64
	case reflect.Float32:
		return shapeFloat32
	case reflect.Float64:
		return shapeFloat64
	case reflect.String:
		return shapeString
	case reflect.Slice:
		elem := t.Elem()
		if hasCodecMethod(elem) {
			return shapeOther
		}
		switch s := shapeOf(elem); {
		case s == shapeUint8:
			return shapeBytes
		case s != shapeOther && s&shapeSlice == 0:
			return s | shapeSlice
		}
	}
	return shapeOther
}

// Below, p points to a value (or to n of them) whose type has shape s: every
// conversion of p is to the type of that shape, which has the layout of the
// caller's. None of these functions keeps p.

// appendOne reports false for a string or slice too long for msgpack.
func appendOne(s shape, dst []byte, p unsafe.Pointer) ([]byte, bool) {
	switch s {
	case shapeInt64:
		return appendInt(dst, *(*int64)(p)), true
	case shapeInt32:
		return appendInt(dst, int64(*(*int32)(p))), true
	case shapeInt16:
		return appendInt(dst, int64(*(*int16)(p))), true
	case shapeInt8:
		return appendInt(dst, int64(*(*int8)(p))), true
	case shapeUint64:
		return appendUint(dst, *(*uint64)(p)), true
	case shapeUint32:
		return appendUint(dst, uint64(*(*uint32)(p))), true
	case shapeUint16:
		return appendUint(dst, uint64(*(*uint16)(p))), true
	case shapeUint8:
		return appendUint(dst, uint64(*(*uint8)(p))), true
	case shapeFloat64:
		return appendFloat64(dst, *(*float64)(p)), true
	case shapeFloat32:
		return appendFloat32(dst, *(*float32)(p)), true
	case shapeBool:
		return appendBool(dst, *(*bool)(p)), true
	case shapeString:
		return appendString(dst, *(*string)(p))
	case shapeBytes:
		return appendBytes(dst, *(*[]byte)(p))
	}
	return appendSlice(s&^shapeSlice, dst, p)
}

// appendRun appends n values and returns how many of them it did.
func appendRun(s shape, dst []byte, p unsafe.Pointer, n int) ([]byte, int) {
	switch s {
	case shapeInt64:
		return appendInts(dst, unsafe.Slice((*int64)(p), n)), n
	case shapeInt32:
		return appendInts(dst, unsafe.Slice((*int32)(p), n)), n
	case shapeInt16:
		return appendInts(dst, unsafe.Slice((*int16)(p), n)), n
	case shapeInt8:
		return appendInts(dst, unsafe.Slice((*int8)(p), n)), n
	case shapeUint64:
		return appendUints(dst, unsafe.Slice((*uint64)(p), n)), n
	case shapeUint32:
		return appendUints(dst, unsafe.Slice((*uint32)(p), n)), n
	case shapeUint16:
		return appendUints(dst, unsafe.Slice((*uint16)(p), n)), n
	case shapeUint8:
		return appendUints(dst, unsafe.Slice((*uint8)(p), n)), n
	case shapeFloat64:
		return appendFloats64(dst, unsafe.Slice((*float64)(p), n)), n
	}
	size := s.size()
	for i := range n {
		next, ok := appendOne(s, dst, unsafe.Add(p, uintptr(i)*size))
		if !ok {
			return dst, i
		}
		dst = next
	}
	return dst, n
}

// decodeRun fills n values and returns how many it did and where in src the
// next one starts.
func decodeRun(s shape, src []byte, p unsafe.Pointer, n int) (done, i int, st status) {
	switch s {
	case shapeInt64:
		return decodeInts(src, unsafe.Slice((*int64)(p), n))
	case shapeInt32:
		return decodeInts(src, unsafe.Slice((*int32)(p), n))
	case shapeInt16:
		return decodeInts(src, unsafe.Slice((*int16)(p), n))
	case shapeInt8:
		return decodeInts(src, unsafe.Slice((*int8)(p), n))
	case shapeUint64:
		return decodeUints(src, unsafe.Slice((*uint64)(p), n))
	case shapeUint32:
		return decodeUints(src, unsafe.Slice((*uint32)(p), n))
	case shapeUint16:
		return decodeUints(src, unsafe.Slice((*uint16)(p), n))
	case shapeUint8:
		return decodeUints(src, unsafe.Slice((*uint8)(p), n))
	case shapeFloat64:
		return decodeFloats64(src, unsafe.Slice((*float64)(p), n))
	case shapeFloat32:
		return decodeFloats32(src, unsafe.Slice((*float32)(p), n))
	case shapeBool:
		return decodeBools(src, unsafe.Slice((*bool)(p), n))
	case shapeString:
		return decodeStrings(src, unsafe.Slice((*string)(p), n))
	case shapeBytes:
		return decodeByteSlices(src, unsafe.Slice((*[]byte)(p), n))
	}
	size := s.size()
	for done < n {
		next, st := decodeSlice(s&^shapeSlice, src, i, unsafe.Add(p, uintptr(done)*size))
		if st != statusOK {
			return done, i, st
		}
		i = next
		done++
	}
	return done, i, statusOK
}

// size is that of one value in memory.
func (s shape) size() uintptr {
	switch s {
	case shapeBool, shapeInt8, shapeUint8:
		return 1
	case shapeInt16, shapeUint16:
		return 2
	case shapeInt32, shapeUint32, shapeFloat32:
		return 4
	case shapeInt64, shapeUint64, shapeFloat64:
		return 8
	case shapeString:
		return unsafe.Sizeof("")
	}
	return unsafe.Sizeof([]byte(nil))
}

// sizeOf is Codec.Size.
func sizeOf(s shape, p unsafe.Pointer) int {
	switch s {
	case shapeOther:
		return -1
	case shapeBool:
		return 1
	case shapeInt64:
		return sizeInt(*(*int64)(p))
	case shapeInt32:
		return sizeInt(int64(*(*int32)(p)))
	case shapeInt16:
		return sizeInt(int64(*(*int16)(p)))
	case shapeInt8:
		return sizeInt(int64(*(*int8)(p)))
	case shapeUint64:
		return sizeUint(*(*uint64)(p))
	case shapeUint32:
		return sizeUint(uint64(*(*uint32)(p)))
	case shapeUint16:
		return sizeUint(uint64(*(*uint16)(p)))
	case shapeUint8:
		return sizeUint(uint64(*(*uint8)(p)))
	case shapeFloat32:
		return 5
	case shapeFloat64:
		return 9
	case shapeString:
		n := len(*(*string)(p))
		return strHead(n) + n
	case shapeBytes:
		b := *(*[]byte)(p)
		if b == nil {
			return 1
		}
		return binHead(len(b)) + len(b)
	}
	return sizeSlice(s&^shapeSlice, p)
}

// arrayHead appends the header of an array of n elements.
func arrayHead(dst []byte, n int) ([]byte, bool) {
	switch {
	case n < 16:
		return append(dst, fixArray|byte(n)), true
	case n <= math.MaxUint16:
		return append(dst, codeArray16, byte(n>>8), byte(n)), true
	case uint64(n) <= math.MaxUint32:
		return binary.BigEndian.AppendUint32(append(dst, codeArray32), uint32(n)), true
	}
	return dst, false
}

// readArrayHead returns the number of elements, -1 for nil. Every element has
// a byte at least, so a length beyond the input is found before anything is
// allocated for it.
func readArrayHead(src []byte, i int) (n, next int, st status) {
	if i >= len(src) {
		return 0, i, statusShort
	}
	c := src[i]
	i++
	switch {
	case c == codeNil:
		return -1, i, statusOK
	case c&0xf0 == fixArray:
		n = int(c & 0x0f)
	case c == codeArray16:
		b := cut(src, i, 2)
		if b == nil {
			return 0, i, statusShort
		}
		n = int(binary.BigEndian.Uint16(b))
		i += 2
	case c == codeArray32:
		b := cut(src, i, 4)
		if b == nil {
			return 0, i, statusShort
		}
		i += 4
		m := binary.BigEndian.Uint32(b)
		if uint64(m) > uint64(len(src)-i) {
			return 0, i, statusShort
		}
		n = int(m)
	default:
		return 0, i, statusCode
	}
	if n > len(src)-i {
		return 0, i, statusShort
	}
	return n, i, statusOK
}
