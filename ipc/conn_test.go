package ipc

import (
	"bytes"
	"errors"
	"io"
	"math"
	"os"
	"reflect"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"
)

func testConns(t testing.TB) (a, b *Conn) {
	t.Helper()
	a, b, err := Pipe()
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		a.Close()
		b.Close()
	})
	return a, b
}

func testSimplex(t testing.TB) (r, w *Conn) {
	t.Helper()
	r, w, err := SimplexPipe()
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		r.Close()
		w.Close()
	})
	return r, w
}

type connValue struct {
	Name  string
	Parts []int
	Extra map[string]any
}

func TestConnValues(t *testing.T) {
	t.Parallel()
	a, b := testConns(t)
	type celsius float64
	seven := 7
	for _, want := range []any{
		0, -1, math.MaxInt64, int8(-128), uint64(math.MaxUint64), 2.5, float32(0.5), true, "", "año", celsius(21.5),
		[]byte{},
		[]byte{0, 255},
		[]byte(nil),
		[]int{1, 2, 3},
		[]string{"a", ""},
		[]float64(nil),
		[3]int{1, 2, 3},
		map[string]int{"a": 1},
		connValue{"n", []int{1}, map[string]any{"x": int64(5), "y": nil}},
		&seven,
		time.Unix(1700000000, 5).UTC(), strings.Repeat("long ", 1<<16),
	} {
		if err := a.Send(want); err != nil {
			t.Fatalf("%T: %v", want, err)
		}
		got := reflect.New(reflect.TypeOf(want))
		if err := b.Recv(got.Interface()); err != nil {
			t.Fatalf("%T: %v", want, err)
		}
		if tm, ok := want.(time.Time); ok {
			if !tm.Equal(*got.Interface().(*time.Time)) {
				t.Errorf("got %v, want %v", got.Elem(), want)
			}
			continue
		}
		if !reflect.DeepEqual(got.Elem().Interface(), want) {
			t.Errorf("got %#v, want %#v", got.Elem(), want)
		}
	}
	if err := a.Send(nil); err != nil {
		t.Fatal(err)
	}
	if got, err := Recv[any](b); got != nil || err != nil {
		t.Errorf("nil arrives as %v, %v", got, err)
	}
}

func TestConnDecodeErrors(t *testing.T) {
	t.Parallel()
	a, b := testConns(t)
	send := func(v any) {
		t.Helper()
		if err := a.Send(v); err != nil {
			t.Fatal(err)
		}
	}
	send("text")
	var n int
	if err := b.Recv(&n); !errors.Is(err, ErrDecode) || errors.Is(err, ErrCorrupt) {
		t.Errorf("text into an int: %v", err)
	}
	send(5)
	if err := b.Recv(n); !errors.Is(err, ErrDecode) {
		t.Errorf("into no pointer: %v", err)
	}
	send(5)
	if err := b.Recv(nil); !errors.Is(err, ErrDecode) {
		t.Errorf("into nil: %v", err)
	}
	for _, body := range []string{"", "\x05\x05", "\xc1"} {
		if err := a.SendBytes([]byte(body)); err != nil {
			t.Fatal(err)
		}
		if err := b.Recv(&n); !errors.Is(err, ErrDecode) || !errors.Is(err, ErrCorrupt) {
			t.Errorf("%q: %v", body, err)
		}
	}
	if err := a.Send(make(chan int)); !errors.Is(err, ErrEncode) {
		t.Errorf("a channel: %v", err)
	}
	for _, v := range []any{new(Conn), struct{ C *Conn }{new(Conn)}} {
		if err := a.Send(v); !errors.Is(err, ErrEncode) {
			t.Errorf("a %T: %v", v, err)
		}
	}
	send(6)
	if got, err := Recv[int](b); got != 6 || err != nil {
		t.Errorf("after all that: %d, %v", got, err)
	}
}

func TestConnBytes(t *testing.T) {
	t.Parallel()
	a, b := testConns(t)
	r, w := testSimplex(t)
	sizes := []int{0, 1, 3, 4, 100, connJoin, connJoin + 1, connBuffer - 5, connBuffer - 4, connBuffer - 3, connBuffer, connBuffer + 1, connStep - 1, connStep, connStep + 1, 8 << 20}
	for _, ends := range []struct {
		name       string
		send, recv *Conn
	}{{"duplex", a, b}, {"back", b, a}, {"simplex", w, r}} {
		for _, exact := range []bool{false, true} {
			ends.recv.SetReadAhead(!exact)
			want := make([]byte, 8<<20)
			for i := range want {
				want[i] = byte(i * 7 >> 3)
			}
			done := make(chan error, 1)
			go func() {
				for range 3 {
					for _, size := range sizes {
						if err := ends.send.SendBytes(want[:size]); err != nil {
							done <- err
							return
						}
					}
				}
				done <- nil
			}()
			buf := make([]byte, 8<<20)
			for round := range 3 {
				for _, size := range sizes {
					var got []byte
					var err error
					switch round {
					case 0:
						got, err = ends.recv.RecvBytes()
					case 1:
						var n int
						n, err = ends.recv.RecvInto(buf)
						got = buf[:n]
					case 2:
						var short *ShortBufferError
						n, rerr := ends.recv.RecvInto(buf[:size/2])
						switch {
						case size == 0:
							got, err = buf[:n], rerr
						case !errors.As(rerr, &short) || !errors.Is(rerr, io.ErrShortBuffer) || n != 0 || short.Size != size/2:
							t.Fatalf("%s %d: too short a buffer: %d, %v", ends.name, size, n, rerr)
						default:
							got = short.Message
						}
					}
					if err != nil || got == nil || !bytes.Equal(got, want[:size]) {
						t.Fatalf("%s, read-ahead %v, round %d, %d bytes: got %d, %v", ends.name, !exact, round, size, len(got), err)
					}
				}
			}
			if err := <-done; err != nil {
				t.Fatal(err)
			}
		}
	}
}

func TestConnDirection(t *testing.T) {
	t.Parallel()
	r, w := testSimplex(t)
	a, _ := testConns(t)
	if !r.CanRecv() || r.CanSend() || w.CanRecv() || !w.CanSend() || !a.CanRecv() || !a.CanSend() {
		t.Error("the ends go the wrong way")
	}
	_, recvErr := w.RecvBytes()
	_, intoErr := w.RecvInto(nil)
	_, pollErr := w.Poll(0)
	_, fileErr := w.RecvFile()
	for name, err := range map[string]error{
		"Send": r.Send(1), "SendBytes": r.SendBytes(nil), "SendFile": r.SendFile(os.Stdin),
		"Recv": w.Recv(new(int)), "RecvBytes": recvErr, "RecvInto": intoErr, "Poll": pollErr, "RecvFile": fileErr,
	} {
		if !errors.Is(err, ErrDirection) {
			t.Errorf("%s the wrong way: %v", name, err)
		}
	}
}

func TestConnClose(t *testing.T) {
	t.Parallel()
	a, b := testConns(t)
	if err := a.SendBytes([]byte("last")); err != nil {
		t.Fatal(err)
	}
	if err := errors.Join(a.Close(), a.Close()); err != nil || !a.Closed() {
		t.Fatalf("closing twice: %v", err)
	}
	if got, err := b.RecvBytes(); string(got) != "last" || err != nil {
		t.Errorf("what was sent before: %q, %v", got, err)
	}
	for range 2 {
		if _, err := b.RecvBytes(); err != io.EOF {
			t.Errorf("then: %v, want io.EOF", err)
		}
	}
	if err := b.Send(1); !errors.Is(err, ErrClosed) || !errors.Is(err, syscall.EPIPE) {
		t.Errorf("sending to a closed end: %v", err)
	}
	_, recvErr := a.RecvBytes()
	_, pollErr := a.Poll(0)
	_, fileErr := a.File()
	for name, err := range map[string]error{
		"Send": a.Send(1), "Recv": a.Recv(new(int)), "RecvBytes": recvErr, "Poll": pollErr, "File": fileErr, "SetDeadline": a.SetDeadline(time.Now()),
	} {
		if !errors.Is(err, ErrClosed) || errors.Is(err, syscall.EPIPE) {
			t.Errorf("%s after Close: %v", name, err)
		}
	}
}

// An end that closes without having received all has the other end know.
func TestConnCloseUnread(t *testing.T) {
	t.Parallel()
	a, b := testConns(t)
	if err := a.Send(1); err != nil {
		t.Fatal(err)
	}
	b.Close()
	for range 2 {
		if _, err := a.RecvBytes(); !errors.Is(err, io.EOF) {
			t.Errorf("got %v, want io.EOF", err)
		}
	}
}

func TestConnCloseEndsCalls(t *testing.T) {
	t.Parallel()
	for name, call := range map[string]func(c *Conn) error{
		"RecvBytes": func(c *Conn) error { _, err := c.RecvBytes(); return err },
		"Send":      func(c *Conn) error { return c.SendBytes(make([]byte, 64<<20)) },
		"Poll":      func(c *Conn) error { _, err := c.Poll(time.Hour); return err },
		"RecvFile":  func(c *Conn) error { _, err := c.RecvFile(); return err },
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			a, _ := testConns(t)
			got := make(chan error, 1)
			go func() { got <- call(a) }()
			select {
			case err := <-got:
				t.Fatalf("returned %v", err)
			case <-time.After(20 * time.Millisecond):
			}
			if err := a.Close(); err != nil {
				t.Fatal(err)
			}
			if err := <-got; !errors.Is(err, ErrClosed) {
				t.Errorf("ended with %v, want ErrClosed", err)
			}
		})
	}
}

func TestConnDeadlines(t *testing.T) {
	t.Parallel()
	a, b := testConns(t)
	soon := func() time.Time { return time.Now().Add(3 * time.Millisecond) }
	big := bytes.Repeat([]byte("x"), 3<<20)

	for range 2 {
		b.SetReadDeadline(soon())
		if _, err := b.RecvBytes(); !errors.Is(err, os.ErrDeadlineExceeded) {
			t.Fatalf("with nothing there: %v", err)
		}
	}
	// A message that comes in pieces survives any number of deadlines, whatever
	// call begins it and whatever goes on with it.
	frame := AppendFrame(nil, big)
	small := AppendFrame(nil, []byte("small"))
	raw := func(p []byte) {
		a.wmu.Lock()
		defer a.wmu.Unlock()
		if err := a.write(p, nil); err != nil {
			t.Error(err)
		}
	}
	buf := make([]byte, len(big)+1)
	calls := []func() ([]byte, error){
		b.RecvBytes,
		func() ([]byte, error) { n, err := b.RecvInto(buf); return buf[:n], err },
		func() ([]byte, error) {
			_, err := b.RecvInto(buf[:1])
			if short, ok := errors.AsType[*ShortBufferError](err); ok {
				return short.Message, nil
			}
			return nil, err
		},
	}
	for first := range calls {
		for second := range calls {
			for _, f := range [][]byte{frame, small} {
				for _, cut := range []int{2, 5, len(f) / 2, len(f) - 1} {
					raw(f[:min(cut, 1<<17)])
					b.SetReadDeadline(soon())
					if _, err := calls[first](); !errors.Is(err, os.ErrDeadlineExceeded) {
						t.Fatalf("part of a message: %v", err)
					}
					b.SetReadDeadline(time.Time{})
					go raw(f[min(cut, 1<<17):])
					if got, err := calls[second](); err != nil || !bytes.Equal(got, f[4:]) {
						t.Fatalf("calls %d and %d, cut at %d of %d: %d bytes, %v", first, second, cut, len(f), len(got), err)
					}
				}
			}
		}
	}

	got := make(chan error, 1)
	go func() { got <- a.SendBytes(make([]byte, 64<<20)) }()
	if ok, err := b.Poll(time.Minute); !ok || err != nil {
		t.Fatal(ok, err)
	}
	a.SetWriteDeadline(soon())
	if err := <-got; !errors.Is(err, os.ErrDeadlineExceeded) {
		t.Fatalf("a message nobody receives: %v", err)
	}
	a.SetWriteDeadline(time.Time{})
	if err := a.Send(1); err == nil || !strings.Contains(err.Error(), "cut short") {
		t.Errorf("after a message that was cut: %v", err)
	}
}

func TestConnLimit(t *testing.T) {
	t.Parallel()
	a, b := testConns(t)
	b.SetReadLimit(1000)
	if err := a.SendBytes(make([]byte, 1000)); err != nil {
		t.Fatal(err)
	}
	if got, err := b.RecvBytes(); len(got) != 1000 || err != nil {
		t.Fatalf("as long as the limit: %d, %v", len(got), err)
	}
	if err := a.SendBytes(make([]byte, 1001)); err != nil {
		t.Fatal(err)
	}
	for range 2 {
		if _, err := b.RecvBytes(); !errors.Is(err, ErrTooLarge) || !strings.Contains(err.Error(), "1001") || !strings.Contains(err.Error(), "1000") {
			t.Errorf("longer than the limit: %v", err)
		}
	}
	if ok, err := b.Poll(0); !ok || err != nil {
		t.Errorf("Poll where Recv fails at once: %v, %v", ok, err)
	}
	if err := b.Send(1); err != nil {
		t.Errorf("the other direction: %v", err)
	}
}

// What a hostile peer may write instead of a frame.
func TestConnHostile(t *testing.T) {
	t.Parallel()
	for name, tt := range map[string]struct {
		in   string
		want error
	}{
		"negative":             {"\xff\xff\xff\xfe", ErrCorrupt},
		"most negative":        {"\x80\x00\x00\x00", ErrCorrupt},
		"2 GiB":                {"\x7f\xff\xff\xff", ErrTooLarge},
		"long, huge":           {"\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff", ErrTooLarge},
		"long, beyond int64":   {"\xff\xff\xff\xff\x80\x00\x00\x00\x00\x00\x00\x00", ErrTooLarge},
		"cut in the head":      {"\x00\x00", ErrCorrupt},
		"cut in the long head": {"\xff\xff\xff\xff\x00", ErrCorrupt},
		"cut in the body":      {"\x00\x00\x00\x05abcd", ErrCorrupt},
		"cut in a long body":   {"\x3f\xff\xff\xff" + strings.Repeat("x", 100), ErrCorrupt},
		"nothing":              {"", io.EOF},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			for _, exact := range []bool{false, true} {
				a, b := testConns(t)
				b.SetReadAhead(!exact)
				if tt.in != "" {
					if err := a.write([]byte(tt.in), nil); err != nil {
						t.Fatal(err)
					}
				}
				a.Close()
				for range 2 {
					if _, err := b.RecvBytes(); !errors.Is(err, tt.want) {
						t.Errorf("got %v, want %v", err, tt.want)
					}
				}
				if cap(b.in.part) > 2<<20 {
					t.Errorf("%d bytes allocated for %d", cap(b.in.part), len(tt.in))
				}
			}
		})
	}
}

// The long form of the length is used from 2 GiB on, and understood whatever it
// says.
func TestConnLongFrames(t *testing.T) {
	t.Parallel()
	for _, tt := range []struct {
		n    int
		want string
	}{
		{0, "\x00\x00\x00\x00"},
		{0x7ffffffe, "\x7f\xff\xff\xfe"},
		{0x7fffffff, "\x7f\xff\xff\xff"},
		{0x7fffffff + 1, "\xff\xff\xff\xff\x00\x00\x00\x00\x80\x00\x00\x00"},
		{1 << 40, "\xff\xff\xff\xff\x00\x00\x01\x00\x00\x00\x00\x00"},
	} {
		if got := appendFrameHead(nil, tt.n); string(got) != tt.want {
			t.Errorf("%#x: % x, want % x", tt.n, got, tt.want)
		}
	}
	for _, body := range []string{"", "short", strings.Repeat("long", 1<<16)} {
		for _, exact := range []bool{false, true} {
			a, b := testConns(t)
			b.SetReadAhead(!exact)
			head := []byte{255, 255, 255, 255, 0, 0, 0, 0, 0, byte(len(body) >> 16), byte(len(body) >> 8), byte(len(body))}
			if err := a.write(append(head, body...), nil); err != nil {
				t.Fatal(err)
			}
			a.Close()
			if got, err := b.RecvBytes(); string(got) != body || err != nil {
				t.Errorf("the long form for %d bytes: %d, %v", len(body), len(got), err)
			}
		}
	}
}

// Messages of many senders arrive whole at many receivers.
func TestConnConcurrent(t *testing.T) {
	t.Parallel()
	rnd := testRand(t)
	a, b := testConns(t)
	const senders, receivers, each = 4, 3, 200
	var sending, receiving sync.WaitGroup
	sizes := make([][]int, senders)
	for s := range senders {
		for range each {
			size := 2 + rnd.IntN(300)
			if rnd.IntN(10) == 0 {
				size = rnd.IntN(300 << 10)
			}
			sizes[s] = append(sizes[s], max(2, size))
		}
		sending.Go(func() {
			for _, size := range sizes[s] {
				if err := a.SendBytes(bytes.Repeat([]byte{byte(s)}, size)); err != nil {
					t.Error(err)
				}
			}
		})
	}
	var mu sync.Mutex
	got := make([]int, senders)
	for range receivers {
		receiving.Go(func() {
			for {
				m, err := b.RecvBytes()
				if err == io.EOF {
					return
				}
				if err != nil || len(m) < 2 || !bytes.Equal(m, bytes.Repeat(m[:1], len(m))) {
					t.Errorf("%d bytes, %v", len(m), err)
					return
				}
				mu.Lock()
				got[m[0]] += len(m)
				mu.Unlock()
			}
		})
	}
	sending.Wait()
	a.Close()
	receiving.Wait()
	for s := range senders {
		want := 0
		for _, size := range sizes[s] {
			want += size
		}
		if got[s] != want {
			t.Errorf("of sender %d %d bytes, want %d", s, got[s], want)
		}
	}
}
