package affinity

import (
	"fmt"
	"slices"
	"strconv"
	"strings"
)

// ParseList reads a list of CPUs as the kernel and taskset -c write it: "0-3,8,10-11". Blanks around the
// numbers are allowed; the empty text is the empty list. The result is in ascending order without
// doubles.
func ParseList(text string) ([]int, error) {
	var cpus []int
	if strings.TrimSpace(text) == "" {
		return nil, nil
	}
	for part := range strings.SplitSeq(text, ",") {
		low, high, ranged := strings.Cut(strings.TrimSpace(part), "-")
		first, err := parseCPU(low)
		if err != nil {
			return nil, err
		}
		last := first
		if ranged {
			if last, err = parseCPU(high); err != nil {
				return nil, err
			}
		}
		if last < first {
			return nil, fmt.Errorf("affinity: range %d-%d runs backwards", first, last)
		}
		if len(cpus) > maxCPU {
			return nil, fmt.Errorf("affinity: list of more than %d CPUs", maxCPU)
		}
		for c := first; c <= last; c++ {
			cpus = append(cpus, c)
		}
	}
	slices.Sort(cpus)
	return slices.Compact(cpus), nil
}

func parseCPU(text string) (int, error) {
	text = strings.TrimSpace(text)
	n, err := strconv.ParseUint(text, 10, 32)
	if err != nil || n >= maxCPU {
		return 0, fmt.Errorf("affinity: bad CPU number %q, want 0 to %d", text, maxCPU-1)
	}
	return int(n), nil
}

// FormatList writes CPUs as [ParseList] reads them, with ranges where there are any.
func FormatList(cpus []int) string {
	cpus = slices.Compact(slices.Sorted(slices.Values(cpus)))
	var b strings.Builder
	for i := 0; i < len(cpus); {
		j := i
		for j+1 < len(cpus) && cpus[j+1] == cpus[j]+1 {
			j++
		}
		if b.Len() > 0 {
			b.WriteByte(',')
		}
		b.WriteString(strconv.Itoa(cpus[i]))
		if j > i {
			b.WriteByte('-')
			b.WriteString(strconv.Itoa(cpus[j]))
		}
		i = j + 1
	}
	return b.String()
}
