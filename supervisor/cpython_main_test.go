package supervisor_test

import (
	"io/fs"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"testing"
)

// CPython's classes MultiProcessingCmdLineMixin and TestNamedResource: programs
// of a module of their own, however they are started, whose children find what
// they are to run.

// programs is such a module, with its programs built.
type programs struct{ dir string }

var buildPrograms = sync.OnceValues(func() (*programs, error) {
	dir, err := os.MkdirTemp("", "programs")
	if err != nil {
		return nil, err
	}
	benchDirs = append(benchDirs, dir) // which are removed at the end
	if err := os.CopyFS(filepath.Join(dir, "script"), os.DirFS("testdata/script")); err != nil {
		return nil, err
	}
	if err := os.CopyFS(filepath.Join(dir, "global"), os.DirFS("testdata/global")); err != nil {
		return nil, err
	}
	sums, err := os.ReadFile("../go.sum")
	if err != nil {
		return nil, err
	}
	root, err := filepath.Abs("..")
	if err != nil {
		return nil, err
	}
	module := "module example\n\ngo 1.26.0\n\nrequire yunta v0.0.0\n\nreplace yunta => " + root + "\n"
	for name, text := range map[string]string{"go.mod": module, "go.sum": string(sums)} {
		if err := os.WriteFile(filepath.Join(dir, name), []byte(text), 0o644); err != nil {
			return nil, err
		}
	}
	p := &programs{dir}
	_, err = p.run(dir, "go", "build", "-mod=mod", "-o", dir+"/bin/", "./script", "./global")
	return p, err
})

func buildModule(t *testing.T) *programs {
	t.Helper()
	if testing.Short() {
		t.Skip("it builds programs")
	}
	p, err := buildPrograms()
	if exit, ok := err.(*exec.ExitError); ok {
		t.Fatalf("%v\n%s", err, exit.Stderr)
	}
	if err != nil {
		t.Fatal(err)
	}
	return p
}

// run runs a command in a directory. What it writes to standard error is an error.
func (p *programs) run(dir, name string, args ...string) (string, error) {
	cmd := exec.Command(name, args...)
	cmd.Dir = dir
	cmd.Env = append(os.Environ(), "GOWORK=off", "GOFLAGS=-mod=mod")
	out, err := cmd.Output()
	return string(out), err
}

const scriptOutput = "pool [2 4 6] [1 4 9]\nprocess done\n"

func (p *programs) wantOutput(t *testing.T, dir, name string, args ...string) {
	t.Helper()
	out, err := p.run(dir, name, args...)
	if exit, ok := err.(*exec.ExitError); ok {
		t.Fatalf("%s: %v\n%s", name, err, exit.Stderr)
	}
	if out != scriptOutput || err != nil {
		t.Errorf("%s: got %q, %v", name, out, err)
	}
}

// A script is a binary, by its absolute path and found in PATH.
func TestCPython_MultiProcessingCmdLineMixin_test_basic_script(t *testing.T) {
	t.Parallel()
	p := buildModule(t)
	p.wantOutput(t, t.TempDir(), p.dir+"/bin/script")
	p.wantOutput(t, t.TempDir(), "/bin/sh", "-c", `PATH="$0:$PATH"; script`, p.dir+"/bin")
}

// Its name is nothing to go by: it is renamed, also while it runs, and started by
// a link.
func TestCPython_MultiProcessingCmdLineMixin_test_basic_script_no_suffix(t *testing.T) {
	t.Parallel()
	p := buildModule(t)
	dir := t.TempDir()
	text, err := os.ReadFile(p.dir + "/bin/script")
	if err != nil {
		t.Fatal(err)
	}
	path := filepath.Join(dir, "a name, with spaces.exe")
	if err := os.WriteFile(path, text, 0o755); err != nil {
		t.Fatal(err)
	}
	p.wantOutput(t, dir, path)
	link := filepath.Join(dir, "link")
	if err := os.Symlink(path, link); err != nil {
		t.Fatal(err)
	}
	p.wantOutput(t, "/", link)
}

// The directory that a program is started in need not be the one it works in:
// its path may mean nothing any more when the children start.
func TestCPython_MultiProcessingCmdLineMixin_test_directory(t *testing.T) {
	t.Parallel()
	p := buildModule(t)
	p.wantOutput(t, p.dir, "./bin/script")
	p.wantOutput(t, p.dir, "./bin/script", t.TempDir())
	p.wantOutput(t, p.dir+"/script/tasks", "../../bin/script", "/")
}

// A module in a package: go run and go test, of packages inside the module.
func TestCPython_MultiProcessingCmdLineMixin_test_module_in_package(t *testing.T) {
	t.Parallel()
	p := buildModule(t)
	p.wantOutput(t, p.dir, "go", "run", "example/script")
	p.wantOutput(t, p.dir+"/script", "go", "run", ".")
	out, err := p.run(p.dir, "go", "test", "-count=1", "example/script/tasks")
	if err != nil || !strings.HasPrefix(out, "ok") {
		t.Errorf("go test: %q, %v", out, err)
	}
}

// The children of a program that makes shared things at package level make them,
// too. Nobody complains, and what such a program and its children leave when they
// do not close it, the next program's start removes; there is no tracker.
func TestCPython_TestNamedResource_test_global_named_resource_spawn(t *testing.T) {
	t.Parallel()
	p := buildModule(t)
	dir := shortDir(t)
	for _, program := range []string{"global", "global", "script"} {
		cmd := exec.Command(p.dir + "/bin/" + program)
		cmd.Env = append(os.Environ(), "YUNTA_DIR="+dir)
		var stderr strings.Builder
		cmd.Stderr = &stderr
		if err := cmd.Run(); err != nil || stderr.Len() > 0 {
			t.Fatalf("%s: %v, stderr %q", program, err, stderr.String())
		}
	}
	err := filepath.WalkDir(dir, func(path string, d fs.DirEntry, err error) error {
		switch name := d.Name(); {
		case err != nil || path == dir:
		case name == "members" && d.IsDir():
			return fs.SkipDir // the registry of lock users, which lasts
		case name == ".memory-names" || name == ".lock":
		default:
			t.Errorf("left: %s", path)
		}
		return err
	})
	if err != nil {
		t.Error(err)
	}
}
