package oslock

import (
	"encoding/binary"
	"errors"
	"fmt"
	"io/fs"
	"os"
)

// Unlink removes the name of a lock or semaphore; names are as in [OpenLock]. Whoever has it open goes on
// with it, undisturbed; whoever opens the name next makes a new one. A name that leads to
// something else is an error that wraps [ErrNotOurs], and stays; one that leads nowhere is
// fs.ErrNotExist. Python: SharedMemory.unlink and sem_unlink(3).
func Unlink(name string) error {
	path, err := resolve(name)
	if err != nil {
		return err
	}
	fd, err := openToTest(workingFolder, path)
	if err != nil {
		if cannotBeOurs(err) {
			err = fmt.Errorf("%w: %w", ErrNotOurs, err)
		}
		return fmt.Errorf("oslock: unlink %s: %w", path, unprefixed{err})
	}
	defer closeFD(fd)
	b := make([]byte, headerSize)
	n, err := readAt(fd, b, 0)
	if err == nil && (n < len(fileMagic) || string(b[:8]) != fileMagic) {
		err = ErrNotOurs
	}
	if err == nil {
		err = os.Remove(path)
	}
	if err != nil {
		return fmt.Errorf("oslock: unlink %s: %w", path, unprefixed{err})
	}
	return nil
}

// UnlinkIdle removes the name of a semaphore with undo that nobody needs: nobody has it open, this process neither, and all
// permits are there; and reports whether it did. Whoever opens the name at that moment gets a new one, with as many. So names that
// are made in passing need not stay. A permit whose taker has died is there once somebody has looked, as
// [Semaphore.Value] does. A name that leads nowhere is no error.
func UnlinkIdle(name string) (bool, error) {
	path, err := resolve(name)
	if err != nil {
		return false, err
	}
	removed, err := unlinkIdle(path)
	if errors.Is(err, fs.ErrNotExist) {
		err = nil
	}
	if err != nil {
		return false, fmt.Errorf("oslock: unlink %s: %w", path, unprefixed{err})
	}
	return removed, nil
}

func unlinkIdle(path string) (bool, error) {
	fd, err := openToTest(workingFolder, path)
	if err != nil {
		if cannotBeOurs(err) {
			err = fmt.Errorf("%w: %w", ErrNotOurs, err)
		}
		return false, err
	}
	defer closeFD(fd)
	// Whoever has the file open shares its flock, and whoever opens it checks the name when he has got that.
	if alone, err := tryFlockFD(fd, flockExclusive); !alone || err != nil {
		return false, err
	}
	defer dropFlockFD(fd)
	id, size, regular, err := identify(fd)
	if err == nil && !regular {
		err = ErrNotOurs
	}
	if err != nil {
		return false, err
	}
	b := make([]byte, offWord+8)
	n, err := readAt(fd, b, 0)
	if err != nil {
		return false, err
	}
	have, err := decodeHeader(b[:min(n, headerSize)], size)
	if err == nil && (have.kind != kindUndo || n < len(b)) {
		err = fmt.Errorf("%w: a %v, want a semaphore with undo", ErrMismatch, &have)
	}
	if err != nil || valueOf(binary.NativeEndian.Uint64(b[offWord:])) != uint64(have.initial) {
		return false, err
	}
	step("idle")
	if named, err := identifyAt(workingFolder, path); err != nil || named != id {
		return false, err
	}
	return true, os.Remove(path)
}
