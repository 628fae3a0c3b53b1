//go:build unix && (!linux || portable)

package child

import (
	"os"
	"runtime/metrics"
	"strconv"
)

// executable is where the program's file was when it started.
func executable() string {
	path, err := os.Executable()
	if err != nil {
		return os.Args[0]
	}
	return path
}

// rememberBuild reads the build ID now, before the file can be replaced.
func rememberBuild() { Build() }

// setProcessName has nothing to set here: ps shows the command line.
func setProcessName(string) {}

// offerToOOMKiller has no counterpart here.
func offerToOOMKiller() {}

// limitAllocations has no counterpart here: the watch is all there is, so what
// cgo and a sudden huge allocation take is seen late or not at all.
func limitAllocations(int64) error { return nil }

// residentMemory is what the Go runtime has from the system, in bytes.
func residentMemory() (held int64, ok bool) {
	s := []metrics.Sample{{Name: "/memory/classes/total:bytes"}, {Name: "/memory/classes/heap/released:bytes"}}
	metrics.Read(s)
	if s[0].Value.Kind() != metrics.KindUint64 || s[1].Value.Kind() != metrics.KindUint64 {
		return 0, false
	}
	return int64(s[0].Value.Uint64() - s[1].Value.Uint64()), true
}

// closeStrays closes what this process inherited beside what it was meant to.
func closeStrays(first int) {
	files, err := os.ReadDir("/dev/fd")
	if err != nil {
		return // no such list: they stay, as in any other program
	}
	for _, f := range files {
		fd, err := strconv.Atoi(f.Name())
		if err != nil || fd < first {
			continue
		}
		closeInherited(fd)
	}
}

// doomed is not asked for where there is no parent-death signal: the lifeline's
// end is the first that is heard of a parent's death.
func doomed(int) bool { return false }
