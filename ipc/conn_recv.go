package ipc

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"os"
	"time"
)

// Recv receives one message and decodes it into what v points to, which must be
// of a type that fits; [Codec] says which do. It blocks until a message is there.
//
// Once the other end is closed and all it sent was received, the error is
// io.EOF; if it closed in the middle of a message, one that wraps [ErrCorrupt]
// and io.ErrUnexpectedEOF. A length above the limit is [ErrTooLarge], found
// before anything is allocated. These are final. A message that cannot be
// decoded is lost, with an error that wraps [ErrDecode], and the next can be
// received. Errors wrap [ErrDirection] at a sending end and [ErrClosed] when
// this end was closed.
//
// Methods of v that decode it must not receive from c.
func (c *Conn) Recv(v any) error {
	if err := c.mayRecv(); err != nil {
		return err
	}
	c.rmu.Lock()
	defer c.release()
	body, _, err := c.message(nil, false)
	if err != nil {
		return err
	}
	if c.in.attached == nil {
		return decodeAny(body, v, nil)
	}
	files := AttachmentsOf(c.in.attached)
	c.in.attached = nil
	return errors.Join(decodeAny(body, v, files), files.Close())
}

// Recv receives one message as a T; see [Conn.Recv].
func Recv[T any](c *Conn) (T, error) {
	var v T
	if err := c.Recv(&v); err != nil {
		var zero T
		return zero, err
	}
	return v, nil
}

// RecvBytes receives one message as it is. Its errors are those of Recv, except
// that nothing is decoded. Its Python counterpart is recv_bytes.
func (c *Conn) RecvBytes() ([]byte, error) {
	if err := c.mayRecv(); err != nil {
		return nil, err
	}
	c.rmu.Lock()
	defer c.release()
	body, own, err := c.message(nil, true)
	if err != nil {
		return nil, err
	}
	c.in.dropAttached()
	switch {
	case len(body) == 0:
		return []byte{}, nil
	case !own:
		return bytes.Clone(body), nil
	}
	return body, nil
}

// RecvInto receives one message into buf and returns its size. A message that
// does not fit is not lost: the error is a *[ShortBufferError] that carries it.
// Its Python counterpart is recv_bytes_into.
func (c *Conn) RecvInto(buf []byte) (n int, err error) {
	if err := c.mayRecv(); err != nil {
		return 0, err
	}
	c.rmu.Lock()
	defer c.release()
	body, own, err := c.message(buf, true)
	if err != nil {
		return 0, err
	}
	c.in.dropAttached()
	if len(body) > len(buf) {
		if !own {
			body = bytes.Clone(body)
		}
		return 0, &ShortBufferError{Message: body, Size: len(buf)}
	}
	if !own {
		copy(buf, body) // otherwise it is there
	} else if len(body) > 0 && &body[0] != &buf[0] {
		copy(buf, body) // begun by a call with a smaller buffer
	}
	return len(body), nil
}

func (c *Conn) mayRecv() error {
	if c.closed.Load() {
		return c.fileError(errClosedConn)
	}
	if !c.recv {
		return fmt.Errorf("%w: this end sends", ErrDirection)
	}
	return nil
}

// Poll reports whether a call that receives would find something: bytes of a
// message, or the end of the connection. It waits for that as long as timeout,
// and not at all if that is 0 or less. Its Python counterpart is poll; to wait
// without a limit, or for several connections, use [Wait].
//
// It takes nothing away. While another goroutine receives from c, what Poll saw
// may be gone by the time the caller asks for it.
func (c *Conn) Poll(timeout time.Duration) (bool, error) {
	if err := c.mayRecv(); err != nil {
		return false, err
	}
	until := time.Now().Add(timeout)
	ready, err := waitUntil(context.Background(), &until, []Waiter{c})
	if c.closed.Load() {
		return false, c.fileError(errClosedConn)
	}
	return len(ready) > 0, err
}

func isTimeout(err error) bool { return errors.Is(err, os.ErrDeadlineExceeded) }
