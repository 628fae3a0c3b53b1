package main

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"sync/atomic"
	"syscall"
	"testing"
	"time"
)

var marks atomic.Int64

// newMark returns an entry of the environment that no other process has.
func newMark(t *testing.T) string {
	t.Helper()
	mark := fmt.Sprintf("YUNTA_TEST_MARK=%d-%d", os.Getpid(), marks.Add(1))
	t.Cleanup(func() {
		for _, pid := range marked(t, mark) {
			_ = syscall.Kill(pid, syscall.SIGKILL)
		}
	})
	return mark
}

// A tree is a job that is five processes: it, one beside it, and three more, in a session of their own where that
// can be dealt with. None of them heeds SIGTERM.
const treeSize = 5

func treeJob(mark string) []string {
	session := "setsid"
	if !wholeTree {
		session = ""
	}
	script := fmt.Sprintf(`trap "" TERM INT HUP; echo begun $0; echo problem $0 >&2
sleep 1000 & %s sh -c 'sleep 1000 & sleep 1000 & wait' & wait`, session)
	return []string{"--", "env", mark, "sh", "-c", script}
}

// startTrees starts jobs that do not end and waits until all their processes are there.
func startTrees(t *testing.T, mark string, n int, flags ...string) *mapping {
	t.Helper()
	args := append(flags, treeJob(mark)...)
	args = append(args, ":::")
	for i := range n {
		args = append(args, fmt.Sprintf("value%d", i+1))
	}
	m := startMap(t, nil, args...)
	waitFor(t, "the jobs' processes", func() bool { return len(marked(t, mark)) >= 2*treeSize })
	return m
}

func checkGone(t *testing.T, mark string) {
	t.Helper()
	waitFor(t, "the jobs' processes to be gone", func() bool { return len(marked(t, mark)) == 0 })
}

// checkNothingLeft is checkGone of a run that has ended: where it finds its
// jobs' whole trees it has waited for them, elsewhere they were only killed.
func checkNothingLeft(t *testing.T, mark string) {
	t.Helper()
	if !wholeTree {
		checkGone(t, mark)
	} else if left := marked(t, mark); len(left) > 0 {
		t.Errorf("left when it had ended: %v", left)
	}
}

func TestMapTimeoutTakesTheTree(t *testing.T) {
	t.Parallel()
	mark := newMark(t)
	m := startTrees(t, mark, 2, "-k", "-j", "2", "--timeout", "3s", "--grace", "50ms")
	if status := m.wait(t); status != 1 {
		t.Errorf("status %d, want 1", status)
	}
	checkNothingLeft(t, mark)
	if got, want := m.stdout.String(), "begun value1\nbegun value2\n"; got != want {
		t.Errorf("stdout %q, want %q", got, want)
	}
	for _, want := range []string{
		"problem value1\nyunta map: job 1 (\"value1\") timed out, killed by signal 9 (SIGKILL) after 3.",
		"; its output above is cut short\nproblem value2\nyunta map: job 2 (\"value2\") timed out",
		"0 succeeded, 2 failed\n",
	} {
		if got := m.stderr.String(); !strings.Contains(got, want) {
			t.Errorf("stderr %q without %q", got, want)
		}
	}
}

func TestMapSignals(t *testing.T) {
	t.Parallel()
	tests := []struct {
		name    string
		signals []syscall.Signal
		grace   string
		said    []string
		status  int
	}{
		{"second interrupt", []syscall.Signal{syscall.SIGINT, syscall.SIGINT}, "50ms", []string{"finishing 2 running jobs", "stopping 2 running jobs"}, 130},
		{
			"third interrupt",
			[]syscall.Signal{syscall.SIGINT, syscall.SIGINT, syscall.SIGINT},
			"1h",
			[]string{"finishing 2 running jobs", "stopping 2 running jobs", "killing 2 running jobs"},
			130,
		},
		{"terminated", []syscall.Signal{syscall.SIGTERM}, "50ms", []string{"stopping 2 running jobs"}, 143},
		{"hung up", []syscall.Signal{syscall.SIGHUP}, "50ms", []string{"stopping 2 running jobs"}, 129},
		{"terminated twice", []syscall.Signal{syscall.SIGTERM, syscall.SIGTERM}, "1h", []string{"stopping 2 running jobs", "killing 2 running jobs"}, 143},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			t.Parallel()
			mark := newMark(t)
			m := startTrees(t, mark, 4, "-j", "2", "--grace", test.grace)
			for i, s := range test.signals {
				if err := m.cmd.Process.Signal(s); err != nil {
					t.Fatal(err)
				}
				waitFor(t, test.said[i], func() bool { return strings.Contains(m.stderr.String(), test.said[i]) })
			}
			if status := m.wait(t); status != test.status {
				t.Errorf("status %d, want %d", status, test.status)
			}
			checkNothingLeft(t, mark)
			if got := m.stdout.String(); strings.Count(got, "begun") != 2 {
				t.Errorf("stdout %q, want that of two jobs", got)
			}
			got := m.stderr.String()
			if strings.Count(got, "its output above is cut short") != 2 || !strings.Contains(got, "0 succeeded, 2 failed, 2 not begun\n") {
				t.Errorf("stderr %q", got)
			}
		})
	}
}

// After a first Ctrl-C what runs may finish, and nothing else begins.
func TestMapFirstInterrupt(t *testing.T) {
	t.Parallel()
	mark := newMark(t)
	dir := t.TempDir()
	gate := filepath.Join(dir, "gate")
	m := startMap(t, &counter{}, "-j", "2", "--", "env", mark, "sh", "-c", "cd "+dir+"; : >begun$0; until test -e gate; do sleep 0.01; done; echo done $0")
	waitFor(t, "two jobs", func() bool {
		begun, _ := filepath.Glob(filepath.Join(dir, "begun*"))
		return len(begun) == 2
	})
	if err := m.cmd.Process.Signal(syscall.SIGINT); err != nil {
		t.Fatal(err)
	}
	waitFor(t, "the line on stderr", func() bool { return strings.HasSuffix(m.stderr.String(), "once more to stop them\n") })
	if err := os.WriteFile(gate, nil, 0o600); err != nil {
		t.Fatal(err)
	}
	status := 0
	if err := m.cmd.Wait(); !errors.Is(err, os.ErrClosed) { // the endless input's goroutine ends with an error of its own
		status = m.cmd.ProcessState.ExitCode()
	}
	if status != 130 {
		t.Errorf("status %d, want 130", status)
	}
	if got := m.stdout.String(); strings.Count(got, "done") != 2 {
		t.Errorf("stdout %q, want that of two jobs", got)
	}
	if got, want := m.stderr.String(), "yunta map: signal: interrupt; finishing 2 running jobs, once more to stop them\n"; got != want {
		t.Errorf("stderr %q, want %q", got, want)
	}
	checkGone(t, mark)
}

// Nobody is there to clean up: the workers see to their jobs, and the next run to the files.
func TestMapKilled(t *testing.T) {
	t.Parallel()
	mark := newMark(t)
	m := startTrees(t, mark, 2, "-j", "2")
	workers := childrenOf(t, m.cmd.Process.Pid)
	if err := m.cmd.Process.Kill(); err != nil {
		t.Fatal(err)
	}
	_ = m.cmd.Wait() // says that it was killed
	checkGone(t, mark)
	waitFor(t, "the workers to end", func() bool {
		living := processes(t)
		for _, pid := range workers {
			if _, lives := living[pid]; lives {
				return false
			}
		}
		return true
	})
	if len(m.spilled(t)) != 1 {
		t.Errorf("the killed run left %v, want its folder", m.spilled(t))
	}
	next := command(t, "map", "--", "true", ":::", "x")
	next.Env = append(next.Env, "TMPDIR="+m.temp)
	if out, err := next.CombinedOutput(); err != nil || len(out) > 0 {
		t.Errorf("the next run: %v, %q", err, out)
	}
	if left := m.spilled(t); len(left) > 0 {
		t.Errorf("the next run has left %v", left)
	}
}

// What a killed worker's job had written is not lost, and the other jobs are done.
func TestMapWorkerKilled(t *testing.T) {
	t.Parallel()
	mark := newMark(t)
	gate := filepath.Join(t.TempDir(), "gate")
	const script = `echo begun $0; head -c 100000 /dev/zero >&2; test $0 != 1 || until test -e "$1"; do sleep 0.01; done; echo ended $0`
	m := startMap(t, nil, "-j", "1", "-k", "--", "env", mark, "sh", "-c", script, "{}", gate, ":::", "1", "2")
	waitFor(t, "the job", func() bool { return len(marked(t, mark)) > 0 })
	var worker int
	waitFor(t, "its output", func() bool {
		files, _ := filepath.Glob(filepath.Join(m.temp, "yunta-*", "run-*", "w0-*.err"))
		for _, f := range files {
			if info, err := os.Stat(f); err == nil && info.Size() == 100000 {
				_, err := fmt.Sscanf(filepath.Base(f), "w0-%d-", &worker)
				return err == nil
			}
		}
		return false
	})
	if err := syscall.Kill(worker, syscall.SIGKILL); err != nil {
		t.Fatal(err)
	}
	if status := m.wait(t); status != 1 {
		t.Errorf("status %d, want 1", status)
	}
	if got, want := m.stdout.String(), "begun 1\nbegun 2\nended 2\n"; got != want {
		t.Errorf("stdout %q, want %q", got, want)
	}
	zeros := strings.Repeat("\x00", 100000)
	if got, want := m.stderr.String(), zeros+"yunta map: job 1 (\"1\") was lost: its worker was killed by signal 9 (SIGKILL) after "; !strings.HasPrefix(got, want) ||
		!strings.Contains(got, "; its output above is cut short\n"+zeros) {
		t.Errorf("stderr %q", strings.ReplaceAll(got, zeros, "<zeros>"))
	}
	checkGone(t, mark)
}

// The job of a killed worker is tried again if others would be.
func TestMapWorkerKilledRetried(t *testing.T) {
	t.Parallel()
	mark := newMark(t)
	once := filepath.Join(t.TempDir(), "once")
	const script = `test -e "$0" || { echo lost; : >"$0"; kill -9 $PPID; sleep 1000; }; echo kept`
	stdout, stderr, status := runMapping(t, "", "--retries", "1", "--", "env", mark, "sh", "-c", script, ":::", once)
	if stdout != "kept\n" || stderr != "" || status != 0 {
		t.Errorf("status %d, stdout %q, stderr %q", status, stdout, stderr)
	}
	if wholeTree { // elsewhere a worker that its job kills at once may not have said yet which process group that has
		checkGone(t, mark)
	}
}

// What a job leaves behind holds nothing up, is not taken for a part of a later job, and keeps out of its output.
func TestMapDaemon(t *testing.T) {
	t.Parallel()
	mark := newMark(t)
	gate := filepath.Join(t.TempDir(), "gate")
	script := `case $0 in
1) setsid sh -c "until test -e $1; do sleep 0.01; done; echo late; echo late >&2; exec sleep 1000" & echo one;;
2) : >"$1"; sleep 0.2; echo two;;
3) sleep 1000;;
esac`
	start := time.Now()
	m := startMap(t, nil, "-j", "1", "-k", "--timeout", "2s", "--", "env", mark, "sh", "-c", script, "{}", gate, ":::", "1", "2", "3", "4")
	if status := m.wait(t); status != 1 {
		t.Errorf("status %d, want 1: job 3 times out", status)
	}
	if took := time.Since(start); took > 20*time.Second {
		t.Errorf("it took %v", took)
	}
	if got, want := m.stdout.String(), "one\ntwo\n"; got != want {
		t.Errorf("stdout %q, want %q", got, want)
	}
	if got := m.stderr.String(); strings.Contains(got, "late") || !strings.Contains(got, "3 succeeded, 1 failed") {
		t.Errorf("stderr %q", got)
	}
	if n := len(marked(t, mark)); n != 1 {
		t.Errorf("%d processes are left, want the daemon", n)
	}
}

// Jobs that had ended when everything died are not run again, and all others are.
func TestMapKilledAndResumed(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	log, results := filepath.Join(dir, "log"), filepath.Join(dir, "results")
	args := []string{"-j", "2", "--results", results, "--resume", "--", "sh", "-c", `echo $1 >>"$0"; echo out $1`, log, "{}", ":::"}
	const n = 400
	for i := range n {
		args = append(args, fmt.Sprint("job", i))
	}
	lines := func() []string {
		b, _ := os.ReadFile(log)
		return strings.Fields(string(b))
	}
	kills := 0
	for kills < 5 {
		m := startMap(t, nil, args...)
		before := len(lines())
		waitFor(t, "some jobs to run", func() bool { return len(lines()) > before+n/10 || len(lines()) > n*9/10 })
		_ = m.cmd.Process.Kill()
		_ = m.cmd.Wait() // says that it was killed
		kills++
	}
	m := startMap(t, nil, args...)
	if status := m.wait(t); status != 0 || m.stderr.String() != "" {
		t.Errorf("status %d, stderr %q", status, m.stderr.String())
	}
	ran := map[string]int{}
	for _, l := range lines() {
		ran[l]++
	}
	again := 0
	for _, times := range ran {
		again += times - 1
	}
	// Of each killed run what ran just then, and what one of its workers had done but not yet recorded.
	if len(ran) != n || again > 2*kills {
		t.Errorf("%d jobs ran, want %d; %d ran again, at most %d may", len(ran), n, again, 2*kills)
	}
	m = startMap(t, nil, args...)
	if status := m.wait(t); status != 0 || m.stdout.String() != "" {
		t.Errorf("when all is done: status %d, stdout %q", status, m.stdout.String())
	}
}
