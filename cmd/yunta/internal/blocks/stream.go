package blocks

import (
	"bytes"
	"errors"
	"io"
)

// Options say how large blocks are.
type Options struct {
	Size    int64 // at most, in bytes, unless one record is larger
	Records int   // so many each; 0: as many as fit
	Lines   int   // a record is so many lines; 0: see Records
	Forward bool  // of a File: blocks are of that size at least, not at most
}

// A Stream cuts what it reads.
type Stream struct {
	r    io.Reader
	c    *Cutter
	o    Options
	rest []byte
	end  bool
	err  error
}

// NewStream cuts what r gives into blocks.
func NewStream(r io.Reader, c *Cutter, o Options) *Stream { return &Stream{r: r, c: c, o: o} }

// growth is how much larger a block becomes that has no end of a record in it: so much, and by a byte at least.
const growth = 0.3

// Next returns the next block; io.EOF after the last one. It may be kept.
func (s *Stream) Next() ([]byte, error) {
	size := s.o.Size
	from, counted := 1, 0
	for {
		s.fill(size)
		if s.err != nil {
			return nil, s.err
		}
		if s.end && len(s.rest) == 0 {
			return nil, io.EOF
		}
		if s.o.Records > 0 {
			for counted < s.o.Records {
				cut := s.c.first(s.rest, from, s.end)
				if cut == 0 {
					break
				}
				counted++
				from = cut + 1
			}
			if counted == s.o.Records {
				return s.cut(from - 1), nil
			}
		} else if s.o.Lines > 0 {
			if cut := lines(s.rest[:min(size, int64(len(s.rest)))], s.o.Lines); cut > 0 {
				return s.cut(cut), nil
			}
		} else if !s.end || int64(len(s.rest)) > size {
			if cut := s.c.last(s.rest[:min(size, int64(len(s.rest)))], false); cut > 0 {
				return s.cut(cut), nil
			}
		}
		if s.end && int64(len(s.rest)) <= size {
			return s.cut(len(s.rest)), nil
		}
		size += int64(float64(size)*growth) + 1
	}
}

// lines returns where the last of the records of n lines each ends, 0 if there is no whole one.
func lines(b []byte, n int) int {
	count, last := 0, 0
	for at := 0; ; {
		i := bytes.IndexByte(b[at:], '\n')
		if i < 0 {
			return last
		}
		at += i + 1
		if count++; count%n == 0 {
			last = at
		}
	}
}

// fill reads until there are size bytes, or no more.
func (s *Stream) fill(size int64) {
	n := len(s.rest)
	if s.end || int64(n) >= size {
		return
	}
	if int64(cap(s.rest)) < size {
		s.rest = append(make([]byte, 0, size), s.rest...)
	}
	m, err := io.ReadFull(s.r, s.rest[n:size])
	s.rest = s.rest[:n+m]
	switch {
	case errors.Is(err, io.EOF), errors.Is(err, io.ErrUnexpectedEOF):
		s.end = true
	default:
		s.err = err
	}
}

// cut takes a block off. The rest is copied, so that the block is the caller's.
func (s *Stream) cut(n int) []byte {
	block := s.rest[:n:n]
	if s.o.Records > 0 {
		s.rest = s.rest[n:] // many small ones
		if cap(s.rest) < 1 {
			s.rest = nil
		}
		return block
	}
	s.rest = append(make([]byte, 0, max(s.o.Size, int64(len(s.rest)-n))), s.rest[n:]...)
	return block
}
