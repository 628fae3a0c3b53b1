package ipc

import (
	"errors"
	"fmt"
	"io/fs"
	"math"
	"os"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	"yunta/oslock"
	"yunta/oslock/mapped"
)

// SyncPolicy says when what was written goes to the disk.
type SyncPolicy int

const (
	// SyncNever leaves it to the system: a record survives the death of every
	// process, and not that of the machine.
	SyncNever SyncPolicy = iota
	// SyncInterval syncs at most once an interval, when something was written.
	SyncInterval
	// SyncCommit syncs each record before Commit returns.
	SyncCommit
)

// ResultsOptions are the settings of [OpenResults].
type ResultsOptions struct {
	New       bool // the file must not exist; the error wraps fs.ErrExist
	MustExist bool // the file must exist; else one that is missing is made
	ReadOnly  bool // neither lock nor change anything; works while others write

	// Exclusive refuses with [ErrInUse] while anybody else has the file open for
	// writing. It lasts until the last process that inherited the file has closed it.
	Exclusive bool
	// Patience is how long Exclusive waits for others to close the file, who may
	// just be dying. 0 means not at all.
	Patience time.Duration

	Sync     SyncPolicy
	Interval time.Duration // of SyncInterval; 0 means 1 s

	// ExtentSize is the usual size of an extent in bytes, rounded up to 64 KiB; 0
	// means that of the file, which is 1 MiB in a new one. A writer's first extent
	// has 64 KiB, and each that follows twice as much, up to this: a small run has a
	// small file. A record that needs more gets an extent of its own size.
	ExtentSize int
	// KeepArgument is how many bytes of each argument are kept, for people to read;
	// 0 means 1024, less than 0 none.
	KeepArgument int

	Mode fs.FileMode // of a new file, before the umask; 0 means 0600
}

const (
	defaultKeep     = 1024
	defaultInterval = time.Second
)

func (o ResultsOptions) withDefaults() (ResultsOptions, error) {
	bad := func(format string, args ...any) (ResultsOptions, error) {
		return o, fmt.Errorf("ipc: ResultsOptions."+format, args...)
	}
	switch {
	case o.New && o.MustExist:
		return bad("New and MustExist contradict each other")
	case o.New && o.ReadOnly:
		return bad("New and ReadOnly contradict each other")
	case o.Exclusive && o.ReadOnly:
		return bad("Exclusive and ReadOnly contradict each other")
	case o.Patience < 0:
		return bad("Patience is %v", o.Patience)
	case o.Interval < 0:
		return bad("Interval is %v", o.Interval)
	case o.Sync < SyncNever || o.Sync > SyncCommit:
		return bad("Sync is %d", o.Sync)
	case o.ExtentSize < 0 || int64(o.ExtentSize) > maxExtentSize:
		return bad("ExtentSize is %d", o.ExtentSize)
	case o.KeepArgument > math.MaxInt32:
		return bad("KeepArgument is %d", o.KeepArgument)
	}
	o.ExtentSize = roundUp(o.ExtentSize)
	switch {
	case o.KeepArgument == 0:
		o.KeepArgument = defaultKeep
	case o.KeepArgument < 0:
		o.KeepArgument = 0
	}
	if o.Interval == 0 {
		o.Interval = defaultInterval
	}
	if o.Mode == 0 {
		o.Mode = 0o600
	}
	return o, nil
}

// ResultFile is a durable file of results: what was called, with which argument,
// when, by whom, and what came of it. Any number of processes write to it and
// read it at the same time, each through memory that it has mapped. Python's
// multiprocessing has no such thing; the nearest is a shelve that several
// processes could write to.
//
// Each writer fills an extent of its own with records. Space for it is reserved
// beforehand: a full disk is an error that wraps syscall.ENOSPC from the call
// that needed the space, never a fault, and loses nothing that was committed.
//
// A record is committed by one store. A process may be killed at any instant: it
// loses what it was writing, and no reader ever sees half a record. What the
// death of the machine may cost is what [SyncPolicy] says.
//
// A ResultFile may be used by many goroutines. What it reads is not trusted: a
// damaged file makes errors, a file cut off under a reader or writer does too.
type ResultFile struct {
	path  string
	file  *os.File
	head  resultsHeader
	sum   uint32 // of head.id
	opts  ResultsOptions
	pid   int
	lock  *oslock.FileLock // nil if this process did not open the file by path
	ctl   *mapped.Region   // the header and the words behind it, nil if read-only
	end   *atomic.Uint64   // every writer moves it, see grow
	reach *atomic.Uint64   // every writer raises it
	dirty *atomic.Uint64   // every writer sets it, who syncs clears it

	before int64 // the end when this process had the file alone, 0 if it never had

	own    sync.Mutex // guards append
	append *ResultWriter

	mu     sync.Mutex // guards users, and closed against them
	users  int        // of ctl: the file itself, writers, readers under way
	closed atomic.Bool
	syncer *resultsSyncer // set before anybody else has the file
}

// File returns the file, for other processes to inherit. It is closed by Close.
func (f *ResultFile) File() *os.File { return f.file }

// Path returns the path that the file was opened by.
func (f *ResultFile) Path() string { return f.path }

// Sync writes to the disk what every process has written to the file, and
// returns when it is there.
func (f *ResultFile) Sync() error {
	if f.opts.ReadOnly {
		return nil
	}
	if err := f.hold(); err != nil {
		return err
	}
	defer func() { _ = f.letGo() }() // only the mapping of a closed file may be left
	return f.sync()
}

func (f *ResultFile) sync() error {
	f.dirty.Store(0)
	if err := f.file.Sync(); err != nil {
		f.dirty.Store(1)
		return f.failed(err)
	}
	return nil
}

// seed begins the checksum of a record at off.
func (f *ResultFile) seed(off int64) uint32 { return seedAt(f.sum, off) }

// Close closes the file, after a last sync if there was to be any. Its writers
// should be closed before: one that is not keeps its extent mapped, and the lock
// with it. Closing again does nothing.
func (f *ResultFile) Close() error {
	f.mu.Lock()
	closed := f.closed.Swap(true)
	f.mu.Unlock()
	if closed {
		return nil
	}
	var errs []error
	f.own.Lock()
	if f.append != nil {
		errs = append(errs, f.append.Close())
		f.append = nil
	}
	f.own.Unlock()
	if f.syncer != nil {
		errs = append(errs, f.syncer.stop())
	}
	errs = append(errs, f.letGo(), f.file.Close())
	if f.lock != nil {
		// The file is closed, so this forgets the lock without asking the system to
		// unlock: processes that inherited the file still have it.
		_ = f.lock.Close()
	}
	return errors.Join(errs...)
}

// hold keeps the words mapped, beyond a Close too.
func (f *ResultFile) hold() error {
	f.mu.Lock()
	defer f.mu.Unlock()
	if f.closed.Load() {
		return f.failed(os.ErrClosed)
	}
	f.users++
	return nil
}

func (f *ResultFile) letGo() error {
	f.mu.Lock()
	defer f.mu.Unlock()
	if f.users--; f.users == 0 && f.ctl != nil {
		return f.ctl.Unmap()
	}
	return nil
}

// unprefixed is an error within another of this package.
type unprefixed struct{ error }

func (e unprefixed) Error() string { return strings.TrimPrefix(e.error.Error(), "ipc: ") }
func (e unprefixed) Unwrap() error { return e.error }

func storeMax(word *atomic.Uint64, v uint64) {
	for {
		old := word.Load()
		if old >= v || word.CompareAndSwap(old, v) {
			return
		}
	}
}
