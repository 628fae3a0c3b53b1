package wire

import (
	"encoding/binary"
	"fmt"
)

// PlainVersion is the version of the plain protocol, which PROTOCOL.md beside
// this file describes for those who write workers in other languages.
//
// The promise: a worker that says this version in its Hello is served by every
// later yunta that has it, too. What is added within a version are keys of maps,
// which whoever does not know them passes over. Anything else makes a new
// version; a supervisor that no longer speaks a worker's says so, with both
// numbers, before it sends a task.
const PlainVersion = 1

// PlainMagic opens a PlainConfig.
const PlainMagic = "yunta-plain"

// Limits of the plain protocol.
const (
	// MaxPiece bounds what one frame carries of an argument or a result, in bytes;
	// the rest follows in pieces.
	MaxPiece = 256 << 10
	// MaxPlainValue bounds an argument or a result, in bytes.
	MaxPlainValue = 1<<32 - 1
	// MaxPlainError bounds an encoded error, in bytes.
	MaxPlainError = 1 << 20
)

// PlainConfig is the first frame on the tasks pipe of a worker that speaks the
// plain protocol.
type PlainConfig struct {
	Magic       string           `msgpack:"magic"`
	Version     int              `msgpack:"version"`
	Pool        string           `msgpack:"pool"`
	Name        string           `msgpack:"name"`
	Worker      int              `msgpack:"worker"`
	Incarnation int              `msgpack:"incarnation"`
	ParentPID   int              `msgpack:"parent_pid"`
	CPUs        []int            `msgpack:"cpus"`
	MemoryLimit int64            `msgpack:"memory_limit"`
	Initializer *PlainInvocation `msgpack:"initializer"`
	Exit        *PlainInvocation `msgpack:"exit"`
	Logs        bool             `msgpack:"logs"`
	LogLevel    int              `msgpack:"log_level"`
}

// PlainInvocation is an entry's name with its argument, one msgpack value.
type PlainInvocation struct {
	Entry string `msgpack:"entry"`
	Arg   []byte `msgpack:"arg"`
}

// PlainHello is a worker's first answer.
type PlainHello struct {
	Version int      `msgpack:"version"`
	PID     int      `msgpack:"pid"`
	Program string   `msgpack:"program"` // for messages
	Entries []string `msgpack:"entries"`
}

// PlainLog is a log record of such a worker.
type PlainLog struct {
	Time    int64          `msgpack:"time"` // Unix time in ns
	Level   int            `msgpack:"level"`
	Message string         `msgpack:"message"`
	Entry   string         `msgpack:"entry"`
	Attrs   map[string]any `msgpack:"attrs"`
}

// PlainTask is the head of a task; the beginning of its argument follows it.
type PlainTask struct {
	Number  uint32 // under which the lifeline may end it, and the answer comes
	Entry   uint32 // number given by a Define frame
	Timeout uint64 // nanoseconds, 0 for none: only told, see Expire
	Length  uint64 // bytes of the whole argument
}

// AppendPlainTask appends the body's head.
func AppendPlainTask(dst []byte, t PlainTask) []byte {
	dst = append(dst, KindTask, 0xce)
	dst = binary.BigEndian.AppendUint32(dst, t.Number)
	dst = append(dst, 0xce)
	dst = binary.BigEndian.AppendUint32(dst, t.Entry)
	dst = append(dst, 0xcf)
	dst = binary.BigEndian.AppendUint64(dst, t.Timeout)
	dst = append(dst, 0xcf)
	return binary.BigEndian.AppendUint64(dst, t.Length)
}

// PlainAnswer is the head of a result or of an error.
type PlainAnswer struct {
	Raised bool // it is an error
	Number uint32
	Length uint64 // bytes of the whole value
}

// plainAnswerHead is its encoded size, the kind included.
const plainAnswerHead = 1 + 5 + 9

// AppendPlainAnswer appends the body's head.
func AppendPlainAnswer(dst []byte, a PlainAnswer) []byte {
	kind := byte(KindResult)
	if a.Raised {
		kind = KindRaised
	}
	dst = append(dst, kind, 0xce)
	dst = binary.BigEndian.AppendUint32(dst, a.Number)
	dst = append(dst, 0xcf)
	return binary.BigEndian.AppendUint64(dst, a.Length)
}

// ParsePlainAnswer reads the head of an answer and returns the beginning of its
// value, which follows it.
func ParsePlainAnswer(body []byte) (a PlainAnswer, data []byte, err error) {
	if len(body) < plainAnswerHead || body[0] != KindResult && body[0] != KindRaised || body[1] != 0xce || body[6] != 0xcf {
		return a, nil, ErrProtocol
	}
	a = PlainAnswer{Raised: body[0] == KindRaised, Number: binary.BigEndian.Uint32(body[2:]), Length: binary.BigEndian.Uint64(body[7:])}
	data = body[plainAnswerHead:]
	limit := uint64(MaxPlainValue)
	if a.Raised {
		limit = MaxPlainError
	}
	switch {
	case a.Length == 0 || a.Length > limit:
		return a, nil, fmt.Errorf("%w: an answer of %d bytes, the limit is %d", ErrProtocol, a.Length, limit)
	case uint64(len(data)) > a.Length:
		return a, nil, fmt.Errorf("%w: %d bytes of an answer of %d", ErrProtocol, len(data), a.Length)
	}
	return a, data, nil
}
