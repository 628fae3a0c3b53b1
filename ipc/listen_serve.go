package ipc

import (
	"errors"
	"fmt"
	"net"
	"slices"
	"time"
)

// serve takes connections until the listener is closed.
func (l *Listener) serve() {
	const first, last = 5 * time.Millisecond, time.Second
	pause := first
	for {
		select {
		case l.slots <- struct{}{}:
		default:
			l.hurry()
			select {
			case l.slots <- struct{}{}:
			case <-l.done:
				return
			}
		}
		nc, err := l.ln.Accept()
		if errors.Is(err, net.ErrClosed) {
			return
		}
		if err != nil {
			// Such as too many open files, or a peer that was gone at once: the
			// next may go well, and until then this is no busy loop.
			l.fail(fmt.Errorf("ipc: %w", err))
			select {
			case <-time.After(pause):
			case <-l.done:
				return
			}
			pause = min(2*pause, last)
			continue
		}
		pause = first
		from := nc.RemoteAddr()
		c, err := connOfNet(nc, l.o.Conn)
		if err != nil {
			l.fail(err)
			continue
		}
		if len(l.o.AuthKey) == 0 {
			l.deliver(c, from)
			continue
		}
		if !l.begin(c) {
			_ = c.Close()
			return
		}
		l.all.Go(func() { l.shake(c, from) })
	}
}

// shaking is a connection in its handshake.
type shaking struct {
	conn  *Conn
	since time.Time
}

// begin enters c among those in their handshake. It reports false when the
// listener is closed.
func (l *Listener) begin(c *Conn) bool {
	l.mu.Lock()
	defer l.mu.Unlock()
	select {
	case <-l.done:
		return false
	default:
	}
	s := shaking{c, time.Now()}
	l.shaking = append(l.shaking, s)
	_ = c.SetDeadline(s.since.Add(l.o.HandshakeTimeout)) // of an open connection it does not fail
	return true
}

// hurry leaves those in their handshake less time: others wait for their slots.
func (l *Listener) hurry() {
	l.mu.Lock()
	defer l.mu.Unlock()
	for _, s := range l.shaking {
		_ = s.conn.SetDeadline(s.since.Add(min(l.o.HandshakeTimeout, crowdedTimeout))) // it is closed, if that fails
	}
}

func (l *Listener) shake(c *Conn, from net.Addr) {
	err := shake(c, l.o.AuthKey, l.o.Digest, true, l.o.Conn)
	l.mu.Lock()
	l.shaking = slices.DeleteFunc(l.shaking, func(s shaking) bool { return s.conn == c })
	l.mu.Unlock()
	if err == nil {
		err = c.SetDeadline(time.Time{}) // now that hurry does not know of it
	}
	if err != nil {
		_ = c.Close()
		if errors.Is(err, ErrClosed) { // which Accept returns when the listener is closed
			err = fmt.Errorf("%w: the peer has gone", ErrAuth)
		}
		l.fail(err)
		return
	}
	l.deliver(c, from)
}

func (l *Listener) deliver(c *Conn, from net.Addr) {
	l.ready <- arrival{conn: c, from: from} // Close empties it
	l.wakers.wake()
}

// fail gives back the slot, and keeps the error for Accept, unless there are many.
func (l *Listener) fail(err error) {
	<-l.slots
	select {
	case <-l.done:
	case l.failed <- arrival{err: err}:
		l.wakers.wake()
	default:
	}
}
