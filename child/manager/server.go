package manager

import (
	"context"
	"crypto/rand"
	"encoding/hex"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"os"
	"path/filepath"
	"sync"
	"time"

	"yunta/ipc"
	"yunta/oslock/rundir"
)

// ServerOptions are the settings of a Server. The zero value is one for processes of this user and machine.
type ServerOptions struct {
	// Network and Address are what is listened on, as in [ipc.Listen]. An empty Network is "unix". Without
	// an Address it is a socket in a folder of the user's alone, or a free port of the local host. Whoever is to connect
	// from another machine needs "tcp" and an address that it can reach.
	Network, Address string
	// AuthKey is what clients must have; an empty one is made up. It also lies in the server's folder in the run
	// directory, where only this user's processes can read it.
	AuthKey []byte
	// HandshakeTimeout and Limit are those of ipc.ListenOptions and ipc.ConnOptions: how long a client may take to
	// prove that it has the key, and how long a request may be, in bytes.
	HandshakeTimeout time.Duration
	Limit            int
	// Logger gets what goes wrong with clients; nil means nothing is logged.
	Logger *slog.Logger
}

// Server keeps objects for its clients, which use them by proxies. Python's counterpart is the server process of a
// BaseManager; this one can run in any process. supervisor.NewManager starts one in a process of its own.
type Server struct {
	o        ServerOptions
	listener *ipc.Listener
	id       string
	home     *rundir.Dir
	objects  objects

	ctx    context.Context // of all requests
	cancel context.CancelCauseFunc
	once   sync.Once
	done   chan struct{}
	err    error // of closing; read after done
	all    sync.WaitGroup

	mu       sync.Mutex // guards what follows
	sessions map[*session]struct{}
	closed   bool
	unhook   func() bool
}

// NewServer starts a server in this process; the end of ctx closes it. Addresses in use are an error that wraps
// syscall.EADDRINUSE.
func NewServer(ctx context.Context, o ServerOptions) (*Server, error) {
	registerErrors()
	if err := context.Cause(ctx); err != nil {
		return nil, err
	}
	if o.Network == "" {
		o.Network = "unix"
	}
	if o.Logger == nil {
		o.Logger = slog.New(slog.DiscardHandler)
	}
	if len(o.AuthKey) == 0 {
		o.AuthKey = NewKey()
	}
	home, err := rundir.Create("manager")
	if err != nil {
		return nil, fmt.Errorf("manager: %w", err)
	}
	s := &Server{o: o, home: home, done: make(chan struct{}), sessions: map[*session]struct{}{}}
	if err := s.listen(); err != nil {
		return nil, errors.Join(fmt.Errorf("manager: %w", err), home.Close())
	}
	var id [8]byte
	_, _ = rand.Read(id[:])
	s.id = hex.EncodeToString(id[:])
	s.ctx, s.cancel = context.WithCancelCause(context.WithoutCancel(ctx))
	s.mu.Lock()
	defer s.mu.Unlock()
	s.all.Go(s.accept) // a client may have it closed from now on, which needs unhook
	s.unhook = context.AfterFunc(ctx, func() { _ = s.Close() })
	return s, nil
}

// NewKey returns a key that nobody can guess.
func NewKey() []byte {
	key := make([]byte, 32)
	_, _ = rand.Read(key) // never fails
	return key
}

func (s *Server) listen() (err error) {
	address := s.o.Address
	if address == "" && s.o.Network == "unix" {
		address = filepath.Join(s.home.Path(), socketName)
	}
	if err := os.WriteFile(filepath.Join(s.home.Path(), keyName), s.o.AuthKey, 0o600); err != nil {
		return err
	}
	s.listener, err = ipc.Listen(s.o.Network, address, ipc.ListenOptions{
		AuthKey: s.o.AuthKey, HandshakeTimeout: s.o.HandshakeTimeout, Conn: ipc.ConnOptions{Limit: s.o.Limit},
	})
	return err
}

// Addr returns the address that is listened on.
func (s *Server) Addr() net.Addr { return s.listener.Addr() }

// AuthKey returns the key that clients must have.
func (s *Server) AuthKey() []byte { return s.o.AuthKey }

// Connect returns a new client of this server.
func (s *Server) Connect(ctx context.Context) (*Client, error) {
	return Dial(ctx, s.Addr().Network(), s.Addr().String(), DialOptions{AuthKey: s.o.AuthKey, Limit: s.o.Limit})
}

// Done is closed when the server has ended.
func (s *Server) Done() <-chan struct{} { return s.done }

// Wait waits until the server has ended: it was closed, or a client asked it to shut down. The end of ctx ends the wait.
func (s *Server) Wait(ctx context.Context) error {
	select {
	case <-s.done:
		return s.err
	case <-ctx.Done():
		return context.Cause(ctx)
	}
}

// Close ends the server: requests that wait are given up, every client's connection is closed, and what the server
// kept is gone: also the shared memory made through it. It returns when all has ended, methods of registered types too.
// Closing again does nothing.
func (s *Server) Close() error {
	s.once.Do(func() {
		s.cancel(ErrLost) // first: by that accept knows
		err := s.listener.Close()
		s.mu.Lock()
		s.closed = true
		unhook := s.unhook
		for n := range s.sessions {
			_ = n.conn.Close()
		}
		s.mu.Unlock()
		unhook()
		s.all.Wait()
		s.err = errors.Join(err, s.objects.clear(), s.home.Close())
		close(s.done)
	})
	<-s.done
	return s.err
}

// accept takes clients until the server is closed.
func (s *Server) accept() {
	for {
		conn, err := s.listener.Accept(s.ctx)
		switch {
		case s.ctx.Err() != nil: // not ErrClosed: that may be a client's, which was gone in its handshake
			if conn != nil {
				_ = conn.Close()
			}
			return
		case err != nil:
			s.o.Logger.Warn("manager: a client was refused", "error", err)
			continue
		}
		n := newSession(s, conn)
		s.mu.Lock()
		if s.closed {
			s.mu.Unlock()
			_ = conn.Close()
			return
		}
		s.sessions[n] = struct{}{}
		s.all.Go(n.serve)
		s.mu.Unlock()
	}
}

func (s *Server) left(n *session) {
	s.mu.Lock()
	defer s.mu.Unlock()
	delete(s.sessions, n)
}

// forget has the sessions forget what they may hold of an object that is gone.
func (s *Server) forget(o object) {
	r, ok := o.(releaser)
	if !ok {
		return
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	for n := range s.sessions {
		n.forget(r)
	}
}

// unmake removes an object that no client knows of.
func (s *Server) unmake(id uint64) {
	if o, err := s.objects.remove(id); err == nil {
		s.all.Go(func() { _ = o.delete() }) // which may run code of the program's own
	}
}

func (s *Server) clients() int {
	s.mu.Lock()
	defer s.mu.Unlock()
	return len(s.sessions)
}
