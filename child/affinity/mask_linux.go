//go:build linux && !portable

package affinity

import (
	"errors"
	"fmt"
	"math/bits"
	"os"
	"slices"
	"strconv"
	"unsafe"

	"golang.org/x/sys/unix"
)

// The calls are sched_getaffinity(2), sched_setaffinity(2) (Linux 2.5.8) and getcpu(2) (2.6.19). They are made
// directly because unix.CPUSet ends at CPU 1023, and the kernel refuses a mask shorter than its own.

// word is one unsigned long of the kernel's mask.
const wordBits = bits.UintSize

// usable is the union over all threads. The mask of the process as such is that of its first thread,
// which may be just the one that is tied to one CPU while it starts a child.
func usable() ([]int, error) {
	entries, err := os.ReadDir("/proc/self/task")
	if err != nil {
		return thread()
	}
	var union []int
	for _, e := range entries {
		tid, err := strconv.Atoi(e.Name())
		if err != nil {
			continue
		}
		cpus, err := mask(tid)
		if err != nil {
			continue // the thread has ended
		}
		union = append(union, cpus...)
	}
	if len(union) == 0 {
		return thread()
	}
	slices.Sort(union)
	return slices.Compact(union), nil
}

func thread() ([]int, error) { return mask(0) }

// mask reads the mask of a thread, 0 for the calling one.
func mask(tid int) ([]int, error) {
	for size := 1024; ; size *= 2 {
		words := make([]uint, size/wordBits)
		// The kernel writes at most the given number of bytes, all inside words.
		n, _, errno := unix.RawSyscall(unix.SYS_SCHED_GETAFFINITY, uintptr(tid), uintptr(size/8), uintptr(unsafe.Pointer(&words[0])))
		if errno == unix.EINVAL && size < maxCPU {
			continue // the kernel has more CPUs than that
		}
		if errno != 0 {
			return nil, fmt.Errorf("affinity: %w", os.NewSyscallError("sched_getaffinity", errno))
		}
		return fromWords(words[:int(n)*8/wordBits]), nil
	}
}

func fromWords(words []uint) []int {
	var cpus []int
	for i, w := range words {
		for ; w != 0; w &= w - 1 {
			cpus = append(cpus, i*wordBits+bits.TrailingZeros(w))
		}
	}
	return cpus
}

func toWords(cpus []int) []uint {
	words := make([]uint, slices.Max(cpus)/wordBits+1)
	for _, c := range cpus {
		words[c/wordBits] |= 1 << (c % wordBits)
	}
	return words
}

// setThread sets the mask and reads it back: the kernel takes a mask of which any part is allowed, and leaves
// out the rest in silence.
func setThread(cpus []int) error {
	before, err := thread()
	if err != nil {
		return err
	}
	if err := setMask(cpus); err != nil {
		if errors.Is(err, unix.EINVAL) {
			return fmt.Errorf("affinity: none of the CPUs %s may be used here: %w", FormatList(cpus), os.NewSyscallError("sched_setaffinity", err))
		}
		return fmt.Errorf("affinity: %w", os.NewSyscallError("sched_setaffinity", err))
	}
	now, err := thread()
	if err != nil {
		return err
	}
	for _, c := range cpus {
		if _, ok := slices.BinarySearch(now, c); !ok {
			_ = setMask(before) // it was granted a moment ago
			return fmt.Errorf("affinity: CPU %d may not be used here: %w", c, os.NewSyscallError("sched_setaffinity", unix.EINVAL))
		}
	}
	return nil
}

// setMask returns the bare errno, or nil.
func setMask(cpus []int) error {
	words := toWords(cpus)
	_, _, errno := unix.RawSyscall(unix.SYS_SCHED_SETAFFINITY, 0, uintptr(len(words)*wordBits/8), uintptr(unsafe.Pointer(&words[0])))
	if errno != 0 {
		return errno
	}
	return nil
}

func currentCPU() int {
	var cpu uint32
	if _, _, errno := unix.RawSyscall(unix.SYS_GETCPU, uintptr(unsafe.Pointer(&cpu)), 0, 0); errno != 0 {
		return -1
	}
	return int(cpu)
}
