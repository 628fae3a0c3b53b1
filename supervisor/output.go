package supervisor

import (
	"bytes"
	"errors"
	"io"
	"os"
	"slices"
	"sync"
	"time"
)

// maxLine is how long a line may get before it is passed on in pieces.
const maxLine = 64 << 10

// lineWriter passes whole lines of several children to one writer.
type lineWriter struct {
	mu sync.Mutex
	w  io.Writer
}

func newLineWriter(w io.Writer) *lineWriter {
	if w == nil {
		return nil
	}
	return &lineWriter{w: w}
}

func (l *lineWriter) write(b []byte) {
	l.mu.Lock()
	defer l.mu.Unlock()
	_, _ = l.w.Write(b) // the children go on even if nobody can listen
}

// prefixer puts a prefix before the lines of one stream.
type prefixer struct {
	to     *lineWriter
	prefix []byte
	buf    []byte
	inside bool // of a line that was too long to be passed on whole
}

func (p *prefixer) write(b []byte) {
	if len(p.prefix) == 0 {
		p.to.write(b)
		return
	}
	p.buf = p.buf[:0]
	for line := range bytes.Lines(b) {
		if !p.inside {
			p.buf = append(p.buf, p.prefix...)
		}
		p.buf = append(p.buf, line...)
		p.inside = line[len(line)-1] != '\n'
	}
	p.to.write(p.buf)
}

// output is what a child prints: standard error always, standard output when
// the pool was given a writer for it.
type output struct {
	childStdout, childStderr *os.File // the child's ends, until begin
	readers                  []*os.File
	sinks                    []*lineWriter
	prefix                   []byte // of each line, set by begin
	wg                       sync.WaitGroup

	mu    sync.Mutex
	last  []byte // the end of standard error
	crash []byte // the beginning of a Go crash that last no longer holds
}

func newOutput(stdout, stderr *lineWriter) (*output, error) {
	o := &output{childStdout: os.Stdout}
	r, w, err := os.Pipe()
	if err != nil {
		return nil, err
	}
	o.childStderr = w
	o.readers, o.sinks = []*os.File{r}, []*lineWriter{stderr}
	if stdout != nil {
		r, w, err := os.Pipe()
		if err != nil {
			o.abort()
			return nil, err
		}
		o.childStdout = w
		o.readers, o.sinks = append(o.readers, r), append(o.sinks, stdout)
	}
	return o, nil
}

// say puts a line of the supervisor's own among those of standard error.
func (o *output) say(line string) { o.sinks[0].write([]byte(line)) }

// abort closes everything when the child could not be started.
func (o *output) abort() {
	o.closeChildEnds()
	for _, r := range o.readers {
		_ = r.Close()
	}
}

func (o *output) closeChildEnds() {
	_ = o.childStderr.Close()
	if len(o.readers) > 1 {
		_ = o.childStdout.Close()
	}
}

// begin starts forwarding, once the child has its ends.
func (o *output) begin(prefix string) {
	o.prefix = []byte(prefix)
	o.closeChildEnds()
	for i, r := range o.readers {
		o.wg.Add(1)
		go o.forward(r, o.sinks[i], i == 0)
	}
}

func (o *output) forward(r *os.File, to *lineWriter, keep bool) {
	defer o.wg.Done()
	defer r.Close()
	buf := make([]byte, 0, 4096)
	rest := false
	lines := prefixer{to: to, prefix: o.prefix}
	for {
		if len(buf) == cap(buf) {
			buf = append(buf, 0)[:len(buf)] // grow
		}
		n, err := r.Read(buf[len(buf):cap(buf)])
		if keep && n > 0 {
			o.keep(buf[len(buf) : len(buf)+n])
		}
		buf = buf[:len(buf)+n]
		if i := bytes.LastIndexByte(buf, '\n'); i >= 0 || len(buf) >= maxLine {
			if i < 0 {
				i = len(buf) - 1
			}
			lines.write(buf[:i+1])
			buf = buf[:copy(buf, buf[i+1:])]
		}
		if errors.Is(err, os.ErrDeadlineExceeded) && !rest {
			// Most of that time may have been the writer's: what the pipe
			// still holds is read at once, if there is anything.
			rest = true
			buf = slices.Grow(buf, pipeHolds)
			_ = r.SetReadDeadline(time.Now().Add(drainTime / 10))
			continue
		}
		if err != nil {
			if len(buf) > 0 {
				lines.write(append(buf, '\n'))
			}
			return
		}
	}
}

// keep keeps the end of what comes, and of a Go crash in it the beginning,
// too: that says what happened, and the stacks behind it are often longer than
// what is kept.
func (o *output) keep(b []byte) {
	o.mu.Lock()
	defer o.mu.Unlock()
	o.last = append(o.last, b...)
	extra := len(o.last) - stderrTail
	if extra <= 0 {
		return
	}
	if i := crashAt(string(o.last)); i >= 0 && i < extra {
		o.crash = append(o.crash[:0], o.last[i:i+crashHead]...)
	}
	o.last = append(o.last[:0], o.last[extra:]...)
}

// tail returns what is kept of standard error.
func (o *output) tail() string {
	o.mu.Lock()
	defer o.mu.Unlock()
	if len(o.crash) > 0 && crashAt(string(o.last)) < 0 {
		return string(o.crash) + "\n[...]\n" + string(o.last)
	}
	return string(o.last)
}

// drainTime bounds how long the rest of a dead child's output is waited for:
// it is in the pipe already, but a process that left the group may hold the
// other end for ever.
const drainTime = 100 * time.Millisecond

// pipeHolds is how much a pipe holds, in bytes, where nobody has changed it: pipe(7).
const pipeHolds = 64 << 10

// finish reads what a dead child has left in its pipes and closes them. It does
// not wait longer for a writer that takes nothing, such as a stopped terminal:
// a death must be dealt with all the same.
func (o *output) finish() {
	for _, r := range o.readers {
		_ = r.SetReadDeadline(time.Now().Add(drainTime)) // a pipe has deadlines
	}
	drained := make(chan struct{})
	go func() {
		o.wg.Wait()
		close(drained)
	}()
	select {
	case <-drained:
	case <-time.After(2 * drainTime):
	}
}
