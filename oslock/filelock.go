package oslock

import (
	"context"
	"fmt"
	"io/fs"
	"os"
	"sync"
	"time"
)

// A FileLock waits by asking again and again. Waiting inside flock(2) would be woken sooner, but
// nothing ends such a wait: a context cannot, and the signal that could is restarted by the Go runtime's handlers,
// so that each cancelled call would leave a thread behind. Notices of closed files (inotify) miss an unlock
// without a close, and every other waiter's attempt would set them off.
const (
	// fileLockPace is the first pause between two attempts. An attempt costs 3 to 6 us.
	fileLockPace = 50 * time.Microsecond
	// fileLockMaxPace bounds the pause, and with it how late a waiter learns of an unlock.
	fileLockMaxPace = 10 * time.Millisecond
	// fileLockShare is the part of the time waited so far that the next pause may take: who has waited for 32 ms
	// is at most 2 ms late. Short waits end soon, and long ones cost little. Measured on an idle process of Linux, whose
	// shortest sleep is 1 ms: 1.1 ms late at the median after waits up to 20 ms.
	fileLockShare = 16
)

// fileLocksTaken keeps the taken FileLocks reachable. Without it, a program that takes a lock for its whole life
// and drops the handle would lose the lock some time later: the garbage collector closes unreachable files.
var fileLocksTaken sync.Map // of *FileLock

// FileLock is flock(2) on a file or a directory, for excluding programs that know nothing of yunta:
// flock(1), and all others that flock the same file. Among programs of ours [Lock] is two hundred times
// faster and tells of an owner's death. The nearest thing in Python is fcntl.flock.
//
// It is exclusive (Lock) or shared (RLock), between processes, between handles of one process and between
// goroutines that use one handle. On one handle waiters are served in the order of their calls; between handles and
// processes the kernel has no order. The kernel drops the lock when the process that owns it ends, however it
// ends. It does not drop it while a process that inherited the open file lives: files
// opened here are not inherited, those given to [FileLockOf] may be.
//
// The lock is advisory, and local: network file systems treat flock differently or not at all.
// The file is made if it is missing, and left there by Close, since removing it would let two owners in. A file
// that was removed or replaced while its lock was being waited for is not taken for the one at the path.
//
// A FileLock may be used by several goroutines at once and must not be copied.
type FileLock struct {
	name   string
	kernel fileLocker
	gate   fileGate
	closed chan struct{}
	once   sync.Once
	close  error // result of the first Close, readable after it

	// turn has room for the one goroutine that asks the kernel. Others that were let in at the same
	// time (readers) wait for it, and find the lock taken when their turn comes.
	turn chan struct{}

	mu      sync.Mutex // guards granted
	granted int        // how many have the lock now; more than one only if it is shared
}

// fileLocker is the part of a FileLock that talks to the kernel. try is called only while nothing is granted, unlock only while
// something is, neither twice at once.
type fileLocker interface {
	try(shared bool) (bool, error)
	unlock() error
}

// FileLockOptions changes how [NewFileLockWith] makes a file. The zero value is the recommended one.
type FileLockOptions struct {
	// Mode is the permission of a lock file that has to be made, before the umask; 0 means 0600. flock(1) would
	// use 0666. It changes nothing for a file that exists.
	Mode fs.FileMode
}

// NewFileLock returns a lock on the file or directory at path. Nothing is opened before the first use, so that
// a bad path is an error of that. The path is the user's: links in it are followed.
func NewFileLock(path string) *FileLock { return NewFileLockWith(path, FileLockOptions{}) }

// NewFileLockWith is NewFileLock with options.
func NewFileLockWith(path string, o FileLockOptions) *FileLock {
	if o.Mode == 0 {
		o.Mode = 0o600
	}
	return newFileLock(path, newPathLocker(path, o.Mode))
}

// FileLockOf returns a lock on an open file: a directory, or a descriptor that a shell opened for "flock 9". The
// file stays the caller's, who must keep it open; it is never opened again. All descriptors that go back to the same
// open, by dup or by inheritance, share one lock, and do not exclude each other.
func FileLockOf(f *os.File) *FileLock { return newFileLock(f.Name(), &descriptorLocker{f}) }

func newFileLock(name string, k fileLocker) *FileLock {
	return &FileLock{name: name, kernel: k, closed: make(chan struct{}), turn: make(chan struct{}, 1)}
}

// Path returns the path given to NewFileLock, or the name of the file given to FileLockOf.
func (l *FileLock) Path() string { return l.name }

// Lock takes the lock for this caller alone. It waits until nobody else has it, or until ctx ends, and then
// returns at once with an error that wraps ctx.Err(); the lock is not taken then. Other waiters are not
// disturbed. Any goroutine may unlock it.
func (l *FileLock) Lock(ctx context.Context) error { return l.wait(ctx, false) }

// RLock takes the lock together with others who do the same. Each RLock needs its own Unlock. One that comes
// after a waiting Lock of the same handle waits behind it. Turning a shared lock into an exclusive one is not
// possible: a goroutine that tries waits for itself.
func (l *FileLock) RLock(ctx context.Context) error { return l.wait(ctx, true) }

// TryLock takes the lock like Lock if that is possible without waiting, and says whether it did.
func (l *FileLock) TryLock() (bool, error) { return l.try(false) }

// TryRLock takes the lock like RLock if that is possible without waiting, and says whether it did.
func (l *FileLock) TryRLock() (bool, error) { return l.try(true) }

func (l *FileLock) wait(ctx context.Context, shared bool) error {
	if err := ctx.Err(); err != nil {
		return l.failed(err)
	}
	if err := l.gate.enter(ctx, l.closed, shared); err != nil {
		return l.failed(err)
	}
	if err := l.take(ctx, shared); err != nil {
		l.gate.leave()
		return l.failed(err)
	}
	return nil
}

// take gets the kernel's lock, or a share in it, for one that the gate let in.
func (l *FileLock) take(ctx context.Context, shared bool) error {
	select {
	case l.turn <- struct{}{}:
	case <-ctx.Done():
		return ctx.Err()
	case <-l.closed:
		return ErrClosed
	}
	defer func() { <-l.turn }()
	start := time.Now()
	var timer *time.Timer
	for {
		if ok, err := l.attempt(shared); ok || err != nil {
			return err
		}
		pause := min(max(time.Since(start)/fileLockShare, fileLockPace), fileLockMaxPace)
		if timer == nil {
			timer = time.NewTimer(pause)
			defer timer.Stop()
		} else {
			timer.Reset(pause)
		}
		select {
		case <-timer.C:
		case <-ctx.Done():
			return ctx.Err()
		case <-l.closed:
			return ErrClosed
		}
	}
}

// attempt asks the kernel once, unless a share is to be had without. The caller has the turn.
func (l *FileLock) attempt(shared bool) (bool, error) {
	if l.isClosed() {
		return false, ErrClosed
	}
	l.mu.Lock()
	if l.granted > 0 {
		l.granted++ // the gate lets nobody in beside an exclusive owner, so this is a share
		l.mu.Unlock()
		return true, nil
	}
	l.mu.Unlock()
	ok, err := l.kernel.try(shared)
	if ok {
		l.mu.Lock()
		l.granted = 1
		fileLocksTaken.Store(l, nil)
		l.mu.Unlock()
	}
	return ok, err
}

func (l *FileLock) try(shared bool) (bool, error) {
	if l.isClosed() {
		return false, l.failed(ErrClosed)
	}
	if !l.gate.try(shared) {
		return false, nil
	}
	select {
	case l.turn <- struct{}{}:
	default: // another reader is asking the kernel in vain
		l.gate.leave()
		return false, nil
	}
	ok, err := l.attempt(shared)
	<-l.turn
	if !ok {
		l.gate.leave()
	}
	if err != nil {
		return false, l.failed(err)
	}
	return ok, nil
}

// Unlock gives back what one Lock, RLock or successful try took; [ErrNotOwner] if nothing is taken on this
// handle. If the system refuses to unlock, the lock stays taken and Unlock may be called again.
func (l *FileLock) Unlock() error {
	if err := l.unlock(); err != nil {
		return l.failed(err)
	}
	l.gate.leave()
	return nil
}

func (l *FileLock) unlock() error {
	l.mu.Lock()
	defer l.mu.Unlock()
	switch {
	case l.isClosed():
		return ErrClosed
	case l.granted == 0:
		return ErrNotOwner
	case l.granted == 1:
		if err := l.kernel.unlock(); err != nil {
			return err
		}
		fileLocksTaken.Delete(l)
	}
	l.granted--
	return nil
}

// Close unlocks if need be, whoever took the lock, and wakes all waiters with [ErrClosed], which all
// later calls return too. The file stays, and one given to FileLockOf stays open. Calling Close again
// returns what the first call did.
func (l *FileLock) Close() error {
	l.once.Do(func() {
		close(l.closed)
		l.turn <- struct{}{} // who asks the kernel just now sees the end at once, or is granted and undone here
		l.mu.Lock()
		defer l.mu.Unlock()
		if l.granted > 0 {
			l.granted = 0
			fileLocksTaken.Delete(l)
			if err := l.kernel.unlock(); err != nil {
				l.close = l.failed(err)
			}
		}
		<-l.turn
	})
	return l.close
}

func (l *FileLock) isClosed() bool {
	select {
	case <-l.closed:
		return true
	default:
		return false
	}
}

func (l *FileLock) failed(err error) error {
	return fmt.Errorf("oslock: file lock %s: %w", l.name, err)
}
