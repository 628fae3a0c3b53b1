package ipc

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"time"

	"yunta/oslock"
)

// Others keep the file to themselves for the moment in which they open it.
const (
	openMoment = 500 * time.Millisecond // how long that is waited for
	openTries  = 200                    // for a file that is replaced at every turn
)

// errOpenAgain says that the file changed while it was being opened.
var errOpenAgain = errors.New("ipc: the file is being replaced all the time")

// OpenResults opens a result file, and makes it if it is missing. A file that is
// something else is [ErrNotResults] or [ErrVersion], one that was cut off is
// [ErrTruncated] unless it is only to be read; all are left as they are. The path
// is the user's: links in it are followed. Memory is not shared across network
// file systems: on one, a file to write to is refused with oslock.ErrNetwork.
//
// It waits for others for up to half a second while they are opening the file,
// and with Exclusive for Patience.
func OpenResults(path string, o ResultsOptions) (*ResultFile, error) {
	o, err := o.withDefaults()
	if err != nil {
		return nil, err
	}
	for range openTries {
		f, err := openResults(path, o)
		if err == nil {
			if o.Sync == SyncInterval && !o.ReadOnly {
				f.syncer = startSyncer(f, o.Interval)
			}
			return f, nil
		}
		if !errors.Is(err, errOpenAgain) {
			return nil, err
		}
		time.Sleep(time.Millisecond)
	}
	return nil, fmt.Errorf("%w: %s", errOpenAgain, path)
}

// OpenResultsFile opens a result file in a process that inherited it (see
// [ResultFile.File]), and takes f over. It shares the lock of the process that
// opened the file by its path. Of the options only ReadOnly, Sync, ExtentSize and
// KeepArgument count; SyncInterval is done by the process that opened the path.
func OpenResultsFile(f *os.File, o ResultsOptions) (*ResultFile, error) {
	o, err := o.withDefaults()
	if err != nil {
		return nil, err
	}
	r := &ResultFile{path: f.Name(), file: f, opts: o}
	if r.head, err = readResultsHeader(f); err != nil {
		return nil, r.failed(err)
	}
	if err := r.begin(); err != nil {
		return nil, errors.Join(err, r.unmapWords())
	}
	return r, nil
}

func openResults(path string, o ResultsOptions) (_ *ResultFile, err error) {
	file, created, err := openResultsPath(path, o)
	if err != nil {
		return nil, err
	}
	f := &ResultFile{path: path, file: file, opts: o}
	ours := false
	defer func() {
		if err == nil {
			return
		}
		if ours && !errors.Is(err, errOpenAgain) {
			_ = os.Remove(path)
		}
		_ = f.unmapWords()
		file.Close()
		if f.lock != nil {
			f.lock.Close() // after the file, as in Close
		}
	}()
	fi, err := file.Stat()
	if err != nil {
		return nil, f.failed(err)
	}
	if !fi.Mode().IsRegular() {
		return nil, f.failed(fmt.Errorf("%w: it is a %s", ErrNotResults, kindOf(fi.Mode())))
	}
	if o.ReadOnly {
		if f.head, err = readResultsHeader(file); err != nil {
			return nil, f.failed(err)
		}
		return f, f.begin()
	}
	if err := oslock.CheckLocal(file); err != nil {
		return nil, f.failed(err)
	}
	alone, err := f.takeLock()
	if err != nil {
		return nil, err
	}
	if named, err := os.Stat(path); err != nil || !os.SameFile(named, fi) {
		return nil, errOpenAgain
	}
	ours = created && alone
	if err := f.prepare(alone); err != nil {
		return nil, err
	}
	if alone && !o.Exclusive {
		return f, f.share()
	}
	return f, nil
}

// openResultsPath opens the path, and says whether it made the file.
func openResultsPath(path string, o ResultsOptions) (*os.File, bool, error) {
	open := func(flags int) (*os.File, error) {
		f, err := os.OpenFile(path, flags|openWithoutWaiting, o.Mode.Perm())
		if err != nil {
			return nil, fmt.Errorf("ipc: result file: %w", err)
		}
		return f, nil
	}
	if o.New {
		f, err := open(os.O_RDWR | os.O_CREATE | os.O_EXCL)
		return f, err == nil, err
	}
	// Merely opening some devices does something.
	if fi, err := os.Stat(path); err == nil && !fi.Mode().IsRegular() {
		return nil, false, fmt.Errorf("%w: %s is a %s", ErrNotResults, path, kindOf(fi.Mode()))
	}
	if o.ReadOnly {
		f, err := open(os.O_RDONLY)
		return f, false, err
	}
	// Not with O_CREATE at once: in a sticky folder Linux refuses that for another
	// user's file (sysctl fs.protected_regular, Linux 4.19).
	f, err := open(os.O_RDWR)
	if !errors.Is(err, fs.ErrNotExist) || o.MustExist {
		return f, false, err
	}
	if f, err = open(os.O_RDWR | os.O_CREATE | os.O_EXCL); !errors.Is(err, fs.ErrExist) {
		return f, err == nil, err
	}
	// Somebody was faster, or the path is a link to nothing yet.
	f, err = open(os.O_RDWR | os.O_CREATE)
	return f, false, err
}

func kindOf(m fs.FileMode) string {
	switch {
	case m.IsDir():
		return "folder"
	case m&fs.ModeNamedPipe != 0:
		return "named pipe"
	case m&fs.ModeSocket != 0:
		return "socket"
	case m&fs.ModeDevice != 0:
		return "device"
	}
	return "file of mode " + m.Type().String()
}

// takeLock takes the lock of a writer. Whoever finds the file unused has it
// alone for the moment, to make it or look it over.
func (f *ResultFile) takeLock() (alone bool, err error) {
	f.lock = oslock.FileLockOf(f.file)
	if alone, err = f.lock.TryLock(); alone || err != nil {
		if err != nil {
			err = f.failed(err)
		}
		return alone, err
	}
	if !f.opts.Exclusive {
		return false, f.wait(openMoment, f.lock.RLock)
	}
	if f.opts.Patience == 0 {
		return false, f.inUse()
	}
	return true, f.wait(f.opts.Patience, f.lock.Lock)
}

// share makes the lock of one who was alone one that others may have too.
func (f *ResultFile) share() error {
	if err := f.lock.Unlock(); err != nil {
		return f.failed(err)
	}
	return f.wait(openMoment, f.lock.RLock)
}

func (f *ResultFile) wait(patience time.Duration, lock func(context.Context) error) error {
	ctx, cancel := context.WithTimeout(context.Background(), patience)
	defer cancel()
	err := lock(ctx)
	switch {
	case errors.Is(err, context.DeadlineExceeded):
		return f.inUse()
	case err != nil:
		return f.failed(err)
	}
	return nil
}

func (f *ResultFile) inUse() error {
	return fmt.Errorf("%w: %s is open for writing elsewhere", ErrInUse, f.path)
}
