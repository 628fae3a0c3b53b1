// Package wire is what a supervisor and its children say to each other: the
// descriptors a child inherits, the frames on them, and the words in mapped
// memory that both sides change. Both are always the same build of the same
// program, so the protocol carries a version only to refuse a stranger.
//
// A child has three pipes and one mapped file:
//
//	descriptor  direction     carries
//	3 tasks     down          Config, then Define and Chunk frames; its end asks the child to stop
//	4 notices   up            Hello, Ready or Failed, then Retired frames
//	5 lifeline  down          Cancel, Expire and Terminate frames; its end tells that the parent died
//	6 extents   both          the anonymous result file: slots and bells in its area, records in its extents
//	7 results   up            the durable result file, if there is one
//
// A child that is no worker runs one entry: Argument frames follow its Config,
// it answers with Hello, and with Error if the entry failed. It has no extents;
// what is attached to its argument begins at 6.
//
// A frame is a 4-byte big-endian length and a body of msgpack values, as in
// package ipc. The first value of a body is its kind.
package wire

import (
	"encoding/binary"
	"errors"
	"fmt"

	"github.com/vmihailenco/msgpack/v5"

	"yunta/ipc"
)

// Version of the protocol. It changes with any change of a frame or of a
// mapped word.
const Version = 5

// Magic opens a Config, so that a stray byte on an inherited descriptor is
// never taken for one.
const Magic = "yunta-child"

// EnvMarker names the environment variable that marks a process as a child.
// Its value is "version:device:inode" of the pipe on FDTasks, which no process
// further down can have by accident.
const EnvMarker = "YUNTA_CHILD"

// The descriptors a child inherits.
const (
	FDTasks    = 3
	FDNotices  = 4
	FDLifeline = 5
	FDExtents  = 6
	FDResults  = 7 // only where results are kept in a file, see Config.Results
	FDAttached = 6 // the first attachment of a process's argument, where FDExtents is in a worker
)

// Frame kinds, one number space for all pipes.
const (
	KindConfig    = 1  // tasks: Config
	KindDefine    = 2  // tasks: entry number, entry name
	KindChunk     = 3  // tasks: Chunk, then the arguments back to back
	KindHello     = 4  // notices: Hello
	KindReady     = 5  // notices: the initializer, if any, has run; a process's entry says that it is ready
	KindFailed    = 6  // notices: the start failed; a remote error follows
	KindRetired   = 7  // notices: slot numbers of chunks that are over
	KindCancel    = 8  // lifeline: the context of the slot's task shall end, cancelled
	KindExpire    = 9  // lifeline: the same, its time being up
	KindTerminate = 10 // lifeline: a SIGTERM that follows is the supervisor's own
	KindFull      = 11 // notices: the child holds too much memory, begins nothing more and asks to be replaced
	KindRecorded  = 12 // tasks: Chunk, then Marks, then the arguments back to back
	KindArgument  = 13 // tasks: a piece of a process's argument
	KindStop      = 14 // lifeline: the context of a process's entry shall end
	KindError     = 15 // notices: a process's entry failed; a remote error follows
	KindLeave     = 16 // lifeline: the end of the tasks pipe asks the worker to leave; without this it means that the supervisor died
	KindLog       = 17 // notices: Log
	KindBeat      = 18 // notices: a process's entry gets on with its work
)

// Frame kinds that only the plain protocol has.
const (
	KindTask   = 19 // tasks: PlainTask, then the beginning of the argument
	KindPiece  = 20 // both ways: what follows of an argument, a result or an error
	KindBegun  = 21 // notices: the number of the task that begins
	KindResult = 22 // notices: PlainAnswer, then the beginning of the result
	KindRaised = 23 // notices: PlainAnswer, then the beginning of a remote error
)

// Record kinds in the result file.
const (
	RecordValues = 1 // results, encoded back to back
	RecordErrors = 2 // remote errors, back to back
)

// Limits of the protocol.
const (
	// MaxFrame bounds a frame that either side accepts, in bytes. Payloads of
	// InlineLimit and more travel through mapped memory, so real frames are far smaller.
	MaxFrame = 16 << 20
	// InlineLimit is the payload size in bytes from which on arguments go
	// through an extent instead of the pipe.
	InlineLimit = 64 << 10
	// ArgumentPiece is how much of a process's argument goes into one frame, in bytes.
	ArgumentPiece = 256 << 10
	// MaxNotice bounds one write of notices, in bytes: below PIPE_BUF a write
	// is whole or absent whenever its writer is killed (POSIX write(2)).
	MaxNotice = 2048
)

// ErrProtocol is returned for a frame that is not what the protocol allows.
var ErrProtocol = errors.New("wire: malformed frame")

// Invocation is an entry's name with its encoded argument.
type Invocation struct {
	Entry string
	Arg   []byte
}

// Config is the first frame on the tasks pipe: all a child must know.
type Config struct {
	Magic       string
	Version     int
	Build       string // build identity of the supervisor's program
	Pool        string
	Name        string // written to /proc/self/comm
	Worker      int    // index in the pool
	Incarnation int
	ParentPID   int
	Writer      uint32   // number as a writer of extents
	Extent      uint32   // its first one and 1, 0 where it takes one itself
	CPUs        []int    // affinity mask, nil when not pinned
	Board       string   // path, "" for none
	RunDir      string   // the supervisor's folder in the run directory
	MemoryLimit int64    // bytes, 0 for none
	Results     *Results // nil where results are not kept in a file
	Initializer *Invocation
	Exit        *Invocation
	Traced      int  // how many rings of a trace lie in the area, one a worker; 0 if there is no trace
	Logs        bool // the supervisor has a logger, which takes LogLevel and above
	LogLevel    int  // a slog.Level
	ParentName  string
	Identity    []int    // numbers of the process and of those it descends from, as in its name
	Process     *Process // nil for a worker
}

// Process is what a child that is no worker runs: one entry, once.
type Process struct {
	Entry  string
	Size   uint64 // bytes of the argument, which follows in Argument frames
	Files  int    // descriptors that came with it
	Daemon bool
	Heard  bool // somebody listens to Ready and Beat
}

// Results says how a child writes into the durable result file.
type Results struct {
	Sync         int // an ipc.SyncPolicy
	KeepArgument int // as in ipc.ResultsOptions
}

// Hello is a child's first answer.
type Hello struct {
	PID     int
	Version int
	Build   string
}

// Append appends a body of the given kind with v as its only other value.
func Append(dst []byte, kind byte, v any) ([]byte, error) {
	b, err := msgpack.Marshal(v)
	if err != nil {
		return dst, fmt.Errorf("wire: encoding frame of kind %d: %w", kind, err)
	}
	dst = append(dst, kind)
	return append(dst, b...), nil
}

// Parse decodes what Append wrote after the kind.
func Parse(body []byte, v any) error {
	if len(body) < 1 {
		return ErrProtocol
	}
	if err := Unmarshal(body[1:], v); err != nil {
		return fmt.Errorf("%w: kind %d: %w", ErrProtocol, body[0], err)
	}
	return nil
}

// Unmarshal decodes one msgpack value that anybody may have written: the decoder
// calls itself for each level, and one nested by the million would overflow the
// stack, which ends the program.
func Unmarshal(src []byte, v any) error {
	if _, err := ipc.Canonical(nil, src); err != nil {
		return err
	}
	return msgpack.Unmarshal(src, v)
}

// Chunk is the head of a chunk's frame: which tasks, and where their arguments are.
type Chunk struct {
	Slot    uint32
	Entry   uint32 // number given by a Define frame
	Count   uint32
	Job     uint32 // the pool's number of the job, only shown
	First   uint64 // index in the job of the first task, only shown
	Sent    uint64 // when it was sent, see Clock; 0 unless the pool is traced
	Timeout uint64 // nanoseconds a task, 0 for none: only shown to the task as its deadline
	Extent  uint64 // extent that holds the arguments, plus one; 0 when they follow in the frame
	Length  uint64 // bytes of arguments

	Recorded bool // Marks follow, before the arguments
}

// chunkHead is the encoded size: every number is of msgpack's fixed-width
// forms, so that it is patched and read in place.
const chunkHead = 1 + 4*5 + 5*9

// AppendChunk appends the body's head; the arguments follow it unless they are in an extent.
func AppendChunk(dst []byte, c Chunk) []byte {
	kind := byte(KindChunk)
	if c.Recorded {
		kind = KindRecorded
	}
	dst = append(dst, kind)
	for _, v := range [...]uint32{c.Slot, c.Entry, c.Count, c.Job} {
		dst = append(dst, 0xce)
		dst = binary.BigEndian.AppendUint32(dst, v)
	}
	for _, v := range [...]uint64{c.First, c.Sent, c.Timeout, c.Extent, c.Length} {
		dst = append(dst, 0xcf)
		dst = binary.BigEndian.AppendUint64(dst, v)
	}
	return dst
}

// ParseChunk reads a chunk's head and returns what follows it.
func ParseChunk(body []byte) (Chunk, []byte, error) {
	if len(body) < chunkHead || body[0] != KindChunk && body[0] != KindRecorded {
		return Chunk{}, nil, ErrProtocol
	}
	c := Chunk{Recorded: body[0] == KindRecorded}
	p := body[1:]
	for _, v := range [...]*uint32{&c.Slot, &c.Entry, &c.Count, &c.Job} {
		if p[0] != 0xce {
			return Chunk{}, nil, ErrProtocol
		}
		*v = binary.BigEndian.Uint32(p[1:])
		p = p[5:]
	}
	for _, v := range [...]*uint64{&c.First, &c.Sent, &c.Timeout, &c.Extent, &c.Length} {
		if p[0] != 0xcf {
			return Chunk{}, nil, ErrProtocol
		}
		*v = binary.BigEndian.Uint64(p[1:])
		p = p[9:]
	}
	return c, p, nil
}

// AppendDefine appends the body that gives an entry its number on one pipe.
func AppendDefine(dst []byte, number uint32, name string) []byte {
	dst = append(dst, KindDefine, 0xce)
	dst = binary.BigEndian.AppendUint32(dst, number)
	return append(dst, name...)
}

// ParseDefine reads what AppendDefine wrote.
func ParseDefine(body []byte) (number uint32, name string, err error) {
	if len(body) < 6 || body[0] != KindDefine || body[1] != 0xce {
		return 0, "", ErrProtocol
	}
	return binary.BigEndian.Uint32(body[2:]), string(body[6:]), nil
}

// AppendSlots appends a body of the given kind that names slots.
func AppendSlots(dst []byte, kind byte, slots ...uint32) []byte {
	dst = append(dst, kind)
	for _, slot := range slots {
		dst = append(dst, 0xce)
		dst = binary.BigEndian.AppendUint32(dst, slot)
	}
	return dst
}

// ParseSlots appends the slots that AppendSlots wrote to dst.
func ParseSlots(dst []uint32, body []byte) ([]uint32, error) {
	if len(body) < 1 || len(body)%5 != 1 {
		return dst, ErrProtocol
	}
	for p := body[1:]; len(p) > 0; p = p[5:] {
		if p[0] != 0xce {
			return dst, ErrProtocol
		}
		dst = append(dst, binary.BigEndian.Uint32(p[1:]))
	}
	return dst, nil
}
