package ipc

import (
	"errors"
	"fmt"
)

// Pipe returns the two ends of a connection that goes both ways. Its Python
// counterpart is multiprocessing.Pipe(). It is a pair of Unix sockets, so files
// can be sent on it; neither end is inherited by other programs unless it is
// passed on by intent, with [Conn.File].
func Pipe() (a, b *Conn, err error) {
	fa, fb, err := newSocketPair()
	if err != nil {
		return nil, nil, fmt.Errorf("ipc: %w", err)
	}
	return connPair(fa, fb, "socketpair")
}

// SimplexPipe returns the two ends of a connection that goes one way: what is
// sent on w is received from r. Its Python counterpart is Pipe(duplex=False).
func SimplexPipe() (r, w *Conn, err error) {
	fr, fw, err := newPipe()
	if err != nil {
		return nil, nil, fmt.Errorf("ipc: %w", err)
	}
	growPipe(fw, connSocketBuffer)
	return connPair(fr, fw, "pipe")
}

func connPair(fa, fb int, name string) (a, b *Conn, err error) {
	a, err = newConn(fa, name, ConnOptions{})
	if err != nil {
		return nil, nil, errors.Join(err, closeFD(fb))
	}
	b, err = newConn(fb, name, ConnOptions{})
	if err != nil {
		return nil, nil, errors.Join(err, a.Close())
	}
	return a, b, nil
}
