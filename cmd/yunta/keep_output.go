package main

import (
	"bytes"
	"os"
	"path/filepath"
	"sync"
)

// keepOutput is where the commands' output goes.
type keepOutput struct {
	mu     sync.Mutex // so that lines stay whole
	prefix bool
	files  map[string]*os.File
}

func newKeepOutput(k *keeping) (*keepOutput, error) {
	o := &keepOutput{prefix: k.flags.file != ""}
	if k.flags.output == "" {
		return o, nil
	}
	o.files = map[string]*os.File{}
	if err := os.MkdirAll(k.flags.output, 0o777); err != nil {
		return nil, err
	}
	for _, c := range k.commands {
		f, err := os.OpenFile(filepath.Join(k.flags.output, c.name+".log"), os.O_WRONLY|os.O_APPEND|os.O_CREATE, 0o666)
		if err != nil {
			o.close()
			return nil, err
		}
		o.files[c.name] = f
	}
	return o, nil
}

func (o *keepOutput) close() {
	for _, f := range o.files {
		f.Close()
	}
}

// plain returns the file that a command may write to itself: nobody has to see the lines on their way.
func (o *keepOutput) plain(name string, to *os.File) *os.File {
	if f := o.files[name]; f != nil {
		return f
	}
	if o.prefix {
		return nil
	}
	return to
}

// longestKept is how much of a line is waited for before it is passed on as it is.
const longestKept = 64 << 10

// A lineWriter passes whole lines on, and shows each to see.
type lineWriter struct {
	out    *keepOutput
	to     *os.File
	prefix string
	see    func(line []byte)
	rest   []byte
}

// writer returns what a command's output passes through.
func (o *keepOutput) writer(name string, to *os.File, see func([]byte)) *lineWriter {
	w := &lineWriter{out: o, to: to, see: see}
	if f := o.files[name]; f != nil {
		w.to = f
	} else if o.prefix {
		w.prefix = name + " | "
	}
	return w
}

func (w *lineWriter) Write(p []byte) (int, error) {
	w.rest = append(w.rest, p...)
	for {
		end := bytes.IndexByte(w.rest, '\n') + 1
		if end == 0 && len(w.rest) < longestKept {
			return len(p), nil
		}
		if end == 0 {
			end = len(w.rest)
		}
		w.pass(w.rest[:end])
		w.rest = w.rest[end:]
	}
}

// flush passes on what came without a newline.
func (w *lineWriter) flush() {
	if len(w.rest) > 0 {
		w.pass(append(w.rest, '\n'))
		w.rest = nil
	}
}

func (w *lineWriter) pass(line []byte) {
	w.see(bytes.TrimSuffix(line, []byte("\n")))
	w.out.mu.Lock()
	defer w.out.mu.Unlock()
	// A command does not stop because nobody reads what it says.
	_, _ = w.to.Write(append([]byte(w.prefix), line...))
}
