package ipc

import (
	"bytes"
	"encoding/hex"
	"errors"
	"fmt"
	"math/big"
	"slices"
	"testing"
	"time"

	"github.com/vmihailenco/msgpack/v5"
)

func TestCanonical(t *testing.T) {
	t.Parallel()
	for _, row := range []struct{ name, in, want string }{
		{"nil", "c0", "c0"},
		{"integer", "cd0100", "cd0100"},
		{"empty map", "80", "80"},
		{"sorted", "82a16101a16202", "82a16101a16202"},
		{"two", "82a16202a16101", "82a16101a16202"},
		{"shorter first", "82a2616101a16202", "82a16202a2616101"},
		{"in an array", "93018203000200c0", "93018202000300c0"},
		{"in a map", "82a16182a17902a17801a1420a", "82a1420aa16182a17801a17902"},
		{"map as a key", "8282030002000181000000", "8281000000820200030001"},
		{"same keys", "82a16102a16101", "82a16101a16102"},
		{"map16", "de000202000100", "de000201000200"},
		{"map32", "df0000000202000100", "df0000000201000200"},
		{"extension", "82d6018201000200c0c0", "82c0c0d6018201000200"},
	} {
		in, err := hex.DecodeString(row.in)
		if err != nil {
			t.Fatal(err)
		}
		got, err := Canonical([]byte("before"), in)
		if err != nil || string(got[:6]) != "before" || hex.EncodeToString(got[6:]) != row.want {
			t.Errorf("%s: Canonical(%s) = %x, %v; want %s", row.name, row.in, got[min(6, len(got)):], err, row.want)
		}
	}
}

func TestCanonicalRefuses(t *testing.T) {
	t.Parallel()
	deep := append(bytes.Repeat([]byte{0x91}, maxNesting+1), 0)
	for _, in := range [][]byte{nil, {0xc1}, {0x92, 1}, {0x81, 1}, {1, 2}, {0xdf, 0xff, 0xff, 0xff, 0xff}, {0x92, 1, 0xc1}, deep} {
		got, err := Canonical([]byte("x"), in)
		if !errors.Is(err, ErrCorrupt) || string(got) != "x" {
			t.Errorf("Canonical(% x) = %q, %v; want ErrCorrupt", in[:min(len(in), 8)], got, err)
		}
	}
	deep = append(bytes.Repeat([]byte{0x91}, maxNesting), 0)
	if got, err := Canonical(nil, deep); err != nil || !bytes.Equal(got, deep) {
		t.Errorf("nested %d deep: %v", maxNesting, err)
	}
}

// Whatever order a map is encoded in, it comes out the same.
func TestCanonicalOfMaps(t *testing.T) {
	t.Parallel()
	v := map[string]map[int]any{}
	for i := range 50 {
		v[fmt.Sprint("key", i)] = map[int]any{i: i, 1000 * i: map[string]any{"x": i}, -i: []int{i}}
	}
	c := CodecFor[map[string]map[int]any]()
	var want []byte
	for i := range 20 {
		b, err := c.Append(nil, v)
		if err != nil {
			t.Fatal(err)
		}
		got, err := Canonical(nil, b)
		if err != nil {
			t.Fatal(err)
		}
		if len(got) != len(b) {
			t.Fatalf("%d bytes became %d", len(b), len(got))
		}
		if i == 0 {
			want = got
		}
		if !bytes.Equal(got, want) {
			t.Fatalf("run %d: %x, want %x", i, got, want)
		}
	}
	back, rest, err := c.Decode(want)
	if err != nil || len(rest) > 0 || len(back) != 50 {
		t.Errorf("decoded %d keys, %d bytes left, %v", len(back), len(rest), err)
	}
}

type encodesItself struct{}

func (encodesItself) EncodeMsgpack(*msgpack.Encoder) error { return nil }

func TestCodecOrdered(t *testing.T) {
	t.Parallel()
	type named string
	type tree struct {
		Left, Right *tree
		N           int
	}
	for _, row := range []struct {
		name string
		got  bool
		want bool
	}{
		{"int", CodecFor[int]().Ordered(), true},
		{"[][]byte", CodecFor[[][]byte]().Ordered(), true},
		{"struct", CodecFor[struct {
			A []string
			B *float64
			T time.Time
			U *time.Time
		}]().Ordered(), true},
		{"tree", CodecFor[tree]().Ordered(), true},
		{"map[string]string", CodecFor[map[string]string]().Ordered(), true},
		{"[]map[string]bool", CodecFor[[]map[string]bool]().Ordered(), true},
		{"map[string]any", CodecFor[map[string]any]().Ordered(), false},
		{"map[string]int", CodecFor[map[string]int]().Ordered(), false},
		{"map[int]string", CodecFor[map[int]string]().Ordered(), false},
		{"map[named]string", CodecFor[map[named]string]().Ordered(), false},
		{"map[string]named", CodecFor[map[string]named]().Ordered(), false},
		{"map in a struct", CodecFor[struct{ M map[int]int }]().Ordered(), false},
		{"hidden map", CodecFor[struct{ m map[int]int }]().Ordered(), true},
		{"any", CodecFor[any]().Ordered(), false},
		{"[]error", CodecFor[[]error]().Ordered(), false},
		{"own encoder", CodecFor[encodesItself]().Ordered(), false},
		{"own encoder inside", CodecFor[[]*encodesItself]().Ordered(), false},
		{"text", CodecFor[*big.Int]().Ordered(), false},
	} {
		if row.got != row.want {
			t.Errorf("%s: Ordered is %v, want %v", row.name, row.got, row.want)
		}
	}
}

func FuzzCanonical(f *testing.F) {
	for _, s := range []string{"c0", "82a16202a16101", "8282030002000181000000", "de000202000100", "82d6018201000200c0c0", "91dc0001c7020101a0"} {
		b, err := hex.DecodeString(s)
		if err != nil {
			f.Fatal(err)
		}
		f.Add(b)
	}
	f.Fuzz(func(t *testing.T, b []byte) {
		got, err := Canonical(nil, b)
		if err != nil {
			if !errors.Is(err, ErrCorrupt) {
				t.Fatal(err)
			}
			return
		}
		again, err := Canonical(nil, got)
		if err != nil || !bytes.Equal(got, again) {
			t.Fatalf("%x became %x, and then %x, %v", b, got, again, err)
		}
		x, y := slices.Clone(b), slices.Clone(got)
		slices.Sort(x)
		slices.Sort(y)
		if !bytes.Equal(x, y) {
			t.Fatalf("%x became %x", b, got)
		}
	})
}
