package supervisor

import (
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net"
	"time"

	"yunta/child"
	"yunta/child/manager"
)

// ManagerOptions are the settings of a Manager. The zero value is the recommended setting: a process of its own, for
// processes of this user and machine.
type ManagerOptions struct {
	// Network, Address, AuthKey, HandshakeTimeout and Limit are those of manager.ServerOptions.
	Network, Address string
	AuthKey          []byte
	HandshakeTimeout time.Duration
	Limit            int
	// Model says where the server runs: Processes, which is the default, or Goroutines, in this process. There it is
	// not safe from what this process does, and a call takes as long: it goes through a socket, too.
	Model Model
	// Initializer runs on the server before it takes clients. If it fails, so does NewManager. Python: the initializer
	// of BaseManager.start.
	Initializer child.Call
	// Name, Env, Stdout, Stderr, Grace and Logger are those of [ProcessOptions], for a server process.
	Name   string
	Env    []string
	Stdout io.Writer
	Stderr io.Writer
	Grace  time.Duration
	Logger *slog.Logger
}

// Manager is a server of package child/manager that this process has started: Python's multiprocessing.Manager, and with
// [manager.NewSharedMemory] its SharedMemoryManager. It ends when it is shut down, by Shutdown or by any client, and
// with this process, however that ends. Ctrl-C does not end it.
//
// The zero Manager was not started: what it has to return is nil, and its methods return [ErrNotStarted]. All methods
// may be called from any goroutine.
type Manager struct {
	process *Process        // one of these
	server  *manager.Server // two is there
	client  *manager.Client
	addr    address
	key     []byte
	grace   time.Duration
}

// NewManager starts a server and returns when it takes clients, of which the Manager's own is the first. The end of ctx
// stops the server. An address in use is an error that wraps syscall.EADDRINUSE. Python: multiprocessing.Manager().
func NewManager(ctx context.Context, o ManagerOptions) (*Manager, error) {
	if o.Model != Processes && o.Model != Goroutines {
		return nil, fmt.Errorf("supervisor: Model is %d, must be Processes or Goroutines", int(o.Model))
	}
	if o.Grace < 0 {
		return nil, fmt.Errorf("supervisor: Grace is %v, must not be negative", o.Grace)
	}
	m := &Manager{grace: o.Grace}
	if m.grace == 0 {
		m.grace = defaultGrace
	}
	start := m.startProcess
	if o.Model == Goroutines {
		start = m.startServer
	}
	if err := start(ctx, o); err != nil {
		return nil, fmt.Errorf("supervisor: manager: %w", err)
	}
	var err error
	m.client, err = manager.Dial(ctx, m.addr.network, m.addr.text, manager.DialOptions{AuthKey: m.key, Limit: o.Limit})
	if err != nil {
		return nil, errors.Join(fmt.Errorf("supervisor: manager: %w", err), m.end(ctx))
	}
	return m, nil
}

// Client returns the client to make objects with. It is closed by Shutdown.
func (m *Manager) Client() *manager.Client { return m.client }

// Addr returns the server's address, for [manager.Dial] elsewhere.
func (m *Manager) Addr() net.Addr { return m.addr }

// AuthKey returns the key that clients must have.
func (m *Manager) AuthKey() []byte { return m.key }

// Process returns the server process, nil if the server runs in this one.
func (m *Manager) Process() *Process { return m.process }

// Done is closed when the server has ended; it is nil if it was not started.
func (m *Manager) Done() <-chan struct{} {
	switch {
	case m.process != nil:
		return m.process.Done()
	case m.server != nil:
		return m.server.Done()
	}
	return nil
}

// Wait waits until the server has ended, and returns how, nil if it was shut down. The end of ctx ends the wait.
func (m *Manager) Wait(ctx context.Context) error {
	switch {
	case m.process != nil:
		return m.process.Wait(ctx)
	case m.server != nil:
		return m.server.Wait(ctx)
	}
	return ErrNotStarted
}

// Shutdown ends the server and waits until it has ended: everything that it kept is gone then. A server process that
// does not end within the grace is stopped, and at the end of ctx killed. Shutting down again returns how it ended.
// Python: BaseManager.shutdown.
func (m *Manager) Shutdown(ctx context.Context) error {
	if m.Done() == nil {
		return ErrNotStarted
	}
	asked, cancel := context.WithTimeout(ctx, m.grace)
	defer cancel()
	answered := make(chan struct{})
	go func() {
		defer close(answered)
		if m.client.Shutdown(context.Background()) != nil {
			cancel() // it has ended, or never will by itself
		}
	}()
	select {
	case <-m.Done():
	case <-asked.Done():
	}
	err := errors.Join(m.end(ctx), m.client.Close())
	<-answered // at the latest when the client is closed
	return err
}

// Close is Shutdown without a context, for defer.
func (m *Manager) Close() error { return m.Shutdown(context.Background()) }

// end stops what has not ended.
func (m *Manager) end(ctx context.Context) error {
	if m.process == nil {
		return m.server.Close()
	}
	if err := m.process.Stop(ctx); err != nil {
		return err
	}
	return m.process.Err()
}

// address is where a server listens.
type address struct{ network, text string }

func (a address) Network() string { return a.network }
func (a address) String() string  { return a.text }
