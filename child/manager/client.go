package manager

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"sync/atomic"
	"time"

	"yunta/ipc"
)

const (
	// spinTime is how long either end looks for the next frame before it sleeps: above what a short call takes there
	// and back, far below what a waiting one does.
	spinTime = 20 * time.Microsecond

	// cancelTimeout is how long a server may take to say that it has heard of the end of a context; after
	// that the connection counts as lost, so that nobody hangs when a machine is gone.
	cancelTimeout = 5 * time.Second

	// keepFrame is up to how many bytes memory for a frame is kept.
	keepFrame = 64 << 10
)

// DialOptions are the settings of Dial.
type DialOptions struct {
	// AuthKey is the server's. If it is empty it is looked for beside a server of this user and machine.
	AuthKey []byte
	// HandshakeTimeout and Limit are those of ipc.DialOptions and ipc.ConnOptions.
	HandshakeTimeout time.Duration
	Limit            int
}

// Client is a connection to a [Server]; Python's counterpart is a BaseManager after connect. All that is got through it
// is held by it: locks, permits and leased items are given back when it is closed or its process ends, however it ends.
//
// Any number of goroutines may call at the same time, also when some of their calls wait. When a context ends, its call
// is taken back on the server: an error that wraps the context's means that nothing was done, and nil that it was done just
// before. When the connection ends, every call returns [ErrLost] at once, and so do all later ones: Dial again.
type Client struct {
	conn     *ipc.Conn
	network  string
	address  string
	server   string // the server's identity
	home     string // its folder
	lastCall atomic.Uint64

	lead chan struct{} // held by the caller that receives, for all of them; nobody receives while nobody waits
	buf  []byte        // that one's

	mu    sync.Mutex // guards what follows
	calls map[uint64]*call
	dead  error // set once
}

// Dial connects to the server at an address; networks and addresses are those of [ipc.Dial]. A wrong key is ipc.ErrAuth; who
// listens there and is no server of this version, ErrProtocol. The end of ctx ends the dialling. The
// first client of a server in a process is the one that proxies which arrive there use.
func Dial(ctx context.Context, network, address string, o DialOptions) (*Client, error) {
	registerErrors()
	if len(o.AuthKey) == 0 {
		key, err := keyBeside(network, address)
		if err != nil {
			return nil, err
		}
		o.AuthKey = key
	}
	conn, err := ipc.Dial(ctx, network, address, ipc.DialOptions{
		AuthKey: o.AuthKey, HandshakeTimeout: o.HandshakeTimeout, Conn: ipc.ConnOptions{Limit: o.Limit},
	})
	if err != nil {
		return nil, fmt.Errorf("manager: %w", err)
	}
	c := &Client{
		conn: conn, network: network, address: address,
		lead: make(chan struct{}, 1), buf: make([]byte, keepFrame), calls: map[uint64]*call{},
	}
	if err := c.greeted(ctx, o); err != nil {
		_ = conn.Close()
		return nil, err
	}
	conn.SetSpin(spinTime)
	clients.add(c)
	return c, nil
}

// greeted receives the server's first frame.
func (c *Client) greeted(ctx context.Context, o DialOptions) error {
	if o.HandshakeTimeout == 0 {
		o.HandshakeTimeout = ipc.DefaultHandshakeTimeout
	}
	stop := context.AfterFunc(ctx, func() { _ = c.conn.Close() })
	err := c.conn.SetReadDeadline(time.Now().Add(o.HandshakeTimeout))
	var frame []byte
	if err == nil {
		frame, err = c.conn.RecvBytes()
	}
	if !stop() {
		return fmt.Errorf("manager: %w", context.Cause(ctx))
	}
	if err != nil {
		return fmt.Errorf("%w: %w", ErrProtocol, err)
	}
	if len(frame) < len(greeting) || string(frame[:len(greeting)]) != greeting {
		return fmt.Errorf("%w: it is no manager", ErrProtocol)
	}
	r := reader{b: frame[len(greeting):]}
	version := r.uint()
	c.server, c.home = r.text(), r.text()
	if version != WireVersion {
		return fmt.Errorf("%w: it speaks version %d, not %d", ErrProtocol, version, WireVersion)
	}
	return errors.Join(r.err(), c.conn.SetReadDeadline(time.Time{}))
}

// Network and Address return what was dialled.
func (c *Client) Network() string { return c.network }

// Address returns what was dialled.
func (c *Client) Address() string { return c.address }

// Close ends the connection: the server takes back what was held through it, and calls that wait return [ErrClosed].
// Closing again does nothing.
func (c *Client) Close() error {
	if c == nil {
		return nil
	}
	c.fail(ErrClosed)
	return nil
}

// Err returns why the client cannot be used any more, nil if nothing is known to be wrong.
func (c *Client) Err() error {
	if c == nil {
		return ErrClosed
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.dead
}

// alive reports whether the connection still stands, as far as the kernel knows.
func (c *Client) alive() bool {
	c.mu.Lock()
	idle := len(c.calls) == 0
	dead := c.dead != nil
	c.mu.Unlock()
	if dead || !idle {
		return !dead
	}
	// Nobody asked, so there is nothing to receive but the end.
	if ready, err := c.conn.Poll(0); err != nil || ready {
		c.mu.Lock()
		idle = len(c.calls) == 0
		c.mu.Unlock()
		if idle {
			c.fail(ErrLost)
			return false
		}
	}
	return true
}

// fail ends all calls, those to come too.
func (c *Client) fail(err error) {
	c.mu.Lock()
	if c.dead != nil {
		c.mu.Unlock()
		return
	}
	c.dead = err
	calls := c.calls
	c.calls = nil
	c.mu.Unlock()
	_ = c.conn.Close()
	clients.remove(c)
	for _, k := range calls {
		k.err = err
		k.done <- struct{}{}
	}
}

// receive receives replies and gives them to their callers, until k has its own. The caller holds lead.
func (c *Client) receive(k *call) {
	for {
		frame, err := recvInto(c.conn, c.buf)
		if err != nil {
			c.fail(fmt.Errorf("%w: %w", ErrLost, err))
			return
		}
		id := (&reader{b: frame}).uint()
		c.mu.Lock()
		of := c.calls[id]
		delete(c.calls, id)
		c.mu.Unlock()
		if of == nil {
			c.fail(fmt.Errorf("%w: a reply to no request: %w", ErrLost, ErrProtocol))
			return
		}
		of.frame = append(of.frame[:0], frame...)
		of.done <- struct{}{}
		if of == k {
			return
		}
	}
}

// recvInto receives a frame of any size.
func recvInto(c *ipc.Conn, buf []byte) ([]byte, error) {
	n, err := c.RecvInto(buf)
	if err != nil {
		if e, ok := errors.AsType[*ipc.ShortBufferError](err); ok {
			return e.Message, nil
		}
		return nil, err
	}
	return buf[:n], nil
}
