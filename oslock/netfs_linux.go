package oslock

import (
	"bufio"
	"fmt"
	"os"
	"strings"

	"golang.org/x/sys/unix"
)

// networkMagics are the file systems that other machines may have mounted too (statfs(2) and
// linux/magic.h). Memory mapped from them is not shared with the other machine, and a flock there
// may or may not reach it.
var networkMagics = map[uint32]string{
	0x00006969: "nfs",
	0x0000517b: "smb",
	0xff534d42: "cifs",
	0xfe534d42: "smb2",
	0x01021997: "9p",
	0x00c36400: "ceph",
	0x5346414f: "afs",
	0x6b414653: "afs",
	0x0bd00bd0: "lustre",
	0x73757245: "coda",
	0x0000564c: "ncp",
	0x01161970: "gfs2",
	0x7461636f: "ocfs2",
	0x47504653: "gpfs",
	0x19830326: "beegfs",
	0x20030528: "orangefs",
	0x786f4256: "vboxsf",
	0xbacbacbc: "vmhgfs",
}

const fuseMagic = 0x65735546

// fuseNetworks are types of FUSE mounts that lead to another machine or another kernel. FUSE itself is no
// reason to refuse: containers without root live on it.
var fuseNetworks = []string{
	"sshfs", "nfs", "smb", "cifs", "gluster", "ceph", "lustre", "s3", "gcs", "goofys", "rclone", "davfs",
	"webdav", "juicefs", "moosefs", "mfs", "seaweedfs", "hdfs", "beegfs", "blobfuse", "vmhgfs", "virtiofs",
}

// networkFS returns the name of the network file system that fd is on, or "".
func networkFS(fd int) (string, error) {
	var st unix.Statfs_t
	if err := retry(func() error { return unix.Fstatfs(fd, &st) }); err != nil {
		return "", os.NewSyscallError("fstatfs", err)
	}
	magic := uint32(st.Type)
	if magic == fuseMagic {
		return fuseNetwork(fd)
	}
	return networkMagics[magic], nil
}

// fuseNetwork looks up the type of the FUSE mount that fd is on, by its device, in the table of
// mounts. One that cannot be found is taken for local.
func fuseNetwork(fd int) (string, error) {
	var st unix.Stat_t
	if err := retry(func() error { return unix.Fstat(fd, &st) }); err != nil {
		return "", os.NewSyscallError("fstat", err)
	}
	f, err := os.Open("/proc/self/mountinfo")
	if err != nil {
		return "", nil // without /proc nothing is known, and FUSE alone is allowed
	}
	defer f.Close()
	dev := fmt.Sprintf("%d:%d", unix.Major(st.Dev), unix.Minor(st.Dev))
	for lines := bufio.NewScanner(f); lines.Scan(); {
		if kind := mountType(lines.Text(), dev); isNetworkType(kind) {
			return kind, nil
		}
	}
	return "", nil
}

// mountType returns the file system type in a line of mountinfo (proc(5)) if it is about dev:
// "ID PARENT DEV ROOT POINT OPTIONS [TAGS] - TYPE SOURCE SUPEROPTIONS".
func mountType(line, dev string) string {
	before, after, ok := strings.Cut(line, " - ")
	if fields := strings.Fields(before); !ok || len(fields) < 3 || fields[2] != dev {
		return ""
	}
	kind, _, _ := strings.Cut(after, " ")
	return kind
}

func isNetworkType(kind string) bool {
	kind = strings.TrimPrefix(kind, "fuse.")
	for _, n := range fuseNetworks {
		if strings.HasPrefix(kind, n) {
			return true
		}
	}
	return false
}
