package affinity

import (
	"io/fs"
	"math"
	"path"
	"slices"
	"strconv"
	"strings"
)

// Control groups limit a tree of processes: cgroups(7), and the kernel's cgroup-v2.rst ("cpu.max") and
// sched-bwc.rst ("cpu.cfs_quota_us"). A process is in one group of each hierarchy that /proc/self/cgroup
// names; /proc/self/mountinfo says where a hierarchy is mounted. Each ancestor may have a limit
// of its own, so all on the way up to the mount point count. In a container the mount may show only a
// part of the hierarchy, and then the ancestors' limits cannot be seen by anybody inside.
//
// Nothing here fails. A file that is missing, empty or unreadable says nothing.

// group is one cgroup of this process: where it can be read, and where its hierarchy ends.
type group struct {
	mount string // path below the root of the file system, no leading slash
	rel   string // of the group below mount
	v2    bool
}

// measureGroups returns what the cgroups tell, read from root (the file system's, or a test's).
func measureGroups(root fs.FS) Limits {
	var l Limits
	if cpus, err := ParseList(read(root, "sys/devices/system/cpu/online")); err == nil {
		l.Online = len(cpus)
	}
	l.measureQuota(root)
	for _, g := range groups(root, "cpuset") {
		g.walk(func(dir string) bool {
			for _, name := range []string{"cpuset.cpus.effective", "cpuset.effective_cpus", "cpuset.cpus"} {
				file := path.Join(dir, name)
				if cpus, err := ParseList(read(root, file)); err == nil && len(cpus) > 0 && l.Cpuset == nil {
					l.Cpuset, l.CpusetFile = cpus, "/"+file
				}
			}
			return l.Cpuset == nil
		})
	}
	return l
}

// measureQuota finds the smallest quota there is.
func (l *Limits) measureQuota(root fs.FS) {
	for _, g := range groups(root, "cpu") {
		g.walk(func(dir string) bool {
			q, file := quota(root, dir, g.v2)
			if q > 0 && (l.Quota == 0 || q < l.Quota) {
				l.Quota, l.QuotaFile = q, "/"+file
			}
			return true
		})
	}
}

// walk calls f with the group's directory, then with each one above it, the mount point last, until f is false.
func (g group) walk(f func(dir string) bool) {
	for rel := g.rel; f(path.Join(g.mount, rel)) && rel != "."; {
		rel = path.Dir(rel)
	}
}

// quota reads the quota of one directory in CPUs; 0 if there is none.
func quota(root fs.FS, dir string, v2 bool) (cpus float64, file string) {
	var limit, period string
	if v2 {
		file = path.Join(dir, "cpu.max")
		f := strings.Fields(read(root, file))
		switch len(f) {
		case 0:
			return 0, file
		case 1:
			limit, period = f[0], "100000" // the kernel's default, in us
		default:
			limit, period = f[0], f[1]
		}
	} else {
		file = path.Join(dir, "cpu.cfs_quota_us")
		limit, period = read(root, file), read(root, path.Join(dir, "cpu.cfs_period_us"))
	}
	q, err := strconv.ParseInt(strings.TrimSpace(limit), 10, 64) // "max" and -1 are no quota
	if err != nil || q <= 0 {
		return 0, file
	}
	p, err := strconv.ParseInt(strings.TrimSpace(period), 10, 64)
	if err != nil || p <= 0 {
		return 0, file
	}
	return float64(q) / float64(p), file
}

// ceil rounds a quota up to whole CPUs; more than any machine has is cut off.
func ceil(quota float64) int { return int(min(math.Ceil(quota), maxCPU)) }

// groups returns this process's groups in the hierarchies where a controller may act: those of
// version 1 that name it, and the one of version 2, which has no list of names.
func groups(root fs.FS, controller string) []group {
	var found []group
	mounts := cgroupMounts(root)
	for line := range strings.Lines(read(root, "proc/self/cgroup")) {
		f := strings.SplitN(strings.TrimSuffix(line, "\n"), ":", 3)
		if len(f) != 3 || !strings.HasPrefix(f[2], "/") {
			continue
		}
		v2 := f[0] == "0" && f[1] == ""
		if !v2 && !slices.Contains(strings.Split(f[1], ","), controller) {
			continue
		}
		for _, m := range mounts {
			if m.v2 == v2 && (v2 || slices.Contains(m.options, controller)) {
				found = append(found, group{mount: m.point, rel: m.relative(f[2]), v2: v2})
			}
		}
	}
	return found
}

// mount is one mounted cgroup hierarchy.
type mount struct {
	point   string // no leading slash
	root    string // the group that is seen at point
	v2      bool
	options []string
}

// relative returns a group's path below the mount point. A group outside of what is mounted there, as in
// a container that shares the host's cgroup namespace, can only be looked for at the top.
func (m mount) relative(group string) string {
	rest, ok := strings.CutPrefix(group, strings.TrimSuffix(m.root, "/"))
	if !ok || rest != "" && rest[0] != '/' || strings.Contains(m.root, "..") || strings.Contains(group, "..") {
		return "."
	}
	return path.Join(".", rest)
}

// cgroupMounts reads mountinfo, proc_pid_mountinfo(5): "36 35 98:0 /root /point options tag... - type source
// superoptions".
func cgroupMounts(root fs.FS) []mount {
	var mounts []mount
	for line := range strings.Lines(read(root, "proc/self/mountinfo")) {
		left, right, ok := strings.Cut(line, " - ")
		if !strings.HasPrefix(right, "cgroup") {
			continue // spares the rest the splitting of long lines
		}
		f, g := strings.Fields(left), strings.Fields(right)
		if !ok || len(f) < 6 || len(g) < 3 || g[0] != "cgroup" && g[0] != "cgroup2" {
			continue
		}
		mounts = append(mounts, mount{
			point:   path.Join(".", unescape(f[4])),
			root:    unescape(f[3]),
			v2:      g[0] == "cgroup2",
			options: strings.Split(g[2], ","),
		})
	}
	return mounts
}

// unescape undoes mountinfo's octal escapes for blank, tab, newline and backslash.
func unescape(s string) string {
	if !strings.Contains(s, `\`) {
		return s
	}
	return strings.NewReplacer(`\040`, " ", `\011`, "\t", `\012`, "\n", `\134`, `\`).Replace(s)
}

// read returns a file's text, or nothing.
func read(root fs.FS, name string) string {
	data, err := fs.ReadFile(root, name)
	if err != nil {
		return ""
	}
	return string(data)
}
