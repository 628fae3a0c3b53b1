package ipc

import (
	"context"
	"io"
	"math/rand/v2"
	"os"
	"os/exec"
	"strconv"
	"testing"
)

// The writer that is killed: it writes chains of values of all sizes for as long
// as it lives, tells of each chain in a frame, and counts what it has committed
// in the area, at the word of its own number.
//
// args: number, seed, chains to write, the step at which to die (0: none).
var _ = addHelper("records", func(args []string) {
	num := func(i int) int {
		n, err := strconv.Atoi(args[i])
		if err != nil {
			panic(err)
		}
		return n
	}
	writer, chains, dieAt := num(0), num(2), num(3)
	rnd := rand.New(rand.NewPCG(uint64(num(1)), 1))
	x, err := OpenExtents(os.NewFile(3, "extents"))
	if err != nil {
		panic(err)
	}
	notices, err := PipeOf(4)
	if err != nil {
		panic(err)
	}
	steps := 0
	testHookStep = func(string) {
		if steps++; steps == dieAt {
			self, err := os.FindProcess(os.Getpid())
			if err != nil {
				panic(err)
			}
			self.Kill()
			select {}
		}
	}
	committed := x.Area().Uint64(8 * writer)
	w := x.NewRecordWriter(uint32(writer))
	ctx := context.Background()
	for n := uint64(0); chains > 0; chains-- {
		ref, err := w.Begin(ctx, 1)
		if err != nil {
			panic(err)
		}
		body := appendUint(nil, uint64(ref))
		if _, err := notices.Write(AppendFrame(nil, body)); err != nil {
			panic(err)
		}
		for range rnd.IntN(30) {
			size := rnd.IntN(8000)
			if rnd.IntN(100) == 0 {
				size = rnd.IntN(300 << 10)
			}
			room := size + 16
			if rnd.IntN(10) == 0 {
				room = 0
			}
			if rnd.IntN(20) == 0 {
				if err := w.Next(ctx, 1); err != nil {
					panic(err)
				}
			}
			buf, err := w.Room(ctx, room)
			if err != nil {
				panic(err)
			}
			buf = testValue(buf, n, size)
			step("written")
			if err := w.Commit(ctx, buf); err != nil {
				panic(err)
			}
			step("committed")
			n++
			committed.Store(n)
		}
		if err := w.End(); err != nil {
			panic(err)
		}
	}
})

// recordProcess is a started helper, seen from the reader.
type recordProcess struct {
	cmd     *exec.Cmd
	notices *PipeFile
	number  int
	read    uint64
}

func startRecords(t *testing.T, x *Extents, number, seed, chains, dieAt int) *recordProcess {
	t.Helper()
	r, w := testPipe(t, 0)
	cmd := helper(t, "records", strconv.Itoa(number), strconv.Itoa(seed), strconv.Itoa(chains), strconv.Itoa(dieAt))
	cmd.ExtraFiles = []*os.File{x.File(), w.File()}
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	w.Close()
	return &recordProcess{cmd: cmd, notices: r, number: number}
}

// readAll reads every chain as it comes. At the end of the notices the writer
// is gone, and all that was committed must have been read. atValue is called
// before each look at a chain.
func (p *recordProcess) readAll(t *testing.T, x *Extents, atValue func(n uint64)) {
	t.Helper()
	fr := NewFrameReader(p.notices, 0)
	body, end := fr.Next()
	for end == nil {
		n, _, err := CodecFor[uint64]().Decode(body)
		if err != nil {
			t.Fatal(err)
		}
		r := x.NewRecordReader(Ref(n))
		body = nil
		for !r.Ended() {
			atValue(p.read)
			// What is committed before the pipe's end is seen is read after it.
			if ready, err := p.notices.Readable(); err != nil {
				t.Fatal(err)
			} else if ready && body == nil {
				if body, end = fr.Next(); end != nil {
					p.read = readValues(t, r, p.read)
					break
				}
			}
			p.read = readValues(t, r, p.read)
		}
		if err := r.Done(); err != nil {
			t.Fatalf("Done: %v", err)
		}
		if body == nil && end == nil {
			body, end = fr.Next()
		}
	}
	if end != io.EOF {
		t.Fatal(end)
	}
	p.cmd.Wait()
	// It may have died after the commit and before counting it.
	if n := x.Area().Uint64(8 * p.number).Load(); p.read != n && p.read != n+1 {
		t.Errorf("read %d values of writer %d, which committed %d", p.read, p.number, n)
	}
	x.Area().Uint64(8 * p.number).Store(0)
	p.notices.Close()
}

// A writer that dies at any step leaves whole values, and after ReclaimWriter
// no trace.
func TestWriterDiesAtEachStep(t *testing.T) {
	x := testExtents(t, ExtentOptions{Area: 4096, ExtentSize: 64 << 10, Budget: 2})
	// Another writer lives through it all.
	live := x.NewRecordWriter(1)
	ref, err := live.Begin(t.Context(), 1)
	if err != nil {
		t.Fatal(err)
	}
	steps, every := 1, 1
	if raceEnabled || testing.Short() {
		every = 7
	}
	died := 0
	for ; ; steps += every {
		p := startRecords(t, x, 2, 5, 4, steps)
		p.readAll(t, x, func(uint64) {})
		if _, err := x.ReclaimWriter(2); err != nil {
			t.Fatalf("step %d: %v", steps, err)
		}
		checkReclaimed(t, x, 1)
		if t.Failed() {
			t.Fatalf("at step %d", steps)
		}
		if p.cmd.ProcessState.Success() {
			break
		}
		died++
		if steps > 1000 {
			t.Fatal("the writer never ends")
		}
	}
	if died < 15 {
		t.Errorf("the writer died only %d times", died)
	}
	t.Logf("died at %d of %d steps", died, steps)
	live.End()
	if err := x.DropRecords(ref); err != nil {
		t.Error(err)
	}
	if _, err := x.ReclaimWriter(1); err != nil {
		t.Error(err)
	}
	checkIdle(t, x)
}

// checkReclaimed asserts that only those writers have extents, and that no
// permit is missing or too many.
func checkReclaimed(t *testing.T, x *Extents, writers ...uint32) {
	t.Helper()
	marked := 0
	for id := range maxExtents {
		w := x.entry(id).load()
		if w.state() != stateUsed {
			continue
		}
		known := false
		for _, n := range writers {
			known = known || w.owner() == n
		}
		if !known {
			t.Errorf("extent %d is used by writer %d", id, w.owner())
		}
		if w.hasPermit() {
			marked++
		}
	}
	s, err := x.permits()
	if err != nil {
		t.Fatal(err)
	}
	if v, err := s.Value(); err != nil || v+marked != int(x.head.budget) {
		t.Errorf("%d permits and %d extents with one, %v; want %d together", v, marked, err, x.head.budget)
	}
}

// Writers killed at random instants, two at a time.
func TestWriterKilled(t *testing.T) {
	rnd := testRand(t)
	kills := 200
	if raceEnabled || testing.Short() {
		kills = 40
	}
	x := testExtents(t, ExtentOptions{Area: 4096, ExtentSize: 64 << 10, Budget: 2})
	bystander := startRecords(t, x, 1, int(rnd.Int32()), 1<<30, 0)
	stop, stopped := make(chan struct{}), make(chan struct{})
	go func() {
		defer close(stopped)
		bystander.readAll(t, x, func(uint64) {
			select {
			case <-stop:
				bystander.cmd.Process.Kill()
			default:
			}
		})
	}()
	for i := range kills {
		p := startRecords(t, x, 2, int(rnd.Int32()), 1<<30, 0)
		at := uint64(rnd.IntN(300))
		p.readAll(t, x, func(n uint64) {
			if n >= at {
				p.cmd.Process.Kill()
			}
		})
		if p.read < at {
			t.Errorf("the writer ended by itself, after %d values", p.read)
		}
		if _, err := x.ReclaimWriter(2); err != nil {
			t.Errorf("kill %d: %v", i, err)
		}
		if t.Failed() {
			break
		}
	}
	close(stop)
	<-stopped
	if _, err := x.ReclaimWriter(1); err != nil {
		t.Error(err)
	}
	checkIdle(t, x)
	fi, err := x.File().Stat()
	if err != nil {
		t.Fatal(err)
	}
	if limit := x.head.base() + 64<<20; fi.Size() > limit {
		t.Errorf("the file has %d bytes, limit %d", fi.Size(), limit)
	}
}
