package ipc

import (
	"bytes"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"slices"

	"yunta/oslock/mapped"
)

// resultsCursor goes through a file from extent to extent, and in each from
// record to record, while others write there.
//
// What stands in a file that is being written is never damaged: a state word
// other than 0 is stored when all that it speaks of is there, and the place
// behind has its 0. So whatever does not check is damage, and the cursor looks
// for the next whole record behind it.
type resultsCursor struct {
	f    *ResultFile
	deep bool // look behind the end of what was written in an extent, too

	next int64 // where the next extent is looked for
	cut  int64 // up to where the file reached once, if it no longer does

	reg   *mapped.Region // what is being read, nil between two
	off   int64          // of reg in the file
	at    int            // in reg
	loose []int          // records where there is no extent around them
	first *damage        // to be told before them
	bare  bool           // there is no extent around reg

	rec  Record
	held []Record // moving ones, which may turn up again
}

// damage is a place that could not be read.
type damage struct {
	size int64
	err  error
}

func (f *ResultFile) cursor(deep bool) *resultsCursor {
	return &resultsCursor{f: f, deep: deep, next: resultsBase}
}

func (f *ResultFile) damaged(off int64, what string) error {
	return f.failed(fmt.Errorf("%w: at offset %d: %s", ErrCorrupt, off, what))
}

func (c *resultsCursor) close() error {
	if c.reg == nil {
		return nil
	}
	reg := c.reg
	c.reg = nil
	return reg.Unmap()
}

// step returns the next record or the next damaged place, and neither at the
// end. Unless it is to be copied, a record is good until the next step, and to be
// touched in mapped.Guard only.
func (c *resultsCursor) step(copied bool) (r *Record, d *damage, err error) {
	for {
		if c.reg == nil {
			more, err := c.open()
			if err != nil {
				return nil, nil, err
			}
			if !more {
				return c.unhold(), nil, nil
			}
			continue
		}
		err := mapped.Guard(func() error {
			r, d = c.look()
			if r != nil && copied {
				r.Argument, r.Payload = bytes.Clone(r.Argument), bytes.Clone(r.Payload)
			}
			return nil
		})
		if err != nil {
			c.cut = max(c.cut, c.off+int64(c.reg.Size()))
			err = c.f.failed(fmt.Errorf("%w: at offset %d: %w", ErrTruncated, c.off+int64(c.at), err))
			d = &damage{int64(c.reg.Size() - c.at), err}
			return nil, d, c.close()
		}
		if r != nil || d != nil {
			return r, d, nil
		}
		if err := c.close(); err != nil {
			return nil, nil, c.f.failed(err)
		}
	}
}

// open maps the next extent, or what lies before it. It may find that there is
// nothing to be read, and is then called again.
func (c *resultsCursor) open() (more bool, err error) {
	fi, err := c.f.file.Stat()
	if err != nil {
		return false, c.f.failed(err)
	}
	size := fi.Size()
	if size-c.next < resultHead {
		return false, nil
	}
	h, ok, err := c.f.extentAt(c.next)
	if err != nil {
		return false, err
	}
	if !ok {
		return true, c.openBare(size)
	}
	end := c.next + h.size
	if end > size {
		// It has its space before its head: the file has grown, or was cut off.
		if fi, err = c.f.file.Stat(); err != nil {
			return false, c.f.failed(err)
		}
		if size = fi.Size(); end > size {
			c.cut = max(c.cut, end)
		}
	}
	if ok, err := c.mapUpTo(min(end, size)); !ok || err != nil {
		return true, err
	}
	c.at, c.bare = extentHeadBytes, false
	c.next = end
	return true, nil
}

// mapUpTo maps from c.next to end, unless the file got shorter meanwhile.
func (c *resultsCursor) mapUpTo(end int64) (bool, error) {
	reg, err := mapped.MapReadOnly(c.f.file, c.next, int(end-c.next))
	if errors.Is(err, mapped.ErrRange) {
		c.cut = max(c.cut, end)
		return false, nil
	}
	if err != nil {
		return false, c.f.failed(err)
	}
	c.reg, c.off, c.at = reg, c.next, 0
	return true, nil
}

// look returns the next record in what is mapped, or the next damage. It runs
// in mapped.Guard.
func (c *resultsCursor) look() (*Record, *damage) {
	b := c.reg.Bytes()
	if d := c.first; d != nil {
		c.first = nil
		return nil, d
	}
	for {
		if c.bare {
			if len(c.loose) == 0 {
				return nil, nil
			}
			c.at, c.loose = c.loose[0], c.loose[1:]
		}
		if len(b)-c.at < resultHead {
			return nil, nil
		}
		word := c.reg.Uint64(c.at)
		w := stateWord(word.Load())
		if w == 0 {
			to := -1
			if c.deep {
				to = c.find(c.at + resultAlign)
			}
			if to < 0 {
				return nil, nil
			}
			if word.Load() != 0 {
				continue // it was written meanwhile
			}
			return nil, c.damage(to, "a record is missing")
		}
		n, err := checkResult(b[c.at:], w, c.f.seed(c.off+int64(c.at)), true)
		if err != nil {
			return nil, c.damage(c.resync(n, w), err.Error())
		}
		c.rec.decode(b[c.at:], n, w, c.off+int64(c.at))
		c.at += int(w.size())
		switch w.state() {
		case stateMoved:
			continue
		case stateMoving:
			c.hold()
			continue
		case stateCommitted:
			c.superseded()
		case stateStarted:
			if !c.bare {
				c.at = len(b)
			}
		}
		return &c.rec, nil
	}
}

// hold keeps a record back that may have been committed elsewhere: that place was
// taken later, and so comes later.
func (c *resultsCursor) hold() {
	r := c.rec
	r.Argument = bytes.Clone(r.Argument)
	c.held = append(c.held, r)
}

// superseded forgets a record that was held back and now has turned up.
func (c *resultsCursor) superseded() {
	r := &c.rec
	c.held = slices.DeleteFunc(c.held, func(h Record) bool {
		return h.Writer == r.Writer && h.Index == r.Index && h.Attempt == r.Attempt && h.Digest == r.Digest &&
			h.Occurrence == r.Occurrence && h.Entry == r.Entry && h.Job == r.Job
	})
}

func (c *resultsCursor) unhold() *Record {
	if len(c.held) == 0 {
		return nil
	}
	c.rec, c.held = c.held[0], c.held[1:]
	return &c.rec
}

// truncated says, at the end, whether the file has been cut off.
func (c *resultsCursor) truncated() error {
	var b [8]byte
	if _, err := c.f.file.ReadAt(b[:], resultsReach); err == nil {
		c.cut = max(c.cut, int64(binary.NativeEndian.Uint64(b[:])&(1<<63-1)))
	} else if errors.Is(err, io.EOF) {
		c.cut = max(c.cut, resultsBase)
	}
	fi, err := c.f.file.Stat() // after the word, which others raise when the file has grown
	if err != nil {
		return c.f.failed(err)
	}
	if fi.Size() < c.cut {
		return c.f.cutOff(fi.Size(), uint64(c.cut))
	}
	return nil
}
