package ipc

import (
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"iter"
)

// Records returns all records that are there, in the order in which they stand in
// the file: extents as they were taken, and in each the records as they were
// written. Those that are written meanwhile may be among them or not, and one
// whose payload outgrows its extent meanwhile may come twice, first as
// RecordRunning; they are the same in all that a record is found by. Argument and
// Payload are copies.
//
// A damaged place is a zero Record with an error that wraps [ErrCorrupt] and
// names the offset; what comes behind it follows. At the end of a file that was
// cut off comes a zero Record with an error that wraps [ErrTruncated]. After any
// other error there is no more.
func (f *ResultFile) Records() iter.Seq2[Record, error] {
	return func(yield func(Record, error) bool) {
		err := f.walk(f.cursor(false), true, func(r *Record) (bool, error) {
			return yield(*r, nil), nil
		}, func(d *damage) bool {
			return yield(Record{}, d.err)
		})
		if err != nil && !errors.Is(err, errStopped) {
			yield(Record{}, err)
		}
	}
}

// errStopped says that the caller has seen enough.
var errStopped = errors.New("ipc: stopped")

// Scan calls f for all records, as Records does, without copying: Argument and
// Payload are mapped memory that must not be changed, and r itself is used
// again, so none of it is good after the call. An error of f ends the scan and is
// returned. Damaged places are skipped; that the file has been cut off is told by
// an error that wraps [ErrTruncated], after all that is still there. f runs in
// mapped.Guard.
func (f *ResultFile) Scan(do func(r *Record) error) error {
	return f.walk(f.cursor(false), false, func(r *Record) (bool, error) {
		return true, f.guard(func() error { return do(r) })
	}, func(*damage) bool { return true })
}

// walk goes through the file until one of the two wants no more, which is
// errStopped.
func (f *ResultFile) walk(c *resultsCursor, copied bool, rec func(*Record) (bool, error), dmg func(*damage) bool) (err error) {
	if err := f.hold(); err != nil {
		return err
	}
	defer func() { err = errors.Join(err, c.close(), f.letGo()) }()
	for {
		r, d, err := c.step(copied)
		if err != nil {
			return err
		}
		var goOn bool
		switch {
		case r != nil:
			goOn, err = rec(r)
		case d != nil:
			goOn = dmg(d)
		default:
			return c.truncated()
		}
		if err != nil {
			return err
		}
		if !goOn {
			return errStopped
		}
	}
}

// At returns the record at ref, a copy. One that is not there, or not whole, is
// [ErrCorrupt]; one that went on in another extent is returned as it began, as
// RecordRunning.
func (f *ResultFile) At(ref RecordRef) (Record, error) {
	if err := f.hold(); err != nil {
		return Record{}, err
	}
	defer func() { _ = f.letGo() }() // only the mapping of a closed file may be left
	fi, err := f.file.Stat()
	if err != nil {
		return Record{}, f.failed(err)
	}
	off := int64(ref)
	if off < resultsBase || off%resultAlign != 0 {
		return Record{}, f.damaged(off, "no record can begin here")
	}
	if off > fi.Size()-resultHead {
		return Record{}, f.failed(fmt.Errorf("%w: a record at offset %d, the file has %d bytes", ErrTruncated, off, fi.Size()))
	}
	// A system call reads a record that is being written as it was at some time
	// during the call, in no order: the second time it has been published.
	for try := 0; ; try++ {
		r, err := f.readRecord(off, fi.Size())
		if err == nil || try > 0 || !errors.Is(err, ErrCorrupt) {
			return r, err
		}
	}
}

// firstRead is how much At reads in the hope that it is all.
const firstRead = 4 << 10

func (f *ResultFile) readRecord(off, size int64) (r Record, err error) {
	b := make([]byte, min(firstRead, size-off))
	n, err := f.file.ReadAt(b, off)
	if err != nil && !errors.Is(err, io.EOF) {
		return r, f.failed(err)
	}
	if n < resultHead {
		return r, f.failed(fmt.Errorf("%w: a record at offset %d, which ends after %d bytes", ErrTruncated, off, n))
	}
	w := stateWord(binary.NativeEndian.Uint64(b))
	switch {
	case !w.plausible():
		return r, f.damaged(off, fmt.Sprintf("state %#x", uint64(w)))
	case w.size() > size-off:
		return r, f.failed(fmt.Errorf("%w: a record of %d bytes at offset %d, the file has %d", ErrTruncated, w.size(), off, size))
	case w.size() > int64(n):
		whole := make([]byte, w.size())
		if _, err := f.file.ReadAt(whole, off); err != nil {
			return r, f.failed(err)
		}
		// The word that told the size, not one that has come since.
		copy(whole, b[:8])
		b = whole
	default:
		b = b[:w.size():w.size()]
	}
	l, err := checkResult(b, w, f.seed(off), true)
	if err != nil {
		return r, f.damaged(off, err.Error())
	}
	r.decode(b, l, w, off)
	return r, nil
}
