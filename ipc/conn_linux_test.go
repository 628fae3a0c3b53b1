//go:build linux && !portable

package ipc

import (
	"errors"
	"os"
	"testing"
	"time"

	"golang.org/x/sys/unix"
)

// With a kernel from before RWF_NOWAIT on pipes they are left non-blocking.
func TestConnOldKernel(t *testing.T) {
	t.Parallel()
	r, w := testSimplex(t)
	for c, s := range map[*Conn]*connSys{r: &r.in.sys, w: &w.out.sys} {
		s.old = true
		c.raw.Control(func(fd uintptr) { unix.SetNonblock(int(fd), true) })
	}
	r.SetReadDeadline(time.Now().Add(time.Millisecond))
	if _, err := r.RecvBytes(); !errors.Is(err, os.ErrDeadlineExceeded) {
		t.Errorf("with nothing there: %v", err)
	}
	r.SetReadDeadline(time.Time{})
	done := make(chan error, 1)
	go func() { done <- w.SendBytes(make([]byte, 8<<20)) }()
	if got, err := r.RecvBytes(); len(got) != 8<<20 || err != nil {
		t.Errorf("%d bytes, %v", len(got), err)
	}
	if err := <-done; err != nil {
		t.Error(err)
	}
}
