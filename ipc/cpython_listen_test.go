package ipc

import (
	"context"
	"errors"
	"io"
	"net"
	"os"
	"os/exec"
	"os/signal"
	"strings"
	"syscall"
	"testing"
	"time"
)

// The helper connects, or listens, and says something. Each part uses Dial and
// Listen as any program would.
var _ = addHelper("dialer", func(args []string) {
	part, network, address, text := args[0], args[1], args[2], args[3]
	ctx := context.Background()
	err := func() error {
		switch part {
		case "hello":
			c, err := Dial(ctx, network, address, DialOptions{})
			if err != nil {
				return err
			}
			return errors.Join(c.Send(text), c.Close())
		case "plain": // a socket that knows nothing of messages
			c, err := net.Dial(network, address)
			if err != nil {
				return err
			}
			for line := range strings.SplitSeq(text, ",") {
				if len(args) > 4 {
					time.Sleep(time.Duration(len(line)*7919%20) * time.Millisecond)
				}
				if _, err := io.WriteString(c, line+"\n"); err != nil {
					return err
				}
			}
			return c.Close()
		}
		return errors.New("no such part")
	}()
	if err != nil {
		panic(err)
	}
})

var _ = addHelper("listening", func(args []string) {
	conn, err := ConnOf(os.NewFile(3, "conn"), ConnOptions{})
	if err != nil {
		panic(err)
	}
	err = func() error {
		if args[0] == "signals" {
			signal.Notify(make(chan os.Signal, 1), syscall.SIGUSR1)
		}
		for _, network := range args[1:] {
			l, err := Listen(network, "", ListenOptions{})
			if err != nil {
				return err
			}
			if err := conn.Send(l.Addr().String()); err != nil {
				return err
			}
			c, err := l.Accept(context.Background())
			if err != nil {
				return err
			}
			if args[0] == "signals" {
				err = c.Send("welcome")
			} else {
				err = sendConn(conn, c)
			}
			if err := errors.Join(err, c.Close(), l.Close()); err != nil {
				return err
			}
		}
		if args[0] == "signals" {
			return nil
		}
		// What is no connection of ours but a plain socket.
		l, err := net.Listen("tcp", "127.0.0.1:0")
		if err != nil {
			return err
		}
		if err := conn.Send(l.Addr().String()); err != nil {
			return err
		}
		c, err := l.Accept()
		if err != nil {
			return err
		}
		f, err := c.(*net.TCPConn).File()
		if err != nil {
			return err
		}
		return errors.Join(conn.SendFile(f), f.Close(), c.Close(), l.Close())
	}()
	if err != nil {
		panic(err)
	}
})

func startDialer(t *testing.T, args ...string) (join func()) {
	t.Helper()
	cmd := helper(t, "dialer", args...)
	must(t, cmd.Start())
	return func() {
		t.Helper()
		if err := cmd.Wait(); err != nil {
			t.Error(err)
		}
	}
}

func startListening(t *testing.T, args ...string) (conn *Conn, cmd *exec.Cmd) {
	t.Helper()
	conn, child := testConns(t)
	f, err := child.File()
	must(t, err)
	cmd = helper(t, "listening", args...)
	cmd.ExtraFiles = []*os.File{f}
	must(t, cmd.Start(), f.Close(), child.Close())
	return conn, cmd
}

func TestCPython__TestListener_test_multiple_bind(t *testing.T) {
	t.Parallel()
	eachNetwork(t, func(t *testing.T, network string) {
		l := testListener(t, network, ListenOptions{})
		if again, err := Listen(network, l.Addr().String(), ListenOptions{}); !errors.Is(err, syscall.EADDRINUSE) {
			t.Errorf("a second listener: %v, %v", again, err)
		}
	})
}

func listenAndSay(t *testing.T, network, address string) {
	t.Helper()
	l, err := Listen(network, address, ListenOptions{})
	must(t, err)
	func() {
		defer l.Close()
		c, err := Dial(t.Context(), network, l.Addr().String(), DialOptions{})
		must(t, err)
		defer c.Close()
		d, err := l.Accept(t.Context())
		must(t, err)
		defer d.Close()
		must(t, c.Send(1729))
		if got, err := Recv[int](d); got != 1729 || err != nil {
			t.Errorf("%d, %v", got, err)
		}
	}()
	if c, err := l.Accept(t.Context()); !errors.Is(err, ErrClosed) {
		t.Errorf("Accept after Close: %v, %v", c, err)
	}
}

func TestCPython__TestListener_test_context(t *testing.T) {
	t.Parallel()
	eachNetwork(t, func(t *testing.T, network string) { listenAndSay(t, network, "") })
}

func TestCPython__TestListenerClient_test_listener_client(t *testing.T) {
	t.Parallel()
	eachNetwork(t, func(t *testing.T, network string) {
		l := testListener(t, network, ListenOptions{})
		join := startDialer(t, "hello", network, l.Addr().String(), "hello")
		conn, err := l.Accept(t.Context())
		must(t, err)
		defer conn.Close()
		if got, err := Recv[string](conn); got != "hello" || err != nil {
			t.Errorf("%q, %v", got, err)
		}
		join()
	})
}

func TestCPython__TestListenerClient_test_issue14725(t *testing.T) {
	t.Parallel()
	eachNetwork(t, func(t *testing.T, network string) {
		l := testListener(t, network, ListenOptions{})
		startDialer(t, "hello", network, l.Addr().String(), "hello")() // it is gone
		conn, err := l.Accept(t.Context())
		must(t, err)
		defer conn.Close()
		if got, err := Recv[string](conn); got != "hello" || err != nil {
			t.Errorf("%q, %v", got, err)
		}
	})
}

func TestCPython__TestListenerClient_test_issue16955(t *testing.T) {
	t.Parallel()
	eachNetwork(t, func(t *testing.T, network string) {
		l := testListener(t, network, ListenOptions{})
		c, err := Dial(t.Context(), network, l.Addr().String(), DialOptions{})
		must(t, err)
		defer c.Close()
		a, err := l.Accept(t.Context())
		must(t, err)
		defer a.Close()
		must(t, a.SendBytes([]byte("hello")))
		wantPoll(t, c, time.Minute, true)
	})
}

func TestCPython__TestPicklingConnections_test_pickling(t *testing.T) {
	t.Parallel()
	networks := []string{"unix", "tcp"}
	lconn, cmd := startListening(t, append([]string{"hand on"}, networks...)...)
	for _, network := range networks {
		address, err := Recv[string](lconn)
		must(t, err)
		join := startDialer(t, "hello", network, address, "THIS IS "+network)
		conn, err := recvConn(lconn)
		must(t, err)
		if got, err := Recv[string](conn); got != "THIS IS "+network || err != nil {
			t.Errorf("%q, %v", got, err)
		}
		conn.Close()
		join()
	}
	address, err := Recv[string](lconn)
	must(t, err)
	join := startDialer(t, "plain", "tcp", address, "a,normal,socket")
	f, err := lconn.RecvFile()
	must(t, err)
	defer f.Close()
	sock, err := net.FileConn(f)
	must(t, err)
	defer sock.Close()
	if got, err := io.ReadAll(sock); string(got) != "a\nnormal\nsocket\n" || err != nil {
		t.Errorf("%q, %v", got, err)
	}
	join()
	must(t, cmd.Wait())
}

// The pipes of Windows are a network that is not there.
func TestCPython_TestInvalidFamily_test_invalid_family(t *testing.T) {
	t.Parallel()
	if l, err := Listen("pipe", `\\.\test`, ListenOptions{}); !errors.Is(err, errors.ErrUnsupported) {
		t.Errorf("%v, %v", l, err)
	}
}

func TestCPython_OtherTest_test_deliver_challenge_auth_failure(t *testing.T) {
	t.Parallel()
	a, b := testConns(t)
	must(t, b.SendBytes([]byte("something bogus")))
	if err := shake(a, []byte("abc"), "sha256", true, ConnOptions{}); !errors.Is(err, ErrAuth) {
		t.Errorf("%v, want ErrAuth", err)
	}
	if got, err := b.RecvBytes(); !strings.HasPrefix(string(got), "#CHALLENGE#") || err != nil {
		t.Errorf("%q, %v", got, err)
	}
	wantBytes(t, b, "#FAILURE#")
}

// The challenge is a whole one here, so that it is the bogus welcome that fails.
func TestCPython_OtherTest_test_answer_challenge_auth_failure(t *testing.T) {
	t.Parallel()
	for _, challenge := range []string{"#CHALLENGE#", "#CHALLENGE#01234567890123456789"} {
		a, b := testConns(t)
		must(t, b.SendBytes([]byte(challenge)), b.SendBytes([]byte("something bogus")))
		if err := shake(a, []byte("abc"), "sha256", false, ConnOptions{}); !errors.Is(err, ErrAuth) {
			t.Errorf("%q: %v, want ErrAuth", challenge, err)
		}
	}
}

func TestCPython_TestIgnoreEINTR_test_ignore_listener(t *testing.T) {
	t.Parallel()
	conn, cmd := startListening(t, "signals", "unix")
	address, err := Recv[string](conn)
	must(t, err)
	for range 10 {
		time.Sleep(5 * time.Millisecond)
		must(t, cmd.Process.Signal(syscall.SIGUSR1))
	}
	client, err := Dial(t.Context(), "unix", address, DialOptions{})
	must(t, err)
	defer client.Close()
	if got, err := Recv[string](client); got != "welcome" || err != nil {
		t.Errorf("%q, %v", got, err)
	}
	must(t, cmd.Wait())
}
