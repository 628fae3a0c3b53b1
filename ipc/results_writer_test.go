package ipc

import (
	"bytes"
	"errors"
	"strings"
	"sync"
	"testing"
	"time"
)

func TestResultsKeepArgument(t *testing.T) {
	t.Parallel()
	for _, row := range []struct{ keep, size, want int }{
		{0, 5000, 1024}, {0, 10, 10}, {-1, 100, 0}, {1, 100, 1}, {100, 100, 100}, {1 << 20, 200 << 10, 200 << 10},
	} {
		f := openTestResults(t, resultsPath(t), ResultsOptions{KeepArgument: row.keep})
		w := f.NewWriter(1, 0)
		r := testRecord(1, 10)
		r.Argument, r.ArgumentSize = bytes.Repeat([]byte("a"), row.size), 0
		writeRecord(t, w, r, 10)
		w.Close()
		if err := f.Append(r); err != nil {
			t.Fatal(err)
		}
		for _, got := range allRecords(t, f) {
			if string(got.Argument) != string(r.Argument[:row.want]) || got.ArgumentSize != int64(row.size) {
				t.Errorf("KeepArgument %d: %d of %d bytes, want %d of %d", row.keep, len(got.Argument), got.ArgumentSize, row.want, row.size)
			}
		}
	}
}

func TestResultWriterRefuses(t *testing.T) {
	t.Parallel()
	f := openTestResults(t, resultsPath(t), ResultsOptions{})
	w := f.NewWriter(1, 0)
	defer w.Close()
	if w.Extent() != 0 || w.Ref() != 0 {
		t.Errorf("before the first record: extent %d, record %d", w.Extent(), w.Ref())
	}
	if _, err := w.Room(1); err == nil {
		t.Error("Room before Begin: no error")
	}
	if err := w.Commit(nil, RecordFailed); err == nil {
		t.Error("Commit before Begin: no error")
	}
	long := Record{Job: strings.Repeat("j", maxResultName+1)}
	if err := w.Begin(&long); !errors.Is(err, ErrTooLarge) {
		t.Errorf("Begin with a long name: %v, want ErrTooLarge", err)
	}
	r := testRecord(1, 10)
	if err := w.Begin(&r); err != nil {
		t.Fatal(err)
	}
	for _, n := range []int{-1, 1 << 40} {
		if _, err := w.Room(n); !errors.Is(err, ErrTooLarge) {
			t.Errorf("Room(%d): %v, want ErrTooLarge", n, err)
		}
	}
	for _, s := range []RecordStatus{RecordRunning, RecordUnsuccessful + 1} {
		if err := w.Commit(nil, s); err == nil {
			t.Errorf("Commit with %v: no error", s)
		}
	}
	if err := w.Commit([]byte("x"), RecordUnsuccessful); err != nil {
		t.Error(err)
	}
	if got, err := f.At(w.Ref()); err != nil || string(got.Payload) != "x" || got.Writer != 1 || got.Status != RecordUnsuccessful {
		t.Errorf("At = %+v, %v", got, err)
	}
	if err := f.Append(Record{Status: 9}); err == nil {
		t.Error("Append with status 9: no error")
	}
}

// One that is begun while another is open leaves that one as it was, and nothing
// of its payload.
func TestResultWriterAbandons(t *testing.T) {
	t.Parallel()
	f := openTestResults(t, resultsPath(t), ResultsOptions{})
	w := f.NewWriter(1, 0)
	for i := range 4 {
		r := testRecord(int64(i), 0)
		if err := w.Begin(&r); err != nil {
			t.Fatal(err)
		}
		size := 400
		if i%2 == 1 {
			size = 300 << 10 // abandoned after it moved
		}
		b, err := w.Room(size)
		if err != nil {
			t.Fatal(err)
		}
		for range size {
			b = append(b, stateCommitted)
		}
	}
	if err := w.Close(); err != nil {
		t.Fatal(err)
	}
	all := allRecords(t, f)
	if len(all) != 4 {
		t.Errorf("%d records, want 4", len(all))
	}
	for _, r := range all {
		if r.Status != RecordRunning || len(r.Payload) != 0 || !r.Ended.IsZero() {
			t.Errorf("%+v", r)
		}
	}
	if report, err := f.Verify(); err != nil || report.Running != 4 || report.Damaged != 0 {
		t.Errorf("Verify = %+v, %v", report, err)
	}
}

// Nobody writes behind damage.
func TestResultWriterGivesDamageUp(t *testing.T) {
	t.Parallel()
	f := openTestResults(t, resultsPath(t), ResultsOptions{})
	w := f.NewWriter(1, 0)
	var refs []RecordRef
	for i := range 5 {
		writeRecord(t, w, testRecord(int64(i), 100), 200)
		refs = append(refs, w.Ref())
	}
	e := w.Extent()
	w.Close()
	for _, at := range []int64{int64(refs[2]) + 7, int64(refs[2]) + 40, int64(refs[2]) + 110, int64(refs[2]) + 200, int64(e) + 20} {
		var b [1]byte
		if _, err := f.File().ReadAt(b[:], at); err != nil {
			t.Fatal(err)
		}
		flip := func() {
			b[0] ^= 4
			if _, err := f.File().WriteAt(b[:], at); err != nil {
				t.Fatal(err)
			}
		}
		flip()
		w := f.NewWriter(2, e)
		writeRecord(t, w, testRecord(10, 100), 200)
		if w.Extent() == e {
			t.Errorf("damage at %d: the writer went on in that extent", at)
		}
		w.Close()
		flip()
	}
	w = f.NewWriter(2, e)
	writeRecord(t, w, testRecord(11, 100), 200)
	if w.Extent() != e {
		t.Error("the writer did not go on where no damage is")
	}
	w.Close()
}

func TestResultsReadersStop(t *testing.T) {
	t.Parallel()
	f := openTestResults(t, resultsPath(t), ResultsOptions{})
	for i := range 10 {
		if err := f.Append(testRecord(int64(i), 10)); err != nil {
			t.Fatal(err)
		}
	}
	n := 0
	for range f.Records() {
		if n++; n == 3 {
			break
		}
	}
	stop := errors.New("stop")
	if err := f.Scan(func(*Record) error { n++; return stop }); !errors.Is(err, stop) || n != 4 {
		t.Errorf("Scan = %v after %d records", err, n)
	}
	for _, ref := range []RecordRef{0, 1, resultsBase, resultsBase + 64 + 8, 1 << 50, 1<<64 - 8} {
		if r, err := f.At(ref); !errors.Is(err, ErrCorrupt) && !errors.Is(err, ErrTruncated) {
			t.Errorf("At(%d) = %+v, %v", ref, r, err)
		}
	}
}

// Closing under those who use the file makes errors.
func TestResultsCloseInUse(t *testing.T) {
	t.Parallel()
	for range 20 {
		f := openTestResults(t, resultsPath(t), ResultsOptions{Sync: SyncInterval, Interval: time.Millisecond})
		var wg sync.WaitGroup
		until := func(call func() error) {
			wg.Go(func() {
				for {
					if err := call(); err != nil {
						if !errors.Is(err, ErrClosed) {
							t.Error(err)
						}
						return
					}
				}
			})
		}
		begun := make(chan struct{})
		once := sync.OnceFunc(func() { close(begun) })
		until(func() error { defer once(); return f.Append(testRecord(1, 100)) })
		until(func() error { return f.Scan(func(*Record) error { return nil }) })
		until(func() error { _, err := f.At(resultsBase + extentHeadBytes); return ignoreCorrupt(err) })
		w := f.NewWriter(1, 0)
		r := testRecord(2, 50<<10)
		until(func() error { return errors.Join(w.Begin(&r), w.Commit(r.Payload, r.Status)) })
		<-begun
		if err := f.Close(); err != nil {
			t.Error(err)
		}
		wg.Wait()
		if err := w.Close(); err != nil {
			t.Error(err)
		}
	}
}

func ignoreCorrupt(err error) error {
	if errors.Is(err, ErrClosed) {
		return err
	}
	return nil
}
