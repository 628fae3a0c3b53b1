//go:build !linux || portable

package mapped

import "os"

func anonymous(name string, size int64) (*os.File, error) { return unlinked(name, size) }

func reserve(f *os.File, off, size int64) error { return writeZeros(f, off, size) }

func forget([]byte) {}

func discard(*os.File, int64, int64) error { return nil }
