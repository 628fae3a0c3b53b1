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
//   - [RWLock], many readers or one writer; neither side starves.
//   - [Condition], to wait until something that a Lock protects has changed.
//   - [Event], a flag to wait for.
//   - [Barrier], where parties wait for each other; the death of one who waits breaks it at once.
//   - [FileLock], flock(2) on any file or open descriptor: slower by a hundred times, and the one that flock(1)
//     and other programs know.
//
// Names without a slash lie in the user's run directory (package rundir), as POSIX keeps its names apart; with
// a slash they are paths. To share one with a child, give it the name ([Lock.File]), or send the handle itself
// within a message: it travels as its path, and arrives as a handle of the receiver's own.
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
// The other kinds begin alike; kind is 2 for a semaphore, 3 with undo, 4 a read-write lock, 5 a condition, 6 an
// event, 7 a barrier. The words by which each is what it is, the highest bit at the left:
//
//	lock        31     30        29    28                 12 11        0
//	            +------+---------+-----+--------------------+-----------+   0: free. D: an owner died. S: once
//	            |W     |S        |D    |owner's generation  |owner's slot|  free, for those who have waited
//	            +------+---------+-----+--------------------+-----------+   W, here and below: somebody sleeps
//
//	semaphore   31     30                                              0
//	            +------+------------------------------------------------+
//	            |W     |value                                           |
//	            +------+------------------------------------------------+
//
//	with undo   63                43 42          28 27       16 15  14     0
//	  word      +--------------------+--------------+-----------+---+-------+   row[slot] becomes count: the last
//	            |seq                 |count         |slot       |W  |value  |   operation, and its number
//	            +--------------------+--------------+-----------+---+-------+
//	  row       63            47 46           32 31         11 10           0
//	            +---------------+---------------+-------------+-------------+   one for each slot
//	            |generation     |count          |seq          |changes      |
//	            +---------------+---------------+-------------+-------------+
//
//	read-write  the word of a lock, for writers and for whoever waits; and
//	  state     31                                          2     1     0
//	            +----------------------------------------------+-----+-----+
//	            |0                                             |dirty|inside|  a writer died inside; one is inside
//	            +----------------------------------------------+-----+-----+
//	  leaving   31     30                                              0
//	            +------+------------------------------------------------+      a writer sleeps until readers
//	            |W     |how often one was told                          |      have left
//	            +------+------------------------------------------------+
//	  row       63            47 46           32 31                         0
//	            +---------------+---------------+---------------------------+  one for each slot
//	            |generation     |0              |shares of its readers      |
//	            +---------------+---------------+---------------------------+
//
//	condition   63                             31 30 29       28           0
//	  entry     +--------------------------------+--+---------+-------------+  one for each who waits
//	            |ticket                          |0 |notified |member number|
//	            +--------------------------------+--+---------+-------------+
//	  bell      31     30                                              0
//	            +------+------------------------------------------------+      one for each slot
//	            |W     |rings                                           |
//	            +------+------------------------------------------------+
//
//	event       31     30                                       1      0
//	            +------+------------------------------------------+-----+
//	            |W     |how often it was set                      |set  |
//	            +------+------------------------------------------+-----+
//
//	barrier     the word of a lock, for those who arrive; a member number for each place; and
//	  state     31     30                              3 2             0
//	            +------+---------------------------------+---------------+    0 filling, 1 draining, 2 resetting,
//	            |W     |phase                            |mode           |    3 broken, 4 draining and aborted
//	            +------+---------------------------------+---------------+
//
// The protocols of lock, semaphore with undo and condition are checked as models, a kill possible at every step:
// folder model.
//
// # What it does not do
//
// Network file systems are refused ([ErrNetwork]): memory is not shared between machines. Deadlocks are
// not looked for, though [WatchWaits] tells whom a process waits for. Whoever may write to a file may break it;
// the run directory is the user's alone. Nobody who waits for a Lock starves, but no order is promised, and
// none at all for a Semaphore. Threads of one process are not told apart: the owner of a Lock or RWLock is a
// process, that of an RLock a handle. A process that is stopped between two steps holds up the others for as long, as one that is stopped with the lock does.
package oslock
