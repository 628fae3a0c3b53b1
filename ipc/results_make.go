package ipc

import (
	"crypto/rand"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"time"

	"yunta/oslock/mapped"
)

// prepare makes a file that is empty a result file, and gets any ready to be
// written to.
func (f *ResultFile) prepare(alone bool) error {
	fi, err := f.file.Stat()
	if err != nil {
		return f.failed(err)
	}
	empty, err := neverMade(f.file, fi.Size())
	if err != nil {
		return f.failed(err)
	}
	switch {
	case empty && f.opts.MustExist:
		return f.failed(fmt.Errorf("%w: it is empty", ErrNotResults))
	case empty && !alone:
		return errOpenAgain // its maker is gone, and somebody else waits to be it
	case empty:
		if err := f.make(); err != nil {
			return err
		}
	}
	if f.head, err = readResultsHeader(f.file); err != nil {
		return f.failed(err)
	}
	if err := f.begin(); err != nil {
		return err
	}
	return f.guard(func() error {
		if fi, err = f.file.Stat(); err != nil {
			return f.failed(err)
		}
		if alone {
			return f.findEnd(fi.Size())
		}
		storeMax(f.end, uint64(roundGrain(max(fi.Size(), int64(f.reach.Load())))))
		return nil
	})
}

// make writes the header of a new file. A process that dies here leaves zeros,
// which the next one takes for a new file again.
func (f *ResultFile) make() error {
	h := resultsHeader{extentSize: int64(f.opts.ExtentSize), created: time.Now()}
	if h.extentSize == 0 {
		h.extentSize = defaultExtentSize
	}
	rand.Read(h.id[:])
	if err := mapped.Reserve(f.file, 0, resultsBase); err != nil {
		return f.failed(errors.Join(err, f.file.Truncate(0)))
	}
	step("header reserved")
	// One page, which a kill does not tear.
	if _, err := f.file.WriteAt(h.encode(), 0); err != nil {
		return f.failed(errors.Join(err, f.file.Truncate(0)))
	}
	step("header written")
	if f.opts.Sync == SyncNever {
		return nil
	}
	if err := f.file.Sync(); err != nil {
		return f.failed(err)
	}
	// The name has to be on the disk too.
	dir, err := os.Open(filepath.Dir(f.path))
	if err != nil {
		return f.failed(err)
	}
	defer dir.Close()
	if err := dir.Sync(); err != nil {
		return f.failed(err)
	}
	return nil
}

// begin maps the words of a file that has a header, and checks its size.
func (f *ResultFile) begin() error {
	f.users, f.pid, f.sum = 1, os.Getpid(), f.head.id.sum()
	if f.opts.ExtentSize == 0 {
		f.opts.ExtentSize = int(f.head.extentSize)
	}
	if f.opts.ReadOnly {
		return nil
	}
	fi, err := f.file.Stat()
	if err != nil {
		return f.failed(err)
	}
	if fi.Size() < resultsBase {
		return f.cutOff(fi.Size(), resultsBase)
	}
	ctl, err := mapped.Map(f.file, 0, resultsBase)
	if err != nil {
		return f.failed(err)
	}
	f.ctl = ctl
	f.end, f.reach, f.dirty = ctl.Uint64(resultsEnd), ctl.Uint64(resultsReach), ctl.Uint64(resultsDirty)
	return f.guard(func() error {
		if err := f.checkReach(); err != nil {
			return err
		}
		storeMax(f.end, resultsBase)
		return nil
	})
}

// unmapWords undoes begin.
func (f *ResultFile) unmapWords() error {
	if f.ctl == nil {
		return nil
	}
	return f.ctl.Unmap()
}

// guard makes a fault of mapped memory an error that names the file.
func (f *ResultFile) guard(do func() error) error {
	err := mapped.Guard(do)
	if _, ok := errors.AsType[*mapped.FaultError](err); ok {
		return f.failed(fmt.Errorf("%w: %w", ErrTruncated, err))
	}
	return err
}
