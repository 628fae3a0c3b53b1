// Package wordcount counts words in trees of files, in parts that can be counted anywhere and in any order.
//
// [Walk] lists the files, [Batches] cuts them into tasks of about equal size, [Count] counts one task, and [Tally.Merge] adds its
// result to the others. The totals depend neither on the batches nor on who counts them.
//
// A word is a longest run of letters and decimal digits (Unicode categories L and Nd), lower-cased letter by letter. A byte that is
// not UTF-8 ends a word. Of a run longer than [MaxWord] bytes the first MaxWord bytes, cut at a letter, are the word. A file with
// a NUL among its first [SniffLen] bytes is binary, and none of its words are counted.
package wordcount

import (
	"bytes"
	"context"
	"errors"
	"io"
	"io/fs"
	"os"
	"unicode"
	"unicode/utf8"
)

const (
	// MaxWord bounds what one word costs: a gigabyte of base64 without a break is one run.
	MaxWord = 256
	// SniffLen is how far into a file a NUL makes it binary; git looks as far.
	SniffLen = 8000
	// readSize is large enough that system calls do not count, and small enough to stay in the cache.
	readSize = 64 << 10
)

// A Problem is a file or folder that could not be read.
type Problem struct {
	Path string `json:"path"`
	Text string `json:"error"`
}

func problem(path string, err error) Problem {
	if e, ok := errors.AsType[*fs.PathError](err); ok {
		err = e.Err // the path is told apart
	}
	return Problem{Path: path, Text: err.Error()}
}

// A Partial is what one batch came to.
type Partial struct {
	Words    []byte // a packed [Tally]
	Files    int    // text files, each counted by the batch that has its beginning
	Binary   int
	Bytes    int64 // read and counted
	Listed   int64 // the batch's
	Problems []Problem
}

// Count counts the words of one batch. It stops early, with the context's error, when the context ends. A file that cannot be read
// is a problem in the result, not an error.
func Count(ctx context.Context, b Batch) (Partial, error) {
	p := Partial{Listed: b.Listed}
	tally := tallies.Get().(*Tally)
	defer tallies.Put(tally)
	tally.Reset()
	s := scanner{tally: tally, buf: make([]byte, readSize)}
	for _, piece := range b.Pieces {
		if err := ctx.Err(); err != nil {
			return Partial{}, err
		}
		if err := s.count(ctx, piece, &p); err != nil {
			if ctx.Err() != nil {
				return Partial{}, err
			}
			p.Problems = append(p.Problems, problem(piece.Path, err))
		}
	}
	p.Words = tally.AppendPacked(nil)
	return p, nil
}

// A scanner cuts one piece after the other into words.
type scanner struct {
	tally *Tally
	buf   []byte
	word  []byte // of the run being read, what has been seen, at most MaxWord bytes
	full  bool   // the rest of the run is not kept
}

func (s *scanner) count(ctx context.Context, piece Piece, p *Partial) error {
	f, err := os.Open(piece.Path)
	if err != nil {
		return err
	}
	defer f.Close()

	n, err := f.ReadAt(s.buf, 0)
	if err != nil && !errors.Is(err, io.EOF) {
		return err
	}
	if bytes.IndexByte(s.buf[:min(n, SniffLen)], 0) >= 0 {
		if piece.Off == 0 {
			p.Binary++
		}
		return nil
	}
	if piece.Off == 0 {
		p.Files++
	}

	s.word, s.full = s.word[:0], false
	at := piece.Off
	begun := piece.Off == 0 // what stands before the piece's first break belongs to the piece before
	rest := 0               // bytes of a letter whose end has not been read
	for read := piece.Off == 0; ; read = false {
		if err := ctx.Err(); err != nil {
			return err
		}
		if !read {
			n, err = f.ReadAt(s.buf[rest:], at)
			if err != nil && !errors.Is(err, io.EOF) {
				return err
			}
		}
		last := err != nil
		start := at - int64(rest)
		data := s.buf[:rest+n]
		at += int64(n)
		if !begun {
			skip := breakAt(data, 0)
			if skip < len(data) {
				begun = true
			}
			data, start = data[skip:], start+int64(skip)
		}
		if end := piece.End - start; piece.End >= 0 && end <= int64(len(data)) {
			// The word that spans the end belongs to this piece, up to the first break.
			if stop := breakAt(data, int(max(end, 0))); stop < len(data) {
				data, last = data[:stop], true
			}
		}
		p.Bytes += int64(len(data))
		if begun {
			rest = s.scan(data, last)
			p.Bytes -= int64(rest)
			copy(s.buf, data[len(data)-rest:])
		}
		if last {
			s.flush()
			return nil
		}
	}
}

// breakAt returns the index of the first byte from i on that is ASCII and in no word, or len(data). Pieces meet at such bytes,
// wherever their nominal ends fall, so that no word and no letter is ever cut in two.
func breakAt(data []byte, i int) int {
	for ; i < len(data); i++ {
		if c := data[i]; c < utf8.RuneSelf && lower[c] == 0 {
			return i
		}
	}
	return len(data)
}

// scan takes in data and returns how many bytes at its end are the beginning of a letter; none when this is the last of the piece.
func (s *scanner) scan(data []byte, last bool) (rest int) {
	for i := 0; i < len(data); {
		c := data[i]
		if c < utf8.RuneSelf {
			if l := lower[c]; l == 0 {
				s.flush()
			} else if len(s.word) < MaxWord && !s.full {
				s.word = append(s.word, l)
			} else {
				s.full = true
			}
			i++
			continue
		}
		if !last && !utf8.FullRune(data[i:]) {
			return len(data) - i
		}
		r, size := utf8.DecodeRune(data[i:])
		i += size
		if r == utf8.RuneError && size == 1 || !unicode.IsLetter(r) && !unicode.IsDigit(r) {
			s.flush()
			continue
		}
		r = unicode.ToLower(r)
		if s.full || len(s.word)+utf8.RuneLen(r) > MaxWord {
			s.full = true
			continue
		}
		s.word = utf8.AppendRune(s.word, r)
	}
	return 0
}

func (s *scanner) flush() {
	if len(s.word) > 0 {
		s.tally.Add(s.word, 1)
		s.word = s.word[:0]
	}
	s.full = false
}

// lower maps an ASCII letter or digit to its lower case, everything else to 0.
var lower = [256]byte{
	'0': '0', '1': '1', '2': '2', '3': '3', '4': '4', '5': '5', '6': '6', '7': '7', '8': '8', '9': '9',
	'A': 'a', 'B': 'b', 'C': 'c', 'D': 'd', 'E': 'e', 'F': 'f', 'G': 'g', 'H': 'h', 'I': 'i', 'J': 'j', 'K': 'k', 'L': 'l', 'M': 'm',
	'N': 'n', 'O': 'o', 'P': 'p', 'Q': 'q', 'R': 'r', 'S': 's', 'T': 't', 'U': 'u', 'V': 'v', 'W': 'w', 'X': 'x', 'Y': 'y', 'Z': 'z',
	'a': 'a', 'b': 'b', 'c': 'c', 'd': 'd', 'e': 'e', 'f': 'f', 'g': 'g', 'h': 'h', 'i': 'i', 'j': 'j', 'k': 'k', 'l': 'l', 'm': 'm',
	'n': 'n', 'o': 'o', 'p': 'p', 'q': 'q', 'r': 'r', 's': 's', 't': 't', 'u': 'u', 'v': 'v', 'w': 'w', 'x': 'x', 'y': 'y', 'z': 'z',
}
