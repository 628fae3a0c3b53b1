package ipc

import (
	"encoding/binary"
	"errors"
	"fmt"
	"math"
	"sync"
	"syscall"
)

// connWriter is the half of a Conn that sends.
type connWriter struct {
	try  func(fd uintptr) bool // tryWrite, made once
	head [frameHeadLong]byte
	join []byte // a small message with its header
	a, b []byte // what is left to write
	sent int    // bytes of the message that are written
	err  error  // of the system call
	dead error  // set when a message was cut: nothing can follow it
	sys  connSys
}

// sendBuffers holds what messages were encoded into.
var sendBuffers = sync.Pool{New: func() any { return new([]byte) }}

// Send encodes v as msgpack and sends it as one message; [Codec] says how. It
// blocks while the other end has not room for it. Errors wrap [ErrEncode] when
// nothing was sent because v cannot be encoded, [ErrDirection] at a receiving
// end, [ErrClosed] when this end was closed, and ErrClosed and syscall.EPIPE
// when the other was.
//
// On a Unix socket, such as that of [Pipe], v may have connections and files in
// it (see [Attachments]); on anything else they are [ErrNoAttachments]. The
// sender may close its own as soon as Send has returned.
func (c *Conn) Send(v any) error {
	if err := c.maySend(); err != nil {
		return err
	}
	// Encoded before the lock is taken: v's methods may use c.
	buf := sendBuffers.Get().(*[]byte)
	defer func() {
		if cap(*buf) <= frameKeep {
			sendBuffers.Put(buf)
		}
	}()
	frame, mark := BeginFrame((*buf)[:0])
	frame, files, err := appendAny(frame, v, c.kind == kindUnix)
	*buf = frame[:0]
	if err != nil {
		return err
	}
	frame = EndFrame(frame, mark)
	*buf = frame[:0]
	c.wmu.Lock()
	defer c.wmu.Unlock()
	if files != nil {
		return c.writeAttached(files, frame)
	}
	return c.write(frame, nil)
}

// SendBytes sends p as one message, as it is. Its Python counterpart is
// send_bytes.
func (c *Conn) SendBytes(p []byte) error {
	if err := c.maySend(); err != nil {
		return err
	}
	c.wmu.Lock()
	defer c.wmu.Unlock()
	head := appendFrameHead(c.out.head[:0], len(p))
	if len(p) > connJoin {
		return c.write(head, p)
	}
	c.out.join = append(append(c.out.join[:0], head...), p...)
	return c.write(c.out.join, nil)
}

// appendFrameHead appends the length of a frame whose body has n bytes.
func appendFrameHead(dst []byte, n int) []byte {
	if n <= testHookShortFrame {
		return binary.BigEndian.AppendUint32(dst, uint32(n))
	}
	dst = binary.BigEndian.AppendUint32(dst, math.MaxUint32)
	return binary.BigEndian.AppendUint64(dst, uint64(n))
}

func (c *Conn) maySend() error {
	if c.closed.Load() {
		return c.fileError(errClosedConn)
	}
	if !c.send {
		return fmt.Errorf("%w: this end receives", ErrDirection)
	}
	return nil
}

var errClosedConn = errors.New("closed")

// write writes a and then b, which are one message. wmu is held.
func (c *Conn) write(a, b []byte) error {
	w := &c.out
	if w.dead != nil {
		return w.dead
	}
	w.a, w.b, w.sent, w.err = a, b, 0, nil
	err := c.raw.Write(w.try)
	if err == nil {
		err = w.err
	}
	w.a, w.b = nil, nil
	if err == nil {
		return nil
	}
	err = c.sendError(err)
	if w.sent > 0 {
		w.dead = fmt.Errorf("ipc: nothing can be sent after a message that was cut short: %w", err)
	}
	return err
}

// tryWrite writes what is left as far as the descriptor takes it. It reports
// false when it is to be called again once there is room.
func (c *Conn) tryWrite(fd uintptr) bool {
	w := &c.out
	for len(w.a)+len(w.b) > 0 {
		if len(w.a) == 0 {
			w.a, w.b = w.b, nil
		}
		n, err := w.sys.write(int(fd), c.kind, w.a, w.b)
		if errors.Is(err, syscall.EAGAIN) {
			return false
		}
		if err != nil {
			w.err = err
			return true
		}
		w.sent += n
		first := min(n, len(w.a))
		w.a, w.b = w.a[first:], w.b[n-first:]
	}
	return true
}

func (c *Conn) sendError(err error) error {
	err = c.fileError(err)
	if errors.Is(err, syscall.EPIPE) || errors.Is(err, syscall.ECONNRESET) {
		return fmt.Errorf("%w: the other end of the connection: %w", ErrClosed, err)
	}
	return err
}
