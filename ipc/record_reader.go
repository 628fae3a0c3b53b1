package ipc

import (
	"fmt"
	"sync/atomic"

	"yunta/oslock/mapped"
)

// A chain that goes in a circle must not keep the reader for ever.
const (
	maxHops    = 64      // empty records that one call of Next passes
	maxRecords = 1 << 20 // records that Done drops, more than are ever left unread
)

// punchFrom is the least value, in bytes, whose memory goes as it is read; that
// of smaller ones is kept for the next: fresh pages cost four times as much.
const punchFrom = maxWarm / 2

// errReaderDone is what a reader returns after Done; made once, since Done is on
// the path of every chain.
var errReaderDone = fmt.Errorf("%w: this record reader is done", ErrClosed)

// RecordReader reads a chain of records while it is being written. It is for
// one goroutine at a time.
type RecordReader struct {
	x    *Extents
	next Ref // to go to before anything else
	peek bool

	at     Ref // of the current record, 0 before the first
	commit *atomic.Uint64
	link   *atomic.Uint64
	body   []byte // to the end of the extent
	kind   uint8
	count  int // what was given out of it
	bytes  int
	last   int // of these, what Next returned last
	passed int // offset in the extent up to which Passed has given pages back
	ended  bool
	err    error
}

// NewRecordReader returns a reader of the chain that starts at first, which
// drops each record when it passes on to the next. A chain has one such reader
// in all, and its Done must be called.
func (x *Extents) NewRecordReader(first Ref) *RecordReader {
	return &RecordReader{x: x, next: first}
}

// ReadRecords makes r what NewRecordReader returns, for who has a place for it.
func (x *Extents) ReadRecords(r *RecordReader, first Ref) {
	*r = RecordReader{x: x, next: first}
}

// PeekRecords returns a reader that drops nothing: another one, or
// [Extents.DropRecords], has to do so later. It is for what more than one
// process reads, or may have to read again.
func (x *Extents) PeekRecords(first Ref) *RecordReader {
	return &RecordReader{x: x, next: first, peek: true}
}

// DropRecords drops a chain without reading it, or after others have.
func (x *Extents) DropRecords(first Ref) error { return x.NewRecordReader(first).Done() }

// Next returns values committed since the last call, as many as there are of
// one record: how many, and their bytes back to back. ok is false when there is
// nothing new; that may change until [RecordReader.Ended]. It never blocks.
//
// body is mapped memory: it is valid until the next call of Next or Done, and
// must not be changed. Whoever decodes it does so in mapped.Guard, and expects
// nothing of the bytes: a writer that runs wild may change them meanwhile.
//
// Errors wrap [ErrCorrupt] and are final.
func (r *RecordReader) Next() (kind uint8, count int, body []byte, ok bool, err error) {
	if r.err != nil || r.ended {
		return 0, 0, nil, false, r.err
	}
	err = r.x.guard(func() error {
		for range maxHops {
			if r.next != 0 {
				if err := r.follow(); err != nil {
					return err
				}
			}
			if kind, count, body, ok, err = r.fresh(); ok || err != nil {
				return err
			}
			switch link := r.link.Load(); link {
			case linkOpen:
				return nil
			case linkEnd:
				if again, err := r.changed(); again || err != nil {
					continue
				}
				r.ended = true
				return nil
			case linkGiven:
				return fmt.Errorf("%w: %v was given up", ErrCorrupt, r.at)
			default:
				// The writer's last commit came before the link.
				if again, err := r.changed(); again || err != nil {
					continue
				}
				r.next = Ref(link)
			}
		}
		return nil
	})
	if err != nil {
		r.err = err
		return 0, 0, nil, false, err
	}
	return kind, count, body, ok, nil
}

// Passed says that the first n bytes of the body that Next returned last will
// not be read again. Their pages leave this process's memory, and those of a
// very large value the file's too: so whoever copies a large value, and says
// Passed as it goes, never has all of it in memory twice. Nothing happens but
// on Linux.
func (r *RecordReader) Passed(n int) {
	if r.at == 0 || r.peek || r.err != nil || n <= 0 || n > r.last {
		return
	}
	reg, err := r.x.region(r.at.id())
	if err != nil {
		return
	}
	end := r.at.off() + recordHead + r.bytes - r.last + n
	from, to := roundUpTo(max(r.at.off()+recordHead+r.bytes-r.last, r.passed), mapped.PageSize()), end&^(mapped.PageSize()-1)
	if from >= to {
		return
	}
	reg.Forget(from, to-from)
	r.passed = to
	if r.last < punchFrom {
		return
	}
	// These pages hold one value and nothing else, so nobody can be about to
	// write there; that they have no memory must be said before it is so.
	e := r.x.entry(int(r.at.id()))
	_ = r.x.guard(func() error {
		if w := e.load(); w.state() != stateUsed || w.gen() != r.at.gen() {
			return nil
		}
		if e.reserved.Load() > uint64(from)&^(grain-1) {
			e.reserved.Store(uint64(from) &^ (grain - 1))
		}
		return mapped.Discard(r.x.file, int64(e.off.Load())+int64(from), int64(to-from))
	})
}

func roundUpTo(n, size int) int { return (n + size - 1) &^ (size - 1) }

// counts reads and checks the commit word.
func (r *RecordReader) counts() (count, bytes int, err error) {
	c := r.commit.Load()
	count, bytes = int(c>>countShift), int(c&bytesMask)
	fresh, size := count-r.count, bytes-r.bytes
	if fresh < 0 || size < fresh || fresh == 0 && size != 0 || bytes > len(r.body) {
		return 0, 0, fmt.Errorf("%w: %v has %d values in %d bytes of %d, after %d in %d",
			ErrCorrupt, r.at, count, bytes, len(r.body), r.count, r.bytes)
	}
	return count, bytes, nil
}

func (r *RecordReader) changed() (bool, error) {
	count, _, err := r.counts()
	return count > r.count, err
}

// fresh returns what was committed since the last call.
func (r *RecordReader) fresh() (kind uint8, count int, body []byte, ok bool, err error) {
	n, bytes, err := r.counts()
	if err != nil || n == r.count {
		return 0, 0, nil, false, err
	}
	count, body = n-r.count, r.body[r.bytes:bytes:bytes]
	r.last = bytes - r.bytes
	r.count, r.bytes = n, bytes
	return r.kind, count, body, true, nil
}

// follow goes to the record r.next and drops the one before.
func (r *RecordReader) follow() error {
	ref := r.next
	r.next = 0
	last := r.at
	if err := r.open(ref); err != nil {
		return err
	}
	if last != 0 && !r.peek {
		return r.x.drop(last.id(), last.gen())
	}
	return nil
}

func (r *RecordReader) open(ref Ref) error {
	bad := func(what string) error { return fmt.Errorf("%w: %#x: %v %s", ErrCorrupt, uint64(ref), ref, what) }
	if uint64(ref)&^(1<<(refIDShift+12)-1) != refMark {
		return bad("is no reference")
	}
	w := r.x.entry(int(ref.id())).load()
	if w.state() != stateUsed || w.gen() != ref.gen() || w.refs() == 0 {
		return bad("was dropped")
	}
	reg, err := r.x.region(ref.id())
	if err != nil {
		return err
	}
	off := ref.off()
	if off > reg.Size()-recordHead {
		return bad("is beyond its extent")
	}
	meta := reg.Uint64(off + 16).Load()
	if meta&^0xff != recordMagic|ref.gen()<<refGenShift {
		return bad("has no head")
	}
	r.at, r.kind = ref, uint8(meta)
	r.commit, r.link = reg.Uint64(off), reg.Uint64(off+8)
	r.body = reg.Bytes()[off+recordHead:]
	r.count, r.bytes, r.last, r.passed = 0, 0, 0, 0
	return nil
}

// Ended reports whether Next has given out everything and the writer has closed
// the chain.
func (r *RecordReader) Ended() bool { return r.ended }

// Done drops the records that were not dropped yet, read or not. If the chain is
// still being written, the writer is told that nobody reads on. Calling it again
// does nothing. After an error of Next it cannot go on: what is left then comes
// back with [Extents.ReclaimWriter].
func (r *RecordReader) Done() error {
	if over := r.err != nil || r.peek; over {
		return nil
	}
	r.err = errReaderDone
	if r.at == 0 && r.next == 0 {
		return nil
	}
	return r.x.guard(func() error {
		for range maxRecords {
			if r.next != 0 {
				if err := r.follow(); err != nil {
					return err
				}
			}
			if r.link.CompareAndSwap(linkOpen, linkGiven) {
				return r.x.drop(r.at.id(), r.at.gen())
			}
			link := r.link.Load()
			if link == linkEnd || link == linkGiven {
				return r.x.drop(r.at.id(), r.at.gen())
			}
			r.next = Ref(link)
		}
		return fmt.Errorf("%w: a chain of more than %d records", ErrCorrupt, maxRecords)
	})
}
