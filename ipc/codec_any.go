package ipc

import (
	"math"
	"reflect"
)

// widen turns the integers and floats that a decoder put into interfaces into
// int64 (uint64 beyond its range) and float64. msgpack gives them the width of
// their encoding, so that a 5 would be an int8 and a 500 a uint16: a type
// switch written against one value would miss the next.
func widen(v reflect.Value) {
	if !reachesAny(v.Type()) {
		return // nor is what a method of the type decoded touched
	}
	switch v.Kind() {
	case reflect.Interface:
		if v.IsNil() || !v.CanSet() {
			return
		}
		if w, changed := widened(v.Elem().Interface()); changed {
			v.Set(reflect.ValueOf(w))
		}
	case reflect.Pointer:
		if !v.IsNil() {
			widen(v.Elem())
		}
	case reflect.Slice, reflect.Array:
		for i := range v.Len() {
			widen(v.Index(i))
		}
	case reflect.Map:
		widenMap(v)
	case reflect.Struct:
		for _, field := range v.Fields() {
			widen(field)
		}
	}
}

func widenMap(m reflect.Value) {
	key, elem := m.Type().Key(), m.Type().Elem()
	if !m.CanInterface() {
		return // of an unexported embedded struct
	}
	anyKey, anyElem := reachesAny(key), reachesAny(elem)
	k, e := reflect.New(key).Elem(), reflect.New(elem).Elem()
	for _, old := range m.MapKeys() {
		k.Set(old)
		e.Set(m.MapIndex(old))
		if anyKey {
			m.SetMapIndex(old, reflect.Value{})
			widen(k)
		}
		if anyElem {
			widen(e)
		}
		m.SetMapIndex(k, e)
	}
}

// widened is widen for the types that a decoder puts into an interface.
func widened(x any) (_ any, changed bool) {
	switch x := x.(type) {
	case int8:
		return int64(x), true
	case int16:
		return int64(x), true
	case int32:
		return int64(x), true
	case uint8:
		return int64(x), true
	case uint16:
		return int64(x), true
	case uint32:
		return int64(x), true
	case uint64:
		if x <= math.MaxInt64 {
			return int64(x), true
		}
	case float32:
		return float64(x), true
	case []any:
		for i := range x {
			if w, changed := widened(x[i]); changed {
				x[i] = w
			}
		}
	case map[string]any:
		for k, v := range x {
			if w, changed := widened(v); changed {
				x[k] = w
			}
		}
	}
	return x, false
}
