package main

import (
	"bytes"
	"errors"
	"io"
	"os"
	"path/filepath"
	"syscall"

	"yunta/cmd/yunta/internal/jobs"
)

// A finished job is what there is to print of one.
type finished struct {
	number  int // from 1, in the order in which they were begun
	seq     int // from 1, in the order of the input; other jobs may have been left out
	value   string
	tag     string // in front of each line
	command string // as it is shown, where that is wanted
	values  []string
	tree    string // see work
	sent    int64
	result  jobs.Result
	died    string   // why there is no result, if there is none
	before  bool     // it succeeded in an earlier run, which has printed its output
	rest    []string // files with what a dead worker's job had written, stdout and stderr by their names
	spill   spilled  // where its value and output are while they wait
}

// failed reports whether the job counts as failed. One that never began does not.
func (f *finished) failed() bool {
	return f.died != "" || f.result.End != jobs.NotRun && !f.result.Succeeded()
}

func (f *finished) how() string {
	if f.died != "" {
		return f.died
	}
	return f.result.How()
}

// A printer writes what jobs have written, one job after another.
type printer struct {
	stdout, stderr io.Writer
	dir            string // the spill folder
	verbose        bool   // each job's command in front of its output
	buffer         []byte
	err            error // of a write to stdout: nothing more is written there
}

// copyBuffer is how much of a large output is in memory at a time, in bytes.
const copyBuffer = 256 << 10

// print writes all that a job has written. The error is one of reading it back.
func (p *printer) print(f *finished) error {
	return errors.Join(
		p.one(p.stdout, f, f.result.Stdout, ".out"),
		p.one(p.stderr, f, f.result.Stderr, ".err"),
	)
}

func (p *printer) one(w io.Writer, f *finished, o jobs.Output, suffix string) error {
	if w == p.stdout && p.err != nil {
		w = io.Discard
	}
	t := tagger{w: w, fresh: true}
	if f.tag != "" {
		t.tag = []byte(f.tag)
	}
	if p.verbose && suffix == ".out" {
		_, _ = io.WriteString(&t, f.command+"\n") // an error shows when the output is written
	}
	err := p.pieces(&t, f, o, suffix)
	if t.err != nil {
		err = nil // what could not be written is another matter than what could not be read
		if w == p.stdout {
			p.err = t.err
		}
	}
	return err
}

func (p *printer) pieces(w io.Writer, f *finished, o jobs.Output, suffix string) error {
	if o.File != "" {
		return p.file(w, o.File, o.Size)
	}
	if len(o.Data) > 0 {
		_, err := w.Write(o.Data)
		return err
	}
	for _, name := range f.rest {
		if filepath.Ext(name) == suffix {
			if err := p.file(w, name, -1); err != nil {
				return err
			}
		}
	}
	return nil
}

// file copies a file of the spill folder, or its first size bytes, and removes it.
func (p *printer) file(w io.Writer, name string, size int64) error {
	path := filepath.Join(p.dir, name)
	f, err := os.Open(path)
	if err != nil {
		return err
	}
	defer f.Close()
	defer os.Remove(path)
	if t, ok := w.(*tagger); ok && t.tag == nil && t.err == nil {
		if out, ok := t.w.(*keenWriter); ok && out.pipe() {
			return t.pour(out, f, size)
		}
	}
	if p.buffer == nil {
		p.buffer = make([]byte, copyBuffer)
	}
	var r io.Reader = f
	if size >= 0 {
		r = io.LimitReader(f, size)
	}
	_, err = io.CopyBuffer(struct{ io.Writer }{w}, struct{ io.Reader }{r}, p.buffer)
	return err
}

// pour prints a file, or its first size bytes, into a pipe.
func (t *tagger) pour(out *keenWriter, f *os.File, size int64) error {
	if size < 0 {
		info, err := f.Stat()
		if err != nil {
			return err
		}
		size = info.Size()
	}
	err := jobs.Pour(out.w.(*os.File), f, size)
	if errors.Is(err, io.ErrUnexpectedEOF) {
		return err // the file's fault
	}
	t.err = err
	if out.err == nil {
		out.err = err
	}
	return err
}

// brokenPipe reports whether the reader of stdout has gone away.
func (p *printer) brokenPipe() bool { return errors.Is(p.err, syscall.EPIPE) }

// A tagger puts a tag in front of each line, if there is one.
type tagger struct {
	w     io.Writer
	tag   []byte
	fresh bool // at the beginning of a line
	line  []byte
	err   error
}

func (t *tagger) Write(p []byte) (int, error) {
	if t.err != nil {
		return 0, t.err
	}
	out := p
	if t.tag != nil {
		out = t.line[:0]
		for rest := p; len(rest) > 0; {
			if t.fresh {
				out = append(out, t.tag...)
			}
			line := rest
			if i := bytes.IndexByte(rest, '\n'); i >= 0 {
				line = rest[:i+1]
			}
			out, rest = append(out, line...), rest[len(line):]
			t.fresh = line[len(line)-1] == '\n'
			if len(out) >= copyBuffer { // a long tag in front of short lines
				if _, t.err = t.w.Write(out); t.err != nil {
					return 0, t.err
				}
				out = out[:0]
			}
		}
		t.line = out
	}
	if _, t.err = t.w.Write(out); t.err != nil {
		return 0, t.err
	}
	return len(p), nil
}
