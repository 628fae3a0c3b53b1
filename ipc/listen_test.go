package ipc

import (
	"context"
	"errors"
	"net"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"
)

func testListener(t testing.TB, network string, o ListenOptions) *Listener {
	t.Helper()
	l, err := Listen(network, "", o)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { l.Close() })
	return l
}

// eachNetwork runs f for both.
func eachNetwork(t *testing.T, f func(t *testing.T, network string)) {
	t.Helper()
	for _, network := range []string{"unix", "tcp"} {
		t.Run(network, func(t *testing.T) {
			t.Parallel()
			f(t, network)
		})
	}
}

func TestListen(t *testing.T) {
	t.Parallel()
	eachNetwork(t, func(t *testing.T, network string) {
		for _, key := range []string{"", "secret"} {
			l := testListener(t, network, ListenOptions{AuthKey: []byte(key)})
			if l.LastAccepted() != nil {
				t.Errorf("LastAccepted before the first: %v", l.LastAccepted())
			}
			c, err := Dial(t.Context(), network, l.Addr().String(), DialOptions{AuthKey: []byte(key)})
			if err != nil {
				t.Fatal(err)
			}
			s, err := l.Accept(t.Context())
			if err != nil {
				t.Fatal(err)
			}
			if l.LastAccepted() == nil {
				t.Error("LastAccepted is nil")
			}
			if err := errors.Join(c.Send("to"), s.Send("fro")); err != nil {
				t.Fatal(err)
			}
			to, terr := Recv[string](s)
			fro, ferr := Recv[string](c)
			if to != "to" || fro != "fro" || errors.Join(terr, ferr) != nil {
				t.Errorf("%q, %q, %v, %v", to, fro, terr, ferr)
			}
			c.Close()
			s.Close()
			path := l.Addr().String()
			if err := errors.Join(l.Close(), l.Close()); err != nil {
				t.Error(err)
			}
			if _, err := os.Lstat(path); network == "unix" && !errors.Is(err, os.ErrNotExist) {
				t.Errorf("the socket's file is left: %v", err)
			}
			if c, err := l.Accept(t.Context()); !errors.Is(err, ErrClosed) {
				t.Errorf("Accept after Close: %v, %v", c, err)
			}
		}
	})
}

func TestListenKeys(t *testing.T) {
	t.Parallel()
	eachNetwork(t, func(t *testing.T, network string) {
		l := testListener(t, network, ListenOptions{AuthKey: []byte("secret"), HandshakeTimeout: time.Minute})
		if c, err := Dial(t.Context(), network, l.Addr().String(), DialOptions{AuthKey: []byte("wrong")}); !errors.Is(err, ErrAuth) {
			t.Errorf("Dial with a wrong key: %v, %v", c, err)
		}
		if c, err := l.Accept(t.Context()); !errors.Is(err, ErrAuth) {
			t.Errorf("Accept of a wrong key: %v, %v", c, err)
		}
		// Without a key there is no handshake; what is said instead is no answer.
		c, err := Dial(t.Context(), network, l.Addr().String(), DialOptions{})
		if err != nil {
			t.Fatal(err)
		}
		if got, err := c.RecvBytes(); !strings.HasPrefix(string(got), "#CHALLENGE#{sha256}") || err != nil {
			t.Errorf("%q, %v; want a challenge", got, err)
		}
		if err := c.Send("hello"); err != nil {
			t.Fatal(err)
		}
		if c, err := l.Accept(t.Context()); !errors.Is(err, ErrAuth) {
			t.Errorf("Accept of no key: %v, %v", c, err)
		}
		c.Close()

		open := testListener(t, network, ListenOptions{})
		start := time.Now()
		if c, err := Dial(t.Context(), network, open.Addr().String(), DialOptions{AuthKey: []byte("x"), HandshakeTimeout: 20 * time.Millisecond}); !errors.Is(err, ErrAuth) || time.Since(start) < 20*time.Millisecond {
			t.Errorf("Dial with a key to a listener that has none: %v, %v", c, err)
		}
	})
}

// Peers that connect and say nothing hold up nobody, however many they are.
func TestListenStalled(t *testing.T) {
	t.Parallel()
	eachNetwork(t, func(t *testing.T, network string) {
		l := testListener(t, network, ListenOptions{AuthKey: []byte("secret"), HandshakeTimeout: time.Hour, Backlog: 1})
		for i := range 2*maxHandshakes + 3 {
			stalled, err := net.Dial(network, l.Addr().String())
			if errors.Is(err, syscall.EAGAIN) { // the kernel's queue is full
				time.Sleep(time.Millisecond)
				continue
			}
			if err != nil {
				t.Fatal(i, err)
			}
			defer stalled.Close()
		}
		c, err := Dial(t.Context(), network, l.Addr().String(), DialOptions{AuthKey: []byte("secret")})
		if err != nil {
			t.Fatal(err)
		}
		defer c.Close()
		for {
			s, err := l.Accept(t.Context())
			if errors.Is(err, ErrAuth) {
				continue // one that was sent away
			}
			if err != nil {
				t.Fatal(err)
			}
			s.Close()
			break
		}
	})
}

func TestListenTimeout(t *testing.T) {
	t.Parallel()
	l := testListener(t, "tcp", ListenOptions{AuthKey: []byte("secret"), HandshakeTimeout: 10 * time.Millisecond})
	stalled, err := net.Dial("tcp", l.Addr().String())
	if err != nil {
		t.Fatal(err)
	}
	defer stalled.Close()
	if c, err := l.Accept(t.Context()); !errors.Is(err, ErrAuth) || !errors.Is(err, os.ErrDeadlineExceeded) {
		t.Errorf("%v, %v", c, err)
	}
}

func TestListenContext(t *testing.T) {
	t.Parallel()
	l := testListener(t, "unix", ListenOptions{})
	ctx, cancel := context.WithTimeout(t.Context(), 10*time.Millisecond)
	defer cancel()
	if c, err := l.Accept(ctx); !errors.Is(err, context.DeadlineExceeded) {
		t.Errorf("Accept with nobody there: %v, %v", c, err)
	}
	ctx2, cancel2 := context.WithTimeout(t.Context(), 10*time.Millisecond)
	defer cancel2()
	if c, err := Dial(ctx2, "unix", l.Addr().String(), DialOptions{AuthKey: []byte("x")}); !errors.Is(err, context.DeadlineExceeded) || errors.Is(err, ErrAuth) {
		t.Errorf("Dial to who says nothing: %v, %v", c, err)
	}
	got := make(chan error, 1)
	go func() {
		for {
			c, err := l.Accept(t.Context())
			if err != nil {
				got <- err
				return
			}
			c.Close()
		}
	}()
	select {
	case err := <-got:
		t.Fatal(err)
	case <-time.After(10 * time.Millisecond):
	}
	l.Close()
	if err := <-got; !errors.Is(err, ErrClosed) {
		t.Errorf("Accept ended by Close: %v", err)
	}
}

// More connect than are kept: they wait, and none is lost.
func TestListenBacklog(t *testing.T) {
	t.Parallel()
	eachNetwork(t, func(t *testing.T, network string) {
		for _, key := range []string{"", "secret"} {
			l := testListener(t, network, ListenOptions{AuthKey: []byte(key), Backlog: 2})
			const n = 100
			var all sync.WaitGroup
			for i := range n {
				all.Go(func() {
					c, err := Dial(t.Context(), network, l.Addr().String(), DialOptions{AuthKey: []byte(key)})
					if err != nil {
						t.Error(err)
						return
					}
					defer c.Close()
					if err := c.Send(i); err != nil {
						t.Error(err)
					}
					if got, err := Recv[int](c); got != i || err != nil {
						t.Errorf("%d, %v; want %d", got, err, i)
					}
				})
			}
			for range n {
				ready, err := Wait(t.Context(), l)
				if err != nil || len(ready) != 1 {
					t.Fatal(ready, err)
				}
				s, err := l.Accept(now())
				if err != nil {
					t.Fatal(err)
				}
				all.Go(func() {
					defer s.Close()
					got, err := Recv[int](s)
					if err := errors.Join(err, s.Send(got)); err != nil {
						t.Error(err)
					}
				})
			}
			all.Wait()
			l.Close()
		}
	})
}

// What nobody accepted is closed with the listener.
func TestListenCloseUnaccepted(t *testing.T) {
	t.Parallel()
	l := testListener(t, "unix", ListenOptions{AuthKey: []byte("secret")})
	c, err := Dial(t.Context(), "unix", l.Addr().String(), DialOptions{AuthKey: []byte("secret")})
	if err != nil {
		t.Fatal(err)
	}
	defer c.Close()
	stalled, err := net.Dial("unix", l.Addr().String())
	if err != nil {
		t.Fatal(err)
	}
	defer stalled.Close()
	l.Close()
	if _, err := c.RecvBytes(); err == nil {
		t.Error("a connection outlives the listener that nobody accepted it from")
	}
}

func TestListenErrors(t *testing.T) {
	t.Parallel()
	for name, tt := range map[string]struct {
		network, address string
		o                ListenOptions
		want             string
	}{
		"network":  {"udp", "127.0.0.1:0", ListenOptions{}, "udp"},
		"backlog":  {"tcp", "", ListenOptions{Backlog: -1}, "Backlog is -1"},
		"digest":   {"tcp", "", ListenOptions{Digest: "sha1"}, `Digest "sha1"`},
		"timeout":  {"tcp", "", ListenOptions{HandshakeTimeout: -1}, "HandshakeTimeout"},
		"limit":    {"tcp", "", ListenOptions{Conn: ConnOptions{Limit: -1}}, "Limit"},
		"no place": {"unix", filepath.Join(t.TempDir(), "no", "place"), ListenOptions{}, "no such file"},
	} {
		if l, err := Listen(tt.network, tt.address, tt.o); err == nil || !strings.Contains(err.Error(), tt.want) {
			t.Errorf("%s: %v, %v", name, l, err)
		}
	}
	if _, err := Listen("udp", "", ListenOptions{}); !errors.Is(err, errors.ErrUnsupported) {
		t.Errorf("another network: %v", err)
	}
	if _, err := Dial(t.Context(), "udp", "127.0.0.1:1", DialOptions{}); !errors.Is(err, errors.ErrUnsupported) {
		t.Errorf("another network: %v", err)
	}
	if _, err := Dial(t.Context(), "unix", filepath.Join(t.TempDir(), "nobody"), DialOptions{}); !errors.Is(err, os.ErrNotExist) {
		t.Errorf("Dial where nobody is: %v", err)
	}
}

// The file of a listener that was killed is in the way, as in Python.
func TestListenStaleFile(t *testing.T) {
	t.Parallel()
	path := filepath.Join(t.TempDir(), "socket")
	ln, err := net.ListenUnix("unix", &net.UnixAddr{Name: path, Net: "unix"})
	if err != nil {
		t.Fatal(err)
	}
	ln.SetUnlinkOnClose(false)
	ln.Close()
	if _, err := Listen("unix", path, ListenOptions{}); !errors.Is(err, syscall.EADDRINUSE) {
		t.Errorf("Listen where a stale file is: %v", err)
	}
	if _, err := Dial(t.Context(), "unix", path, DialOptions{}); !errors.Is(err, syscall.ECONNREFUSED) {
		t.Errorf("Dial to a stale file: %v", err)
	}
	if _, err := os.Lstat(path); err != nil {
		t.Errorf("a file that is not ours was touched: %v", err)
	}
}

// Who goes in mid-handshake is not taken for the end of the listener.
func TestListenPeerGone(t *testing.T) {
	t.Parallel()
	l, err := Listen("unix", "", ListenOptions{AuthKey: []byte("key")})
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	ctx, cancel := context.WithTimeout(context.Background(), time.Minute)
	defer cancel()
	for range 50 {
		c, err := net.Dial("unix", l.Addr().String())
		if err != nil {
			t.Fatal(err)
		}
		c.Close()
		if _, err := l.Accept(ctx); err == nil || errors.Is(err, ErrClosed) || ctx.Err() != nil {
			t.Fatalf("somebody has gone: %v", err)
		}
	}
}
