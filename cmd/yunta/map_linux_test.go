package main

import (
	"bytes"
	"fmt"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"
	"testing"
)

// peakMemory is the most that a living process had resident, in bytes.
func peakMemory(t *testing.T, pid int) int64 {
	t.Helper()
	status, err := os.ReadFile(fmt.Sprintf("/proc/%d/status", pid))
	if err != nil {
		t.Fatal(err)
	}
	for line := range strings.Lines(string(status)) {
		var kib int64
		if _, err := fmt.Sscanf(line, "VmHWM: %d kB", &kib); err == nil {
			return kib << 10
		}
	}
	t.Fatalf("no VmHWM of process %d", pid)
	return 0
}

// marked lists the living processes that have this in their environment.
func marked(t *testing.T, mark string) (pids []int) {
	t.Helper()
	all, err := filepath.Glob("/proc/[0-9]*")
	if err != nil {
		t.Fatal(err)
	}
	for _, dir := range all {
		env, err := os.ReadFile(dir + "/environ") // empty for a zombie
		if err != nil {
			continue
		}
		for kv := range bytes.SplitSeq(env, []byte{0}) {
			if string(kv) == mark {
				pid, _ := strconv.Atoi(filepath.Base(dir))
				pids = append(pids, pid)
			}
		}
	}
	return pids
}

// Jobs that fill the disk are not believed, and there are no more of them; what was written is printed.
func TestMapDiskFull(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	if err := syscall.Mount("tmpfs", dir, "tmpfs", 0, "size=2m"); err != nil {
		t.Skip("no file system to fill can be mounted: ", err)
	}
	t.Cleanup(func() {
		if err := syscall.Unmount(dir, syscall.MNT_DETACH); err != nil {
			t.Error(err)
		}
	})
	const script = `head -c $0 /dev/zero 2>/dev/null; exit 0`
	m := &mapping{cmd: command(t, "map", "-k", "-j", "1", "--", "sh", "-c", script, ":::", "1000", "100000000", "1000", "1000"), temp: dir}
	m.cmd.Env = append(m.cmd.Env, "TMPDIR="+dir)
	m.cmd.Stdout, m.cmd.Stderr = &m.stdout, &m.stderr
	if err := m.cmd.Start(); err != nil {
		t.Fatal(err)
	}
	if status := m.wait(t); status != 1 {
		t.Errorf("status %d, want 1", status)
	}
	if got := m.stdout.len(); got < 100_000 || got > 2<<20 { // elsewhere than on Linux the pool's own file is there, too
		t.Errorf("%d bytes were printed, want what there was room for", got)
	}
	if got := m.stderr.String(); !strings.Contains(got, " has no room left: the output of job 2 may not be whole, and no more jobs are begun") {
		t.Errorf("stderr %q", got)
	}
	// And when there is no room to begin with.
	if err := os.WriteFile(filepath.Join(dir, "full"), make([]byte, 4<<20), 0o600); err == nil {
		t.Fatal("the file system is not full")
	}
	next := command(t, "map", "--", "echo", ":::", "x")
	next.Env = append(next.Env, "TMPDIR="+dir)
	out, err := next.CombinedOutput()
	if exitCode(err) != 1 || !bytes.HasPrefix(out, []byte("yunta map: ")) || !bytes.HasSuffix(out, []byte("no space left on device\n")) {
		t.Errorf("%v, %q", err, out)
	}
}
