package main

import (
	"errors"
	"os"
	"path/filepath"
	"strings"

	"golang.org/x/sys/unix"
)

// examineSystem looks at what only Linux has.
func (r *doctorReport) examineSystem(group string) {
	// No waiters at all: a kernel that knows the call finds fault with that (EINVAL), others with the call (ENOSYS; EPERM in
	// some sandboxes).
	_, _, errno := unix.Syscall6(unix.SYS_FUTEX_WAITV, 0, 0, 0, 0, 0, 0)
	if errno == unix.EINVAL {
		r.add(group, "futex_waitv", verdictOK, "a cancelled wait disturbs nobody")
	} else {
		r.add(group, "futex_waitv", verdictWarning, "%v (Linux 5.16 has it): a cancelled wait wakes all who wait for the same lock for a moment", errno)
	}
}

// checkSealed says whether an anonymous file is one that nobody can shrink.
func checkSealed(f *os.File) error {
	seals, err := unix.FcntlInt(f.Fd(), unix.F_GET_SEALS, 0)
	if err != nil {
		return os.NewSyscallError("fcntl", err)
	}
	if seals&unix.F_SEAL_SHRINK == 0 {
		return errors.New("not sealed against shrinking")
	}
	return nil
}

// fileSystem returns the type of the file system that a directory is on, "unknown" if it cannot be told, and the free space there.
func fileSystem(dir string) (kind string, free uint64) {
	var st unix.Statfs_t
	if err := unix.Statfs(dir, &st); err == nil {
		free = st.Bavail * uint64(st.Bsize)
	}
	mounts, err := os.ReadFile("/proc/self/mountinfo")
	if err != nil {
		return "unknown", free
	}
	if real, err := filepath.EvalSymlinks(dir); err == nil {
		dir = real
	}
	return mountKind(string(mounts), dir), free
}

// mountKind finds the mount that a path is below in the text of mountinfo, proc(5): "ID PARENT DEV ROOT POINT OPTIONS [TAGS] - TYPE ...". Of mounts on
// one another the last one is seen.
func mountKind(mounts, path string) string {
	kind, longest := "unknown", 0
	for line := range strings.Lines(mounts) {
		left, right, ok := strings.Cut(line, " - ")
		f, g := strings.Fields(left), strings.Fields(right)
		if !ok || len(f) < 6 || len(g) == 0 {
			continue
		}
		point := strings.NewReplacer(`\040`, " ", `\011`, "\t", `\012`, "\n", `\134`, `\`).Replace(f[4])
		below := path == point || strings.HasPrefix(path, strings.TrimSuffix(point, "/")+"/")
		if below && len(point) >= longest {
			kind, longest = g[0], len(point)
		}
	}
	return kind
}

// removedAtLogout says whether logind empties /dev/shm of a user's files when his last session ends, logind.conf(5), RemoveIPC: the
// default is yes, and system users are exempt.
func removedAtLogout(uid int) (removed bool, why string) {
	const firstUser = 1000 // login.defs(5), UID_MIN
	if _, err := os.Stat("/run/systemd/system"); err != nil {
		return false, "no systemd runs here"
	}
	if uid < firstUser {
		return false, "system users' files stay at logout"
	}
	files := []string{"/etc/systemd/logind.conf"}
	for _, dir := range []string{"/usr/lib/systemd", "/run/systemd", "/etc/systemd"} {
		more, _ := filepath.Glob(dir + "/logind.conf.d/*.conf") // the error is for a bad pattern
		files = append(files, more...)
	}
	keep := false
	for _, file := range files {
		data, err := os.ReadFile(file)
		if err != nil {
			continue
		}
		keep = keepsIPC(string(data), keep)
	}
	if keep {
		return false, "logind's RemoveIPC is off"
	}
	return true, "logind empties /dev/shm of your files when your last session ends (RemoveIPC in logind.conf)"
}

// keepsIPC reads RemoveIPC from the text of a logind.conf; what it does not say stays.
func keepsIPC(text string, keep bool) bool {
	for line := range strings.Lines(text) {
		key, value, ok := strings.Cut(strings.TrimSpace(line), "=")
		if !ok || strings.TrimSpace(key) != "RemoveIPC" {
			continue
		}
		switch strings.ToLower(strings.TrimSpace(value)) {
		case "no", "false", "off", "0":
			keep = true
		default:
			keep = false
		}
	}
	return keep
}
