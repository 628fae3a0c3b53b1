package ipc

import (
	"errors"
	"fmt"
	"io"
	"reflect"
	"runtime"
	"strings"
	"sync"

	"github.com/vmihailenco/msgpack/v5"
)

const (
	sinkStep     = 64 << 10 // bytes written between two looks at the stack of an encoder
	maxFrames    = 100_000  // frames that a value of maxNesting does not reach and a cycle does
	keepDecoders = 64 << 10 // a decoder that read a longer value is dropped with its buffer
)

var errCycle = errors.New("nested too deep, or contains itself")

// encoder pairs msgpack's encoder with the slice it appends to.
type encoder struct {
	enc  *msgpack.Encoder
	sink sink
}

type sink struct {
	buf   []byte
	next  int          // the length at which to look at the stack
	files *Attachments // nil where nothing can be attached
}

func (s *sink) Write(p []byte) (int, error) {
	s.buf = append(s.buf, p...)
	if len(s.buf) >= s.next {
		return len(p), s.look()
	}
	return len(p), nil
}

func (s *sink) WriteByte(c byte) error {
	s.buf = append(s.buf, c)
	if len(s.buf) >= s.next {
		return s.look()
	}
	return nil
}

// look ends the encoding of a value that contains itself: msgpack would follow
// it until the goroutine's stack is full, which kills the process. Every level
// of a cycle writes a byte at least, so looking now and then is enough.
func (s *sink) look() error {
	s.next = len(s.buf) + sinkStep
	var pc [1]uintptr
	if runtime.Callers(maxFrames, pc[:]) > 0 {
		return errCycle
	}
	return nil
}

var encoders = sync.Pool{New: func() any {
	return &encoder{enc: msgpack.NewEncoder(nil)}
}}

// appendReflect appends the value that v points to; its files go to files, if
// that is not nil.
func (p *plan) appendReflect(dst []byte, v any, files *Attachments) (_ []byte, err error) {
	if p.refuse != "" {
		return dst, p.encodeError(errors.New(p.refuse))
	}
	e := encoders.Get().(*encoder)
	e.sink = sink{buf: dst, next: len(dst) + sinkStep, files: files}
	e.enc.Reset(&e.sink)
	e.enc.UseCompactInts(true)
	e.enc.SetSortMapKeys(true)
	done := false
	defer func() {
		// A panic in a method of the user's type passes through; one of the
		// library's own, for what it does not foresee, is an error.
		if !done && libraryPanicked() {
			err = p.encodeError(fmt.Errorf("%v", recover()))
		}
	}()
	// By way of the pointer, so that methods with a pointer receiver are found.
	err = e.enc.EncodeValue(reflect.ValueOf(v).Elem())
	done = true
	out := e.sink.buf
	e.sink.buf, e.sink.files = nil, nil
	encoders.Put(e)
	if err != nil {
		return dst, p.encodeError(err)
	}
	return out, nil
}

// decoder pairs msgpack's decoder with the slice it reads.
type decoder struct {
	dec *msgpack.Decoder
	src source
}

// source gives out bytes that scan has vouched for, one top-level value after
// the other: a type with its own DecodeMsgpack may read several.
type source struct {
	buf  []byte
	i    int
	end  int    // up to here the bytes have been scanned
	exts []span // payloads of extensions before end, in order
	bad  status // what scan found at end

	files *Attachments // nil where none can have arrived
}

// more scans another value.
func (s *source) more() error {
	if s.bad == statusOK {
		var end int
		end, s.exts, s.bad = scan(s.buf, s.end, s.exts)
		if s.bad == statusOK {
			s.end = end
			return nil
		}
	}
	return io.ErrUnexpectedEOF
}

func (s *source) Read(p []byte) (int, error) {
	if len(p) == 0 {
		return 0, nil
	}
	if s.i >= s.end {
		if err := s.more(); err != nil {
			return 0, err
		}
	}
	n := copy(p, s.buf[s.i:s.end])
	s.i += n
	return n, nil
}

var errInsideExt = errors.New("an extension where its type does not allow one")

// ReadByte refuses to step into the payload of an extension. msgpack reads
// first bytes and short lengths singly and payloads whole, but where it wants
// a map it steps over the head of an extension and takes the payload, which
// nobody has looked at, for a map, whatever length that claims.
func (s *source) ReadByte() (byte, error) {
	if s.i >= s.end {
		if err := s.more(); err != nil {
			return 0, err
		}
	}
	for len(s.exts) > 0 && s.i >= s.exts[0].to {
		s.exts = s.exts[1:]
	}
	if len(s.exts) > 0 && s.i >= s.exts[0].from {
		return 0, errInsideExt
	}
	c := s.buf[s.i]
	s.i++
	return c, nil
}

func (s *source) UnreadByte() error {
	s.i--
	return nil
}

var decoders = sync.Pool{New: func() any {
	return &decoder{dec: msgpack.NewDecoder(nil)}
}}

// decodeReflect decodes the value at the start of src into what v points to,
// which is zero, and returns the bytes after it.
func (p *plan) decodeReflect(src []byte, v any, files *Attachments) (_ []byte, err error) {
	if p.refuse != "" {
		return src, &codecError{op: "decode", typ: p.typ, err: errors.New(p.refuse)}
	}
	d := decoders.Get().(*decoder)
	exts := d.src.exts
	d.src = source{buf: src, exts: exts[:0], files: files}
	if d.src.more() != nil {
		st := d.src.bad
		decoders.Put(d)
		return src, p.decodeError(st, src)
	}
	d.dec.Reset(&d.src)
	done := false
	defer func() {
		if !done && libraryPanicked() {
			err = &codecError{op: "decode", typ: p.typ, err: fmt.Errorf("%v", recover())}
		}
	}()
	rv := reflect.ValueOf(v).Elem()
	err = d.dec.DecodeValue(rv)
	if err == nil && p.any {
		widen(rv)
	}
	done = true
	used, bad := d.src.i, d.src.bad
	if err != nil {
		// Not put back: msgpack leaves traces of a failed value in a decoder.
		return src, &codecError{op: "decode", typ: p.typ, err: err, corrupt: bad != statusOK}
	}
	if used != d.src.end && !p.custom {
		return src, &codecError{
			op: "decode", typ: p.typ, corrupt: true,
			err: fmt.Errorf("the value has %d bytes, its type took %d", d.src.end, used),
		}
	}
	if used <= keepDecoders {
		d.src = source{exts: exts[:0]}
		decoders.Put(d)
	}
	return src[used:], nil
}

// libraryPanicked says whether the panic under way began in msgpack, or in
// reflect called by it, and not in a method of a user's type.
func libraryPanicked() bool {
	var pcs [64]uintptr
	frames := runtime.CallersFrames(pcs[:runtime.Callers(3, pcs[:])])
	for {
		f, more := frames.Next()
		switch {
		case strings.HasPrefix(f.Function, "runtime."), strings.HasPrefix(f.Function, "internal/"),
			strings.HasPrefix(f.Function, "reflect."):
		default:
			return strings.HasPrefix(f.Function, "github.com/vmihailenco/msgpack") ||
				strings.HasPrefix(f.Function, "yunta/ipc.(*plan)") || strings.HasPrefix(f.Function, "yunta/ipc.widen")
		}
		if !more {
			return false
		}
	}
}
