package ipc

import (
	"errors"
	"fmt"
	"io"
)

// Sentinel errors of connections, for use with errors.Is.
var (
	// ErrDirection says that a connection goes the other way only: a message was
	// sent on an end that receives, or asked from one that sends.
	ErrDirection = errors.New("ipc: the connection goes the other way only")
	// ErrAuth says that the two ends of a connection did not prove to each other
	// that they have the same key. Python's counterpart is AuthenticationError.
	ErrAuth = errors.New("ipc: authentication failed")
	// ErrNoFile says that RecvFile found something else than a file.
	ErrNoFile = errors.New("ipc: no file arrived")
)

// ShortBufferError says that a message did not fit the buffer given to
// [Conn.RecvInto], and carries the message, which is not lost. It is an
// io.ErrShortBuffer. Python's counterpart is BufferTooShort.
type ShortBufferError struct {
	Message []byte // the whole message
	Size    int    // bytes of the buffer it did not fit
}

func (e *ShortBufferError) Error() string {
	return fmt.Sprintf("ipc: a message of %d bytes does not fit a buffer of %d", len(e.Message), e.Size)
}

// Unwrap returns io.ErrShortBuffer.
func (e *ShortBufferError) Unwrap() error { return io.ErrShortBuffer }
