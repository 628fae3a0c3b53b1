package oslock

import (
	"fmt"
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
