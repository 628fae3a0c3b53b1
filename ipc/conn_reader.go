package ipc

import (
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"slices"
	"syscall"
)

// connReader is the half of a Conn that receives. Unlike a FrameReader it goes
// on where a deadline interrupted it, reads the body of a long frame straight to
// where it is wanted, and keeps track of descriptors that travel along.
type connReader struct {
	limit int
	exact bool // read nothing ahead

	buf      []byte
	from, to int // the bytes not yet given out are buf[from:to]

	busy bool   // the head of a frame was taken, and not its whole body:
	body int    // the size of that,
	part []byte // and what there is of it

	spare []byte // memory for long messages that nobody keeps
	err   error  // final

	rights     []int // descriptors that came with the byte before buf[rightsAt]
	rightsAt   int
	rightsFrom int   // where the bytes begin that were read with them
	attached   []int // those that belong to the next message; not nil once its mark was read

	try func(fd uintptr) bool // tryRead, made once
	dst []byte                // of the system call
	n   int                   // and its outcome
	got []int
	sys connSys
	bad error

	spin connSpin
}

// ahead is how many bytes another process would miss.
func (r *connReader) ahead() int {
	n := r.to - r.from + len(r.part)
	if r.busy {
		n += frameHead
	}
	if r.attached != nil {
		n++ // the mark
	}
	return n
}

// ready reports whether receiving need not wait for the descriptor, at least
// not at first.
func (r *connReader) ready() bool { return r.to > r.from || r.err != nil }

// message returns the body of the next frame. One that fits into and is too
// long for the read buffer is read to there. own says that the caller may keep
// the body, which otherwise is good until the next call; fresh asks for that
// where memory is taken anyway. rmu is held.
func (c *Conn) message(into []byte, fresh bool) (body []byte, own bool, err error) {
	r := &c.in
	if r.err != nil {
		return nil, false, r.err
	}
	if !r.busy {
		if err := c.takeMark(); err != nil {
			return nil, false, c.failed(err, false)
		}
		n, head, err := c.head()
		if err != nil {
			return nil, false, c.failed(err, r.to > r.from || r.attached != nil)
		}
		if !r.exact && head+n <= len(r.buf) {
			if err := c.fill(head + n); err != nil {
				return nil, false, c.failed(err, true)
			}
			body := r.buf[r.from+head : r.from+head+n : r.from+head+n]
			r.take(head + n)
			return body, false, nil
		}
		r.take(head)
		r.busy, r.body = true, n
	}
	body, own, err = c.long(into, fresh)
	if err != nil {
		return nil, false, c.failed(err, true)
	}
	return body, own, nil
}

// head waits for the head of the next frame and returns its size and that of
// the body.
func (c *Conn) head() (n, head int, err error) {
	r := &c.in
	if err := c.fill(frameHead); err != nil {
		return 0, 0, err
	}
	length := int64(int32(binary.BigEndian.Uint32(r.buf[r.from:])))
	size := uint64(length)
	head = frameHead
	switch {
	case length == -1:
		if err := c.fill(frameHeadLong); err != nil {
			return 0, 0, err
		}
		size = binary.BigEndian.Uint64(r.buf[r.from+frameHead:])
		head = frameHeadLong
	case length < 0:
		return 0, 0, fmt.Errorf("%w: a message of %d bytes", ErrCorrupt, length)
	}
	if size > uint64(r.limit) {
		return 0, 0, fmt.Errorf("%w: a message of %d bytes exceeds the limit of %d", ErrTooLarge, size, r.limit)
	}
	return int(size), head, nil
}

// fill reads until want bytes of a frame are in the buffer, which has room for
// them.
func (c *Conn) fill(want int) error {
	r := &c.in
	if r.buf == nil {
		// Before anything is read ahead, as in a handshake, room for a head does.
		size := connBuffer
		if r.exact {
			size = frameHeadLong
		}
		r.buf = make([]byte, size)
	} else if !r.exact && len(r.buf) < connBuffer {
		r.buf = append(make([]byte, 0, connBuffer), r.buf...)[:connBuffer]
	}
	for r.to-r.from < want {
		if r.from > 0 && r.from+want > len(r.buf) || r.from == r.to {
			copy(r.buf, r.buf[r.from:r.to])
			r.rightsAt, r.rightsFrom = r.rightsAt-r.from, r.rightsFrom-r.from
			r.from, r.to = 0, r.to-r.from
		}
		end := len(r.buf)
		if r.exact {
			end = r.from + want
		}
		n, got, err := c.read(r.buf[r.to:end])
		r.to += n
		// Descriptors came with the last of these bytes. Those of bytes that
		// turn out to be inside this frame have nobody to receive them.
		if len(r.rights) > 0 {
			r.closeRights()
		}
		r.rights, r.rightsFrom, r.rightsAt = got, r.to-n, r.to
		if err != nil {
			return err
		}
	}
	return nil
}

// take gives out the next n bytes of the buffer.
func (r *connReader) take(n int) {
	r.from += n
	if len(r.rights) > 0 && r.from >= r.rightsAt {
		r.closeRights()
	}
}

func (r *connReader) closeRights() {
	for _, fd := range r.rights {
		_ = closeFD(fd) // nobody knows of it
	}
	r.rights = nil
}

// long reads the body of the frame whose head was taken.
func (c *Conn) long(into []byte, fresh bool) (body []byte, own bool, err error) {
	r := &c.in
	n := r.body
	dst := r.part
	direct := n <= len(into)
	switch {
	case direct:
		dst = append(into[:0], r.part...)
	case dst != nil:
		own = true
	case !fresh:
		dst = r.spare[:0]
	default:
		own = true
	}
	for len(dst) < n {
		if len(dst) == cap(dst) {
			size := min(n, max(connStep, connGrow*len(dst)))
			dst = append(make([]byte, 0, size), dst...)
		}
		room := dst[len(dst):min(cap(dst), n)]
		if r.to > r.from {
			k := copy(room, r.buf[r.from:r.to])
			r.take(k)
			dst = dst[:len(dst)+k]
			continue
		}
		k, got, err := c.read(room)
		dst = dst[:len(dst)+k]
		for _, fd := range got {
			_ = closeFD(fd) // inside a message: nobody can receive it
		}
		if err != nil {
			if direct {
				dst = slices.Clone(dst)
			}
			r.part = dst
			r.spare = nil
			return nil, false, err
		}
	}
	r.busy, r.body, r.part = false, 0, nil
	if !own && !direct {
		r.spare = dst[:0]
		if cap(dst) > frameKeep {
			r.spare = nil
		}
	}
	return dst, own || direct, nil
}

// read reads what is there, at least one byte, and takes the descriptors that
// came with the last of them.
func (c *Conn) read(p []byte) (n int, got []int, err error) {
	r := &c.in
	r.dst, r.n, r.got, r.bad = p, 0, nil, nil
	err = c.raw.Read(r.try)
	n, got = r.n, r.got
	r.dst, r.got = nil, nil
	if err == nil {
		err = r.bad
	}
	if err == nil && n == 0 {
		err = io.EOF
	}
	return n, got, err
}

// tryRead reports false when there is nothing yet.
func (c *Conn) tryRead(fd uintptr) bool {
	r := &c.in
	r.n, r.got, r.bad = r.sys.read(int(fd), c.kind, r.dst)
	if !errors.Is(r.bad, syscall.EAGAIN) {
		return true
	}
	return r.spin.limit > 0 && c.spun(fd)
}

// failed names an error, inside a frame or between two, and keeps it if nothing
// can be received after it.
func (c *Conn) failed(err error, inside bool) error {
	r := &c.in
	err = c.fileError(err)
	switch {
	case isTimeout(err) || errors.Is(err, ErrClosed):
		return err
	case errors.Is(err, io.EOF) && inside:
		err = fmt.Errorf("%w: the connection ends inside a message: %w", ErrCorrupt, io.ErrUnexpectedEOF)
	case errors.Is(err, syscall.ECONNRESET) && !inside:
		// It was closed before it had received all that was sent to it.
		err = fmt.Errorf("ipc: the other end of the connection: %w: %w", err, io.EOF)
	}
	r.err = err
	return err
}
