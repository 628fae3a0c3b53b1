package oslock

import (
	"context"
	"fmt"
	"io/fs"
	"runtime"
)

// LockOptions are the settings of a [Lock], an [RLock] and an [RWLock]. The zero value is the recommended one.
type LockOptions struct {
	// Repair puts in order what the lock protects after an owner died. It runs in the process that got
	// the lock, with the lock held, before Lock or TryLock returns; it must not use the lock
	// itself. nil means that the caller sees to it, when Lock returns [ErrOwnerDied].
	Repair func() error
	// Mode is the permission of a new file, before the umask; 0 means 0600, the user alone. Whoever
	// may write to the file may lock it, unlock it, and break it.
	Mode fs.FileMode
}

// Lock is a mutual-exclusion lock between processes, and between the goroutines of each: like Python's
// multiprocessing.Lock with a name, but robust. A process that dies owning it, however it dies, never blocks
// the others: the next to lock it is told ([ErrOwnerDied], or Repair).
//
// The owner is a process, not a goroutine: another goroutine of the process may unlock it, through
// this handle or another, as with sync.Mutex. All handles of one file in a process exclude one another,
// and locking twice without unlocking waits for itself: see [RLock]. A Lock may be used by any number
// of goroutines and must not be copied. In other processes, open the same name.
//
// Locking a free lock and unlocking it is one atomic instruction each, some 6 ns for both. Those who
// wait sleep in the kernel where there is a futex, and poll elsewhere. Who has waited for a millisecond is
// preferred to newcomers, so nobody starves. A dead owner's lock is taken over within a
// few milliseconds of the kernel's clearing it away; a process that is stopped, or dumping core, lives.
//
// The paths of a free lock touch the file's memory without a net: catching a fault there would cost more than
// the lock. Somebody who cuts a lock file off while it is open so crashes its users; everywhere else
// that is an error that wraps [ErrDamaged].
type Lock struct {
	h      handle
	repair func() error
}

// OpenLock opens the lock of that name, and makes it where there is none. A name without a slash lives in
// the user's run directory (see oslock/rundir), one with a slash is the path of a file. The file
// is 128 bytes, mode 0600 if not said otherwise, and stays until [Unlink].
//
// Errors: [ErrName] for a name that cannot be; [ErrNotOurs], [ErrMismatch], [ErrVersion], [ErrDamaged]
// for a file that is something else, which is left as it was; [ErrNetwork]; [ErrOtherRegistry] for a
// file in use by another user, or from another run directory; and those of the system.
func OpenLock(name string, o LockOptions) (*Lock, error) {
	l := &Lock{}
	if err := l.open(name, o); err != nil {
		return nil, err
	}
	return l, nil
}

func (l *Lock) open(name string, o LockOptions) error {
	l.repair = o.Repair
	return l.h.open(name, header{kind: kindLock}, o.Mode)
}

// Lock waits until this process owns the lock. The end of the context, or Close, ends the wait at once, with
// their error; a free lock is taken even if the context has ended.
//
// An error that wraps [ErrOwnerDied] means that the lock is held, and that whoever owned it before died
// with it: put in order what it protects, call [Lock.Repaired], and Unlock. Until Repaired, everybody
// who locks is told the same. With a Repair function the error does not occur: if Repair
// succeeds Lock returns nil, if it fails the lock is unlocked and its error returned, for the next to try.
//
// After any other error the lock is not held. [ErrRegistryLost] comes after ten seconds of waiting for an
// owner whose life cannot be judged, because somebody removed the member registry's files.
func (l *Lock) Lock(ctx context.Context) error {
	f := l.h.file.Load()
	if f.word.CompareAndSwap(0, f.me) {
		runtime.KeepAlive(f) // the word is mapped until here
		if l.h.file.Load() != f {
			return l.tooLate(f)
		}
		f.order.acquired()
		return nil
	}
	return l.lockSlow(ctx, f)
}

// TryLock locks if that needs no waiting and reports whether it did. Errors are those of Lock: true with
// [ErrOwnerDied] means that the lock is held. A lock whose owner has died is taken, though the
// death may be noticed a millisecond late.
func (l *Lock) TryLock() (bool, error) {
	f := l.h.file.Load()
	if f.word.CompareAndSwap(0, f.me) {
		runtime.KeepAlive(f)
		if l.h.file.Load() != f {
			return false, l.tooLate(f)
		}
		f.order.acquired()
		return true, nil
	}
	return l.trySlow(f)
}

// Unlock unlocks, and wakes one who waits. It returns [ErrNotOwner] when this process does not own
// the lock, and then changes nothing.
func (l *Lock) Unlock() error {
	f := l.h.file.Load()
	f.order.released()
	if f.word.CompareAndSwap(f.me, 0) {
		runtime.KeepAlive(f)
		return nil
	}
	if f == closedFile {
		return l.h.errorf("unlock", ErrClosed)
	}
	return f.guard(func() error {
		if !f.unlock() {
			return f.errorf("unlock", ErrNotOwner)
		}
		return nil
	})
}

// Repaired says that what the lock protects is in order again, after [ErrOwnerDied]. This process must own
// the lock ([ErrNotOwner]). Python has no such call; in C it is pthread_mutex_consistent.
func (l *Lock) Repaired() error {
	f := l.h.file.Load()
	if f == closedFile {
		return l.h.errorf("repaired", ErrClosed)
	}
	return f.guard(func() error {
		if !f.repaired() {
			return f.errorf("repaired", ErrNotOwner)
		}
		return nil
	})
}

// File returns the absolute path of the lock's file, which is its name for every other process.
func (l *Lock) File() string { return l.h.path }

// Close gives the handle back: whoever waits through it returns with [ErrClosed], and so does every
// later call. It does not unlock. A lock that this process owns stays owned by it, until another handle of
// this process unlocks it or the process ends; open the name again to do so. Closing again does nothing.
func (l *Lock) Close() error { return l.h.close() }

// errorf names the handle in an error.
func (h *handle) errorf(doing string, err error) error {
	return fmt.Errorf("oslock: %s %s: %w", doing, h.path, unprefixed{err})
}
