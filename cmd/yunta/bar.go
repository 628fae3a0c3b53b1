package main

import (
	"fmt"
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
	label    string
	counters decor.Decorator // of what it counts
	reporter *reporter       // nil: no lines of progress

	mu       sync.Mutex // guards what follows
	total    int64      // 0: not known
	begun    time.Time
	done     int64
	progress *mpb.Progress // nil while nothing is shown
	shown    *mpb.Bar
	stopped  bool
}

// newBar makes a bar that counts bytes.
func newBar(out io.Writer, label string) *bar {
	return &bar{out: out, terminal: drawable(out), label: label, counters: decor.CountersKiloByte("% .1f of % .1f")}
}

// newCountBar makes one that counts things. Nothing but what is written to it ever shows unless it is wanted.
func newCountBar(out io.Writer, label string, wanted bool) *bar {
	b := &bar{out: out, terminal: wanted && drawable(out), label: label}
	b.counters = decor.Any(b.counted)
	return b
}

func drawable(out io.Writer) bool { return isTerminal(out) && os.Getenv("TERM") != "dumb" }

// isTerminal reports whether a reader or writer is a terminal.
func isTerminal(x any) bool {
	f, isFile := x.(*os.File)
	return isFile && term.IsTerminal(int(f.Fd()))
}

// start says how much there will be, 0 when that is not known yet.
func (b *bar) start(total int64) {
	b.mu.Lock()
	defer b.mu.Unlock()
	b.total, b.begun = total, time.Now()
	if b.reporter != nil {
		b.reporter.start(b.state)
	}
	if b.terminal {
		time.AfterFunc(barDelay, func() { b.add(0) }) // it shows even if nothing is ever done
	}
}

// know says how much there will be after all.
func (b *bar) know(total int64) {
	b.mu.Lock()
	defer b.mu.Unlock()
	b.total = total
	if b.shown != nil {
		b.shown.SetTotal(total, false)
	}
}

// add says that n more are done.
func (b *bar) add(n int64) {
	b.mu.Lock()
	defer b.mu.Unlock()
	b.done += n
	if b.shown == nil && b.terminal && !b.stopped && time.Since(b.begun) >= barDelay {
		b.progress = mpb.New(mpb.WithOutput(b.out), mpb.WithWidth(64), mpb.WithRefreshRate(100*time.Millisecond))
		b.shown = b.progress.AddBar(
			b.total,
			mpb.BarRemoveOnComplete(),
			mpb.BarFillerMiddleware(onlyOfKnownTotal),
			mpb.PrependDecorators(decor.Name(b.label+" ")),
			mpb.AppendDecorators(decor.Any(percentage), b.counters, decor.Any(b.remaining)),
		)
	}
	if b.shown != nil {
		current := b.done
		if b.total > 0 {
			current = min(current, b.total-1) // the last one is stop's
		}
		b.shown.SetCurrent(current)
	}
}

func onlyOfKnownTotal(filler mpb.BarFiller) mpb.BarFiller {
	return mpb.BarFillerFunc(func(w io.Writer, s decor.Statistics) error {
		if s.Total <= 0 {
			return nil
		}
		return filler.Fill(w, s)
	})
}

func percentage(s decor.Statistics) string {
	if s.Total <= 0 {
		return ""
	}
	return fmt.Sprintf("%d %%  ", 100*s.Current/s.Total)
}

// counted is the number done, and of how many or how fast.
func (b *bar) counted(s decor.Statistics) string {
	if s.Total > 0 {
		return fmt.Sprintf("%d of %d", s.Current, s.Total)
	}
	return fmt.Sprintf("%d done, %.0f a second", s.Current, float64(s.Current)/time.Since(b.begun).Seconds())
}

// remaining estimates from the rate so far.
func (b *bar) remaining(s decor.Statistics) string {
	if s.Current <= 0 || s.Total <= 0 {
		return ""
	}
	elapsed := time.Since(b.begun)
	left := time.Duration(float64(elapsed) * float64(s.Total-s.Current) / float64(s.Current))
	return "  " + left.Round(time.Second).String() + " left"
}

func (b *bar) state() (done, total int64, elapsed time.Duration) {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.done, b.total, time.Since(b.begun)
}

// stop takes the bar away. It may be called again.
func (b *bar) stop() {
	if b.reporter != nil {
		b.reporter.stop()
	}
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
	if b.progress == nil || b.stopped {
		return b.out.Write(p)
	}
	// The terminal's echo of Ctrl-C leaves the cursor where the next drawing would not clear the line's beginning.
	_, _ = io.WriteString(b.out, "\r")
	n, err := b.progress.Write(p)
	if err == nil && len(p) > 0 && p[len(p)-1] != '\n' {
		_, err = b.progress.Write([]byte{'\n'}) // or the bar would be drawn behind it
	}
	return n, err
}
