package ipc

import (
	"crypto/rand"
	"encoding/hex"
	"fmt"
	"os"
	"path/filepath"
	"strings"

	"yunta/oslock/mapped"
)

// ExtentOptions are the settings of [CreateExtents].
type ExtentOptions struct {
	// Area is how many bytes at the start of the file the caller keeps for
	// itself; they are zero at first, and mapped by every process.
	Area int
	// ExtentSize is the usual size of an extent in bytes, rounded up to 64 KiB.
	// A value that needs more gets an extent of its own size. 0 means 1 MiB.
	ExtentSize int
	// Budget is how many extents may be full and unread at a time, over all
	// writers; each writer has one more, which it is filling. 0 means 64.
	Budget int
	// File is from [NewExtentsFile], and belongs to the Extents from now on: for
	// writers that are to be started before the file is made. nil makes one.
	File *os.File
	// Dir is the folder for the lock and the semaphore that guard the table.
	// It must exist, and outlive the extents. Required.
	Dir string
}

func (o ExtentOptions) withDefaults() (ExtentOptions, error) {
	switch {
	case o.Area < 0 || int64(o.Area) > maxExtentSize:
		return o, fmt.Errorf("ipc: ExtentOptions.Area is %d", o.Area)
	case o.ExtentSize < 0 || int64(o.ExtentSize) > maxExtentSize:
		return o, fmt.Errorf("ipc: ExtentOptions.ExtentSize is %d", o.ExtentSize)
	case o.Budget < 0 || o.Budget > maxExtents/2:
		return o, fmt.Errorf("ipc: ExtentOptions.Budget is %d, want 0 to %d", o.Budget, maxExtents/2)
	}
	if o.ExtentSize == 0 {
		o.ExtentSize = defaultExtentSize
	}
	if o.Budget == 0 {
		o.Budget = defaultBudget
	}
	o.ExtentSize = roundUp(o.ExtentSize)
	dir, err := filepath.Abs(o.Dir)
	switch {
	case o.Dir == "" || strings.ContainsRune(o.Dir, 0):
		return o, fmt.Errorf("ipc: ExtentOptions.Dir is %q", o.Dir)
	case err != nil:
		return o, fmt.Errorf("ipc: ExtentOptions.Dir: %w", err)
	case len(dir) > maxDir:
		return o, fmt.Errorf("ipc: ExtentOptions.Dir has %d bytes, at most %d", len(dir), maxDir)
	}
	o.Dir = dir
	return o, nil
}

// NewExtentsFile makes the empty file of [ExtentOptions].File.
func NewExtentsFile() (*os.File, error) {
	f, err := mapped.Anonymous("yunta-extents", 0)
	if err != nil {
		return nil, fmt.Errorf("ipc: extents: %w", err)
	}
	return f, nil
}

// CreateExtents makes the file: on Linux a sealed memfd, elsewhere an unlinked
// temporary file. Pass [Extents.File] to the writers, which open it with
// [OpenExtents]. Close it when the last writer is gone.
func CreateExtents(o ExtentOptions) (*Extents, error) {
	f := o.File
	x, err := createExtents(o)
	if err != nil && f != nil {
		f.Close()
	}
	return x, err
}

func createExtents(o ExtentOptions) (x *Extents, err error) {
	if o, err = o.withDefaults(); err != nil {
		return nil, err
	}
	if fi, err := os.Stat(o.Dir); err != nil {
		return nil, fmt.Errorf("ipc: ExtentOptions.Dir: %w", err)
	} else if !fi.IsDir() {
		return nil, fmt.Errorf("ipc: ExtentOptions.Dir: %s is not a folder", o.Dir)
	}
	var id [8]byte
	rand.Read(id[:])
	h := header{
		areaSize:   int64(o.Area),
		extentSize: int64(o.ExtentSize),
		budget:     uint32(o.Budget),
		id:         hex.EncodeToString(id[:]),
		dir:        o.Dir,
	}
	f := o.File
	if f == nil {
		if f, err = NewExtentsFile(); err != nil {
			return nil, err
		}
	}
	err = mapped.Reserve(f, 0, h.base())
	if err == nil {
		_, err = f.WriteAt(h.encode(), 0)
	}
	if err != nil {
		err = fmt.Errorf("ipc: extents: %w", err)
	} else if x, err = openExtents(f, h, true); err == nil {
		return x, nil
	}
	if o.File == nil {
		f.Close()
	}
	return nil, err
}
