package ipc

import (
	"encoding/binary"
	"errors"
	"fmt"
	"sync/atomic"
	"syscall"

	"yunta/oslock/mapped"
)

// writtenExtent is an extent in which a writer writes; off is 0 if it is none.
type writtenExtent struct {
	reg *mapped.Region
	off int64
	at  int  // of the open record, or the next
	raw bool // the file has not been synced since it was made
}

func (e *writtenExtent) room() int { return e.reg.Size() - e.at }

// bytes are those of the record, and to the end of the extent.
func (e *writtenExtent) bytes() []byte { return e.reg.Bytes()[e.at:] }

func (e *writtenExtent) state() *atomic.Uint64 { return e.reg.Uint64(e.at) }

// end stores that nothing follows a record of n bytes.
func (e *writtenExtent) end(n int) {
	if next := e.at + n; next <= e.reg.Size()-8 {
		e.reg.Uint64(next).Store(0)
	}
}

// publish makes a record of n bytes visible in this state, with nothing behind it.
func (e *writtenExtent) publish(state uint8, n int) {
	e.end(n)
	step("next word zeroed")
	e.state().Store(uint64(makeState(state, n)))
}

func (e *writtenExtent) unmap() error {
	if e.off == 0 {
		return nil
	}
	reg := e.reg
	*e = writtenExtent{}
	return reg.Unmap()
}

// take makes an extent with room for n bytes: the next usual size, unless that
// is too small or there is no space for it.
func (w *ResultWriter) take(n int) (writtenExtent, error) {
	need := roundGrain(extentHeadBytes + int64(n))
	if need > maxExtentSize {
		return writtenExtent{}, w.f.failed(fmt.Errorf("%w: a record of %d bytes, limit %d", ErrTooLarge, n, maxResult))
	}
	size := max(need, w.fresh)
	off, reg, err := w.f.grow(size, w.number)
	if noSpace(err) && size > need {
		size = need
		off, reg, err = w.f.grow(size, w.number)
	}
	if err != nil {
		return writtenExtent{}, err
	}
	w.fresh = min(max(w.fresh, 2*size), max(grain, int64(w.f.opts.ExtentSize)))
	return writtenExtent{reg: reg, off: off, at: extentHeadBytes, raw: true}, nil
}

// noSpace says whether less might be had: of the disk, the quota, or what a file
// may have.
func noSpace(err error) bool {
	return errors.Is(err, syscall.ENOSPC) || errors.Is(err, syscall.EDQUOT) || errors.Is(err, syscall.EFBIG)
}

// move goes on with the open record in another extent, with room for a payload
// of n bytes. Until it is committed there, readers see it where it began.
func (w *ResultWriter) move(n int) error {
	next, err := w.take(alignResult(w.head + n))
	if err != nil {
		return err
	}
	old := w.cur.bytes()[:w.head]
	b := next.bytes()
	copy(b[16:w.head], old[16:])
	binary.NativeEndian.PutUint32(b[8:], headChecksum(b, w.head, w.f.seed(next.off+int64(next.at))))
	step("record copied")
	if w.from.off == 0 {
		w.cur.publish(stateMoving, alignResult(w.head))
		step("moving")
		w.from, w.cur = w.cur, next
	} else {
		// The one in between has nothing in it yet.
		err = w.cur.unmap()
		w.cur = next
	}
	w.last = RecordRef(w.cur.off + int64(w.cur.at))
	w.told()
	return err
}

// goBack ends a move. The writer stays where more room is left: a large record
// fills its extent, the one it came from was merely too small for it.
func (w *ResultWriter) goBack() error {
	from := w.from
	w.from = writtenExtent{}
	if from.room() <= w.cur.room() {
		return from.unmap()
	}
	err := w.cur.unmap()
	w.cur = from
	w.told()
	return err
}
