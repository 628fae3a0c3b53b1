package oslock

import (
	"context"
	"fmt"
	"runtime"
)

// RWLock is a lock that many readers or one writer have, between processes and between the goroutines of
// each. Python has none; in Go, among goroutines, it is sync.RWMutex. Like [Lock] it is robust: a reader who dies gives
// its share back, a writer who dies leaves the lock to the next, who is told ([ErrOwnerDied], or Repair).
//
// Neither side starves: a writer who waits keeps new readers out, and who waits for long, reader or writer, is
// preferred. So a goroutine that has a share must not ask for another: a writer may stand between the
// two, and both wait for ever; the same for a reader who asks to write.
//
// The owner is a process, not a goroutine, as with [Lock]: another of its goroutines may unlock, through this
// handle or another. An RWLock must not be copied. In other processes, open the same name.
//
// A share taken and given back while nobody writes is two atomic additions and three loads, some 20 ns,
// and touches memory of this process's own, but for neighbours on the same cache line.
type RWLock struct {
	h      handle
	repair func() error
}

// OpenRWLock opens the read-write lock of that name, and makes it where there is none. Names and errors are
// those of [OpenLock]. The file is 36 KiB. Repair runs under the writer's lock, also when it is a reader
// who finds that a writer died.
func OpenRWLock(name string, o LockOptions) (*RWLock, error) {
	rw := &RWLock{}
	if err := rw.open(name, o); err != nil {
		return nil, err
	}
	return rw, nil
}

func (rw *RWLock) open(name string, o LockOptions) error {
	rw.repair = o.Repair
	return rw.h.open(name, header{kind: kindRW}, o.Mode)
}

// RLock waits until no writer has the lock, and takes a share. The end of the context, or Close, ends the
// wait at once, with their error; a share that needs no waiting is taken even if the context has ended.
//
// [ErrOwnerDied] means that the share is taken, and that a writer died inside: what the lock protects may be
// half-written. So it is for every reader until a writer has said [RWLock.Repaired]; a reader who must
// repair gives its share back and calls Lock. With a Repair function RLock calls that instead, and
// only its error, without a share, remains.
func (rw *RWLock) RLock(ctx context.Context) error {
	f := rw.h.file.Load()
	if f == closedFile {
		return rw.h.errorf("lock", ErrClosed)
	}
	if ok, err := rw.fastShare(f); ok || err != nil {
		return err
	}
	err := f.guard(func() error {
		if _, err := rw.h.waitLock(ctx, f); err != nil {
			return f.errorf("lock", err)
		}
		_, err := rw.shareAsOwner(ctx, f)
		return err
	})
	runtime.KeepAlive(f)
	return err
}

// TryRLock takes a share if that needs no waiting and reports whether it did. Errors are those of RLock:
// true with [ErrOwnerDied] means that the share is taken.
func (rw *RWLock) TryRLock() (ok bool, err error) {
	f := rw.h.file.Load()
	if f == closedFile {
		return false, rw.h.errorf("lock", ErrClosed)
	}
	// The word may belong for a moment to a reader who stood in line, and keeps nobody out.
	for range 100 {
		if ok, err = rw.fastShare(f); ok || err != nil {
			return ok, err
		}
		if v := f.word.Load(); ownerOf(v) == 0 || f.rw.state.Load()&stateInside != 0 {
			break
		}
		runtime.Gosched()
	}
	err = f.guard(func() error {
		if f.tryTake() == 0 {
			return nil
		}
		if rw.repair != nil && f.settleRW() && f.read() {
			f.unlock() // it would have to wait for readers
			return nil
		}
		ok, err = rw.shareAsOwner(context.Background(), f)
		return err
	})
	runtime.KeepAlive(f)
	return ok, err
}

// fastShare takes a share if nobody has the word.
func (rw *RWLock) fastShare(f *sharedFile) (ok bool, err error) {
	err = f.guard(func() error { ok = f.share(); return nil })
	if !ok || err != nil {
		return false, err
	}
	if rw.h.file.Load() != f {
		_ = f.guard(func() error { f.unshare(); return nil })
		return false, rw.h.errorf("lock", ErrClosed)
	}
	f.order.acquired()
	return true, nil
}

// shareAsOwner takes a share as the owner of the word, and gives the word back.
func (rw *RWLock) shareAsOwner(ctx context.Context, f *sharedFile) (ok bool, err error) {
	dirty := f.settleRW()
	if dirty && rw.repair != nil {
		if err := f.drain(ctx, &rw.h); err != nil {
			f.unlock()
			return false, f.errorf("lock", err)
		}
		f.enterRW(true)
		if err := rw.runRepair(f); err != nil {
			return false, err
		}
		dirty = false
		f.rw.state.Store(0)
	}
	if rw.h.isClosed() {
		f.unlock()
		return false, rw.h.errorf("lock", ErrClosed)
	}
	f.rw.row.Add(1)
	step("share taken")
	f.order.acquired()
	f.unlock()
	if dirty {
		return true, f.errorf("lock", ErrOwnerDied)
	}
	return true, nil
}

// runRepair runs Repair as the writer inside. If it fails the lock is unlocked.
func (rw *RWLock) runRepair(f *sharedFile) (err error) {
	f.order.acquired()
	done := false
	defer func() {
		if !done { // it failed, or panicked: the next one tries
			f.leaveRW()
		}
	}()
	step("repairing")
	if err := rw.repair(); err != nil {
		return fmt.Errorf("oslock: lock %s: repair after the owner died: %w", f.path, err)
	}
	step("repaired")
	f.repairedRW()
	done = true
	return nil
}

// RUnlock gives a share back. It returns [ErrNotOwner] when this process has none.
func (rw *RWLock) RUnlock() error {
	f := rw.h.file.Load()
	if f == closedFile {
		return rw.h.errorf("unlock", ErrClosed)
	}
	f.order.released()
	err := f.guard(func() error {
		if !f.unshare() {
			return f.errorf("unlock", ErrNotOwner)
		}
		return nil
	})
	runtime.KeepAlive(f)
	return err
}

// Lock waits until this process is the writer, and there are no readers. Context, Close and errors are
// as in [Lock.Lock]: with [ErrOwnerDied] the lock is held.
func (rw *RWLock) Lock(ctx context.Context) error {
	f := rw.h.file.Load()
	if f == closedFile {
		return rw.h.errorf("lock", ErrClosed)
	}
	err := f.guard(func() error {
		if !f.word.CompareAndSwap(0, f.me) {
			if _, err := rw.h.waitLock(ctx, f); err != nil {
				return f.errorf("lock", err)
			}
		}
		dirty := f.settleRW()
		if err := f.drain(ctx, &rw.h); err != nil {
			f.unlock()
			return f.errorf("lock", err)
		}
		_, err := rw.inside(f, dirty)
		return err
	})
	runtime.KeepAlive(f)
	return err
}

// TryLock locks for writing if that needs no waiting and reports whether it did. Errors are those of
// [RWLock.Lock]. What the dead had is taken, though a death may be noticed a millisecond late.
func (rw *RWLock) TryLock() (ok bool, err error) {
	f := rw.h.file.Load()
	if f == closedFile {
		return false, rw.h.errorf("lock", ErrClosed)
	}
	err = f.guard(func() error {
		if f.tryTake() == 0 {
			return nil
		}
		dirty := f.settleRW()
		if f.read() && f.probe.due() {
			f.dropDead()
		}
		if f.read() {
			f.unlock()
			return nil
		}
		ok, err = rw.inside(f, dirty)
		return err
	})
	runtime.KeepAlive(f)
	return ok, err
}

// inside is what comes after taking the word and seeing all readers leave.
func (rw *RWLock) inside(f *sharedFile, dirty bool) (held bool, err error) {
	f.enterRW(dirty)
	if rw.h.isClosed() {
		f.leaveRW()
		return false, rw.h.errorf("lock", ErrClosed)
	}
	f.order.acquired()
	switch {
	case !dirty:
		return true, nil
	case rw.repair == nil:
		return true, f.errorf("lock", ErrOwnerDied)
	}
	err = rw.runRepair(f)
	return err == nil, err
}

// Unlock ends the writing, and wakes one who waits. It returns [ErrNotOwner] when no writer of this
// process is inside.
func (rw *RWLock) Unlock() error {
	f := rw.h.file.Load()
	if f == closedFile {
		return rw.h.errorf("unlock", ErrClosed)
	}
	f.order.released()
	err := f.guard(func() error {
		if !f.leaveRW() {
			return f.errorf("unlock", ErrNotOwner)
		}
		return nil
	})
	runtime.KeepAlive(f)
	return err
}

// Repaired says that what the lock protects is in order again, after [ErrOwnerDied]. This process must be the
// writer ([ErrNotOwner]).
func (rw *RWLock) Repaired() error {
	f := rw.h.file.Load()
	if f == closedFile {
		return rw.h.errorf("repaired", ErrClosed)
	}
	return f.guard(func() error {
		if !f.repairedRW() {
			return f.errorf("repaired", ErrNotOwner)
		}
		return nil
	})
}

// File returns the absolute path of the lock's file, which is its name for every other process.
func (rw *RWLock) File() string { return rw.h.path }

// Close gives the handle back: whoever waits through it returns with [ErrClosed], and so does every later
// call. It does not unlock, and shares stay taken, until another handle of this process gives them
// back or the process ends. Closing again does nothing.
func (rw *RWLock) Close() error { return rw.h.close() }
