package board

import (
	"encoding/binary"
	"errors"
	"fmt"
	"os"
	"strings"
	"sync"
	"sync/atomic"
	"time"
	"unicode"
	"unicode/utf8"
	"unsafe"

	"yunta/oslock/mapped"
)

const (
	magic     = "yuntabrd"
	version   = 2
	orderMark = 0x01020304

	headerSize = 256
	nameSize   = 64
	lineWords  = 24
	lineSize   = lineWords * 8

	// maxLines bounds what a damaged header can make us map: 12 MiB.
	maxLines = 1 << 16
)

// ErrNotBoard is wrapped by the errors for files that are no board of this version: of something else, cut
// off, or not finished yet.
var ErrNotBoard = errors.New("board: not a board of this version")

// line is one line in mapped memory.
type line [lineWords]atomic.Uint64

// Board is a board that was opened for reading, or the supervisor's own. It may be used by several
// goroutines, but not after Close.
type Board struct {
	header Header
	region *mapped.Region
	once   sync.Once
	err    error
}

// Header says whose board it is.
type Header struct {
	PID     int       // of the supervisor
	Name    string    // its name, cut to 64 bytes
	Started time.Time // when it made the board
	Lines   int       // one for each worker
}

// Create makes the file at path, which must not exist, and returns the supervisor's board of that many lines.
// The file is private to the user and takes real memory or disk at once: when there is none left, that is
// an error from here (ENOSPC). Close does not remove it; it belongs to a folder that goes as a whole.
func Create(path string, lines int, name string) (*Board, error) {
	if lines < 0 || lines > maxLines {
		return nil, fmt.Errorf("board: %d lines, want 0 to %d", lines, maxLines)
	}
	f, err := os.OpenFile(path, os.O_RDWR|os.O_CREATE|os.O_EXCL, 0o600)
	if err != nil {
		return nil, fmt.Errorf("board: %w", err)
	}
	defer f.Close()
	h := Header{PID: os.Getpid(), Name: cut(name, nameSize), Started: time.Unix(0, time.Now().UnixNano()), Lines: lines}
	size := fileSize(lines)
	if err := mapped.Reserve(f, 0, int64(size)); err != nil {
		return nil, fmt.Errorf("board: %w", err)
	}
	b := &Board{header: h}
	if b.region, err = mapped.Map(f, 0, size); err != nil {
		return nil, fmt.Errorf("board: %w", err)
	}
	if err := mapped.Guard(func() error { h.write(b.region.Bytes()); return nil }); err != nil {
		return nil, fmt.Errorf("board: %w", errors.Join(err, b.region.Unmap()))
	}
	return b, nil
}

// Open opens the board at path for reading. It refuses what is not a whole board with an error that
// wraps [ErrNotBoard]; what it says may still be nonsense if somebody wrote nonsense.
func Open(path string) (*Board, error) { return open(path, false) }

func open(path string, write bool) (*Board, error) {
	f, err := openFile(path, write)
	if err != nil {
		return nil, fmt.Errorf("board: %w", err)
	}
	defer f.Close()
	info, err := f.Stat()
	if err != nil {
		return nil, fmt.Errorf("board: %w", err)
	}
	if !info.Mode().IsRegular() {
		return nil, fmt.Errorf("%w: %s is no regular file", ErrNotBoard, path)
	}
	var head [headerSize]byte
	if n, err := f.ReadAt(head[:], 0); n < len(head) {
		return nil, fmt.Errorf("%w: %s: header of %d bytes, want %d: %w", ErrNotBoard, path, n, len(head), err)
	}
	b := &Board{}
	if err := b.header.parse(head[:]); err != nil {
		return nil, fmt.Errorf("%w: %s: %w", ErrNotBoard, path, err)
	}
	size := fileSize(b.header.Lines)
	if info.Size() < int64(size) {
		return nil, fmt.Errorf("%w: %s has %d bytes, want %d for %d lines", ErrNotBoard, path, info.Size(), size, b.header.Lines)
	}
	if write {
		b.region, err = mapped.Map(f, 0, size)
	} else {
		b.region, err = mapped.MapReadOnly(f, 0, size)
	}
	if err != nil {
		return nil, fmt.Errorf("board: %w", err)
	}
	return b, nil
}

func fileSize(lines int) int { return headerSize + lines*lineSize }

// write fills in the header, the magic last: who sees it sees the rest. The word holds the bytes of the magic as
// they lie in memory, whatever the byte order.
func (h Header) write(data []byte) {
	order := binary.NativeEndian
	order.PutUint32(data[8:], version)
	order.PutUint32(data[12:], orderMark)
	order.PutUint32(data[16:], lineSize)
	order.PutUint32(data[20:], uint32(h.Lines))
	order.PutUint64(data[24:], uint64(h.PID))
	order.PutUint64(data[32:], uint64(h.Started.UnixNano()))
	copy(data[40:40+nameSize], h.Name)
	// The mapping starts on a page, so the word is aligned.
	(*atomic.Uint64)(unsafe.Pointer(&data[0])).Store(order.Uint64([]byte(magic)))
}

func (h *Header) parse(data []byte) error {
	order := binary.NativeEndian
	switch {
	case string(data[:8]) != magic:
		return fmt.Errorf("magic %q", data[:8])
	case order.Uint32(data[12:]) != orderMark:
		return errors.New("made by a machine of another byte order")
	case order.Uint32(data[8:]) != version:
		return fmt.Errorf("version %d, want %d", order.Uint32(data[8:]), version)
	case order.Uint32(data[16:]) != lineSize:
		return fmt.Errorf("lines of %d bytes, want %d", order.Uint32(data[16:]), lineSize)
	case order.Uint32(data[20:]) > maxLines:
		return fmt.Errorf("%d lines, want at most %d", order.Uint32(data[20:]), maxLines)
	}
	h.Lines = int(order.Uint32(data[20:]))
	h.PID = int(int32(order.Uint64(data[24:])))
	h.Started = time.Unix(0, int64(order.Uint64(data[32:])))
	h.Name = text(data[40 : 40+nameSize])
	return nil
}

// Header returns whose board it is, as it was when the board was opened.
func (b *Board) Header() Header { return b.header }

// Close unmaps the board. The file stays.
func (b *Board) Close() error {
	b.once.Do(func() { b.err = b.region.Unmap() })
	return b.err
}

// line returns a line's words; it panics if there is no such line, which is a mistake in the program.
func (b *Board) line(i int) *line {
	if i < 0 || i >= b.header.Lines {
		panic(fmt.Sprintf("board: no line %d among %d", i, b.header.Lines))
	}
	// Header and lines are multiples of 8 bytes from the start of a page, and inside the mapping.
	return (*line)(unsafe.Pointer(&b.region.Bytes()[headerSize+i*lineSize]))
}

// cut shortens s to at most n bytes without cutting a character in two.
func cut(s string, n int) string {
	if len(s) <= n {
		return s
	}
	for n > 0 && !utf8.RuneStart(s[n]) {
		n--
	}
	return s[:n]
}

// text reads a string padded with zeros. What a terminal might obey is replaced: the bytes may come from anybody.
func text(data []byte) string {
	s, _, _ := strings.Cut(string(data), "\x00")
	return strings.Map(func(r rune) rune {
		if unicode.IsPrint(r) {
			return r
		}
		return '?'
	}, s)
}
