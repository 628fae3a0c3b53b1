//go:build !linux

package main

import (
	"errors"
	"fmt"
	"os"
)

func pathOf(f *os.File) (string, error) {
	return "", fmt.Errorf("path of %s: %w", f.Name(), errors.ErrUnsupported)
}
