package oslock

import (
	"errors"
	"fmt"
	"io/fs"
	"math/rand/v2"
	"os"
	"path/filepath"
	"runtime"
	"sync"
	"sync/atomic"
	"time"

	"yunta/oslock/mapped"
)

const (
	// busyPatience bounds the wait for whoever is making or binding a file, which takes well under
	// a millisecond: a wait this long means a stopped process, or flock(1) on our file.
	busyPatience = 10 * time.Second
	// bindPatience is how long a file of another registry is tried again before it is refused: others who
	// open it at this moment look as if they used it.
	bindPatience = 250 * time.Millisecond
)

// sharedFile is one open lock or semaphore file in this process: however many handles there are, a
// process maps it once, and its goroutines pass through one gate.
//
// It is unmapped when the garbage collector finds that nobody has it any more, not by Close: the path
// of a free lock is a single instruction on the mapped word, and counting its users would
// cost more than the lock. The flock on the file does end with the last Close.
type sharedFile struct {
	place        // the word at offWord: the lock, the value, or the half of wide that holds it
	me    uint32 // this process's number, 0 where the file names no members
	order order
	head  header
	path  string
	id    fileID
	reg   *registry // nil where the file names no members

	region *mapped.Region
	file   *os.File     // flocked (LOCK_SH) while there are handles, or while this process owns something
	refs   int          // handles; guarded by table.mu
	users  atomic.Int32 // goroutines between handle.use and done; they keep the file as handles do
	orphan atomic.Bool  // refs is 0; stored under table.mu

	probe throttle

	// What one kind has beyond the word; nil in the others.
	deaths  *atomic.Uint32 // of a lock: how many dead owners there were
	undo    *undoState
	rw      *rwState
	cond    *condState
	event   *eventState
	barrier *barrierState
}

// table has the files that this process has open, so that all handles of one file share one sharedFile.
var table = struct {
	mu    sync.Mutex // guards files, every refs, and openings
	files map[fileID]*sharedFile
}{files: map[fileID]*sharedFile{}}

// toUnmap is how many files were closed and wait for the garbage collector. A program with a large heap seldom
// collects, and a process has a limit of mappings (65530 on Linux): so past maxToUnmap an opening does.
var toUnmap atomic.Int32

const maxToUnmap = 1000

// openShared opens the file at path as want says, and makes it where there is none. want.initial counts only
// for a new file.
func openShared(path string, want header, mode fs.FileMode) (*sharedFile, error) {
	var reg *registry
	if want.kind.names() {
		var err error
		if reg, err = member(); err != nil {
			return nil, err
		}
		want.id = reg.id
	}
	if toUnmap.Load() > maxToUnmap {
		runtime.GC()
	}
	table.mu.Lock()
	defer table.mu.Unlock()
	o := opening{path: path, want: want, mode: mode, reg: reg, start: time.Now()}
	for {
		f, err := o.try()
		if f != nil {
			return f, nil
		}
		if errors.Is(err, errAgain) {
			continue
		}
		if err != nil {
			return nil, fmt.Errorf("oslock: open %s: %w", path, unprefixed{err})
		}
		// Another process stands in the way for a moment. Both may try alike: hence the dice.
		time.Sleep(time.Duration(50+rand.IntN(500)) * time.Microsecond)
	}
}

// enroll maps the file and puts it into the table. f.refs is 1 then.
func (o *opening) enroll(file *os.File, id fileID, have header) (*sharedFile, error) {
	region, err := mapped.Map(file, 0, have.size())
	if err != nil {
		if errors.Is(err, mapped.ErrRange) {
			err = fmt.Errorf("%w: %w", ErrDamaged, err)
		}
		return nil, err
	}
	f := &sharedFile{
		place: newPlace(region.Uint32(offWord)), head: have, path: o.path, id: id,
		reg: o.reg, region: region, file: file, refs: 1,
	}
	runtime.AddCleanup(f, func(r *mapped.Region) {
		_ = r.Unmap()
		toUnmap.Add(-1)
	}, region)
	if o.reg != nil {
		f.me = o.reg.me
	}
	err = f.guard(func() error {
		switch have.kind {
		case kindLock:
			f.deaths = region.Uint32(offDeaths)
			f.disownStale()
		case kindUndo:
			f.undo = newUndoState(f)
			f.word = f.undo.low()
			f.claimRow()
		case kindRW:
			f.disownStale()
			f.rw = newRWState(f)
		case kindCondition:
			f.cond = newCondState(f)
		case kindEvent:
			f.event = &eventState{seats: map[*eventSeat]struct{}{}}
		case kindBarrier:
			f.disownStale()
			f.barrier = newBarrierState(f)
		}
		return nil
	})
	if err != nil {
		toUnmap.Add(1)
		return nil, err
	}
	table.files[id] = f
	return f, nil
}

// close takes back one handle. What this process owns keeps the file, and its flock, until it is given back
// through another handle: else someone who finds himself alone with the file would take it for dead.
func (f *sharedFile) close() error {
	table.mu.Lock()
	defer table.mu.Unlock()
	f.refs--
	f.orphan.Store(f.refs == 0)
	return f.closeLast()
}

// done ends what handle.use began.
func (f *sharedFile) done() {
	if f.users.Add(-1) > 0 || !f.orphan.Load() {
		return
	}
	table.mu.Lock()
	defer table.mu.Unlock()
	_ = f.closeLast() // the Close that should tell has returned
}

// closeLast gives the file back if nobody has a use for it any more. table.mu is held.
func (f *sharedFile) closeLast() error {
	if f.refs > 0 || f.users.Load() > 0 || table.files[f.id] != f || f.owns() {
		return nil
	}
	delete(table.files, f.id)
	toUnmap.Add(1)
	fd := int(f.file.Fd())
	dropFlockFD(fd) // the mapping may outlive the descriptor
	return f.file.Close()
}

// owns reports whether this process owns the lock, or permits that would come back.
func (f *sharedFile) owns() (yes bool) {
	err := f.guard(func() error {
		switch f.head.kind {
		case kindLock:
			yes = ownerOf(f.word.Load()) == f.me
		case kindUndo:
			yes = f.taken() > 0
		case kindRW:
			yes = ownerOf(f.word.Load()) == f.me || f.sharesHeld() > 0
		}
		return nil
	})
	return err == nil && yes
}

// guard runs f so that a fault of the mapped memory becomes an error.
func (f *sharedFile) guard(call func() error) error {
	if err := mapped.Guard(call); err != nil {
		return f.explain(err)
	}
	return nil
}

// explain names the file in a fault; other errors pass.
func (f *sharedFile) explain(err error) error {
	if fault, ok := errors.AsType[*mapped.FaultError](err); ok && f.region.Holds(fault.Addr) {
		return fmt.Errorf("oslock: %s: %w: %w", f.path, unprefixed{ErrDamaged}, fault)
	}
	return err
}

// errorf names the file in an error.
func (f *sharedFile) errorf(doing string, err error) error {
	return fmt.Errorf("oslock: %s %s: %w", doing, filepath.Clean(f.path), unprefixed{err})
}
