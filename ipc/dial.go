package ipc

import (
	"context"
	"errors"
	"fmt"
	"net"
	"syscall"
	"time"
)

// DialOptions are the settings of Dial.
type DialOptions struct {
	// AuthKey is the key that both ends must have. If it is empty there is no
	// handshake, as the listener's must then be, too.
	AuthKey []byte
	// Digest is that of the challenge to the listener: sha256 (the default), sha384,
	// sha3_256, sha3_384 or md5. A Python of 3.11 and before answers with md5
	// whatever was asked.
	Digest string
	// HandshakeTimeout is how long the listener may take for the handshake; 0 is
	// DefaultHandshakeTimeout. An earlier deadline of the context holds.
	HandshakeTimeout time.Duration
	// Conn are the settings of the connection.
	Conn ConnOptions
}

func (o DialOptions) withDefaults() (DialOptions, error) {
	var err error
	if o.Digest, err = checkDigest(o.Digest); err != nil {
		return o, err
	}
	if o.HandshakeTimeout < 0 {
		return o, fmt.Errorf("ipc: the HandshakeTimeout is %v, below 0", o.HandshakeTimeout)
	}
	if o.HandshakeTimeout == 0 {
		o.HandshakeTimeout = DefaultHandshakeTimeout
	}
	o.Conn, err = o.Conn.withDefaults()
	return o, err
}

// Dial connects to a [Listener], or to one of Python's. Its Python counterpart is
// multiprocessing.connection.Client. The network is "unix", with a path or on
// Linux an abstract name that begins with @, or "tcp", with host:port; other
// networks are an error that wraps errors.ErrUnsupported.
//
// With an AuthKey, the two ends prove to each other that they have the same, by
// Python's handshake, in either of its forms; if they do not, or the listener does
// not answer in time, the error wraps [ErrAuth]. The handshake neither hides nor
// protects what is sent afterwards. When ctx ends, Dial returns its error.
func Dial(ctx context.Context, network, address string, o DialOptions) (*Conn, error) {
	o, err := o.withDefaults()
	if err != nil {
		return nil, err
	}
	if err := checkNetwork(network); err != nil {
		return nil, err
	}
	nc, err := dialPatiently(ctx, network, address)
	if err != nil {
		return nil, fmt.Errorf("ipc: %w", err)
	}
	c, err := connOfNet(nc, o.Conn)
	if err != nil {
		return nil, err
	}
	if len(o.AuthKey) == 0 {
		return c, nil
	}
	stop := context.AfterFunc(ctx, func() { _ = c.Close() })
	if err = c.SetDeadline(time.Now().Add(o.HandshakeTimeout)); err == nil {
		err = shake(c, o.AuthKey, o.Digest, false, o.Conn)
	}
	if err == nil {
		err = c.SetDeadline(time.Time{})
	}
	if !stop() { // c is closed, or will be, whatever became of the handshake
		err = fmt.Errorf("ipc: %w", ctx.Err())
	}
	if err != nil {
		_ = c.Close()
		return nil, err
	}
	return c, nil
}

// dialPatiently waits where Python waits: a Unix socket whose queue is full, as a
// listener of Python's with its backlog of 1 is soon, refuses who does not block.
func dialPatiently(ctx context.Context, network, address string) (net.Conn, error) {
	const first, last = time.Millisecond, 50 * time.Millisecond
	for pause := first; ; pause = min(2*pause, last) {
		nc, err := (&net.Dialer{}).DialContext(ctx, network, address)
		if !errors.Is(err, syscall.EAGAIN) {
			return nc, err
		}
		timer := time.NewTimer(pause)
		select {
		case <-timer.C:
		case <-ctx.Done():
			timer.Stop()
			return nil, errors.Join(ctx.Err(), err)
		}
	}
}

func checkNetwork(network string) error {
	switch network {
	case "unix", "tcp":
		return nil
	}
	return fmt.Errorf("ipc: the network %q is neither unix nor tcp: %w", network, errors.ErrUnsupported)
}

// connOfNet takes a connection of package net over.
func connOfNet(nc net.Conn, o ConnOptions) (*Conn, error) {
	defer func() { _ = nc.Close() }()
	sc, ok := nc.(syscall.Conn)
	if !ok {
		return nil, fmt.Errorf("ipc: a %T has no descriptor: %w", nc, errors.ErrUnsupported)
	}
	fd, err := dupFile(sc)
	if err != nil {
		return nil, fmt.Errorf("ipc: %w", err)
	}
	return newConn(fd, nc.LocalAddr().Network(), o)
}
