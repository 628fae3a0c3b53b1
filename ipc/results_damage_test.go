package ipc

import (
	"bytes"
	"errors"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"testing"

	"yunta/oslock/mapped"
)

// testImage is a file with everything in it: several extents of several writers,
// records of every state, one that moved and one that was begun last.
func testImage(t testing.TB) (image []byte, records map[RecordRef]Record) {
	t.Helper()
	path := resultsPath(t)
	f := openTestResults(t, path, ResultsOptions{ExtentSize: 128 << 10})
	w, v := f.NewWriter(1, 0), f.NewWriter(2, 0)
	for i := range 120 {
		r := testRecord(int64(i), 10+i*i%4000)
		r.Status = RecordStatus(1 + i%3)
		writeRecord(t, w, r, 0)
		if i == 60 {
			writeRecord(t, v, testRecord(1000, 150<<10), 150<<10)
		}
	}
	r := testRecord(2000, 0)
	if err := v.Begin(&r); err != nil {
		t.Fatal(err)
	}
	extent := v.Extent()
	if err := errors.Join(v.cur.unmap(), v.from.unmap(), f.letGo()); err != nil { // as if killed
		t.Fatal(err)
	}
	v = f.NewWriter(3, extent)
	writeRecord(t, v, testRecord(2001, 100), 100)
	r = testRecord(2002, 0)
	if err := v.Begin(&r); err != nil {
		t.Fatal(err)
	}
	if err := errors.Join(v.cur.unmap(), f.letGo(), w.Close()); err != nil {
		t.Fatal(err)
	}
	records = make(map[RecordRef]Record)
	for _, r := range allRecords(t, f) {
		records[r.Ref] = r
	}
	if len(records) != 124 {
		t.Fatalf("%d records", len(records))
	}
	if err := f.Close(); err != nil {
		t.Fatal(err)
	}
	image, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	return image, records
}

// memoryDir is a folder that is synced at no cost, where there is one.
func memoryDir(t testing.TB) string {
	t.Helper()
	dir, err := os.MkdirTemp(os.Getenv("YUNTA_DIR"), "results-")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { os.RemoveAll(dir) })
	return dir
}

// sizeOfRecord is what a record of the image takes.
func sizeOfRecord(r Record) int64 {
	return int64(alignResult(resultHead + len(r.Entry) + len(r.Job) + len(r.Argument) + len(r.Payload)))
}

// checkImage reads a damaged image in every way, and checks that what it says is
// right and that all that is untouched is there. damaged says whether anything
// in a range was changed.
func checkImage(t testing.TB, dir string, image []byte, records map[RecordRef]Record, damaged func(from, to int64) bool) ResultsReport {
	t.Helper()
	path, repaired := filepath.Join(dir, "damaged"), filepath.Join(dir, "repaired")
	if err := errors.Join(os.WriteFile(path, image, 0o600), os.RemoveAll(repaired)); err != nil {
		t.Fatal(err)
	}
	f, err := OpenResults(path, ResultsOptions{ReadOnly: true})
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	got := make(map[RecordRef]bool)
	damages := 0
	for r, err := range f.Records() {
		if err != nil {
			if !errors.Is(err, ErrCorrupt) && !errors.Is(err, ErrTruncated) {
				t.Errorf("Records: %v", err)
			}
			damages++
			continue
		}
		if !sameRecord(r, records[r.Ref]) || got[r.Ref] {
			t.Errorf("record at %d is %+v\nwant %+v", r.Ref, r, records[r.Ref])
		}
		got[r.Ref] = true
	}
	for ref, r := range records {
		touched := damaged(int64(ref), int64(ref)+sizeOfRecord(r))
		if !touched && !got[ref] {
			t.Errorf("record %d at %d was not touched, and is gone", r.Index, ref)
		}
		if !got[ref] && damages == 0 {
			t.Errorf("record %d at %d is gone, and no damage told", r.Index, ref)
		}
		one, err := f.At(ref)
		if got[ref] && (err != nil || !sameRecord(one, r)) || !got[ref] && err == nil {
			t.Errorf("At(%d) = %+v, %v; Records has it: %v", ref, one, err, got[ref])
		}
	}
	scanned := 0
	if err := f.Scan(func(*Record) error { scanned++; return nil }); scanned != len(got) || err != nil && !errors.Is(err, ErrTruncated) {
		t.Errorf("Scan finds %d records, Records %d, %v", scanned, len(got), err)
	}
	report, err := f.Verify()
	if err != nil || report.Records != len(got) || len(got) < len(records) && report.Damaged == 0 && !report.Truncated {
		t.Errorf("Verify = %+v, %v; %d records", report, err, len(got))
	}
	again, err := RepairResults(path, repaired)
	if err != nil || again.Records != report.Records || again.Damaged != report.Damaged {
		t.Errorf("RepairResults = %+v, %v; want %+v", again, err, report)
	}
	checkRepaired(t, repaired, records, len(got))
	return report
}

func checkRepaired(t testing.TB, path string, records map[RecordRef]Record, n int) {
	t.Helper()
	f, err := OpenResults(path, ResultsOptions{ReadOnly: true})
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	byIndex := make(map[int64]Record)
	for _, r := range records {
		byIndex[r.Index] = r
	}
	count := 0
	for r, err := range f.Records() {
		if err != nil || !sameRecord(r, byIndex[r.Index]) {
			t.Errorf("repaired: %+v, %v\nwant %+v", r, err, byIndex[r.Index])
		}
		count++
	}
	if count != n {
		t.Errorf("%d records were repaired, want %d", count, n)
	}
}

func TestResultsTruncated(t *testing.T) {
	t.Parallel()
	image, records := testImage(t)
	dir := memoryDir(t)
	path := filepath.Join(dir, "cut")
	for cut := 0; cut < len(image); cut += 4096 {
		if err := os.WriteFile(path, image[:cut], 0o600); err != nil {
			t.Fatal(err)
		}
		want := ErrTruncated
		if cut == 0 {
			want = ErrNotResults
		}
		for _, o := range []ResultsOptions{{MustExist: true}, {MustExist: true, Exclusive: true}} {
			if f, err := OpenResults(path, o); !errors.Is(err, want) {
				t.Fatalf("cut to %d: OpenResults(%+v) = %v, %v; want %v", cut, o, f, err, want)
			}
		}
		if cut == 0 {
			continue
		}
		report := checkImage(t, dir, image[:cut], records, func(_, to int64) bool { return to > int64(cut) })
		// Cut to the header alone, it does not say how long it was.
		if !report.Truncated || report.Lost < int64(len(image)-cut) && cut > resultsBytes {
			t.Errorf("cut to %d: %+v", cut, report)
		}
		if t.Failed() {
			t.Fatalf("cut to %d of %d", cut, len(image))
		}
	}
}

func TestResultsHeaderBits(t *testing.T) {
	t.Parallel()
	image, records := testImage(t)
	told := make(map[error]int)
	for bit := range 8 * resultsBytes {
		image[bit/8] ^= 1 << (bit % 8)
		_, err := decodeResultsHeader(image[:resultsBytes])
		image[bit/8] ^= 1 << (bit % 8)
		switch {
		case errors.Is(err, ErrVersion):
			told[ErrVersion]++
			fallthrough
		case errors.Is(err, ErrNotResults):
			told[ErrNotResults]++
		default:
			t.Fatalf("bit %d: %v", bit, err)
		}
	}
	if told[ErrVersion] != 32 {
		t.Errorf("%d bits make another version, want 32", told[ErrVersion])
	}
	// What stands behind a damaged header is not lost.
	dir := memoryDir(t)
	path, repaired := filepath.Join(dir, "damaged"), filepath.Join(dir, "repaired")
	for _, bit := range []int{0, 3, 64, 100, 300, 400, 8 * 4095} {
		image[bit/8] ^= 1 << (bit % 8)
		if err := errors.Join(os.WriteFile(path, image, 0o600), os.RemoveAll(repaired)); err != nil {
			t.Fatal(err)
		}
		image[bit/8] ^= 1 << (bit % 8)
		if report, err := RepairResults(path, repaired); err != nil || report.Records != len(records) || report.Damaged != 0 {
			t.Errorf("bit %d: RepairResults = %+v, %v", bit, report, err)
		}
		checkRepaired(t, repaired, records, len(records))
	}
}

func TestResultsFlippedBits(t *testing.T) {
	t.Parallel()
	rnd := testRand(t)
	image, records := testImage(t)
	refs := slices.Collect(maps.Keys(records))
	slices.Sort(refs)
	dir := memoryDir(t)
	n := 300
	if raceEnabled || testing.Short() {
		n = 100
	}
	whole := 0
	for i := range n {
		damaged := slices.Clone(image)
		var flips []int64
		for range 1 + rnd.IntN(8) {
			at := resultsBase + rnd.Int64N(int64(len(image)-resultsBase))
			switch i % 3 {
			case 0: // in the head of a record
				at = int64(refs[rnd.IntN(len(refs))]) + rnd.Int64N(resultHead)
			case 1: // perhaps in the head of an extent
				at = at/grain*grain + rnd.Int64N(extentHeadBytes)
			}
			damaged[at] ^= 1 << rnd.IntN(8)
			flips = append(flips, at)
		}
		report := checkImage(t, dir, damaged, records, func(from, to int64) bool {
			return slices.ContainsFunc(flips, func(at int64) bool { return at >= from && at < to })
		})
		if report.Damaged == 0 {
			whole++
		}
		if t.Failed() {
			t.Fatalf("run %d, after flips at %v", i, flips)
		}
	}
	t.Logf("%d of %d times nothing that counts was hit", whole, n)
}

// A page that the disk has lost reads as zeros, which say that nothing follows:
// Verify looks behind them.
func TestResultsLostPages(t *testing.T) {
	t.Parallel()
	image, records := testImage(t)
	dir := memoryDir(t)
	path, repaired := filepath.Join(dir, "damaged"), filepath.Join(dir, "repaired")
	for page := resultsBase; page < len(image); page += 4096 {
		damaged := slices.Clone(image)
		clear(damaged[page : page+4096])
		if err := errors.Join(os.WriteFile(path, damaged, 0o600), os.RemoveAll(repaired)); err != nil {
			t.Fatal(err)
		}
		want := 0
		for ref, r := range records {
			if int64(ref)+sizeOfRecord(r) <= int64(page) || int64(ref) >= int64(page)+4096 {
				want++
			}
		}
		report, err := RepairResults(path, repaired)
		if err != nil || report.Records < want || report.Records > want+1 {
			t.Errorf("page at %d: RepairResults = %+v, %v; want %d records", page, report, err, want)
		}
		checkRepaired(t, repaired, records, report.Records)
	}
}

// A file that somebody cuts off under those who use it makes errors.
func TestResultsCutOffInUse(t *testing.T) {
	t.Parallel()
	for cut := range int64(14) {
		path := resultsPath(t)
		f := openTestResults(t, path, ResultsOptions{ExtentSize: grain})
		w := f.NewWriter(1, 0)
		for i := range 100 {
			writeRecord(t, w, testRecord(int64(i), 8000), 8020)
		}
		reader := openTestResults(t, path, ResultsOptions{ReadOnly: true})
		n := 0
		err := reader.Scan(func(r *Record) error {
			if n++; n == 3 {
				if err := os.Truncate(path, cut*grain); err != nil {
					t.Fatal(err)
				}
			}
			_ = bytes.Clone(r.Payload)
			return nil
		})
		// Where the file ends inside what is being looked at, the error is of that.
		if _, fault := errors.AsType[*mapped.FaultError](err); !errors.Is(err, ErrTruncated) && !fault {
			t.Errorf("cut to %d: Scan after %d records: %v, want ErrTruncated", cut*grain, n, err)
		}
		var writeErr error
		for i := range 200 {
			r := testRecord(int64(1000+i), 8000)
			if writeErr = w.Begin(&r); writeErr != nil {
				break
			}
			if writeErr = w.Commit(r.Payload, r.Status); writeErr != nil {
				break
			}
		}
		if writeErr == nil {
			t.Errorf("cut to %d: a writer did not notice", cut*grain)
		}
		for _, err := range reader.Records() {
			if err != nil && !errors.Is(err, ErrTruncated) && !errors.Is(err, ErrCorrupt) {
				t.Errorf("Records: %v", err)
			}
		}
		w.Close()
	}
}
