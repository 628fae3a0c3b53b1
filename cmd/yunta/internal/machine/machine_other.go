//go:build !linux && !darwin

package machine

import (
	"errors"
	"fmt"
)

func load() (float64, error) { return 0, fmt.Errorf("load average: %w", errors.ErrUnsupported) }

func free() (int64, error) { return 0, fmt.Errorf("free memory: %w", errors.ErrUnsupported) }
