package main

import (
	"bytes"
	"encoding/json"
	"errors"
	"io"
	"io/fs"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/spf13/cobra"
)

// differentialCase is one run of a real tool: what it was given, and what it did.
type differentialCase struct {
	ID      string            `json:"id"`
	Feature string            `json:"feature"`
	Tool    string            `json:"tool"`
	Why     string            `json:"why"`
	Args    []string          `json:"args"`
	Stdin   string            `json:"stdin"`
	Script  *string           `json:"script"`
	Setup   string            `json:"setup"`
	Post    string            `json:"post"`
	Env     map[string]string `json:"env"`
	Sorted  bool              `json:"sorted"`
	Tier    string            `json:"tier"`
	Quirk   bool              `json:"quirk"`

	Exit   *int    `json:"expect_exit"`
	Stdout *string `json:"expect_stdout"`
	Stderr *string `json:"expect_stderr"`
	After  *string `json:"expect_post"`
}

const (
	// caseTime is how long a case may take before it counts as hanging.
	caseTime = 60 * time.Second
	// casesVariable says where the cases are, where they are not beside the project.
	casesVariable = "YUNTA_DIFFERENTIAL"
)

// Each recorded case of the real tools gives the same with ours, but for those that testdata/differential/quirks.tsv names with a
// reason. A tool whose command this build does not have is left out.
func TestDifferential(t *testing.T) {
	t.Parallel()
	path := os.Getenv(casesVariable)
	if path == "" {
		path = filepath.Join("..", "..", "..", "shared", "differential", "cases.jsonl")
	}
	text, err := os.ReadFile(path)
	if errors.Is(err, fs.ErrNotExist) {
		t.Skipf("the recorded cases are not here: %v", err)
	}
	if err != nil {
		t.Fatal(err)
	}
	exe := filepath.Join(t.TempDir(), "yunta")
	runIn(t, ".", "go", "build", "-buildvcs=false", "-o", exe, ".")
	tools := map[string]string{"parallel": "parallel", "flock": "lock", "sem": "sem"}
	have := newRootCommand(nil).Commands()
	quirks := readQuirks(t)
	seen := map[string]bool{}
	for line := range bytes.Lines(text) {
		var c differentialCase
		if err := json.Unmarshal(line, &c); err != nil {
			t.Fatalf("%v in %q", err, line)
		}
		seen[c.ID] = true
		name, ours := tools[c.Tool]
		if !ours || !slices.ContainsFunc(have, func(cmd *cobra.Command) bool { return cmd.Name() == name }) {
			continue
		}
		reason := quirks[c.ID]
		if reason != "" && c.Tier == "core" && !c.Quirk {
			t.Errorf("%s is a core case: no reason counts", c.ID)
		}
		t.Run(c.ID, func(t *testing.T) {
			t.Parallel()
			got := c.run(t, exe, name)
			differs := c.compare(got)
			switch {
			case reason == "" && differs != "":
				t.Errorf("%s:%s", c.Why, differs)
			case reason != "" && differs == "":
				t.Errorf("it is the same, though quirks.tsv says: %s", reason)
			case reason != "":
				t.Logf("differs on purpose: %s", reason)
			}
		})
	}
	for id := range quirks {
		if !seen[id] {
			t.Errorf("quirks.tsv names %s, which is no case", id)
		}
	}
}

func readQuirks(t *testing.T) map[string]string {
	t.Helper()
	quirks := map[string]string{}
	for _, name := range []string{"quirks.tsv", "quirks-parallel.tsv"} {
		text, err := os.ReadFile(filepath.Join("testdata/differential", name))
		if err != nil {
			t.Fatal(err)
		}
		for line := range strings.Lines(string(text)) {
			line = strings.TrimSuffix(line, "\n")
			if line == "" || line[0] == '#' {
				continue
			}
			id, reason, ok := strings.Cut(line, "\t")
			if !ok || strings.TrimSpace(reason) == "" {
				t.Fatalf("%s: %q has no reason", name, line)
			}
			quirks[id] = reason
		}
	}
	return quirks
}

// outcome is what came of a case.
type outcome struct {
	exit                 int
	stdout, stderr, post string
}

// run runs a case in folders of its own, with our command under the tool's name first on PATH.
func (c *differentialCase) run(t *testing.T, exe, name string) outcome {
	t.Helper()
	top := t.TempDir()
	run, err := runDirectory()
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { os.RemoveAll(run) })
	work, bin := filepath.Join(top, "w"), filepath.Join(top, "bin")
	for _, dir := range []string{work, bin, filepath.Join(top, "h"), filepath.Join(top, "t")} {
		if err := os.Mkdir(dir, 0o700); err != nil {
			t.Fatal(err)
		}
	}
	tool := filepath.Join(bin, c.Tool)
	if err := os.WriteFile(tool, []byte("#!/bin/sh\nexec "+exe+" "+name+` "$@"`+"\n"), 0o700); err != nil {
		t.Fatal(err)
	}
	env := []string{
		"HOME=" + filepath.Join(top, "h"), "TMPDIR=" + filepath.Join(top, "t"), "LC_ALL=C.UTF-8",
		"PATH=" + bin + ":" + os.Getenv("PATH"), "SHELL=/bin/sh", "PARALLEL_SHELL=/bin/sh", "USER=u", "LOGNAME=u", "YUNTA_DIR=" + run,
	}
	for k, v := range c.Env {
		env = append(env, k+"="+v)
	}
	if c.Setup != "" {
		c.shell(t, work, env, "-ec", c.Setup)
	}
	cmd := exec.Command(tool, c.Args...)
	if c.Script != nil {
		cmd = exec.Command("bash", "-c", *c.Script)
	}
	// Files, not pipes: what a case leaves running does not hold up the test.
	stdout, stderr := filepath.Join(top, "o"), filepath.Join(top, "e")
	cmd.Dir, cmd.Env, cmd.Stdin = work, env, stdinOf(t, filepath.Join(top, "i"), c.Stdin)
	cmd.Stdout, cmd.Stderr = create(t, stdout), create(t, stderr)
	cmd.SysProcAttr = &syscall.SysProcAttr{Setsid: true}
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	group := cmd.Process.Pid
	limit := time.AfterFunc(caseTime, func() { _ = syscall.Kill(-group, syscall.SIGKILL) })
	_ = cmd.Wait() // its status is compared
	if !limit.Stop() {
		t.Errorf("it hangs")
	}
	got := outcome{exit: cmd.ProcessState.ExitCode()}
	if c.Post != "" {
		got.post = c.shell(t, work, env, "-c", c.Post)
	}
	_ = syscall.Kill(-group, syscall.SIGKILL) // what is left of the group, which is the case's own
	got.stdout, got.stderr = contents(t, stdout), contents(t, stderr)
	if c.Sorted {
		lines := slices.Collect(strings.Lines(got.stdout))
		slices.Sort(lines)
		got.stdout = strings.Join(lines, "")
	}
	return got
}

func (c *differentialCase) shell(t *testing.T, dir string, env []string, how, text string) string {
	t.Helper()
	cmd := exec.Command("sh", how, text)
	cmd.Dir, cmd.Env = dir, env
	out, err := cmd.CombinedOutput()
	if err != nil && how == "-ec" {
		t.Fatalf("setup: %v\n%s", err, out)
	}
	return string(out)
}

func stdinOf(t *testing.T, path, text string) io.Reader {
	t.Helper()
	if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
	f, err := os.Open(path)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { f.Close() })
	return f
}

func create(t *testing.T, path string) *os.File {
	t.Helper()
	f, err := os.Create(path)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { f.Close() })
	return f
}

func contents(t *testing.T, path string) string {
	t.Helper()
	b, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	return strings.ToValidUTF8(string(b), "\uFFFD")
}

// compare says what is otherwise than recorded.
func (c *differentialCase) compare(got outcome) string {
	var b strings.Builder
	if c.Exit != nil && got.exit != *c.Exit {
		b.WriteString("\n\texit status " + strconv.Itoa(got.exit) + ", want " + strconv.Itoa(*c.Exit))
	}
	for _, x := range []struct {
		what string
		want *string
		got  string
	}{{"standard output", c.Stdout, got.stdout}, {"standard error", c.Stderr, got.stderr}, {"afterwards", c.After, got.post}} {
		if x.want != nil && *x.want != x.got {
			b.WriteString("\n\t" + x.what + ":\n\t\tgot  " + strconv.Quote(x.got) + "\n\t\twant " + strconv.Quote(*x.want))
		}
	}
	if b.Len() > 0 && c.Stderr == nil && got.stderr != "" {
		b.WriteString("\n\tit said " + strconv.Quote(got.stderr))
	}
	return b.String()
}
