package ipc

import (
	"bytes"
	"encoding/binary"
	"errors"
	"hash/crc32"
	"os"
	"path/filepath"
	"testing"
	"time"
)

// The first bytes of a whole header are changed, and the rest cut off: the fuzzer
// makes nothing of inputs of 4 KiB.
func FuzzResultsHeader(f *testing.F) {
	whole := (&resultsHeader{extentSize: 1 << 20, created: time.Unix(1700000000, 0), id: fileID{1, 2, 3}}).encode()
	f.Add(whole[:64], uint16(resultsBytes), true)
	f.Add(whole[:64], uint16(resultsBytes), false)
	f.Add(whole[:64], uint16(resultsBytes-1), false)
	f.Add([]byte{}, uint16(0), false)
	f.Add([]byte("yuntares"), uint16(8), true)
	f.Fuzz(func(t *testing.T, first []byte, size uint16, seal bool) {
		b := bytes.Clone(whole)
		copy(b, first)
		if seal { // or no change would ever get past the checksum
			binary.NativeEndian.PutUint32(b[resultsBytes-4:], crc32.Checksum(b[:resultsBytes-4], castagnoli()))
		}
		b = b[:min(int(size), len(b))]
		h, err := decodeResultsHeader(b)
		if err != nil {
			if !errors.Is(err, ErrNotResults) && !errors.Is(err, ErrVersion) && !errors.Is(err, ErrTruncated) {
				t.Fatal(err)
			}
			return
		}
		if again, err := decodeResultsHeader(h.encode()); err != nil || again != h {
			t.Fatalf("%+v became %+v, %v", h, again, err)
		}
	})
}

// fuzzImage is small, so that the fuzzer changes something that counts.
func fuzzImage(f *testing.F, change func(r *ResultFile)) []byte {
	f.Helper()
	path := filepath.Join(f.TempDir(), "image")
	r, err := OpenResults(path, ResultsOptions{ExtentSize: grain})
	if err != nil {
		f.Fatal(err)
	}
	change(r)
	if err := r.Close(); err != nil {
		f.Fatal(err)
	}
	b, err := os.ReadFile(path)
	if err != nil {
		f.Fatal(err)
	}
	return b
}

// Whatever stands behind a header, reading it ends, and what it gives out is
// whole. The changes are given as places and values, so that an input of a few
// bytes is a whole file. With seal, checksums of records that were hit are made
// right again, so that the checks behind them are reached.
func FuzzResultsImage(f *testing.F) {
	image := fuzzImage(f, func(r *ResultFile) {
		for i := range 5 {
			if err := r.Append(testRecord(int64(i), 100)); err != nil {
				f.Fatal(err)
			}
		}
		w := r.NewWriter(1, 0)
		rec := testRecord(10, 70<<10)
		if err := errors.Join(w.Begin(&rec), w.Commit(rec.Payload, RecordFailed), w.Begin(&rec), w.cur.unmap(), w.from.unmap(), r.letGo()); err != nil {
			f.Fatal(err)
		}
	})
	at := func(off uint32, v ...byte) []byte {
		return append(binary.LittleEndian.AppendUint32(nil, off), v...)
	}
	f.Add([]byte{}, false, false)
	f.Add(at(resultsBase, 0), false, false)
	f.Add(at(resultsBase+16, 1), true, false)
	f.Add(at(resultsBase+64+7, 0x17), false, false)
	f.Add(at(resultsBase+64+7, 0x71), false, true)
	f.Add(at(resultsBase+64+88, 0xff), true, false)
	f.Add(at(resultsBase+64+112, 0xff), true, true)
	f.Add(at(resultsEnd+2, 0xff), true, true)
	f.Add(at(resultsReach+2, 0xff), true, true)
	dir := f.TempDir()
	f.Fuzz(func(t *testing.T, changes []byte, seal, write bool) {
		b := append([]byte(nil), image...)
		for ; len(changes) >= 5; changes = changes[5:] {
			off := int64(binary.LittleEndian.Uint32(changes))
			if off < resultsBytes || off >= int64(len(b)) {
				continue
			}
			b[off] = changes[4]
			if seal {
				sealResults(b, off)
			}
		}
		path := filepath.Join(dir, "image")
		if err := os.WriteFile(path, b, 0o600); err != nil {
			t.Fatal(err)
		}
		r, err := OpenResults(path, ResultsOptions{ReadOnly: true})
		if err != nil {
			t.Fatal(err) // the header is whole
		}
		defer r.Close()
		n := 0
		for rec, err := range r.Records() {
			if err != nil && !errors.Is(err, ErrCorrupt) && !errors.Is(err, ErrTruncated) {
				t.Fatal(err)
			}
			if err == nil {
				n++
				if _, err := r.At(rec.Ref); err != nil {
					t.Fatalf("At(%d): %v", rec.Ref, err)
				}
			}
		}
		report, err := r.Verify()
		if err != nil || report.Records < n {
			t.Fatalf("Verify = %+v, %v; Records has %d", report, err, n)
		}
		for off := int64(0); off < int64(len(b)); off += 8 * 97 {
			r.At(RecordRef(off))
		}
		if write {
			fuzzWrite(t, path, report)
		}
	})
}

// fuzzWrite goes on in whatever the file has become, and loses nothing of it.
func fuzzWrite(t *testing.T, path string, before ResultsReport) {
	f, err := OpenResults(path, ResultsOptions{Exclusive: true})
	if err != nil {
		if !errors.Is(err, ErrCorrupt) && !errors.Is(err, ErrTruncated) {
			t.Fatal(err)
		}
		return
	}
	defer f.Close()
	written := 0
	for _, e := range []ExtentRef{resultsBase, resultsBase + grain, 2*resultsBase + grain} {
		w := f.NewWriter(7, e)
		rec := testRecord(77, 10)
		if err := errors.Join(w.Begin(&rec), w.Commit(rec.Payload, RecordSucceeded), w.Close()); err != nil {
			t.Fatal(err)
		}
		written++
	}
	after, err := f.Verify()
	if err != nil || after.Records != before.Records+written || after.Damaged != before.Damaged {
		t.Fatalf("Verify = %+v, %v\nbefore %+v", after, err, before)
	}
}

// sealResults makes right the checksum of the extent's head or of the record
// that off is in the head of.
func sealResults(b []byte, off int64) {
	e := binary.NativeEndian
	id := fileID(b[48:64])
	if at := off / grain * grain; off-at < extentHeadBytes {
		e.PutUint32(b[at+60:], crc32.Update(seedAt(id.sum(), at), castagnoli(), b[at:at+60]))
		return
	}
	for at := off &^ 7; at > off-resultHead; at -= 8 {
		rec := b[at:]
		if len(rec) < resultHead || !stateWord(e.Uint64(rec)).plausible() {
			continue
		}
		head := resultHead + int64(e.Uint32(rec[88:])) + int64(e.Uint32(rec[92:])) + int64(e.Uint32(rec[96:]))
		if head > int64(len(rec)) {
			return
		}
		e.PutUint32(rec[8:], headChecksum(rec, int(head), seedAt(id.sum(), at)))
		if n := e.Uint64(rec[112:]); n <= uint64(int64(len(rec))-head) {
			e.PutUint32(rec[12:], outcomeChecksum(rec, int(head), int(n), seedAt(id.sum(), at)))
		}
		return
	}
}
