//go:build linux && !portable

package child

import (
	"bytes"
	"errors"
	"fmt"
	"io/fs"
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
	_ = put("/proc/self/comm", []byte(name)) // only a label
}

// oomScore makes the kernel take a child before its supervisor (proc(5),
// oom_score_adj; raising needs no privilege).
const oomScore = 300

func offerToOOMKiller() {
	_ = put("/proc/self/oom_score_adj", strconv.AppendInt(nil, oomScore, 10)) // a preference, not a promise
}

// put writes to a file that is there. os.WriteFile would start the runtime's
// poller first, which a worker has no use for.
func put(path string, b []byte) error {
	fd, err := unix.Open(path, unix.O_WRONLY|unix.O_CLOEXEC, 0)
	if err != nil {
		return err
	}
	_, err = unix.Write(fd, b)
	return errors.Join(err, unix.Close(fd))
}

// closeStrays closes what this process inherited beside what it was meant
// to: files that the supervisor's program had itself been started with, or had
// opened without close-on-exec. A child would keep pipes and sockets open that
// others wait for the end of. What Go has opened since the start has that flag.
// Descriptors below first are meant.
func closeStrays(first int) {
	dir, err := unix.Open("/proc/self/fd", unix.O_RDONLY|unix.O_DIRECTORY|unix.O_CLOEXEC, 0)
	if err != nil {
		return // no such list: they stay, as in any other program
	}
	defer unix.Close(dir)
	var names []string
	var buf [4096]byte
	for {
		n, err := unix.ReadDirent(dir, buf[:])
		if err != nil || n <= 0 {
			break
		}
		_, _, names = unix.ParseDirent(buf[:n], -1, names)
	}
	for _, name := range names {
		if fd, err := strconv.Atoi(name); err == nil && fd >= first {
			closeInherited(fd)
		}
	}
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

// doomed reports whether a process is about to end, though not all of its
// threads have: its first one is to be killed, is exiting or has exited
// (proc(5): SigPnd, and flags with PF_EXITING of linux/sched.h).
func doomed(pid int) bool {
	const exiting = 0x4
	stat, err := os.ReadFile(fmt.Sprintf("/proc/%d/stat", pid))
	if err != nil {
		return errors.Is(err, fs.ErrNotExist)
	}
	// The name before the last parenthesis may hold anything; then come the
	// state, and the flags as the seventh field.
	f := bytes.Fields(stat[bytes.LastIndexByte(stat, ')')+1:])
	if len(f) < 7 {
		return false
	}
	flags, _ := strconv.ParseUint(string(f[6]), 10, 64)
	if flags&exiting != 0 || f[0][0] == 'Z' || f[0][0] == 'X' {
		return true
	}
	status, err := os.ReadFile(fmt.Sprintf("/proc/%d/status", pid))
	_, pending, found := bytes.Cut(status, []byte("\nSigPnd:\t"))
	if err != nil || !found {
		return false
	}
	pending, _, _ = bytes.Cut(pending, []byte{'\n'})
	set, _ := strconv.ParseUint(string(pending), 16, 64)
	return set&(1<<(unix.SIGKILL-1)) != 0
}
