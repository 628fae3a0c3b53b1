package wire

import (
	"encoding/binary"
	"fmt"
	"os"
	"strings"
	"testing"
	"unsafe"

	"github.com/vmihailenco/msgpack/v5"

	"yunta/ipc"
)

// message is one frame of the page's session.
type message struct {
	pipe string
	body []byte
	note string
}

// session is what the page shows.
func session(t *testing.T) []message {
	encode := func(kind byte, v any) []byte {
		body, err := Append(nil, kind, v)
		if err != nil {
			t.Fatal(err)
		}
		return body
	}
	value := func(v any) []byte {
		b, err := msgpack.Marshal(v)
		if err != nil {
			t.Fatal(err)
		}
		return b
	}
	twelve, x, square := []byte{12}, value("x"), value(uint8(144))
	failure, err := msgpack.Marshal(struct {
		Type    string `msgpack:"t"`
		Message string `msgpack:"m"`
	}{"TypeError", "no number"})
	if err != nil {
		t.Fatal(err)
	}
	return []message{
		{"tasks", encode(KindConfig, PlainConfig{Magic: PlainMagic, Version: PlainVersion, Pool: "yunta", Name: "yunta:w0", Incarnation: 1, ParentPID: 100}), "Config"},
		{"notices", encode(KindHello, PlainHello{Version: PlainVersion, PID: 101, Program: "any", Entries: []string{"square"}}), "Hello"},
		{"notices", encode(KindReady, 0), "Ready"},
		{"tasks", AppendDefine(nil, 0, "square"), `Define: entry 0 is "square"`},
		{"tasks", append(AppendPlainTask(nil, PlainTask{Number: 511, Length: uint64(len(twelve))}), twelve...), "Task: number 511, entry 0, no timeout, 1 byte: 12"},
		{"notices", AppendSlots(nil, KindBegun, 511), "Begun: 511"},
		{"notices", append(AppendPlainAnswer(nil, PlainAnswer{Number: 511, Length: uint64(len(square))}), square...), "Result: 511, 2 bytes: 144"},
		{"tasks", append(AppendPlainTask(nil, PlainTask{Number: 511, Length: uint64(len(x))}), x...), `Task: number 511, entry 0, no timeout, 2 bytes: "x"`},
		{"notices", AppendSlots(nil, KindBegun, 511), "Begun: 511"},
		{"notices", append(AppendPlainAnswer(nil, PlainAnswer{Raised: true, Number: 511, Length: uint64(len(failure))}), failure...), "Raised: 511, 25 bytes: an error"},
		{"lifeline", []byte{KindLeave}, "Leave; and the tasks pipe ends"},
	}
}

func dump(messages []message) string {
	var b strings.Builder
	for _, m := range messages {
		fmt.Fprintf(&b, "    %-8s  ; %s\n", m.pipe, m.note)
		frame := ipc.AppendFrame(nil, m.body)
		for at := 0; at < len(frame); at += 16 {
			line := frame[at:min(at+16, len(frame))]
			text := strings.Map(func(r rune) rune {
				if r < ' ' || r > '~' {
					return '.'
				}
				return r
			}, latin1(line))
			fmt.Fprintf(&b, "    %08x  %-48s |%s|\n", at, fmt.Sprintf("% x", line), text)
		}
	}
	return b.String()
}

func latin1(b []byte) string {
	runes := make([]rune, len(b))
	for i, c := range b {
		runes[i] = rune(c)
	}
	return string(runes)
}

// The page says what the code does.
func TestProtocolPage(t *testing.T) {
	t.Parallel()
	b, err := os.ReadFile("PROTOCOL.md")
	if err != nil {
		t.Fatal(err)
	}
	page := string(b)
	want := func(text string) {
		t.Helper()
		if !strings.Contains(page, text) {
			t.Errorf("the page does not have\n%s", text)
		}
	}
	want(dump(session(t)))
	want(fmt.Sprintf("## The plain protocol, version %d\n", PlainVersion))
	want(fmt.Sprintf("of its own program, version %d\n", Version))
	for _, k := range []struct {
		kind int
		name string
	}{
		{KindConfig, "Config"},
		{KindDefine, "Define"},
		{KindHello, "Hello"},
		{KindReady, "Ready"},
		{KindFailed, "Failed"},
		{KindCancel, "Cancel"},
		{KindExpire, "Expire"},
		{KindTerminate, "Terminate"},
		{KindFull, "Full"},
		{KindLeave, "Leave"},
		{KindLog, "Log"},
		{KindTask, "Task"},
		{KindPiece, "Piece"},
		{KindBegun, "Begun"},
		{KindResult, "Result"},
		{KindRaised, "Raised"},
		{KindChunk, "Chunk"},
		{KindRetired, "Retired"},
		{KindRecorded, "Recorded"},
		{KindArgument, "Argument"},
		{KindStop, "Stop"},
		{KindError, "Error"},
		{KindBeat, "Beat"},
	} {
		want(fmt.Sprintf("\n| %d | %s | ", k.kind, k.name))
	}
	for _, d := range []struct {
		fd   int
		name string
	}{{FDTasks, "tasks"}, {FDNotices, "notices"}, {FDLifeline, "lifeline"}, {FDExtents, "extents"}, {FDResults, "results"}} {
		want(fmt.Sprintf("\n| %d | %s | ", d.fd, d.name))
	}
	for _, key := range mapKeys(t, PlainConfig{}) {
		want("`" + key + "`")
	}
	for _, key := range append(mapKeys(t, PlainHello{}), mapKeys(t, PlainLog{})...) {
		want("`" + key + "`")
	}
	want("`" + EnvMarker + "`")
	want(fmt.Sprintf("%d KiB goes on in Pieces", MaxPiece>>10))
	want(fmt.Sprintf("1 to %d MiB", MaxFrame>>20))
	want(fmt.Sprintf("an error %d MiB", MaxPlainError>>20))
	want(fmt.Sprintf("%d + worker * %d", LineSize, BlockSize))
	want(fmt.Sprintf("%d slots", SlotsPerWorker))
	want(dumpWord(t))
	want(fmt.Sprintf("a ring of %d events of %d bytes", TraceEvents, unsafe.Sizeof(TraceEvent{})))
	_, row, _ := strings.Cut(page, "\n| 3 | Chunk |")
	row, _, _ = strings.Cut(row, "\n")
	if n := 1 + 5*strings.Count(row, "u32 ") + 9*strings.Count(row, "u64 "); n != chunkHead {
		t.Errorf("a Chunk's head has %d bytes on the page, %d here", n, chunkHead)
	}
}

func mapKeys(t *testing.T, v any) []string {
	b, err := msgpack.Marshal(v)
	if err != nil {
		t.Fatal(err)
	}
	m := map[string]any{}
	if err := msgpack.Unmarshal(b, &m); err != nil {
		t.Fatal(err)
	}
	var keys []string
	for k := range m {
		keys = append(keys, k)
	}
	return keys
}

// dumpWord is the word of a chunk of three tasks at three moments, as it is in the memory of a
// little-endian machine.
func dumpWord(t *testing.T) string {
	var s Slot
	var b strings.Builder
	show := func(what string) {
		fmt.Fprintf(&b, "    % x    %s\n", binary.LittleEndian.AppendUint64(nil, s.word.Load()), what)
	}
	s.Reset(3)
	show("3 tasks, none begun")
	s.Claim()
	s.Claim()
	show("tasks 0 and 1 are begun")
	if from, to := s.Take(0); from != 2 || to != 3 {
		t.Error(from, to)
	}
	show("the supervisor has taken task 2 back")
	s.Retire()
	show("the chunk is over")
	return b.String()
}
