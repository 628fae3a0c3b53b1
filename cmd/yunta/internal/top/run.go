package top

import (
	"context"
	"errors"
	"io"
	"os"
	"time"

	tea "charm.land/bubbletea/v2"

	"yunta/supervisor"
)

// Run shows the full-screen view until the user leaves or ctx ends. It needs a terminal for both, and leaves it as it
// found it, also after a panic and on SIGTERM. No process is touched by its end.
func Run(ctx context.Context, in, out *os.File, look Look, interval time.Duration, o Settings) error {
	var s Sampler
	return run(ctx, in, out, newModel(look, interval, o, s.Take, supervisor.Boards))
}

func run(ctx context.Context, in, out *os.File, m tea.Model) error {
	p := tea.NewProgram(m, tea.WithInput(in), tea.WithOutput(out))
	// Not tea.WithContext, whose end closes what another goroutine still reads from.
	defer context.AfterFunc(ctx, p.Quit)()
	if _, err := p.Run(); !errors.Is(err, tea.ErrInterrupted) {
		return err
	}
	return nil
}

// Batch prints snapshots, n of them, or until ctx ends if n is 0.
func Batch(ctx context.Context, out io.Writer, n int, interval time.Duration, draw func(*Snapshot) error) error {
	var s Sampler
	for i := 0; n == 0 || i < n; i++ {
		if i > 0 {
			select {
			case <-time.After(interval):
			case <-ctx.Done():
				return nil
			}
		}
		snap := s.Take()
		if snap.Err != nil {
			return snap.Err
		}
		if err := draw(&snap); err != nil {
			return err
		}
	}
	return nil
}
