package wordcount

import (
	"bytes"
	"errors"
	"slices"
	"testing"
)

func TestTally(t *testing.T) {
	t.Parallel()
	var a, b Tally
	for _, w := range []string{"ox", "yoke", "ox", "plough"} {
		a.Add([]byte(w), 1)
	}
	b.Add([]byte("plough"), 1)
	b.Add([]byte("field"), 1)
	if err := a.Merge(b.AppendPacked(nil)); err != nil {
		t.Fatal(err)
	}
	want := []Word{{"ox", 2}, {"plough", 2}, {"field", 1}, {"yoke", 1}}
	if got := a.Top(10); !slices.Equal(got, want) {
		t.Errorf("got %v, want %v", got, want)
	}
	if got := a.Top(1); !slices.Equal(got, want[:1]) {
		t.Errorf("got %v, want %v", got, want[:1])
	}
	if a.Total() != 6 || a.Distinct() != 4 {
		t.Errorf("got %d words, %d different; want 6, 4", a.Total(), a.Distinct())
	}
	a.Reset()
	if a.Total() != 0 || a.Distinct() != 0 || len(a.Top(3)) != 0 {
		t.Error("not empty after Reset")
	}
	a.Add([]byte("ox"), 1)
	if got := a.Top(3); !slices.Equal(got, []Word{{"ox", 1}}) {
		t.Errorf("got %v after Reset and Add", got)
	}
}

func TestMergeDamaged(t *testing.T) {
	t.Parallel()
	var whole Tally
	whole.Add([]byte("yoke"), 300)
	packed := whole.AppendPacked(nil)
	for n := 1; n < len(packed); n++ {
		var got Tally
		if err := got.Merge(packed[:n]); !errors.Is(err, ErrDamaged) {
			t.Errorf("first %d of %d bytes: got %v, want ErrDamaged", n, len(packed), err)
		}
	}
}

func FuzzMerge(f *testing.F) {
	f.Add([]byte("\x02ox\x01"))
	f.Add([]byte("\x02ox"))
	f.Add([]byte("\xff\xff\xff\xff\xff\xff\xff\xff\xff\x01"))
	f.Fuzz(func(t *testing.T, packed []byte) {
		var first, second Tally
		if first.Merge(packed) != nil {
			return
		}
		if err := second.Merge(first.AppendPacked(nil)); err != nil {
			t.Fatal(err)
		}
		if !slices.Equal(first.Top(first.Distinct()), second.Top(second.Distinct())) {
			t.Error("packing and merging changed the counts")
		}
		if !bytes.Equal(first.AppendPacked(nil), second.AppendPacked(nil)) {
			t.Error("packing twice differs")
		}
	})
}
