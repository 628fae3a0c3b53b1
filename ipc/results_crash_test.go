package ipc

import (
	"bufio"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"math/rand/v2"
	"os"
	"os/exec"
	"strconv"
	"sync"
	"testing"
	"time"

	"yunta/oslock/mapped"
)

// crashSize is how large the payload of a record is, and crashRoom what the
// writer asks for, which is often too little.
func crashSize(rnd *rand.Rand) (size, room int) {
	size = rnd.IntN(2000)
	if rnd.IntN(40) == 0 {
		size = rnd.IntN(200 << 10)
	}
	room = size + 16
	if rnd.IntN(5) == 0 {
		room = rnd.IntN(room)
	}
	return size, room
}

// The writer that is killed. It acknowledges each record by its index, once it is
// committed, and each change of its extent before it writes there.
//
// args: number, seed, first index, extent to go on in, records to write, the step
// at which to die (0: none).
var _ = addHelper("results", func(args []string) {
	num := func(i int) int {
		n, err := strconv.Atoi(args[i])
		if err != nil {
			panic(err)
		}
		return n
	}
	rnd := rand.New(rand.NewPCG(uint64(num(1)), 1))
	f, err := OpenResultsFile(os.NewFile(3, "results"), ResultsOptions{})
	if err != nil {
		panic(err)
	}
	acks := os.NewFile(4, "acks")
	ack := func(kind, n uint64) {
		b := binary.NativeEndian.AppendUint64(nil, kind)
		if _, err := acks.Write(binary.NativeEndian.AppendUint64(b, n)); err != nil {
			panic(err)
		}
	}
	steps := 0
	testHookStep = func(string) {
		if steps++; steps == num(5) {
			self, err := os.FindProcess(os.Getpid())
			if err != nil {
				panic(err)
			}
			self.Kill()
			select {}
		}
	}
	w := f.NewWriter(uint32(num(0)), ExtentRef(num(3)))
	w.OnExtent = func(e ExtentRef) { ack(ackExtent, uint64(e)) }
	for n := range num(4) {
		index := int64(num(2) + n)
		size, room := crashSize(rnd)
		r := testRecord(index, 0)
		r.PID = 0
		if err := w.Begin(&r); err != nil {
			panic(err)
		}
		buf, err := w.Room(room)
		if err != nil {
			panic(err)
		}
		if err := mapped.Guard(func() error { buf = testValue(buf, uint64(index), size); return nil }); err != nil {
			panic(err)
		}
		step("written")
		if err := w.Commit(buf, RecordSucceeded); err != nil {
			panic(err)
		}
		ack(ackRecord, uint64(index))
	}
	if err := errors.Join(w.Close(), f.Close()); err != nil {
		panic(err)
	}
})

const (
	ackExtent = 1
	ackRecord = 2
)

// resultsProcess is a started helper.
type resultsProcess struct {
	cmd    *exec.Cmd
	acks   io.Reader
	pipe   *os.File
	extent ExtentRef
	acked  []int64
}

func startResults(t testing.TB, f *ResultFile, writer, seed int, first int64, resume ExtentRef, records, dieAt int) *resultsProcess {
	t.Helper()
	r, w, err := os.Pipe()
	if err != nil {
		t.Fatal(err)
	}
	cmd := helper(t, "results", strconv.Itoa(writer), strconv.Itoa(seed), strconv.FormatInt(first, 10),
		strconv.FormatUint(uint64(resume), 10), strconv.Itoa(records), strconv.Itoa(dieAt))
	cmd.ExtraFiles = []*os.File{f.File(), w}
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	w.Close()
	return &resultsProcess{cmd: cmd, acks: bufio.NewReader(r), pipe: r, extent: resume}
}

// follow reads what the writer says, until it ends, killing it when it has
// acknowledged that many records.
func (p *resultsProcess) follow(t testing.TB, killAt int) {
	t.Helper()
	if killAt == 0 {
		p.cmd.Process.Kill()
	}
	var b [16]byte
	for {
		if _, err := io.ReadFull(p.acks, b[:]); err == io.EOF {
			break
		} else if err != nil {
			t.Fatal(err)
		}
		n := binary.NativeEndian.Uint64(b[8:])
		if binary.NativeEndian.Uint64(b[:]) == ackExtent {
			p.extent = ExtentRef(n)
			continue
		}
		p.acked = append(p.acked, int64(n))
		if len(p.acked) == killAt {
			p.cmd.Process.Kill()
		}
	}
	p.pipe.Close()
	p.cmd.Wait()
}

// checkCrashed asserts that every record that was acknowledged is there and
// whole, and that no other is half there.
func checkCrashed(t testing.TB, f *ResultFile, acked map[int64]bool) {
	t.Helper()
	seen, running := make(map[int64]int, len(acked)), make(map[int64]bool)
	err := f.walk(f.cursor(true), false, func(r *Record) (bool, error) {
		return true, f.guard(func() error {
			want := testRecord(r.Index, 0)
			if r.Job != want.Job || r.Entry != want.Entry || r.Digest != want.Digest || string(r.Argument) != string(want.Argument) {
				t.Errorf("record %+v", r)
			}
			if r.Status == RecordRunning {
				running[r.Index] = true
				return nil
			}
			if n, rest, err := readTestValue(r.Payload); err != nil || len(rest) != 0 || int64(n) != r.Index {
				t.Errorf("the payload of record %d is of %d, %d bytes left, %v", r.Index, n, len(rest), err)
			}
			seen[r.Index]++
			return nil
		})
	}, func(d *damage) bool {
		t.Errorf("damage of %d bytes: %v", d.size, d.err)
		return true
	})
	if err != nil {
		t.Errorf("reading: %v", err)
	}
	for index := range acked {
		if seen[index] != 1 {
			t.Errorf("record %d was acknowledged, and is there %d times", index, seen[index])
		}
	}
	for index, n := range seen {
		if n > 1 {
			t.Errorf("record %d is there %d times", index, n)
		}
		// While it is being written, it may be read before it moves and after.
		if running[index] && acked != nil {
			t.Errorf("record %d is running and has ended", index)
		}
	}
}

// watchResults reads the file all the time, as another process does, until told
// to stop, and checks that it never finds damage.
func watchResults(t *testing.T, path string) (stop func()) {
	t.Helper()
	f := openTestResults(t, path, ResultsOptions{ReadOnly: true})
	quit, done := make(chan struct{}), make(chan struct{})
	go func() {
		defer close(done)
		for !t.Failed() {
			select {
			case <-quit:
				return
			default:
				checkCrashed(t, f, nil)
			}
		}
	}()
	return sync.OnceFunc(func() {
		close(quit)
		<-done
	})
}

// A writer that dies at any step loses at most the record it was writing, and its
// successor goes on.
func TestResultsWriterDiesAtEachStep(t *testing.T) {
	every := 1
	if raceEnabled || testing.Short() {
		every = 7
	}
	died := 0
	for dieAt := 1; ; dieAt += every {
		if dieAt > 2000 {
			t.Fatal("the writer never ends")
		}
		f := openTestResults(t, resultsPath(t), ResultsOptions{New: true, Exclusive: true, ExtentSize: 128 << 10})
		acked := make(map[int64]bool)
		ended := false
		var extent ExtentRef
		// The first dies; so does the second, which goes on behind it; the third ends.
		for i, dieAt := range []int{dieAt, dieAt, 0} {
			p := startResults(t, f, 1, 9+i, int64(1000*i), extent, 30-12*i, dieAt)
			p.follow(t, -1)
			for _, i := range p.acked {
				acked[i] = true
			}
			checkCrashed(t, f, acked)
			extent = p.extent
			ended = p.cmd.ProcessState.Success() && (i == 0 || ended)
		}
		if err := f.Close(); err != nil {
			t.Error(err)
		}
		if t.Failed() {
			t.Fatalf("at step %d", dieAt)
		}
		if ended {
			break
		}
		died++
	}
	if died < 15 {
		t.Errorf("the writer died only %d times", died)
	}
	t.Logf("died at %d steps", died)
}

// killResults kills writers, each going on where the last one died, until enough
// says so.
func killResults(t *testing.T, enough func(kills int) bool) {
	rnd := testRand(t)
	path := resultsPath(t)
	f := openTestResults(t, path, ResultsOptions{New: true, Exclusive: true, ExtentSize: 256 << 10})
	stop := watchResults(t, path)
	defer stop()
	acked := make(map[int64]bool)
	var extents [2]ExtentRef
	var next int64
	kills, written := 0, int64(0)
	for ; !enough(kills) && !t.Failed(); kills += 2 {
		// Two at a time, each in an extent of its own.
		var wg sync.WaitGroup
		var ps [2]*resultsProcess
		for i := range ps {
			p := startResults(t, f, i, int(rnd.Int32()), next, extents[i], 1<<30, 0)
			next += 1 << 20
			ps[i] = p
			killAt := rnd.IntN(60)
			if rnd.IntN(4) == 0 {
				killAt = -1
				after := time.AfterFunc(time.Duration(rnd.IntN(20_000))*time.Microsecond, func() { p.cmd.Process.Kill() })
				defer after.Stop()
			}
			wg.Go(func() { p.follow(t, killAt) })
		}
		wg.Wait()
		for i, p := range ps {
			extents[i] = p.extent
			for _, n := range p.acked {
				acked[n] = true
			}
		}
		if kills%50 == 0 {
			checkCrashed(t, f, acked)
		}
	}
	stop()
	checkCrashed(t, f, acked)
	err := f.Scan(func(r *Record) error {
		written += int64(len(r.Payload)) + resultHead + 64
		return nil
	})
	fi, statErr := f.File().Stat()
	if err != nil || statErr != nil {
		t.Fatal(err, statErr)
	}
	t.Logf("%d kills, %d records, %d bytes of %d used", kills, len(acked), written, fi.Size())
	// A death may cost an extent it has claimed, and the payload it was writing.
	if limit := 2*written + int64(kills)*(16<<10) + 8<<20; fi.Size() > limit {
		t.Errorf("the file has %d bytes, limit %d", fi.Size(), limit)
	}
}

func TestResultsWriterKilled(t *testing.T) {
	n := 200
	if raceEnabled || testing.Short() {
		n = 40
	}
	killResults(t, func(kills int) bool { return kills >= n })
}

// As long as YUNTA_TORTURE says.
func TestResultsTorture(t *testing.T) {
	s := os.Getenv("YUNTA_TORTURE")
	if s == "" {
		t.Skip("YUNTA_TORTURE is not set")
	}
	d, err := time.ParseDuration(s)
	if err != nil {
		t.Fatal(err)
	}
	end := time.Now().Add(d)
	killResults(t, func(int) bool { return time.Now().After(end) })
}

// Ten thousand writers that die in the middle of a record fill no more than what
// they commit: each goes on where the one before was.
func TestResultsBoundedUnderKills(t *testing.T) {
	t.Parallel()
	f := openTestResults(t, resultsPath(t), ResultsOptions{ExtentSize: 64 << 10})
	var extent ExtentRef
	committed := 0
	n := 10_000
	if raceEnabled || testing.Short() {
		n = 1000
	}
	for i := range n {
		w := f.NewWriter(1, extent)
		r := testRecord(int64(i), 0)
		if err := w.Begin(&r); err != nil {
			t.Fatal(err)
		}
		size := i * 37 % 3000
		if i%100 < 2 { // one that is committed, one that is not
			size = 100 << 10
		}
		buf, err := w.Room(size)
		if err != nil {
			t.Fatal(err)
		}
		clear(buf[:size]) // what a death leaves behind
		copy(buf[:size], fmt.Sprint("leftover ", i))
		if i%10 == 0 {
			if err := w.Commit(buf[:size], RecordSucceeded); err != nil {
				t.Fatal(err)
			}
			committed += size
		}
		extent = w.Extent()
		// As if killed: nothing more is written.
		if err := errors.Join(w.cur.unmap(), w.from.unmap(), f.letGo()); err != nil {
			t.Fatal(err)
		}
	}
	report, err := f.Verify()
	if err != nil || report.Records != n || report.Running != n*9/10 || report.Damaged != 0 {
		t.Errorf("Verify = %+v, %v", report, err)
	}
	if limit := int64(2*committed + n*(resultHead+64) + 1<<20); report.Bytes > limit {
		t.Errorf("the file has %d bytes, limit %d, %d were committed", report.Bytes, limit, committed)
	}
}
