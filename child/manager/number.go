package manager

import (
	"bytes"
	"cmp"
	"fmt"
	"reflect"
	"slices"

	"yunta/ipc"
)

// A server knows no types: it keeps encoded values. What it does with numbers and in order to sort it does as the kind that
// the proxy names, which is that of the proxy's type.

// kindByte is the kind of a type, as it is sent.
func kindByte[T any]() byte { return byte(reflect.TypeFor[T]().Kind()) }

// isNumber reports whether one can add to values of that kind.
func isNumber(kind byte) bool {
	switch reflect.Kind(kind) {
	case reflect.Int, reflect.Int8, reflect.Int16, reflect.Int32, reflect.Int64,
		reflect.Uint, reflect.Uint8, reflect.Uint16, reflect.Uint32, reflect.Uint64,
		reflect.Float32, reflect.Float64:
		return true
	}
	return false
}

// numberKind is kindByte for a type of numbers.
func numberKind[T any]() (byte, error) {
	k := kindByte[T]()
	if !isNumber(k) {
		return 0, fmt.Errorf("%w: %s", ErrNumber, reflect.TypeFor[T]())
	}
	return k, nil
}

// addNumbers returns a+b, both encoded, as Go's numbers of that kind: integers wrap. A nil a is zero.
func addNumbers(kind byte, a, b []byte) ([]byte, error) {
	switch reflect.Kind(kind) {
	case reflect.Int:
		return addAs[int](a, b)
	case reflect.Int8:
		return addAs[int8](a, b)
	case reflect.Int16:
		return addAs[int16](a, b)
	case reflect.Int32:
		return addAs[int32](a, b)
	case reflect.Int64:
		return addAs[int64](a, b)
	case reflect.Uint:
		return addAs[uint](a, b)
	case reflect.Uint8:
		return addAs[uint8](a, b)
	case reflect.Uint16:
		return addAs[uint16](a, b)
	case reflect.Uint32:
		return addAs[uint32](a, b)
	case reflect.Uint64:
		return addAs[uint64](a, b)
	case reflect.Float32:
		return addAs[float32](a, b)
	case reflect.Float64:
		return addAs[float64](a, b)
	}
	return nil, ErrNumber
}

type numeric interface {
	int | int8 | int16 | int32 | int64 | uint | uint8 | uint16 | uint32 | uint64 | float32 | float64
}

func addAs[T numeric](a, b []byte) ([]byte, error) {
	codec := ipc.CodecFor[T]()
	var x T
	if a != nil {
		var err error
		if x, err = decode(codec, a); err != nil {
			return nil, err
		}
	}
	y, err := decode(codec, b)
	if err != nil {
		return nil, err
	}
	return codec.Append(nil, x+y)
}

// sortItems sorts encoded values as Go's of that kind.
func sortItems(kind byte, items [][]byte, reverse bool) error {
	switch k := reflect.Kind(kind); {
	case k == reflect.String:
		return sortAs[string](items, reverse)
	case k >= reflect.Int && k <= reflect.Int64:
		return sortAs[int64](items, reverse)
	case k >= reflect.Uint && k <= reflect.Uint64:
		return sortAs[uint64](items, reverse)
	case k == reflect.Float32 || k == reflect.Float64:
		return sortAs[float64](items, reverse)
	}
	return ErrOrder
}

func sortAs[T cmp.Ordered](items [][]byte, reverse bool) error {
	codec := ipc.CodecFor[T]()
	type keyed struct {
		key  T
		item []byte
	}
	all := make([]keyed, len(items))
	for i, b := range items {
		key, err := decode(codec, b)
		if err != nil {
			return err
		}
		all[i] = keyed{key, b}
	}
	slices.SortStableFunc(all, func(a, b keyed) int {
		if reverse {
			a, b = b, a
		}
		return cmp.Compare(a.key, b.key)
	})
	for i := range all {
		items[i] = all[i].item
	}
	return nil
}

// sameValue reports whether two encoded values are equal. Maps come in any order.
func sameValue(a, b []byte) bool {
	if bytes.Equal(a, b) {
		return true
	}
	if len(a) != len(b) || len(a) == 0 || !mayHoldMap(a) {
		return false
	}
	x, err1 := ipc.Canonical(nil, a)
	y, err2 := ipc.Canonical(nil, b)
	return err1 == nil && err2 == nil && bytes.Equal(x, y)
}

// mayHoldMap rules out what is a number, a string or the like.
func mayHoldMap(b []byte) bool {
	c := b[0]
	return c >= 0x80 && c <= 0x9f || c >= 0xdc && c <= 0xdf
}
