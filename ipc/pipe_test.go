package ipc

import (
	"bytes"
	"errors"
	"io"
	"os"
	"os/exec"
	"strconv"
	"syscall"
	"testing"
	"time"
)

// helper returns a command that runs this test binary in the named part.
func helper(t testing.TB, name string, args ...string) *exec.Cmd {
	t.Helper()
	helpersUsed.Store(name, true)
	exe, err := os.Executable()
	if err != nil {
		t.Fatal(err)
	}
	cmd := exec.Command(exe, args...)
	cmd.Env = append(os.Environ(), "YUNTA_IPC_HELPER="+name)
	cmd.Stderr = os.Stderr
	return cmd
}

func testPipe(t testing.TB, capacity int) (r, w *PipeFile) {
	t.Helper()
	r, w, err := NewPipe(capacity)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		r.Close()
		w.Close()
	})
	return r, w
}

func TestPipe(t *testing.T) {
	t.Parallel()
	r, w := testPipe(t, 0)
	if ok, err := r.Readable(); ok || err != nil {
		t.Errorf("an empty pipe: Readable = %v, %v", ok, err)
	}
	big := bytes.Repeat([]byte("x"), 1<<20) // far beyond what a pipe holds
	done := make(chan error, 1)
	go func() {
		_, err := w.Write(big)
		done <- err
	}()
	got := make([]byte, len(big))
	if _, err := io.ReadFull(r, got); err != nil || !bytes.Equal(got, big) {
		t.Fatalf("reading: %v", err)
	}
	if err := <-done; err != nil {
		t.Fatal(err)
	}
	if _, err := w.Write([]byte("y")); err != nil {
		t.Fatal(err)
	}
	if ok, err := r.Readable(); !ok || err != nil {
		t.Errorf("with a byte in it: Readable = %v, %v", ok, err)
	}
	if n, err := r.Read(got); n != 1 || err != nil {
		t.Errorf("Read = %d, %v", n, err)
	}
	w.Close()
	for { // a child that is being forked may have the other end a moment longer
		if ok, err := r.Readable(); err != nil {
			t.Fatalf("with the other end closed: %v", err)
		} else if ok {
			break
		}
		time.Sleep(time.Millisecond)
	}
	if n, err := r.Read(got); n != 0 || err != io.EOF {
		t.Errorf("Read = %d, %v; want io.EOF", n, err)
	}
	if err := errors.Join(w.Close(), r.Close(), r.Close()); err != nil {
		t.Errorf("closing again: %v", err)
	}
	if _, err := r.Read(got); !errors.Is(err, ErrClosed) {
		t.Errorf("Read after Close: %v, want ErrClosed", err)
	}
	if _, err := r.Readable(); err == nil {
		t.Error("Readable after Close: no error")
	}
}

// Writing to a pipe that nobody reads is an error and not a deadly signal,
// in a process of its own to be sure.
var _ = addHelper("epipe", func([]string) {
	w, err := PipeOf(3)
	if err != nil {
		panic(err)
	}
	io.Copy(io.Discard, os.Stdin) // until the reader is closed
	if _, err := w.Write([]byte("x")); !errors.Is(err, syscall.EPIPE) {
		panic(err)
	}
})

func TestPipeNobodyReads(t *testing.T) {
	t.Parallel()
	r, w := testPipe(t, 0)
	cmd := helper(t, "epipe")
	cmd.ExtraFiles = []*os.File{w.File()}
	in, err := cmd.StdinPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	r.Close()
	in.Close()
	if err := cmd.Wait(); err != nil {
		t.Error(err)
	}
}

func TestPipeCapacity(t *testing.T) {
	t.Parallel()
	_, w := testPipe(t, 1<<20)
	if w.Capacity() == 0 {
		t.Skip("the system does not say what a pipe holds")
	}
	if got := w.Capacity(); got != 1<<20 {
		t.Logf("asked for 1 MiB, got %d: allowed by pipe(7) for users beyond their limit", got)
	}
}

// The helper writes frames of the given size for ever, one write each.
var _ = addHelper("frames", func(args []string) {
	size, err := strconv.Atoi(args[0])
	if err != nil {
		panic(err)
	}
	w, err := PipeOf(3)
	if err != nil {
		panic(err)
	}
	frame := AppendFrame(nil, bytes.Repeat([]byte{byte(size)}, size))
	for {
		if _, err := w.Write(frame); err != nil {
			return
		}
	}
})

// A writer killed at any moment leaves whole frames, if they are small enough
// to be written at once; a larger one may be cut, which is found.
func TestPipeWriterKilled(t *testing.T) {
	t.Parallel()
	rnd := testRand(t)
	for _, size := range []int{1, 100, AtomicWrite - frameHead, 10 * AtomicWrite} {
		for range 5 {
			r, w := testPipe(t, 0)
			cmd := helper(t, "frames", strconv.Itoa(size))
			cmd.ExtraFiles = []*os.File{w.File()}
			if err := cmd.Start(); err != nil {
				t.Fatal(err)
			}
			w.Close()
			fr := NewFrameReader(r, 0)
			kill := 1 + rnd.IntN(2000)
			for i := 0; ; i++ {
				if i == kill {
					cmd.Process.Kill()
				}
				body, err := fr.Next()
				if err == io.EOF && i >= kill {
					break
				}
				if errors.Is(err, ErrCorrupt) && i >= kill && size > AtomicWrite {
					break
				}
				if err != nil || len(body) != size || body[0] != byte(size) || body[size-1] != byte(size) {
					t.Fatalf("frame %d of %d bytes, killed at %d: %d bytes, %v", i, size, kill, len(body), err)
				}
			}
			cmd.Wait()
			r.Close()
		}
	}
}

func BenchmarkPipe(b *testing.B) {
	r, w := testPipe(b, 0)
	buf := make([]byte, 64)
	b.Run("WriteRead/64B", func(b *testing.B) {
		for b.Loop() {
			w.Write(buf)
			r.Read(buf)
		}
	})
	b.Run("Readable", func(b *testing.B) {
		for b.Loop() {
			r.Readable()
		}
	})
}
