package ipc

import (
	"errors"
	"io/fs"
	"math"
	"reflect"
	"strings"
	"testing"
)

func testList(t *testing.T, items ...any) *ShareableList {
	t.Helper()
	l, err := NewShareableList("", items...)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := l.Unlink(); err != nil && !errors.Is(err, fs.ErrNotExist) {
			t.Error(err)
		}
		l.Close()
	})
	return l
}

func wantItems(t *testing.T, l *ShareableList, want ...any) {
	t.Helper()
	got, err := l.Items()
	if err != nil || !reflect.DeepEqual(got, want) {
		t.Errorf("items %#v, %v; want %#v", got, err, want)
	}
}

// In Python a copy is made by giving the list to the constructor with a name; here by giving its items. There is no
// format, which is struct's; that an item keeps its room shows by what it refuses.
func TestCPython__TestSharedMemory_test_shared_memory_ShareableList_basics(t *testing.T) {
	t.Parallel()
	items := []any{"howdy", []byte("HoWdY"), -273.154, 100, nil, true, 42}
	l := testList(t, items...)
	wantItems(t, l, items...)
	if l.Len() != 7 || l.Name() == "" || !strings.Contains(l.String(), l.Name()) {
		t.Errorf("%v of %d items", l, l.Len())
	}
	for _, i := range []int{7, -8, math.MaxInt, math.MinInt} {
		_, err := l.At(i)
		wantIs(t, err, ErrIndex)
		wantIs(t, l.Set(i, 2), ErrIndex)
	}
	for _, v := range []any{complex(1, 2), []int{1}, struct{}{}, uint64(1 << 63)} {
		wantIs(t, l.Set(0, v), ErrItem)
		_, err := l.Count(v)
		wantIs(t, err, ErrItem)
	}

	set := func(i int, v, want any) {
		t.Helper()
		if err := l.Set(i, v); err != nil {
			t.Errorf("setting %d to %v: %v", i, v, err)
		}
		if got, err := l.At(i); err != nil || !reflect.DeepEqual(got, want) {
			t.Errorf("item %d is %#v, %v; want %#v", i, got, err, want)
		}
	}
	refuse := func(i int, v any) {
		t.Helper()
		before, _ := l.Items()
		wantIs(t, l.Set(i, v), ErrTooLarge)
		wantItems(t, l, before...)
	}
	set(4, "some", "some")
	refuse(4, "far too many")
	set(0, "encodés", "encodés") // exactly 8 bytes
	refuse(0, "encodées")        // exactly 9
	set(1, []byte("12345678"), []byte("12345678"))
	refuse(1, []byte("123456789")) // and nothing spills over into the next
	wantItems(t, l, "encodés", []byte("12345678"), -273.154, 100, "some", true, 42)

	// Types change where the items lie, there and back.
	set(3, 42, 42)
	set(4, "some", "some")
	set(-1, uint16(7), 7)
	set(-1, 42, 42)
	set(5, 2.5, 2.5)
	set(5, nil, nil)
	set(5, false, false)
	set(5, true, true)
	set(0, []byte{1, 0, 0}, []byte{1, 0, 0}) // the zeros at the end, which Python loses
	set(0, "", "")

	if n, err := l.Count(42); n != 2 || err != nil {
		t.Errorf("counted %d, %v", n, err)
	}
	if n, _ := l.Count(42.0); n != 2 {
		t.Errorf("counted %d of the same number as a float", n)
	}
	if n, _ := l.Count(1); n != 1 {
		t.Errorf("counted %d: true is 1", n)
	}
	if n, _ := l.Count("adios"); n != 0 {
		t.Errorf("counted %d of none", n)
	}
	if n, _ := l.Count([]byte("12345678")); n != 1 {
		t.Errorf("counted %d of bytes", n)
	}
	if i, err := l.Index(42); i != 3 || err != nil {
		t.Errorf("index %d, %v", i, err)
	}
	_, err := l.Index(100)
	wantIs(t, err, ErrNoItem)

	// A copy under another name is another list.
	all, _ := l.Items()
	name := uniqueName(t)
	other, err := NewShareableList(name, all...)
	if err != nil {
		t.Fatal(err)
	}
	if other.Name() != name {
		t.Errorf("the copy is called %q", other.Name())
	}
	_, err = NewShareableList(name, all...)
	wantIs(t, err, fs.ErrExist)
	if err := other.Set(-1, 77); err != nil {
		t.Error(err)
	}
	if v, _ := l.At(-1); v != 42 {
		t.Errorf("the copy changed the original: %v", v)
	}
	if err := errors.Join(other.Unlink(), other.Close()); err != nil {
		t.Error(err)
	}
	_, err = other.At(0)
	wantIs(t, err, ErrClosed)

	// Attached by name it is the same.
	same, err := OpenShareableList(l.Name())
	if err != nil {
		t.Fatal(err)
	}
	defer same.Close()
	if same.Len() != l.Len() || same.Memory().Size() != l.Memory().Size() {
		t.Errorf("%v", same)
	}
	set(3, 1, 1)
	if v, _ := same.At(3); v != 1 {
		t.Errorf("a change is not seen: %v", v)
	}
	_, err = OpenShareableList(uniqueName(t))
	wantIs(t, err, fs.ErrNotExist)

	empty := testList(t)
	wantItems(t, empty, []any{}...)
	if n, err := empty.Count("any"); empty.Len() != 0 || n != 0 || err != nil {
		t.Errorf("%v, counted %d, %v", empty, n, err)
	}
	_, err = empty.Index(nil)
	wantIs(t, err, ErrNoItem)
	_, err = empty.At(0)
	wantIs(t, err, ErrIndex)
}

func TestCPython__TestSharedMemory_test_shared_memory_ShareableList_pickling(t *testing.T) {
	t.Parallel()
	l := testList(t, ints(0, 10)...)
	codec := CodecFor[*ShareableList]()
	encoded, err := codec.Append(nil, l)
	if err != nil {
		t.Fatal(err)
	}
	same, _, err := codec.Decode(encoded)
	if err != nil {
		t.Fatal(err)
	}
	defer same.Close()
	wantItems(t, same, ints(0, 10)...)
	if err := same.Set(0, 42); err != nil {
		t.Error(err)
	}
	wantItems(t, l, append([]any{42}, ints(1, 10)...)...)

	// The size is the handle's, however long the list is.
	long := testList(t, ints(0, 1000)...)
	encodedLong, err := codec.Append(nil, long)
	if err != nil || len(encodedLong) > len(encoded)+8 {
		t.Errorf("%d bytes for 1000 items, %d for 10; %v", len(encodedLong), len(encoded), err)
	}
}

func TestCPython__TestSharedMemory_test_shared_memory_ShareableList_pickling_dead_object(t *testing.T) {
	t.Parallel()
	l := testList(t, ints(0, 10)...)
	codec := CodecFor[*ShareableList]()
	encoded, err := codec.Append(nil, l)
	if err != nil {
		t.Fatal(err)
	}
	if err := errors.Join(l.Unlink(), l.Close()); err != nil {
		t.Fatal(err)
	}
	_, _, err = codec.Decode(encoded)
	wantIs(t, err, fs.ErrNotExist)
}

func ints(from, to int) (out []any) {
	for i := from; i < to; i++ {
		out = append(out, i)
	}
	return out
}
