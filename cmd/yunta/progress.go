package main

import (
	"encoding/json"
	"fmt"
	"io"
	"sync"
	"time"
)

// barOptions say how progress is shown.
type barOptions struct {
	bar    bool   // a bar, on a terminal
	report string // "json" or "plain": lines on stderr; "": none
	name   string
}

func (o barOptions) make(out io.Writer) *bar {
	b := newCountBar(out, "jobs", o.bar)
	if o.report != "" {
		b.reporter = &reporter{o: o, out: out, quit: make(chan struct{})}
	}
	return b
}

// reportEvery is the time between two lines of progress.
const reportEvery = time.Second

// A reporter writes lines of progress.
type reporter struct {
	o    barOptions
	out  io.Writer
	quit chan struct{}
	once sync.Once
	done sync.WaitGroup
}

// start writes a line now and then, if there is something new.
func (r *reporter) start(state func() (done, total int64, elapsed time.Duration)) {
	r.done.Go(func() {
		ticker := time.NewTicker(reportEvery)
		defer ticker.Stop()
		last := int64(-1)
		for {
			select {
			case <-ticker.C:
				if done, total, elapsed := state(); done != last {
					last = done
					r.line(done, total, elapsed)
				}
			case <-r.quit:
				r.line(state())
				return
			}
		}
	})
}

func (r *reporter) stop() {
	r.once.Do(func() { close(r.quit) })
	r.done.Wait()
}

func (r *reporter) line(done, total int64, elapsed time.Duration) {
	left := time.Duration(0)
	if done > 0 && total > done {
		left = time.Duration(float64(elapsed) * float64(total-done) / float64(done))
	}
	if r.o.report == "json" {
		line := map[string]any{"done": done, "elapsed_s": elapsed.Seconds()}
		if total > 0 {
			line["total"] = total
			line["left_s"] = left.Seconds()
		}
		b, _ := json.Marshal(line) // numbers always can
		fmt.Fprintf(r.out, "%s\n", b)
		return
	}
	of, more := "", ""
	if total > 0 {
		of = fmt.Sprintf(" of %d", total)
	}
	if left > 0 {
		more = fmt.Sprintf(", %s left", left.Round(time.Second))
	}
	fmt.Fprintf(r.out, "%s: %d%s jobs done in %s%s\n", r.o.name, done, of, rounded(elapsed), more)
}
