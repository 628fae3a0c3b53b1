package main

import (
	"io"
	"os"
	"sync"
	"time"

	"github.com/vbauerster/mpb/v8"
	"github.com/vbauerster/mpb/v8/decor"
	"golang.org/x/term"
)

// barDelay is how long work may take without a bar: one that is gone at once only flickers.
const barDelay = 500 * time.Millisecond

// A bar shows how far the work is, on a terminal and nowhere else. As a Writer it takes whole lines, which appear above it.
type bar struct {
	out      io.Writer
	terminal bool

	mu       sync.Mutex // guards what follows
	total    int64
	begun    time.Time
	done     int64
	progress *mpb.Progress // nil while nothing is shown
	shown    *mpb.Bar
	stopped  bool
}

func newBar(out io.Writer) *bar {
	f, isFile := out.(*os.File)
	return &bar{out: out, terminal: isFile && term.IsTerminal(int(f.Fd())) && os.Getenv("TERM") != "dumb"}
}

// start says how many bytes there will be.
func (b *bar) start(total int64) {
	b.mu.Lock()
	defer b.mu.Unlock()
	b.total, b.begun = total, time.Now()
}

// add says that n more bytes are done.
func (b *bar) add(n int64) {
	b.mu.Lock()
	defer b.mu.Unlock()
	b.done += n
	if b.shown == nil && b.terminal && !b.stopped && time.Since(b.begun) > barDelay {
		b.progress = mpb.New(mpb.WithOutput(b.out), mpb.WithWidth(64), mpb.WithRefreshRate(100*time.Millisecond))
		b.shown = b.progress.AddBar(
			b.total,
			mpb.BarRemoveOnComplete(),
			mpb.PrependDecorators(decor.Name("counting ")),
			mpb.AppendDecorators(decor.Percentage(), decor.Name("  "), decor.CountersKiloByte("% .1f of % .1f"), decor.Any(b.remaining)),
		)
	}
	if b.shown != nil {
		b.shown.SetCurrent(min(b.done, b.total-1)) // the last byte is stop's
	}
}

// remaining estimates from the rate so far.
func (b *bar) remaining(s decor.Statistics) string {
	if s.Current <= 0 {
		return ""
	}
	elapsed := time.Since(b.begun)
	left := time.Duration(float64(elapsed) * float64(s.Total-s.Current) / float64(s.Current))
	return "  " + left.Round(time.Second).String() + " left"
}

// stop takes the bar away. It may be called again.
func (b *bar) stop() {
	b.mu.Lock()
	defer b.mu.Unlock()
	if b.stopped {
		return
	}
	b.stopped = true
	if b.shown != nil {
		b.shown.Abort(true)
		b.progress.Wait()
	}
}

// Write prints lines above the bar.
func (b *bar) Write(p []byte) (int, error) {
	b.mu.Lock()
	defer b.mu.Unlock()
	if b.progress != nil && !b.stopped {
		// The terminal's echo of Ctrl-C leaves the cursor where the next drawing would not clear the line's beginning.
		_, _ = io.WriteString(b.out, "\r")
		return b.progress.Write(p)
	}
	return b.out.Write(p)
}
