// Package input makes the inputs of jobs: values from streams, files and the command line, cut into columns, linked or combined.
package input

import (
	"bufio"
	"bytes"
	"errors"
	"fmt"
	"io"
	"strings"
)

// A Source hands out values, one after the other.
type Source interface {
	// Next returns the next value; io.EOF after the last one. It returns ErrStopped when stop is closed while it waits.
	Next(stop <-chan struct{}) (string, error)
}

// ErrStopped says that somebody has stopped waiting for a value.
var ErrStopped = errors.New("stopped")

// Given are values that are there already.
type Given struct{ Values []string }

// Next implements Source.
func (g *Given) Next(<-chan struct{}) (string, error) {
	if len(g.Values) == 0 {
		return "", io.EOF
	}
	v := g.Values[0]
	g.Values = g.Values[1:]
	return v, nil
}

const (
	// inputBuffer is how much of the input is read at once, in bytes.
	inputBuffer = 64 << 10
	// batchValues and batchBytes bound what is handed over at once. What has been read is handed over before the reader waits for more.
	batchValues = 512
	batchBytes  = 64 << 10
)

// A batch is some values, and what came after them.
type batch struct {
	values []string
	err    error
}

// Lines are values from a stream, each ended by a separator (the last one perhaps not). Another goroutine reads, since a read cannot
// be broken off; it is left to itself when nobody wants more.
type Lines struct {
	batches chan batch
	now     batch
}

// NewLines begins to read values that end with the separator, which is not "".
func NewLines(r io.Reader, separator string) *Lines {
	l := &Lines{batches: make(chan batch)}
	go l.read(bufio.NewReaderSize(r, inputBuffer), []byte(separator))
	return l
}

func (l *Lines) read(r *bufio.Reader, separator []byte) {
	for {
		var b batch
		for size := 0; b.err == nil && len(b.values) < batchValues && size < batchBytes; {
			v, err := readTo(r, separator)
			if err == nil {
				v = v[:len(v)-len(separator)]
			} else if err != io.EOF {
				b.err = err
				break // the rest of a value is none
			} else if b.err = err; len(v) == 0 {
				break
			}
			b.values = append(b.values, string(v))
			size += len(v)
			if r.Buffered() == 0 {
				break
			}
		}
		l.batches <- b
		if b.err != nil {
			return
		}
	}
}

// readTo reads up to a separator of any length, and it.
func readTo(r *bufio.Reader, separator []byte) ([]byte, error) {
	last := separator[len(separator)-1]
	v, err := r.ReadBytes(last)
	for err == nil && !bytes.HasSuffix(v, separator) {
		var more []byte
		more, err = r.ReadBytes(last)
		v = append(v, more...)
	}
	return v, err
}

// Next implements Source.
func (l *Lines) Next(stop <-chan struct{}) (string, error) {
	for len(l.now.values) == 0 {
		if l.now.err == io.EOF {
			return "", io.EOF
		}
		if l.now.err != nil {
			return "", fmt.Errorf("reading the values: %w", l.now.err)
		}
		select {
		case l.now = <-l.batches:
		case <-stop:
			return "", ErrStopped
		}
	}
	v := l.now.values[0]
	l.now.values = l.now.values[1:]
	return v, nil
}

// A filtered source leaves out or changes values.
type filtered struct {
	Source
	keep func(string) (value string, keep, end bool)
}

func (f filtered) Next(stop <-chan struct{}) (string, error) {
	for {
		v, err := f.Source.Next(stop)
		if err != nil {
			return "", err
		}
		v, keep, end := f.keep(v)
		if end {
			return "", io.EOF
		}
		if keep {
			return v, nil
		}
	}
}

// NotBlank leaves out values of nothing but white space.
func NotBlank(s Source) Source {
	return filtered{s, func(v string) (string, bool, bool) { return v, strings.Trim(v, " \t\r\n\v\f") != "", false }}
}

// Until ends a source before a value.
func Until(s Source, last string) Source {
	return filtered{s, func(v string) (string, bool, bool) { return v, true, v == last }}
}

// OrBlank gives one empty value if a source has none.
func OrBlank(s Source) Source { return &orBlank{Source: s} }

type orBlank struct {
	Source
	begun bool
}

func (o *orBlank) Next(stop <-chan struct{}) (string, error) {
	v, err := o.Source.Next(stop)
	if err == io.EOF && !o.begun {
		err = nil
	}
	o.begun = o.begun || err == nil
	return v, err
}

// Trim takes white space off values: at the left, the right, or both.
func Trim(s Source, left, right bool) Source {
	const blanks = " \t\r\n\v\f"
	return filtered{s, func(v string) (string, bool, bool) {
		if left {
			v = strings.TrimLeft(v, blanks)
		}
		if right {
			v = strings.TrimRight(v, blanks)
		}
		return v, true, false
	}}
}
