//go:build linux && !portable

package ipc

import (
	"syscall"
	"testing"
)

// The memory of a very large value goes while it is read.
func TestPassedPunches(t *testing.T) {
	t.Parallel()
	if testing.Short() {
		t.Skip("takes half a gigabyte")
	}
	x := testExtents(t, ExtentOptions{})
	used := func() int64 {
		var st syscall.Stat_t
		if err := syscall.Fstat(int(x.File().Fd()), &st); err != nil {
			t.Fatal(err)
		}
		return st.Blocks * 512
	}
	w := x.NewRecordWriter(1)
	r := largeRecord(t, w, x, punchFrom, 1)
	_, _, body, _, err := r.Next()
	if err != nil {
		t.Fatal(err)
	}
	before := used()
	r.Passed(len(body) / 2)
	if got := before - used(); got < punchFrom/2-2*grain {
		t.Errorf("half of %d bytes passed: the file has %d less", len(body), got)
	}
	r.Passed(len(body))
	if got := used(); got > 4<<20 {
		t.Errorf("the file still takes %d bytes", got)
	}
	if err := r.Done(); err != nil {
		t.Fatal(err)
	}
	// The writer must not take that for memory it has.
	if _, err := w.Begin(t.Context(), 1); err != nil {
		t.Fatal(err)
	}
	if have := w.e.reserved.Load(); have < uint64(len(w.ext)) {
		t.Errorf("the writer goes on in an extent of %d bytes with memory for %d", len(w.ext), have)
	}
	w.End()
}
