package oslock

import (
	"fmt"
	"os"
)

// CheckLocal returns an error that wraps [ErrNetwork] if f is on a file system that other machines may write to
// as well. What keeps its state in mapped memory asks first, as the locks of this package do.
func CheckLocal(f *os.File) error {
	conn, err := f.SyscallConn()
	if err != nil {
		return fmt.Errorf("oslock: %s: %w", f.Name(), err)
	}
	var kind string
	var kindErr error
	if conn.Control(func(fd uintptr) { kind, kindErr = testHookNetworkFS(int(fd)) }) != nil {
		return fmt.Errorf("oslock: %s: %w", f.Name(), os.ErrClosed) // the only reason there is
	}
	if kindErr != nil {
		return fmt.Errorf("oslock: %s: %w", f.Name(), kindErr)
	}
	if kind != "" {
		return fmt.Errorf("%w: %s is on %s", ErrNetwork, f.Name(), kind)
	}
	return nil
}
