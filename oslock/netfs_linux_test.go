package oslock

import "testing"

func TestMountType(t *testing.T) {
	t.Parallel()
	const line = "36 35 0:42 / /mnt rw,noatime shared:1 - fuse.sshfs user@host:/dir rw"
	for _, row := range []struct {
		line, dev, want string
	}{
		{line, "0:42", "fuse.sshfs"},
		{line, "0:4", ""},
		{"36 35 0:42 / /mnt rw - virtiofs share rw", "0:42", "virtiofs"},
		{"36 35 0:42 / /a\\040-\\040b rw - fuse.fuse-overlayfs x rw", "0:42", "fuse.fuse-overlayfs"},
		{"36 35", "0:42", ""},
		{"", "", ""},
	} {
		if got := mountType(row.line, row.dev); got != row.want {
			t.Errorf("mountType(%q, %q) = %q, want %q", row.line, row.dev, got, row.want)
		}
	}
	for kind, want := range map[string]bool{
		"fuse.sshfs": true, "virtiofs": true, "fuse.s3fs": true, "fuse.glusterfs": true, "fuse.ceph-fuse": true,
		"fuse.fuse-overlayfs": false, "fuseblk": false, "fuse.ntfs-3g": false, "fuse": false, "": false,
	} {
		if got := isNetworkType(kind); got != want {
			t.Errorf("isNetworkType(%q) = %v", kind, got)
		}
	}
}

// The file systems that tests run on are local, or nothing would have passed until here.
func TestLocalFileSystems(t *testing.T) {
	t.Parallel()
	for _, path := range []string{"/", "/dev/shm", t.TempDir()} {
		fd, err := openFolder(path)
		if err != nil {
			continue
		}
		if kind, err := networkFS(fd); err != nil || kind != "" {
			t.Errorf("%s is taken for %q, %v", path, kind, err)
		}
		closeFD(fd)
	}
}
