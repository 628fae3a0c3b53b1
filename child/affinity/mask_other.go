//go:build !linux || portable

package affinity

import (
	"errors"
	"fmt"
	"runtime"
)

// usable counts what the Go runtime counts: all CPUs, or on Linux those of the mask at the start.
func usable() ([]int, error) { return upTo(runtime.NumCPU()), nil }

func setThread([]int) error {
	return fmt.Errorf("affinity: setting a thread's CPUs: %w", errors.ErrUnsupported)
}

func thread() ([]int, error) {
	return nil, fmt.Errorf("affinity: reading a thread's CPUs: %w", errors.ErrUnsupported)
}

func currentCPU() int { return -1 }
