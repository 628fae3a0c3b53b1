package ipc

import (
	"errors"
	"fmt"
	"hash/fnv"
	"reflect"
	"strings"
)

// ErrLayout says that a type cannot lie in shared memory, because its values hold pointers or have no size, or
// that what lies there is of another type.
var ErrLayout = errors.New("ipc: not the layout of a shared value")

// layoutOf returns a text that is the same for types of the same layout in memory, or why values of the type
// cannot be shared: each process has its own addresses, so nothing in them may be one.
func layoutOf(t reflect.Type) (string, error) {
	if t.Size() == 0 {
		return "", fmt.Errorf("%w: %s has no size", ErrLayout, t)
	}
	var b strings.Builder
	if err := describeLayout(&b, t, t.String()); err != nil {
		return "", err
	}
	return b.String(), nil
}

func describeLayout(b *strings.Builder, t reflect.Type, path string) error {
	switch k := t.Kind(); k {
	case reflect.Bool, reflect.Int, reflect.Int8, reflect.Int16, reflect.Int32, reflect.Int64,
		reflect.Uint, reflect.Uint8, reflect.Uint16, reflect.Uint32, reflect.Uint64,
		reflect.Float32, reflect.Float64, reflect.Complex64, reflect.Complex128:
		b.WriteString(k.String())
	case reflect.Array:
		fmt.Fprintf(b, "[%d]", t.Len())
		return describeLayout(b, t.Elem(), path+"[]")
	case reflect.Struct:
		b.WriteString("{")
		for f := range t.Fields() {
			fmt.Fprintf(b, "%d:", f.Offset)
			if err := describeLayout(b, f.Type, path+"."+f.Name); err != nil {
				return err
			}
			b.WriteString(" ")
		}
		fmt.Fprintf(b, "%d}", t.Size())
	default: // uintptr too: an address means nothing elsewhere
		return fmt.Errorf("%w: %s is a %s", ErrLayout, path, k)
	}
	return nil
}

// hashLayout is what stands in a header for a layout.
func hashLayout(layout string) uint64 {
	h := fnv.New64a()
	h.Write([]byte(layout))
	return h.Sum64()
}
