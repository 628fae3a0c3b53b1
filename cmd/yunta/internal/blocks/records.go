// Package blocks cuts a stream or a file into blocks of whole records.
package blocks

import (
	"bytes"
	"errors"
	"fmt"
	"regexp"
)

// Records says where one record ends and the next begins: between End and Start, which stand side by side there.
type Records struct {
	Start, End string
	Regexp     bool // they are regular expressions
}

// A Cutter finds the places between records.
type Cutter struct {
	mark   []byte // End and Start
	end    int    // length of End in it
	re     *regexp.Regexp
	start  *regexp.Regexp
	finish *regexp.Regexp
	Records
}

// Cutter prepares the search.
func (r Records) Cutter() (*Cutter, error) {
	c := &Cutter{Records: r, mark: []byte(r.End + r.Start), end: len(r.End)}
	if !r.Regexp {
		return c, nil
	}
	if r.Start == "" && r.End == "" {
		return nil, errors.New("neither the beginning nor the end of a record is given")
	}
	var err error
	if c.re, err = regexp.Compile("(?s:(" + r.End + "))(?:" + r.Start + ")"); err != nil {
		return nil, fmt.Errorf("records: %w", err)
	}
	if r.Start != "" {
		if c.start, err = regexp.Compile(r.Start); err != nil {
			return nil, fmt.Errorf("records: %w", err)
		}
	}
	if r.End != "" {
		if c.finish, err = regexp.Compile(r.End); err != nil {
			return nil, fmt.Errorf("records: %w", err)
		}
	}
	return c, nil
}

// anywhere reports whether a block may be cut between any two bytes.
func (c *Cutter) anywhere() bool { return c.re == nil && len(c.mark) == 0 }

// first returns the first place between two records at or after from, which is above 0; 0 if there is none in b. whole says that nothing
// follows b.
func (c *Cutter) first(b []byte, from int, whole bool) int {
	switch {
	case c.re != nil:
		for at := max(from-1, 0); at < len(b); {
			m := c.re.FindSubmatchIndex(b[at:])
			if m == nil {
				return 0
			}
			cut := at + m[3]
			if at+m[1] == len(b) && !whole {
				return 0 // it may go on
			}
			if cut >= from && cut > 0 {
				return cut
			}
			at += max(m[1], m[0]+1)
		}
		return 0
	case len(c.mark) == 0:
		return min(max(from, 1), len(b))
	}
	for at := max(from-c.end, 0); ; at++ {
		i := bytes.Index(b[at:], c.mark)
		if i < 0 {
			return 0
		}
		if at += i; at+c.end >= from && at+c.end > 0 {
			return at + c.end
		}
	}
}

// last returns the last place between two records, or 0.
func (c *Cutter) last(b []byte, whole bool) int {
	switch {
	case c.re != nil:
		last := 0
		for _, m := range c.re.FindAllSubmatchIndex(b, -1) {
			if m[1] < len(b) || whole {
				last = max(last, m[3])
			}
		}
		return last
	case len(c.mark) == 0:
		return len(b)
	}
	for end := len(b); ; {
		i := bytes.LastIndex(b[:end], c.mark)
		if i < 0 {
			return 0
		}
		if i+c.end > 0 {
			return i + c.end
		}
		end = i + len(c.mark) - 1
	}
}

// Strip takes the marks out of a block, all of them.
func (c *Cutter) Strip(block []byte) []byte {
	if c.re != nil {
		for _, re := range []*regexp.Regexp{c.start, c.finish} {
			if re != nil {
				block = re.ReplaceAll(block, nil)
			}
		}
		return block
	}
	for _, mark := range []string{c.Start, c.End} {
		if mark != "" {
			block = bytes.ReplaceAll(block, []byte(mark), nil)
		}
	}
	return block
}
