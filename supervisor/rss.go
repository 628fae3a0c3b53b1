package supervisor

import "syscall"

// ownPeakRSS is that of this process, in bytes; 0 unknown.
func ownPeakRSS() int64 {
	var ru syscall.Rusage
	if syscall.Getrusage(syscall.RUSAGE_SELF, &ru) != nil {
		return 0
	}
	return int64(ru.Maxrss) * rssUnit //nolint:unconvert // it has 32 bits in some systems
}

// peakRSS reads that of a process that ended, in bytes; 0 unknown. A process
// that was forked with its parent's memory (vfork, as os/exec does on Linux)
// and then called exec starts with the parent's peak in its account, so
// nothing is known of one that stayed below what it inherited.
func peakRSS(ru *syscall.Rusage, inherited int64) int64 {
	if peak := int64(ru.Maxrss) * rssUnit; peak > inherited { //nolint:unconvert // it has 32 bits in some systems
		return peak
	}
	return 0
}
