package oslock

import (
	"errors"
	"strings"
)

// What callers branch on. The errors that methods return wrap these and name the file.
var (
	// ErrOwnerDied says that the lock is held, and that a process died owning it: what the lock
	// protects may be half-written. It stays so until [Lock.Repaired], or until a Repair
	// function has succeeded.
	ErrOwnerDied = errors.New("oslock: the owner died")
	// ErrNotOwner refuses to unlock what this process, or this RLock, does not own, and to wait
	// for a condition or notify it without its lock.
	ErrNotOwner = errors.New("oslock: not the owner")
	// ErrClosed is what a closed handle answers, also to those who waited on it.
	ErrClosed = errors.New("oslock: closed")
	// ErrOverRelease refuses a release beyond the initial value of a bounded semaphore, beyond
	// what the process took from one with undo, or beyond what a semaphore can count.
	ErrOverRelease = errors.New("oslock: released too often")
	// ErrValue refuses a number of permits, of parties or of those to notify that is out of range.
	ErrValue = errors.New("oslock: number out of range")
	// ErrBroken says that a barrier is broken: somebody who waited gave up or died, its action failed, or it
	// was aborted or reset.
	ErrBroken = errors.New("oslock: broken barrier")
	// ErrTooManyWaiters says that as many wait for a condition as its file has room for: 4096.
	ErrTooManyWaiters = errors.New("oslock: too many wait for the condition")

	// ErrName refuses a name that is empty, too long, or holds "..", a NUL byte or a leading dot.
	ErrName = errors.New("oslock: bad name")
	// ErrNotOurs says that the name belongs to something else: a directory, a pipe, a symbolic
	// link, or a file with other content. It was left as it is.
	ErrNotOurs = errors.New("oslock: not a file of this package")
	// ErrMismatch says that the file is one of ours, of another kind: a lock where a semaphore was
	// asked for, a semaphore with undo where one without was.
	ErrMismatch = errors.New("oslock: a file of another kind")
	// ErrVersion says that another version of this package made the file.
	ErrVersion = errors.New("oslock: a file of another version")
	// ErrDamaged says that the file was cut off, before it was opened or meanwhile.
	ErrDamaged = errors.New("oslock: a damaged file")
	// ErrNetwork refuses a file system that other machines may write to as well: memory is not
	// shared across it.
	ErrNetwork = errors.New("oslock: on a network file system")
	// ErrBusy says that somebody else keeps a flock on the file for long, which no process of
	// this package does.
	ErrBusy = errors.New("oslock: file flocked by another program")

	// ErrOtherRegistry says that the file is in use by members of another registry (another
	// user, another run directory), whose life and death cannot be judged from here.
	ErrOtherRegistry = errors.New("oslock: in use by members of another registry")
	// ErrRegistryLost says that the file by which an owner shows that it lives was removed by
	// somebody: it cannot be known whether it is dead, so nothing is taken from it.
	ErrRegistryLost = errors.New("oslock: the owner's member file was removed")
	// ErrTooManyMembers says that 4096 living processes are members of the registry.
	ErrTooManyMembers = errors.New("oslock: too many members")
)

// unprefixed is an error whose text does not repeat the package's name when it stands within another.
type unprefixed struct{ error }

func (e unprefixed) Error() string { return strings.TrimPrefix(e.error.Error(), "oslock: ") }
func (e unprefixed) Unwrap() error { return e.error }
