package ipc

import (
	"fmt"
	"os"
	"os/exec"
	"strconv"
	"strings"
	"testing"
	"time"
)

// The other end of a benchmark: it sends messages of a size, or sends each
// back, until the connection ends.
var _ = addHelper("conn", func(args []string) {
	c, err := ConnOf(os.NewFile(3, "conn"), ConnOptions{})
	if err != nil {
		panic(err)
	}
	if args[0] == "pingpong" {
		buf := make([]byte, 8<<20)
		for {
			n, err := c.RecvInto(buf)
			if err != nil || c.SendBytes(buf[:n]) != nil {
				return
			}
		}
	}
	size, err := strconv.Atoi(args[1])
	if err != nil {
		panic(err)
	}
	body := make([]byte, size)
	for c.SendBytes(body) == nil {
	}
})

var connKinds = []string{"duplex", "simplex", "pingpong"}

func startConn(t testing.TB, kind string, size int) *Conn {
	t.Helper()
	a, b := testConns(t)
	if kind == "simplex" {
		a, b = testSimplex(t)
	}
	f, err := b.File()
	if err != nil {
		t.Fatal(err)
	}
	cmd := helper(t, "conn", kind, strconv.Itoa(size))
	cmd.ExtraFiles = []*os.File{f}
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	f.Close()
	b.Close()
	t.Cleanup(func() {
		a.Close()
		if err := cmd.Wait(); err != nil {
			t.Error(err)
		}
	})
	return a
}

func TestConnHelper(t *testing.T) {
	t.Parallel()
	for _, kind := range connKinds {
		a := startConn(t, kind, 5)
		if kind == "pingpong" {
			if err := a.SendBytes([]byte("there")); err != nil {
				t.Fatal(err)
			}
		}
		if got, err := a.RecvBytes(); len(got) != 5 || err != nil {
			t.Errorf("%s: %q, %v", kind, got, err)
		}
		a.Close()
	}
}

// BenchmarkConn is between two processes.
func BenchmarkConn(b *testing.B) {
	for _, kind := range connKinds {
		for _, size := range []int{16, 4 << 10, 1 << 20} {
			b.Run(fmt.Sprintf("%s/%d", kind, size), func(b *testing.B) {
				ours := benchConn(b, kind, size)
				if python := benchPython(b, kind, size); python > 0 {
					b.ReportMetric(python/ours, "x-python")
				}
			})
		}
	}
}

func benchConn(b *testing.B, kind string, size int) (seconds float64) {
	b.Helper()
	a := startConn(b, kind, size)
	buf, body := make([]byte, size), make([]byte, size)
	if kind != "pingpong" {
		if _, err := a.RecvInto(buf); err != nil {
			b.Fatal(err)
		}
		b.SetBytes(int64(size))
	}
	b.ReportAllocs()
	start := time.Now()
	for b.Loop() {
		if kind == "pingpong" {
			if err := a.SendBytes(body); err != nil {
				b.Fatal(err)
			}
		}
		if _, err := a.RecvInto(buf); err != nil {
			b.Fatal(err)
		}
	}
	return time.Since(start).Seconds() / float64(b.N)
}

// benchPython returns the seconds that Python takes a message, 0 without it.
func benchPython(b *testing.B, kind string, size int) float64 {
	b.Helper()
	python, err := exec.LookPath("python3")
	if err != nil {
		return 0
	}
	count := 2000
	if size < 1<<20 {
		count = 20000
	}
	out, err := exec.Command(python, "testdata/conn_bench.py", strconv.Itoa(size), strconv.Itoa(count), kind).Output()
	if err != nil {
		b.Fatal(err)
	}
	seconds, err := strconv.ParseFloat(strings.TrimSpace(string(out)), 64)
	if err != nil {
		b.Fatal(err)
	}
	return seconds / float64(count)
}
