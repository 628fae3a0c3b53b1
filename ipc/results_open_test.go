package ipc

import (
	"bytes"
	"encoding/binary"
	"errors"
	"hash/crc32"
	"io"
	"io/fs"
	"net"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"yunta/oslock/mapped"
)

func TestOpenResultsRefuses(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	self, err := os.Executable()
	if err != nil {
		t.Fatal(err)
	}
	elf, err := os.ReadFile(self)
	if err != nil {
		t.Fatal(err)
	}
	h := resultsHeader{extentSize: grain, created: time.Now()}
	with := func(change func(b []byte)) []byte {
		b := make([]byte, resultsBase)
		copy(b, h.encode())
		change(b)
		binary.NativeEndian.PutUint32(b[resultsBytes-4:], crc32.Checksum(b[:resultsBytes-4], castagnoli()))
		return b
	}
	eh := testHeader()
	for _, row := range []struct {
		name    string
		content []byte
		want    error
		o       ResultsOptions
	}{
		{"empty", nil, ErrNotResults, ResultsOptions{MustExist: true}},
		{"zeros", make([]byte, resultsBase), ErrNotResults, ResultsOptions{MustExist: true}},
		{"many zeros", make([]byte, 2*resultsBase), ErrNotResults, ResultsOptions{}},
		{"few zeros", make([]byte, 100), ErrNotResults, ResultsOptions{}},
		{"program", elf[:1<<20], ErrNotResults, ResultsOptions{}},
		{"text", []byte("yunta is a yoke of oxen\n"), ErrNotResults, ResultsOptions{}},
		{"one byte", []byte("y"), ErrNotResults, ResultsOptions{}},
		{"extents", append(eh.encode(), make([]byte, 1<<20)...), ErrNotResults, ResultsOptions{}},
		{"version 0", with(func(b []byte) { b[8] = 0 }), ErrVersion, ResultsOptions{}},
		{"version 2", with(func(b []byte) { b[8] = 2 }), ErrVersion, ResultsOptions{}},
		{"other byte order", with(func(b []byte) { binary.NativeEndian.PutUint32(b[12:], 0x04030201) }), ErrNotResults, ResultsOptions{}},
		{"no byte order", with(func(b []byte) { b[12]++ }), ErrNotResults, ResultsOptions{}},
		{"other layout", with(func(b []byte) { b[28]++ }), ErrNotResults, ResultsOptions{}},
		{"extents of no size", with(func(b []byte) { clear(b[32:40]) }), ErrNotResults, ResultsOptions{}},
		{"checksum", append(h.encode()[:resultsBytes-1], make([]byte, grain)...), ErrCorrupt, ResultsOptions{}},
		{"header alone", h.encode(), ErrTruncated, ResultsOptions{}},
		{"half a header", h.encode()[:100], ErrTruncated, ResultsOptions{}},
		{"cut off", with(func(b []byte) { binary.NativeEndian.PutUint64(b[resultsReach:], 1<<20) }), ErrTruncated, ResultsOptions{}},
		{"exists", with(func([]byte) {}), fs.ErrExist, ResultsOptions{New: true}},
	} {
		t.Run(row.name, func(t *testing.T) {
			path := filepath.Join(dir, strings.ReplaceAll(row.name, " ", "-"))
			if err := os.WriteFile(path, row.content, 0o600); err != nil {
				t.Fatal(err)
			}
			f, err := OpenResults(path, row.o)
			if !errors.Is(err, row.want) {
				t.Errorf("OpenResults = %v, %v; want %v", f, err, row.want)
			}
			if err != nil && !strings.Contains(err.Error(), path) {
				t.Errorf("the error does not name the file: %v", err)
			}
			if b, err := os.ReadFile(path); err != nil || !bytes.Equal(b, row.content) {
				t.Errorf("the file was changed, %v", err)
			}
			if row.want == ErrVersion && (!strings.Contains(err.Error(), string(row.content[8]+'0')) || !strings.Contains(err.Error(), "1")) {
				t.Errorf("the error does not name both versions: %v", err)
			}
			if row.want != fs.ErrExist && row.name != "cut off" && row.name != "header alone" {
				if f, err := OpenResults(path, ResultsOptions{ReadOnly: true}); err == nil {
					t.Errorf("read-only: %v, want an error", f)
					f.Close()
				}
			}
		})
	}
}

func TestOpenResultsOtherThings(t *testing.T) {
	t.Parallel()
	dir, err := os.MkdirTemp("", "y") // short enough for a socket
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { os.RemoveAll(dir) })
	socket := filepath.Join(dir, "socket")
	l, err := net.Listen("unix", socket)
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	fifo := filepath.Join(dir, "fifo")
	if err := makeFIFO(fifo); err != nil {
		t.Fatal(err)
	}
	for _, o := range []ResultsOptions{{}, {MustExist: true}, {ReadOnly: true}, {Exclusive: true}} {
		for _, path := range []string{dir, socket, fifo, "/dev/null"} {
			if f, err := OpenResults(path, o); !errors.Is(err, ErrNotResults) {
				t.Errorf("OpenResults(%s, %+v) = %v, %v; want ErrNotResults", path, o, f, err)
			}
		}
	}
	for _, o := range []ResultsOptions{{MustExist: true}, {ReadOnly: true}} {
		missing := filepath.Join(dir, "missing")
		if f, err := OpenResults(missing, o); !errors.Is(err, fs.ErrNotExist) {
			t.Errorf("OpenResults(%s, %+v) = %v, %v; want fs.ErrNotExist", missing, o, f, err)
		}
	}
	for _, o := range []ResultsOptions{
		{New: true, MustExist: true},
		{New: true, ReadOnly: true},
		{Exclusive: true, ReadOnly: true},
		{Patience: -1},
		{Interval: -1},
		{Sync: 7},
		{Sync: -1},
		{ExtentSize: -1},
	} {
		path := filepath.Join(dir, "never")
		if f, err := OpenResults(path, o); err == nil {
			t.Errorf("%+v: %v, want an error", o, f)
		}
		if _, err := os.Stat(path); !errors.Is(err, fs.ErrNotExist) {
			t.Errorf("%+v: a file was made", o)
		}
	}
}

// A link is followed, to nothing too; what a maker that died left is taken over.
func TestOpenResultsMakes(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	link := filepath.Join(dir, "link")
	if err := os.Symlink("target", link); err != nil {
		t.Fatal(err)
	}
	empty, zeros := filepath.Join(dir, "empty"), filepath.Join(dir, "zeros")
	if err := errors.Join(os.WriteFile(empty, nil, 0o600), os.WriteFile(zeros, make([]byte, resultsBase), 0o600)); err != nil {
		t.Fatal(err)
	}
	for _, path := range []string{link, empty, zeros} {
		f := openTestResults(t, path, ResultsOptions{})
		if err := f.Append(testRecord(1, 1)); err != nil {
			t.Error(err)
		}
		if n := len(allRecords(t, openTestResults(t, path, ResultsOptions{ReadOnly: true}))); n != 1 {
			t.Errorf("%s: %d records", path, n)
		}
	}
	if fi, err := os.Stat(filepath.Join(dir, "target")); err != nil || fi.Size() == 0 {
		t.Errorf("the target of the link: %v", err)
	}
}

func TestResultsExclusive(t *testing.T) {
	t.Parallel()
	path := resultsPath(t)
	one := openTestResults(t, path, ResultsOptions{Exclusive: true})
	for _, o := range []ResultsOptions{{Exclusive: true}, {Exclusive: true, Patience: time.Millisecond}, {}} {
		if f, err := OpenResults(path, o); !errors.Is(err, ErrInUse) || !strings.Contains(err.Error(), path) {
			t.Errorf("%+v while another has it: %v, %v; want ErrInUse", o, f, err)
		}
	}
	reader := openTestResults(t, path, ResultsOptions{ReadOnly: true})
	if err := reader.Append(testRecord(1, 1)); err == nil {
		t.Error("a read-only file was written to")
	}
	if err := one.Append(testRecord(1, 1)); err != nil {
		t.Error(err)
	}
	if n := len(allRecords(t, reader)); n != 1 {
		t.Errorf("%d records", n)
	}
	type opened struct {
		f   *ResultFile
		err error
	}
	patient := make(chan opened)
	go func() {
		f, err := OpenResults(path, ResultsOptions{Exclusive: true, Patience: time.Minute})
		patient <- opened{f, err}
	}()
	if err := one.Close(); err != nil {
		t.Fatal(err)
	}
	two := <-patient
	if two.err != nil {
		t.Fatal(two.err)
	}
	two.f.Close()
	// Those that share do not hinder each other, but one that is exclusive.
	a, b := openTestResults(t, path, ResultsOptions{}), openTestResults(t, path, ResultsOptions{})
	if f, err := OpenResults(path, ResultsOptions{Exclusive: true}); !errors.Is(err, ErrInUse) {
		t.Errorf("exclusive while two share it: %v, %v; want ErrInUse", f, err)
	}
	if err := errors.Join(a.Append(testRecord(2, 1)), b.Append(testRecord(3, 1))); err != nil {
		t.Error(err)
	}
	if n := len(allRecords(t, reader)); n != 3 {
		t.Errorf("%d records, want 3", n)
	}
}

// The helper has the file open, inherited, until its input ends.
var _ = addHelper("resultsholder", func([]string) {
	f, err := OpenResultsFile(os.NewFile(3, "results"), ResultsOptions{})
	if err != nil {
		panic(err)
	}
	os.Stdout.WriteString("open\n")
	io.Copy(io.Discard, os.Stdin)
	f.Close()
})

// The lock lasts until the last process that inherited the file has closed it.
func TestResultsExclusiveIsInherited(t *testing.T) {
	t.Parallel()
	path := resultsPath(t)
	f := openTestResults(t, path, ResultsOptions{Exclusive: true})
	cmd := helper(t, "resultsholder")
	cmd.ExtraFiles = []*os.File{f.File()}
	in, err := cmd.StdinPipe()
	if err != nil {
		t.Fatal(err)
	}
	out, err := cmd.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	if _, err := io.ReadFull(out, make([]byte, 5)); err != nil {
		t.Fatal(err)
	}
	if err := f.Close(); err != nil {
		t.Fatal(err)
	}
	if f, err := OpenResults(path, ResultsOptions{Exclusive: true}); !errors.Is(err, ErrInUse) {
		t.Errorf("while a process has it that inherited it: %v, %v; want ErrInUse", f, err)
	}
	in.Close()
	if err := cmd.Wait(); err != nil {
		t.Error(err)
	}
	openTestResults(t, path, ResultsOptions{Exclusive: true})
}

// Many that open a file which is not there at the same time make one file.
func TestOpenResultsAtOnce(t *testing.T) {
	t.Parallel()
	for range 20 {
		path := resultsPath(t)
		var wg sync.WaitGroup
		for i := range 8 {
			wg.Go(func() {
				f, err := OpenResults(path, ResultsOptions{})
				if err != nil {
					t.Error(err)
					return
				}
				if err := errors.Join(f.Append(testRecord(int64(i), 10)), f.Close()); err != nil {
					t.Error(err)
				}
			})
		}
		wg.Wait()
		if n := len(allRecords(t, openTestResults(t, path, ResultsOptions{MustExist: true}))); n != 8 {
			t.Fatalf("%d records, want 8", n)
		}
	}
}

// What dead writers left is found and filled before new space is taken.
func TestResultsSpare(t *testing.T) {
	t.Parallel()
	path := resultsPath(t)
	f := openTestResults(t, path, ResultsOptions{})
	if _, err := f.Spare(); err == nil {
		t.Error("Spare without Exclusive: no error")
	}
	for i := range 3 {
		w := f.NewWriter(uint32(i), 0)
		writeRecord(t, w, testRecord(int64(i), 100), 200)
		if i == 1 { // no room left
			writeRecord(t, w, testRecord(10, 62<<10), 63<<10)
		}
		if err := w.Close(); err != nil {
			t.Fatal(err)
		}
	}
	f.Close()
	f = openTestResults(t, path, ResultsOptions{Exclusive: true})
	before, err := f.File().Stat()
	if err != nil {
		t.Fatal(err)
	}
	spare, err := f.Spare()
	if err != nil || len(spare) != 2 || spare[0] != resultsBase || spare[1] != resultsBase+2*grain {
		t.Fatalf("Spare = %v, %v", spare, err)
	}
	for i, e := range spare {
		w := f.NewWriter(9, e)
		writeRecord(t, w, testRecord(int64(20+i), 100), 200)
		if w.Extent() != e {
			t.Errorf("the writer is in extent %d, want %d", w.Extent(), e)
		}
		w.Close()
	}
	if after, err := f.File().Stat(); err != nil || after.Size() != before.Size() {
		t.Errorf("the file grew from %d to %d, %v", before.Size(), after.Size(), err)
	}
	if n := len(allRecords(t, f)); n != 6 {
		t.Errorf("%d records, want 6", n)
	}
	// What is no extent, or is full, or cannot be, is not gone on in.
	for _, e := range []ExtentRef{1, grain, 2 * grain, 3 * grain, 1 << 40, 1<<64 - 1, 1<<64 - grain} {
		w := f.NewWriter(9, e)
		writeRecord(t, w, testRecord(int64(30), 5000), 200)
		w.Close()
	}
	if report, err := f.Verify(); err != nil || report.Records != 13 || report.Damaged != 0 {
		t.Errorf("Verify = %+v, %v", report, err)
	}
}

// What a writer had claimed when it died before it had its extent is used.
func TestResultsSpareGaps(t *testing.T) {
	t.Parallel()
	path := resultsPath(t)
	f := openTestResults(t, path, ResultsOptions{})
	w := f.NewWriter(1, 0)
	for _, name := range []string{"extent claimed", "space reserved", "reach raised", "extent head written"} {
		f.dieAt(name, 128<<10)
	}
	writeRecord(t, w, testRecord(1, 62<<10), 62<<10)
	w.Close()
	f.Close()
	before, err := os.Stat(path)
	if err != nil {
		t.Fatal(err)
	}
	f = openTestResults(t, path, ResultsOptions{Exclusive: true})
	spare, err := f.Spare()
	if err != nil || len(spare) != 1 {
		t.Fatalf("Spare = %v, %v", spare, err)
	}
	w = f.NewWriter(2, spare[0])
	writeRecord(t, w, testRecord(10, 300<<10), 300<<10)
	if w.Extent() != spare[0] {
		t.Errorf("the writer is in extent %d, want %d", w.Extent(), spare[0])
	}
	w.Close()
	if after, err := os.Stat(path); err != nil || after.Size() != before.Size() {
		t.Errorf("the file grew from %d to %d, %v", before.Size(), after.Size(), err)
	}
	if report, err := f.Verify(); err != nil || report.Records != 2 || report.Damaged != 0 {
		t.Errorf("Verify = %+v, %v", report, err)
	}
	if again, err := f.Spare(); err != nil || len(again) != 1 {
		t.Errorf("Spare = %v, %v", again, err)
	}
}

// dieAt makes what a writer that dies at a step of grow leaves.
func (f *ResultFile) dieAt(name string, size int64) {
	if name == "" {
		return
	}
	off, err := f.claim(size)
	if err == nil && name != "extent claimed" {
		err = mapped.Reserve(f.file, off, size)
	}
	if err == nil && name != "extent claimed" && name != "space reserved" {
		storeMax(f.reach, uint64(off+size))
	}
	if err == nil && name == "extent head written" {
		_, err = f.file.WriteAt((&extentHead{off: off, size: size, id: f.head.id}).encode()[8:], off+8)
	}
	if err != nil {
		panic(err)
	}
}

func TestResultsSyncPolicies(t *testing.T) {
	t.Parallel()
	for _, o := range []ResultsOptions{{Sync: SyncCommit}, {Sync: SyncInterval, Interval: time.Millisecond}, {Sync: SyncInterval}} {
		f := openTestResults(t, resultsPath(t), o)
		w := f.NewWriter(1, 0)
		for i := range 20 {
			writeRecord(t, w, testRecord(int64(i), i*1000), 100)
		}
		if o.Interval > 0 {
			for f.dirty.Load() != 0 { // until the syncer has seen it
				time.Sleep(time.Millisecond)
			}
		}
		if err := errors.Join(f.Sync(), w.Close(), f.Close()); err != nil {
			t.Errorf("%+v: %v", o, err)
		}
	}
}
