package ipc

import (
	"encoding"
	"errors"
	"fmt"
	"reflect"
	"strings"
	"sync"
	"time"

	"github.com/vmihailenco/msgpack/v5"
)

// plan is what a codec knows of its type.
type plan struct {
	typ    reflect.Type
	shape  shape
	custom bool   // EncodeMsgpack or DecodeMsgpack is reached: a value may be several msgpack values
	any    bool   // an interface is reached, whose integers are to be widened
	loose  bool   // encoding a value twice may give different bytes
	refuse string // why no value of this type can be encoded, if so
}

func planOf(t reflect.Type) plan {
	p := plan{typ: t}
	if !hasCodecMethod(t) {
		p.shape = shapeOf(t)
	}
	if p.shape == shapeOther {
		p.survey(t, make(map[reflect.Type]bool))
	}
	return p
}

// codecMethods are the interfaces that msgpack asks, in its order.
var codecMethods = sync.OnceValue(func() []reflect.Type {
	return []reflect.Type{
		reflect.TypeFor[msgpack.CustomEncoder](), reflect.TypeFor[msgpack.CustomDecoder](),
		reflect.TypeFor[msgpack.Marshaler](), reflect.TypeFor[msgpack.Unmarshaler](),
		reflect.TypeFor[encoding.BinaryMarshaler](), reflect.TypeFor[encoding.BinaryUnmarshaler](),
		reflect.TypeFor[encoding.TextMarshaler](), reflect.TypeFor[encoding.TextUnmarshaler](),
	}
})

func hasCodecMethod(t reflect.Type) bool { return hasMethodOf(t, codecMethods()) }

func hasMethodOf(t reflect.Type, ifaces []reflect.Type) bool {
	if t.PkgPath() == "" && t.Kind() < reflect.Array {
		return false // int and its like: spare the search
	}
	ptr := reflect.PointerTo(t)
	for _, i := range ifaces {
		if t.Implements(i) || ptr.Implements(i) {
			return true
		}
	}
	return false
}

// survey visits every type that a value of type t can reach without passing
// an interface.
func (p *plan) survey(t reflect.Type, seen map[reflect.Type]bool) {
	if seen[t] {
		return
	}
	seen[t] = true
	if t.Kind() != reflect.Interface && hasCodecMethod(t) {
		if hasMethodOf(t, codecMethods()[:2]) {
			p.custom = true
		}
		// msgpack encodes a time itself, in spite of its methods.
		p.loose = p.loose || t != reflect.TypeFor[time.Time]() && t != reflect.TypeFor[*time.Time]()
		return
	}
	switch t.Kind() {
	case reflect.Pointer:
		// A type that is a pointer to itself has no end for msgpack to find.
		e := t.Elem()
		for i := 0; e.Kind() == reflect.Pointer; i++ {
			if e == t || i > 64 {
				p.refuse = fmt.Sprintf("%s points to itself", t)
				return
			}
			e = e.Elem()
		}
		p.survey(t.Elem(), seen)
	case reflect.Slice, reflect.Array:
		p.survey(t.Elem(), seen)
	case reflect.Map:
		// msgpack sorts by key where it knows the type, and only there.
		elem := t.Elem()
		sorted := elem == reflect.TypeFor[string]() || elem == reflect.TypeFor[bool]() || elem == reflect.TypeFor[any]()
		p.loose = p.loose || t.Key() != reflect.TypeFor[string]() || !sorted
		p.survey(t.Key(), seen)
		p.survey(t.Elem(), seen)
	case reflect.Interface:
		p.any, p.loose = true, true
	case reflect.Struct:
		if embeds(t, t, make(map[reflect.Type]bool)) {
			p.refuse = fmt.Sprintf("%s embeds itself", t)
			return
		}
		for f := range t.Fields() {
			name, options, _ := strings.Cut(f.Tag.Get("msgpack"), ",")
			if name == "-" || !f.IsExported() && !f.Anonymous {
				continue
			}
			if strings.Contains(","+options+",", ",intern,") {
				p.refuse = fmt.Sprintf("field %s.%s has the tag option intern", t, f.Name)
				return
			}
			p.survey(f.Type, seen)
		}
	}
}

// embeds says whether t is embedded in s or in what s embeds: msgpack, which
// inlines embedded structs, would inline one into itself for ever.
func embeds(s, t reflect.Type, seen map[reflect.Type]bool) bool {
	if seen[s] {
		return false
	}
	seen[s] = true
	for f := range s.Fields() {
		if !f.Anonymous {
			continue
		}
		e := f.Type
		if e.Kind() == reflect.Pointer {
			e = e.Elem()
		}
		if e == t || e.Kind() == reflect.Struct && embeds(e, t, seen) {
			return true
		}
	}
	return false
}

// reachesAny says whether values of type t can hold an interface.
func reachesAny(t reflect.Type) bool {
	if v, ok := anyTypes.Load(t); ok {
		return v.(bool)
	}
	p := plan{typ: t}
	p.survey(t, make(map[reflect.Type]bool))
	anyTypes.Store(t, p.any)
	return p.any
}

// anyTypes caches reachesAny: it depends on the type alone.
var anyTypes sync.Map // reflect.Type to bool

// codecError names the type, the cause and the sentinel errors it stands for.
type codecError struct {
	op      string
	typ     reflect.Type
	err     error // what was wrong
	corrupt bool
}

func (e *codecError) Error() string {
	return fmt.Sprintf("ipc: cannot %s %s: %v", e.op, e.typ, e.err)
}

func (e *codecError) Unwrap() error { return e.err }

func (e *codecError) Is(target error) bool {
	switch target {
	case ErrEncode:
		return e.op == "encode"
	case ErrDecode:
		return e.op == "decode"
	case ErrCorrupt:
		return e.corrupt
	}
	return false
}

func (p *plan) encodeError(err error) error {
	return &codecError{op: "encode", typ: p.typ, err: err}
}

func (p *plan) tooLong() error {
	return p.encodeError(errors.New("longer than msgpack can say (4 GiB)"))
}

// decodeError makes an error of what a loop found at the start of src.
func (p *plan) decodeError(st status, src []byte) error {
	e := &codecError{op: "decode", typ: p.typ}
	switch st {
	case statusShort:
		e.corrupt = true
		e.err = fmt.Errorf("input of %d bytes ends inside the value", len(src))
	case statusCode:
		e.err = fmt.Errorf("found %s", codeName(src[0]))
		e.corrupt = src[0] == codeNil+1
	case statusRange:
		e.err = fmt.Errorf("%s is out of range", numberAt(src))
	case statusReserved:
		e.corrupt = true
		e.err = errors.New("the byte 0xc1 is not msgpack")
	case statusDeep:
		e.corrupt = true
		e.err = fmt.Errorf("nested more than %d deep", maxNesting)
	}
	return e
}

// numberAt prints the number that a loop found too large.
func numberAt(src []byte) string {
	f, _, st := readFloat(src, 0)
	if st != statusOK {
		return "an element"
	}
	if n, _, wide, st := readInt(src, 0); st == statusOK && wide {
		return fmt.Sprint(uint64(n))
	} else if st == statusOK {
		return fmt.Sprint(n)
	}
	return fmt.Sprint(f)
}

func codeName(c byte) string {
	switch {
	case c <= 0x7f || c >= fixNeg || c >= codeUint8 && c <= codeInt64:
		return "an integer"
	case c == codeNil:
		return "nil"
	case c == codeTrue || c == codeFalse:
		return "a bool"
	case c == codeFloat32 || c == codeFloat64:
		return "a float"
	case c&0xe0 == fixStr || c >= codeStr8 && c <= codeStr32:
		return "a string"
	case c >= codeBin8 && c <= codeBin32:
		return "binary"
	case c&0xf0 == fixArray || c == codeArray16 || c == codeArray32:
		return "an array"
	case c&0xf0 == fixMap || c == codeMap16 || c == codeMap32:
		return "a map"
	case c == 0xc1:
		return "the byte 0xc1, which msgpack never uses"
	}
	return "an extension"
}
