package ipc

import (
	"errors"
	"fmt"
	"reflect"
	"sync"
	"unsafe"
)

// plans caches planOf, which depends on the type alone.
var plans sync.Map // reflect.Type to *plan

func cachedPlan(t reflect.Type) *plan {
	if p, ok := plans.Load(t); ok {
		return p.(*plan)
	}
	p := planOf(t)
	cached, _ := plans.LoadOrStore(t, &p)
	return cached.(*plan)
}

// appendAny appends the encoding of v, whatever it is. The commonest types are
// spelled out, since the general way allocates a copy of v.
func appendAny(dst []byte, v any) ([]byte, error) {
	switch v := v.(type) {
	case nil:
		return append(dst, codeNil), nil
	case int:
		return appendInt(dst, int64(v)), nil
	case int64:
		return appendInt(dst, v), nil
	case float64:
		return appendFloat64(dst, v), nil
	case bool:
		return appendBool(dst, v), nil
	case string:
		if out, ok := appendString(dst, v); ok {
			return out, nil
		}
	case []byte:
		if out, ok := appendBytes(dst, v); ok {
			return out, nil
		}
	}
	t := reflect.TypeOf(v)
	p := cachedPlan(t)
	ptr := reflect.New(t)
	ptr.Elem().Set(reflect.ValueOf(v))
	if p.shape == shapeOther {
		return p.appendReflect(dst, ptr.Interface(), nil)
	}
	// ptr points to a value of the type that the shape was taken from.
	out, ok := appendOne(p.shape, dst, ptr.UnsafePointer())
	if !ok {
		return dst, p.tooLong()
	}
	return out, nil
}

// decodeAny decodes the one value that src is into what v points to.
func decodeAny(src []byte, v any) error {
	ptr := reflect.ValueOf(v)
	if ptr.Kind() != reflect.Pointer || ptr.IsNil() {
		return fmt.Errorf("%w: into %T, which is not a pointer to a value", ErrDecode, v)
	}
	p := cachedPlan(ptr.Type().Elem())
	var rest []byte
	if p.shape == shapeOther {
		fresh := reflect.New(p.typ)
		var err error
		if rest, err = p.decodeReflect(src, fresh.Interface(), nil); err != nil {
			return err
		}
		if len(rest) == 0 {
			ptr.Elem().Set(fresh.Elem())
			return nil
		}
	} else {
		// A slice is made anew by the loops and not written into.
		used, st := decodeShape(p.shape, src, ptr.UnsafePointer())
		if st != statusOK {
			return p.decodeError(st, src[used:])
		}
		rest = src[used:]
	}
	if len(rest) > 0 {
		return &codecError{
			op: "decode", typ: p.typ, corrupt: true,
			err: fmt.Errorf("%d bytes follow the value: %w", len(rest), errTrailing),
		}
	}
	return nil
}

func decodeShape(s shape, src []byte, p unsafe.Pointer) (used int, st status) {
	_, used, st = decodeRun(s, src, p, 1)
	return used, st
}

var errTrailing = errors.New("a message is one value")
