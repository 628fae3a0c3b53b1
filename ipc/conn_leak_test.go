package ipc

import (
	"context"
	"errors"
	"fmt"
	"net"
	"os"
	"testing"
	"time"
)

// The helper opens and closes all there is, in a process where nothing else
// does, and fails if descriptors remain.
var _ = addHelper("leaks", func([]string) {
	open := func() int {
		d, err := os.ReadDir("/dev/fd")
		if err != nil {
			panic(err)
		}
		return len(d)
	}
	before := 0
	for i := range 200 {
		if i == 10 { // what is opened once is open
			before = open()
		}
		if err := openAndClose(); err != nil {
			panic(err)
		}
	}
	if after := open(); after != before {
		panic(fmt.Sprintf("%d descriptors after 10 rounds, %d after 200", before, after))
	}
})

func openAndClose() error {
	ctx := context.Background()
	a, b, err := Pipe()
	if err != nil {
		return err
	}
	r, w, err := SimplexPipe()
	if err != nil {
		return err
	}
	short, cancel := context.WithTimeout(ctx, 100*time.Microsecond)
	defer cancel()
	if _, err := Wait(short, a, b, r, doneWaiter(make(chan struct{}))); !errors.Is(err, context.DeadlineExceeded) {
		return err
	}
	// Files that were sent and not received, and one that was.
	fr, fw, err := os.Pipe()
	if err != nil {
		return err
	}
	err = errors.Join(a.SendFile(fr), a.SendFile(fw), a.Send(1), a.SendFile(fr), fr.Close(), fw.Close())
	f, ferr := b.RecvFile()
	if err := errors.Join(err, ferr); err != nil {
		return err
	}
	if err := a.Close(); err != nil {
		return err
	}
	if _, err := b.RecvBytes(); err == nil {
		return errors.New("a file was taken for a message")
	}
	if c, err := ConnOf(f, ConnOptions{Limit: -1}); err == nil {
		return fmt.Errorf("a negative limit: %v", c)
	}
	if err := errors.Join(f.Close(), b.Close(), r.Close(), w.Close()); err != nil {
		return err
	}
	for _, network := range []string{"unix", "tcp"} {
		l, err := Listen(network, "", ListenOptions{AuthKey: []byte("key")})
		if err != nil {
			return err
		}
		good, err := Dial(ctx, network, l.Addr().String(), DialOptions{AuthKey: []byte("key")})
		if err != nil {
			return err
		}
		if _, err := Dial(ctx, network, l.Addr().String(), DialOptions{AuthKey: []byte("wrong")}); !errors.Is(err, ErrAuth) {
			return err
		}
		silent, err := net.Dial(network, l.Addr().String())
		if err != nil {
			return err
		}
		if err := errors.Join(l.Close(), good.Close(), silent.Close()); err != nil {
			return err
		}
	}
	return nil
}

func TestConnLeaks(t *testing.T) {
	t.Parallel()
	if out, err := helper(t, "leaks").Output(); err != nil {
		t.Errorf("%v: %s", err, out)
	}
}
