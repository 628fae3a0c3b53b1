package oslock

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
)

// ConditionOptions are the settings of a [Condition]. The zero value is the recommended one.
type ConditionOptions struct {
	// Mode is the permission of a new file, before the umask; 0 means 0600, the user alone.
	Mode fs.FileMode
}

// Condition lets processes wait until something that a [Lock] protects has changed: Python's
// multiprocessing.Condition with a name. Who waits gives the lock up while it does; who changes something
// notifies.
//
//	l.Lock(ctx)
//	defer l.Unlock()
//	err := c.WaitFor(ctx, func() bool { return queued() > 0 })
//
// A notification goes to those who wait at that moment, the oldest first, and none gets lost: if one is killed
// before it could act on its notification, the next who waited then gets it. If the owner of the lock is killed,
// which may have been about to notify, everybody who waits is woken: the first gets
// [ErrOwnerDied], and the others too until somebody repairs. So, as with any condition, what is waited for must be
// looked at after waiting; [Condition.WaitFor] does.
//
// All who use a condition must use it with the same lock. A Condition may be used by any number of
// goroutines and must not be copied. In other processes, open the same two names. To notify while nobody
// waits costs some 30 ns, and one system call for each process that must be woken.
type Condition struct {
	h    handle
	lock *Lock
}

// OpenCondition opens the condition of that name, whose lock is l, and makes it where there is none. Names and
// errors are those of [OpenLock]; [ErrMismatch] also for a condition that was made with another lock. The file
// is 52 KiB, room for 4096 who wait. The condition has no lock of its own: close l yourself, and later than
// the condition.
func OpenCondition(l *Lock, name string, o ConditionOptions) (*Condition, error) {
	c := &Condition{}
	if err := c.open(l, name, o); err != nil {
		return nil, err
	}
	return c, nil
}

func (c *Condition) open(l *Lock, name string, o ConditionOptions) error {
	lf := l.h.file.Load()
	if lf == closedFile {
		return l.h.errorf("condition of", ErrClosed)
	}
	if err := c.h.open(name, header{kind: kindCondition}, o.Mode); err != nil {
		return err
	}
	c.lock = l
	f := c.h.file.Load()
	err := f.guard(func() error {
		id := f.region.Uint64(offLockID)
		want := lf.id.mixed()
		if !id.CompareAndSwap(0, want) && id.Load() != want {
			return f.errorf("open", fmt.Errorf("%w: not of lock %s, or of one unlinked since", ErrMismatch, l.h.path))
		}
		return nil
	})
	if err != nil {
		_ = c.h.close()
	}
	return err
}

// Lock returns the lock that the condition was opened with.
func (c *Condition) Lock() *Lock { return c.lock }

// Wait unlocks the lock, which this process must own ([ErrNotOwner]), waits until somebody notifies, and locks
// again. The end of the context, or Close, ends the waiting, but not the locking again: the lock is held when Wait
// returns, whatever it returns, unless the lock itself failed: it was closed, its Repair failed, or it was
// damaged.
//
// nil means notified, or that an owner of the lock died and another process has repaired what it left;
// [ErrOwnerDied] is that of [Lock.Lock]. One notified just as its context ended was notified: Wait returns
// nil then. Python's timeout is a context with a deadline, and its False is context.DeadlineExceeded.
func (c *Condition) Wait(ctx context.Context) error {
	f, err := c.h.use()
	if err != nil {
		return c.h.errorf("wait", err)
	}
	defer f.done()
	lf, err := c.lock.h.use()
	if err != nil {
		return c.lock.h.errorf("wait", err)
	}
	defer lf.done()
	if err := c.owned("wait"); err != nil {
		return err
	}
	return f.guard(func() error { return c.wait(ctx, f, lf) })
}

func (c *Condition) wait(ctx context.Context, f, lf *sharedFile) error {
	s, err := f.sit(lf.deaths.Load())
	if err != nil {
		return f.errorf("wait", err)
	}
	lf.order.released()
	lf.unlock()
	step("waiting")
	over := c.await(ctx, f, lf, s)
	step("waited")
	// Whatever happened, the entry must go, which needs the lock: a Close does not end this wait, got sees it.
	again := handle{}
	newHandle(&again, lf)
	word, err := again.waitLock(context.Background(), lf)
	if err != nil {
		f.abandon(s)
		return lf.errorf("lock", err)
	}
	if f.rise(s) {
		over = nil
	} else if over != nil {
		over = f.errorf("wait", over)
	}
	held, err := c.lock.got(lf, word)
	if err != nil && held && over != nil {
		return fmt.Errorf("%w; %w", err, over)
	}
	if err != nil {
		return err
	}
	return over
}

// await waits until the seat is called, or there is another reason to lock again; the error is that of
// context or Close.
func (c *Condition) await(ctx context.Context, f, lf *sharedFile, s *seat) error {
	w, err := c.h.enterUnless(ctx, &f.cond.bell, s.called)
	if w == nil {
		return err
	}
	defer w.leave()
	for {
		v := w.p.word.Load()
		if v&bitW == 0 {
			if !w.p.word.CompareAndSwap(v, v|bitW) {
				continue
			}
			v |= bitW
			step("about to sleep")
		}
		deaths := lf.deaths.Load()
		f.callSeats(deaths) // looked at after W was there: who marks later rings
		if f.isNotified(s) || s.deaths != deaths {
			return nil
		}
		if err := w.over(); err != nil {
			return err
		}
		if w.due() {
			if o := ownerOf(lf.word.Load()); c.lock.h.isClosed() || o != 0 && lf.isDead(o) {
				return nil // locking says so, or takes over
			}
			if f.someMarkLost() {
				if err := c.mend(ctx, f, lf); err != nil && ctx.Err() == nil {
					return err
				}
			}
			continue
		}
		w.sleep(v)
		step("slept")
	}
}

// mend passes on what the dead were notified of.
func (c *Condition) mend(ctx context.Context, f, lf *sharedFile) error {
	word, err := c.lock.h.waitLock(ctx, lf)
	if err != nil {
		return err
	}
	lf.order.acquired()
	f.passOn()
	lf.order.released()
	if word&bitD != 0 {
		step("left dirty") // an owner died: whoever waits sees that by itself
	}
	lf.unlock()
	return nil
}

// WaitFor waits until ok returns true, which is called with the lock held, first of all at once. It returns nil
// only with ok true; when the context has ended, ok is asked once more. Otherwise it is [Condition.Wait], which
// it returns the errors of.
func (c *Condition) WaitFor(ctx context.Context, ok func() bool) error {
	if err := c.owned("wait"); err != nil {
		return err
	}
	for !ok() {
		err := c.Wait(ctx)
		switch {
		case err == nil:
		case ctx.Err() != nil && errors.Is(err, ctx.Err()) && !isHeld(err) && ok():
			return nil
		default:
			return err
		}
	}
	return nil
}

// Notify wakes n of those who wait, or as many as there are, the oldest first. They return from Wait
// one after the other, when the lock, which the caller must own ([ErrNotOwner]), is free. A negative n is
// [ErrValue].
func (c *Condition) Notify(n int) error {
	if n < 0 {
		return fmt.Errorf("%w: notify %d", ErrValue, n)
	}
	f, err := c.h.use()
	if err != nil {
		return c.h.errorf("notify", err)
	}
	defer f.done()
	if err := c.owned("notify"); err != nil {
		return err
	}
	return f.guard(func() error { f.notify(n); return nil })
}

// NotifyAll wakes everybody who waits: see [Condition.Notify].
func (c *Condition) NotifyAll() error { return c.Notify(maxWaiters) }

// owned reports an error if this process does not own the lock.
func (c *Condition) owned(doing string) error {
	lf := c.lock.h.file.Load()
	if lf == closedFile {
		return c.lock.h.errorf(doing, ErrClosed)
	}
	owns := false
	err := lf.guard(func() error { owns = ownerOf(lf.word.Load()) == lf.me; return nil })
	if err == nil && !owns {
		err = lf.errorf(doing, ErrNotOwner)
	}
	return err
}

// File returns the absolute path of the condition's file.
func (c *Condition) File() string { return c.h.path }

// Close gives the handle back: whoever waits through it returns with [ErrClosed], the lock held, and so does
// every later call, which changes nothing of the lock. It does not close the lock. Closing again does nothing.
func (c *Condition) Close() error { return c.h.close() }
