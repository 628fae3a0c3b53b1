package ipc

import (
	"context"
	"errors"
	"fmt"
	"net"
	"os"
	"path/filepath"
	"slices"
	"sync"
	"time"

	"yunta/oslock/rundir"
)

const (
	// DefaultBacklog is how many connections a Listener keeps for Accept.
	DefaultBacklog = 128

	// maxHandshakes is how many peers may be in their handshake at a time, besides
	// those who wait for Accept. When there are as many, none is given more than
	// crowdedTimeout: those who connect and say nothing cannot keep others out
	// for long.
	maxHandshakes  = 64
	crowdedTimeout = time.Second

	// maxFailures is how many failed handshakes are kept for Accept.
	maxFailures = 16
)

// ListenOptions are the settings of a Listener.
type ListenOptions struct {
	// AuthKey is the key that who connects must have. If it is empty there is no
	// handshake: everyone who can reach the address is let in.
	AuthKey []byte
	// Digest is that of the challenge to who connects; see DialOptions.
	Digest string
	// HandshakeTimeout is how long a peer may take for the handshake; 0 is
	// DefaultHandshakeTimeout.
	HandshakeTimeout time.Duration
	// Backlog is how many connections are kept for Accept, 0 is DefaultBacklog.
	// Beyond it those who connect wait in the kernel.
	Backlog int
	// Conn are the settings of the connections.
	Conn ConnOptions
}

func (o ListenOptions) withDefaults() (ListenOptions, error) {
	d, err := DialOptions{AuthKey: o.AuthKey, Digest: o.Digest, HandshakeTimeout: o.HandshakeTimeout, Conn: o.Conn}.withDefaults()
	if err != nil {
		return o, err
	}
	o.Digest, o.HandshakeTimeout, o.Conn = d.Digest, d.HandshakeTimeout, d.Conn
	if o.Backlog < 0 {
		return o, fmt.Errorf("ipc: the Backlog is %d, below 0", o.Backlog)
	}
	if o.Backlog == 0 {
		o.Backlog = DefaultBacklog
	}
	o.AuthKey = slices.Clone(o.AuthKey)
	return o, nil
}

// Listener waits for others to connect. Its Python counterpart is
// multiprocessing.connection.Listener. Its methods may be called by any
// goroutine; close it when it is no longer needed.
//
// It takes connections and does their handshakes by itself, all at the same time:
// a peer that says nothing holds up nobody.
type Listener struct {
	ln net.Listener
	o  ListenOptions

	slots  chan struct{} // one for each connection that Accept has not returned
	ready  chan arrival  // those for Accept; has room for all
	failed chan arrival  // handshakes that failed
	done   chan struct{} // closed by Close
	wakers wakers
	shut   sync.Once
	all    sync.WaitGroup

	mu      sync.Mutex // guards what follows
	shaking []shaking  // handshakes under way
	last    net.Addr
}

type arrival struct {
	conn *Conn
	from net.Addr
	err  error
}

// Listen makes a Listener. Networks and addresses are those of [Dial]; an empty
// address is one that is free: a port of the local host, or a socket in the
// user's run directory. An address in use, which the file of a Unix socket is
// even if nobody listens there any more, is an error that wraps
// syscall.EADDRINUSE. The file of a Unix socket is removed by Close.
func Listen(network, address string, o ListenOptions) (*Listener, error) {
	o, err := o.withDefaults()
	if err != nil {
		return nil, err
	}
	if err := checkNetwork(network); err != nil {
		return nil, err
	}
	if address == "" {
		if address, err = freeAddress(network); err != nil {
			return nil, err
		}
	}
	ln, err := net.Listen(network, address)
	if err != nil {
		return nil, fmt.Errorf("ipc: %w", err)
	}
	slots := o.Backlog
	if len(o.AuthKey) > 0 {
		slots += maxHandshakes
	}
	l := &Listener{
		ln: ln, o: o, done: make(chan struct{}), slots: make(chan struct{}, slots),
		ready: make(chan arrival, slots), failed: make(chan arrival, maxFailures),
	}
	l.all.Go(l.serve)
	return l, nil
}

func freeAddress(network string) (string, error) {
	if network == "tcp" {
		return "127.0.0.1:0", nil
	}
	dir, err := rundir.Root()
	if err != nil {
		return "", fmt.Errorf("ipc: %w", err)
	}
	// The name is taken as a plain file first, so that nobody else takes it, and
	// given up for the socket: the directory is nobody else's.
	f, err := os.CreateTemp(dir, "listener-")
	if err != nil {
		return "", fmt.Errorf("ipc: %w", err)
	}
	path := filepath.Join(dir, filepath.Base(f.Name()))
	return path, errors.Join(f.Close(), os.Remove(path))
}

// Addr returns the address that was listened on: for the port 0, with the port
// that was found.
func (l *Listener) Addr() net.Addr { return l.ln.Addr() }

// LastAccepted returns the address of who connected last, of those that Accept
// returned; nil before. Its Python counterpart is the attribute last_accepted.
func (l *Listener) LastAccepted() net.Addr {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.last
}

// Accept returns the next connection whose handshake is done. It blocks until
// there is one, ctx ends, or the Listener is closed, which is [ErrClosed].
//
// An error that wraps [ErrAuth] says that somebody connected who has not the key,
// or did not finish the handshake in time. It is about that one alone: call Accept
// again. When nobody calls Accept such errors are forgotten after some.
func (l *Listener) Accept(ctx context.Context) (*Conn, error) {
	a, err := l.next(ctx)
	if err != nil {
		return nil, err
	}
	if a.err != nil {
		return nil, a.err
	}
	<-l.slots
	l.mu.Lock()
	l.last = a.from
	l.mu.Unlock()
	return a.conn, nil
}

func (l *Listener) next(ctx context.Context) (arrival, error) {
	select {
	case <-l.done:
		return arrival{}, fmt.Errorf("%w: the listener", ErrClosed)
	default:
	}
	select {
	case a := <-l.ready: // rather than failures or the end of ctx
		return a, nil
	default:
	}
	select {
	case a := <-l.ready:
		return a, nil
	case a := <-l.failed:
		return a, nil
	case <-l.done:
		return arrival{}, fmt.Errorf("%w: the listener", ErrClosed)
	case <-ctx.Done():
		return arrival{}, ctx.Err()
	}
}

// Readiness is for [Wait].
func (l *Listener) Readiness() Readiness {
	return Readiness{Now: len(l.ready)+len(l.failed) > 0, Done: l.done}
}

func (l *Listener) watchers() *wakers { return &l.wakers }

// Close stops listening, removes the file of a Unix socket, and closes the
// connections that nobody has accepted. Closing again does nothing.
func (l *Listener) Close() error {
	var err error
	l.shut.Do(func() {
		close(l.done)
		err = l.ln.Close()
		l.mu.Lock()
		for _, s := range l.shaking {
			_ = s.conn.Close()
		}
		l.mu.Unlock()
		l.all.Wait()
		for {
			select {
			case a := <-l.ready:
				_ = a.conn.Close()
				continue
			default:
			}
			break
		}
	})
	return err
}
