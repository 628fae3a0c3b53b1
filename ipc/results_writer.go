package ipc

import (
	"errors"
	"fmt"
	"os"
	"time"
)

// minPayload is the least room a record is begun for in what is left of an
// extent.
const minPayload = 512

var errNotBegun = errors.New("ipc: no record was begun")

// ResultWriter writes records, one after the other. It is for one goroutine at a
// time.
//
//	w.Begin(&r)             // the call begins
//	buf, err := w.Room(64)  // it has a result
//	buf = append(buf, ...)
//	w.Commit(buf, status)   // and from here on it is there
//
// After an error the writer is as it was: when a full disk has space again, it
// goes on.
type ResultWriter struct {
	// OnExtent, if set, is called with the extent that the writer goes on in, when
	// that changes, before anything is written there: whoever replaces a writer
	// that died gives it to NewWriter.
	OnExtent func(ExtentRef)

	f      *ResultFile
	number uint32
	resume ExtentRef
	fresh  int64 // size of the next extent
	closed bool

	cur  writtenExtent
	from writtenExtent // where the open record began, if that is elsewhere

	open bool
	head int // bytes of the open record before its payload
	last RecordRef
}

// NewWriter returns a writer with a number, which its records have in them. If
// resume is not 0, it goes on in that extent, which a dead writer has left: what
// that one had begun becomes a record that stays RecordRunning. An extent that is
// full, damaged or none at all is left as it is, and a new one taken. No two
// living writers may write in one extent.
func (f *ResultFile) NewWriter(writer uint32, resume ExtentRef) *ResultWriter {
	w := &ResultWriter{f: f, number: writer, resume: resume, fresh: grain}
	if f.opts.ReadOnly || f.hold() != nil {
		w.closed = true
	}
	return w
}

// Extent returns the extent that the writer is writing in, 0 before the first.
func (w *ResultWriter) Extent() ExtentRef { return ExtentRef(w.cur.off) }

// Ref returns the place of the record that is open, or was committed last; it is
// 0 before the first. That of an open one may still change.
func (w *ResultWriter) Ref() RecordRef { return w.last }

// Begin says that a call has begun: readers see it as RecordRunning. r.Argument is
// the whole encoded argument, of which the beginning is kept. The writer's number
// is its own; a PID of 0 is this process, and a zero Started is now. If another
// record is open, it stays RecordRunning for ever.
func (w *ResultWriter) Begin(r *Record) error {
	c := *r
	c.Writer = w.number
	w.f.fill(&c)
	return w.begin(&c, w.f.kept(&c))
}

func (w *ResultWriter) begin(r *Record, kept []byte) error {
	if w.f.opts.ReadOnly {
		return w.f.failed(errors.New("it was opened to be read only"))
	}
	if w.closed {
		return w.f.failed(os.ErrClosed)
	}
	head, err := r.headSize(len(kept))
	if err != nil {
		return w.f.failed(err)
	}
	return w.f.guard(func() error {
		if err := w.abandon(); err != nil {
			return err
		}
		if err := w.ready(alignResult(head) + minPayload); err != nil {
			return err
		}
		r.encodeHead(w.cur.bytes(), kept, w.f.seed(w.cur.off+int64(w.cur.at)))
		step("head written")
		w.cur.publish(stateStarted, alignResult(head))
		step("begun")
		w.head, w.open = head, true
		w.last = RecordRef(w.cur.off + int64(w.cur.at))
		w.f.touched()
		return nil
	})
}

// abandon ends a record that was begun and will not be committed.
func (w *ResultWriter) abandon() error {
	if !w.open {
		return nil
	}
	n := alignResult(w.head)
	if w.from.off != 0 {
		// It was published where it began, and nowhere else.
		w.open = false
		w.from.publish(stateLost, n)
		w.from.at += n
		return w.goBack()
	}
	w.cur.publish(stateLost, n)
	w.cur.at += n
	w.open = false
	return nil
}

// ready makes the current extent one with room for n bytes at least.
func (w *ResultWriter) ready(n int) error {
	if w.resume != 0 {
		resume := w.resume
		w.resume = 0
		if w.adopt(resume) == nil { // else a fresh one will do
			w.told()
		}
	}
	if w.cur.off != 0 && w.cur.room() >= n {
		return nil
	}
	next, err := w.take(n)
	if err != nil {
		return err
	}
	err = w.cur.unmap()
	w.cur = next
	w.told()
	return err
}

func (w *ResultWriter) told() {
	if w.OnExtent != nil {
		w.OnExtent(ExtentRef(w.cur.off))
	}
}

// Room returns an empty slice in mapped memory to append the payload to, with a
// capacity of n at least. Appending more is allowed and ends up on the heap, from
// where Commit copies it. Append in mapped.Guard: a file that is cut off
// meanwhile faults. The slice is good until the next call of the writer.
func (w *ResultWriter) Room(n int) ([]byte, error) {
	switch {
	case w.closed:
		return nil, w.f.failed(os.ErrClosed)
	case !w.open:
		return nil, errNotBegun
	case n < 0 || int64(n) > maxResult:
		return nil, w.f.failed(fmt.Errorf("%w: a payload of %d bytes, limit %d", ErrTooLarge, n, maxResult))
	}
	if w.cur.room()-w.head < n {
		if err := w.f.guard(func() error { return w.move(n) }); err != nil {
			return nil, err
		}
	}
	b := w.cur.bytes()
	return b[w.head:w.head:len(b)], nil
}

// Commit ends the open record with a payload, most often the extended slice from
// Room, and how the call ended: one atomic store makes it so. After an error the
// record is still open, unless only the sync failed, which the error says.
func (w *ResultWriter) Commit(buf []byte, s RecordStatus) error {
	return w.commit(buf, s, time.Now())
}

func (w *ResultWriter) commit(buf []byte, s RecordStatus, ended time.Time) error {
	switch {
	case w.closed:
		return w.f.failed(os.ErrClosed)
	case !w.open:
		return errNotBegun
	case s == RecordRunning || s > RecordUnsuccessful:
		return fmt.Errorf("ipc: Commit with status %v", s)
	}
	return w.f.guard(func() error {
		if err := w.place(buf); err != nil {
			return err
		}
		e := &w.cur
		size := alignResult(w.head + len(buf))
		encodeOutcome(e.bytes(), w.head, len(buf), s, ended, w.f.seed(e.off+int64(e.at)))
		step("outcome written")
		e.publish(stateCommitted, size)
		step("committed")
		w.open = false
		w.f.touched()
		at := e.at
		e.at += size
		var err error
		if w.f.opts.Sync == SyncCommit {
			err = w.syncCommitted(at, size)
		}
		if w.from.off == 0 {
			return err
		}
		n := alignResult(w.head)
		w.from.publish(stateMoved, n)
		w.from.at += n
		step("moved")
		return errors.Join(err, w.goBack())
	})
}

// place makes sure that the payload stands behind the head.
func (w *ResultWriter) place(buf []byte) error {
	if len(buf) == 0 {
		return nil
	}
	if b := w.cur.bytes()[w.head:]; len(buf) <= len(b) && &buf[0] == &b[0] {
		return nil
	}
	room, err := w.Room(len(buf))
	if err != nil {
		return err
	}
	copy(room[:len(buf)], buf)
	step("payload copied")
	return nil
}

// syncCommitted writes a committed record to the disk. The first in an extent
// needs more than its own bytes: the file's new length, and where it ends.
func (w *ResultWriter) syncCommitted(at, size int) error {
	e := &w.cur
	var err error
	if e.raw {
		err = w.f.file.Sync()
	} else {
		err = e.reg.Sync(at, min(size+8, e.reg.Size()-at))
	}
	if err != nil {
		return w.f.failed(fmt.Errorf("committed, but not synced: %w", err))
	}
	e.raw = false
	return nil
}

// Close ends the writer. A record that is still open stays RecordRunning for ever.
// Closing again does nothing.
func (w *ResultWriter) Close() error {
	if w.closed {
		return nil
	}
	err := w.f.guard(w.abandon)
	w.closed = true
	return errors.Join(err, w.from.unmap(), w.cur.unmap(), w.f.letGo())
}
