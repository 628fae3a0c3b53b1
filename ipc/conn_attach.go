package ipc

import (
	"errors"
	"fmt"
	"syscall"

	"github.com/vmihailenco/msgpack/v5"
)

// EncodeMsgpack attaches this end of the connection to the argument of a process
// or to a message on a Unix socket; elsewhere it fails, see [ErrNoAttachments].
// The sender usually closes its own then. What c has read ahead cannot travel,
// and is an error.
func (c *Conn) EncodeMsgpack(enc *msgpack.Encoder) error {
	if c.file == nil {
		return errors.New("ipc: encoding a Conn that was never open")
	}
	if attachmentsOf(enc.Writer()) == nil {
		return fmt.Errorf("a Conn cannot travel here: %w", ErrNoAttachments)
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
		return fmt.Errorf("a Conn cannot have travelled here: %w", ErrNoAttachments)
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

// writeAttached writes what a message has attached and then its frame, and
// closes the duplicates. wmu is held.
func (c *Conn) writeAttached(files *Attachments, frame []byte) error {
	defer files.Close()
	all := files.Files()
	if len(all) == 0 {
		return c.write(frame, nil)
	}
	if len(all) > maxRights {
		return fmt.Errorf("%w: %d descriptors in one message, at most %d can travel", ErrTooLarge, len(all), maxRights)
	}
	if c.out.dead != nil {
		return c.out.dead
	}
	fds := make([]int, len(all))
	for i, f := range all {
		raw, err := f.SyscallConn()
		if err != nil {
			return fmt.Errorf("ipc: to send %s: %w", f.Name(), err)
		}
		// Good after Control, since files are ours until the return.
		if err := raw.Control(func(fd uintptr) { fds[i] = int(fd) }); err != nil {
			return fmt.Errorf("ipc: to send %s: %w", f.Name(), err)
		}
	}
	var sent error
	err := c.raw.Write(func(fd uintptr) bool {
		sent = c.out.sys.writeRights(int(fd), attachByte, fds...)
		return !errors.Is(sent, syscall.EAGAIN)
	})
	if err == nil {
		err = sent
	}
	if err != nil {
		return c.sendError(err)
	}
	err = c.write(frame, nil)
	if err != nil && c.out.dead == nil {
		// They would be taken for those of the next message.
		c.out.dead = fmt.Errorf("ipc: nothing can be sent after a message that was cut short: %w", err)
	}
	return err
}

// takeMark takes the descriptors that stand before a frame, if there are any.
// rmu is held.
//
// Where the kernel could not give them, because this process has too many, the
// mark comes alone: then it is the message that cannot be decoded.
func (c *Conn) takeMark() error {
	r := &c.in
	if c.kind != kindUnix || r.attached != nil {
		return nil
	}
	if err := c.fill(1); err != nil {
		return err
	}
	if r.buf[r.from] != attachByte {
		return nil
	}
	r.attached = []int{}
	// The kernel ends a read with the byte that has descriptors; where it does
	// not (BSD), the read began with that byte.
	if len(r.rights) > 0 && r.rightsFrom <= r.from && r.from < r.rightsAt {
		r.attached, r.rights = r.rights, nil
	}
	r.take(1)
	return nil
}

// dropAttached closes what came with a message that is received as bytes.
func (r *connReader) dropAttached() {
	for _, fd := range r.attached {
		_ = closeFD(fd) // nobody knows of it
	}
	r.attached = nil
}
