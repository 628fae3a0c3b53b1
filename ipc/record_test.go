package ipc

import (
	"bytes"
	"context"
	"encoding/binary"
	"errors"
	"fmt"
	"hash/crc32"
	"sync"
	"testing"
	"time"
)

func testExtents(t testing.TB, o ExtentOptions) *Extents {
	t.Helper()
	if o.Dir == "" {
		o.Dir = t.TempDir()
	}
	x, err := CreateExtents(o)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := x.Close(); err != nil {
			t.Errorf("Close: %v", err)
		}
	})
	return x
}

// checkIdle asserts that no extent is used, and all permits are there.
func checkIdle(t testing.TB, x *Extents) {
	t.Helper()
	for id := range maxExtents {
		if w := x.entry(id).load(); w.state() == stateUsed {
			t.Errorf("extent %d is still used: owner %d, %d references", id, w.owner(), w.refs())
		}
	}
	s, err := x.permits()
	if err != nil {
		t.Fatal(err)
	}
	if got, err := s.Value(); err != nil || got != int(x.head.budget) {
		t.Errorf("%d permits, %v; want %d", got, err, x.head.budget)
	}
}

// testValue is a value that can be told from any other and from half of one:
// its length, its number, a pattern, a checksum.
func testValue(dst []byte, n uint64, size int) []byte {
	start := len(dst)
	dst = binary.LittleEndian.AppendUint32(dst, uint32(size))
	dst = binary.LittleEndian.AppendUint64(dst, n)
	for i := range size {
		dst = append(dst, byte(n)+byte(i))
	}
	return binary.LittleEndian.AppendUint32(dst, crc32.ChecksumIEEE(dst[start:]))
}

func readTestValue(b []byte) (n uint64, rest []byte, err error) {
	if len(b) < 16 {
		return 0, nil, fmt.Errorf("%d bytes left", len(b))
	}
	size := int(binary.LittleEndian.Uint32(b)) + 12
	if len(b) < size+4 {
		return 0, nil, fmt.Errorf("a value of %d bytes in %d", size, len(b))
	}
	if got, want := crc32.ChecksumIEEE(b[:size]), binary.LittleEndian.Uint32(b[size:]); got != want {
		return 0, nil, fmt.Errorf("checksum %#x, want %#x", got, want)
	}
	return binary.LittleEndian.Uint64(b[4:]), b[size+4:], nil
}

func writeValue(t testing.TB, w *RecordWriter, n uint64, size int) {
	t.Helper()
	b, err := w.Room(t.Context(), size+16)
	if err != nil {
		t.Fatalf("Room for value %d: %v", n, err)
	}
	if len(b) != 0 || cap(b) < size+16 {
		t.Fatalf("Room(%d) has length %d and capacity %d", size+16, len(b), cap(b))
	}
	if err := w.Commit(t.Context(), testValue(b, n, size)); err != nil {
		t.Fatalf("Commit of value %d: %v", n, err)
	}
}

// readValues reads what there is and checks that the numbers go on from next.
func readValues(t testing.TB, r *RecordReader, next uint64) uint64 {
	t.Helper()
	for {
		_, count, body, ok, err := r.Next()
		if err != nil {
			t.Fatalf("Next after %d values: %v", next, err)
		}
		if !ok {
			return next
		}
		for range count {
			n, rest, err := readTestValue(body)
			if err != nil || n != next {
				t.Fatalf("value %d, %v; want %d", n, err, next)
			}
			body = rest
			next++
		}
		if len(body) > 0 {
			t.Fatalf("%d bytes left after the values", len(body))
		}
	}
}

func TestRecords(t *testing.T) {
	t.Parallel()
	x := testExtents(t, ExtentOptions{})
	w := x.NewRecordWriter(7)
	ref, err := w.Begin(t.Context(), 1)
	if err != nil || ref == 0 {
		t.Fatalf("Begin = %v, %v", ref, err)
	}
	r := x.NewRecordReader(ref)
	if _, _, _, ok, err := r.Next(); ok || err != nil {
		t.Errorf("Next of an empty record: %v, %v", ok, err)
	}
	writeValue(t, w, 0, 10)
	b, err := w.Room(t.Context(), 10)
	if err != nil {
		t.Fatal(err)
	}
	b = append(b, "not committed"...)
	kind, count, body, ok, err := r.Next()
	if kind != 1 || count != 1 || !ok || err != nil || !bytes.Equal(body, testValue(nil, 0, 10)) {
		t.Fatalf("Next = %d, %d, %q, %v, %v", kind, count, body, ok, err)
	}
	if err := w.CommitN(t.Context(), b, 3); err != nil {
		t.Fatal(err)
	}
	if err := w.Next(t.Context(), 2); err != nil {
		t.Fatal(err)
	}
	writeValue(t, w, 5, 0)
	if _, err := w.Begin(t.Context(), 1); err == nil {
		t.Error("Begin while a record is open: no error")
	}
	if kind, count, body, ok, err = r.Next(); kind != 1 || count != 3 || string(body) != "not committed" || !ok || err != nil {
		t.Fatalf("Next = %d, %d, %q, %v, %v", kind, count, body, ok, err)
	}
	if kind, count, body, ok, err = r.Next(); kind != 2 || count != 1 || !ok || err != nil || len(body) != 16 {
		t.Fatalf("Next = %d, %d, %q, %v, %v", kind, count, body, ok, err)
	}
	if _, _, _, ok, err := r.Next(); ok || err != nil || r.Ended() {
		t.Errorf("Next = %v, %v, ended %v", ok, err, r.Ended())
	}
	if err := w.End(); err != nil {
		t.Fatal(err)
	}
	if _, _, _, ok, err := r.Next(); ok || err != nil || !r.Ended() {
		t.Errorf("after End: Next = %v, %v, ended %v", ok, err, r.Ended())
	}
	if err := errors.Join(r.Done(), r.Done(), w.End()); err != nil {
		t.Errorf("Done: %v", err)
	}
	if _, err := w.Room(t.Context(), 1); err == nil {
		t.Error("Room after End: no error")
	}
	// An old reference is noticed.
	again, err := w.Begin(t.Context(), 1)
	if err != nil {
		t.Fatal(err)
	}
	if again.off() != ref.off() || again.id() != ref.id() {
		t.Errorf("the writer went on at %v, want to begin again at %v", again, ref)
	}
	if _, _, _, _, err := x.NewRecordReader(ref).Next(); !errors.Is(err, ErrCorrupt) {
		t.Errorf("reading a dropped record: %v, want ErrCorrupt", err)
	}
	if n, err := x.ReclaimWriter(7); n != 1 || err != nil {
		t.Errorf("ReclaimWriter = %d, %v", n, err)
	}
	checkIdle(t, x)
}

func TestRecordsCommitRefuses(t *testing.T) {
	t.Parallel()
	x := testExtents(t, ExtentOptions{})
	w := x.NewRecordWriter(1)
	for _, err := range []error{w.Commit(t.Context(), []byte("x")), w.Next(t.Context(), 1)} {
		if err == nil {
			t.Error("no record is open: no error")
		}
	}
	if _, err := w.Begin(t.Context(), 1); err != nil {
		t.Fatal(err)
	}
	for _, err := range []error{
		w.Commit(t.Context(), nil), w.CommitN(t.Context(), []byte("x"), 2), w.CommitN(t.Context(), []byte("x"), 0), w.CommitN(t.Context(), []byte("x"), -1),
	} {
		if err == nil {
			t.Error("values of no bytes: no error")
		}
	}
	if err := w.CommitN(t.Context(), make([]byte, maxCount+1), maxCount+1); !errors.Is(err, ErrTooLarge) {
		t.Errorf("too many values: %v, want ErrTooLarge", err)
	}
}

// A record whose count is used up goes on in another.
func TestRecordsCountOverflow(t *testing.T) {
	t.Parallel()
	x := testExtents(t, ExtentOptions{ExtentSize: 64 << 20})
	w := x.NewRecordWriter(1)
	ref, err := w.Begin(t.Context(), 1)
	if err != nil {
		t.Fatal(err)
	}
	total := 0
	for _, n := range []int{maxCount - 1, 1, 1, maxCount} {
		b, err := w.Room(t.Context(), n)
		if err != nil {
			t.Fatal(err)
		}
		if err := w.CommitN(t.Context(), b[:n], n); err != nil {
			t.Fatal(err)
		}
		total += n
	}
	w.End()
	r := x.NewRecordReader(ref)
	for !r.Ended() {
		_, n, body, _, err := r.Next()
		if err != nil || len(body) != n {
			t.Fatalf("%d values in %d bytes, %v", n, len(body), err)
		}
		total -= n
	}
	if total != 0 {
		t.Errorf("%d values are missing", total)
	}
	if err := r.Done(); err != nil {
		t.Error(err)
	}
}

// From a byte to 64 MiB, asked for beforehand and outgrown, in one chain and
// in many.
func TestRecordsLargeValues(t *testing.T) {
	t.Parallel()
	sizes := []int{0, 1, 1000, 60 << 10, 64 << 10, 65 << 10, 1 << 20, 5 << 20, 100, 17 << 20, 64 << 20, 1, 2 << 20}
	if testing.Short() || raceEnabled {
		sizes = []int{0, 1, 1000, 60 << 10, 64 << 10, 65 << 10, 1 << 20, 100, 5 << 20}
	}
	for _, ask := range []bool{true, false} {
		for _, oneChain := range []bool{true, false} {
			t.Run(fmt.Sprintf("ask=%v/oneChain=%v", ask, oneChain), func(t *testing.T) {
				x := testExtents(t, ExtentOptions{ExtentSize: 64 << 10, Budget: 2})
				w := x.NewRecordWriter(1)
				var r *RecordReader
				next := uint64(0)
				finish := func() {
					w.End()
					next = readValues(t, r, next)
					if !r.Ended() {
						t.Fatal("the chain has no end")
					}
					if err := r.Done(); err != nil {
						t.Fatal(err)
					}
					r = nil
				}
				for i, size := range sizes {
					if r == nil {
						ref, err := w.Begin(t.Context(), 1)
						if err != nil {
							t.Fatal(err)
						}
						r = x.NewRecordReader(ref)
					}
					room := size + 16
					if !ask {
						room = 0
					}
					b, err := w.Room(t.Context(), room)
					if err != nil {
						t.Fatal(err)
					}
					if err := w.Commit(t.Context(), testValue(b, uint64(i), size)); err != nil {
						t.Fatal(err)
					}
					if oneChain {
						next = readValues(t, r, next)
					} else {
						finish()
					}
				}
				if r != nil {
					finish()
				}
				if next != uint64(len(sizes)) {
					t.Errorf("read %d values, want %d", next, len(sizes))
				}
				if n, err := x.ReclaimWriter(1); n != 1 || err != nil {
					t.Errorf("ReclaimWriter = %d, %v; want the current extent alone", n, err)
				}
				checkIdle(t, x)
			})
		}
	}
}

// A million values, two extents to spare, one writer: the file must not grow.
func TestRecordsSteadyStream(t *testing.T) {
	t.Parallel()
	for _, perChain := range []int{1, 100, 1 << 30} {
		t.Run(fmt.Sprintf("perChain=%d", perChain), func(t *testing.T) {
			t.Parallel()
			values := 1_000_000
			if raceEnabled || testing.Short() || perChain == 1 {
				values = 100_000
			}
			x := testExtents(t, ExtentOptions{ExtentSize: 64 << 10, Budget: 2})
			writer := func(refs chan<- Ref, w *RecordWriter) error {
				defer close(refs)
				ctx := t.Context()
				for i := range values {
					if i%perChain == 0 {
						if err := w.End(); err != nil {
							return err
						}
						ref, err := w.Begin(ctx, 1)
						if err != nil {
							return err
						}
						refs <- ref
					}
					b, err := w.Room(ctx, 32)
					if err != nil {
						return err
					}
					if err := w.Commit(ctx, testValue(b, uint64(i), i%17)); err != nil {
						return err
					}
				}
				return w.End()
			}
			refs := make(chan Ref, 1000)
			errs := make(chan error, 1)
			go func() { errs <- writer(refs, x.NewRecordWriter(3)) }()
			next := uint64(0)
			for ref := range refs {
				r := x.NewRecordReader(ref)
				for !r.Ended() {
					next = readValues(t, r, next)
				}
				if err := r.Done(); err != nil {
					t.Fatal(err)
				}
			}
			if err := <-errs; err != nil {
				t.Fatal(err)
			}
			if next != uint64(values) {
				t.Errorf("read %d values, want %d", next, values)
			}
			fi, err := x.File().Stat()
			if err != nil {
				t.Fatal(err)
			}
			// Two that are full and one that is being filled.
			if limit := x.head.base() + 3*64<<10; fi.Size() > limit {
				t.Errorf("the file has %d bytes, want %d at most", fi.Size(), limit)
			}
			if _, err := x.ReclaimWriter(3); err != nil {
				t.Error(err)
			}
			checkIdle(t, x)
		})
	}
}

// The reader gives a chain up while it is being written: the writer goes on,
// and nothing is held back.
func TestRecordsGivenUp(t *testing.T) {
	t.Parallel()
	x := testExtents(t, ExtentOptions{ExtentSize: 64 << 10, Budget: 1})
	w := x.NewRecordWriter(1)
	for round := range 20 {
		ref, err := w.Begin(t.Context(), 1)
		if err != nil {
			t.Fatal(err)
		}
		r := x.NewRecordReader(ref)
		next := uint64(0)
		for i := range 100 {
			if i == 5*round {
				if err := r.Done(); err != nil {
					t.Fatal(err)
				}
				if _, _, _, _, err := r.Next(); !errors.Is(err, ErrClosed) {
					t.Errorf("Next after Done: %v, want ErrClosed", err)
				}
			}
			if i == 50 {
				if err := w.Next(t.Context(), 2); err != nil {
					t.Fatal(err)
				}
			}
			if i < 5*round {
				next = readValues(t, r, next)
			}
			writeValue(t, w, uint64(i), 5000)
		}
		if err := w.End(); err != nil {
			t.Fatal(err)
		}
	}
	if n, err := x.ReclaimWriter(1); n != 1 || err != nil {
		t.Errorf("ReclaimWriter = %d, %v; want the current extent alone", n, err)
	}
	checkIdle(t, x)
}

// What many read, one drops.
func TestRecordsPeek(t *testing.T) {
	t.Parallel()
	x := testExtents(t, ExtentOptions{ExtentSize: 64 << 10, Budget: 1})
	w := x.NewUnbudgetedRecordWriter(0)
	ref, err := w.Begin(t.Context(), 9)
	if err != nil {
		t.Fatal(err)
	}
	const values = 100
	for i := range values {
		writeValue(t, w, uint64(i), 5000) // more than the budget allows
	}
	w.End()
	for range 3 {
		r := x.PeekRecords(ref)
		if n := readValues(t, r, 0); n != values || !r.Ended() {
			t.Errorf("peeked at %d values, ended %v", n, r.Ended())
		}
		if err := r.Done(); err != nil {
			t.Error(err)
		}
	}
	if err := x.DropRecords(ref); err != nil {
		t.Error(err)
	}
	if err := x.DropRecords(ref); !errors.Is(err, ErrCorrupt) {
		t.Errorf("dropping twice: %v, want ErrCorrupt", err)
	}
	if n, err := x.ReclaimWriter(0); n != 1 || err != nil {
		t.Errorf("ReclaimWriter = %d, %v", n, err)
	}
	checkIdle(t, x)
}

// A writer without permits waits, until the reader drops, or its context ends.
func TestRecordsBackpressure(t *testing.T) {
	t.Parallel()
	x := testExtents(t, ExtentOptions{ExtentSize: 64 << 10, Budget: 2})
	w := x.NewRecordWriter(1)
	ref, err := w.Begin(t.Context(), 1)
	if err != nil {
		t.Fatal(err)
	}
	var mu sync.Mutex
	written := uint64(0)
	ctx, cancel := context.WithCancel(t.Context())
	errs := make(chan error, 1)
	write := func(ctx context.Context) {
		for {
			b, err := w.Room(ctx, 1016)
			if err != nil {
				errs <- err
				return
			}
			mu.Lock()
			n := written
			written++
			mu.Unlock()
			if err := w.Commit(ctx, testValue(b, n, 1000)); err != nil {
				errs <- err
				return
			}
		}
	}
	go write(ctx)
	settled := func() uint64 { // waits until the writer stands still
		t.Helper()
		last, same := uint64(0), 0
		for same < 10 {
			time.Sleep(2 * time.Millisecond)
			mu.Lock()
			now := written
			mu.Unlock()
			if now != last || now == 0 {
				last, same = now, 0
			} else {
				same++
			}
		}
		return last
	}
	n := settled()
	if max := uint64(3 * 64 << 10 / 1016); n > max {
		t.Errorf("%d values were written, more than three extents hold", n)
	}
	cancel()
	if err := <-errs; !errors.Is(err, context.Canceled) {
		t.Errorf("after cancelling: %v", err)
	}
	// The writer can go on where it was.
	r := x.NewRecordReader(ref)
	go write(t.Context())
	next := readValues(t, r, 0)
	for next <= n+100 {
		next = readValues(t, r, next)
	}
	if err := r.Done(); err != nil {
		t.Error(err)
	}
	x.ReclaimWriter(1) // its extent is not its own any more: it ends
	for next := range errs {
		if errors.Is(next, ErrCorrupt) {
			break
		}
		t.Fatal(next)
	}
	x.ReclaimWriter(1)
}

func TestTakeGive(t *testing.T) {
	t.Parallel()
	x := testExtents(t, ExtentOptions{ExtentSize: 100, Budget: 2, Area: 10})
	if x.head.extentSize != 64<<10 {
		t.Errorf("extent size %d, want it rounded up to 64 KiB", x.head.extentSize)
	}
	if got := x.Area().Size(); got != 10 {
		t.Errorf("area of %d bytes", got)
	}
	a, err := x.Take(t.Context(), 1, 10)
	if err != nil || len(a.Bytes) < 10 {
		t.Fatalf("Take = %v bytes, %v", len(a.Bytes), err)
	}
	b, err := x.Take(t.Context(), 1, 300<<10)
	if err != nil || len(b.Bytes) < 300<<10 {
		t.Fatalf("Take = %v bytes, %v", len(b.Bytes), err)
	}
	ctx, cancel := context.WithTimeout(t.Context(), 20*time.Millisecond)
	defer cancel()
	if _, err := x.Take(ctx, 1, 1); !errors.Is(err, context.DeadlineExceeded) {
		t.Errorf("Take beyond the budget: %v, want DeadlineExceeded", err)
	}
	c, err := x.TakeUnbudgeted(2, 1)
	if err != nil || c.ID == a.ID || c.ID == b.ID {
		t.Fatalf("TakeUnbudgeted = %d, %v", c.ID, err)
	}
	got := make(chan Extent, 1)
	go func() {
		e, err := x.Take(t.Context(), 3, 250<<10)
		if err != nil {
			t.Error(err)
		}
		got <- e
	}()
	if err := x.Give(b.ID); err != nil {
		t.Fatal(err)
	}
	d := <-got
	if d.ID != b.ID {
		t.Errorf("got extent %d, want the free one %d that fits", d.ID, b.ID)
	}
	for _, id := range []uint32{a.ID, c.ID, d.ID} {
		if err := x.Give(id); err != nil {
			t.Error(err)
		}
	}
	for _, id := range []uint32{a.ID, 999, maxExtents, 1 << 31} {
		if err := x.Give(id); !errors.Is(err, ErrCorrupt) {
			t.Errorf("Give(%d) of an extent that is not taken: %v, want ErrCorrupt", id, err)
		}
	}
	if _, err := x.Take(t.Context(), 1, -1); err == nil {
		t.Error("Take of -1 bytes: no error")
	}
	checkIdle(t, x)
}

// Large free extents keep their memory up to a limit.
func TestExtentsDiscard(t *testing.T) {
	t.Parallel()
	x := testExtents(t, ExtentOptions{ExtentSize: 64 << 10})
	const n, warmest = 6, 256 << 20
	x.warmest = warmest
	var ids []uint32
	for range n {
		e, err := x.TakeUnbudgeted(1, warmest/4)
		if err != nil {
			t.Fatal(err)
		}
		e.Bytes[0], e.Bytes[len(e.Bytes)-1] = 1, 1
		ids = append(ids, e.ID)
	}
	for _, id := range ids {
		if err := x.Give(id); err != nil {
			t.Fatal(err)
		}
	}
	var kept uint64
	for _, id := range ids {
		kept += x.entry(int(id)).reserved.Load()
	}
	if kept > warmest || kept < warmest/2 {
		t.Errorf("free extents keep %d bytes, limit %d", kept, warmest)
	}
	e, err := x.TakeUnbudgeted(1, warmest/4)
	if err != nil {
		t.Fatal(err)
	}
	if int(e.ID) >= n {
		t.Errorf("got extent %d, want one of those that are free", e.ID)
	}
	x.Give(e.ID)
}

func TestExtentOptions(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	for _, o := range []ExtentOptions{
		{},
		{Dir: dir, Area: -1},
		{Dir: dir, ExtentSize: -1},
		{Dir: dir, Budget: -1},
		{Dir: dir, Budget: maxExtents},
		{Dir: dir + "/none"},
		{Dir: string(make([]byte, 10))},
		{Dir: "/" + string(bytes.Repeat([]byte("x"), 5000))},
	} {
		if x, err := CreateExtents(o); err == nil {
			x.Close()
			t.Errorf("CreateExtents(%.80v): no error", o)
		}
	}
}

func BenchmarkRecord(b *testing.B) {
	ctx := context.Background()
	value := []byte("sixteen bytes...")
	b.Run("Commit/16B", func(b *testing.B) {
		x := testExtents(b, ExtentOptions{})
		w := x.NewRecordWriter(1)
		b.ReportAllocs()
		var r *RecordReader
		i := 0
		for b.Loop() {
			if i%1000 == 0 {
				if r != nil {
					w.End()
					r.Done()
				}
				ref, err := w.Begin(ctx, 1)
				if err != nil {
					b.Fatal(err)
				}
				r = x.NewRecordReader(ref)
			}
			i++
			buf, _ := w.Room(ctx, 16)
			w.Commit(ctx, append(buf, value...))
		}
	})
	b.Run("append/16B", func(b *testing.B) { // what Commit adds to
		buf := make([]byte, 0, 1<<20)
		for b.Loop() {
			if len(buf)+16 > cap(buf) {
				buf = buf[:0]
			}
			buf = append(buf, value...)
		}
	})
	b.Run("BeginEndDone", func(b *testing.B) {
		x := testExtents(b, ExtentOptions{})
		w := x.NewRecordWriter(1)
		b.ReportAllocs()
		for b.Loop() {
			ref, _ := w.Begin(ctx, 1)
			buf, _ := w.Room(ctx, 16)
			w.Commit(ctx, append(buf, value...))
			w.End()
			r := x.NewRecordReader(ref)
			r.Next()
			r.Done()
		}
	})
	b.Run("Next/nothing", func(b *testing.B) {
		x := testExtents(b, ExtentOptions{})
		w := x.NewRecordWriter(1)
		ref, _ := w.Begin(ctx, 1)
		r := x.NewRecordReader(ref)
		b.ReportAllocs()
		for b.Loop() {
			r.Next()
		}
	})
	b.Run("TakeGive", func(b *testing.B) {
		x := testExtents(b, ExtentOptions{})
		b.ReportAllocs()
		for b.Loop() {
			e, err := x.Take(ctx, 1, 100)
			if err != nil {
				b.Fatal(err)
			}
			x.Give(e.ID)
		}
	})
	b.Run("Value/64MiB", func(b *testing.B) {
		x := testExtents(b, ExtentOptions{})
		w := x.NewRecordWriter(1)
		big := make([]byte, 64<<20)
		b.SetBytes(2 * int64(len(big)))
		for b.Loop() {
			ref, _ := w.Begin(ctx, 1)
			buf, err := w.Room(ctx, len(big))
			if err != nil {
				b.Fatal(err)
			}
			w.Commit(ctx, append(buf, big...))
			w.End()
			r := x.NewRecordReader(ref)
			_, _, body, _, _ := r.Next()
			copy(big, body)
			r.Done()
		}
	})
}
