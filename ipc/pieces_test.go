package ipc

import (
	"bytes"
	"errors"
	"hash/crc32"
	"slices"
	"strings"
	"testing"
	"time"
)

func TestDecodeInPieces(t *testing.T) {
	t.Parallel()
	text := strings.Repeat("0123456789", 100)
	encoded, _ := CodecFor[string]().Append(nil, text)
	for _, piece := range []int{-1, 1, 7, 999, 1000, 1 << 20} {
		var said []int
		got, rest, err := CodecFor[string]().DecodeInPieces(append(slices.Clone(encoded), 1, 2), piece, func(n int) { said = append(said, n) })
		if got != text || !bytes.Equal(rest, []byte{1, 2}) || err != nil {
			t.Fatalf("pieces of %d: %d bytes, rest %v, %v", piece, len(got), rest, err)
		}
		if !slices.IsSorted(said) || said[len(said)-1] != len(encoded) {
			t.Errorf("pieces of %d: passed %v, want it to end at %d", piece, said, len(encoded))
		}
		b, _, err := CodecFor[[]byte]().DecodeInPieces(encoded, piece, func(int) {})
		if string(b) != text || err != nil {
			t.Errorf("pieces of %d as bytes: %d, %v", piece, len(b), err)
		}
		clear(b) // the caller's own
	}
	never := func(int) { t.Error("passed was called") }
	if got, _, err := CodecFor[[]byte]().DecodeInPieces([]byte{codeNil}, 8, never); got != nil || err != nil {
		t.Errorf("nil: %v, %v", got, err)
	}
	if got, _, err := CodecFor[[]byte]().DecodeInPieces([]byte{fixStr}, 8, never); got == nil || len(got) != 0 || err != nil {
		t.Errorf("empty: %v, %v", got, err)
	}
	if got, _, err := CodecFor[int]().DecodeInPieces([]byte{7}, 8, never); got != 7 || err != nil {
		t.Errorf("an int: %v, %v", got, err)
	}
	for _, bad := range [][]byte{nil, {codeStr8}, {codeStr8, 9, 'x'}, {codeBin32, 0, 0, 0, 9}, {0xc1}} {
		if _, _, err := CodecFor[string]().DecodeInPieces(bad, 8, never); !errors.Is(err, ErrDecode) {
			t.Errorf("% x: %v, want ErrDecode", bad, err)
		}
	}
}

// largeRecord writes one value of size bytes and returns what reads it.
func largeRecord(t *testing.T, w *RecordWriter, x *Extents, size int, fill byte) *RecordReader {
	t.Helper()
	ref, err := w.Begin(t.Context(), 1)
	if err != nil {
		t.Fatal(err)
	}
	buf, err := w.Room(t.Context(), size)
	if err != nil {
		t.Fatal(err)
	}
	buf = buf[:size]
	for i := 0; i < size; i += 4096 {
		buf[i] = fill
	}
	if err := errors.Join(w.Commit(t.Context(), buf), w.End()); err != nil {
		t.Fatal(err)
	}
	return x.NewRecordReader(ref)
}

// A value whose pages went while it was read leaves nothing that a later one
// could trip over.
func TestPassed(t *testing.T) {
	t.Parallel()
	for _, size := range []int{100, 3 << 20, punchFrom} {
		if size == punchFrom && testing.Short() {
			continue
		}
		x := testExtents(t, ExtentOptions{})
		w := x.NewRecordWriter(1)
		for round := range 3 {
			r := largeRecord(t, w, x, size, byte(round+1))
			if r.Passed(10); r.passed != 0 {
				t.Error("Passed before Next gave something back")
			}
			_, _, body, ok, err := r.Next()
			if len(body) != size || !ok || err != nil {
				t.Fatal(len(body), ok, err)
			}
			r.Passed(size + 1) // more than there is: nothing
			const piece = 1 << 20
			for at := 0; at < size; at += piece {
				for i := at; i < min(at+piece, size); i += 4096 {
					if body[i] != byte(round+1) {
						t.Fatalf("%d bytes, round %d: byte %d is %d", size, round, i, body[i])
					}
				}
				r.Passed(min(at+piece, size))
			}
			if err := r.Done(); err != nil {
				t.Fatal(err)
			}
		}
	}
}

// What is free is kept while large values come and go, and not much longer.
func TestExtentsCool(t *testing.T) {
	t.Parallel()
	x := testExtents(t, ExtentOptions{ExtentSize: 64 << 10})
	e, err := x.TakeUnbudgeted(1, 2*maxCached)
	if err != nil {
		t.Fatal(err)
	}
	if err := x.Give(e.ID); err != nil {
		t.Fatal(err)
	}
	kept := func() uint64 { return x.entry(int(e.ID)).reserved.Load() }
	if kept() < 2*maxCached {
		t.Errorf("%d bytes are kept at once, want all %d", kept(), 2*maxCached)
	}
	for end := time.Now().Add(60 * time.Second); kept() > 0 && time.Now().Before(end); {
		time.Sleep(10 * time.Millisecond)
	}
	if kept() > 0 {
		t.Errorf("%d bytes are kept for good, limit %d", kept(), maxCached)
	}
	checkIdle(t, x)
}

func TestHeaderSum(t *testing.T) {
	t.Parallel()
	for _, b := range [][]byte{nil, {0}, []byte("yunta"), bytes.Repeat([]byte{0xff, 1}, 2046)} {
		if got, want := headerSum(b), crc32.Checksum(b, castagnoli()); got != want {
			t.Errorf("headerSum of %d bytes = %#x, want %#x", len(b), got, want)
		}
	}
}
