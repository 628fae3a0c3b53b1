package ipc

import (
	"errors"
	"fmt"
	"os"
	"syscall"
)

const (
	// fileByte is the byte that a descriptor travels with: how many there are, as
	// in CPython's multiprocessing.reduction.
	fileByte = 1

	// attachByte travels with the descriptors that belong to the frame that
	// follows it, and is the beginning of no frame.
	attachByte = 0xfe

	// maxRights is how many descriptors one message of the kernel can carry
	// (SCM_MAX_FD of Linux): all must be taken, to be closed.
	maxRights = 253
)

// SendFile sends a duplicate of f's descriptor, which the other end gets from
// [Conn.RecvFile]; f can be closed as soon as SendFile has returned. It takes a
// Unix socket, such as that of [Pipe]; on others the error wraps
// errors.ErrUnsupported. Its Python counterpart is
// multiprocessing.reduction.send_handle, with which it works on Linux.
//
// What the two share is the open file: its position, and on most systems whether
// it blocks.
func (c *Conn) SendFile(f *os.File) error {
	if err := c.maySend(); err != nil {
		return err
	}
	if c.kind != kindUnix {
		return fmt.Errorf("ipc: to send a file on what is no Unix socket: %w", errors.ErrUnsupported)
	}
	if f == nil {
		return errors.New("ipc: to send no file")
	}
	raw, err := f.SyscallConn()
	if err != nil {
		return fmt.Errorf("ipc: to send %s: %w", f.Name(), err)
	}
	c.wmu.Lock()
	defer c.wmu.Unlock()
	if c.out.dead != nil {
		return c.out.dead
	}
	var sent error
	cerr := raw.Control(func(file uintptr) {
		err = c.raw.Write(func(fd uintptr) bool {
			sent = c.out.sys.writeRights(int(fd), fileByte, int(file))
			return !errors.Is(sent, syscall.EAGAIN)
		})
	})
	if cerr != nil {
		return fmt.Errorf("ipc: to send %s: %w", f.Name(), os.ErrClosed) // no other reason is known
	}
	if err == nil {
		err = sent
	}
	if err != nil {
		return c.sendError(err)
	}
	return nil
}

// RecvFile receives a file that the other end sent with [Conn.SendFile]; closing
// it is the caller's. If something else was sent the error wraps [ErrNoFile], and
// what it was is still there to be received. Its Python counterpart is
// multiprocessing.reduction.recv_handle.
func (c *Conn) RecvFile() (*os.File, error) {
	if err := c.mayRecv(); err != nil {
		return nil, err
	}
	if c.kind != kindUnix {
		return nil, fmt.Errorf("ipc: to receive a file from what is no Unix socket: %w", errors.ErrUnsupported)
	}
	c.rmu.Lock()
	defer c.release()
	r := &c.in
	if r.err != nil {
		return nil, r.err
	}
	if r.busy || r.attached != nil {
		return nil, fmt.Errorf("%w: in the middle of a message", ErrNoFile)
	}
	if err := c.fill(1); err != nil {
		return nil, c.failed(err, false)
	}
	if len(r.rights) == 0 || r.rightsAt != r.from+1 || r.buf[r.from] != fileByte {
		return nil, fmt.Errorf("%w: a byte %#02x without one", ErrNoFile, r.buf[r.from])
	}
	if len(r.rights) != 1 {
		n := len(r.rights)
		r.take(1)
		return nil, fmt.Errorf("%w: %d came at once", ErrNoFile, n)
	}
	fd := r.rights[0]
	r.rights = nil
	r.take(1)
	return os.NewFile(uintptr(fd), "received"), nil
}
