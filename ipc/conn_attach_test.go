package ipc

import (
	"bytes"
	"context"
	"errors"
	"io"
	"os"
	"strings"
	"testing"
	"time"
)

// bundle is a message that carries what has descriptors and what has a name.
type bundle struct {
	Text  string
	Conns map[string]*Conn
	None  *Conn
	File  File
	Queue *Queue[string]
	Mem   *SharedMemory
}

// A message is received with what it has attached, in this process as in
// another, and the ones before and after it are not disturbed.
func TestConnSendAttached(t *testing.T) {
	t.Parallel()
	for name, ends := range map[string]func(*testing.T) (*Conn, *Conn){
		"pipe": func(t *testing.T) (*Conn, *Conn) { return testConns(t) },
		"unix": func(t *testing.T) (*Conn, *Conn) { return connected(t, "unix") },
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			a, b := ends(t)
			q, err := NewQueue[string](QueueOptions{})
			must(t, err)
			defer q.Detach()
			m, err := CreateSharedMemory("", 10)
			must(t, err)
			defer m.Close()
			defer m.Unlink()
			copy(m.Bytes(), "shared")
			for round := range 3 {
				r, w := testSimplex(t)
				x, y := testConns(t)
				f, err := os.CreateTemp(t.TempDir(), "")
				must(t, err)
				sent := make(chan error, 1)
				go func() { // not all of it fits the socket
					sent <- errors.Join(a.Send("before"), a.Send(bundle{
						Text: strings.Repeat("long ", 1+round*50_000), Conns: map[string]*Conn{"w": w, "y": y},
						File: File{f}, Queue: q, Mem: m,
					}), a.SendBytes([]byte("after")), w.Close(), y.Close())
				}()
				if got, err := Recv[string](b); got != "before" || err != nil {
					t.Fatalf("%q, %v", got, err)
				}
				got, err := Recv[bundle](b)
				must(t, err)
				wantBytes(t, b, "after")
				must(t, <-sent)
				if len(got.Text) != 5*(1+round*50_000) || got.None != nil || string(got.Mem.Bytes()[:6]) != "shared" {
					t.Errorf("%d bytes, %v, %q", len(got.Text), got.None, got.Mem.Bytes())
				}
				must(t, got.Conns["w"].Send("by w"), got.Conns["w"].Close(), got.Conns["y"].Send("by y"), got.Conns["y"].Close())
				for c, want := range map[*Conn]string{r: "by w", x: "by y"} {
					if text, err := Recv[string](c); text != want || err != nil {
						t.Errorf("%q, %v, want %q", text, err, want)
					}
					if _, err := c.RecvBytes(); !errors.Is(err, io.EOF) { // no other descriptor of it is left
						t.Errorf("after %q: %v", want, err)
					}
				}
				if _, err := got.File.WriteString("written"); err != nil {
					t.Error(err)
				}
				if text, err := os.ReadFile(f.Name()); string(text) != "written" || err != nil {
					t.Errorf("%q, %v", text, err)
				}
				must(t, got.Queue.Put(t.Context(), "queued"), got.Queue.Detach(), got.Mem.Close(), got.File.Close(), f.Close())
				if text, err := q.Get(t.Context()); text != "queued" || err != nil {
					t.Errorf("%q, %v", text, err)
				}
			}
		})
	}
}

// connected returns the two ends of a connection over a network.
func connected(t *testing.T, network string) (a, b *Conn) {
	t.Helper()
	l, err := Listen(network, "", ListenOptions{})
	must(t, err)
	defer l.Close()
	ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
	defer cancel()
	dialed := make(chan error, 1)
	go func() {
		var err error
		a, err = Dial(ctx, network, l.Addr().String(), DialOptions{})
		dialed <- err
	}()
	b, err = l.Accept(ctx)
	must(t, err, <-dialed)
	t.Cleanup(func() {
		a.Close()
		b.Close()
	})
	return a, b
}

// Where descriptors cannot travel nothing is sent, and the connection is good
// for more.
func TestConnSendAttachedElsewhere(t *testing.T) {
	t.Parallel()
	for name, ends := range map[string]func(*testing.T) (*Conn, *Conn){
		"tcp":     func(t *testing.T) (*Conn, *Conn) { return connected(t, "tcp") },
		"simplex": func(t *testing.T) (*Conn, *Conn) { r, w := testSimplex(t); return w, r },
	} {
		a, b := ends(t)
		x, _ := testConns(t)
		for _, v := range []any{x, File{os.Stderr}, []any{1, map[string]any{"c": x}}} {
			if err := a.Send(v); !errors.Is(err, ErrNoAttachments) || !errors.Is(err, ErrEncode) {
				t.Errorf("%s: %T: %v", name, v, err)
			}
		}
		must(t, a.Send("still there"))
		if got, err := Recv[string](b); got != "still there" || err != nil {
			t.Errorf("%s: %q, %v", name, got, err)
		}
	}
}

// What nobody takes is closed: a message received as bytes or as another type,
// one that cannot be decoded, one that is never received.
func TestConnAttachedNotTaken(t *testing.T) {
	t.Parallel()
	for name, receive := range map[string]func(*testing.T, *Conn){
		"bytes":  func(t *testing.T, c *Conn) { _, err := c.RecvBytes(); must(t, err) },
		"buffer": func(t *testing.T, c *Conn) { _, err := c.RecvInto(make([]byte, 100)); must(t, err) },
		"any": func(t *testing.T, c *Conn) {
			if v, err := Recv[any](c); err != nil {
				t.Error(v, err)
			}
		},
		"wrong type": func(t *testing.T, c *Conn) {
			if n, err := Recv[int](c); !errors.Is(err, ErrDecode) {
				t.Error(n, err)
			}
		},
		"as a file": func(t *testing.T, c *Conn) {
			for range 2 {
				if f, err := c.RecvFile(); !errors.Is(err, ErrNoFile) {
					t.Error(f, err)
				}
			}
			if ok, err := c.Poll(time.Minute); !ok || err != nil {
				t.Error(ok, err)
			}
			_, err := c.RecvBytes()
			must(t, err)
		},
		"closed": func(t *testing.T, c *Conn) {
			if f, err := c.RecvFile(); !errors.Is(err, ErrNoFile) { // it has read what there is
				t.Error(f, err)
			}
			must(t, c.Close())
		},
		"handed on": func(t *testing.T, c *Conn) {
			if f, err := c.RecvFile(); !errors.Is(err, ErrNoFile) {
				t.Error(f, err)
			}
			if f, err := c.File(); err == nil {
				t.Error("read ahead, and lost:", f)
			}
			must(t, c.Close())
		},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			a, b := testConns(t)
			r, w := testSimplex(t)
			must(t, a.Send([]*Conn{w, w}), w.Close(), a.Send("next"))
			receive(t, b)
			if ok, err := r.Poll(time.Minute); !ok || err != nil {
				t.Error(ok, err)
			}
			if got, err := r.RecvBytes(); !errors.Is(err, io.EOF) {
				t.Errorf("%q, %v: a descriptor is left", got, err)
			}
			if b.Closed() {
				return
			}
			if got, err := Recv[string](b); got != "next" || err != nil {
				t.Errorf("afterwards: %q, %v", got, err)
			}
		})
	}
}

// A deadline between the descriptors and the message they belong to does not
// part them.
func TestConnAttachedDeadline(t *testing.T) {
	t.Parallel()
	a, b := testConns(t)
	r, w := testSimplex(t)
	f, err := w.File()
	must(t, err)
	defer f.Close()
	whole, err := CodecFor[[]*Conn]().AppendAttached(nil, []*Conn{w}, new(Attachments))
	must(t, err)
	frame := AppendFrame(nil, whole)
	must(t, a.raw.Write(func(fd uintptr) bool {
		must(t, a.out.sys.writeRights(int(fd), attachByte, int(f.Fd())))
		return true
	}))
	for cut := range len(frame) {
		must(t, b.SetReadDeadline(time.Now().Add(time.Millisecond)))
		if got, err := Recv[[]*Conn](b); !errors.Is(err, os.ErrDeadlineExceeded) {
			t.Fatalf("after %d bytes: %v, %v", cut, got, err)
		}
		a.wmu.Lock()
		must(t, a.write(frame[cut:cut+1], nil))
		a.wmu.Unlock()
	}
	must(t, b.SetReadDeadline(time.Time{}))
	got, err := Recv[[]*Conn](b)
	must(t, err)
	must(t, got[0].Send("whole"), got[0].Close())
	if text, err := Recv[string](r); text != "whole" || err != nil {
		t.Errorf("%q, %v", text, err)
	}
}

// Descriptors that do not come, or a mark and then the end, are errors.
func TestConnAttachedDamaged(t *testing.T) {
	t.Parallel()
	write := func(c *Conn, b []byte) {
		c.wmu.Lock()
		defer c.wmu.Unlock()
		must(t, c.write(b, nil))
	}
	_, w := testSimplex(t)
	body, err := CodecFor[*Conn]().AppendAttached(nil, w, new(Attachments))
	must(t, err)

	a, b := testConns(t)
	write(a, AppendFrame([]byte{attachByte}, body))
	if got, err := Recv[*Conn](b); !errors.Is(err, ErrDecode) {
		t.Errorf("without descriptors: %v, %v", got, err)
	}
	write(a, AppendFrame(nil, body))
	if got, err := Recv[*Conn](b); !errors.Is(err, ErrDecode) || !errors.Is(err, ErrNoAttachments) {
		t.Errorf("without a mark: %v, %v", got, err)
	}
	must(t, a.Send(1))
	if got, err := Recv[int](b); got != 1 || err != nil {
		t.Errorf("afterwards: %v, %v", got, err)
	}
	write(a, bytes.Repeat([]byte{attachByte}, 1+frameHead))
	if got, err := Recv[*Conn](b); !errors.Is(err, ErrCorrupt) {
		t.Errorf("two marks: %v, %v", got, err)
	}

	a, b = testConns(t)
	write(a, []byte{attachByte})
	must(t, a.Close())
	if got, err := Recv[*Conn](b); !errors.Is(err, ErrCorrupt) || !errors.Is(err, io.ErrUnexpectedEOF) {
		t.Errorf("the end after a mark: %v, %v", got, err)
	}

	many := make([]File, maxRights+1)
	for i := range many {
		many[i] = File{os.Stderr}
	}
	a, b = testConns(t)
	if err := a.Send(many); !errors.Is(err, ErrTooLarge) {
		t.Errorf("%d files: %v", len(many), err)
	}
	must(t, a.Send(many[:maxRights]))
	all, err := Recv[[]File](b)
	if len(all) != maxRights || err != nil {
		t.Fatalf("%d files: got %d, %v", maxRights, len(all), err)
	}
	for _, f := range all {
		must(t, f.Close())
	}
}
