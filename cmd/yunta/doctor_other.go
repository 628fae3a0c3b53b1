//go:build !linux

package main

import (
	"errors"
	"fmt"
	"os"
)

// examineSystem has nothing to look at here.
func (r *doctorReport) examineSystem(string) {}

// checkSealed finds no seals here.
func checkSealed(*os.File) error { return fmt.Errorf("sealing files: %w", errors.ErrUnsupported) }

// removedAtLogout is about logind, which is not here.
func removedAtLogout(int) (removed bool, why string) { return false, "nothing is removed at logout" }
