//go:build linux && !portable

package supervisor

import (
	"bytes"
	"os"
	"strconv"
	"strings"
)

// oomKills reads how often the out-of-memory killer has struck in this
// process's memory cgroup, -1 if that cannot be known. Version 2 counts in
// memory.events, version 1 in memory.oom_control, both since Linux 4.13.
func oomKills() int64 {
	groups, err := os.ReadFile("/proc/self/cgroup")
	if err != nil {
		return -1
	}
	for line := range strings.Lines(string(groups)) {
		f := strings.SplitN(strings.TrimSpace(line), ":", 3)
		if len(f) != 3 {
			continue
		}
		var file string
		switch {
		case f[1] == "":
			file = "/sys/fs/cgroup" + f[2] + "/memory.events"
		case strings.Contains(","+f[1]+",", ",memory,"):
			file = "/sys/fs/cgroup/memory" + f[2] + "/memory.oom_control"
		default:
			continue
		}
		data, err := os.ReadFile(file)
		if err != nil {
			continue
		}
		for row := range bytes.Lines(data) {
			if k, v, ok := strings.Cut(strings.TrimSpace(string(row)), " "); ok && k == "oom_kill" {
				if n, err := strconv.ParseInt(v, 10, 64); err == nil {
					return n
				}
			}
		}
	}
	return -1
}
