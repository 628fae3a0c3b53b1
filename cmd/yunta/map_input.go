package main

import (
	"bufio"
	"errors"
	"fmt"
	"io"
)

// A source hands out the values of yunta map, one after the other.
type source interface {
	// next returns the next value; io.EOF after the last one. It returns errStopped when stop is closed while it waits.
	next(stop <-chan struct{}) (string, error)
}

var errStopped = errors.New("stopped")

// given are values from the command line.
type given struct{ values []string }

func (g *given) next(<-chan struct{}) (string, error) {
	if len(g.values) == 0 {
		return "", io.EOF
	}
	v := g.values[0]
	g.values = g.values[1:]
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

// lines are values from a stream, each ended by a separator (the last one perhaps not). Another goroutine reads, since a read cannot
// be broken off; it is left to itself when nobody wants more.
type lines struct {
	batches chan batch
	now     batch
}

func newLines(r io.Reader, separator byte) *lines {
	l := &lines{batches: make(chan batch)}
	go l.read(bufio.NewReaderSize(r, inputBuffer), separator)
	return l
}

func (l *lines) read(r *bufio.Reader, separator byte) {
	for {
		var b batch
		for size := 0; b.err == nil && len(b.values) < batchValues && size < batchBytes; {
			v, err := r.ReadString(separator)
			if err == nil {
				v = v[:len(v)-1]
			} else if err != io.EOF {
				b.err = err
				break // the rest of a value is none
			} else if b.err = err; v == "" {
				break
			}
			b.values = append(b.values, v)
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

func (l *lines) next(stop <-chan struct{}) (string, error) {
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
			return "", errStopped
		}
	}
	v := l.now.values[0]
	l.now.values = l.now.values[1:]
	return v, nil
}
