package main

import "golang.org/x/sys/unix"

// fileSystem returns the type of the file system that a directory is on, and the free space there.
func fileSystem(dir string) (kind string, free uint64) {
	var st unix.Statfs_t
	if err := unix.Statfs(dir, &st); err != nil {
		return "unknown", 0
	}
	return unix.ByteSliceToString(st.Fstypename[:]), st.Bavail * uint64(st.Bsize)
}
