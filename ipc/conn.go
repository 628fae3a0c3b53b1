package ipc

import (
	"errors"
	"fmt"
	"os"
	"sync"
	"sync/atomic"
	"syscall"
	"time"
)

const (
	// DefaultConnLimit is the limit in bytes of a message that a [Conn] receives,
	// if none was given: it keeps a wrong length from being believed, and is far
	// above what is sensible to send.
	DefaultConnLimit = 1 << 30

	// connBuffer is what a Conn reads ahead, in bytes: small messages that wait
	// are received by one system call.
	connBuffer = 64 << 10

	// connJoin is the size up to which header and body of a message are copied
	// together: that is cheaper than telling the kernel of two pieces.
	connJoin = 4 << 10

	// connStep is what is allocated for a longer message at first. There is more
	// only once that much has come, so a length alone makes nobody allocate.
	connStep = 1 << 20

	// connGrow is how many times more: few copies, and a peer must send an eighth
	// of what it wants to be allocated.
	connGrow = 8

	// connSocketBuffer is asked of the kernel for each direction of a socket
	// pair, in bytes; it grants up to net.core.wmem_max.
	connSocketBuffer = 1 << 20
)

// Conn is one end of a connection on which whole messages travel. Python's
// counterpart is multiprocessing.connection.Connection, and the two speak the
// same language on the wire: see [WireVersion].
//
// Get one from [Pipe], [SimplexPipe], [Dial], [Listener.Accept] or [ConnOf].
// Close it at both ends.
//
// All methods may be called by any goroutine. Messages sent by several never
// mix, and of several that receive each gets whole ones. Other processes that
// have a duplicate of the same end are not kept apart: guard it with a lock that
// processes share, and receive with SetReadAhead(false).
//
// A Conn can be part of the argument of a process that is being started, where it
// arrives as another duplicate of the same end. It is not encoded into a message:
// send it by way of [Conn.File], [Conn.SendFile] and [ConnOf].
type Conn struct {
	file *os.File
	raw  syscall.RawConn
	kind connKind
	recv bool // this end receives
	send bool

	closed atomic.Bool
	wakers wakers // of those that Wait for this Conn

	rmu sync.Mutex // held to receive; guards in
	in  connReader

	wmu sync.Mutex // held to send; guards out
	out connWriter
}

// connKind is what lies under a Conn.
type connKind uint8

const (
	kindPipe   connKind = iota // one direction, or a FIFO opened for both
	kindUnix                   // a Unix stream socket: it carries descriptors
	kindSocket                 // another stream socket
)

// ConnOptions are the settings of a Conn.
type ConnOptions struct {
	// Limit is the size in bytes of the longest message that is received; 0 is
	// DefaultConnLimit.
	Limit int
	// NoReadAhead makes the Conn read no byte beyond the message asked for; see
	// SetReadAhead.
	NoReadAhead bool
}

func (o ConnOptions) withDefaults() (ConnOptions, error) {
	if o.Limit < 0 {
		return o, fmt.Errorf("ipc: the Limit of a connection is %d, below 0", o.Limit)
	}
	if o.Limit == 0 {
		o.Limit = DefaultConnLimit
	}
	return o, nil
}

// ConnOf makes a Conn of a pipe, a FIFO or a connected stream socket, such as a
// process inherits. The Conn takes the descriptor over: f is closed, unless
// ConnOf fails. A pipe goes the way it was opened for, a socket both ways.
func ConnOf(f *os.File, o ConnOptions) (*Conn, error) {
	if f == nil {
		return nil, errors.New("ipc: a connection of no file")
	}
	fd, err := dupFile(f)
	if err != nil {
		return nil, fmt.Errorf("ipc: a connection of %s: %w", f.Name(), err)
	}
	c, err := newConn(fd, f.Name(), o)
	if err != nil {
		return nil, err
	}
	_ = f.Close() // there is the duplicate; an error would say no more than that f was closed
	return c, nil
}

// newConn takes fd over, and closes it if it fails.
func newConn(fd int, name string, o ConnOptions) (*Conn, error) {
	c := &Conn{}
	if err := c.open(fd, name, o); err != nil {
		return nil, err
	}
	return c, nil
}

// open makes a Conn of the zero one, as newConn does.
func (c *Conn) open(fd int, name string, o ConnOptions) error {
	o, err := o.withDefaults()
	if err != nil {
		return errors.Join(err, closeFD(fd))
	}
	c.in.limit, c.in.exact = o.Limit, o.NoReadAhead
	c.in.try, c.out.try = c.tryRead, c.tryWrite
	if c.kind, c.recv, c.send, err = inspect(fd); err != nil {
		return errors.Join(fmt.Errorf("ipc: a connection of %s: %w", name, err), closeFD(fd))
	}
	if c.file, err = pollable(fd, c.kind, name); err != nil {
		return errors.Join(fmt.Errorf("ipc: a connection of %s: %w", name, err), closeFD(fd))
	}
	if c.raw, err = c.file.SyscallConn(); err != nil {
		return errors.Join(err, c.file.Close())
	}
	return nil
}

// Close closes this end: the other end finds io.EOF when it has received what
// was sent. A call under way in another goroutine returns with [ErrClosed].
// Closing again does nothing.
func (c *Conn) Close() error {
	if c.closed.Swap(true) {
		return nil
	}
	c.wakers.wake() // they use the descriptor, which Close waits for
	err := c.file.Close()
	c.dropRights()
	return err
}

// dropRights closes files that nobody will receive any more.
func (c *Conn) dropRights() {
	if c.rmu.TryLock() { // who has it calls this when it is done
		c.in.closeRights()
		c.in.dropAttached()
		c.rmu.Unlock()
	}
}

// Closed reports whether this end was closed.
func (c *Conn) Closed() bool { return c.closed.Load() }

// CanRecv reports whether messages can be received at this end: not at the
// sending end of a SimplexPipe. Python's counterpart is the attribute readable.
func (c *Conn) CanRecv() bool { return c.recv }

// CanSend reports whether messages can be sent at this end. Python's counterpart
// is the attribute writable.
func (c *Conn) CanSend() bool { return c.send }

// SetReadLimit sets the size in bytes of the longest message that is received
// from now on; 0 is [DefaultConnLimit].
func (c *Conn) SetReadLimit(limit int) {
	if limit <= 0 {
		limit = DefaultConnLimit
	}
	c.rmu.Lock()
	c.in.limit = limit
	c.release()
}

// SetReadAhead says whether receiving a message may read bytes that belong to
// the next, which saves a system call a message and is so by default. Without,
// another process that has a duplicate of this end can receive the next message.
// It does not give back what was read already.
func (c *Conn) SetReadAhead(ahead bool) {
	c.rmu.Lock()
	c.in.exact = !ahead
	c.release()
}

// SetDeadline sets both deadlines.
func (c *Conn) SetDeadline(t time.Time) error { return c.fileError(c.file.SetDeadline(t)) }

// SetReadDeadline sets the moment at which calls that receive, those under way
// too, fail with os.ErrDeadlineExceeded; the zero time is none. A message that
// has come in part is not lost: the next call goes on with it.
func (c *Conn) SetReadDeadline(t time.Time) error { return c.fileError(c.file.SetReadDeadline(t)) }

// SetWriteDeadline is the same for calls that send. A message that was sent in
// part cannot be taken back: nothing can be sent after it.
func (c *Conn) SetWriteDeadline(t time.Time) error { return c.fileError(c.file.SetWriteDeadline(t)) }

// File returns a duplicate of the descriptor, to hand to another process, which
// makes a Conn of it with [ConnOf]. Closing it is the caller's. Both ends of the
// duplicate and c are one end of the connection: the other end finds io.EOF when
// all are closed, so c is usually closed once it was handed on. It is an error if
// c has read ahead, since the other process would miss that.
//
// On systems other than Linux a pipe that is a Conn does not block, nor do its
// duplicates: a program that is not prepared for that needs a socket, as of [Pipe].
func (c *Conn) File() (*os.File, error) {
	c.rmu.Lock()
	ahead := c.in.ahead()
	c.release()
	if ahead > 0 {
		return nil, fmt.Errorf("ipc: a connection from which %d bytes were read ahead cannot be handed on", ahead)
	}
	fd := -1
	var err error
	if cerr := c.raw.Control(func(sysfd uintptr) { fd, err = dupFD(int(sysfd)) }); cerr != nil {
		return nil, c.fileError(cerr)
	}
	if err != nil {
		return nil, fmt.Errorf("ipc: %w", err)
	}
	return os.NewFile(uintptr(fd), c.file.Name()), nil
}

// release ends what rmu was taken for.
func (c *Conn) release() {
	left := c.in.ready()
	c.rmu.Unlock()
	if left {
		// Somebody who waits for the descriptor would not find what is here.
		c.wakers.wake()
	}
	if c.closed.Load() {
		c.dropRights()
	}
}

// fileError names the error of a call that Close ended.
func (c *Conn) fileError(err error) error {
	if err == nil {
		return nil
	}
	if c.closed.Load() || errors.Is(err, os.ErrClosed) {
		return fmt.Errorf("%w: this end of the connection", ErrClosed)
	}
	return err
}
