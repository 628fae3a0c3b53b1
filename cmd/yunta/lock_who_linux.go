//go:build linux && !portable

package main

import (
	"bytes"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"time"

	"golang.org/x/sys/unix"
)

// flockUsers reads /proc/locks, proc(5), and then which processes have the open files that are locked: a lock belongs to the open file, and
// who took it may have ended long ago.
func flockUsers(file string) ([]flockUser, error) {
	var st unix.Stat_t
	if err := unix.Stat(file, &st); err != nil {
		return nil, &os.PathError{Op: "stat", Path: file, Err: err}
	}
	id := fmt.Sprintf("%02x:%02x:%d", unix.Major(uint64(st.Dev)), unix.Minor(uint64(st.Dev)), st.Ino)
	locks, err := os.ReadFile("/proc/locks")
	if err != nil {
		return nil, err
	}
	var users []flockUser
	taken, shared := false, false
	for line := range strings.Lines(string(locks)) {
		l, ok := parseLock(line)
		switch {
		case !ok || l.id != id:
		case l.waits:
			users = append(users, describe(flockUser{shared: l.shared, waits: true, pid: l.pid}))
		default:
			taken, shared = true, l.shared
		}
	}
	if !taken {
		return users, nil
	}
	has := flockOwners(id)
	if len(has) == 0 {
		has = []flockUser{{shared: shared}}
	}
	return slices.Concat(has, users), nil
}

// flockLine is a flock in /proc/locks, or in a descriptor's fdinfo.
type flockLine struct {
	waits, shared bool
	pid           int
	id            string // device and inode
}

// parseLock reads a line such as "1: -> FLOCK  ADVISORY  WRITE 1234 08:01:131 0 EOF".
func parseLock(line string) (l flockLine, ok bool) {
	f := strings.Fields(line)
	if len(f) > 1 && f[1] == "->" {
		l.waits = true
		f = slices.Delete(f, 1, 2)
	}
	if len(f) < 6 || f[1] != "FLOCK" {
		return l, false
	}
	l.shared, l.id = f[3] == "READ", f[5]
	l.pid, _ = strconv.Atoi(f[4]) // of another namespace: 0, and nobody
	return l, true
}

// flockOwners finds the processes that have an open file with a flock on it.
func flockOwners(id string) (has []flockUser) {
	processes, _ := filepath.Glob("/proc/[0-9]*")
	for _, p := range processes {
		infos, err := os.ReadDir(p + "/fdinfo")
		if err != nil {
			continue // it is another user's, or has ended
		}
		for _, fd := range infos {
			b, err := os.ReadFile(p + "/fdinfo/" + fd.Name())
			if err != nil {
				continue
			}
			if shared, ok := lockIn(b, id); ok {
				pid, _ := strconv.Atoi(filepath.Base(p))
				has = append(has, describe(flockUser{pid: pid, shared: shared}))
				break
			}
		}
	}
	return has
}

func lockIn(info []byte, id string) (shared, ok bool) {
	for line := range bytes.Lines(info) {
		if rest, ok := bytes.CutPrefix(line, []byte("lock:")); ok {
			if l, ok := parseLock(string(rest)); ok && l.id == id {
				return l.shared, true
			}
		}
	}
	return false, false
}

// clockTicks is how many of /proc's ticks a second has: USER_HZ, 100 wherever Go runs.
const clockTicks = 100

// describe adds what /proc knows of a process.
func describe(u flockUser) flockUser {
	proc := "/proc/" + strconv.Itoa(u.pid)
	if line, err := os.ReadFile(proc + "/cmdline"); err == nil {
		u.command = printable(strings.ReplaceAll(strings.TrimRight(string(line), "\x00"), "\x00", " "))
	}
	stat, err := os.ReadFile(proc + "/stat")
	if err != nil {
		return u
	}
	fields := strings.Fields(string(stat[bytes.LastIndexByte(stat, ')')+1:]))
	var now unix.Timespec
	if len(fields) < 20 || unix.ClockGettime(unix.CLOCK_BOOTTIME, &now) != nil {
		return u
	}
	ticks, _ := strconv.ParseInt(fields[19], 10, 64)
	u.since = time.Now().Add(time.Duration(ticks)*(time.Second/clockTicks) - time.Duration(now.Nano()))
	return u
}

// whoByTrying is not needed here: the kernel tells.
func whoByTrying(io.Writer, string) (int, error) { return 0, nil }
