package wire

import (
	"encoding/binary"
	"fmt"
)

// Marks say of a chunk's tasks what their records in the durable result file
// need, and only the supervisor knows. On the wire they are, after the chunk's
// head: the first index (uint 64), the job's name (bin 32), and a bin 32 with
// eight bytes for each task, its occurrence and its attempt, big-endian.
type Marks struct {
	First uint64 // index in the job of the chunk's first task
	Job   string
	marks []byte
}

// markSize is what one task takes in bytes.
const markSize = 8

// AppendMarks appends the marks of n tasks; each tells of one of them.
func AppendMarks(dst []byte, first uint64, job string, n int, each func(i int) (occurrence, attempt uint32)) []byte {
	dst = append(dst, 0xcf)
	dst = binary.BigEndian.AppendUint64(dst, first)
	dst = Wrap(dst, []byte(job))
	dst = append(dst, 0xc6)
	dst = binary.BigEndian.AppendUint32(dst, uint32(n*markSize))
	for i := range n {
		occurrence, attempt := each(i)
		dst = binary.BigEndian.AppendUint32(dst, occurrence)
		dst = binary.BigEndian.AppendUint32(dst, attempt)
	}
	return dst
}

// ParseMarks reads the marks of n tasks, which keep src, and returns what
// follows them.
func ParseMarks(src []byte, n int) (*Marks, []byte, error) {
	if len(src) < 9 || src[0] != 0xcf {
		return nil, nil, ErrProtocol
	}
	m := &Marks{First: binary.BigEndian.Uint64(src[1:])}
	job, rest, err := Split(src[9:])
	if err != nil {
		return nil, nil, fmt.Errorf("%w: %w", ErrProtocol, err)
	}
	m.Job = string(job)
	if m.marks, rest, err = Split(rest); err != nil {
		return nil, nil, fmt.Errorf("%w: %w", ErrProtocol, err)
	}
	if len(m.marks) != n*markSize {
		return nil, nil, fmt.Errorf("%w: marks of %d bytes for %d tasks", ErrProtocol, len(m.marks), n)
	}
	return m, rest, nil
}

// At returns the marks of the i-th task of the chunk.
func (m *Marks) At(i int) (occurrence, attempt uint32) {
	b := m.marks[i*markSize:]
	return binary.BigEndian.Uint32(b), binary.BigEndian.Uint32(b[4:])
}
