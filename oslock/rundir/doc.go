// Package rundir keeps the user's run directory: the one place of a machine where the
// programs of one user find each other's named locks and see each other's supervisors.
//
// It lies at /dev/shm/yunta-UID on Linux (in memory, gone after a restart of the machine) and at
// /tmp/yunta-UID elsewhere, or on Linux where /dev/shm cannot be used. It is not under $TMPDIR
// or $XDG_RUNTIME_DIR: a name must mean the same semaphore in cron and in a login shell.
// $YUNTA_DIR, an absolute path, overrides all of this.
//
// The directory holds two kinds of things. Entries made by others (named locks, semaphores, the
// registry of members) are never touched here. Folders, one for each supervisor, are made by
// [Create] and look like this:
//
//	run-NAME-PID-RANDOM/      made under a name that starts with ".run-", then renamed
//	    alive                 flocked by the process that made the folder, for its whole life
//	    ...                   whatever the owner keeps there
//
// The flock on alive is the only truth about who lives: the kernel drops it when the process ends,
// however it ends. A process id is for people to read. [Sweep], and every [Create] before it makes its
// own folder, removes the folders whose alive nobody has locked; both hold the flock of
// the run directory meanwhile, so that none sees a folder that is still being made. A process
// killed between any two steps leaves what the next sweep removes. [CreateIn] does the same in a directory
// on disk, for folders whose contents would fill the machine's memory.
//
// What the package does not do: keep out another process of the same user, work on network file
// systems, or survive a clean-up that removes the user's files at logout (logind's RemoveIPC
// empties /dev/shm when the last session of an ordinary user ends).
package rundir
