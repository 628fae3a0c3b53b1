package ipc

import (
	"context"
	"encoding/binary"
	"errors"
	"hash/crc32"
	"os"
	"path/filepath"
	"testing"
	"time"

	"yunta/oslock/mapped"
)

// openBytes opens a file of size bytes that starts with head.
func openBytes(t testing.TB, head []byte, size int64) (*Extents, error) {
	t.Helper()
	f, err := os.OpenFile(filepath.Join(t.TempDir(), "x"), os.O_RDWR|os.O_CREATE|os.O_EXCL, 0o600)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := f.Write(head); err != nil {
		t.Fatal(err)
	}
	if err := f.Truncate(size); err != nil {
		t.Fatal(err)
	}
	x, err := OpenExtents(f)
	if err != nil {
		f.Close()
	}
	return x, err
}

func testHeader() header {
	return header{areaSize: 10, extentSize: 64 << 10, budget: 3, id: "0123456789abcdef", dir: "/tmp"}
}

func TestOpenExtentsRefuses(t *testing.T) {
	t.Parallel()
	h := testHeader()
	seal := func(b []byte) []byte {
		binary.NativeEndian.PutUint32(b[headerBytes-4:], crc32.Checksum(b[:headerBytes-4], castagnoli()))
		return b
	}
	with := func(change func(b []byte)) []byte {
		b := h.encode()
		change(b)
		return seal(b)
	}
	for _, row := range []struct {
		name string
		head []byte
		size int64
	}{
		{"empty", nil, 0},
		{"short", []byte("yuntaext"), 100},
		{"zeros", nil, h.base()},
		{"cut off", h.encode(), h.base() - 1},
		{"checksum", with(func([]byte) {})[:headerBytes-1], h.base()},
		{"version", with(func(b []byte) { b[8]++ }), h.base()},
		{"byte order", with(func(b []byte) { b[12], b[15] = b[15], b[12] }), h.base()},
		{"area", with(func(b []byte) { b[23] = 0x80 }), h.base()},
		{"large area", with(func(b []byte) { b[21] = 1 }), h.base()},
		{"extent size", with(func(b []byte) { b[24]++ }), h.base()},
		{"no budget", with(func(b []byte) { b[32] = 0 }), h.base()},
		{"budget", with(func(b []byte) { b[34] = 9 }), h.base()},
		{"no folder", with(func(b []byte) { b[36] = 0 }), h.base()},
		{"long folder", with(func(b []byte) { b[37] = 0xff }), h.base()},
		{"relative folder", with(func(b []byte) { b[56] = 'x' }), h.base()},
		{"name", with(func(b []byte) { b[45] = '/' }), h.base()},
	} {
		t.Run(row.name, func(t *testing.T) {
			t.Parallel()
			if x, err := openBytes(t, row.head, row.size); !errors.Is(err, ErrCorrupt) {
				t.Errorf("OpenExtents = %v, %v; want ErrCorrupt", x, err)
			}
		})
	}
	x, err := openBytes(t, h.encode(), h.base())
	if err != nil {
		t.Fatal(err)
	}
	if x.head != h {
		t.Errorf("header %+v, want %+v", x.head, h)
	}
	if err := x.Close(); err != nil {
		t.Error(err)
	}
	if err := x.Close(); err != nil {
		t.Error(err)
	}
}

func FuzzOpenExtents(f *testing.F) {
	h := testHeader()
	f.Add(h.encode(), uint32(h.base()), true)
	f.Add(h.encode()[:100], uint32(headerBytes), false)
	f.Add([]byte{}, uint32(0), false)
	f.Fuzz(func(t *testing.T, head []byte, size uint32, seal bool) {
		if seal { // or no change would ever get past the checksum
			head = append(head, make([]byte, headerBytes)...)[:headerBytes]
			binary.NativeEndian.PutUint32(head[headerBytes-4:], crc32.Checksum(head[:headerBytes-4], castagnoli()))
		}
		x, err := openBytes(t, head, int64(size))
		if err != nil {
			if !errors.Is(err, ErrCorrupt) {
				t.Fatalf("%v, want ErrCorrupt", err)
			}
			return
		}
		if x.head.extentSize <= 1<<20 { // a larger one would be reserved
			exercise(t, x, 1<<refIDShift)
		}
		if err := x.Close(); err != nil {
			t.Fatal(err)
		}
	})
}

// exercise does everything a process may do with damaged extents. Errors are
// expected; panics, faults and endless loops are not.
func exercise(t testing.TB, x *Extents, first Ref) {
	t.Helper()
	for _, r := range []*RecordReader{x.PeekRecords(first), x.NewRecordReader(first)} {
		for values := 0; values < 10_000; {
			_, count, body, ok, err := r.Next()
			if !ok || err != nil {
				break
			}
			values += count
			err = mapped.Guard(func() error {
				sum := byte(0)
				for _, b := range body {
					sum += b
				}
				_ = sum
				return nil
			})
			if err != nil {
				t.Fatalf("a body of %d bytes: %v", len(body), err)
			}
		}
		r.Done()
	}
	for id := range uint32(5) {
		x.Bytes(id)
		x.Give(id)
	}
	w := x.NewUnbudgetedRecordWriter(1)
	for range 3 {
		w.Begin(context.Background(), 1)
		if buf, err := w.Room(context.Background(), 100); err == nil {
			if err := mapped.Guard(func() error { return w.Commit(context.Background(), append(buf, "value"...)) }); err != nil {
				t.Fatalf("Commit: %v", err)
			}
		}
		w.End()
	}
	for writer := range uint32(3) {
		x.ReclaimWriter(writer)
	}
}

// The file of a writer run wild: whatever it wrote over the table, the heads
// and the links, the reader gets errors or values, and stays within its extents.
func FuzzRecordReader(f *testing.F) {
	put := func(off int, b ...byte) []byte {
		return append(binary.LittleEndian.AppendUint32(nil, uint32(off)), b...)
	}
	f.Add(uint64(0), []byte{})
	f.Add(uint64(1), put(tableSize, 0xff, 0xff, 0xff))          // counts
	f.Add(uint64(0), put(tableSize+8, 0, 0, 0, 0, 0, 0x20))     // link
	f.Add(uint64(0), put(entryBytes, 0xff, 0xff, 0xff, 0xff))   // word
	f.Add(uint64(0), put(entryBytes+8, 0xff, 0xff, 0xff, 0x7f)) // offset
	f.Add(uint64(0), put(entryBytes+16, 0, 0, 0, 0, 1))         // size
	f.Add(uint64(1<<45), put(entryBytes+24, 0xff))              // reserved
	dir := f.TempDir()
	f.Fuzz(func(t *testing.T, flip uint64, damage []byte) {
		x, err := CreateExtents(ExtentOptions{ExtentSize: 64 << 10, Budget: 2, Dir: dir})
		if err != nil {
			t.Fatal(err)
		}
		defer x.Close()
		w := x.NewUnbudgetedRecordWriter(1)
		first, err := w.Begin(t.Context(), 1)
		if err != nil {
			t.Fatal(err)
		}
		for i := range 4 {
			writeValue(t, w, uint64(i), 100)
			writeValue(t, w, uint64(i), 30<<10)
			w.Next(t.Context(), uint8(i))
		}
		// Each piece of damage: an offset from the table's start, then a byte; bytes
		// that follow go to the next offset.
		for len(damage) >= 5 {
			off := int64(binary.LittleEndian.Uint32(damage)) % (x.end() - x.head.tableOff())
			n := min(len(damage)-4, 12)
			if _, err := x.file.WriteAt(damage[4:4+n], x.head.tableOff()+off); err != nil {
				t.Fatal(err)
			}
			damage = damage[4+n:]
		}
		if !x.sane() {
			return
		}
		done := time.AfterFunc(20*time.Second, func() { panic("endless loop") })
		defer done.Stop()
		exercise(t, x, first^Ref(flip))
	})
}

// end is where the file ended before it was damaged.
func (x *Extents) end() int64 {
	fi, err := x.file.Stat()
	if err != nil {
		panic(err)
	}
	return fi.Size()
}

// sane keeps the fuzzer from filling the machine's memory with what is no
// error: an extent that is as large as somebody says.
func (x *Extents) sane() bool {
	total := uint64(0)
	for id := range maxExtents {
		e := x.entry(id)
		if e.load().state() == stateNone {
			break
		}
		total += e.size.Load() % (1 << 40)
	}
	return total < 1<<30
}
