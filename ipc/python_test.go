package ipc

import (
	"bufio"
	"bytes"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"reflect"
	"slices"
	"strings"
	"sync"
	"testing"
)

// python is an interpreter, with a form of the handshake.
type python struct {
	name, path string
	modern     string // the digest with which it is to play a modern Python; empty: as it is
}

// pythons are interpreters of this machine: python3 as found, the system's, the
// oldest and the newest of pyenv. YUNTA_TEST_PYTHON names others, with colons
// between them.
var pythons = sync.OnceValue(func() []python {
	candidates := filepath.SplitList(os.Getenv("YUNTA_TEST_PYTHON"))
	if len(candidates) == 0 {
		candidates = []string{"python3", "/usr/bin/python3"}
		if home, err := os.UserHomeDir(); err == nil {
			for _, pattern := range []string{"3.[6-9].*", "3.[1-9][0-9].*"} {
				more, _ := filepath.Glob(filepath.Join(home, ".pyenv/versions", pattern, "bin/python3"))
				slices.Sort(more)
				switch {
				case len(more) == 0:
				case pattern == "3.[6-9].*":
					candidates = append(candidates, more[0])
				default:
					candidates = append(candidates, more[len(more)-1])
				}
			}
		}
	}
	var found []python
	seen := map[string]bool{}
	modern := false // one of them is 3.12 or later
	for _, c := range candidates {
		out, err := exec.Command(c, "-c", "import sys; print('%d.%d' % sys.version_info[:2], sys.version_info >= (3, 12), sys.executable)").Output()
		fields := strings.Fields(string(out))
		if err != nil || len(fields) != 3 || seen[fields[0]] {
			continue
		}
		seen[fields[0]] = true
		modern = modern || fields[1] == "True"
		found = append(found, python{name: fields[0], path: fields[2]})
	}
	if len(found) > 0 {
		found = append(found, python{name: "modern sha3_384", path: found[0].path, modern: "sha3_384"})
		if !modern {
			found = append(found, python{name: "modern sha256", path: found[0].path, modern: "sha256"})
		}
	}
	return found
})

func (p python) command(args ...string) *exec.Cmd {
	cmd := exec.Command(p.path, append([]string{"testdata/conn_peer.py"}, args...)...)
	if p.modern != "" {
		cmd.Env = append(os.Environ(), "YUNTA_MODERN="+p.modern)
	}
	cmd.Stderr = os.Stderr
	return cmd
}

// start starts a peer. What it prints comes line by line; at the end of the
// test it is gone.
func (p python) start(t *testing.T, args ...string) *bufio.Reader {
	t.Helper()
	cmd := p.command(args...)
	out, err := cmd.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		cmd.Process.Kill()
		cmd.Wait()
	})
	return bufio.NewReader(out)
}

func wantLine(t *testing.T, r *bufio.Reader, want ...string) string {
	t.Helper()
	line, err := r.ReadString('\n')
	line = strings.TrimSpace(line)
	if err != nil {
		t.Errorf("Python says %q, %v", line, err)
		return ""
	}
	if slices.Contains(want, line) {
		return line
	}
	if len(want) > 0 {
		t.Errorf("Python says %q, want %q", line, want)
	}
	return line
}

func eachPython(t *testing.T, f func(t *testing.T, p python)) {
	t.Helper()
	if len(pythons()) == 0 {
		t.Skip("there is no python3")
	}
	for _, p := range pythons() {
		t.Run(p.name, func(t *testing.T) {
			t.Parallel()
			f(t, p)
		})
	}
}

// connect has a Python connect to us, or us to it.
func connect(t *testing.T, p python, role, network, key, what string) (*Conn, *bufio.Reader) {
	t.Helper()
	ours := []byte(key)
	if key == "-" {
		ours = nil
	}
	if role == "client" {
		l := testListener(t, network, ListenOptions{AuthKey: ours})
		out := p.start(t, role, network, l.Addr().String(), key, what)
		c, err := l.Accept(t.Context())
		if err != nil {
			t.Fatal(err)
		}
		t.Cleanup(func() { c.Close() })
		return c, out
	}
	out, address := startListener(t, p, network, key, what)
	c, err := Dial(t.Context(), network, address, DialOptions{AuthKey: ours})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { c.Close() })
	return c, out
}

func startListener(t *testing.T, p python, network, key, what string) (out *bufio.Reader, address string) {
	t.Helper()
	address = "127.0.0.1:0"
	if network == "unix" {
		address = filepath.Join(t.TempDir(), "s")
	}
	out = p.start(t, "listener", network, address, key, what)
	return out, wantLine(t, out)
}

func TestPythonMessages(t *testing.T) {
	t.Parallel()
	eachPython(t, func(t *testing.T, p python) {
		for _, role := range []string{"client", "listener"} {
			for _, network := range []string{"unix", "tcp"} {
				for _, key := range []string{"-", "secret"} {
					c, out := connect(t, p, role, network, key, "echo")
					for _, size := range []int{0, 1, 100, 16384, 16385, 1 << 16, 1 << 20, 8 << 20} {
						want := bytes.Repeat([]byte("yunta"), size/5+1)[:size]
						done := make(chan error, 1)
						go func() { done <- c.SendBytes(want) }()
						got, err := c.RecvBytes()
						if err := errors.Join(err, <-done); err != nil || !bytes.Equal(got, want) {
							t.Fatalf("%s, %s, key %s: %d bytes of %d, %v", role, network, key, len(got), size, err)
						}
					}
					c.Close()
					wantLine(t, out, "ok")
				}
			}
		}
	})
}

func TestPythonKeys(t *testing.T) {
	t.Parallel()
	eachPython(t, func(t *testing.T, p python) {
		for _, network := range []string{"unix", "tcp"} {
			l := testListener(t, network, ListenOptions{AuthKey: []byte("secret")})
			wantLine(t, p.start(t, "client", network, l.Addr().String(), "wrong", "echo"), "auth")
			if c, err := l.Accept(t.Context()); !errors.Is(err, ErrAuth) {
				t.Errorf("%s: Accept of a wrong key: %v, %v", network, c, err)
			}
			// Without a key Python takes the challenge for a message, and sends it back.
			out := p.start(t, "client", network, l.Addr().String(), "-", "echo")
			if c, err := l.Accept(t.Context()); !errors.Is(err, ErrAuth) {
				t.Errorf("%s: Accept of no key: %v, %v", network, c, err)
			}
			wantLine(t, out, "ok", "ConnectionResetError", "BrokenPipeError")

			out, address := startListener(t, p, network, "secret", "echo")
			if c, err := Dial(t.Context(), network, address, DialOptions{AuthKey: []byte("wrong")}); !errors.Is(err, ErrAuth) {
				t.Errorf("%s: Dial with a wrong key: %v, %v", network, c, err)
			}
			wantLine(t, out, "auth")

			out, address = startListener(t, p, network, "secret", "echo")
			c, err := Dial(t.Context(), network, address, DialOptions{})
			if err != nil {
				t.Fatal(err)
			}
			if got, err := c.RecvBytes(); !bytes.HasPrefix(got, challengePrefix) || err != nil {
				t.Errorf("%s: without a key: %q, %v", network, got, err)
			}
			if err := c.SendBytes([]byte("0123456789012345")); err != nil {
				t.Fatal(err)
			}
			wantLine(t, out, "auth")
			c.Close()
		}
	})
}

// Every digest that a Python accepts as ours.
func TestPythonDigests(t *testing.T) {
	t.Parallel()
	eachPython(t, func(t *testing.T, p python) {
		for _, digest := range []string{"md5", "sha256", "sha384", "sha3_256", "sha3_384"} {
			l := testListener(t, "unix", ListenOptions{AuthKey: []byte("secret"), Digest: digest})
			out := p.start(t, "client", "unix", l.Addr().String(), "secret", "echo")
			c, err := l.Accept(t.Context())
			if err != nil {
				t.Fatalf("%s: %v", digest, err)
			}
			c.Close()
			wantLine(t, out, "ok")
		}
	})
}

func TestPythonMsgpack(t *testing.T) {
	t.Parallel()
	p := python{name: "system", path: "/usr/bin/python3"}
	if err := exec.Command(p.path, "-c", "import msgpack").Run(); err != nil {
		p.path = "python3"
		if err := exec.Command(p.path, "-c", "import msgpack").Run(); err != nil {
			t.Skip("no python3 here has msgpack")
		}
	}
	type message struct {
		Name    string         `msgpack:"name"`
		Numbers []any          `msgpack:"numbers"`
		Half    float64        `msgpack:"half"`
		Raw     []byte         `msgpack:"raw"`
		None    *int           `msgpack:"none"`
		More    map[string]any `msgpack:"more,omitempty"`
	}
	for _, role := range []string{"client", "listener"} {
		c, out := connect(t, p, role, "unix", "secret", "msgpack")
		m := message{Name: "yunta", Numbers: []any{1, -2, 1 << 40}, Half: 0.5, Raw: []byte{0, 255}}
		if err := c.Send(m); err != nil {
			t.Fatal(err)
		}
		got, err := Recv[message](c)
		if err != nil {
			t.Fatal(err)
		}
		m.Numbers = []any{int64(1), int64(-2), int64(1 << 40), uint64(1 << 63)}
		m.More = map[string]any{"yes": true}
		if !reflect.DeepEqual(got, m) {
			t.Errorf("%s: got %+v, want %+v", role, got, m)
		}
		c.Close()
		wantLine(t, out, "ok")
	}
}

// A duplex Pipe and its files are those of Python.
func TestPythonFiles(t *testing.T) {
	t.Parallel()
	eachPython(t, func(t *testing.T, p python) {
		c, out := connect(t, p, "client", "unix", "secret", "handle")
		r, w, err := os.Pipe()
		if err != nil {
			t.Fatal(err)
		}
		defer r.Close()
		if err := c.SendFile(w); err != nil {
			t.Fatal(err)
		}
		w.Close()
		if got, err := io.ReadAll(r); string(got) != "from python" || err != nil {
			t.Errorf("%q, %v", got, err)
		}
		f, err := c.RecvFile()
		if err != nil {
			t.Fatal(err)
		}
		fmt.Fprint(f, "from Go")
		f.Close()
		if got, err := c.RecvBytes(); string(got) != "from Go" || err != nil {
			t.Errorf("%q, %v", got, err)
		}
		wantLine(t, out, "ok")
	})
}

// A Python process that inherits an end of a Pipe uses it as its own.
func TestPythonInherits(t *testing.T) {
	t.Parallel()
	eachPython(t, func(t *testing.T, p python) {
		a, b := testConns(t)
		f, err := b.File()
		if err != nil {
			t.Fatal(err)
		}
		cmd := exec.Command(p.path, "-c", "from multiprocessing.connection import Connection as C; c = C(3); c.send_bytes(c.recv_bytes() + b' back')")
		cmd.ExtraFiles = []*os.File{f}
		cmd.Stderr = os.Stderr
		if err := cmd.Start(); err != nil {
			t.Fatal(err)
		}
		f.Close()
		// b is still open here, and in use: that must not make Python's end non-blocking.
		if ok, err := b.Poll(0); ok || err != nil {
			t.Errorf("Poll: %v, %v", ok, err)
		}
		if err := a.SendBytes([]byte("there and")); err != nil {
			t.Fatal(err)
		}
		if got, err := a.RecvBytes(); string(got) != "there and back" || err != nil {
			t.Errorf("%q, %v", got, err)
		}
		if err := cmd.Wait(); err != nil {
			t.Error(err)
		}
	})
}
