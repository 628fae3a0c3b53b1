//go:build linux && !portable

package child

import (
	"bytes"
	"os"
	"strconv"
	"sync"

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

// limitAllocations makes allocations beyond the limit fail (RLIMIT_DATA, which
// counts private writable mappings since Linux 4.7). What is mapped at the
// start, used or not, comes on top: the Go runtime has some 50 to 100 MiB. The
// kernel does not count a mapping that replaces a reserved one before it is
// there, so one large allocation may pass: the watch sees that one.
func limitAllocations(limit int64) error {
	mapped := uint64(0)
	if pages, ok := memoryPages(); ok {
		mapped = uint64(pages[5]) * uint64(os.Getpagesize())
	}
	most := uint64(limit) + mapped
	return os.NewSyscallError("setrlimit", unix.Setrlimit(unix.RLIMIT_DATA, &unix.Rlimit{Cur: most, Max: most}))
}

// statm is opened once: it is read after many a task.
var statm = sync.OnceValue(func() *os.File {
	f, err := os.Open("/proc/self/statm")
	if err != nil {
		return nil
	}
	return f
})

// memoryPages reads statm (proc(5)): size, resident, shared, text, 0, data, 0.
func memoryPages() (pages [7]int64, ok bool) {
	f := statm()
	if f == nil {
		return pages, false
	}
	var buf [128]byte
	n, _ := f.ReadAt(buf[:], 0) // short, so io.EOF
	fields := bytes.Fields(buf[:n])
	if len(fields) < len(pages) {
		return pages, false
	}
	for i := range pages {
		v, err := strconv.ParseInt(string(fields[i]), 10, 64)
		if err != nil {
			return pages, false
		}
		pages[i] = v
	}
	return pages, true
}

// residentMemory is what this process holds for itself, in bytes: resident
// pages less shared ones. Mapped results are not its own.
func residentMemory() (held int64, ok bool) {
	pages, ok := memoryPages()
	return (pages[1] - pages[2]) * int64(os.Getpagesize()), ok
}
