package machine

import (
	"fmt"
	"os"
	"strconv"
	"strings"
)

func load() (float64, error) {
	b, err := os.ReadFile("/proc/loadavg")
	if err != nil {
		return 0, err
	}
	first, _, _ := strings.Cut(string(b), " ")
	return strconv.ParseFloat(first, 64)
}

// free is MemAvailable of /proc/meminfo, Linux 3.14, or less when the cgroup's limit is nearer.
func free() (int64, error) {
	b, err := os.ReadFile("/proc/meminfo")
	if err != nil {
		return 0, err
	}
	n := int64(-1)
	for line := range strings.Lines(string(b)) {
		var kib int64
		if _, err := fmt.Sscanf(line, "MemAvailable: %d kB", &kib); err == nil {
			n = kib << 10
		}
	}
	if n < 0 {
		return 0, fmt.Errorf("/proc/meminfo has no MemAvailable")
	}
	if left, ok := cgroupLeft(); ok {
		n = min(n, left)
	}
	return n, nil
}

// cgroupLeft is what the own group of the unified hierarchy may still have, cgroups(7).
func cgroupLeft() (int64, bool) {
	b, err := os.ReadFile("/proc/self/cgroup")
	if err != nil {
		return 0, false
	}
	for line := range strings.Lines(string(b)) {
		group, ok := strings.CutPrefix(strings.TrimSpace(line), "0::")
		if !ok {
			continue
		}
		read := func(name string) (int64, error) {
			b, err := os.ReadFile("/sys/fs/cgroup" + group + "/" + name)
			if err != nil {
				return 0, err
			}
			return strconv.ParseInt(strings.TrimSpace(string(b)), 10, 64)
		}
		most, err1 := read("memory.max")
		now, err2 := read("memory.current")
		return max(most-now, 0), err1 == nil && err2 == nil
	}
	return 0, false
}
