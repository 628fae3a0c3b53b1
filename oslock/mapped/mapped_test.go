package mapped

import (
	"errors"
	"os"
	"path/filepath"
	"strings"
	"testing"
)

// tempFile returns an open file of size zero bytes under a private folder.
func tempFile(t testing.TB, size int64) *os.File {
	t.Helper()
	f, err := os.Create(filepath.Join(t.TempDir(), "file"))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { f.Close() })
	if err := f.Truncate(size); err != nil {
		t.Fatal(err)
	}
	return f
}

func mustMap(t testing.TB, f *os.File, off int64, size int) *Region {
	t.Helper()
	r, err := Map(f, off, size)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { r.Unmap() })
	return r
}

func TestMapIsShared(t *testing.T) {
	t.Parallel()
	f := tempFile(t, int64(2*PageSize()))
	a := mustMap(t, f, 0, 2*PageSize())
	b := mustMap(t, f, int64(PageSize()), PageSize())
	a.Uint64(PageSize() + 8).Store(1<<40 + 7)
	if got := b.Uint64(8).Load(); got != 1<<40+7 {
		t.Errorf("the second mapping reads %d, want %d", got, uint64(1<<40+7))
	}
	ro, err := MapReadOnly(f, 0, 2*PageSize())
	if err != nil {
		t.Fatal(err)
	}
	defer ro.Unmap()
	if got := ro.Uint32(PageSize() + 8).Load(); got != 7 && got != 1<<8 {
		t.Errorf("the read-only mapping reads %d", got)
	}
	if a.Size() != 2*PageSize() || len(a.Bytes()) != a.Size() {
		t.Errorf("size %d, bytes %d, want %d", a.Size(), len(a.Bytes()), 2*PageSize())
	}
}

func TestMapSurvivesClose(t *testing.T) {
	t.Parallel()
	f := tempFile(t, 100)
	r := mustMap(t, f, 0, 100)
	f.Close()
	r.Bytes()[99] = 1
}

func TestMapRefuses(t *testing.T) {
	t.Parallel()
	f := tempFile(t, int64(PageSize()))
	for _, row := range []struct {
		name string
		off  int64
		size int
	}{
		{"empty", 0, 0},
		{"negative size", 0, -1},
		{"negative offset", -int64(PageSize()), 8},
		{"unaligned offset", 8, 8},
		{"past the end", 0, PageSize() + 1},
		{"beyond the end", int64(PageSize()), 1},
		{"overflow", 1 << 62 / int64(PageSize()) * int64(PageSize()), 1 << 62},
	} {
		if _, err := Map(f, row.off, row.size); !errors.Is(err, ErrRange) {
			t.Errorf("%s: Map(%d, %d) = %v, want ErrRange", row.name, row.off, row.size, err)
		}
	}
	f.Close()
	if _, err := Map(f, 0, 8); !errors.Is(err, os.ErrClosed) {
		t.Errorf("Map of a closed file = %v, want os.ErrClosed", err)
	}
}

func TestWordsPanicOnBadOffset(t *testing.T) {
	t.Parallel()
	r := mustMap(t, tempFile(t, 64), 0, 64)
	r.Uint32(60).Store(1)
	r.Uint64(56).Store(1)
	for name, f := range map[string]func(){
		"unaligned 32":       func() { r.Uint32(2) },
		"unaligned 64":       func() { r.Uint64(4) },
		"past the end 32":    func() { r.Uint32(64) },
		"past the end 64":    func() { r.Uint64(64) },
		"negative":           func() { r.Uint32(-4) },
		"huge":               func() { r.Uint64(1<<63 - 8) },
		"after the unmap":    func() { r2 := mustMap(t, tempFile(t, 8), 0, 8); r2.Unmap(); r2.Uint32(0) },
		"word past the last": func() { mustMap(t, tempFile(t, 10), 0, 10).Uint32(8) },
	} {
		func() {
			defer func() {
				if p, _ := recover().(string); !strings.HasPrefix(p, "mapped: ") {
					t.Errorf("%s: panicked with %q, want the package's own text", name, p)
				}
			}()
			f()
		}()
	}
}

func TestForget(t *testing.T) {
	t.Parallel()
	page := PageSize()
	r := mustMap(t, tempFile(t, int64(4*page)), 0, 4*page)
	for i := range r.Bytes() {
		r.Bytes()[i] = byte(i / page)
	}
	for _, row := range [][2]int{{0, 4 * page}, {1, 2 * page}, {page, page}, {5, 10}, {0, 0}, {-1, page}, {page, 9 * page}} {
		r.Forget(row[0], row[1])
		for i, b := range r.Bytes() {
			if b != byte(i/page) {
				t.Fatalf("after Forget(%d, %d) byte %d is %d", row[0], row[1], i, b)
			}
		}
	}
}

func TestUnmapTwice(t *testing.T) {
	t.Parallel()
	r := mustMap(t, tempFile(t, 8), 0, 8)
	for range 2 {
		if err := r.Unmap(); err != nil {
			t.Fatal(err)
		}
	}
	if r.Bytes() != nil || r.Size() != 0 {
		t.Error("an unmapped region still has bytes")
	}
}

func TestGuardTruncated(t *testing.T) {
	t.Parallel()
	f := tempFile(t, int64(2*PageSize()))
	r := mustMap(t, f, 0, 2*PageSize())
	if err := f.Truncate(0); err != nil {
		t.Fatal(err)
	}
	cleaned := false
	err := Guard(func() error {
		defer func() { cleaned = true }()
		r.Uint64(PageSize()).Add(1)
		return nil
	})
	var fault *FaultError
	if !errors.As(err, &fault) || fault.Addr == 0 {
		t.Fatalf("touching a truncated page = %v, want a *FaultError with its address", err)
	}
	if !cleaned {
		t.Error("the deferred calls inside the guard did not run")
	}
}

func TestGuardReadOnly(t *testing.T) {
	t.Parallel()
	r, err := MapReadOnly(tempFile(t, 8), 0, 8)
	if err != nil {
		t.Fatal(err)
	}
	defer r.Unmap()
	var fault *FaultError
	if err := Guard(func() error { r.Bytes()[0] = 1; return nil }); !errors.As(err, &fault) {
		t.Errorf("a store to a read-only region = %v, want a *FaultError", err)
	}
}

func TestGuardPassesOn(t *testing.T) {
	t.Parallel()
	want := errors.New("inner")
	if got := Guard(func() error { return want }); got != want {
		t.Errorf("Guard = %v, want the function's error", got)
	}
	panics := func(f func() error) (p any) {
		defer func() { p = recover() }()
		Guard(f)
		return nil
	}
	if p := panics(func() error { panic("mine") }); p != "mine" {
		t.Errorf("a panic arrived as %v", p)
	}
	var null *int
	if p := panics(func() error { *null = 1; return nil }); p == nil {
		t.Error("a nil dereference was swallowed")
	}
	done := make(chan struct{})
	go func() { // Goexit, as t.FailNow does it
		defer close(done)
		Guard(func() error { (&testing.T{}).SkipNow(); return nil })
	}()
	<-done
}

func TestGuardNests(t *testing.T) {
	t.Parallel()
	f := tempFile(t, int64(PageSize()))
	r := mustMap(t, f, 0, PageSize())
	f.Truncate(0)
	touch := func() error { r.Bytes()[0]++; return nil }
	var fault *FaultError
	err := Guard(func() error {
		if err := Guard(touch); !errors.As(err, &fault) {
			t.Errorf("inner guard = %v, want a *FaultError", err)
		}
		return touch() // the inner guard must not have switched the outer one off
	})
	if !errors.As(err, &fault) {
		t.Errorf("outer guard = %v, want a *FaultError", err)
	}
}

func BenchmarkGuard(b *testing.B) {
	r := mustMap(b, tempFile(b, 8), 0, 8)
	b.ReportAllocs()
	for b.Loop() {
		if err := Guard(func() error { r.Uint32(0).Add(1); return nil }); err != nil {
			b.Fatal(err)
		}
	}
}

func BenchmarkWord(b *testing.B) {
	r := mustMap(b, tempFile(b, 64), 0, 64)
	for b.Loop() {
		r.Uint32(4).Store(1)
	}
}

func TestSync(t *testing.T) {
	t.Parallel()
	r := mustMap(t, tempFile(t, int64(2*PageSize())), 0, 2*PageSize())
	r.Bytes()[PageSize()-1] = 1
	for _, row := range []struct {
		off, size int
		ok        bool
	}{
		{0, r.Size(), true},
		{PageSize() - 1, 2, true},
		{r.Size() - 1, 1, true},
		{0, 0, false},
		{-1, 1, false},
		{0, r.Size() + 1, false},
		{r.Size(), 1, false},
	} {
		err := r.Sync(row.off, row.size)
		if row.ok && err != nil || !row.ok && !errors.Is(err, ErrRange) {
			t.Errorf("Sync(%d, %d) = %v", row.off, row.size, err)
		}
	}
	r.Unmap()
	if err := r.Sync(0, 1); !errors.Is(err, ErrRange) {
		t.Errorf("Sync after Unmap: %v, want ErrRange", err)
	}
}
