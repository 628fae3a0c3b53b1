package main

import "testing"

func TestMountKind(t *testing.T) {
	t.Parallel()
	const mounts = `22 1 8:1 / / rw - ext4 /dev/sda rw
23 22 0:5 / /proc rw shared:1 - proc proc rw
24 22 0:6 / /mnt/my\040disk rw - xfs /dev/sdb rw
25 22 0:7 / /mnt/my\040disk rw - btrfs /dev/sdc rw
26 22 0:8 / /home rw - nfs4 host:/home rw
broken
27 22 -
`
	for path, want := range map[string]string{
		"/":              "ext4",
		"/tmp":           "ext4",
		"/procedure":     "ext4",
		"/proc/self":     "proc",
		"/mnt/my disk/x": "btrfs",
		"/home":          "nfs4",
	} {
		if got := mountKind(mounts, path); got != want {
			t.Errorf("mountKind(%q) = %q, want %q", path, got, want)
		}
	}
	if got := mountKind("", "/"); got != "unknown" {
		t.Errorf("got %q", got)
	}
}

func TestKeepsIPC(t *testing.T) {
	t.Parallel()
	for _, tt := range []struct {
		text       string
		keep, want bool
	}{
		{"", false, false},
		{"", true, true},
		{"[Login]\n#RemoveIPC=no\n", false, false},
		{"[Login]\n RemoveIPC = no \n", false, true},
		{"RemoveIPC=yes\n", true, false},
		{"RemoveIPC=no\nRemoveIPC=\n", false, false},
	} {
		if got := keepsIPC(tt.text, tt.keep); got != tt.want {
			t.Errorf("keepsIPC(%q, %v) = %v", tt.text, tt.keep, got)
		}
	}
	if removed, why := removedAtLogout(0); removed || why == "" {
		t.Errorf("removedAtLogout(0) = %v, %q", removed, why)
	}
}
