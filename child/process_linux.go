//go:build linux && !portable

package child

import (
	"os"
	"runtime/debug"
	"strconv"

	"golang.org/x/sys/unix"
)

// executable is this very image, even if the file was replaced or removed.
func executable() string { return "/proc/self/exe" }

// rememberBuild has nothing to do: the image can be read at any time.
func rememberBuild() {}

// setProcessName shows the name in ps, top and pstree (comm, 15 bytes, proc(5)).
func setProcessName(name string) {
	_ = os.WriteFile("/proc/self/comm", []byte(name), 0) // only a label
}

// oomScore makes the kernel take a child before its supervisor (proc(5),
// oom_score_adj; raising needs no privilege).
const oomScore = 300

func offerToOOMKiller() {
	_ = os.WriteFile("/proc/self/oom_score_adj", strconv.AppendInt(nil, oomScore, 10), 0) // a preference, not a promise
}

// limitMemory makes the garbage collector work harder from nine tenths of the
// limit on, and makes allocations beyond it fail (RLIMIT_DATA, which counts
// private writable mappings since Linux 4.7).
func limitMemory(limit int64) error {
	if limit <= 0 {
		return nil
	}
	debug.SetMemoryLimit(limit / 10 * 9)
	return os.NewSyscallError("setrlimit", unix.Setrlimit(unix.RLIMIT_DATA, &unix.Rlimit{Cur: uint64(limit), Max: uint64(limit)}))
}
