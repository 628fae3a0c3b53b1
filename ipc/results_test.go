package ipc

import (
	"bytes"
	"crypto/sha256"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"sync"
	"testing"
	"time"
)

// resultsPath is on the file system of the tests' other files, not in memory.
func resultsPath(t testing.TB) string {
	t.Helper()
	return filepath.Join(t.TempDir(), "r.results")
}

func openTestResults(t testing.TB, path string, o ResultsOptions) *ResultFile {
	t.Helper()
	f, err := OpenResults(path, o)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := f.Close(); err != nil {
			t.Errorf("Close: %v", err)
		}
	})
	return f
}

// testRecord is a record that can be told from any other, and whose payload tells
// which it belongs to.
func testRecord(n int64, size int) Record {
	arg := fmt.Appendf(nil, "argument %d", n)
	return Record{
		Job: "job", Entry: fmt.Sprintf("entry%d", n%3), Digest: sha256.Sum256(arg), Occurrence: uint32(n % 5), Index: n,
		Attempt: 1, PID: 77, Started: time.Unix(1700000000, n+1), Ended: time.Unix(1700000001, n+2),
		Argument: arg, ArgumentSize: int64(len(arg)), Status: RecordSucceeded, Payload: testValue(nil, uint64(n), size),
	}
}

// sameRecord compares all but the place.
func sameRecord(a, b Record) bool {
	return a.Job == b.Job && a.Entry == b.Entry && a.Digest == b.Digest && a.Occurrence == b.Occurrence && a.Index == b.Index &&
		a.Attempt == b.Attempt && a.Writer == b.Writer && a.PID == b.PID && a.Started.Equal(b.Started) && a.Ended.Equal(b.Ended) &&
		bytes.Equal(a.Argument, b.Argument) && a.ArgumentSize == b.ArgumentSize && a.Status == b.Status && bytes.Equal(a.Payload, b.Payload)
}

func allRecords(t testing.TB, f *ResultFile) []Record {
	t.Helper()
	var all []Record
	for r, err := range f.Records() {
		if err != nil {
			t.Fatalf("Records: %v", err)
		}
		all = append(all, r)
	}
	return all
}

// writeRecord writes one as a call does it.
func writeRecord(t testing.TB, w *ResultWriter, r Record, room int) {
	t.Helper()
	if err := w.Begin(&r); err != nil {
		t.Fatalf("Begin of record %d: %v", r.Index, err)
	}
	b, err := w.Room(room)
	if err != nil {
		t.Fatalf("Room for record %d: %v", r.Index, err)
	}
	if len(b) != 0 || cap(b) < room {
		t.Fatalf("Room(%d) has length %d and capacity %d", room, len(b), cap(b))
	}
	if err := w.Commit(append(b, r.Payload...), r.Status); err != nil {
		t.Fatalf("Commit of record %d: %v", r.Index, err)
	}
}

func TestResultsRoundTrip(t *testing.T) {
	t.Parallel()
	path := resultsPath(t)
	f := openTestResults(t, path, ResultsOptions{New: true, Exclusive: true})
	var want []Record
	for i := range 1000 {
		r := testRecord(int64(i), i*7%5000)
		switch i {
		case 1:
			r.Payload = nil
		case 2:
			r.Job, r.Entry, r.Argument, r.ArgumentSize = "", "", nil, 0
		case 3:
			r.Index, r.Writer, r.Occurrence, r.Attempt = -1, 1<<32-1, 1<<32-1, 1<<32-1
		case 4:
			r.Status, r.Payload, r.Ended = RecordRunning, nil, time.Time{}
		case 5:
			r.Status = RecordFailed
		case 6:
			r.Status = RecordUnsuccessful
		case 7:
			r.Payload = testValue(nil, 7, 3<<20)
		case 8:
			r.Started = time.Unix(0, -1)
		}
		if err := f.Append(r); err != nil {
			t.Fatalf("record %d: %v", i, err)
		}
		want = append(want, r)
	}
	check := func(f *ResultFile) {
		t.Helper()
		got := allRecords(t, f)
		slices.SortFunc(got, func(a, b Record) int { return int(a.Index - b.Index) })
		sorted := slices.Clone(want)
		slices.SortFunc(sorted, func(a, b Record) int { return int(a.Index - b.Index) })
		if len(got) != len(sorted) {
			t.Fatalf("%d records, want %d", len(got), len(sorted))
		}
		for i := range got {
			if !sameRecord(got[i], sorted[i]) {
				t.Fatalf("record %d:\ngot  %+v\nwant %+v", i, got[i], sorted[i])
			}
			if one, err := f.At(got[i].Ref); err != nil || !sameRecord(one, got[i]) || one.Ref != got[i].Ref {
				t.Fatalf("At(%d) = %+v, %v", got[i].Ref, one, err)
			}
		}
		report, err := f.Verify()
		if err != nil || report.Records != 1000 || report.Succeeded != 997 || report.Failed != 1 || report.Unsuccessful != 1 ||
			report.Running != 1 || report.Damaged != 0 || report.Lost != 0 || report.Truncated || len(report.Problems) != 0 {
			t.Errorf("Verify = %+v, %v", report, err)
		}
		n := 0
		if err := f.Scan(func(r *Record) error { n++; return nil }); err != nil || n != 1000 {
			t.Errorf("Scan: %d records, %v", n, err)
		}
	}
	check(f)
	check(openTestResults(t, path, ResultsOptions{ReadOnly: true}))
	if err := f.Close(); err != nil {
		t.Fatal(err)
	}
	f = openTestResults(t, path, ResultsOptions{MustExist: true})
	check(f)
	if fi, err := os.Stat(path); err != nil || fi.Mode() != 0o600 {
		t.Errorf("mode %v, %v", fi.Mode(), err)
	}
	if got := f.Path(); got != path {
		t.Errorf("Path %q, want %q", got, path)
	}
}

func TestResultsManyAppend(t *testing.T) {
	t.Parallel()
	f := openTestResults(t, resultsPath(t), ResultsOptions{})
	var wg sync.WaitGroup
	for g := range 8 {
		wg.Go(func() {
			for i := range 200 {
				if err := f.Append(testRecord(int64(g*200+i), 100)); err != nil {
					t.Error(err)
					return
				}
			}
		})
	}
	wg.Wait()
	seen := make(map[int64]bool)
	for _, r := range allRecords(t, f) {
		if !sameRecord(r, testRecord(r.Index, 100)) || seen[r.Index] {
			t.Errorf("record %+v", r)
		}
		seen[r.Index] = true
	}
	if len(seen) != 1600 {
		t.Errorf("%d records, want 1600", len(seen))
	}
}

// Several writers at a time, payloads that outgrow what was asked for, and what is
// kept of the arguments.
func TestResultsWriters(t *testing.T) {
	t.Parallel()
	f := openTestResults(t, resultsPath(t), ResultsOptions{KeepArgument: 5, ExtentSize: 128 << 10})
	size := func(i int) int { return i * i % 100 * (1 + i%11*100) }
	var wg sync.WaitGroup
	for g := range 4 {
		wg.Go(func() {
			w := f.NewWriter(uint32(g), 0)
			changes := 0
			w.OnExtent = func(e ExtentRef) {
				if changes++; e != w.Extent() {
					t.Errorf("told of extent %d, Extent is %d", e, w.Extent())
				}
			}
			for i := range 200 {
				writeRecord(t, w, testRecord(int64(g*200+i), size(i)), i%3*size(i)/2)
			}
			if err := w.Close(); err != nil || changes < 5 {
				t.Errorf("Close: %v, after %d extents", err, changes)
			}
		})
	}
	wg.Wait()
	all := allRecords(t, f)
	next := make(map[uint32]int64)
	for _, r := range all {
		want := testRecord(r.Index, size(int(r.Index%200)))
		want.Writer, want.Ended, want.Argument = uint32(r.Index/200), r.Ended, want.Argument[:5]
		if !sameRecord(r, want) {
			r.Payload, want.Payload = nil, nil
			t.Errorf("got %+v\nwant %+v, with another payload", r, want)
		}
		next[r.Writer]++
	}
	if len(all) != 800 || next[0] != 200 || next[3] != 200 {
		t.Errorf("%d records: %v", len(all), next)
	}
}

func TestResultsClosed(t *testing.T) {
	t.Parallel()
	f := openTestResults(t, resultsPath(t), ResultsOptions{})
	w := f.NewWriter(1, 0)
	if err := errors.Join(f.Close(), f.Close(), w.Close(), w.Close()); err != nil {
		t.Fatal(err)
	}
	r := testRecord(1, 1)
	_, roomErr := w.Room(1)
	_, atErr := f.At(1 << 16)
	_, verifyErr := f.Verify()
	for name, err := range map[string]error{
		"Begin": w.Begin(&r), "Room": roomErr, "Commit": w.Commit(nil, RecordFailed), "Append": f.Append(r),
		"At": atErr, "Verify": verifyErr, "Sync": f.Sync(), "Scan": f.Scan(func(*Record) error { return nil }),
		"Begin of a new writer": f.NewWriter(2, 0).Begin(&r),
	} {
		if !errors.Is(err, ErrClosed) {
			t.Errorf("%s after Close: %v, want ErrClosed", name, err)
		}
	}
}

// A payload of several GiB, as long as there is space for it.
func TestResultsLargeTorture(t *testing.T) {
	if os.Getenv("YUNTA_TORTURE") == "" {
		t.Skip("YUNTA_TORTURE is not set")
	}
	f := openTestResults(t, resultsPath(t), ResultsOptions{})
	w := f.NewWriter(1, 0)
	r := testRecord(1, 0)
	if err := w.Begin(&r); err != nil {
		t.Fatal(err)
	}
	const size = 5<<30 + 1
	buf, err := w.Room(size)
	if err != nil {
		t.Fatal(err)
	}
	buf = buf[:size]
	buf[0], buf[size-1] = 1, 2
	if err := w.Commit(buf, RecordSucceeded); err != nil {
		t.Fatal(err)
	}
	writeRecord(t, w, testRecord(2, 100), 200)
	if err := w.Close(); err != nil {
		t.Fatal(err)
	}
	n := 0
	if err := f.Scan(func(r *Record) error {
		if n++; r.Index == 1 && (len(r.Payload) != size || r.Payload[0] != 1 || r.Payload[size-1] != 2) {
			t.Errorf("a payload of %d bytes", len(r.Payload))
		}
		return nil
	}); err != nil || n != 2 {
		t.Errorf("Scan: %d records, %v", n, err)
	}
}
