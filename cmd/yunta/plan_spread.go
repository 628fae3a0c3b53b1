package main

import (
	"io"
	"os"
	"path/filepath"
	"strconv"
)

// A spread gives the input to jobs while they run, through named pipes: each block to the next job that has room (--round-robin), or every
// block to every job (--tee).
type spread struct {
	b     *blockSource
	left  int // jobs that are still to be made
	pipes []chan []byte
	all   chan []byte
	begun bool
}

func (s *spread) next(p *plan, stop <-chan struct{}) (*work, error) {
	if !s.begun {
		s.begun = true
		s.left = p.slots
		s.all = make(chan []byte)
		if s.b.o.roundRobin {
			first, err := s.b.take(stop)
			if err != nil {
				return nil, err // without input no jobs
			}
			go s.pump(first)
		}
	}
	w := &work{}
	if s.b.o.tee {
		rows, err := p.rows.Next(stop)
		if err != nil {
			if err == io.EOF && len(s.pipes) > 0 {
				pipes := s.pipes
				s.pipes = nil
				go s.repeat(pipes)
			}
			return nil, err
		}
		for _, r := range rows {
			w.values = append(w.values, r...)
		}
	} else if s.left == 0 {
		return nil, io.EOF
	}
	s.left--
	p.seq++
	w.seq, w.file = p.seq, filepath.Join(s.b.dir, "f"+strconv.Itoa(p.seq))
	if err := makeFIFO(w.file); err != nil {
		return nil, err
	}
	blocks := s.all
	if s.b.o.tee {
		blocks = make(chan []byte)
		s.pipes = append(s.pipes, blocks)
	}
	w.feed = func() { s.give(w.file, blocks) }
	if s.b.o.by == byInput {
		w.spec.Input.File = w.file
		return w, p.fill(w, "")
	}
	return w, p.fill(w, w.file)
}

// pump hands out what is read, to whoever takes it.
func (s *spread) pump(block []byte) {
	defer close(s.all)
	for {
		s.all <- block
		var err error
		if block, err = s.b.take(nil); err != nil {
			return
		}
	}
}

// repeat hands out what is read to everybody.
func (s *spread) repeat(pipes []chan []byte) {
	for {
		block, err := s.b.take(nil)
		for _, p := range pipes {
			if err != nil {
				close(p)
			} else {
				p <- block
			}
		}
		if err != nil {
			return
		}
	}
}

// give writes blocks to one job. When the job has left, the blocks meant for it alone are thrown away.
func (s *spread) give(path string, blocks chan []byte) {
	f, err := os.OpenFile(path, os.O_WRONLY, 0)
	if err != nil {
		return
	}
	defer f.Close()
	if _, err := f.Write(s.b.header); err == nil {
		for block := range blocks {
			if _, err = f.Write(block); err != nil {
				break
			}
		}
	}
	if s.b.o.tee {
		_ = f.Close()
		for range blocks {
			continue
		}
	}
}
