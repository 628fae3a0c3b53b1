package ipc

import (
	"context"
	"errors"
	"fmt"
	"sync/atomic"

	"yunta/oslock/mapped"
)

// tradeAfter is how many times in a row a writer may begin again in an extent
// above the usual size without needing it, before it trades it in.
const tradeAfter = 8

// RecordWriter writes chains of records into a writer's extents:
//
//	ref, err := w.Begin(ctx, kind)         // tell the reader ref
//	for each value:
//		buf, err := w.Room(ctx, size)      // an empty slice in mapped memory
//		buf, err = codec.Append(buf, v)
//		err = w.Commit(ctx, buf)           // now the reader sees it
//	w.End()
//
// Room and Commit are for every value: they allocate nothing, make no system
// call, and cost a few nanoseconds as long as the extent has room. When the
// reader has dropped all records of an extent, the writer begins again at its
// start, in memory that the caches still know. A writer killed at any
// instruction loses at most the value it was writing.
//
// A RecordWriter is for one goroutine at a time. Between Room and Commit the
// caller writes to mapped memory: run the whole in mapped.Guard, which covers
// the stores of Room and Commit too.
type RecordWriter struct {
	x        *Extents
	writer   uint32
	budgeted bool

	id  int // of the current extent, -1 before the first
	e   entry
	gen uint64
	reg *mapped.Region
	ext []byte // its memory, as far as it is reserved

	commit *atomic.Uint64 // of the current record
	link   *atomic.Uint64
	end    int // where the next value goes
	body   int // where the record's values begin
	count  int
	open   bool
	alone  bool // the reader gave the chain up
	spared int  // times begun again in too large an extent
}

// NewRecordWriter returns a writer of records. A process may have several with
// the same number.
func (x *Extents) NewRecordWriter(writer uint32) *RecordWriter {
	return &RecordWriter{x: x, writer: writer, budgeted: true, id: -1}
}

// NewUnbudgetedRecordWriter is NewRecordWriter for the reader, which writes
// records for the writers to read: it never waits for a permit, since nobody
// but itself would give one back.
func (x *Extents) NewUnbudgetedRecordWriter(writer uint32) *RecordWriter {
	return &RecordWriter{x: x, writer: writer, id: -1}
}

var (
	errNoRecord = errors.New("ipc: no record is open")
	errOpen     = errors.New("ipc: a record is open")
	errNoValue  = errors.New("ipc: commit of an empty value")
)

// Begin opens a chain with a first record of that kind and returns where it is.
// It blocks, until ctx ends, when the extent has no room left, the reader has
// not dropped what is in it, and all permits are taken.
func (w *RecordWriter) Begin(ctx context.Context, kind uint8) (ref Ref, err error) {
	if w.open {
		return 0, errOpen
	}
	err = w.x.guard(func() error {
		w.alone = false
		if err := w.place(ctx); err != nil {
			return err
		}
		ref, err = w.openRecord(w.end, kind)
		return err
	})
	if err != nil {
		return 0, err
	}
	return ref, nil
}

// openRecord writes the head of a record at off of the current extent.
func (w *RecordWriter) openRecord(off int, kind uint8) (Ref, error) {
	if len(w.ext)-off < recordHead {
		return 0, fmt.Errorf("%w: a record at %d of %d bytes", ErrCorrupt, off, len(w.ext))
	}
	w.e.word.Add(1)
	step("reference added")
	w.commit, w.link = w.reg.Uint64(off), w.reg.Uint64(off+8)
	w.commit.Store(0)
	w.link.Store(linkOpen)
	w.reg.Uint64(off + 16).Store(recordMagic | w.gen<<refGenShift | uint64(kind))
	w.reg.Uint64(off + 24).Store(0)
	w.body = off + recordHead
	w.end = w.body
	w.count = 0
	w.open = true
	step("record opened")
	return makeRef(uint32(w.id), w.gen, off), nil
}

// Room returns an empty slice in mapped memory to append a value to, with a
// capacity of n at least (512 if n is less); appending more is allowed and ends
// up on the heap, from where Commit copies it. Where the extent has no room
// left, Room goes on in another, in a new record that is linked to this one, and
// may block as Begin does.
func (w *RecordWriter) Room(ctx context.Context, n int) ([]byte, error) {
	if len(w.ext)-w.end >= n && len(w.ext)-w.end >= minRoom && w.count < maxCount && w.open {
		return w.ext[w.end:w.end], nil
	}
	if !w.open {
		return nil, errNoRecord
	}
	if w.count < maxCount && w.grows(max(n, minRoom)) {
		return w.ext[w.end:w.end], nil
	}
	kind := uint8(w.reg.Uint64(w.body - 16).Load())
	if err := w.another(ctx, kind, max(n, minRoom)); err != nil {
		return nil, err
	}
	return w.ext[w.end:w.end], nil
}

// Commit makes what was appended to the slice from Room one value that the
// reader sees: one atomic store.
func (w *RecordWriter) Commit(ctx context.Context, buf []byte) error {
	return w.CommitN(ctx, buf, 1)
}

// CommitN is Commit for n values back to back, as Codec.AppendAll writes them.
// They have a byte each at least, and become visible together.
func (w *RecordWriter) CommitN(ctx context.Context, buf []byte, n int) error {
	if n > 0 && n <= len(buf) && n <= maxCount-w.count && w.open && w.end < len(w.ext) && &buf[0] == &w.ext[w.end] {
		w.end += len(buf)
		w.count += n
		w.commit.Store(uint64(w.count)<<countShift | uint64(w.end-w.body))
		return nil
	}
	return w.commitCopy(ctx, buf, n)
}

// commitCopy commits what outgrew its place.
func (w *RecordWriter) commitCopy(ctx context.Context, buf []byte, n int) error {
	switch {
	case !w.open:
		return errNoRecord
	case n < 1 || len(buf) < n:
		return errNoValue
	case n > maxCount:
		return fmt.Errorf("%w: %d values at once, limit %d", ErrTooLarge, n, maxCount)
	}
	if n > maxCount-w.count {
		kind := uint8(w.reg.Uint64(w.body - 16).Load())
		if err := w.another(ctx, kind, len(buf)); err != nil {
			return err
		}
	}
	room, err := w.Room(ctx, len(buf))
	if err != nil {
		return err
	}
	room = append(room, buf...)
	step("copied")
	w.end += len(room)
	w.count += n
	w.commit.Store(uint64(w.count)<<countShift | uint64(w.end-w.body))
	return nil
}

// Next closes the record and opens another of that kind, linked to it.
func (w *RecordWriter) Next(ctx context.Context, kind uint8) error {
	if !w.open {
		return errNoRecord
	}
	return w.another(ctx, kind, minRoom)
}

// another goes on with the chain in a new record with the given room: in the
// same extent if it fits there, else in another.
func (w *RecordWriter) another(ctx context.Context, kind uint8, room int) error {
	return w.x.guard(func() error {
		word, err := w.own()
		if err != nil {
			return err
		}
		from := w.link
		at := align(w.end)
		if word.refs() < maxRefs && w.fits(at, recordHead+room) {
			ref, err := w.openRecord(at, kind)
			if err != nil {
				return err
			}
			return w.join(from, ref)
		}
		id, e, gen := w.id, w.e, w.gen
		if err := w.adopt(ctx, room, w.budgeted); err != nil {
			return err
		}
		ref, err := w.openRecord(0, kind)
		if err != nil {
			return err
		}
		if err := w.join(from, ref); err != nil {
			return err
		}
		return w.leave(e, id, gen, w.budgeted)
	})
}

// join links a record to the one before it, unless the reader has given the
// chain up: then nobody will ever drop the new one, and the writer does.
func (w *RecordWriter) join(from *atomic.Uint64, ref Ref) error {
	step("about to link")
	if !w.alone && from.CompareAndSwap(linkOpen, uint64(ref)) {
		step("linked")
		return nil
	}
	w.alone = true
	w.link.Store(linkGiven)
	return w.x.drop(ref.id(), ref.gen())
}

// End closes the chain: the reader that has read so far knows that nothing
// follows. Ending again does nothing.
func (w *RecordWriter) End() error {
	if !w.open {
		return nil
	}
	w.open = false
	return w.x.guard(func() error {
		w.link.CompareAndSwap(linkOpen, linkEnd)
		step("ended")
		return nil
	})
}
