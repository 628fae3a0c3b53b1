package ipc

import (
	"bytes"
	"errors"
	"math"
	"os"
	"os/exec"
	"reflect"
	"runtime"
	"strings"
	"testing"
	"time"

	"github.com/vmihailenco/msgpack/v5"
)

// fuzzSeeds are encodings of all forms, whole, cut and lying about lengths.
func fuzzSeeds(f *testing.F) {
	for _, s := range []string{
		"", "\x00", "\x7f", "\xe0", "\xcc\xff", "\xcd\x01\x00", "\xce\xff\xff\xff\xff", "\xcf\xff\xff\xff\xff\xff\xff\xff\xff",
		"\xd0\x80", "\xd1\x80\x00", "\xd2\x80\x00\x00\x00", "\xd3\x80\x00\x00\x00\x00\x00\x00\x00", "\xc0", "\xc1", "\xc2", "\xc3",
		"\xca\x3f\x80\x00\x00", "\xcb\x3f\xf0\x00\x00\x00\x00\x00\x00", "\xa3abc", "\xd9\x03abc", "\xdb\xff\xff\xff\xffabc",
		"\xc4\x03abc", "\xc6\xff\xff\xff\xffabc", "\x93\x01\xa1x\xc0", "\xdd\xff\xff\xff\xff\x01", "\xdc\x00\x02\x01\x02",
		"\x81\xa1a\x01", "\xdf\xff\xff\xff\xff\xa1a", "\xde\x00\x01\xa1a\xc3", "\xd6\xff\x65\x53\xf1\x00", "\xd6\xff\xdf\xff\xff\xff\xff",
		"\xc7\x05\x01\xdf\xff\xff\xff\xff", "\xc7\x0c\xff\x00\x00\x00\x00\xff\xff\xff\xf1\x88\x6e\x09\x00", "\xd4\x80\xdf\xff\xff\xff\xff",
		"\x82\xa4Name\xa1a\xa5Inner\x81\xa4Name\xa1b", "\x91\xd6\xff\x81\xa1a\xdd\xff\xff\xff\xff\x01", strings.Repeat("\x91", 20000) + "\xc0",
	} {
		f.Add([]byte(s))
	}
}

// fuzzDecode decodes b as T: no panic, no more memory than the input accounts
// for, and what was decoded encodes to something that decodes to the same.
func fuzzDecode[T any](t *testing.T, c *Codec[T], b []byte) {
	t.Helper()
	v, rest, err := c.Decode(b)
	if err != nil {
		if !errors.Is(err, ErrDecode) {
			t.Fatalf("error %v does not wrap ErrDecode", err)
		}
		return
	}
	if len(rest) > len(b) || !bytes.HasSuffix(b, rest) {
		t.Fatalf("rest of %d bytes is not the end of %d", len(rest), len(b))
	}
	enc, err := c.Append(nil, v)
	if err != nil {
		t.Fatalf("decoded %#v, which does not encode: %v", v, err)
	}
	again, rest, err := c.Decode(enc)
	if err != nil || len(rest) > 0 {
		t.Fatalf("decoding %x again: %d left, %v", enc, len(rest), err)
	}
	if c.plan.any {
		return // NaN inside defeats the comparison
	}
	if reencoded, _ := c.Append(nil, again); !bytes.Equal(enc, reencoded) {
		t.Fatalf("%x decodes to %#v, which encodes to %x", enc, again, reencoded)
	}
}

func FuzzDecodeInt(f *testing.F) {
	fuzzSeeds(f)
	c8, c64, cu8, cu64 := CodecFor[int8](), CodecFor[int](), CodecFor[uint8](), CodecFor[uint64]()
	cf, cf32, cb, ci := CodecFor[float64](), CodecFor[float32](), CodecFor[bool](), CodecFor[[]int]()
	f.Fuzz(func(t *testing.T, b []byte) {
		fuzzDecode(t, c8, b)
		fuzzDecode(t, c64, b)
		fuzzDecode(t, cu8, b)
		fuzzDecode(t, cu64, b)
		fuzzDecode(t, cf, b)
		fuzzDecode(t, cf32, b)
		fuzzDecode(t, cb, b)
		fuzzDecode(t, ci, b)
		dst := make([]int, 10)
		n, rest, err := c64.DecodeAll(b, dst)
		if (err == nil) != (n == len(dst)) || !bytes.HasSuffix(b, rest) {
			t.Fatalf("DecodeAll = %d, %d left, %v", n, len(rest), err)
		}
	})
}

func FuzzDecodeString(f *testing.F) {
	fuzzSeeds(f)
	cs, cb, css, cbs := CodecFor[string](), CodecFor[[]byte](), CodecFor[[]string](), CodecFor[[][]byte]()
	f.Fuzz(func(t *testing.T, b []byte) {
		fuzzDecode(t, cs, b)
		fuzzDecode(t, cb, b)
		fuzzDecode(t, css, b)
		fuzzDecode(t, cbs, b)
	})
}

func FuzzDecodeAny(f *testing.F) {
	fuzzSeeds(f)
	ca, cm, cs := CodecFor[any](), CodecFor[map[string]any](), CodecFor[[]map[string]any]()
	cu := CodecFor[map[any]any]()
	f.Fuzz(func(t *testing.T, b []byte) {
		fuzzDecode(t, ca, b)
		fuzzDecode(t, cm, b)
		fuzzDecode(t, cs, b)
		cu.Decode(b) // NaN keys make the way back ambiguous
	})
}

func FuzzDecodeStruct(f *testing.F) {
	fuzzSeeds(f)
	type flat struct {
		Name  string
		N     int64
		F     float64
		Tags  []string
		Inner *flat
		M     map[string]string
		Raw   []byte
		A     [2]uint16
	}
	cs, cr, ct := CodecFor[flat](), CodecFor[record](), CodecFor[[]twofold]()
	f.Fuzz(func(t *testing.T, b []byte) {
		fuzzDecode(t, cs, b)
		cr.Decode(b)
		fuzzDecode(t, ct, b)
	})
}

// Inputs of a few bytes that claim gigabytes must fail without asking for them.
func TestCodecHostileLengths(t *testing.T) {
	for _, in := range []struct {
		data     string
		mayBeAny bool // a well-formed value, if not one for every type
	}{
		{"\xdb\xff\xff\xff\xffabc", false},
		{"\xc6\xff\xff\xff\xffabc", false},
		{"\xdd\xff\xff\xff\xff\x01", false},
		{"\xdf\xff\xff\xff\xff\xa1a", false},
		{"\xc9\xff\xff\xff\xff\x01", false},
		{"\xc7\x05\x01\xdf\xff\xff\xff\xff", false},
		{"\xd6\xff\xdf\xff\xff\xff\xff\xff\xff\xff", true},
		{"\x92\xd6\xff\xdf\xff\xff\xff\xff\xff\xff", true},
		{"\x92\xd6\xff\x81\xa1a\xdd\xff\xff\xff\xff\x01", true},
		{strings.Repeat("\xdd\x00\x00\x0f\xff", 2000), false},
		{strings.Repeat("\x91", 1<<20), false},
	} {
		s := in.data
		var before, after runtime.MemStats
		runtime.ReadMemStats(&before)
		for name, decode := range map[string]func([]byte) error{
			"any":            func(b []byte) error { _, err := safeDecode(CodecFor[any](), b); return err },
			"map[string]any": func(b []byte) error { _, err := safeDecode(CodecFor[map[string]any](), b); return err },
			"[]map":          func(b []byte) error { _, err := safeDecode(CodecFor[[]map[string]string](), b); return err },
			"[]any":          func(b []byte) error { _, err := safeDecode(CodecFor[[]any](), b); return err },
			"struct":         func(b []byte) error { _, err := safeDecode(CodecFor[record](), b); return err },
			"[]int":          func(b []byte) error { _, err := safeDecode(CodecFor[[]int](), b); return err },
			"string":         func(b []byte) error { _, err := safeDecode(CodecFor[string](), b); return err },
			"[]byte":         func(b []byte) error { _, err := safeDecode(CodecFor[[]byte](), b); return err },
			"custom":         func(b []byte) error { _, err := safeDecode(CodecFor[[]twofold](), b); return err },
		} {
			if err := decode([]byte(s)); !errors.Is(err, ErrDecode) && (err != nil || !in.mayBeAny) {
				t.Errorf("%.20q as %s: %v, want ErrDecode", s, name, err)
			}
		}
		runtime.ReadMemStats(&after)
		if got, limit := after.TotalAlloc-before.TotalAlloc, uint64(1<<20+64*len(s)); got > limit {
			t.Errorf("%.20q: allocated %d bytes, limit %d", s, got, limit)
		}
	}
}

func diffMsgpack[T any](t *testing.T, vs ...T) {
	t.Helper()
	c := CodecFor[T]()
	for _, v := range vs {
		got, err := c.Append(nil, v)
		if err != nil {
			t.Fatal(err)
		}
		var buf bytes.Buffer
		e := msgpack.NewEncoder(&buf)
		e.UseCompactInts(true)
		if err := e.Encode(v); err != nil {
			t.Fatal(err)
		}
		if !bytes.Equal(got, buf.Bytes()) {
			t.Errorf("%T %v: %x, msgpack has %x", v, v, got, buf.Bytes())
		}
		var back T
		if err := msgpack.Unmarshal(got, &back); err != nil || !reflect.DeepEqual(back, v) {
			t.Errorf("%T %v: msgpack reads %v, %v", v, v, back, err)
		}
	}
}

// Our loops and the msgpack package must write the same bytes.
func TestCodecAgainstMsgpack(t *testing.T) {
	t.Parallel()
	r := testRand(t)
	for range 2000 {
		n := int64(r.Uint64()) >> r.IntN(64)
		diffMsgpack(t, n, -n)
		diffMsgpack(t, int(n))
		diffMsgpack(t, int32(n))
		diffMsgpack(t, int16(n))
		diffMsgpack(t, int8(n))
		diffMsgpack(t, uint64(n))
		diffMsgpack(t, uint32(n))
		diffMsgpack(t, uint16(n))
		diffMsgpack(t, uint8(n))
		diffMsgpack(t, float64(n)/3)
		diffMsgpack(t, float32(n)/3)
		diffMsgpack(t, n > 0)
	}
	for _, n := range []int{0, 1, 15, 16, 31, 32, 255, 256, 65535, 65536} {
		diffMsgpack(t, strings.Repeat("s", n))
		diffMsgpack(t, make([]byte, n))
		diffMsgpack(t, make([]int, n))
		diffMsgpack(t, make([]float64, n))
		diffMsgpack(t, make([]string, n))
	}
	diffMsgpack[[]byte](t, nil)
	diffMsgpack[[]int](t, nil)
	diffMsgpack(t, math.Inf(1), math.MaxFloat64)
	diffMsgpack(t, time.Hour)
}

// And Python's msgpack package reads what we write, where it is installed.
func TestCodecAgainstPython(t *testing.T) {
	t.Parallel()
	python, err := exec.LookPath("python3")
	if err != nil {
		t.Skip("python3 is not installed")
	}
	if err := exec.Command(python, "-c", "import msgpack").Run(); err != nil {
		t.Skip("python3 has no msgpack package (Debian: python3-msgpack)")
	}
	value := map[string]any{"a": int64(-5), "b": []any{int64(300), "x", []byte("y"), 1.5, nil, true}, "big": uint64(math.MaxUint64)}
	in, err := CodecFor[map[string]any]().Append(nil, value)
	if err != nil {
		t.Fatal(err)
	}
	cmd := exec.Command(python, "-c", `import sys, msgpack
v = msgpack.unpackb(sys.stdin.buffer.read())
assert v == {"a": -5, "b": [300, "x", b"y", 1.5, None, True], "big": 2**64-1}, v
sys.stdout.buffer.write(msgpack.packb(v))`)
	cmd.Stdin = bytes.NewReader(in)
	cmd.Stderr = os.Stderr
	out, err := cmd.Output()
	if err != nil {
		t.Fatal(err)
	}
	if !bytes.Equal(out, in) {
		t.Errorf("Python packs %x, we %x", out, in)
	}
	if got, err := safeDecode(CodecFor[map[string]any](), out); err != nil || !reflect.DeepEqual(got, value) {
		t.Errorf("reading Python's: %v, %v", got, err)
	}
}
