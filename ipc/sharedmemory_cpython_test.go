package ipc

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"yunta/oslock"
	"yunta/oslock/rundir"
)

func testSegment(t *testing.T, name string, size int) *SharedMemory {
	t.Helper()
	m, err := CreateSharedMemory(name, size)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := m.Unlink(); err != nil && !errors.Is(err, fs.ErrNotExist) {
			t.Error(err)
		}
		m.Close()
	})
	return m
}

func TestCPython__TestSharedMemory_test_shared_memory_basics(t *testing.T) {
	t.Parallel()
	name := uniqueName(t)
	m := testSegment(t, name, 512)
	if m.Name() != name || m.Size() < 512 || len(m.Bytes()) < 512 {
		t.Errorf("%q of %d bytes", m.Name(), m.Size())
	}
	m.Bytes()[0] = 42
	also, err := OpenSharedMemory(name)
	if err != nil {
		t.Fatal(err)
	}
	if also.Bytes()[0] != 42 || also.Size() != m.Size() {
		t.Error("the other attachment differs")
	}
	also.Bytes()[0] = 43
	if m.Bytes()[0] != 43 {
		t.Error("a write is not seen")
	}
	also.Close()
	_, err = CreateSharedMemory(name, 512)
	wantIs(t, err, fs.ErrExist)
	_, err = OpenSharedMemory(name + "-not-there")
	wantIs(t, err, fs.ErrNotExist)
	if err := m.Unlink(); err != nil {
		t.Error(err)
	}
	wantIs(t, m.Unlink(), fs.ErrNotExist)
}

// The hook is the process's: this test runs alone.
func TestCPython__TestSharedMemory_test_shared_memory_recreate(t *testing.T) {
	taken := testSegment(t, uniqueName(t), 1)
	names := []string{taken.Name(), taken.Name(), uniqueName(t) + "-free"}
	old := testHookName
	testHookName = func() string {
		name := names[0]
		names = names[1:]
		return name
	}
	defer func() { testHookName = old }()
	if m := testSegment(t, "", 1); !strings.HasSuffix(m.Name(), "-free") {
		t.Errorf("named %q", m.Name())
	}
}

func TestCPython__TestSharedMemory_test_invalid_shared_memory_cration(t *testing.T) {
	t.Parallel()
	for _, size := range []int{0, -1} {
		if _, err := CreateSharedMemory(uniqueName(t), size); err == nil || !strings.Contains(err.Error(), "want 1 at least") {
			t.Errorf("of %d bytes: %v", size, err)
		}
	}
}

func TestCPython__TestSharedMemory_test_shared_memory_pickle_unpickle(t *testing.T) {
	t.Parallel()
	m := testSegment(t, "", 16)
	h := sent(t, m.Handle())
	other, err := OpenSharedMemoryHandle(h)
	if err != nil {
		t.Fatal(err)
	}
	defer other.Close()
	m.Bytes()[0], other.Bytes()[1] = 1, 2
	if other.Bytes()[0] != 1 || m.Bytes()[1] != 2 || other.Name() != m.Name() {
		t.Error("not the same segment")
	}
}

// sent sends a handle through the codec.
func sent(t *testing.T, h Handle) Handle {
	t.Helper()
	b, err := CodecFor[Handle]().Append(nil, h)
	if err != nil {
		t.Fatal(err)
	}
	got, _, err := CodecFor[Handle]().Decode(b)
	if err != nil {
		t.Fatal(err)
	}
	return got
}

func TestCPython__TestSharedMemory_test_shared_memory_pickle_unpickle_dead_object(t *testing.T) {
	t.Parallel()
	m := testSegment(t, "", 16)
	h := sent(t, m.Handle())
	m.Unlink()
	_, err := OpenSharedMemoryHandle(h)
	wantIs(t, err, fs.ErrNotExist)
}

func TestCPython__TestSharedMemory_test_shared_memory_across_processes(t *testing.T) {
	t.Parallel()
	m := testSegment(t, uniqueName(t), 100)
	p := startOther(t, "memory")
	for how, name := range map[string]string{"open": m.Name(), "openfile": m.Handle().File} {
		wantSaid(t, p.ask("%s %s", how, name), "ok")
		wantSaid(t, p.ask("write %s %s", name, how+"ed"), "ok")
		if got := string(m.Bytes()[:len(how)+2]); got != how+"ed" {
			t.Errorf("%s: read %q", how, got)
		}
	}
	p.end()
}

// It is removed by the next start, which says so; until then nobody can open it. TestSharedMemoryLivesAsItsMaker has more.
func TestCPython__TestSharedMemory_test_shared_memory_cleaned_after_process_termination(t *testing.T) {
	t.Parallel()
	name := uniqueName(t)
	p := startOther(t, "memory")
	wantSaid(t, p.ask("create %s", name), "ok")
	file := p.ask("file %s", name)
	p.kill()
	_, err := OpenSharedMemory(name)
	wantIs(t, err, fs.ErrNotExist)
	d, err := rundir.Create("next")
	if err != nil {
		t.Fatal(err)
	}
	defer d.Close()
	if _, err := os.Stat(file); !errors.Is(err, fs.ErrNotExist) {
		t.Errorf("after the next start: %v", err)
	}
}

// The leftovers of killed programs go with the next start, which counts the programs. They have a run directory of their
// own here, so that no other test's start counts them.
func TestCPython_TestResourceTracker_test_resource_tracker(t *testing.T) {
	t.Parallel()
	dir, err := os.MkdirTemp(os.Getenv(rundir.Env), "own")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { os.RemoveAll(dir) })
	there := func(cmd *exec.Cmd) *exec.Cmd {
		cmd.Env = append(cmd.Env, rundir.Env+"="+dir)
		return cmd
	}
	var killed []*other
	var folders []string
	for range 2 {
		p := startCommand(t, there(helper(t, "memory")))
		name := uniqueName(t)
		wantSaid(t, p.ask("create %s", name), "ok")
		wantSaid(t, p.ask("create %s-2", name), "ok")
		wantSaid(t, p.ask("unlink %s-2", name), "ok") // one is gone already: no error
		killed = append(killed, p)
		folders = append(folders, filepath.Dir(p.ask("file %s", name)))
	}
	for _, p := range killed {
		p.kill()
	}
	if out, err := there(helper(t, "sweeps")).Output(); string(out) != "2 <nil>\n" || err != nil {
		t.Errorf("the next start removes %q, %v", out, err)
	}
	for _, folder := range folders {
		if _, err := os.Stat(folder); !errors.Is(err, fs.ErrNotExist) {
			t.Errorf("left: %v", err)
		}
	}
}

var _ = addHelper("sweeps", func([]string) { fmt.Println(rundir.Sweep()) })

// There is no tracker that could be reused, or be started twice: a child opens what its parent made, and leaves it.
func TestCPython_TestResourceTracker_test_resource_tracker_reused(t *testing.T) {
	t.Parallel()
	m := testSegment(t, uniqueName(t), 10)
	p := startOther(t, "memory")
	folders := func() (n int) {
		t.Helper()
		all, err := os.ReadDir(os.Getenv(rundir.Env))
		if err != nil {
			t.Fatal(err)
		}
		for _, d := range all {
			if strings.HasPrefix(d.Name(), fmt.Sprintf("run-%s-%d-", folderName, p.cmd.Process.Pid)) {
				n++
			}
		}
		return n
	}
	wantSaid(t, p.ask("open %s", m.Name()), "ok")
	if folders() != 0 {
		t.Error("who only opens a segment has a folder")
	}
	for range 2 { // this is how it would look
		wantSaid(t, p.ask("create %s", uniqueName(t)), "ok")
		if n := folders(); n != 1 {
			t.Errorf("who makes segments has %d folders", n)
		}
	}
	p.end()
	if _, err := os.Stat(m.Handle().File); err != nil {
		t.Error(err)
	}
}

func TestCPython_TestResourceTracker_test_too_long_name_resource(t *testing.T) {
	t.Parallel()
	_, err := CreateSharedMemory(strings.Repeat("x", 256), 10)
	wantIs(t, err, oslock.ErrName)
}
