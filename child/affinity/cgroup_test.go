package affinity

import (
	"io/fs"
	"os"
	"slices"
	"testing"
	"testing/fstest"
)

// tree is a root file system of text files.
func tree(files map[string]string) fs.FS {
	m := fstest.MapFS{}
	for name, text := range files {
		m[name] = &fstest.MapFile{Data: []byte(text)}
	}
	return m
}

const (
	mountV2      = "30 25 0:26 / /sys/fs/cgroup rw,nosuid - cgroup2 cgroup2 rw,nsdelegate\n"
	mountV1      = "31 25 0:27 / /sys/fs/cgroup/cpu,cpuacct rw shared:9 master:2 - cgroup cgroup rw,cpu,cpuacct\n32 25 0:28 / /sys/fs/cgroup/cpuset rw - cgroup cgroup rw,cpuset\n"
	mountV1Inner = "31 25 0:27 /docker/abc /sys/fs/cgroup/cpu ro - cgroup cgroup rw,cpu\n"
	v1Dir        = "sys/fs/cgroup/cpu,cpuacct/"
)

func TestQuota(t *testing.T) {
	t.Parallel()
	for _, tt := range []struct {
		name  string
		files map[string]string
		want  float64
		file  string
	}{
		{"nothing at all", nil, 0, ""},
		{"v2", map[string]string{
			"proc/self/cgroup": "0::/\n", "proc/self/mountinfo": mountV2,
			"sys/fs/cgroup/cpu.max": "150000 100000\n",
		}, 1.5, "/sys/fs/cgroup/cpu.max"},
		{"v2 max", map[string]string{
			"proc/self/cgroup": "0::/\n", "proc/self/mountinfo": mountV2,
			"sys/fs/cgroup/cpu.max": "max 100000\n",
		}, 0, ""},
		{"v2 empty", map[string]string{
			"proc/self/cgroup": "0::/\n", "proc/self/mountinfo": mountV2,
			"sys/fs/cgroup/cpu.max": "",
		}, 0, ""},
		{"v2 missing", map[string]string{"proc/self/cgroup": "0::/a\n", "proc/self/mountinfo": mountV2}, 0, ""},
		{"v2 without period", map[string]string{
			"proc/self/cgroup": "0::/\n", "proc/self/mountinfo": mountV2,
			"sys/fs/cgroup/cpu.max": "50000",
		}, 0.5, "/sys/fs/cgroup/cpu.max"},
		{"v2 nonsense", map[string]string{
			"proc/self/cgroup": "0::/\n", "proc/self/mountinfo": mountV2,
			"sys/fs/cgroup/cpu.max": "-5 0 x\n",
		}, 0, ""},
		{"v2 nested, smallest above", map[string]string{
			"proc/self/cgroup": "0::/user.slice/a b/c\n", "proc/self/mountinfo": mountV2,
			"sys/fs/cgroup/cpu.max":                    "max 100000\n",
			"sys/fs/cgroup/user.slice/cpu.max":         "200000 100000\n",
			"sys/fs/cgroup/user.slice/a b/cpu.max":     "",
			"sys/fs/cgroup/user.slice/a b/c/cpu.max":   "400000 100000\n",
			"sys/fs/cgroup/user.slice/other/cpu.max":   "1000 100000\n",
			"sys/fs/cgroup/user.slice/a b/c/d/cpu.max": "1000 100000\n",
		}, 2, "/sys/fs/cgroup/user.slice/cpu.max"},
		{"v2 group deleted", map[string]string{
			"proc/self/cgroup": "0::/gone (deleted)\n", "proc/self/mountinfo": mountV2,
			"sys/fs/cgroup/cpu.max": "300000 100000\n",
		}, 3, "/sys/fs/cgroup/cpu.max"},
		{"v1", map[string]string{
			"proc/self/cgroup": "4:cpu,cpuacct:/job\n3:cpuset:/x\n", "proc/self/mountinfo": mountV1,
			v1Dir + "job/cpu.cfs_quota_us": "150000\n", v1Dir + "job/cpu.cfs_period_us": "100000\n",
			v1Dir + "cpu.cfs_quota_us": "-1\n", v1Dir + "cpu.cfs_period_us": "100000\n",
		}, 1.5, "/" + v1Dir + "job/cpu.cfs_quota_us"},
		{"v1 none", map[string]string{
			"proc/self/cgroup": "4:cpu,cpuacct:/\n", "proc/self/mountinfo": mountV1,
			v1Dir + "cpu.cfs_quota_us": "-1\n", v1Dir + "cpu.cfs_period_us": "100000\n",
		}, 0, ""},
		{"v1 period missing", map[string]string{
			"proc/self/cgroup": "4:cpu,cpuacct:/\n", "proc/self/mountinfo": mountV1,
			v1Dir + "cpu.cfs_quota_us": "100000\n",
		}, 0, ""},
		{"v1 container without a namespace", map[string]string{
			"proc/self/cgroup": "4:cpu:/docker/abc/sub\n", "proc/self/mountinfo": mountV1Inner,
			"sys/fs/cgroup/cpu/sub/cpu.cfs_quota_us": "50000", "sys/fs/cgroup/cpu/sub/cpu.cfs_period_us": "100000",
			"sys/fs/cgroup/cpu/docker/abc/sub/cpu.cfs_quota_us": "1", "sys/fs/cgroup/cpu/docker/abc/sub/cpu.cfs_period_us": "100000",
		}, 0.5, "/sys/fs/cgroup/cpu/sub/cpu.cfs_quota_us"},
		{"group outside of the mount", map[string]string{
			"proc/self/cgroup": "4:cpu:/docker/abcd\n", "proc/self/mountinfo": mountV1Inner,
			"sys/fs/cgroup/cpu/cpu.cfs_quota_us": "250000", "sys/fs/cgroup/cpu/cpu.cfs_period_us": "100000",
		}, 2.5, "/sys/fs/cgroup/cpu/cpu.cfs_quota_us"},
		{"both versions, smallest", map[string]string{
			"proc/self/cgroup": "4:cpu,cpuacct:/\n0::/\n", "proc/self/mountinfo": mountV1 + mountV2,
			v1Dir + "cpu.cfs_quota_us": "300000", v1Dir + "cpu.cfs_period_us": "100000",
			"sys/fs/cgroup/cpu.max": "100000 100000\n",
		}, 1, "/sys/fs/cgroup/cpu.max"},
		{"mount point with a blank", map[string]string{
			"proc/self/cgroup": "0::/\n", "proc/self/mountinfo": "30 25 0:26 / /my\\040groups rw - cgroup2 cgroup2 rw\n",
			"my groups/cpu.max": "100000 50000\n",
		}, 2, "/my groups/cpu.max"},
		{"broken files", map[string]string{
			"proc/self/cgroup": "0::\n::\nx\n4:cpu:relative\n0::/../..\n", "proc/self/mountinfo": "- \n1 2 3 - cgroup2\n" + mountV2,
			"sys/fs/cgroup/cpu.max": "100000 100000",
		}, 1, "/sys/fs/cgroup/cpu.max"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			got := measureGroups(tree(tt.files))
			if got.Quota != tt.want || got.QuotaFile != tt.file {
				t.Errorf("quota %v from %q, want %v from %q", got.Quota, got.QuotaFile, tt.want, tt.file)
			}
		})
	}
}

func TestCeil(t *testing.T) {
	t.Parallel()
	for _, tt := range []struct {
		quota float64
		want  int
	}{{0.01, 1}, {1, 1}, {1.5, 2}, {2, 2}, {2.000001, 3}, {1e300, maxCPU}} {
		if got := ceil(tt.quota); got != tt.want {
			t.Errorf("ceil(%v) = %d, want %d", tt.quota, got, tt.want)
		}
	}
}

func TestCpuset(t *testing.T) {
	t.Parallel()
	got := measureGroups(tree(map[string]string{
		"proc/self/cgroup": "3:cpuset:/x/y\n", "proc/self/mountinfo": mountV1,
		"sys/fs/cgroup/cpuset/x/y/cpuset.cpus":         "\n",
		"sys/fs/cgroup/cpuset/x/cpuset.cpus":           "0-7\n",
		"sys/fs/cgroup/cpuset/x/cpuset.effective_cpus": "2-3,6\n",
		"sys/fs/cgroup/cpuset/cpuset.cpus":             "0-7\n",
		"sys/devices/system/cpu/online":                "0-7\n",
	}))
	if !slices.Equal(got.Cpuset, []int{2, 3, 6}) || got.CpusetFile != "/sys/fs/cgroup/cpuset/x/cpuset.effective_cpus" || got.Online != 8 {
		t.Errorf("got %+v", got)
	}
}

func TestMeasureHere(t *testing.T) {
	t.Parallel()
	l := Measure()
	if l.Count < 1 || l.Count > len(l.Usable) {
		t.Errorf("Measure() = %+v", l)
	}
}

func FuzzCgroups(f *testing.F) {
	real := func(name string) string { return read(os.DirFS("/"), name) }
	f.Add(real("proc/self/cgroup"), real("proc/self/mountinfo"), "150000 100000")
	f.Add("4:cpu:/docker/abc/sub\n", mountV1Inner+mountV2, "max")
	f.Fuzz(func(t *testing.T, cgroup, mountinfo, max string) {
		l := measureGroups(tree(map[string]string{
			"proc/self/cgroup": cgroup, "proc/self/mountinfo": mountinfo, "sys/fs/cgroup/cpu.max": max,
			"sys/fs/cgroup/cpu/cpu.cfs_quota_us": max, "sys/fs/cgroup/cpu/cpu.cfs_period_us": "100000",
		}))
		if l.Quota < 0 || l.Quota > 0 && ceil(l.Quota) < 1 {
			t.Errorf("quota %v", l.Quota)
		}
	})
}
