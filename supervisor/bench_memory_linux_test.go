package supervisor_test

import (
	"bytes"
	"fmt"
	"os"
)

// peakMemory is the most memory that this process ever had, in bytes.
func peakMemory() float64 { return memoryField("/proc/self/status", "VmHWM:") }

// ownMemory is a process's share of the memory it has mapped, in bytes.
func ownMemory(pid string) float64 { return memoryField("/proc/"+pid+"/smaps_rollup", "Pss:") }

func memoryField(path, field string) float64 {
	b, err := os.ReadFile(path)
	if err != nil {
		return 0
	}
	var kib float64
	if _, tail, ok := bytes.Cut(b, []byte("\n"+field)); ok {
		fmt.Sscan(string(tail), &kib)
	}
	return kib * 1024
}
