package top

import (
	"bytes"
	"context"
	"errors"
	"io"
	"os"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	tea "charm.land/bubbletea/v2"
	"github.com/creack/pty"
	"golang.org/x/term"

	"yunta/supervisor"
)

// What switches a terminal to the view's own screen, and back.
const (
	enterScreen = "\x1b[?1049h"
	leaveScreen = "\x1b[?1049l"
	showCursor  = "\x1b[?25h"
)

// A terminal is a pseudo terminal whose output is kept.
type terminal struct {
	*os.File // the user's end
	tty      *os.File
	mu       sync.Mutex
	text     bytes.Buffer
}

func newTerminal(t *testing.T) *terminal {
	t.Helper()
	master, tty, err := pty.Open()
	if err != nil {
		t.Skipf("no pseudo terminal: %v", err)
	}
	if err := pty.Setsize(tty, &pty.Winsize{Rows: 24, Cols: 80}); err != nil {
		t.Fatal(err)
	}
	x := &terminal{File: master, tty: tty}
	done := make(chan struct{})
	go func() {
		defer close(done)
		buf := make([]byte, 4096)
		for {
			n, err := master.Read(buf)
			x.mu.Lock()
			x.text.Write(buf[:n])
			x.mu.Unlock()
			if err != nil {
				return
			}
		}
	}()
	t.Cleanup(func() {
		tty.Close()
		master.Close()
		<-done
	})
	return x
}

func (x *terminal) String() string {
	x.mu.Lock()
	defer x.mu.Unlock()
	return x.text.String()
}

func (x *terminal) waitFor(t *testing.T, want string) {
	t.Helper()
	for end := time.Now().Add(time.Minute); time.Now().Before(end); time.Sleep(time.Millisecond) {
		if strings.Contains(x.String(), want) {
			return
		}
	}
	t.Fatalf("%q never showed up in %q", want, x)
}

// Whatever ends the view, the terminal is as it was.
func TestTerminalRestored(t *testing.T) {
	for _, row := range []struct {
		name string
		end  func(x *terminal, cancel func(), broken *atomic.Bool)
		want error
	}{
		{"q", func(x *terminal, _ func(), _ *atomic.Bool) { _, _ = io.WriteString(x, "q") }, nil},
		{"ctrl+c", func(x *terminal, _ func(), _ *atomic.Bool) { _, _ = io.WriteString(x, "\x03") }, nil},
		{"context", func(_ *terminal, cancel func(), _ *atomic.Bool) { cancel() }, nil},
		{"panic while looking", func(_ *terminal, _ func(), broken *atomic.Bool) { broken.Store(true) }, tea.ErrProgramPanic},
	} {
		t.Run(row.name, func(t *testing.T) {
			if raceEnabled && row.want != nil {
				t.Skip("after a panic the library closes what its reader still reads from")
			}
			x := newTerminal(t)
			before, err := term.GetState(int(x.tty.Fd()))
			if err != nil {
				t.Fatal(err)
			}
			ctx, cancel := context.WithCancel(context.Background())
			defer cancel()
			var broken atomic.Bool
			take := func() Snapshot {
				if broken.Load() {
					panic("cannot look any more")
				}
				return fake()
			}
			m := newModel(Look{Unicode: true}, 5*time.Millisecond, Settings{}, take, func() ([]supervisor.Board, error) { return nil, nil })
			done := make(chan error)
			go func() { done <- run(ctx, x.tty, x.tty, m) }()
			x.waitFor(t, "DEADLOCK")
			row.end(x, cancel, &broken)
			if err := <-done; !errors.Is(err, row.want) {
				t.Errorf("Run = %v, want %v", err, row.want)
			}
			after, err := term.GetState(int(x.tty.Fd()))
			if err != nil {
				t.Fatal(err)
			}
			if *before != *after {
				t.Error("the terminal's settings are not what they were")
			}
			x.waitFor(t, leaveScreen)
			text := x.String()
			if !strings.Contains(text, enterScreen) || strings.LastIndex(text, showCursor) < strings.LastIndex(text, "\x1b[?25l") {
				t.Errorf("the cursor stays hidden, or the screen was never entered: %q", text)
			}
		})
	}
}
