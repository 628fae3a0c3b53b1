package main

import (
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"syscall"
	"testing"

	"yunta/child/board"
	"yunta/oslock"
	"yunta/oslock/rundir"
)

func TestDoctorReportText(t *testing.T) {
	t.Parallel()
	r := &doctorReport{Limits: []limit{{"a limit", true, "matters"}, {"other", false, "does not"}}}
	r.add("one", "short", verdictOK, "%d things", 3)
	r.add("one", "rather long name", verdictWarning, "so so")
	r.add("two", "bad", verdictFailed, "broken")
	r.OK = !r.failed()
	var out strings.Builder
	if err := r.write(&out, false); err != nil {
		t.Fatal(err)
	}
	want := `one
  ok       short             3 things
  warning  rather long name  so so

two
  FAILED   bad               broken

limits
  here     a limit           matters
  -        other             does not

Does not work here: bad.
`
	if out.String() != want {
		t.Errorf("got:\n%s\nwant:\n%s", out.String(), want)
	}
	out.Reset()
	if err := r.write(&out, true); err != nil {
		t.Fatal(err)
	}
	var back doctorReport
	if err := json.Unmarshal([]byte(out.String()), &back); err != nil || back.OK || !slices.Equal(back.Findings, r.Findings) || !slices.Equal(back.Limits, r.Limits) {
		t.Errorf("JSON %s, %v", out.String(), err)
	}
}

// verdicts returns the verdict of each finding by name.
func (r *doctorReport) verdicts() map[string]string {
	m := map[string]string{}
	for _, f := range r.Findings {
		m[f.Name] = f.Verdict
	}
	return m
}

// A second process that gets what the first has locked is a failure of each thing it got.
func TestDoctorSecondProcess(t *testing.T) {
	t.Parallel()
	folder := t.TempDir()
	got := probeDirectory(folder)
	if !got.Flock || !got.Lock || got.Memory || got.Error != "" {
		t.Errorf("nobody has locked anything: %+v", got)
	}

	flock := oslock.NewFileLock(filepath.Join(folder, probeFlock))
	defer flock.Close()
	if ok, err := flock.TryLock(); !ok || err != nil {
		t.Fatal(ok, err)
	}
	l, err := oslock.OpenLock(filepath.Join(folder, probeLock), oslock.LockOptions{})
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	if ok, err := l.TryLock(); !ok || err != nil {
		t.Fatal(ok, err)
	}
	r := &doctorReport{}
	memory, done := r.tryMemory("x", filepath.Join(folder, probeMemory))
	defer done()
	got = probeDirectory(folder)
	if got.Flock || got.Lock || !got.Memory || got.Error != "" || memory.Uint32(0).Load() != probeAnswer {
		t.Errorf("all was locked and the call written: %+v", got)
	}
	if err := l.Unlock(); err != nil {
		t.Error(err)
	}

	if err := os.WriteFile(filepath.Join(folder, probeMemory), nil, 0o600); err != nil {
		t.Fatal(err)
	}
	if got = probeDirectory(folder); got.Memory || got.Error == "" {
		t.Errorf("the memory was cut off: %+v", got)
	}
}

func TestDoctorRunDirectory(t *testing.T) {
	root := filepath.Join(t.TempDir(), "r")
	t.Setenv(rundir.Env, root)
	d, err := rundir.Create("mine")
	if err != nil {
		t.Fatal(err)
	}
	defer d.Close()
	b, err := board.Create(filepath.Join(d.Path(), "board"), 3, "mine")
	if err != nil {
		t.Fatal(err)
	}
	defer b.Close()
	if err := os.Mkdir(filepath.Join(root, "run-dead-1-0"), 0o700); err != nil {
		t.Fatal(err)
	}
	r := &doctorReport{}
	r.examineRunDirectory()
	got := r.RunDirectory
	if got.Path != root || got.Mode != "0700" || got.Owner != os.Geteuid() || got.Swept != 1 || got.Free == 0 || got.FileSystem == "unknown" {
		t.Errorf("run directory %+v", got)
	}
	if len(got.Supervisors) != 1 || got.Supervisors[0].PID != os.Getpid() || got.Supervisors[0].Workers != 3 || got.Supervisors[0].Name != "mine" {
		t.Errorf("supervisors %+v", got.Supervisors)
	}
	if r.failed() {
		t.Errorf("findings %+v", r.Findings)
	}
	t.Setenv(rundir.Env, "relative")
	r = &doctorReport{}
	r.examineRunDirectory()
	if r.verdicts()["directory"] != verdictFailed || r.RunDirectory.Path != "" {
		t.Errorf("findings %+v", r.Findings)
	}
	for _, l := range limitsHere(r) {
		if l.Detail == "" || strings.Contains(l.Detail, "  ") {
			t.Errorf("limit %+v without a directory", l)
		}
	}
}

func TestDoctorBadDirectory(t *testing.T) {
	t.Parallel()
	r := &doctorReport{}
	r.examineDirectory(t.Context(), filepath.Join(t.TempDir(), "missing"))
	if r.verdicts()["directory"] != verdictFailed || !r.failed() {
		t.Errorf("findings %+v", r.Findings)
	}
	if _, done := r.tryMemory("x", filepath.Join(t.TempDir(), "no", "file")); r.verdicts()["mapped memory"] != verdictFailed {
		t.Errorf("findings %+v", r.Findings)
	} else {
		done()
	}
	locked, done := r.tryLock("x", filepath.Join(t.TempDir(), "no", "file"))
	done()
	if locked || r.verdicts()["lock"] != verdictFailed {
		t.Errorf("findings %+v", r.Findings)
	}
}

func TestDoctorNetworkLimit(t *testing.T) {
	t.Parallel()
	r := &doctorReport{Directory: dirReport{Path: "/mnt", FileSystem: "nfs4", Network: true}}
	if got := limitsHere(r)[0]; !got.Applies || got.Detail != "/mnt is on nfs4: locks and shared memory are refused there" {
		t.Errorf("got %+v", got)
	}
	r.Directory = dirReport{Path: "/", FileSystem: "overlay"}
	if got := limitsHere(r)[1]; !got.Applies {
		t.Errorf("got %+v", got)
	}
}

func TestCleanedUp(t *testing.T) {
	t.Parallel()
	for _, tt := range []struct {
		run  string
		want bool
	}{{"", false}, {"/tmp/yunta-1000", true}, {"/private/tmp/yunta-501", true}, {"/home/me/run", false}} {
		if got, why := cleanedUp(tt.run); got != tt.want || why == "" {
			t.Errorf("cleanedUp(%q) = %v, %q", tt.run, got, why)
		}
	}
}

func TestBinarySize(t *testing.T) {
	t.Parallel()
	for _, tt := range []struct {
		n    uint64
		want string
	}{{0, "0 bytes"}, {1023, "1023 bytes"}, {1536, "1.5 KiB"}, {16 << 20, "16.0 MiB"}, {1<<64 - 1, "16.0 EiB"}} {
		if got := binarySize(tt.n); got != tt.want {
			t.Errorf("binarySize(%d) = %q, want %q", tt.n, got, tt.want)
		}
	}
}

func TestText(t *testing.T) {
	t.Parallel()
	if got := text(errors.Join(nil, syscall.ENOENT, fmt.Errorf("other"))); got != "no such file or directory; other" {
		t.Errorf("got %q", got)
	}
	if got := text(nil); got != "" {
		t.Errorf("got %q", got)
	}
}
