package ipc

import (
	"errors"
	"fmt"
	"os"

	"yunta/oslock/mapped"
)

const (
	// checkedPayload is the largest payload that is read only to see whether an
	// extent is good enough to go on in.
	checkedPayload = 1 << 20
	// usefulRoom is what an extent must have left to be worth going on in.
	usefulRoom = 4 << 10
)

// adopt goes on in an extent that a dead writer left, if it is one, is whole and
// has room.
func (w *ResultWriter) adopt(ref ExtentRef) error {
	e, err := w.f.leftExtent(int64(ref), mapped.Map)
	if err != nil {
		return err
	}
	head, err := e.seekEnd(w.f)
	if err == nil && head > 0 {
		// Its payload was lost with its writer.
		e.publish(stateLost, head)
		step("sealed")
		e.at += head
	}
	if err == nil && e.room() < resultHead+minPayload {
		err = fmt.Errorf("%w: extent %d", ErrFull, ref)
	}
	if err != nil {
		return errors.Join(err, e.unmap())
	}
	w.cur = e
	w.fresh = min(max(w.fresh, 2*int64(e.reg.Size())), max(grain, int64(w.f.opts.ExtentSize)))
	return nil
}

// leftExtent maps an extent that somebody else made.
func (f *ResultFile) leftExtent(off int64, open func(*os.File, int64, int) (*mapped.Region, error)) (writtenExtent, error) {
	h, ok, err := f.extentAt(off)
	if err != nil {
		return writtenExtent{}, err
	}
	if !ok {
		return writtenExtent{}, f.failed(fmt.Errorf("%w: no extent at %d", ErrCorrupt, off))
	}
	reg, err := open(f.file, off, int(h.size))
	if err != nil {
		return writtenExtent{}, f.failed(err)
	}
	// Its writer may not have synced it.
	return writtenExtent{reg: reg, off: off, at: extentHeadBytes, raw: true}, nil
}

// seekEnd goes behind the last record, or to one that was begun and not ended,
// whose size it returns. Anything damaged before that is an error.
func (e *writtenExtent) seekEnd(f *ResultFile) (started int, err error) {
	for e.room() >= resultHead {
		w := stateWord(e.state().Load())
		if w == 0 {
			break
		}
		off := e.off + int64(e.at)
		n, err := checkResult(e.bytes(), w, f.seed(off), w.size() <= checkedPayload)
		if err != nil {
			return 0, f.damaged(off, err.Error())
		}
		if w.state() == stateStarted {
			return alignResult(n.head), nil
		}
		e.at += int(w.size())
	}
	return 0, nil
}

// Spare returns the extents that still have 4 KiB of room or more, for NewWriter.
// Their writers must be dead: call it right after opening the file with Exclusive.
// Space that a writer had reserved when it died becomes an extent of its own.
func (f *ResultFile) Spare() ([]ExtentRef, error) {
	if !f.opts.Exclusive || f.before == 0 {
		return nil, f.failed(errors.New("Spare needs the file opened by path with Exclusive"))
	}
	if err := f.hold(); err != nil {
		return nil, err
	}
	defer func() { _ = f.letGo() }() // only the mapping of a closed file may be left
	var spare []ExtentRef
	for at := int64(resultsBase); at < f.before; {
		h, ok, err := f.extentAt(at)
		if err != nil {
			return spare, err
		}
		if !ok {
			size, err := f.gapAt(at)
			if err != nil {
				return spare, err
			}
			if f.fillGap(at, size) == nil {
				spare = append(spare, ExtentRef(at))
			}
			at += size
			continue
		}
		// One that is damaged is not spare; whoever reads the file will say so.
		if room, err := f.roomLeft(at); err == nil && room >= usefulRoom {
			spare = append(spare, ExtentRef(at))
		}
		at += h.size
	}
	return spare, nil
}

// gapAt returns how far it is to the next extent.
func (f *ResultFile) gapAt(off int64) (int64, error) {
	at := off + grain
	for ; at < f.before; at += grain {
		if _, ok, err := f.extentAt(at); err != nil {
			return 0, err
		} else if ok {
			break
		}
	}
	return at - off, nil
}

// maxGap is the largest gap that is made an extent: more is not looked at.
const maxGap = 64 << 20

// fillGap makes an extent of a gap, if it is one: with nothing in it.
func (f *ResultFile) fillGap(off, size int64) error {
	if size > maxGap {
		return f.failed(fmt.Errorf("%w: a gap of %d bytes", ErrTooLarge, size))
	}
	// What was claimed and not reserved is a hole.
	if err := mapped.Reserve(f.file, off, size); err != nil {
		return f.failed(err)
	}
	storeMax(f.reach, uint64(off+size))
	reg, err := mapped.MapReadOnly(f.file, off, int(size))
	if err != nil {
		return f.failed(err)
	}
	used := true
	err = f.guard(func() error {
		used = usedBytes(reg.Bytes())
		return nil
	})
	if err = errors.Join(err, reg.Unmap()); err != nil {
		return err
	}
	if used {
		return f.damaged(off, "no extent begins here")
	}
	if reg, err = f.plant(off, size, 0); err != nil {
		return err
	}
	return reg.Unmap()
}

func (f *ResultFile) roomLeft(off int64) (room int, err error) {
	e, err := f.leftExtent(off, mapped.MapReadOnly)
	if err != nil {
		return 0, err
	}
	err = f.guard(func() error {
		head, err := e.seekEnd(f)
		room = e.room() - head
		return err
	})
	return room, errors.Join(err, e.unmap())
}
