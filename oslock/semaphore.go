package oslock

import (
	"context"
	"fmt"
	"io/fs"
	"math"
	"runtime"
)

// SemaphoreOptions are the settings of a [Semaphore]. The zero value is a plain POSIX semaphore.
type SemaphoreOptions struct {
	// Undo makes what a process took, and has not released, come back when the process ends, however it
	// ends (SEM_UNDO of semop(2)). Then a process can release only what it took itself, and
	// the value is at most 32767, as System V has it. Costs two to four times a plain one.
	Undo bool
	// Bounded refuses to release beyond the initial value: Python's BoundedSemaphore.
	Bounded bool
	// Existing opens one that is there and makes none: fs.ErrNotExist then (sem_open(3) without O_CREAT).
	Existing bool
	// Mode is the permission of a new file, before the umask; 0 means 0600, the user alone.
	Mode fs.FileMode
}

const (
	maxPlain = math.MaxInt32
	maxUndo  = 1<<15 - 1
)

// Semaphore counts permits between processes: Python's multiprocessing.Semaphore with a name, and
// sem_overview(7) in its behaviour. Anybody who has it open may release, also what others took, and the
// value may rise above the initial one; [SemaphoreOptions] has the stricter forms.
//
// No order among those who wait is promised. A process that dies takes its permits with it, unless
// Undo is set. A Semaphore may be used by any number of goroutines and must not be copied. In other
// processes, open the same name; a plain one may even be shared by several users.
//
// Taking and giving a permit of a plain semaphore nobody waits for is one atomic instruction each. As
// with [Lock], those touch the file's memory without a net.
type Semaphore struct{ h handle }

// OpenSemaphore opens the semaphore of that name, and makes it with the given value where there is none;
// for one that is there the value is ignored, as sem_open(3) has it. A name without a slash lives in the
// user's run directory, one with a slash is the path of a file, which stays until [Unlink].
//
// Undo and Bounded belong to the file: asking for another kind than it is fails with [ErrMismatch]. A
// value out of range is [ErrValue]: 0 to 2147483647, with Undo 0 to 32767. Other errors
// are those of [OpenLock].
func OpenSemaphore(name string, value int, o SemaphoreOptions) (*Semaphore, error) {
	s := &Semaphore{}
	if err := s.open(name, value, o); err != nil {
		return nil, err
	}
	return s, nil
}

func (s *Semaphore) open(name string, value int, o SemaphoreOptions) error {
	want := header{kind: kindSemaphore, bounded: o.Bounded, initial: uint32(value), mustExist: o.Existing}
	limit := maxPlain
	if o.Undo {
		want.kind, limit = kindUndo, maxUndo
	}
	if value < 0 || value > limit {
		return fmt.Errorf("%w: initial value %d, want 0 to %d", ErrValue, value, limit)
	}
	return s.h.open(name, want, o.Mode)
}

// Acquire waits for a permit and takes it. The end of the context, or Close, ends the wait at once, with their
// error, and no permit is taken then; a permit that is there is taken even if the context has ended.
// A context with a deadline makes it sem_timedwait(3).
func (s *Semaphore) Acquire(ctx context.Context) error {
	f := s.h.file.Load()
	ok, err := s.take(f)
	if ok || err != nil {
		return err
	}
	if err = f.guard(func() error { return s.h.waitPermit(ctx, f, 0) }); err != nil {
		return f.errorf("acquire", err)
	}
	runtime.KeepAlive(f)
	f.order.acquired()
	return nil
}

// AcquireOf is Acquire for a caller with a limit of its own: it waits until fewer than limit permits are taken, by whomever, and
// takes one then. So each who asks may have another idea of how many may be inside, as jobs with -j have: the
// semaphore is opened with as many permits as it can have. With a limit of 1 it waits until nobody has any. It needs Undo, which alone
// knows what is taken; else the error is [ErrMismatch]. A limit below 1 is [ErrValue].
//
// Who waits with a lower limit than others may be woken in their stead; they find out in 5 ms.
func (s *Semaphore) AcquireOf(ctx context.Context, limit int) error {
	f := s.h.file.Load()
	reserve, err := s.reserve(f, limit)
	if err != nil {
		return err
	}
	if err := f.guard(func() error { return s.h.waitPermit(ctx, f, reserve) }); err != nil {
		return f.errorf("acquire", err)
	}
	f.order.acquired()
	return nil
}

// TryAcquireOf takes a permit as AcquireOf does if that needs no waiting, and reports whether it did.
func (s *Semaphore) TryAcquireOf(limit int) (ok bool, err error) {
	f := s.h.file.Load()
	reserve, err := s.reserve(f, limit)
	if err != nil {
		return false, err
	}
	err = f.guard(func() error {
		if ok = f.takeUndo(false, reserve); !ok && f.probe.due() {
			f.recoverDead()
			ok = f.takeUndo(false, reserve)
		}
		return nil
	})
	if err != nil {
		return false, f.errorf("acquire", err)
	}
	f.order.acquired()
	return ok, nil
}

// reserve is how many permits one with that limit must leave.
func (s *Semaphore) reserve(f *sharedFile, limit int) (uint64, error) {
	switch {
	case f == closedFile:
		return 0, s.h.errorf("acquire", ErrClosed)
	case f.undo == nil:
		return 0, f.errorf("acquire with a limit", fmt.Errorf("%w: a semaphore without undo", ErrMismatch))
	case limit < 1:
		return 0, fmt.Errorf("%w: limit of %d", ErrValue, limit)
	}
	return uint64(max(0, int(f.head.initial)-limit)), nil
}

// TryAcquire takes a permit if one is there and reports whether it did. With Undo, a permit whose
// taker has died is there, though the death may be noticed a millisecond late.
func (s *Semaphore) TryAcquire() (bool, error) {
	f := s.h.file.Load()
	ok, err := s.take(f)
	if ok || err != nil || f.undo == nil || !f.probe.due() {
		return ok, err
	}
	if err := f.guard(func() error { f.recoverDead(); return nil }); err != nil {
		return false, f.errorf("acquire", err)
	}
	return s.take(f)
}

// take takes a permit if one is there.
func (s *Semaphore) take(f *sharedFile) (ok bool, err error) {
	switch f.head.kind {
	case kindSemaphore:
		ok = f.takePlain()
		runtime.KeepAlive(f)
	case kindUndo:
		err = f.guard(func() error { ok = f.takeUndo(false, 0); return nil })
		if err != nil {
			err = f.errorf("acquire", err)
		}
	default:
		err = s.h.errorf("acquire", ErrClosed)
	}
	f.order.acquired()
	return ok, err
}

// Release gives back n permits and wakes as many who wait. Nothing is released when it fails: with
// [ErrValue] for n below 1; with [ErrOverRelease] beyond the initial value of a bounded semaphore, beyond what
// this process took from one with Undo, and beyond 2147483647.
func (s *Semaphore) Release(n int) error {
	f := s.h.file.Load()
	if n < 1 {
		return fmt.Errorf("%w: release of %d", ErrValue, n)
	}
	f.order.released()
	var err error
	switch f.head.kind {
	case kindSemaphore:
		err = f.givePlain(n)
		runtime.KeepAlive(f)
	case kindUndo:
		err = f.guard(func() error { return f.giveUndo(n) })
	default:
		err = ErrClosed
	}
	if err != nil {
		return s.h.errorf("release", err)
	}
	return nil
}

// Value returns how many permits are there. It may have changed when it is read. With Undo, what the dead
// had taken is counted as there.
func (s *Semaphore) Value() (int, error) {
	f := s.h.file.Load()
	if f == closedFile {
		return 0, s.h.errorf("value", ErrClosed)
	}
	value := 0
	err := f.guard(func() error {
		if f.undo != nil {
			f.recoverDead()
			value = int(valueOf(f.undo.wide.Load()))
		} else {
			value = int(f.word.Load() & maxPlain)
		}
		return nil
	})
	return value, err
}

// File returns the absolute path of the semaphore's file, which is its name for every other process.
func (s *Semaphore) File() string { return s.h.path }

// Close gives the handle back: whoever waits through it returns with [ErrClosed], and so does every
// later call. Permits that this process took stay taken; those of a semaphore with Undo come back when
// the process ends, or when another handle of this process releases them. Closing again does nothing.
func (s *Semaphore) Close() error { return s.h.close() }
