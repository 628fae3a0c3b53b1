package jobs

import (
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"testing"
)

// A line that is run without the shell has the very words that the shell would have given the program.
func TestDirect(t *testing.T) {
	t.Parallel()
	shell, err := exec.LookPath("bash")
	if err != nil {
		t.Skip("no bash here")
	}
	wd, err := os.Getwd()
	if err != nil {
		t.Fatal(err)
	}
	env := []string{"PWD=" + wd, "SHLVL=1", "BASH_FUNC_mine%%=() { :; }"}
	d := newDirect(shell, env)
	if d.shell == "" {
		t.Fatal("bash is not known")
	}
	for line, want := range map[string][]string{
		"true 1": {"true", "1"}, "gzip -9 'a b'": {"gzip", "-9", "a b"}, `ls "a  b"c`: {"ls", "a  bc"}, "  ls\t x ": {"ls", "x"},
		`x 'it'"'"'s' ''`: {"x", "it's", ""}, "/bin/ls a=b": {"/bin/ls", "a=b"}, "echo a": {"echo", "a"},
	} {
		if got, ok := d.argv(line); !ok || !slices.Equal(got, want) {
			t.Errorf("%s: %q, want %q", line, got, want)
		}
	}
	for _, line := range []string{
		"", " ", "a; b", "a | b", "a && b", "a > b", "a $b", "a `b`", "a *", "a ?", "a [b]", "a {b,c}", "a ~", "a #b", "a\nb", "a=b c", "'a' b",
		`a "$b"`, `a "b\c"`, `a 'b`, `a \b`, "a !b", "cd x", "exit 1", "test a", "printf x", "if a", "mine x", "echo -n", `echo 'a\nb'`, "true --help", "a (b)", "a&",
	} {
		if got, ok := d.argv(line); ok {
			t.Errorf("%s would be run as %q", line, got)
		}
	}
	for _, v := range []string{"BASH_ENV=x", "SHELLOPTS=xtrace", "PWD=/elsewhere", "SHLVL=x", "OLDPWD=/nowhere/at/all"} {
		if d := newDirect(shell, append(slices.Clone(env), v)); d.shell != "" {
			t.Errorf("with %s the shell would do something else", v)
		}
	}
	other := filepath.Join(t.TempDir(), "bash")
	if err := os.WriteFile(other, []byte("#!/bin/sh\n"), 0o700); err != nil {
		t.Fatal(err)
	}
	if newDirect("/bin/cat", env).shell != "" {
		t.Error("cat is no shell")
	}
}

func TestMerged(t *testing.T) {
	t.Parallel()
	if got := merged([]string{"A=1", "B=2", "AB=3"}, []string{"A=4", "C=5"}); !slices.Equal(got, []string{"B=2", "AB=3", "A=4", "C=5"}) {
		t.Errorf("%q", got)
	}
}
