package ipc

import (
	"bytes"
	"errors"
	"fmt"
	"math"
	"net/netip"
	"reflect"
	"strings"
	"testing"
	"time"

	"github.com/vmihailenco/msgpack/v5"
)

type (
	myInt    int
	myString string
	myBytes  []byte
	myInts   []myInt
)

// textual has the kind of an int and a method that must be asked first.
type textual int

func (t textual) MarshalText() ([]byte, error) { return fmt.Appendf(nil, "#%d", int(t)), nil }
func (t *textual) UnmarshalText(b []byte) error {
	_, err := fmt.Sscanf(string(b), "#%d", (*int)(t))
	return err
}

// twofold writes two values where others write one, as the README of the
// msgpack package does.
type twofold struct{ a, b int }

func (v twofold) EncodeMsgpack(e *msgpack.Encoder) error  { return e.EncodeMulti(v.a, v.b) }
func (v *twofold) DecodeMsgpack(d *msgpack.Decoder) error { return d.DecodeMulti(&v.a, &v.b) }

type record struct {
	Name   string
	N      int64
	F      float64
	Tags   []string
	Inner  *record
	M      map[string]int
	When   time.Time
	Free   any
	Raw    []byte
	hidden int
}

func testLoop[T any](t *testing.T, equal func(a, b T) bool, values ...T) {
	t.Helper()
	c := CodecFor[T]()
	var all []byte
	for _, v := range values {
		b, err := c.Append([]byte("x"), v)
		if err != nil {
			t.Fatalf("Append(%v): %v", v, err)
		}
		if b[0] != 'x' {
			t.Fatalf("Append(%v) overwrote what was before", v)
		}
		b = b[1:]
		if n := c.Size(v); n >= 0 && n < len(b) || n >= 0 && c.plan.shape&shapeSlice == 0 && n != len(b) {
			t.Errorf("Size(%v) = %d, want %d", v, n, len(b))
		}
		if _, err := safeDecode(c, b[:len(b)-1]); !errors.Is(err, ErrDecode) || !errors.Is(err, ErrCorrupt) {
			t.Errorf("Decode of a short %v: %v, want ErrDecode and ErrCorrupt", v, err)
		}
		got, rest, err := c.Decode(append(bytes.Clone(b), "rest"...))
		if err != nil || !equal(got, v) || string(rest) != "rest" {
			t.Errorf("Decode(Append(%#v)) = %#v, %q, %v", v, got, rest, err)
		}
		all = append(all, b...)
	}
	b, n, err := c.AppendAll(nil, values)
	if n != len(values) || err != nil || !bytes.Equal(b, all) {
		t.Fatalf("AppendAll = %x, %d, %v; want %x", b, n, err, all)
	}
	got := make([]T, len(values))
	n, rest, err := c.DecodeAll(append(b, 7), got)
	if n != len(values) || err != nil || len(rest) != 1 {
		t.Fatalf("DecodeAll = %d, %d left, %v", n, len(rest), err)
	}
	clear(b) // nothing may alias it
	for i := range got {
		if !equal(got[i], values[i]) {
			t.Errorf("DecodeAll[%d] = %#v, want %#v", i, got[i], values[i])
		}
	}
}

func safeDecode[T any](c *Codec[T], b []byte) (T, error) {
	v, _, err := c.Decode(b)
	return v, err
}

func same[T comparable](a, b T) bool { return a == b }
func deep[T any](a, b T) bool        { return reflect.DeepEqual(a, b) }

func TestCodecRoundTrip(t *testing.T) {
	t.Parallel()
	testLoop(t, same[int], 0, 1, -1, 127, 128, -32, -33, 255, 256, -128, -129, 65535, 65536, -32768, -32769,
		math.MaxInt32, math.MinInt32, math.MinInt32-1, math.MaxUint32, math.MaxUint32+1, math.MaxInt, math.MinInt)
	testLoop(t, same[int8], 0, 127, -128, -32, -33)
	testLoop(t, same[int16], 0, 127, 128, 255, 256, 32767, -32768)
	testLoop(t, same[int32], 0, 65535, 65536, math.MaxInt32, math.MinInt32)
	testLoop(t, same[uint], 0, 127, 128, math.MaxUint)
	testLoop(t, same[uint8], 0, 127, 128, 255)
	testLoop(t, same[uint16], 0, 255, 256, 65535)
	testLoop(t, same[uint32], 0, 65536, math.MaxUint32)
	testLoop(t, same[uint64], 0, math.MaxInt64, math.MaxInt64+1, math.MaxUint64)
	testLoop(t, same[uintptr], 0, 4096)
	testLoop(t, same[bool], true, false)
	testLoop(t, same[float32], 0, 1.5, -math.MaxFloat32, float32(math.Inf(1)))
	testLoop(t, same[float64], 0, 1.5, math.MaxFloat64, math.SmallestNonzeroFloat64, math.Inf(-1))
	testLoop(t, same[string], "", "a", strings.Repeat("b", 31), strings.Repeat("c", 32), strings.Repeat("d", 256), strings.Repeat("e", 70000), "\xff")
	testLoop(t, deep[[]byte], nil, []byte{}, []byte("a"), make([]byte, 256), make([]byte, 70000))
	testLoop(t, same[myInt], 5, -500)
	testLoop(t, same[myString], "x")
	testLoop(t, deep[myBytes], nil, myBytes("x"))
	testLoop(t, same[time.Duration], time.Hour, -1)
	testLoop(t, deep[[]int], nil, []int{}, []int{1, -1, 1 << 40}, make([]int, 16), make([]int, 70000))
	testLoop(t, deep[myInts], nil, myInts{}, myInts{300})
	testLoop(t, deep[[]float64], nil, []float64{1, 2})
	testLoop(t, deep[[]float32], nil, []float32{1, 2})
	testLoop(t, deep[[]bool], nil, []bool{true, false})
	testLoop(t, deep[[]string], nil, []string{}, []string{"", "x", strings.Repeat("y", 300)})
	testLoop(t, deep[[]myString], nil, []myString{"x"})
	testLoop(t, deep[[][]byte], nil, [][]byte{nil, {}, []byte("x")})
	testLoop(t, deep[[]int8], nil, []int8{-128, 127})
	testLoop(t, deep[[]uint16], nil, []uint16{0, 65535})
	testLoop(t, deep[[]uint32], nil, []uint32{0, 1 << 31})
	testLoop(t, deep[[]uint64], nil, []uint64{0, 1 << 63})
}

func TestCodecRoundTripByReflection(t *testing.T) {
	t.Parallel()
	when := time.Unix(1700000000, 123456789)
	sameRecord := func(a, b record) bool {
		if !a.When.Equal(b.When) {
			return false
		}
		a.When = b.When
		return reflect.DeepEqual(a, b)
	}
	testLoop(t, sameRecord, record{}, record{
		Name: "a", N: -5, F: .5, Tags: []string{}, Inner: &record{Name: "b"},
		M: map[string]int{"y": 1000}, When: when, Free: int64(500), Raw: []byte{},
	})
	c := CodecFor[record]()
	b, err := c.Append(nil, record{hidden: 5})
	if err != nil {
		t.Fatal(err)
	}
	if got, err := safeDecode(c, b); err != nil || got.hidden != 0 || bytes.Contains(b, []byte("hidden")) {
		t.Errorf("an unexported field was encoded: %q, %+v, %v", b, got, err)
	}
	testLoop(t, deep[*int], nil, new(int))
	testLoop(t, deep[map[string]int], nil, map[string]int{}, map[string]int{"a": 1})
	testLoop(t, deep[map[myInt][]string], nil, map[myInt][]string{3: {"a"}}, map[myInt][]string{300: nil})
	testLoop(t, deep[[3]int], [3]int{1, 2, 3})
	testLoop(t, deep[[][]int], nil, [][]int{nil, {}, {1}})
	testLoop(t, same[textual], 5, -500)
	testLoop(t, deep[[]textual], nil, []textual{5, -500})
	testLoop(t, same[twofold], twofold{1, 2}, twofold{300, -300})
	testLoop(t, deep[[]twofold], nil, []twofold{{1, 2}, {300, -300}})
	testLoop(t, same[netip.Addr], netip.MustParseAddr("192.0.2.1"), netip.MustParseAddr("2001:db8::1"))
	testLoop(t, time.Time.Equal, when, time.Time{}, time.Unix(-1, 5), time.Date(2500, 1, 1, 0, 0, 0, 999999999, time.UTC))
	testLoop[any](t, deep[any], nil, true, int64(5), int64(500), int64(-70000), uint64(math.MaxUint64), 1.5, "s", []byte("b"),
		[]any{int64(1), nil, []any{int64(300)}}, map[string]any{"a": int64(1), "b": map[string]any{"c": []any{"d", int64(200)}}})
	testLoop(t, deep[map[any]any], map[any]any{int64(5): int64(500)})
	testLoop(t, deep[map[string][]any], map[string][]any{"a": {int64(1), "x"}})
}

// Widths that no encoder of ours would choose must be read all the same.
func TestCodecDecodeWidths(t *testing.T) {
	t.Parallel()
	forms := []struct {
		name string
		in   []byte
		want int64
	}{
		{"uint8", []byte{codeUint8, 5}, 5},
		{"uint16", []byte{codeUint16, 0, 5}, 5},
		{"uint32", []byte{codeUint32, 0, 0, 0, 5}, 5},
		{"uint64", []byte{codeUint64, 0, 0, 0, 0, 0, 0, 0, 5}, 5},
		{"int8", []byte{codeInt8, 5}, 5},
		{"int16", []byte{codeInt16, 0, 5}, 5},
		{"int32", []byte{codeInt32, 0, 0, 0, 5}, 5},
		{"int64", []byte{codeInt64, 0, 0, 0, 0, 0, 0, 0, 5}, 5},
		{"minus as int16", []byte{codeInt16, 0xff, 0xfb}, -5},
		{"minus as int32", []byte{codeInt32, 0xff, 0xff, 0xff, 0xfb}, -5},
		{"minus as int64", []byte{codeInt64, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xfb}, -5},
	}
	for _, f := range forms {
		t.Run(f.name, func(t *testing.T) {
			t.Parallel()
			if got, err := safeDecode(CodecFor[int8](), f.in); err != nil || int64(got) != f.want {
				t.Errorf("int8: %d, %v", got, err)
			}
			if got, err := safeDecode(CodecFor[int64](), f.in); err != nil || got != f.want {
				t.Errorf("int64: %d, %v", got, err)
			}
			if got, err := safeDecode(CodecFor[float64](), f.in); err != nil || got != float64(f.want) {
				t.Errorf("float64: %g, %v", got, err)
			}
			got, err := safeDecode(CodecFor[uint16](), f.in)
			if f.want < 0 {
				if !errors.Is(err, ErrDecode) || errors.Is(err, ErrCorrupt) {
					t.Errorf("uint16: %d, %v; want ErrDecode alone", got, err)
				}
			} else if err != nil || int64(got) != f.want {
				t.Errorf("uint16: %d, %v", got, err)
			}
		})
	}
}

func TestCodecDecodeRefuses(t *testing.T) {
	t.Parallel()
	check := func(name string, err error, text string) {
		t.Helper()
		if !errors.Is(err, ErrDecode) || errors.Is(err, ErrCorrupt) || !strings.Contains(err.Error(), text) {
			t.Errorf("%s: %v, want ErrDecode alone with %q", name, err, text)
		}
	}
	enc := func(n int) []byte { return appendInt(nil, int64(n)) }
	_, err := safeDecode(CodecFor[int8](), enc(128))
	check("int8 128", err, "int8: 128 is out of range")
	_, err = safeDecode(CodecFor[int8](), enc(-129))
	check("int8 -129", err, "-129 is out of range")
	_, err = safeDecode(CodecFor[uint8](), enc(256))
	check("uint8 256", err, "256 is out of range")
	_, err = safeDecode(CodecFor[uint64](), enc(-1))
	check("uint64 -1", err, "-1 is out of range")
	_, err = safeDecode(CodecFor[int64](), appendUint(nil, math.MaxUint64))
	check("int64 huge", err, "18446744073709551615 is out of range")
	_, err = safeDecode(CodecFor[float32](), appendFloat64(nil, math.MaxFloat64))
	check("float32 huge", err, "is out of range")
	_, err = safeDecode(CodecFor[int](), []byte{codeNil})
	check("int nil", err, "found nil")
	_, err = safeDecode(CodecFor[string](), enc(5))
	check("string 5", err, "found an integer")
	_, err = safeDecode(CodecFor[[]int](), []byte{0xa1, 'x'})
	check("[]int string", err, "found a string")
	_, err = safeDecode(CodecFor[record](), enc(5))
	check("struct 5", err, "record")
	_, err = safeDecode(CodecFor[map[any]int](), []byte{0x81, 0x91, 1, 1})
	check("unhashable key", err, "map[interface {}]int")
	_, err = safeDecode(CodecFor[fmt.Stringer](), []byte{0xa1, 'x'})
	check("interface with methods", err, "fmt.Stringer")

	n, rest, err := CodecFor[int8]().DecodeAll([]byte{1, 2, codeInt16, 1, 0, 3}, make([]int8, 4))
	check("DecodeAll", err, "256 is out of range")
	if n != 2 || len(rest) != 4 {
		t.Errorf("DecodeAll = %d, %x; want 2 and the rest from the one that failed", n, rest)
	}
}

type embedsItself struct{ *embedsItself }

type selfPointer *selfPointer

type interned struct {
	S string `msgpack:",intern"`
}

type failing struct{ fail int }

var errFailing = errors.New("no luck")

func (f failing) MarshalMsgpack() ([]byte, error) {
	if f.fail > 0 {
		return nil, errFailing
	}
	return []byte{codeNil}, nil
}

func TestCodecEncodeRefuses(t *testing.T) {
	t.Parallel()
	ring := []any{nil}
	ring[0] = ring
	loop := &record{}
	loop.Inner = loop
	check := func(err error, text string) {
		t.Helper()
		if !errors.Is(err, ErrEncode) || !strings.Contains(err.Error(), text) {
			t.Errorf("%v, want ErrEncode with %q", err, text)
		}
	}
	_, err := CodecFor[chan int]().Append(nil, make(chan int))
	check(err, "chan int")
	_, err = CodecFor[func()]().Append(nil, func() {})
	check(err, "func()")
	_, err = CodecFor[struct{ C chan string }]().Append(nil, struct{ C chan string }{})
	check(err, "chan string")
	_, err = CodecFor[any]().Append(nil, map[string]any{"f": func() {}})
	check(err, "func()")
	_, err = CodecFor[complex128]().Append(nil, 1i)
	check(err, "complex128")
	_, err = CodecFor[struct{ P uintptr }]().Append(nil, struct{ P uintptr }{1})
	check(err, "uintptr")
	_, err = CodecFor[any]().Append(nil, ring)
	check(err, "contains itself")
	_, err = CodecFor[*record]().Append(nil, loop)
	check(err, "contains itself")
	_, err = CodecFor[embedsItself]().Append(nil, embedsItself{})
	check(err, "embeds itself")
	_, err = CodecFor[selfPointer]().Append(nil, nil)
	check(err, "points to itself")
	_, err = CodecFor[interned]().Append(nil, interned{})
	check(err, "intern")

	b, n, err := CodecFor[failing]().AppendAll([]byte{1}, []failing{{0}, {0}, {1}, {0}})
	check(err, "no luck")
	if !errors.Is(err, errFailing) || n != 2 || !bytes.Equal(b, []byte{1, codeNil, codeNil}) {
		t.Errorf("AppendAll = %x, %d, %v", b, n, err)
	}
}

type panics struct{ decode bool }

func (p panics) EncodeMsgpack(e *msgpack.Encoder) error {
	if !p.decode {
		panic("mine")
	}
	return e.EncodeNil()
}

func (p *panics) DecodeMsgpack(*msgpack.Decoder) error { panic("mine too") }

// A panic of the user's own code is not ours to swallow.
func TestCodecPanicPassesThrough(t *testing.T) {
	t.Parallel()
	caught := func(f func()) (v any) {
		defer func() { v = recover() }()
		f()
		return nil
	}
	c := CodecFor[[]panics]()
	if got := caught(func() { c.Append(nil, []panics{{}}) }); got != "mine" {
		t.Errorf("encoding: recovered %v", got)
	}
	if got := caught(func() { c.Decode([]byte{0x91, 1}) }); got != "mine too" {
		t.Errorf("decoding: recovered %v", got)
	}
	// And the codec goes on working.
	if b, err := c.Append(nil, nil); err != nil || !bytes.Equal(b, []byte{codeNil}) {
		t.Errorf("afterwards: %x, %v", b, err)
	}
}

func TestCodecNoAllocation(t *testing.T) {
	buf := make([]byte, 0, 1<<16)
	ints := make([]int, 1000)
	for i := range ints {
		ints[i] = i * i
	}
	ci, cs, cf, cis := CodecFor[int](), CodecFor[string](), CodecFor[float64](), CodecFor[[]int]()
	enc, _, _ := ci.AppendAll(nil, ints)
	out := make([]int, len(ints))
	for name, f := range map[string]func(){
		"Append int":       func() { ci.Append(buf, 1<<40) },
		"Append string":    func() { cs.Append(buf, "some text") },
		"Append float64":   func() { cf.Append(buf, 1.5) },
		"Append []int":     func() { cis.Append(buf, ints) },
		"Decode int":       func() { ci.Decode(enc[500:]) },
		"AppendAll int":    func() { ci.AppendAll(buf, ints) },
		"DecodeAll int":    func() { ci.DecodeAll(enc, out) },
		"Decode float64":   func() { cf.Decode(enc) },
		"Size of a string": func() { cs.Size("some text") },
	} {
		if got := testing.AllocsPerRun(100, f); got > 0 {
			t.Errorf("%s: %g allocations", name, got)
		}
	}
}

// A mapped slice with just enough room must be filled in place.
func TestCodecAppendAllInPlace(t *testing.T) {
	t.Parallel()
	c := CodecFor[int]()
	vs := make([]int, 1000)
	for i := range vs {
		vs[i] = i - 500
	}
	want, _, _ := c.AppendAll(nil, vs)
	room := make([]byte, 0, len(want))
	got, n, err := c.AppendAll(room, vs)
	if n != len(vs) || err != nil || !bytes.Equal(got, want) {
		t.Fatalf("AppendAll = %d, %v", n, err)
	}
	if &got[0] != &room[:1][0] {
		t.Error("AppendAll moved to the heap although there was room")
	}
}
