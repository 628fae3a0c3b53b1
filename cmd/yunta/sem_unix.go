//go:build unix

package main

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"os"
	"runtime"
	"strconv"
	"strings"

	"golang.org/x/sys/unix"

	"yunta/oslock"
)

// run does what was asked for and returns the exit status.
func (r *semRequest) run() (int, error) {
	name := semName(r.id)
	s, err := oslock.OpenSemaphore(name, semPermits, oslock.SemaphoreOptions{Undo: true})
	if err != nil {
		return 0, err
	}
	limit := r.limit
	if r.wait {
		limit = 1
	}
	if gaveUp, err := r.acquire(s, limit); gaveUp || err != nil {
		return exitFailure, err
	}
	if r.wait {
		return 0, giveUp(s, name)
	}
	if r.dryRun {
		fmt.Println(r.command)
		return 0, giveUp(s, name)
	}
	life, err := oslock.Life()
	if err != nil {
		return 0, err
	}
	if r.fg {
		status, err := r.job(life)
		return status, errors.Join(err, giveUp(s, name))
	}
	// What the keeper holds, stays taken when this process ends.
	return 0, r.keeper(name, life)
}

// acquire waits for a place. It says when the wait was over before there was one: gaveUp, or the place is taken all the same.
func (r *semRequest) acquire(s *oslock.Semaphore, limit int) (gaveUp bool, err error) {
	ctx := context.Background()
	if r.timeout > 0 {
		var cancel context.CancelFunc
		ctx, cancel = context.WithTimeout(ctx, r.timeout)
		defer cancel()
	}
	if ok, err := s.TryAcquireOf(limit); ok || err != nil {
		return false, err
	}
	quietQuit()
	err = s.AcquireOf(ctx, limit)
	if !errors.Is(err, context.DeadlineExceeded) {
		return false, err
	}
	if !r.steal {
		fmt.Fprintf(os.Stderr, "%s: no place was free within %v; giving up\n", r.prog, r.timeout)
		return true, nil
	}
	fmt.Fprintf(os.Stderr, "%s: no place was free within %v; going on without\n", r.prog, r.timeout)
	return false, s.AcquireOf(context.Background(), semPermits)
}

// giveUp gives a place back, and with the last one the semaphore.
func giveUp(s *oslock.Semaphore, name string) error {
	err := errors.Join(s.Release(1), s.Close())
	if err == nil {
		_, err = oslock.UnlinkIdle(name)
	}
	return err
}

// semName is the name of the semaphore's file for an id, which may be any text.
func semName(id string) string {
	const most = 200
	var b strings.Builder
	b.WriteString("sem-")
	for i := range len(id) {
		switch c := id[i]; {
		case c >= 'a' && c <= 'z', c >= 'A' && c <= 'Z', c >= '0' && c <= '9', c == '-', c == '_':
			b.WriteByte(c)
		default:
			fmt.Fprintf(&b, "%%%02x", c)
		}
	}
	if b.Len() > most {
		sum := sha256.Sum256([]byte(id))
		return "sem-%" + hex.EncodeToString(sum[:])
	}
	return b.String()
}

// terminalName names the terminal that is the standard input; all who have none have one name in common.
func terminalName() string {
	if _, err := unix.IoctlGetInt(0, unix.TIOCGPGRP); err != nil {
		return "not a tty"
	}
	if name, err := os.Readlink("/proc/self/fd/0"); err == nil {
		return name
	}
	var st unix.Stat_t
	if unix.Fstat(0, &st) != nil {
		return "not a tty"
	}
	return fmt.Sprintf("tty %x", st.Rdev)
}

// job runs the command with the life that keeps its place, shows what it wrote, and returns its status.
func (r *semRequest) job(life *os.File) (int, error) {
	if r.tell {
		fmt.Println(r.command)
	}
	if r.tellErr {
		fmt.Fprintln(os.Stderr, r.command)
	}
	stdio := [3]uintptr{0, 1, 2}
	if r.input != "" {
		f, err := os.Open(r.input)
		if err != nil {
			return 0, err
		}
		defer f.Close()
		stdio[0] = f.Fd()
	}
	var held heldOutput
	if !r.ungroup {
		if err := held.open(); err != nil {
			return 0, err
		}
		defer held.close()
		stdio[1], stdio[2] = held.out.Fd(), held.err.Fd()
	}
	signals := catchSignals()
	if r.nice != 0 {
		runtime.LockOSThread()
		// Of this thread, and so of what it starts.
		if err := unix.Setpriority(unix.PRIO_PROCESS, 0, r.nice); err != nil {
			return 0, fmt.Errorf("--nice %d: %w", r.nice, err)
		}
	}
	if r.dir != "" {
		if err := os.Chdir(r.dir); err != nil {
			return 0, err
		}
	}
	env := append(os.Environ(), "PARALLEL_SEQ=1", "PARALLEL_JOBSLOT=1", "PARALLEL_PID="+strconv.Itoa(os.Getpid()))
	c, err := startCommand([]string{jobShell(), "-c", r.command}, env, withDescriptor(stdio, life.Fd()), false)
	if err != nil {
		return 0, err
	}
	c.pass(signals)
	status := c.wait()
	return status, held.show()
}

// jobShell is the shell that GNU parallel would take.
func jobShell() string {
	for _, name := range []string{"PARALLEL_SHELL", "SHELL"} {
		if shell := os.Getenv(name); shell != "" {
			return shell
		}
	}
	return "/bin/sh"
}

// semKeeper is the name under which this program watches over a command in the background.
const semKeeper = "sem-keeper"

// keeper starts the process that runs the command and stays with it. Where it is killed, the command goes on, and keeps its place.
func (r *semRequest) keeper(name string, life *os.File) error {
	exe, err := os.Executable()
	if err != nil {
		return err
	}
	files := withDescriptor([3]uintptr{0, 1, 2}, life.Fd())
	argv := []string{
		"yunta", semKeeper, r.prog, name, strconv.Itoa(len(files) - 1), strconv.FormatBool(r.ungroup), r.input,
		strconv.Itoa(r.nice), r.dir, strconv.FormatBool(r.tell), strconv.FormatBool(r.tellErr), r.command,
	}
	_, err = startProgram(exe, argv, os.Environ(), files, false)
	return err
}

// semKeeperMain is that process.
func semKeeperMain(args []string) int {
	if len(args) != 10 {
		fmt.Fprintf(os.Stderr, "yunta: %s is yunta sem's own\n", semKeeper)
		return exitUsage
	}
	r := semRequest{
		prog: args[0], ungroup: args[3] == "true", input: args[4], dir: args[6],
		tell: args[7] == "true", tellErr: args[8] == "true", command: args[9],
	}
	r.nice, _ = strconv.Atoi(args[5])
	fd, err := strconv.Atoi(args[2])
	if err != nil || fd < 3 {
		return exitUsage
	}
	unix.CloseOnExec(fd)
	life := os.NewFile(uintptr(fd), "life")
	status, err := r.job(life)
	// The command is over, whatever it has left running.
	if e := oslock.EndLife(life); e != nil {
		err = errors.Join(err, e)
	}
	if err == nil {
		err = wakeNext(args[1])
	}
	if err != nil {
		fmt.Fprintf(os.Stderr, "%s: %s\n", r.prog, oneLine(err))
		return exitSem
	}
	return status
}

// wakeNext gives the places of the dead to who waits, who would find out by himself a few milliseconds later, and removes a semaphore that
// nobody needs.
func wakeNext(name string) error {
	s, err := oslock.OpenSemaphore(name, semPermits, oslock.SemaphoreOptions{Undo: true})
	if err != nil {
		return err
	}
	_, err = s.Value()
	if err = errors.Join(err, s.Close()); err != nil {
		return err
	}
	_, err = oslock.UnlinkIdle(name)
	return err
}
