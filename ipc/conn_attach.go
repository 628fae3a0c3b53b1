package ipc

import (
	"errors"
	"fmt"

	"github.com/vmihailenco/msgpack/v5"
)

// EncodeMsgpack attaches this end of the connection to the argument of a
// process; elsewhere it fails, see [ErrNoAttachments]. The sender usually
// closes its own after the start. What c has read ahead cannot travel, and is an
// error.
func (c *Conn) EncodeMsgpack(enc *msgpack.Encoder) error {
	if c.file == nil {
		return errors.New("ipc: encoding a Conn that was never open")
	}
	if attachmentsOf(enc.Writer()) == nil {
		return fmt.Errorf("a Conn does not travel inside a message (use File, SendFile and ConnOf): %w", ErrNoAttachments)
	}
	f, err := c.File()
	if err != nil {
		return err
	}
	defer f.Close()
	return EncodeFile(enc, f)
}

// DecodeMsgpack takes an end that was attached. Its options are the defaults.
func (c *Conn) DecodeMsgpack(dec *msgpack.Decoder) error {
	if attachmentsOf(dec.Buffered()) == nil {
		return fmt.Errorf("a Conn does not travel inside a message (use RecvFile and ConnOf): %w", ErrNoAttachments)
	}
	if c.file != nil {
		return errors.New("ipc: decoding into a Conn that is in use")
	}
	f, err := DecodeFile(dec)
	if err != nil {
		return err
	}
	defer f.Close()
	fd, err := dupFile(f)
	if err != nil {
		return fmt.Errorf("ipc: %w", err)
	}
	return c.open(fd, f.Name(), ConnOptions{})
}
