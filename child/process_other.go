//go:build unix && (!linux || portable)

package child

import (
	"os"
	"runtime/debug"
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

// limitMemory makes the garbage collector work harder near the limit; the hard
// limit is the supervisor's to watch.
func limitMemory(limit int64) error {
	if limit > 0 {
		debug.SetMemoryLimit(limit / 10 * 9)
	}
	return nil
}
