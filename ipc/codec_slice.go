package ipc

import "unsafe"

// sliceAt returns where the elements of the slice at p begin and how many they
// are. Any slice's header can be read as that of a []byte as long as, as here,
// no element is touched through it.
func sliceAt(p unsafe.Pointer) (data unsafe.Pointer, n int, isNil bool) {
	b := *(*[]byte)(p)
	return unsafe.Pointer(unsafe.SliceData(b)), len(b), b == nil
}

func appendSlice(elem shape, dst []byte, p unsafe.Pointer) ([]byte, bool) {
	data, n, isNil := sliceAt(p)
	if isNil {
		return append(dst, codeNil), true
	}
	out, ok := arrayHead(dst, n)
	if !ok {
		return dst, false
	}
	out, done := appendRun(elem, out, data, n)
	if done < n {
		return dst, false
	}
	return out, true
}

// sizeSlice may exceed the encoded size where exactness would cost a look at
// every element.
func sizeSlice(elem shape, p unsafe.Pointer) int {
	data, n, isNil := sliceAt(p)
	if isNil {
		return 1
	}
	const head = 5
	switch elem {
	case shapeBool:
		return head + n
	case shapeInt8, shapeUint8:
		return head + 2*n
	case shapeInt16, shapeUint16:
		return head + 3*n
	case shapeInt32, shapeUint32, shapeFloat32:
		return head + 5*n
	case shapeString, shapeBytes:
		total := head
		for i := range n {
			total += sizeOf(elem, unsafe.Add(data, uintptr(i)*elem.size()))
		}
		return total
	}
	return head + 9*n
}

// decodeSlice sets the slice at p to the array at src[i]. Each element type is
// named so that the collector knows which of them hold pointers.
func decodeSlice(elem shape, src []byte, i int, p unsafe.Pointer) (next int, st status) {
	n, i, st := readArrayHead(src, i)
	if st != statusOK {
		return i, st
	}
	switch elem {
	case shapeBool:
		return fillSlice[bool](elem, src, i, n, p)
	case shapeInt8, shapeUint8:
		return fillSlice[uint8](elem, src, i, n, p)
	case shapeInt16, shapeUint16:
		return fillSlice[uint16](elem, src, i, n, p)
	case shapeInt32, shapeUint32, shapeFloat32:
		return fillSlice[uint32](elem, src, i, n, p)
	case shapeString:
		return fillSlice[string](elem, src, i, n, p)
	case shapeBytes:
		return fillSlice[[]byte](elem, src, i, n, p)
	}
	return fillSlice[uint64](elem, src, i, n, p)
}

func fillSlice[E any](elem shape, src []byte, i, n int, p unsafe.Pointer) (next int, st status) {
	if n < 0 {
		*(*[]E)(p) = nil
		return i, statusOK
	}
	s := make([]E, n)
	_, used, st := decodeRun(elem, src[i:], unsafe.Pointer(unsafe.SliceData(s)), n)
	if st != statusOK {
		return i, st
	}
	*(*[]E)(p) = s
	return i + used, statusOK
}
