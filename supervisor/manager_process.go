package supervisor

import (
	"context"
	"errors"
	"fmt"
	"time"

	"yunta/child"
	"yunta/child/manager"
	"yunta/child/wire"
	"yunta/ipc"
)

// managerServer is the entry of a server process.
var managerServer = child.Register("yunta.manager", serveManager)

// managerArgument is its argument.
type managerArgument struct {
	Network, Address string
	AuthKey          []byte
	HandshakeTimeout time.Duration
	Limit            int
	Initializer      *wire.Invocation
	Ready            *ipc.Conn // on which it says where it listens
}

// managerReady is what a server process says once it takes clients, or why it does not.
type managerReady struct {
	Network, Address string
	Failed           []byte // an error, as child.EncodeError makes it
}

// serveManager is the life of a server process.
func serveManager(ctx context.Context, a managerArgument) (int, error) {
	defer a.Ready.Close()
	fail := func(err error) (int, error) {
		return 0, errors.Join(err, a.Ready.Send(managerReady{Failed: child.EncodeError(err)}))
	}
	if a.Initializer != nil {
		if err := child.Invoke(ctx, a.Initializer); err != nil {
			return fail(fmt.Errorf("the initializer: %w", err))
		}
	}
	s, err := manager.NewServer(ctx, manager.ServerOptions{
		Network: a.Network, Address: a.Address, AuthKey: a.AuthKey,
		HandshakeTimeout: a.HandshakeTimeout, Limit: a.Limit, Logger: child.Logger(),
	})
	if err != nil {
		return fail(err)
	}
	defer s.Close()
	if err := a.Ready.Send(managerReady{Network: s.Addr().Network(), Address: s.Addr().String()}); err != nil {
		return 0, err
	}
	_ = a.Ready.Close()
	// The end of ctx closes it.
	return 0, s.Wait(context.Background())
}

// startProcess starts a server process, and waits until it takes clients.
func (m *Manager) startProcess(ctx context.Context, o ManagerOptions) error {
	init, err := o.Initializer.Invocation()
	if err != nil {
		return err
	}
	m.key = o.AuthKey
	if len(m.key) == 0 {
		m.key = manager.NewKey()
	}
	ready, there, err := ipc.SimplexPipe()
	if err != nil {
		return err
	}
	defer ready.Close()
	m.process = NewProcess(managerServer, managerArgument{
		Network: o.Network, Address: o.Address, AuthKey: m.key,
		HandshakeTimeout: o.HandshakeTimeout, Limit: o.Limit, Initializer: init, Ready: there,
	}, ProcessOptions{
		Name: o.Name, Env: o.Env, Stdout: o.Stdout, Stderr: o.Stderr, Grace: o.Grace, Logger: o.Logger,
	})
	err = m.process.Start(ctx)
	_ = there.Close() // the process has its own
	if err != nil {
		return err
	}
	stop := context.AfterFunc(ctx, func() { _ = ready.Close() })
	defer stop()
	said, err := ipc.Recv[managerReady](ready)
	if err == nil && said.Failed == nil {
		m.addr = address{said.Network, said.Address}
		return nil
	}
	ended := m.end(ctx)
	switch {
	case ctx.Err() != nil:
		return context.Cause(ctx)
	case err == nil:
		if err, ended = child.DecodeRecordedError(said.Failed); ended != nil {
			return ended
		}
		return err
	case ended != nil:
		return ended
	}
	return err
}

// startServer starts a server in this process.
func (m *Manager) startServer(ctx context.Context, o ManagerOptions) error {
	if err := o.Initializer.Run(ctx); err != nil {
		return fmt.Errorf("the initializer: %w", err)
	}
	s, err := manager.NewServer(ctx, manager.ServerOptions{
		Network: o.Network, Address: o.Address, AuthKey: o.AuthKey,
		HandshakeTimeout: o.HandshakeTimeout, Limit: o.Limit, Logger: o.Logger,
	})
	if err != nil {
		return err
	}
	m.server, m.key = s, s.AuthKey()
	m.addr = address{s.Addr().Network(), s.Addr().String()}
	return nil
}
