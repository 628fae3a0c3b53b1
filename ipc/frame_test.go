package ipc

import (
	"bytes"
	"errors"
	"io"
	"math"
	"os/exec"
	"runtime"
	"strings"
	"testing"
	"testing/iotest"
)

func TestFrameRoundTrip(t *testing.T) {
	t.Parallel()
	bodies := [][]byte{
		{},
		[]byte("a"), bytes.Repeat([]byte("b"), 255), bytes.Repeat([]byte("c"), frameBuffer-frameHead),
		bytes.Repeat([]byte("d"), frameBuffer), bytes.Repeat([]byte("e"), 3*frameKeep), []byte("f"),
		{},
	}
	var stream, begun []byte
	for _, b := range bodies {
		stream = AppendFrame(stream, b)
		buf, mark := BeginFrame(begun)
		begun = EndFrame(append(buf, b...), mark)
	}
	if !bytes.Equal(stream, begun) {
		t.Fatal("AppendFrame and BeginFrame, EndFrame differ")
	}
	for name, wrap := range map[string]func(io.Reader) io.Reader{
		"whole":           func(r io.Reader) io.Reader { return r },
		"half":            iotest.HalfReader,
		"byte by byte":    iotest.OneByteReader,
		"data with error": iotest.DataErrReader,
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			fr := NewFrameReader(wrap(bytes.NewReader(stream)), 0)
			for i, want := range bodies {
				got, err := fr.Next()
				if err != nil || !bytes.Equal(got, want) {
					t.Fatalf("frame %d: %d bytes, %v; want %d", i, len(got), err, len(want))
				}
			}
			for range 2 {
				if _, err := fr.Next(); err != io.EOF {
					t.Errorf("after the last frame: %v, want io.EOF", err)
				}
			}
		})
	}
}

func TestFrameBuffered(t *testing.T) {
	t.Parallel()
	stream := AppendFrame(AppendFrame(nil, []byte("one")), []byte("two"))
	fr := NewFrameReader(bytes.NewReader(stream[:len(stream)-1]), 0)
	if fr.Buffered() {
		t.Error("Buffered before anything was read")
	}
	if _, err := fr.Next(); err != nil {
		t.Fatal(err)
	}
	if fr.Buffered() {
		t.Error("Buffered with half a frame")
	}
	fr = NewFrameReader(bytes.NewReader(stream), 0)
	if _, err := fr.Next(); err != nil || !fr.Buffered() {
		t.Errorf("Buffered is false with a whole frame (%v)", err)
	}
	if _, err := fr.Next(); err != nil || fr.Buffered() {
		t.Errorf("Buffered after the last one (%v)", err)
	}
	if _, err := fr.Next(); err != io.EOF || !fr.Buffered() {
		t.Errorf("Buffered is false with an error to come (%v)", err)
	}
}

func TestFrameRefuses(t *testing.T) {
	t.Parallel()
	for _, row := range []struct {
		name string
		in   string
		want []error
	}{
		{"nothing", "", []error{io.EOF}},
		{"half a length", "\x00\x00", []error{ErrCorrupt, io.ErrUnexpectedEOF}},
		{"half a body", "\x00\x00\x00\x05ab", []error{ErrCorrupt, io.ErrUnexpectedEOF}},
		{"negative", "\xff\xff\xff\xfe", []error{ErrCorrupt}},
		{"above the limit", "\x00\x00\x10\x01", []error{ErrTooLarge}},
		{"long above the limit", "\xff\xff\xff\xff\x00\x00\x00\x00\x00\x00\x10\x01", []error{ErrTooLarge}},
		{"long above all", "\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff", []error{ErrTooLarge}},
		{"half a long length", "\xff\xff\xff\xff\x00\x00\x00", []error{ErrCorrupt, io.ErrUnexpectedEOF}},
	} {
		t.Run(row.name, func(t *testing.T) {
			t.Parallel()
			fr := NewFrameReader(strings.NewReader(row.in), 4096)
			_, err := fr.Next()
			for _, want := range row.want {
				if !errors.Is(err, want) {
					t.Errorf("%v, want %v", err, want)
				}
			}
			if _, again := fr.Next(); again != err {
				t.Errorf("a second call: %v, want the same error", again)
			}
		})
	}
}

// A length within the limit, from a peer that never sends the body, must not
// cost its memory.
func TestFrameLengthAlone(t *testing.T) {
	var before, after runtime.MemStats
	runtime.ReadMemStats(&before)
	_, err := NewFrameReader(strings.NewReader("\x7f\xff\xff\xffabc"), math.MaxInt32).Next()
	runtime.ReadMemStats(&after)
	if !errors.Is(err, ErrCorrupt) {
		t.Errorf("%v, want ErrCorrupt", err)
	}
	if got := after.TotalAlloc - before.TotalAlloc; got > 1<<20 {
		t.Errorf("allocated %d bytes for a frame of 7", got)
	}
}

func TestFrameLongForm(t *testing.T) {
	defer func(n int) { testHookShortFrame = n }(testHookShortFrame)
	testHookShortFrame = 10
	body := []byte("more than ten bytes")
	want := append([]byte("\xff\xff\xff\xff\x00\x00\x00\x00\x00\x00\x00\x13"), body...)
	if got := AppendFrame(nil, body); !bytes.Equal(got, want) {
		t.Errorf("AppendFrame = %x, want %x", got, want)
	}
	buf, mark := BeginFrame([]byte("x"))
	if got := EndFrame(append(buf, body...), mark); !bytes.Equal(got[1:], want) {
		t.Errorf("EndFrame = %x, want %x", got[1:], want)
	}
	if got, err := NewFrameReader(bytes.NewReader(want), 0).Next(); err != nil || !bytes.Equal(got, body) {
		t.Errorf("Next = %q, %v", got, err)
	}
}

// Python's own Connection reads our frames and we read its, both lengths.
func TestFramesAgainstPython(t *testing.T) {
	python, err := exec.LookPath("python3")
	if err != nil {
		t.Skip("python3 is not installed")
	}
	defer func(n int) { testHookShortFrame = n }(testHookShortFrame)
	toR, toW, err := NewPipe(0)
	if err != nil {
		t.Fatal(err)
	}
	fromR, fromW, err := NewPipe(0)
	if err != nil {
		t.Fatal(err)
	}
	cmd := exec.Command(python, "-c", `
from multiprocessing.connection import Connection
r, w = Connection(3, writable=False), Connection(4, readable=False)
while True:
    try:
        b = r.recv_bytes()
    except EOFError:
        break
    w.send_bytes(b[::-1])
`)
	cmd.ExtraFiles = append(cmd.ExtraFiles, toR.File(), fromW.File())
	var stderr bytes.Buffer
	cmd.Stderr = &stderr
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	toR.Close()
	fromW.Close()
	fr := NewFrameReader(fromR, 1<<20)
	for _, short := range []int{math.MaxInt32, -1} {
		testHookShortFrame = short
		for _, n := range []int{0, 1, 100, 16384, 16385, 70000} {
			body := make([]byte, n)
			for i := range body {
				body[i] = byte(i)
			}
			errs := make(chan error, 1)
			go func() {
				_, err := toW.Write(AppendFrame(nil, body))
				errs <- err
			}()
			got, err := fr.Next()
			if err != nil || len(got) != n || n > 0 && (got[0] != body[n-1] || got[n-1] != body[0]) {
				t.Fatalf("%d bytes: got %d, %v; stderr %s", n, len(got), err, &stderr)
			}
			if err := <-errs; err != nil {
				t.Fatal(err)
			}
		}
	}
	toW.Close()
	if _, err := fr.Next(); err != io.EOF {
		t.Errorf("at the end: %v, want io.EOF", err)
	}
	fromR.Close()
	if err := cmd.Wait(); err != nil {
		t.Errorf("python: %v\n%s", err, &stderr)
	}
}

func FuzzFrameReader(f *testing.F) {
	f.Add(AppendFrame(AppendFrame(nil, []byte("one")), nil), 3)
	f.Add([]byte("\xff\xff\xff\xff\x00\x00\x00\x00\x00\x00\x00\x01a\x00\x00"), 1)
	f.Add([]byte("\x80\x00\x00\x00"), 2)
	f.Add([]byte("\x00\x00\xff\xffabc"), 100)
	f.Fuzz(func(t *testing.T, b []byte, step int) {
		fr := NewFrameReader(&stepReader{b, 1 + (step&0x7fffffff)%512}, 1<<16)
		given := 0
		for {
			body, err := fr.Next()
			if err != nil {
				if err != io.EOF && !errors.Is(err, ErrCorrupt) && !errors.Is(err, ErrTooLarge) {
					t.Fatalf("unexpected error %v", err)
				}
				if err == io.EOF && given != len(b) {
					t.Fatalf("io.EOF after %d of %d bytes", given, len(b))
				}
				return
			}
			if bytes.HasPrefix(b[given:], []byte("\xff\xff\xff\xff")) {
				given += 8
			}
			given += frameHead
			if !bytes.HasPrefix(b[given:], body) {
				t.Fatalf("body %x is not what follows at %d", body, given)
			}
			given += len(body)
		}
	})
}

type stepReader struct {
	b    []byte
	step int
}

func (r *stepReader) Read(p []byte) (int, error) {
	if len(r.b) == 0 {
		return 0, io.EOF
	}
	n := copy(p[:min(len(p), r.step)], r.b)
	r.b = r.b[n:]
	return n, nil
}

func BenchmarkFrame(b *testing.B) {
	body := make([]byte, 100)
	stream := make([]byte, 0, 1<<20)
	for len(stream) < 1<<19 {
		stream = AppendFrame(stream, body)
	}
	b.Run("Append/100B", func(b *testing.B) {
		b.ReportAllocs()
		buf := make([]byte, 0, 256)
		for b.Loop() {
			AppendFrame(buf, body)
		}
	})
	b.Run("Next/100B", func(b *testing.B) {
		b.ReportAllocs()
		r := bytes.NewReader(stream)
		fr := NewFrameReader(r, 0)
		for b.Loop() {
			if _, err := fr.Next(); err == io.EOF {
				r.Reset(stream)
				fr.err = nil
			}
		}
	})
}
