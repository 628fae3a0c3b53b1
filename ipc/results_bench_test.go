package ipc

import (
	"fmt"
	"testing"
)

func BenchmarkResults(b *testing.B) {
	for _, size := range []int{16, 1 << 10, 64 << 10} {
		for _, policy := range []SyncPolicy{SyncNever, SyncCommit} {
			if policy == SyncCommit && size > 1<<10 {
				continue
			}
			b.Run(fmt.Sprintf("%s/%d", map[SyncPolicy]string{SyncNever: "Commit", SyncCommit: "SyncCommit"}[policy], size), func(b *testing.B) {
				f := openTestResults(b, resultsPath(b), ResultsOptions{Sync: policy})
				w := f.NewWriter(1, 0)
				defer w.Close()
				r := testRecord(1, size)
				payload := r.Payload[:size]
				b.SetBytes(int64(size))
				b.ReportAllocs()
				for b.Loop() {
					r.Index++
					if err := w.Begin(&r); err != nil {
						b.Fatal(err)
					}
					buf, err := w.Room(size)
					if err != nil {
						b.Fatal(err)
					}
					if err := w.Commit(append(buf, payload...), RecordSucceeded); err != nil {
						b.Fatal(err)
					}
				}
			})
		}
	}
	for _, size := range []int{16, 1 << 10} {
		b.Run(fmt.Sprintf("Scan/%d", size), func(b *testing.B) {
			f := openTestResults(b, resultsPath(b), ResultsOptions{})
			w := f.NewWriter(1, 0)
			defer w.Close()
			const n = 100_000
			r := testRecord(1, size)
			for range n {
				writeBench(b, w, &r, r.Payload[:size])
			}
			b.ReportAllocs()
			b.SetBytes(n * int64(size))
			for b.Loop() {
				got := 0
				if err := f.Scan(func(*Record) error { got++; return nil }); err != nil || got != n {
					b.Fatal(got, err)
				}
			}
			b.ReportMetric(float64(b.Elapsed().Nanoseconds())/float64(b.N*n), "ns/record")
		})
	}
	b.Run("At", func(b *testing.B) {
		f := openTestResults(b, resultsPath(b), ResultsOptions{})
		if err := f.Append(testRecord(1, 100)); err != nil {
			b.Fatal(err)
		}
		ref := allRecords(b, f)[0].Ref
		b.ReportAllocs()
		for b.Loop() {
			if _, err := f.At(ref); err != nil {
				b.Fatal(err)
			}
		}
	})
}

func writeBench(b *testing.B, w *ResultWriter, r *Record, payload []byte) {
	b.Helper()
	if err := w.Begin(r); err != nil {
		b.Fatal(err)
	}
	if err := w.Commit(payload, RecordSucceeded); err != nil {
		b.Fatal(err)
	}
}
