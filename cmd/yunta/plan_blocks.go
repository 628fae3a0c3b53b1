package main

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"strconv"

	"yunta/cmd/yunta/internal/blocks"
	"yunta/cmd/yunta/internal/input"
	"yunta/cmd/yunta/internal/jobs"
)

// How a job gets its block of the input.
const (
	byInput = iota // on its standard input
	byFile         // in a file whose name {} stands for
	byFIFO         // in a named pipe whose name {} stands for
)

// pipeOptions are what --pipe and its companions ask for.
type pipeOptions struct {
	on, part   bool
	block      int64
	perSlot    int // --block -N: so many blocks for each slot
	records    int
	lines      int // a record is so many lines
	marks      blocks.Records
	strip      bool
	header     string // a regular expression
	by         int
	roundRobin bool
	tee        bool
	file       string // for part; else stdin
}

// A blockSource makes jobs of blocks of the input.
type blockSource struct {
	o      pipeOptions
	dir    string // the spill folder
	cutter *blocks.Cutter
	header []byte
	file   *blocks.File // cut where it lies
	path   string       // of file
	bytes  chan block   // or read
	spread *spread      // jobs that get their input while they run
}

type block struct {
	bytes []byte
	err   error
}

// newBlockSource begins to cut the input.
func newBlockSource(o pipeOptions, dir string, slots int, stdin io.Reader) (*blockSource, error) {
	b := &blockSource{o: o, dir: dir}
	var err error
	if b.cutter, err = o.marks.Cutter(); err != nil {
		return nil, err
	}
	in, path, err := o.open(stdin)
	if err != nil {
		return nil, err
	}
	options := blocks.Options{Size: o.block, Records: o.records, Lines: o.lines, Forward: o.part}
	if path != "" {
		return b, b.whereItLies(in.(*os.File), path, options, slots)
	}
	head, r, err := blocks.Header(in, o.header)
	if err != nil {
		return nil, err
	}
	b.header = head
	b.bytes = make(chan block)
	go b.read(blocks.NewStream(r, b.cutter, options))
	return b, nil
}

// open returns the input, and its path when it is a file that workers can open and cut where it lies.
func (o *pipeOptions) open(stdin io.Reader) (io.Reader, string, error) {
	if o.part {
		f, err := os.Open(o.file)
		return f, o.file, err
	}
	if o.records > 0 || o.lines > 0 || o.strip || o.marks.Regexp || o.roundRobin || o.tee || o.by != byInput || o.header != "" {
		return stdin, "", nil
	}
	f, ok := stdin.(*os.File)
	if !ok {
		return stdin, "", nil
	}
	info, err := f.Stat()
	if err != nil || !info.Mode().IsRegular() {
		return stdin, "", nil
	}
	path, err := pathOf(f)
	if err != nil {
		return stdin, "", nil // it is read
	}
	if there, err := os.Stat(path); err != nil || !os.SameFile(there, info) {
		return stdin, "", nil
	}
	return f, path, nil
}

func (b *blockSource) whereItLies(f *os.File, path string, o blocks.Options, slots int) (err error) {
	info, err := f.Stat()
	if err != nil {
		return err
	}
	at, err := f.Seek(0, io.SeekCurrent)
	if err != nil {
		return err
	}
	head, _, err := blocks.Header(io.NewSectionReader(f, at, info.Size()-at), b.o.header)
	if err != nil {
		return err
	}
	at += int64(len(head))
	b.header = head
	if n := int64(b.o.perSlot * slots); n > 0 {
		o.Size = max((info.Size()-at+n-1)/n, 1)
	}
	b.path, err = filepath.Abs(path)
	b.file = blocks.NewFile(f, at, info.Size(), b.cutter, o)
	return err
}

func (b *blockSource) read(s *blocks.Stream) {
	for {
		block := block{}
		block.bytes, block.err = s.Next()
		b.bytes <- block
		if block.err != nil {
			return
		}
	}
}

// take returns the next block that was read, ready to be given to a job.
func (b *blockSource) take(stop <-chan struct{}) ([]byte, error) {
	select {
	case block := <-b.bytes:
		if block.err != nil {
			if block.err != io.EOF {
				return nil, fmt.Errorf("reading the input: %w", block.err)
			}
			b.bytes = ended()
			return nil, io.EOF
		}
		if b.o.strip {
			block.bytes = b.cutter.Strip(block.bytes)
		}
		return block.bytes, nil
	case <-stop:
		return nil, input.ErrStopped
	}
}

// ended is an input that is at its end for ever.
func ended() chan block {
	c := make(chan block, 1)
	c <- block{err: io.EOF}
	return c
}

// next makes the next job.
func (b *blockSource) next(p *plan, stop <-chan struct{}) (*work, error) {
	if b.o.roundRobin || b.o.tee {
		if b.spread == nil {
			b.spread = &spread{b: b}
		}
		return b.spread.next(p, stop)
	}
	w := &work{}
	if b.file != nil {
		part, err := b.file.Next()
		if err != nil {
			return nil, err
		}
		p.seq++
		w.seq, w.sent = p.seq, part.Size+int64(len(b.header))
		w.spec.Input = jobs.Input{File: b.path, Part: true, At: part.At, Size: part.Size, Head: b.header}
		return w, p.fill(w, "")
	}
	block, err := b.take(stop)
	if err != nil {
		return nil, err
	}
	p.seq++
	w.seq, w.sent = p.seq, int64(len(b.header)+len(block))
	w.file = filepath.Join(b.dir, "b"+strconv.Itoa(p.seq))
	if b.o.by == byFIFO {
		if err := makeFIFO(w.file); err != nil {
			return nil, err
		}
		w.feed = func() {
			f, err := os.OpenFile(w.file, os.O_WRONLY, 0)
			if err != nil {
				return
			}
			_, _ = f.Write(bytes.Join([][]byte{b.header, block}, nil)) // who does not read all does not want it
			_ = f.Close()
		}
	} else if err := writeBlock(w.file, b.header, block); err != nil {
		return nil, fmt.Errorf("a block of the input: %w", err)
	}
	if b.o.by == byInput {
		w.spec.Input.File = w.file
		return w, p.fill(w, "")
	}
	return w, p.fill(w, w.file)
}

func writeBlock(path string, parts ...[]byte) error {
	f, err := os.OpenFile(path, os.O_WRONLY|os.O_CREATE|os.O_EXCL, 0o600)
	if err != nil {
		return err
	}
	for _, part := range parts {
		if _, err := f.Write(part); err != nil {
			return errors.Join(err, f.Close())
		}
	}
	return f.Close()
}
