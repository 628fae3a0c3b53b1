//go:build unix

package ipc

import (
	"errors"
	"io"
	"net"
	"os"
	"path/filepath"
	"runtime"
	"strconv"
	"strings"
	"testing"
	"time"

	"golang.org/x/sys/unix"
)

func TestConnFile(t *testing.T) {
	t.Parallel()
	a, b := testConns(t)
	fr, fw, err := os.Pipe()
	if err != nil {
		t.Fatal(err)
	}
	defer fr.Close()
	// Messages before and after are kept apart from the file.
	if err := errors.Join(a.Send("before"), a.SendFile(fw), a.SendFile(fw), a.Send("after"), a.SendFile(fw)); err != nil {
		t.Fatal(err)
	}
	fw.Close()
	if got, err := Recv[string](b); got != "before" || err != nil {
		t.Fatalf("%q, %v", got, err)
	}
	for i := range 2 {
		if ok, err := b.Poll(0); !ok || err != nil {
			t.Errorf("Poll with a file there: %v, %v", ok, err)
		}
		f, err := b.RecvFile()
		if err != nil {
			t.Fatal(err)
		}
		if flags, err := unix.FcntlInt(f.Fd(), unix.F_GETFD, 0); err != nil || flags&unix.FD_CLOEXEC == 0 {
			t.Errorf("the file is left to be inherited: %#x, %v", flags, err)
		}
		if _, err := f.WriteString(strconv.Itoa(i)); err != nil {
			t.Error(err)
		}
		f.Close()
	}
	if f, err := b.RecvFile(); !errors.Is(err, ErrNoFile) {
		t.Errorf("RecvFile of a message: %v, %v", f, err)
	}
	if got, err := Recv[string](b); got != "after" || err != nil {
		t.Errorf("which is still there: %q, %v", got, err)
	}
	// The third file is never received: the pipe ends when b is closed.
	if ok, err := b.Poll(time.Minute); !ok || err != nil {
		t.Fatal(err)
	}
	b.Close()
	if got, err := io.ReadAll(fr); string(got) != "01" || err != nil {
		t.Errorf("what was written to the files: %q, %v", got, err)
	}
}

// Files that nobody asked for are closed, wherever they come.
func TestConnUnwantedFiles(t *testing.T) {
	t.Parallel()
	for name, tt := range map[string]struct {
		before, after string // bytes around the file's own, which is \x01
		recv          func(c *Conn) error
	}{
		"in a head":       {"\x00\x00", "\x03" + strings.Repeat("x", 0x103), nil},
		"in a body":       {"\x00\x00\x00\x05ab", "cd", nil},
		"ends a body":     {"\x00\x00\x00\x03ab", "", nil},
		"in a long body":  {"\x00\x10\x00\x00" + strings.Repeat("x", 1<<17), strings.Repeat("x", 1<<20-1<<17-1), nil},
		"after a message": {"\x00\x00\x00\x03abc", "", nil},
		"already read": {"\x00\x00\x00\x01a", "\x00\x00\x00", func(c *Conn) error {
			if _, err := c.RecvBytes(); err != nil {
				return err
			}
			_, err := c.RecvBytes() // 01 00 00 00 begins a message of 16 MiB
			if errors.Is(err, ErrCorrupt) {
				return nil
			}
			return errors.Join(errors.New("the file was taken for a message"), err)
		}},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			for _, exact := range []bool{false, true} {
				a, b := testConns(t)
				b.SetReadAhead(!exact)
				fr, fw, err := os.Pipe()
				if err != nil {
					t.Fatal(err)
				}
				go func() {
					a.write([]byte(tt.before), nil)
					a.SendFile(fw)
					a.write([]byte(tt.after), nil)
					fw.Close()
					a.Close()
				}()
				if tt.recv == nil {
					_, err = b.RecvBytes()
				} else {
					err = tt.recv(b)
				}
				if err != nil {
					t.Error(err)
				}
				if name == "after a message" {
					b.Poll(time.Minute)
					b.Close()
				}
				fr.SetReadDeadline(time.Now().Add(time.Minute))
				if n, err := fr.Read(make([]byte, 1)); err != io.EOF {
					t.Errorf("somebody keeps the file open: %d, %v", n, err)
				}
				fr.Close()
				b.Close()
			}
		})
	}
}

// More than one at a time is nobody's habit, and more than the kernel's limit
// cannot come.
func TestConnManyRights(t *testing.T) {
	t.Parallel()
	a, b := testConns(t)
	fr, fw, err := os.Pipe()
	if err != nil {
		t.Fatal(err)
	}
	defer fr.Close()
	fds := make([]int, maxRights)
	for i := range fds {
		fds[i] = int(fw.Fd())
	}
	var serr error
	a.raw.Control(func(fd uintptr) {
		serr = unix.Sendmsg(int(fd), []byte{fileByte}, unix.UnixRights(fds...), nil, 0)
	})
	if serr != nil {
		t.Fatal(serr)
	}
	fw.Close()
	if f, err := b.RecvFile(); !errors.Is(err, ErrNoFile) {
		t.Errorf("%d files at once: %v, %v", len(fds), f, err)
	}
	if n, err := fr.Read(make([]byte, 1)); err != io.EOF {
		t.Errorf("they are open: %d, %v", n, err)
	}
	if err := a.Send(1); err != nil {
		t.Fatal(err)
	}
	if got, err := Recv[int](b); got != 1 || err != nil {
		t.Errorf("then: %d, %v", got, err)
	}
}

func TestConnFileUnsupported(t *testing.T) {
	t.Parallel()
	r, w := testSimplex(t)
	if err := w.SendFile(os.Stdin); !errors.Is(err, errors.ErrUnsupported) {
		t.Errorf("SendFile on a pipe: %v", err)
	}
	if f, err := r.RecvFile(); !errors.Is(err, errors.ErrUnsupported) {
		t.Errorf("RecvFile on a pipe: %v, %v", f, err)
	}
	a, _ := testConns(t)
	if err := a.SendFile(nil); err == nil {
		t.Error("SendFile of nothing: no error")
	}
	f, err := os.Open(os.DevNull)
	if err != nil {
		t.Fatal(err)
	}
	f.Close()
	if err := a.SendFile(f); !errors.Is(err, os.ErrClosed) {
		t.Errorf("SendFile of a closed file: %v", err)
	}
}

func TestConnOf(t *testing.T) {
	t.Parallel()
	plain, err := os.Open(os.Args[0])
	if err != nil {
		t.Fatal(err)
	}
	defer plain.Close()
	udp, err := net.ListenUDP("udp", &net.UDPAddr{IP: net.IPv4(127, 0, 0, 1)})
	if err != nil {
		t.Fatal(err)
	}
	datagram, err := udp.File()
	if err != nil {
		t.Fatal(err)
	}
	udp.Close()
	defer datagram.Close()
	for name, f := range map[string]*os.File{"a plain file": plain, "a datagram socket": datagram} {
		if c, err := ConnOf(f, ConnOptions{}); !errors.Is(err, errors.ErrUnsupported) {
			t.Errorf("%s: %v, %v", name, c, err)
		}
		if _, err := f.Stat(); err != nil {
			t.Errorf("%s is left to the caller if ConnOf fails, but: %v", name, err)
		}
	}
	if c, err := ConnOf(nil, ConnOptions{}); err == nil {
		t.Errorf("of nil: %v", c)
	}
	r, w, err := os.Pipe()
	if err != nil {
		t.Fatal(err)
	}
	if c, err := ConnOf(r, ConnOptions{Limit: -1}); err == nil || !strings.Contains(err.Error(), "Limit") {
		t.Errorf("a negative limit: %v, %v", c, err)
	}
	cr, rerr := ConnOf(r, ConnOptions{Limit: 3, NoReadAhead: true})
	cw, werr := ConnOf(w, ConnOptions{})
	if err := errors.Join(rerr, werr); err != nil {
		t.Fatal(err)
	}
	defer cr.Close()
	defer cw.Close()
	if _, err := r.Stat(); !errors.Is(err, os.ErrClosed) {
		t.Errorf("ConnOf takes the file over, but: %v", err)
	}
	if cr.CanSend() || cw.CanRecv() {
		t.Error("the ends of a pipe go both ways")
	}
	if err := errors.Join(cw.SendBytes([]byte("abc")), cw.SendBytes([]byte("abcd"))); err != nil {
		t.Fatal(err)
	}
	if got, err := cr.RecvBytes(); string(got) != "abc" || err != nil {
		t.Errorf("%q, %v", got, err)
	}
	if _, err := cr.RecvBytes(); !errors.Is(err, ErrTooLarge) {
		t.Errorf("beyond the limit: %v", err)
	}
}

func TestConnOfFIFO(t *testing.T) {
	t.Parallel()
	path := filepath.Join(t.TempDir(), "fifo")
	if err := unix.Mkfifo(path, 0o600); err != nil {
		t.Fatal(err)
	}
	f, err := os.OpenFile(path, os.O_RDWR, 0)
	if err != nil {
		t.Fatal(err)
	}
	c, err := ConnOf(f, ConnOptions{})
	if err != nil {
		t.Fatal(err)
	}
	defer c.Close()
	if err := c.Send("loop"); err != nil {
		t.Fatal(err)
	}
	if got, err := Recv[string](c); got != "loop" || err != nil {
		t.Errorf("%q, %v", got, err)
	}
}

// What another process sees of the descriptor's mode must not change under it,
// and what it does to the mode must not matter here.
func TestConnSharedMode(t *testing.T) {
	t.Parallel()
	a, b := testConns(t)
	r, w := testSimplex(t)
	for name, c := range map[string]*Conn{"socket": a, "pipe": r} {
		f, err := c.File()
		if err != nil {
			t.Fatal(err)
		}
		defer f.Close()
		mode, err := unix.FcntlInt(f.Fd(), unix.F_GETFL, 0)
		if err != nil {
			t.Fatal(err)
		}
		if blocks := mode&unix.O_NONBLOCK == 0; blocks != untouched(c.kind) {
			t.Errorf("%s: a duplicate has mode %#o", name, mode)
		}
		if !untouched(c.kind) {
			continue
		}
		// A call that blocked in the kernel would not be ended by a deadline.
		for _, nonblock := range []bool{false, true} {
			if err := unix.SetNonblock(int(f.Fd()), nonblock); err != nil {
				t.Fatal(err)
			}
			c.SetReadDeadline(time.Now().Add(time.Millisecond))
			if _, err := c.RecvBytes(); !errors.Is(err, os.ErrDeadlineExceeded) {
				t.Errorf("%s: %v", name, err)
			}
		}
	}
	for _, c := range []*Conn{b, w} {
		if !untouched(c.kind) {
			continue
		}
		c.SetWriteDeadline(time.Now().Add(time.Millisecond))
		if err := c.SendBytes(make([]byte, 32<<20)); !errors.Is(err, os.ErrDeadlineExceeded) {
			t.Errorf("sending what nobody receives: %v", err)
		}
	}
}

// A duplicate is as good as the end it was made from.
func TestConnHandOn(t *testing.T) {
	t.Parallel()
	a, b := testConns(t)
	if err := errors.Join(a.Send(1), a.Send(2)); err != nil {
		t.Fatal(err)
	}
	if got, err := Recv[int](b); got != 1 || err != nil {
		t.Fatalf("%d, %v", got, err)
	}
	if f, err := b.File(); err == nil || !strings.Contains(err.Error(), "read ahead") {
		t.Errorf("a connection that has read ahead is handed on: %v, %v", f, err)
	}
	if got, err := Recv[int](b); got != 2 || err != nil {
		t.Fatalf("%d, %v", got, err)
	}
	f, err := b.File()
	if err != nil {
		t.Fatal(err)
	}
	c, err := ConnOf(f, ConnOptions{})
	if err != nil {
		t.Fatal(err)
	}
	b.Close()
	if err := errors.Join(a.Send(3), c.Send(4)); err != nil {
		t.Fatal(err)
	}
	got3, err3 := Recv[int](c)
	got4, err4 := Recv[int](a)
	if got3 != 3 || got4 != 4 || errors.Join(err3, err4) != nil {
		t.Errorf("through the duplicate: %d, %v; %d, %v", got3, err3, got4, err4)
	}
	c.Close()
	if _, err := a.RecvBytes(); err != io.EOF {
		t.Errorf("once all are closed: %v", err)
	}
}

// A Conn that is forgotten is closed by the collector.
func TestConnForgotten(t *testing.T) {
	t.Parallel()
	other, _, err := Pipe()
	if err != nil {
		t.Fatal(err)
	}
	defer other.Close()
	for range 100 {
		runtime.GC()
		if ok, err := other.Poll(10 * time.Millisecond); err != nil {
			t.Fatal(err)
		} else if ok {
			break
		}
	}
	if _, err := other.RecvBytes(); err != io.EOF {
		t.Errorf("got %v, want io.EOF", err)
	}
}

// shutWrite ends one direction of a socket.
func shutWrite(fd int) { unix.Shutdown(fd, unix.SHUT_WR) }
