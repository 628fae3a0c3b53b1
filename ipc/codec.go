package ipc

import (
	"reflect"
	"unsafe"
)

// Codec encodes and decodes values of type T as standard msgpack. Its Python
// counterpart is the pickling that multiprocessing does by itself.
//
// Booleans, integers, floats, strings, byte slices, slices of these, and types
// whose underlying type is one of these go through loops written by hand; they
// use the smallest encoding msgpack has for the value, allocate nothing when
// encoding, and reject on decoding whatever does not fit T.
//
// A type that, or whose pointer, has one of the methods EncodeMsgpack,
// DecodeMsgpack, MarshalMsgpack, MarshalBinary, MarshalText or their inverses
// is encoded by them, and everything else by reflection, through
// github.com/vmihailenco/msgpack:
//
//   - A struct becomes a map from field name to value; a field tag
//     `msgpack:"name,omitempty"` changes that, "-" leaves the field out, and
//     unexported fields are left out in silence. An embedded struct is inlined
//     unless a name would clash. The tag option "intern" is refused.
//   - nil slices, maps and pointers stay nil, and empty ones stay empty.
//   - Decoding into an interface gives int64 (uint64 beyond its range),
//     float64, string, []byte, bool, time.Time, []any or map[string]any.
//   - A time.Time keeps its instant to the nanosecond and loses its location
//     and monotonic reading.
//   - An integer inside a struct, map or array that overflows its Go type
//     wraps; only the types of the first paragraph are checked.
//   - Keys of map[string]string, map[string]bool and map[string]any are
//     sorted; those of other maps come in no order.
//   - Channels, functions, complex numbers and values that contain themselves
//     are an error.
//   - Types given to msgpack.Register or RegisterExt are honoured, except
//     those the hand-written loops take; a decoder for an extension must read
//     its payload whole.
//
// Encoded values nest at most 10000 deep. A Codec has no state that changes:
// goroutines may share it. Get one from [CodecFor].
type Codec[T any] struct {
	plan plan
}

// CodecFor returns the codec of T. Making one looks at the whole type: keep it
// rather than ask for it again with every value.
func CodecFor[T any]() *Codec[T] {
	return &Codec[T]{plan: planOf(reflect.TypeFor[T]())}
}

// Append appends the encoding of v to dst and returns the extended slice. On
// an error, which wraps [ErrEncode], it returns dst as it was; bytes beyond
// its length may have changed.
func (c *Codec[T]) Append(dst []byte, v T) ([]byte, error) {
	// The pointer to v is read here only, as the type that T's kind says it is.
	switch c.plan.shape {
	case shapeInt64:
		// Spelled out for the commonest type: the general way costs twice this.
		return appendInt(dst, *(*int64)(unsafe.Pointer(&v))), nil
	case shapeOther:
		return c.appendOther(dst, v)
	}
	out, ok := appendOne(c.plan.shape, dst, unsafe.Pointer(&v))
	if !ok {
		return dst, c.plan.tooLong()
	}
	return out, nil
}

// Decode decodes the value at the start of src and returns it with the bytes
// after it. Nothing in the value aliases src. Errors wrap [ErrDecode], and
// [ErrCorrupt] too when src ends early or is not msgpack.
func (c *Codec[T]) Decode(src []byte) (v T, rest []byte, err error) {
	switch {
	case c.plan.shape == shapeInt64 && len(src) > 0 && int8(src[0]) >= -32:
		*(*int64)(unsafe.Pointer(&v)) = int64(int8(src[0]))
		return v, src[1:], nil
	case c.plan.shape == shapeOther:
		return c.decodeOther(src)
	}
	_, used, st := decodeRun(c.plan.shape, src, unsafe.Pointer(&v), 1)
	if st != statusOK {
		var zero T
		return zero, src, c.plan.decodeError(st, src[used:])
	}
	return v, src[used:], nil
}

// AppendAll appends the encodings of vs, one after the other. On an error it
// says how many were appended; dst then holds just those.
func (c *Codec[T]) AppendAll(dst []byte, vs []T) ([]byte, int, error) {
	if c.plan.shape == shapeOther {
		for i := range vs {
			next, err := c.plan.appendReflect(dst, &vs[i], nil)
			if err != nil {
				return dst, i, err
			}
			dst = next
		}
		return dst, len(vs), nil
	}
	dst, n := appendRun(c.plan.shape, dst, unsafe.Pointer(unsafe.SliceData(vs)), len(vs))
	if n < len(vs) {
		return dst, n, c.plan.tooLong()
	}
	return dst, n, nil
}

// DecodeAll decodes len(dst) values from src into dst and returns how many it
// decoded and the bytes after them. On an error it returns those decoded
// before it, and the bytes from the one that failed.
func (c *Codec[T]) DecodeAll(src []byte, dst []T) (n int, rest []byte, err error) {
	if c.plan.shape == shapeOther {
		for i := range dst {
			clear(dst[i : i+1])
			next, err := c.plan.decodeReflect(src, &dst[i], nil)
			if err != nil {
				clear(dst[i : i+1])
				return i, src, err
			}
			src = next
		}
		return len(dst), src, nil
	}
	n, used, st := decodeRun(c.plan.shape, src, unsafe.Pointer(unsafe.SliceData(dst)), len(dst))
	if st != statusOK {
		return n, src[used:], c.plan.decodeError(st, src[used:])
	}
	return n, src[used:], nil
}

// Size returns how many bytes Append will append for v: exactly for scalars,
// strings and byte slices, at most that many for slices of them, and -1 where
// only encoding can tell.
func (c *Codec[T]) Size(v T) int {
	return sizeOf(c.plan.shape, unsafe.Pointer(&v))
}

// appendOther takes v by value so that it escapes here and not in Append,
// where every integer would then be allocated.
func (c *Codec[T]) appendOther(dst []byte, v T) ([]byte, error) {
	return c.plan.appendReflect(dst, &v, nil)
}

func (c *Codec[T]) decodeOther(src []byte) (T, []byte, error) {
	var v T
	rest, err := c.plan.decodeReflect(src, &v, nil)
	if err != nil {
		var zero T
		return zero, src, err
	}
	return v, rest, nil
}

// Delimited reports whether every encoded value shows where it ends and
// decoding it runs no code of T's own: so for all types of the hand-written
// loops.
func (c *Codec[T]) Delimited() bool { return c.plan.shape != shapeOther }
