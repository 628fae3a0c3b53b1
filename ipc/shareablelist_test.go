package ipc

import (
	"errors"
	"fmt"
	"math"
	"testing"
)

// What stands in the segment is never believed.
func TestShareableListDamaged(t *testing.T) {
	t.Parallel()
	rnd := testRand(t)
	for range 500 {
		l := testList(t, "text", []byte("bytes"), 1, nil, 2.5)
		b := l.Memory().Bytes()
		for range 1 + rnd.IntN(3) {
			b[rnd.IntN(len(b))] ^= byte(1 + rnd.IntN(255))
		}
		same, err := OpenShareableListHandle(l.Handle())
		if err != nil {
			wantIs(t, err, ErrCorrupt)
			continue
		}
		for i := range same.Len() {
			if _, err := same.At(i); err != nil && !errors.Is(err, ErrCorrupt) {
				t.Errorf("%v", err)
			}
			if err := same.Set(i, "new"); err != nil && !errors.Is(err, ErrCorrupt) {
				t.Errorf("%v", err)
			}
		}
		_ = same.String()
		same.Close()
	}
	m := testSegment(t, uniqueName(t), 8)
	_, err := OpenShareableList(m.Name())
	wantIs(t, err, ErrCorrupt)
}

func TestShareableListEqual(t *testing.T) {
	t.Parallel()
	tests := []struct {
		a, b any
		want bool
	}{
		{1, 1.0, true},
		{true, 1, true},
		{false, 0.0, true},
		{1, "1", false},
		{"a", []byte("a"), false},
		{[]byte("a"), []byte("a"), true},
		{nil, nil, true},
		{nil, false, false},
		{math.NaN(), math.NaN(), false},
		{math.MaxInt64, float64(1 << 63), false},
		{1 << 53, float64(1 << 53), true},
		{1.5, float32(1.5), true},
	}
	for _, test := range tests {
		if got := equalItems(test.a, test.b); got != test.want {
			t.Errorf("%#v and %#v: %v", test.a, test.b, got)
		}
	}
}

func ExampleShareableList() {
	a, err := NewShareableList("", "howdy", []byte("HoWdY"), -273.154, 100, nil, true, 42)
	if err != nil {
		panic(err)
	}
	b, err := OpenShareableList(a.Name()) // in another process, say
	if err != nil {
		panic(err)
	}
	for i, v := range a.All() {
		fmt.Printf("%d %T\n", i, v)
	}
	b.Set(2, -78.5)
	fmt.Println(a.At(2))
	b.Set(2, "dry ice") // another type of item
	fmt.Println(a.At(2))
	fmt.Println(a.Set(2, "larger than its room"))
	n, _ := a.Index(42)
	fmt.Println(a.Len(), n)
	b.Close()
	a.Unlink() // once, by any of them
	a.Close()
	// Output:
	// 0 string
	// 1 []uint8
	// 2 float64
	// 3 int
	// 4 <nil>
	// 5 bool
	// 6 int
	// -78.5 <nil>
	// dry ice <nil>
	// ipc: too large: item 2 of 20 bytes exceeds its room of 8
	// 7 6
}
