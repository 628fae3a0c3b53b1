//go:build linux && !portable

package affinity

import (
	"errors"
	"os"
	"os/exec"
	"runtime"
	"slices"
	"strings"
	"syscall"
	"testing"
)

// tied runs f on a thread of its own, which ends with f.
func tied(t *testing.T, f func()) {
	t.Helper()
	done := make(chan struct{})
	go func() {
		defer close(done)
		runtime.LockOSThread() // never unlocked: the runtime ends the thread, mask and all
		f()
	}()
	<-done
}

func TestSetThread(t *testing.T) {
	all, err := Usable()
	if err != nil {
		t.Fatal(err)
	}
	if err := Supported(); err != nil {
		t.Errorf("Supported() = %v", err)
	}
	tied(t, func() {
		for _, c := range all {
			if err := SetThread([]int{c}); err != nil {
				t.Errorf("SetThread(%d): %v", c, err)
			}
			if got := CurrentCPU(); got != c {
				t.Errorf("CurrentCPU() = %d, want %d", got, c)
			}
			if got, err := Thread(); err != nil || !slices.Equal(got, []int{c}) {
				t.Errorf("Thread() = %v, %v, want %d alone", got, err, c)
			}
			if got, err := Usable(); err != nil || !slices.Equal(got, all) {
				t.Errorf("Usable() = %v, %v while one thread is tied, want %v", got, err, all)
			}
		}
		if err := SetThread(all); err != nil {
			t.Error(err)
		}
	})
}

func TestSetThreadRefuses(t *testing.T) {
	all, err := Usable()
	if err != nil {
		t.Fatal(err)
	}
	tied(t, func() {
		for _, cpus := range [][]int{nil, {-1}, {maxCPU}, {maxCPU - 1}, {all[0], maxCPU - 1}} {
			if err := SetThread(cpus); err == nil {
				t.Errorf("SetThread(%v) succeeded", cpus)
			}
			if got, err := Thread(); err != nil || !slices.Equal(got, all) {
				t.Errorf("mask %v, %v after a refused SetThread(%v), want %v", got, err, cpus, all)
			}
		}
		if err := SetThread([]int{maxCPU - 1}); !errors.Is(err, syscall.EINVAL) {
			t.Errorf("error %v, want EINVAL", err)
		}
	})
}

// A default pool minds the mask that it was started with.
func TestChildInheritsMask(t *testing.T) {
	all, err := Usable()
	if err != nil {
		t.Fatal(err)
	}
	for n := 1; n <= min(2, len(all)); n++ {
		tied(t, func() {
			if err := SetThread(all[:n]); err != nil {
				t.Error(err)
				return
			}
			l := measureChild(t)
			if !slices.Equal(l.Usable, all[:n]) || l.Count != n && l.Quota == 0 {
				t.Errorf("child under %v measures %+v", all[:n], l)
			}
		})
	}
}

func TestTaskset(t *testing.T) {
	path, err := exec.LookPath("taskset")
	if err != nil {
		t.Skip("taskset is not installed")
	}
	all, err := Usable()
	if err != nil {
		t.Fatal(err)
	}
	want := all[:min(2, len(all))]
	l := measureChild(t, path, "-c", FormatList(want))
	if !slices.Equal(l.Usable, want) || l.Count != len(want) && l.Quota == 0 {
		t.Errorf("child under taskset -c %s measures %+v", FormatList(want), l)
	}
}

// A quota of 1.5 CPUs set by the kernel itself, where we may make a group.
func TestRealQuota(t *testing.T) {
	dir := "/sys/fs/cgroup/cpu/yunta-affinity-test"
	if err := os.Mkdir(dir, 0o755); err != nil {
		t.Skipf("no cgroup of version 1 can be made: %v", err)
	}
	defer os.Remove(dir)
	for file, text := range map[string]string{"cpu.cfs_period_us": "100000", "cpu.cfs_quota_us": "150000"} {
		if err := os.WriteFile(dir+"/"+file, []byte(text), 0); err != nil {
			t.Skipf("no quota can be set: %v", err)
		}
	}
	l := measureChild(t, "sh", "-c", `echo $$ > `+dir+`/cgroup.procs && exec "$0"`)
	if l.Quota != 1.5 || l.QuotaFile != dir+"/cpu.cfs_quota_us" || l.Count != min(2, len(l.Usable)) {
		t.Errorf("child with a quota of 1.5 measures %+v", l)
	}
}

func TestWords(t *testing.T) {
	t.Parallel()
	for _, want := range [][]int{{0}, {63, 64}, {0, 1, 127, 128, 1023, 5000}} {
		if got := fromWords(toWords(want)); !slices.Equal(got, want) {
			t.Errorf("got %v, want %v", got, want)
		}
	}
}

func TestOnlineKnown(t *testing.T) {
	if l := Measure(); l.Online < len(l.Usable) || !strings.HasPrefix(l.QuotaFile+"/", "/") {
		t.Errorf("Measure() = %+v", l)
	}
}

func BenchmarkSetThread(b *testing.B) {
	runtime.LockOSThread()
	cpus, err := Thread()
	if err != nil {
		b.Fatal(err)
	}
	for b.Loop() {
		if err := SetThread(cpus); err != nil {
			b.Fatal(err)
		}
	}
}

func BenchmarkCPUCount(b *testing.B) {
	for b.Loop() {
		CPUCount()
	}
}

func BenchmarkCurrentCPU(b *testing.B) {
	for b.Loop() {
		CurrentCPU()
	}
}
