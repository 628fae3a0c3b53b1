package wire

import (
	"bytes"
	"errors"
	"math/rand/v2"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"yunta/ipc"
)

func TestChunkHead(t *testing.T) {
	t.Parallel()
	want := Chunk{Slot: 1, Entry: 1 << 31, Count: MaxChunk, Timeout: 1 << 63, Extent: 7, Length: 42, Job: 3, First: 1 << 62, Sent: 9}
	body := append(AppendChunk(nil, want), "args"...)
	got, rest, err := ParseChunk(body)
	if err != nil || got != want || string(rest) != "args" {
		t.Fatalf("got %+v, %q, %v", got, rest, err)
	}
	for i := range chunkHead {
		if _, _, err := ParseChunk(body[:i]); !errors.Is(err, ErrProtocol) {
			t.Errorf("%d bytes: %v", i, err)
		}
	}
}

func TestMarks(t *testing.T) {
	t.Parallel()
	each := func(i int) (uint32, uint32) { return uint32(i * 7), uint32(i + 1) }
	head := AppendChunk(nil, Chunk{Count: 3, Recorded: true})
	body := append(AppendMarks(head, 1<<40, "job", 3, each), "args"...)
	c, rest, err := ParseChunk(body)
	if err != nil || !c.Recorded {
		t.Fatal(c, err)
	}
	m, rest, err := ParseMarks(rest, 3)
	if err != nil || m.First != 1<<40 || m.Job != "job" || string(rest) != "args" {
		t.Fatal(m, rest, err)
	}
	for i := range 3 {
		if o, a := m.At(i); o != uint32(i*7) || a != uint32(i+1) {
			t.Errorf("marks of %d: %d, %d", i, o, a)
		}
	}
	marks := body[len(head) : len(body)-4]
	for i := range marks {
		if _, _, err := ParseMarks(marks[:i], 3); !errors.Is(err, ErrProtocol) {
			t.Errorf("%d bytes: %v", i, err)
		}
	}
	if _, _, err := ParseMarks(marks, 2); !errors.Is(err, ErrProtocol) {
		t.Error(err)
	}
}

func TestDefine(t *testing.T) {
	t.Parallel()
	n, name, err := ParseDefine(AppendDefine(nil, 9, "añil"))
	if n != 9 || name != "añil" || err != nil {
		t.Fatal(n, name, err)
	}
}

func TestSlots(t *testing.T) {
	t.Parallel()
	want := []uint32{0, 5, 1 << 31}
	got, err := ParseSlots(nil, AppendSlots(nil, KindRetired, want...))
	if err != nil || len(got) != 3 || got[0] != 0 || got[1] != 5 || got[2] != 1<<31 {
		t.Fatal(got, err)
	}
	if _, err := ParseSlots(nil, []byte{KindRetired, 0xce}); !errors.Is(err, ErrProtocol) {
		t.Error(err)
	}
}

// FuzzParse feeds the parsers what no supervisor sends: they must refuse it or
// read it, and never panic.
func FuzzParse(f *testing.F) {
	f.Add(AppendChunk(nil, Chunk{Slot: 1, Count: 2, Length: 3}))
	f.Add(AppendDefine(nil, 1, "entry"))
	f.Add(AppendMarks(nil, 1, "job", 2, func(int) (uint32, uint32) { return 1, 2 }))
	f.Add(AppendSlots(nil, KindRetired, 1, 2, 3))
	f.Add(append(AppendPlainAnswer(nil, PlainAnswer{Number: 7, Length: 2}), 1, 2))
	f.Add(AppendPlainAnswer(nil, PlainAnswer{Raised: true, Number: 7, Length: 1 << 20}))
	config, _ := Append(nil, KindConfig, Config{Magic: Magic, Initializer: &Invocation{Entry: "e"}})
	f.Add(config)
	f.Fuzz(func(t *testing.T, body []byte) {
		if c, rest, err := ParseChunk(body); err == nil && !bytes.Equal(append(AppendChunk(nil, c), rest...), body) {
			t.Errorf("chunk %+v does not encode back", c)
		}
		_, _, _ = ParseMarks(body, 2)
		if n, name, err := ParseDefine(body); err == nil && !bytes.Equal(AppendDefine(nil, n, name), body) {
			t.Errorf("define %d %q does not encode back", n, name)
		}
		if s, err := ParseSlots(nil, body); err == nil && !bytes.Equal(AppendSlots(nil, body[0], s...), body) {
			t.Errorf("slots %v do not encode back", s)
		}
		if a, rest, err := ParsePlainAnswer(body); err == nil && !bytes.Equal(append(AppendPlainAnswer(nil, a), rest...), body) {
			t.Errorf("answer %+v does not encode back", a)
		}
		var c Config
		_ = Parse(body, &c)
		var p PlainHello
		_ = Parse(body, &p)
		var l PlainLog
		_ = Parse(body, &l)
		var h Hello
		_ = Parse(body, &h)
		if one, rest, err := Split(body); err == nil && len(one)+len(rest)+wrapHead != len(body) {
			t.Errorf("split %d and %d of %d", len(one), len(rest), len(body))
		}
	})
}

func TestSlot(t *testing.T) {
	t.Parallel()
	var s Slot
	s.Reset(3)
	claim := func(want int, wantOK bool) {
		t.Helper()
		if i, ok := s.Claim(); i != want || ok != wantOK {
			t.Fatalf("Claim = %d, %v", i, ok)
		}
	}
	claim(0, true)
	if s.Condemn(1) {
		t.Error("condemned a task that was not claimed")
	}
	if from, to := s.Take(1); from != 2 || to != 3 {
		t.Errorf("Take(1) = %d, %d", from, to)
	}
	claim(1, true)
	if s.Condemn(0) {
		t.Error("condemned a task that was over")
	}
	claim(0, false)
	if s.Retire() || !s.Retired() {
		t.Error("not retired")
	}
	if s.Condemn(1) {
		t.Error("condemned a retired chunk")
	}
	s.Reset(MaxChunk)
	claim(0, true)
	if !s.Condemn(0) {
		t.Error("running task was not condemned")
	}
	claim(0, false)
	if from, to := s.Take(0); from != to {
		t.Errorf("took %d to %d from a condemned chunk", from, to)
	}
	if !s.Retire() || s.Retired() {
		t.Error("a condemned chunk was retired")
	}
}

// TestSlotRaces lets a claimer, takers and a condemner at one word: every task
// is begun once or taken back once, and nothing is begun after a condemned one.
func TestSlotRaces(t *testing.T) {
	t.Parallel()
	seed := uint64(time.Now().UnixNano())
	t.Logf("seed %d", seed)
	rng := rand.New(rand.NewPCG(seed, 0))
	for range 2000 {
		n := rng.IntN(60) + 1
		var s Slot
		s.Reset(n)
		begun, taken := make([]atomic.Int32, n), make([]atomic.Int32, n)
		var wg sync.WaitGroup
		wg.Add(3)
		dead := false
		go func() {
			defer wg.Done()
			for {
				i, ok := s.Claim()
				if !ok {
					break
				}
				begun[i].Add(1)
			}
			dead = s.Retire()
		}()
		keep, aim := rng.IntN(5), rng.IntN(n)
		go func() {
			defer wg.Done()
			for range 5 {
				from, to := s.Take(keep)
				for i := from; i < to; i++ {
					taken[i].Add(1)
				}
			}
		}()
		condemned := false
		go func() {
			defer wg.Done()
			for range 100 {
				if condemned = s.Condemn(aim); condemned || s.Retired() {
					return
				}
			}
		}()
		wg.Wait()
		if condemned != dead {
			t.Fatalf("condemned %v, and the claimer saw %v", condemned, dead)
		}
		for i := range n {
			b, k := begun[i].Load(), taken[i].Load()
			if b > 1 || k > 1 || b+k > 1 {
				t.Fatalf("task %d of %d: begun %d times, taken back %d times", i, n, b, k)
			}
			if b+k == 0 && !condemned {
				t.Fatalf("task %d of %d was lost", i, n)
			}
			if condemned && i > aim && b > 0 {
				t.Fatalf("task %d was begun after task %d was condemned", i, aim)
			}
		}
	}
}

func TestArea(t *testing.T) {
	t.Parallel()
	area := make([]byte, AreaSize(3))
	seen := make(map[*byte]bool)
	for w := range 3 {
		BellAt(area, w).Sent.Store(1)
		for s := range uint32(SlotsPerWorker) {
			SlotAt(area, w, s).Reset(1)
			p := &line(area, w, 1+int(s))[0]
			if seen[p] {
				t.Fatal("two slots share a line")
			}
			seen[p] = true
		}
	}
	if err := CheckSlot(area, 2, SlotsPerWorker-1); err != nil {
		t.Error(err)
	}
	for _, bad := range [][2]int{{3, 0}, {-1, 0}, {0, SlotsPerWorker}} {
		if err := CheckSlot(area, bad[0], uint32(bad[1])); err == nil {
			t.Errorf("slot %v was accepted", bad)
		}
	}
}

type point struct{ X, Y int }

func TestValues(t *testing.T) {
	t.Parallel()
	ints := ValuesFor[int]()
	b, n, err := ints.AppendAll(nil, []int{1, -300, 1 << 40})
	if err != nil || n != 3 {
		t.Fatal(n, err)
	}
	got := make([]int, 3)
	if n, rest, err := ints.DecodeAll(b, got); n != 3 || len(rest) != 0 || err != nil || got[2] != 1<<40 {
		t.Fatal(n, rest, err, got)
	}
	points := ValuesFor[point]()
	if points.Bare() {
		t.Error("a struct is not bare")
	}
	b, _, err = points.AppendAll(nil, []point{{1, 2}, {3, 4}})
	if err != nil {
		t.Fatal(err)
	}
	_, rest, err := points.Next(b)
	if err != nil {
		t.Fatal(err)
	}
	one, rest, err := points.Next(rest)
	if err != nil || len(rest) != 0 {
		t.Fatal(rest, err)
	}
	if p, _, err := points.Decode(one); err != nil || p != (point{3, 4}) {
		t.Fatal(p, err)
	}
	if _, _, err := points.Next(b[:3]); !errors.Is(err, ipc.ErrCorrupt) {
		t.Error(err)
	}
	if _, err := ValuesFor[chan int]().Append(nil, nil); !errors.Is(err, ipc.ErrEncode) {
		t.Error(err)
	}
}

func BenchmarkClaim(b *testing.B) {
	var s Slot
	for b.Loop() {
		if _, ok := s.Claim(); !ok {
			s.Reset(MaxChunk)
		}
	}
}

// A value that is nested by the million is an error, not the end of the program.
func TestParseDeep(t *testing.T) {
	t.Parallel()
	deep := append(bytes.Repeat([]byte{0x91}, 12<<20), 0xc0)
	body := append([]byte{KindLog, 0x81, 0xa1, 'x'}, deep...)
	var l PlainLog
	if err := Parse(body, &l); !errors.Is(err, ErrProtocol) {
		t.Error(err)
	}
	if err := Parse(append([]byte{KindHello, 0x80}, 0xc0), &PlainHello{}); !errors.Is(err, ErrProtocol) {
		t.Error("two values are taken for one:", err)
	}
}
