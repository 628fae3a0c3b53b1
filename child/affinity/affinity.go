// Package affinity tells which CPUs a process may use, how many of them it is worth keeping busy, and
// ties an operating-system thread to some of them.
//
// CPUs are numbered from 0 as the kernel numbers them. A process may be kept from some CPUs by its
// affinity mask (taskset, a parent that set it) or by a cpuset, and from using all of the time of those it
// has by a cgroup's CPU quota (containers). [CPUCount] minds all three, which Python's os.cpu_count does
// not; it is the default size of a pool.
//
// Only Linux can tie a thread to CPUs. Elsewhere [SetThread] and [Thread] return errors that wrap
// [errors.ErrUnsupported], and no part of the package pretends otherwise.
package affinity

import (
	"fmt"
	"os"
	"runtime"
	"slices"
)

// maxCPU bounds CPU numbers, in masks and in lists from files. Linux stops at 8192 (x86, CONFIG_MAXSMP).
const maxCPU = 1 << 16

// Usable returns the CPUs that this process may run on, in ascending order: the affinity mask of the
// process, which the kernel keeps within its cpuset. A thread that [SetThread] has tied to fewer of
// them changes nothing here while other threads are free.
//
// Where masks do not exist the result is 0 to runtime.NumCPU()-1.
func Usable() ([]int, error) { return usable() }

// CPUCount returns how many CPUs' worth of time this process may use: the number of usable CPUs, or the
// smallest CPU quota of its cgroups (version 1 or 2), rounded up, if that is less. It is at least 1. What
// cannot be read does not limit: a missing or empty cpu.max is no quota.
//
// It reads the system anew at each call, in about a tenth of a millisecond.
func CPUCount() int {
	l := Limits{}
	l.measureQuota(os.DirFS("/"))
	return l.count()
}

// Limits says how many CPUs a process may use, and why.
type Limits struct {
	Count      int     // what CPUCount returns
	Online     int     // CPUs that the machine runs, 0 if unknown
	Usable     []int   // by mask and cpuset
	Cpuset     []int   // of the nearest cgroup that has one, nil if none
	CpusetFile string  // where that was read
	Quota      float64 // in CPUs, 0 if there is none
	QuotaFile  string  // where that was read
}

// Measure returns all limits on this process's use of CPUs.
func Measure() Limits {
	l := measureGroups(os.DirFS("/"))
	l.count()
	return l
}

// count fills in what does not come from cgroups, and returns the sum of it all.
func (l *Limits) count() int {
	var err error
	if l.Usable, err = usable(); err != nil {
		l.Usable = upTo(runtime.NumCPU())
	}
	l.Count = max(1, len(l.Usable))
	if q := ceil(l.Quota); l.Quota > 0 && q < l.Count {
		l.Count = max(1, q)
	}
	return l.Count
}

// SetThread lets the calling operating-system thread run on the given CPUs alone. The goroutine must be
// locked to its thread (runtime.LockOSThread), or the effect hits whoever runs there next. Threads and
// processes started by this thread afterwards inherit the mask.
//
// CPUs that the process may not use are an error, and then the mask is left as it was. Where there is no such
// call (macOS) the error wraps [errors.ErrUnsupported].
func SetThread(cpus []int) error {
	if len(cpus) == 0 {
		return fmt.Errorf("affinity: no CPUs given")
	}
	for _, c := range cpus {
		if c < 0 || c >= maxCPU {
			return fmt.Errorf("affinity: CPU %d out of range 0 to %d", c, maxCPU-1)
		}
	}
	return setThread(slices.Sorted(slices.Values(cpus)))
}

// Supported returns nil where [SetThread] can do its work, and else the error that it would return.
func Supported() error {
	_, err := thread()
	return err
}

// Thread returns the CPUs that the calling operating-system thread may run on, in ascending order. The
// remark about runtime.LockOSThread at [SetThread] holds here too.
func Thread() ([]int, error) { return thread() }

// CurrentCPU returns the CPU that the calling thread runs on, which may be another one by the time the caller looks;
// -1 where the system does not say.
func CurrentCPU() int { return currentCPU() }

func upTo(n int) []int {
	cpus := make([]int, n)
	for i := range cpus {
		cpus[i] = i
	}
	return cpus
}
