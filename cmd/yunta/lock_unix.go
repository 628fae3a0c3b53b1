//go:build unix

package main

import (
	"errors"
	"fmt"
	"os"
	"os/signal"
	"runtime"
	"syscall"
	"time"

	"golang.org/x/sys/unix"
)

// run does what was asked for and returns the exit status.
func (r *lockRequest) run() (status int, err error) {
	if r.who {
		return printWho(os.Stdout, r.file)
	}
	fd := r.fd
	for start := time.Now(); ; {
		if r.file != "" {
			if fd, err = r.open(unix.O_RDONLY); err != nil {
				return 0, err
			}
		}
		if fd, err = r.take(fd, start); err != nil {
			return 0, err
		}
		if r.asFlock || r.file == "" || stillThere(fd, r.file) {
			if r.verbose {
				took := time.Since(start)
				fmt.Printf("%s: getting lock took %d.%06d seconds\n", r.prog, took/time.Second, took%time.Second/time.Microsecond)
			}
			break
		}
		_ = unix.Close(fd) // what was locked excludes nobody who comes now
	}
	if r.argv == nil {
		return 0, nil
	}
	return r.command(fd)
}

// open opens the lock file, and makes it where there is none.
func (r *lockRequest) open(how int) (fd int, err error) {
	flags := how | unix.O_NOCTTY | unix.O_CLOEXEC | unix.O_NONBLOCK // a pipe's other end is not waited for
	fd, err = openRetry(r.file, flags|unix.O_CREAT)
	// O_CREAT is refused for a directory, and for another user's file in a sticky one (sysctl fs.protected_regular, Linux 4.19).
	if errors.Is(err, unix.EISDIR) || errors.Is(err, unix.EACCES) {
		if again, e := openRetry(r.file, flags); e == nil {
			return again, nil
		}
	}
	if err == nil {
		return fd, nil
	}
	status := exitNoInput
	switch {
	case errors.Is(err, unix.ENOMEM), errors.Is(err, unix.EMFILE), errors.Is(err, unix.ENFILE):
		status = exitOSErr
	case errors.Is(err, unix.EROFS), errors.Is(err, unix.ENOSPC):
		status = exitCantCreate
	}
	return -1, lockErrorf(status, "cannot open lock file %s: %v", r.file, err)
}

func openRetry(path string, flags int) (int, error) {
	for {
		if fd, err := unix.Open(path, flags, 0o666); err != unix.EINTR {
			return fd, err
		}
	}
}

// take takes the lock, or gives it back, and returns the descriptor, which may be another one than before.
func (r *lockRequest) take(fd int, start time.Time) (int, error) {
	how := map[lockKind]int{lockExclusive: unix.LOCK_EX, lockShared: unix.LOCK_SH, lockNone: unix.LOCK_UN}[r.how]
	err := flockRetry(fd, how|unix.LOCK_NB)
	if r.file != "" && r.how != lockShared && (err == unix.EBADF || err == unix.EIO) {
		// NFS makes a record lock of it, which asks for a descriptor that can write.
		if again, e := r.open(unix.O_RDWR); e == nil {
			_ = unix.Close(fd)
			fd = again
			err = flockRetry(fd, how|unix.LOCK_NB)
		}
	}
	if err == unix.EWOULDBLOCK {
		switch {
		case r.nonblock || r.timeout == 0 && r.atOnce:
			return fd, r.refused("failed to get lock")
		case r.timeout > 0 || r.atOnce:
			err = flockUntil(fd, how, r.timeout-time.Since(start))
		default:
			quietQuit()
			err = flockRetry(fd, how) // asleep in the kernel, which wakes us in turn
		}
	}
	switch err {
	case nil:
		return fd, nil
	case unix.EWOULDBLOCK:
		return fd, r.refused("timeout while waiting to get lock")
	}
	name := r.file
	if name == "" {
		name = fmt.Sprint(fd)
	}
	status := exitDataErr
	if err == unix.ENOLCK || err == unix.ENOMEM {
		status = exitOSErr
	}
	return fd, lockErrorf(status, "%s: %v", name, err)
}

func flockRetry(fd, how int) error {
	for {
		if err := unix.Flock(fd, how); err != unix.EINTR {
			return err
		}
	}
}

// flockUntil waits so long for a lock. What still waits after that ends with the process, which therefore has to end.
func flockUntil(fd, how int, d time.Duration) error {
	quietQuit()
	got := make(chan error, 1)
	go func() { got <- flockRetry(fd, how) }()
	select {
	case err := <-got:
		return err
	case <-time.After(d):
		return unix.EWOULDBLOCK
	}
}

// refused is how a lock ends that was not to be had.
func (r *lockRequest) refused(why string) error {
	switch {
	case r.asFlock && !r.verbose:
		return &lockError{status: r.conflict}
	case r.asFlock || r.file == "":
		return lockErrorf(r.conflict, "%s", why)
	}
	return lockErrorf(r.conflict, "%s: %s", why, whoHas(r.file))
}

// stillThere reports whether the path still leads to the file that was locked. Some programs remove their lock file while they have the
// lock, and leave those who waited with one that excludes nobody.
func stillThere(fd int, path string) bool {
	var locked, named unix.Stat_t
	if unix.Fstat(fd, &locked) != nil {
		return true // nothing better can be said of another
	}
	return unix.Stat(path, &named) == nil && locked.Dev == named.Dev && locked.Ino == named.Ino
}

// quietQuit makes Ctrl-\ end a process that waits without the report that a Go program gives.
func quietQuit() {
	quit := make(chan os.Signal, 1)
	signal.Notify(quit, syscall.SIGQUIT)
	go func() {
		<-quit
		os.Exit(128 + int(syscall.SIGQUIT))
	}()
}

// command runs the command and returns its status.
func (r *lockRequest) command(fd int) (int, error) {
	if r.verbose {
		fmt.Printf("%s: executing %s\n", r.prog, r.argv[0])
	}
	files := []uintptr{0, 1, 2}
	if r.inherit {
		files = withDescriptor([3]uintptr{0, 1, 2}, uintptr(fd))
	}
	if r.noFork {
		if at := len(files) - 1; at != fd {
			if err := unix.Dup2(fd, at); err != nil {
				return 0, lockErrorf(exitOSErr, "dup2: %v", err)
			}
		} else if _, err := unix.FcntlInt(uintptr(fd), unix.F_SETFD, 0); err != nil {
			return 0, lockErrorf(exitOSErr, "fcntl: %v", err)
		}
		return 0, r.cannotRun(become(r.argv))
	}
	var signals caughtSignals
	if r.inherit {
		quietQuit()
	} else {
		signals = catchSignals()
		// The kernel sends the parent-death signal when the thread ends that started the command: this one ends with the process.
		runtime.LockOSThread()
	}
	c, err := startCommand(r.argv, os.Environ(), files, !r.inherit)
	if err != nil {
		return 0, r.cannotRun(err)
	}
	if !r.inherit {
		c.pass(signals)
	}
	return c.wait(), nil
}

func (r *lockRequest) cannotRun(err error) error {
	status := exitUnavailable
	if errors.Is(err, unix.ENOMEM) || errors.Is(err, unix.EAGAIN) {
		status = exitOSErr
	}
	return lockErrorf(status, "failed to execute %s: %v", r.argv[0], err)
}
