package ipc

import (
	"context"
	"errors"
	"fmt"
	"slices"
)

// place sees to it that there is room for a record at w.end.
func (w *RecordWriter) place(ctx context.Context) error {
	if w.id < 0 {
		return w.adopt(ctx, minRoom, false)
	}
	word, err := w.own()
	if err != nil {
		return err
	}
	if word.refs() == 1 { // ours: everything in it was read
		if int64(len(w.ext)) > w.x.head.extentSize && int64(w.end) <= w.x.head.extentSize {
			w.spared++
		} else {
			w.spared = 0
		}
		if w.spared >= tradeAfter || w.e.reserved.Load() < uint64(len(w.ext)) { // or the reader gave memory back
			w.spared = 0
			return w.replace(ctx, minRoom, false)
		}
		if w.end == 0 {
			return nil
		}
		// A new generation, so that nobody takes what will be there for what was.
		next := makeWord(w.writer, stateUsed, word.gen()+1, 1)
		if !w.e.swap(word, next) {
			return fmt.Errorf("%w: extent %d changed in its owner's hands", ErrCorrupt, w.id)
		}
		w.gen, w.end = next.gen(), 0
		step("begun again")
		return nil
	}
	w.end = align(w.end)
	if word.refs() < maxRefs && w.fits(w.end, recordHead+minRoom) {
		return nil
	}
	return w.replace(ctx, minRoom, w.budgeted)
}

// fits reports whether n bytes at off are the current extent's, and reserves
// its memory as far as that takes: a writer of little needs little.
func (w *RecordWriter) fits(off, n int) bool {
	if len(w.ext)-off >= n {
		return true
	}
	size := int64(w.e.size.Load())
	if w.id < 0 || int64(off)+int64(n) > size || w.x.reserve(w.e, max(int64(off+n), min(size, w.x.head.extentSize))) != nil {
		return false
	}
	w.ext = w.reg.Bytes()
	w.ext = slices.Clip(w.ext[:min(uint64(len(w.ext)), w.e.reserved.Load())])
	return len(w.ext)-off >= n
}

// Adopt makes an extent that was given to the writer by [Extents.Assign] its
// current one.
func (w *RecordWriter) Adopt(id uint32) error {
	return w.x.guard(func() error {
		reg, err := w.x.region(id)
		if err != nil {
			return err
		}
		w.reg, w.e = reg, w.x.entry(int(id))
		w.gen = w.e.load().gen()
		if _, err := w.own(); err != nil {
			return err
		}
		w.id = int(id)
		w.ext = slices.Clip(reg.Bytes()[:min(uint64(len(reg.Bytes())), w.e.reserved.Load())])
		return nil
	})
}

// own returns the word of the current extent, if it still is ours.
func (w *RecordWriter) own() (entryWord, error) {
	word := w.e.load()
	if word.state() != stateUsed || word.owner() != w.writer || word.gen() != w.gen || word.refs() == 0 {
		return 0, fmt.Errorf("%w: extent %d (%#x) is not writer %d's", ErrCorrupt, w.id, uint64(word), w.writer)
	}
	return word, nil
}

// replace leaves the current extent, which need not be full, for another.
func (w *RecordWriter) replace(ctx context.Context, room int, budgeted bool) error {
	id, e, gen := w.id, w.e, w.gen
	if err := w.adopt(ctx, room, budgeted); err != nil {
		return err
	}
	return w.leave(e, id, gen, budgeted)
}

// adopt makes another extent the current one. budgeted says to take a permit
// first, for the extent that will be left; leave marks it.
func (w *RecordWriter) adopt(ctx context.Context, room int, budgeted bool) error {
	if budgeted {
		if err := w.x.acquire(ctx); err != nil {
			return err
		}
	}
	t, err := w.x.take(ctx, w.writer, recordHead+room, false)
	if err == nil {
		w.reg, err = w.x.region(t.ID)
	}
	if err != nil {
		if budgeted {
			err = errors.Join(err, w.x.release())
		}
		return err
	}
	w.id, w.e, w.ext = int(t.ID), w.x.entry(int(t.ID)), slices.Clip(t.Bytes)
	w.gen = w.e.load().gen()
	w.end, w.open = 0, false
	return nil
}

// leave drops the writer's own reference to an extent. What is not yet read
// there keeps it, and with it the permit that was taken.
func (w *RecordWriter) leave(e entry, id int, gen uint64, permit bool) error {
	for {
		old := e.load()
		if old.state() != stateUsed || old.owner() != w.writer || old.gen() != gen || old.refs() == 0 {
			return fmt.Errorf("%w: extent %d (%#x) is not writer %d's", ErrCorrupt, id, uint64(old), w.writer)
		}
		next := old - 1
		if permit {
			next |= permitBit
		}
		step("about to leave")
		if !e.swap(old, next) {
			continue
		}
		step("left")
		if next.refs() == 0 {
			return w.x.free(e, next)
		}
		return nil
	}
}

// grows is fits for a value more of the open record.
func (w *RecordWriter) grows(n int) (ok bool) {
	err := w.x.guard(func() error {
		ok = w.fits(w.end, n)
		return nil
	})
	return ok && err == nil
}
