package manager

import (
	"context"
	"errors"
	"io/fs"
	"net"
	"os"
	"strings"
	"syscall"
	"testing"

	"yunta/ipc"
)

func TestDialRefused(t *testing.T) {
	t.Parallel()
	ctx := testContext(t)
	s := testServer(t, ServerOptions{Network: "tcp"})
	_, err := Dial(ctx, "tcp", s.Addr().String(), DialOptions{AuthKey: []byte("wrong")})
	wantIs(t, err, ipc.ErrAuth)
	if _, err := Dial(ctx, "tcp", s.Addr().String(), DialOptions{}); err == nil {
		t.Error("dialled over TCP without a key")
	}
	check(t, connect(t, s).Ping(ctx)) // nobody else suffers
	_, err = NewServer(ctx, ServerOptions{Network: "tcp", Address: s.Addr().String()})
	wantIs(t, err, syscall.EADDRINUSE)
	if _, err := NewServer(ctx, ServerOptions{Network: "udp"}); !errors.Is(err, errors.ErrUnsupported) {
		t.Errorf("by udp: %v", err)
	}
	over, cancel := context.WithCancel(ctx)
	cancel()
	_, err = Dial(over, "tcp", s.Addr().String(), DialOptions{AuthKey: s.AuthKey()})
	wantIs(t, err, context.Canceled)
}

// Whoever listens there and is no server of this version is told from one.
func TestDialStranger(t *testing.T) {
	t.Parallel()
	for name, hello := range map[string][]byte{
		"another":  []byte("hello"),
		"version":  append([]byte(greeting), WireVersion+1, 1, 'x', 1, '/'),
		"cut off":  []byte(greeting),
		"nonsense": append([]byte(greeting), WireVersion, 200),
		"silent":   nil,
	} {
		key := NewKey()
		ln, err := ipc.Listen("unix", "", ipc.ListenOptions{AuthKey: key})
		check(t, err)
		done := make(chan error)
		go func() {
			conn, err := ln.Accept(context.Background())
			if err == nil && hello != nil {
				err = conn.SendBytes(hello)
			}
			if err == nil {
				err = conn.Close()
			}
			done <- err
		}()
		_, err = Dial(testContext(t), "unix", ln.Addr().String(), DialOptions{AuthKey: key})
		if !errors.Is(err, ErrProtocol) {
			t.Errorf("%s: %v", name, err)
		}
		check(t, <-done, ln.Close())
	}
}

// A client that says what is none is dropped, and nobody else.
func TestBadClient(t *testing.T) {
	t.Parallel()
	ctx := testContext(t)
	s := testServer(t, ServerOptions{Limit: 1 << 20})
	good := connect(t, s)
	for _, frame := range [][]byte{{}, {0}, {0x80}, {1, 0x80}, make([]byte, 2<<20)} {
		bad := connect(t, s)
		if err := bad.conn.SendBytes(frame); err != nil {
			t.Log(err) // it may be dropped before all is sent
		}
		wantIs(t, bad.Ping(ctx), ErrLost)
	}
	check(t, good.Ping(ctx))
	waitClients(t, s, 1)
}

// The key lies where only the user can read it, and goes with the server; it is in no proxy's text.
func TestKeyBesideServer(t *testing.T) {
	t.Parallel()
	ctx := testContext(t)
	s := testServer(t, ServerOptions{AuthKey: []byte("KEYKEYKEY")})
	c := must[*Client](t)(Dial(ctx, s.Addr().Network(), s.Addr().String(), DialOptions{}))
	defer c.Close()
	info, err := os.Stat(s.home.Path() + "/" + keyName)
	if err != nil || info.Mode().Perm() != 0o600 {
		t.Errorf("%v, %v", info.Mode(), err)
	}
	l := must[*Lock](t)(NewLock(ctx, c))
	if strings.Contains(text(t, l), "KEYKEYKEY") {
		t.Error("the key is in the proxy")
	}
	home := s.home.Path()
	check(t, s.Close())
	if _, err := os.Stat(home); !errors.Is(err, fs.ErrNotExist) {
		t.Errorf("left: %v", err)
	}
}

func TestNames(t *testing.T) {
	t.Parallel()
	ctx := testContext(t)
	s := testServer(t, ServerOptions{})
	c, other := connect(t, s), connect(t, s)
	q := must[*Queue[int]](t)(NewQueue[int](ctx, c, QueueOptions{}))
	d := must[*Condition](t)(NewCondition(ctx, c, nil))
	check(t, q.Publish(ctx, "q"), d.Publish(ctx, "d"), q.Put(ctx, 3))
	wantIs(t, d.Publish(ctx, "q"), fs.ErrExist)
	theirs := must[*Queue[int]](t)(Open[Queue[int]](ctx, other, "q"))
	if n, err := theirs.Get(ctx); n != 3 || err != nil {
		t.Errorf("%d, %v", n, err)
	}
	cond := must[*Condition](t)(Open[Condition](ctx, other, "d"))
	check(t, cond.Lock(ctx))
	if ok, err := d.Mutex().TryLock(ctx); ok || err != nil {
		t.Errorf("another lock, %v", err)
	}
	check(t, cond.Unlock(ctx))
	_, err := Open[Lock](ctx, other, "q")
	wantIs(t, err, ErrKind)
	_, err = Open[Lock](ctx, other, "none")
	wantIs(t, err, fs.ErrNotExist)
	check(t, c.Unpublish(ctx, "q"))
	wantIs(t, c.Unpublish(ctx, "q"), fs.ErrNotExist)
	check(t, d.Unlink(ctx))
	_, err = Open[Condition](ctx, other, "d")
	wantIs(t, err, fs.ErrNotExist)
	stats := must[Stats](t)(c.Stats(ctx))
	if stats != (Stats{PID: os.Getpid(), Objects: 2, Clients: 2}) { // the queue, and the condition's lock
		t.Errorf("%+v", stats)
	}
}

// The zero values and closed clients answer, and do not panic.
func TestUnusable(t *testing.T) {
	t.Parallel()
	ctx := testContext(t)
	var none *Client
	_, err := NewLock(ctx, none)
	wantIs(t, err, ErrClosed)
	wantIs(t, none.Ping(ctx), ErrClosed)
	wantIs(t, new(Lock).Lock(ctx), ErrClosed)
	_, err = new(Lock).MarshalText()
	if err == nil {
		t.Error("the proxy of nothing travels")
	}
	_, c := testClient(t)
	l := must[*Lock](t)(NewLock(ctx, c))
	if err := l.UnmarshalText([]byte(text(t, l))); !errors.Is(err, errInUse) {
		t.Errorf("decoded into one in use: %v", err)
	}
	check(t, c.Close(), c.Close())
	wantIs(t, l.Lock(ctx), ErrClosed)
}

// A server takes clients whoever else has gone in the middle of a handshake.
func TestClientGoneInItsHandshake(t *testing.T) {
	t.Parallel()
	s := testServer(t, ServerOptions{})
	for range 100 {
		c, err := net.Dial(s.Addr().Network(), s.Addr().String())
		if err != nil {
			t.Fatal(err)
		}
		if err := c.Close(); err != nil {
			t.Fatal(err)
		}
	}
	check(t, connect(t, s).Ping(testContext(t)))
}
