package main

import (
	"fmt"
	"os"
	"slices"
	"strconv"
	"strings"
	"testing"
)

// What top says is what the system says.
func TestTopEqualsProc(t *testing.T) {
	t.Parallel()
	sleepers, _ := startSleepers(t)
	r := lookOnce(t, sleepers)
	if len(r.Supervisors) != 1 || r.Supervisors[0].PID != sleepers.Process.Pid || r.Supervisors[0].Program != "yunta" {
		t.Fatalf("supervisors %+v, want process %d", r.Supervisors, sleepers.Process.Pid)
	}
	var pids []int
	for _, w := range r.Supervisors[0].Workers {
		pids = append(pids, *w.PID)
		stat := statOf(t, *w.PID)
		if w.Process != stat[0] {
			t.Errorf("worker %d is %s, /proc says %s", w.Worker, w.Process, stat[0])
		}
		if got := procStatus(t, *w.PID, "Cpus_allowed_list"); w.Core == nil || got != strconv.Itoa(*w.Core) {
			// With fewer cores than workers nobody is pinned.
			if w.Core != nil || !strings.ContainsAny(got, ",-") && got != "0" {
				t.Errorf("worker %d is on core %v, /proc says %s", w.Worker, w.Core, got)
			}
		}
		if want := procStatus(t, *w.PID, "VmRSS"); *w.RSS <= 0 || differ(*w.RSS, kib(want)) {
			t.Errorf("worker %d has %d bytes resident, /proc says %s", w.Worker, *w.RSS, want)
		}
		if *w.PSS <= 0 || *w.PSS > *w.RSS+(1<<20) {
			t.Errorf("worker %d: PSS %d, RSS %d", w.Worker, *w.PSS, *w.RSS)
		}
		if name := procStatus(t, *w.PID, "Name"); !strings.HasPrefix(name, "yunta") && !strings.Contains(name, ":w") {
			t.Errorf("worker %d is process %q", w.Worker, name)
		}
	}
	children := childrenOf(t, sleepers.Process.Pid)
	slices.Sort(pids)
	slices.Sort(children)
	if !slices.Equal(pids, children) {
		t.Errorf("workers %v, /proc says %v", pids, children)
	}
}

// statOf returns the fields of /proc/PID/stat from the state on.
func statOf(t *testing.T, pid int) []string {
	t.Helper()
	data, err := os.ReadFile(fmt.Sprintf("/proc/%d/stat", pid))
	if err != nil {
		t.Fatal(err)
	}
	return strings.Fields(string(data[strings.LastIndexByte(string(data), ')')+1:]))
}

func procStatus(t *testing.T, pid int, key string) string {
	t.Helper()
	data, err := os.ReadFile(fmt.Sprintf("/proc/%d/status", pid))
	if err != nil {
		t.Fatal(err)
	}
	for line := range strings.Lines(string(data)) {
		if rest, ok := strings.CutPrefix(line, key+":"); ok {
			return strings.TrimSpace(rest)
		}
	}
	t.Fatalf("no %s of process %d", key, pid)
	return ""
}

func kib(s string) int64 {
	n, _ := strconv.ParseInt(strings.TrimSuffix(s, " kB"), 10, 64)
	return n << 10
}

// differ allows for what a sleeping process may gain or lose meanwhile.
func differ(a, b int64) bool { return max(a, b)-min(a, b) > 2<<20 }
