package ipc

import (
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"math"
)

// A frame is what Python's multiprocessing.connection puts on a pipe
// (Connection._send_bytes in CPython's Lib/multiprocessing/connection.py):
//
//	offset  size  meaning
//	0       4     length of the body, signed, big-endian; or -1, and then
//	4       8     length of the body, big-endian, for 2 GiB and more
//	        ...   the body
const (
	frameHead     = 4
	frameHeadLong = 12
)

const (
	// MaxInline is the encoded size in bytes from which on a value is better put
	// into mapped memory than into a frame: a pipe copies it twice and holds
	// 64 KiB by default.
	MaxInline = 64 << 10

	// DefaultFrameLimit is the limit of a FrameReader that was given none.
	DefaultFrameLimit = 64 << 20

	// frameBuffer is what a FrameReader reads at once: the default capacity of a
	// pipe on Linux, so that one read empties it.
	frameBuffer = 64 << 10

	// frameKeep is the largest buffer a FrameReader keeps after a large frame.
	frameKeep = 1 << 20
)

// testHookShortFrame is the longest body whose length takes the short form;
// tests lower it, since few machines have 2 GiB for the long one.
var testHookShortFrame = math.MaxInt32

// AppendFrame appends a frame with the given body, of any length.
func AppendFrame(dst, body []byte) []byte {
	if len(body) > testHookShortFrame {
		dst = binary.BigEndian.AppendUint32(dst, math.MaxUint32)
		dst = binary.BigEndian.AppendUint64(dst, uint64(len(body)))
	} else {
		dst = binary.BigEndian.AppendUint32(dst, uint32(len(body)))
	}
	return append(dst, body...)
}

// BeginFrame reserves the length of a frame in dst. Append the body to buf, then
// call EndFrame with the mark.
func BeginFrame(dst []byte) (buf []byte, mark int) {
	return append(dst, 0, 0, 0, 0), len(dst)
}

// EndFrame writes the length of the frame that began at mark. A body of 2 GiB
// and more is moved to make room for the long form of the length.
func EndFrame(buf []byte, mark int) []byte {
	n := len(buf) - mark - frameHead
	if n <= testHookShortFrame {
		binary.BigEndian.PutUint32(buf[mark:], uint32(n))
		return buf
	}
	buf = append(buf, 0, 0, 0, 0, 0, 0, 0, 0)
	copy(buf[mark+frameHeadLong:], buf[mark+frameHead:])
	binary.BigEndian.PutUint32(buf[mark:], math.MaxUint32)
	binary.BigEndian.PutUint64(buf[mark+frameHead:], uint64(n))
	return buf
}

// FrameReader takes frames from a stream. It reads as much as the stream has
// ready, so that many small frames cost one system call. It is for one
// goroutine at a time.
type FrameReader struct {
	r     io.Reader
	limit int
	buf   []byte
	from  int // the bytes not yet given out are buf[from:to]
	to    int
	err   error
}

// NewFrameReader returns a reader of the frames of r whose bodies have at most
// limit bytes; 0 means [DefaultFrameLimit].
func NewFrameReader(r io.Reader, limit int) *FrameReader {
	if limit <= 0 {
		limit = DefaultFrameLimit
	}
	return &FrameReader{r: r, limit: limit}
}

// Next returns the body of the next frame, which is valid until the call after
// it. It blocks until the frame is there. The end of the stream between two
// frames is io.EOF; inside one it is an error that wraps [ErrCorrupt] and
// io.ErrUnexpectedEOF, and what a writer that was killed leaves behind. A
// length above the limit is [ErrTooLarge]. Every error is final.
func (fr *FrameReader) Next() ([]byte, error) {
	if fr.err != nil {
		return nil, fr.err
	}
	body, err := fr.next()
	if err != nil {
		fr.err = err
		return nil, err
	}
	return body, nil
}

func (fr *FrameReader) next() ([]byte, error) {
	for {
		head, n, err := fr.peek()
		if err != nil {
			return nil, err
		}
		if head > 0 && fr.to-fr.from >= head+n {
			body := fr.buf[fr.from+head : fr.from+head+n : fr.from+head+n]
			fr.from += head + n
			return body, nil
		}
		want := frameHead
		if head > 0 {
			want = head + n
		}
		if err := fr.fill(want); err != nil {
			return nil, err
		}
	}
}

// peek looks at the head of the frame in the buffer: its length and that of
// the body. head is 0 while it is not all there.
func (fr *FrameReader) peek() (head, n int, err error) {
	b := fr.buf[fr.from:fr.to]
	if len(b) < frameHead {
		return 0, 0, nil
	}
	length := int64(int32(binary.BigEndian.Uint32(b)))
	head = frameHead
	switch {
	case length == -1:
		if len(b) < frameHeadLong {
			return 0, 0, nil
		}
		long := binary.BigEndian.Uint64(b[frameHead:])
		if long > uint64(fr.limit) {
			return 0, 0, fmt.Errorf("%w: a frame of %d bytes exceeds the limit of %d", ErrTooLarge, long, fr.limit)
		}
		return frameHeadLong, int(long), nil
	case length < 0:
		return 0, 0, fmt.Errorf("%w: a frame of %d bytes", ErrCorrupt, length)
	case length > int64(fr.limit):
		return 0, 0, fmt.Errorf("%w: a frame of %d bytes exceeds the limit of %d", ErrTooLarge, length, fr.limit)
	}
	return head, int(length), nil
}

// fill reads more of a frame that has want bytes. The buffer grows only once it
// is full, to twice its size at most: a length alone makes nobody allocate.
func (fr *FrameReader) fill(want int) error {
	have := fr.to - fr.from
	switch {
	case have == 0:
		fr.from, fr.to = 0, 0
		if len(fr.buf) == 0 || len(fr.buf) > frameKeep {
			fr.buf = make([]byte, frameBuffer)
		}
	case fr.from > 0 && fr.from+want > len(fr.buf):
		copy(fr.buf, fr.buf[fr.from:fr.to])
		fr.from, fr.to = 0, have
	}
	if fr.to == len(fr.buf) {
		grown := make([]byte, min(want, 2*len(fr.buf)))
		copy(grown, fr.buf)
		fr.buf = grown
	}
	n, err := fr.r.Read(fr.buf[fr.to:])
	if n < 0 || n > len(fr.buf)-fr.to {
		return fmt.Errorf("ipc: a read returned %d bytes of %d", n, len(fr.buf)-fr.to)
	}
	fr.to += n
	switch {
	case n > 0:
		return nil // an error comes again with the next read
	case errors.Is(err, io.EOF) && have == 0:
		return io.EOF
	case errors.Is(err, io.EOF):
		return fmt.Errorf("%w: the stream ends inside a frame, after %d bytes: %w", ErrCorrupt, have, io.ErrUnexpectedEOF)
	case err != nil:
		return err
	}
	return nil
}

// Buffered reports whether Next will return at once, without reading: a whole
// frame, or an error, is there already.
func (fr *FrameReader) Buffered() bool {
	if fr.err != nil {
		return true
	}
	head, n, err := fr.peek()
	return err != nil || head > 0 && fr.to-fr.from >= head+n
}
