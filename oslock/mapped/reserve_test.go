package mapped

import (
	"bytes"
	"errors"
	"os"
	"testing"
)

func TestAnonymous(t *testing.T) {
	t.Parallel()
	f, err := Anonymous("test", 100)
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	r := mustMap(t, f, 0, 100)
	if !bytes.Equal(r.Bytes(), make([]byte, 100)) {
		t.Error("a fresh anonymous file is not all zero")
	}
	if err := Reserve(f, 0, 3*int64(PageSize())); err != nil {
		t.Fatal(err)
	}
	if info, err := f.Stat(); err != nil || info.Size() != 3*int64(PageSize()) {
		t.Errorf("after Reserve: size %d, %v, want %d", info.Size(), err, 3*PageSize())
	}
	if _, err := os.Stat(f.Name()); err == nil {
		t.Errorf("%s has a name in the file system", f.Name())
	}
	if _, err := Anonymous("test", -1); !errors.Is(err, ErrRange) {
		t.Errorf("a negative size = %v, want ErrRange", err)
	}
}

func TestReserveKeepsContent(t *testing.T) {
	t.Parallel()
	for name, reserve := range map[string]func(*os.File, int64, int64) error{"Reserve": Reserve, "writeZeros": writeZeros} {
		f := tempFile(t, 0)
		f.WriteAt([]byte("yunta"), 10)
		f.Truncate(int64(3*PageSize()) + 3) // a hole, and an end inside a page
		if err := reserve(f, 8, 5*int64(PageSize())+zeroChunk); err != nil {
			t.Fatalf("%s: %v", name, err)
		}
		got := make([]byte, 16)
		f.ReadAt(got, 8)
		if want := "\x00\x00yunta\x00\x00\x00\x00\x00\x00\x00\x00\x00"; string(got) != want {
			t.Errorf("%s: content %q, want %q", name, got, want)
		}
		if info, _ := f.Stat(); info.Size() != 8+5*int64(PageSize())+zeroChunk {
			t.Errorf("%s: size %d", name, info.Size())
		}
	}
}

func TestReserveInside(t *testing.T) {
	t.Parallel()
	f := tempFile(t, int64(4*PageSize()))
	if err := writeZeros(f, 5, int64(2*PageSize())); err != nil {
		t.Fatal(err)
	}
	if info, _ := f.Stat(); info.Size() != int64(4*PageSize()) {
		t.Errorf("reserving inside the file changed its size to %d", info.Size())
	}
}

func TestReserveRefuses(t *testing.T) {
	t.Parallel()
	f := tempFile(t, 8)
	for _, row := range [][2]int64{{-1, 8}, {0, 0}, {0, -1}, {1<<63 - 2, 10}} {
		if err := Reserve(f, row[0], row[1]); !errors.Is(err, ErrRange) {
			t.Errorf("Reserve(%d, %d) = %v, want ErrRange", row[0], row[1], err)
		}
		if err := Discard(f, row[0], row[1]); !errors.Is(err, ErrRange) {
			t.Errorf("Discard(%d, %d) = %v, want ErrRange", row[0], row[1], err)
		}
	}
}

func TestDiscard(t *testing.T) {
	t.Parallel()
	f, err := Anonymous("test", int64(2*PageSize()))
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	r := mustMap(t, f, 0, 2*PageSize())
	r.Bytes()[0], r.Bytes()[PageSize()] = 1, 2
	if err := Discard(f, 0, int64(PageSize())); err != nil {
		t.Fatal(err)
	}
	if got := r.Bytes()[PageSize()]; got != 2 {
		t.Errorf("Discard changed its neighbour to %d", got)
	}
	r.Bytes()[0] = 3 // the page can be used again
}
