package oslock

import (
	"os"

	"golang.org/x/sys/unix"
)

// networkFS returns the name of the network file system that fd is on, or "". The system itself
// marks mounts that are local (statfs(2), MNT_LOCAL).
func networkFS(fd int) (string, error) {
	var st unix.Statfs_t
	if err := retry(func() error { return unix.Fstatfs(fd, &st) }); err != nil {
		return "", os.NewSyscallError("fstatfs", err)
	}
	if st.Flags&unix.MNT_LOCAL != 0 {
		return "", nil
	}
	return unix.ByteSliceToString(st.Fstypename[:]), nil
}
