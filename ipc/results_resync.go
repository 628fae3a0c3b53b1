package ipc

import (
	"encoding/binary"
	"errors"
	"fmt"

	"yunta/oslock/mapped"
)

// openBare reads what lies up to the next extent. Most often that is nothing:
// whoever claimed it has not come so far yet, or died before. Else the head of an
// extent is damaged, and there may be records.
func (c *resultsCursor) openBare(size int64) error {
	end := c.next + grain
	for ; end < size; end += grain {
		if _, ok, err := c.f.extentAt(end); err != nil {
			return err
		} else if ok {
			break
		}
	}
	if ok, err := c.mapUpTo(min(end, size)); !ok || err != nil {
		return err
	}
	lost := int64(c.reg.Size())
	used := false
	c.loose = c.loose[:0]
	err := mapped.Guard(func() error {
		used = usedBytes(c.reg.Bytes())
		for at := 0; used; {
			if at = c.find(at); at < 0 {
				break
			}
			n := int(stateWord(c.reg.Uint64(at).Load()).size())
			c.loose = append(c.loose, at)
			lost -= int64(n)
			at += n
		}
		return nil
	})
	if err != nil || !used {
		if err != nil {
			c.cut = max(c.cut, end)
		}
		c.next = end
		return c.close()
	}
	for at := c.next; at < end; at += grain {
		// Somebody may have made it an extent by now: then it is read again.
		if _, ok, err := c.f.extentAt(at); err != nil || ok {
			return errors.Join(err, c.close())
		}
	}
	c.bare = true
	c.first = &damage{lost, c.f.damaged(c.next, fmt.Sprintf("no extent begins here, and something stands in the %d bytes to the next", end-c.next))}
	c.next = end
	return nil
}

// usedBytes says whether anything was written to a place where no extent is, but
// a part of the head of one.
func usedBytes(b []byte) bool {
	for at := 0; at+8 <= len(b); at += 8 {
		if at%grain >= extentHeadBytes && binary.NativeEndian.Uint64(b[at:]) != 0 {
			return true
		}
	}
	return false
}

// find returns where the next whole record begins, -1 if there is none.
func (c *resultsCursor) find(from int) int {
	b := c.reg.Bytes()
	for at := from; at <= len(b)-resultHead; at += resultAlign {
		w := stateWord(binary.NativeEndian.Uint64(b[at:]))
		if w == 0 || !w.plausible() || w.size() > int64(len(b)-at) {
			continue
		}
		if _, err := checkResult(b[at:], w, c.f.seed(c.off+int64(at)), true); err == nil {
			return at
		}
	}
	return -1
}

// damage passes on to where reading goes on.
func (c *resultsCursor) damage(to int, what string) *damage {
	d := &damage{int64(to - c.at), c.f.damaged(c.off+int64(c.at), what)}
	c.at = to
	return d
}

// resync returns where reading goes on behind a damaged record: where two of
// its lengths agree that the next one begins, or at the next whole one.
func (c *resultsCursor) resync(n resultLengths, w stateWord) int {
	size := c.reg.Size()
	from := c.at + resultAlign
	if n.headOK {
		if next := c.at + alignResult(n.head+n.payload); w.size() == int64(next-c.at) && next <= size {
			return next
		}
		from = c.at + alignResult(n.head)
	}
	if to := c.find(from); to >= 0 {
		return to
	}
	return size
}
