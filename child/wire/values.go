package wire

import (
	"crypto/sha256"
	"encoding/binary"
	"fmt"

	"yunta/ipc"
)

// Values encodes and decodes the arguments or results of one type, back to
// back. Types whose encoding always shows where it ends (scalars, strings,
// byte slices) stand as they are; all others are wrapped in a msgpack bin 32,
// so that one value that cannot be decoded, or whose own encoder wrote more
// than one value, does not spoil those behind it.
type Values[T any] struct {
	codec   *ipc.Codec[T]
	bare    bool
	ordered bool
}

// ValuesFor returns the Values of a type.
func ValuesFor[T any]() *Values[T] {
	c := ipc.CodecFor[T]()
	return &Values[T]{codec: c, bare: c.Delimited(), ordered: c.Ordered()}
}

// Wrapped returns the Values of the same type that wraps all values: what
// another program made of them may be anything.
func (v *Values[T]) Wrapped() *Values[T] {
	w := *v
	w.bare = false
	return &w
}

// wrapHead is the size in bytes of a bin 32 head.
const wrapHead = 5

// Append appends one value.
func (v *Values[T]) Append(dst []byte, x T) ([]byte, error) {
	if v.bare {
		return v.codec.Append(dst, x)
	}
	mark := len(dst)
	out, err := v.codec.Append(append(dst, 0xc6, 0, 0, 0, 0), x)
	if err != nil {
		return dst, err
	}
	n := len(out) - mark - wrapHead
	if uint64(n) > 1<<32-1 {
		return dst, fmt.Errorf("%w: value of %d bytes exceeds 4 GiB", ipc.ErrTooLarge, n)
	}
	binary.BigEndian.PutUint32(out[mark+1:], uint32(n))
	return out, nil
}

// AppendAttached appends one value that stands alone, unwrapped, and whose open
// files travel, too.
func (v *Values[T]) AppendAttached(dst []byte, x T, files *ipc.Attachments) ([]byte, error) {
	return v.codec.AppendAttached(dst, x, files)
}

// DecodeAttached decodes what AppendAttached appended.
func (v *Values[T]) DecodeAttached(src []byte, files *ipc.Attachments) (x T, err error) {
	x, rest, err := v.codec.DecodeAttached(src, files)
	if err == nil && len(rest) > 0 {
		return x, fmt.Errorf("%w: %d bytes left after %T", ipc.ErrDecode, len(rest), x)
	}
	return x, err
}

// AppendAll appends values and returns how many it could; the error belongs
// to the next one.
func (v *Values[T]) AppendAll(dst []byte, xs []T) ([]byte, int, error) {
	if v.bare {
		return v.codec.AppendAll(dst, xs)
	}
	for i, x := range xs {
		var err error
		if dst, err = v.Append(dst, x); err != nil {
			return dst, i, err
		}
	}
	return dst, len(xs), nil
}

// Bare reports whether values stand unwrapped; decoding one of them never
// runs code of the user's.
func (v *Values[T]) Bare() bool { return v.bare }

// Inner returns an encoded value without what Append puts around it: plain
// msgpack, as it is kept in a durable file.
func (v *Values[T]) Inner(one []byte) []byte {
	if v.bare {
		return one
	}
	return one[wrapHead:]
}

// Digest returns the SHA-256 of a value given as Inner returns it. Equal values
// have equal digests even if their type has maps, which come in any order.
func (v *Values[T]) Digest(inner []byte) [sha256.Size]byte {
	if !v.ordered {
		if sorted, err := ipc.Canonical(nil, inner); err == nil {
			inner = sorted
		}
	}
	return sha256.Sum256(inner)
}

// Size returns an upper bound of one value's encoded size in bytes, or -1
// when it is not known before encoding.
func (v *Values[T]) Size(x T) int {
	n := v.codec.Size(x)
	if n >= 0 && !v.bare {
		n += wrapHead
	}
	return n
}

// Next returns the bytes of the first value and those behind it. For bare
// values it cannot tell and returns src twice: Decode does.
func (v *Values[T]) Next(src []byte) (one, rest []byte, err error) {
	if v.bare {
		return src, src, nil
	}
	return Split(src)
}

// Decode decodes a value from what Next returned as one; for bare values it
// also returns what is behind it.
func (v *Values[T]) Decode(one []byte) (x T, rest []byte, err error) {
	x, rest, err = v.codec.Decode(one)
	if err == nil && !v.bare && len(rest) > 0 {
		// An encoder that wrote more than its decoder reads disagrees with it.
		return x, nil, fmt.Errorf("%w: %d bytes left after %T", ipc.ErrDecode, len(rest), x)
	}
	return x, rest, err
}

// DecodeAll fills dst with bare values.
func (v *Values[T]) DecodeAll(src []byte, dst []T) (n int, rest []byte, err error) {
	return v.codec.DecodeAll(src, dst)
}

// DecodeInPieces decodes one bare value, see [ipc.Codec.DecodeInPieces].
func (v *Values[T]) DecodeInPieces(src []byte, piece int, passed func(n int)) (x T, err error) {
	x, _, err = v.codec.DecodeInPieces(src, piece, passed)
	return x, err
}

// Wrap appends body as a bin 32.
func Wrap(dst, body []byte) []byte {
	dst = append(dst, 0xc6)
	dst = binary.BigEndian.AppendUint32(dst, uint32(len(body)))
	return append(dst, body...)
}

// SetLength makes the head that Wrap put at the beginning of b say that n bytes
// follow.
func SetLength(b []byte, n int) { binary.BigEndian.PutUint32(b[1:], uint32(n)) }

// Split returns the contents of a bin 32 and what follows it.
func Split(src []byte) (one, rest []byte, err error) {
	if len(src) < wrapHead || src[0] != 0xc6 {
		return nil, nil, fmt.Errorf("%w: no value where one should begin", ipc.ErrCorrupt)
	}
	n := uint64(binary.BigEndian.Uint32(src[1:]))
	if n > uint64(len(src)-wrapHead) {
		return nil, nil, fmt.Errorf("%w: value of %d bytes in %d", ipc.ErrCorrupt, n, len(src)-wrapHead)
	}
	return src[wrapHead : wrapHead+n : wrapHead+n], src[wrapHead+n:], nil
}
