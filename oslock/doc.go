// Package oslock holds locks and semaphores that keep processes apart: any process of the machine that can open
// the file takes part, and a process that dies, however it dies, leaves nobody waiting for ever.
//
//	l, err := oslock.OpenLock("inventory", oslock.LockOptions{})
//	if err != nil {
//		return err
//	}
//	defer l.Close()
//	if err := l.Lock(ctx); err != nil {
//		return err
//	}
//	defer l.Unlock()
//
// What there is:
//
//   - [Lock], the fast one: a word in a mapped file, one instruction to take when free, and robust
//     ([ErrOwnerDied]). [RLock] may be locked again by its owner.
//   - [Semaphore], POSIX in behaviour; with Undo, what the dead took comes back; Bounded, a release too
//     many is refused.
//   - [FileLock], flock(2) on any file or open descriptor: slower by a hundred times, and the one that flock(1)
//     and other programs know.
//
// Names without a slash lie in the user's run directory (package rundir), as POSIX keeps its names apart; with
// a slash they are paths. To share a lock with a child, give it the name ([Lock.File]).
//
// # Who lives
//
// A lock's word names its owner by a member number. Every process that uses a Lock, or a Semaphore with
// Undo, becomes a member of its user's registry at the first use, which takes some tens of microseconds, and
// keeps a flock there for life. The kernel drops that flock when the process is gone: there is no other
// truth about who lives, neither process ids nor heartbeats, so it holds across PID namespaces too. A process
// that is stopped lives. One that dumps core, or whose memory is still being freed, lives until that is done.
//
// The numbers mean something only with the registry they come from, so a file carries its registry's random
// identity. A file of another registry (another user's, one before a restart of the machine) is bound to
// ours when nobody has it open, its owner, if it names one, being dead; while somebody has, it is
// refused ([ErrOtherRegistry]). A plain semaphore names nobody and needs no registry.
//
// # On disk
//
// A lock's file, beside a hexdump (little endian):
//
//	00000000  79 75 6e 74 61 6c 63 6b  04 03 02 01 01 00 01 00   yuntalck  order, version 1, kind 1
//	00000010  5b fa a3 87 ea b8 5a 2f  6a 44 f0 e1 55 c5 e3 55   identity of the registry
//	00000020  80 00 00 00 00 00 00 00  ...                       size, initial value
//	00000040  05 30 00 00              bits 0-11 slot 5, bits 12-28 generation 3, 29 D, 30 S, 31 W
//
// # What it does not do
//
// Network file systems are refused ([ErrNetwork]): memory is not shared between machines. Deadlocks are
// not looked for. Whoever may write to a file may break it; the run directory is the user's alone. Nobody who
// waits for a Lock starves, but no order is promised, and none at all for a Semaphore. Threads of one
// process are not told apart: the owner of a Lock is a process, that of an RLock a handle.
package oslock
