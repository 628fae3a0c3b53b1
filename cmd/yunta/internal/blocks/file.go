package blocks

import (
	"io"
)

// A Section is a part of a file.
type Section struct{ At, Size int64 }

// A File is cut where it lies: only what is around the ends of blocks is read.
type File struct {
	r    io.ReaderAt
	c    *Cutter
	o    Options
	at   int64
	size int64
}

// NewFile cuts the bytes of r from at to size.
func NewFile(r io.ReaderAt, at, size int64, c *Cutter, o Options) *File {
	return &File{r: r, c: c, o: o, at: at, size: size}
}

// look is how much is read first where a block may end, in bytes.
const look = 64 << 10

// Next returns the next block; io.EOF after the last one.
func (f *File) Next() (Section, error) {
	left := f.size - f.at
	switch {
	case left <= 0:
		return Section{}, io.EOF
	case left <= f.o.Size:
		return f.take(left), nil
	case f.c.anywhere():
		return f.take(f.o.Size), nil
	}
	if f.o.Forward {
		return f.forward(left)
	}
	for n := int64(look); ; n *= 2 { // backwards from where it has to end
		n = min(n, f.o.Size)
		b, err := f.read(f.at+f.o.Size-n, n)
		if err != nil {
			return Section{}, err
		}
		if cut := f.c.last(b, false); cut > 0 {
			return f.take(f.o.Size - n + int64(cut)), nil
		}
		if n == f.o.Size {
			break
		}
	}
	for n := f.o.Size + look; ; n *= 2 { // one record is larger
		n = min(n, left)
		b, err := f.read(f.at, n)
		if err != nil {
			return Section{}, err
		}
		if cut := f.c.first(b, 1, n == left); cut > 0 {
			return f.take(int64(cut)), nil
		}
		if n == left {
			return f.take(left), nil
		}
	}
}

// forward ends a block at the first place behind its size.
func (f *File) forward(left int64) (Section, error) {
	for n := int64(look); ; n *= 2 {
		n = min(n, left-f.o.Size)
		b, err := f.read(f.at+f.o.Size, n)
		if err != nil {
			return Section{}, err
		}
		if cut := f.c.first(b, 1, n == left-f.o.Size); cut > 0 {
			return f.take(f.o.Size + int64(cut)), nil
		}
		if n == left-f.o.Size {
			return f.take(left), nil
		}
	}
}

func (f *File) take(n int64) Section {
	s := Section{f.at, n}
	f.at += n
	return s
}

func (f *File) read(at, n int64) ([]byte, error) {
	b := make([]byte, n)
	m, err := f.r.ReadAt(b, at)
	if err == io.EOF && int64(m) < n {
		f.size = at + int64(m) // it has become shorter
	}
	if err == io.EOF {
		err = nil
	}
	return b[:m], err
}
