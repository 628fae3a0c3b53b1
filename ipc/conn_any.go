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
// spelled out, since the general way allocates a copy of v. What v attaches is
// returned if it can travel.
func appendAny(dst []byte, v any, travel bool) ([]byte, *Attachments, error) {
	switch v := v.(type) {
	case nil:
		return append(dst, codeNil), nil, nil
	case int:
		return appendInt(dst, int64(v)), nil, nil
	case int64:
		return appendInt(dst, v), nil, nil
	case float64:
		return appendFloat64(dst, v), nil, nil
	case bool:
		return appendBool(dst, v), nil, nil
	case string:
		if out, ok := appendString(dst, v); ok {
			return out, nil, nil
		}
	case []byte:
		if out, ok := appendBytes(dst, v); ok {
			return out, nil, nil
		}
	}
	t := reflect.TypeOf(v)
	p := cachedPlan(t)
	ptr := reflect.New(t)
	ptr.Elem().Set(reflect.ValueOf(v))
	if p.shape == shapeOther {
		var files *Attachments
		if travel {
			files = new(Attachments)
		}
		out, err := p.appendReflect(dst, ptr.Interface(), files)
		if err != nil && files != nil {
			files.cut(0)
		}
		return out, files, err
	}
	// ptr points to a value of the type that the shape was taken from.
	out, ok := appendOne(p.shape, dst, ptr.UnsafePointer())
	if !ok {
		return dst, nil, p.tooLong()
	}
	return out, nil, nil
}

// decodeAny decodes the one value that src is into what v points to; files came
// with it.
func decodeAny(src []byte, v any, files *Attachments) error {
	ptr := reflect.ValueOf(v)
	if ptr.Kind() != reflect.Pointer || ptr.IsNil() {
		return fmt.Errorf("%w: into %T, which is not a pointer to a value", ErrDecode, v)
	}
	p := cachedPlan(ptr.Type().Elem())
	var rest []byte
	if p.shape == shapeOther {
		fresh := reflect.New(p.typ)
		var err error
		if rest, err = p.decodeReflect(src, fresh.Interface(), files); err != nil {
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
