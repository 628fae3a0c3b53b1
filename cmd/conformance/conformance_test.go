package main

import (
	"os"
	"path/filepath"
	"strings"
	"testing"
)

const table = "module\tclass\tmethod\tapplies\tbehaviour\n" +
	"m\t_TestLock\ttest_lock\tyes\tlocks\n" +
	"m\t_TestLock\ttest_rlock\tadapted\tlocks thrice\n" +
	"m\t_TestLock\ttest_enter\tno\tscope\n" +
	"m\tTestOther\ttest_it\tyes\tother\n"

func TestRun(t *testing.T) {
	t.Parallel()
	tests := []struct {
		name, source string
		args         []string
		status       int
		want         []string
	}{
		{
			"nothing ported, nothing required", "package p\n", nil, 0,
			[]string{"m       _TestLock  0       2", "m       TestOther  0       1", "m       all        0       3", "missing: _TestLock: test_lock test_rlock"},
		},
		{
			"a required row is missing",
			"package p\nfunc TestCPython__TestLock_test_lock(t *testing.T) {}\n",
			[]string{"-require", "_TestLock"},
			1,
			[]string{"_TestLock  1       2           required", "missing (required): _TestLock: test_rlock"},
		},
		{
			"the missing row is excused",
			"package p\nfunc TestCPython__TestLock_test_lock(t *testing.T) {}\n",
			[]string{"-require", "_TestLock", "-except", "_TestLock.test_rlock=one lock is enough"},
			0,
			[]string{"excused: _TestLock.test_rlock: one lock is enough"},
		},
		{
			"all ported",
			"package p\nfunc TestCPython__TestLock_test_lock(t *testing.T) {}\nfunc TestCPython__TestLock_test_rlock(t *testing.T) {}\n",
			[]string{"-require", "_TestLock"},
			0,
			[]string{"_TestLock  2       2", "missing: TestOther: test_it"},
		},
		{
			"a test that names no row",
			"package p\nfunc TestCPython__TestLock_test_lok(t *testing.T) {}\n", nil, 1,
			[]string{"no such row: TestCPython__TestLock_test_lok in p_test.go"},
		},
		{
			"a required class without rows", "package p\n",
			[]string{"-require", "TestLock"},
			1,
			[]string{"no rows of required class: TestLock"},
		},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			t.Parallel()
			dir := t.TempDir()
			write(t, filepath.Join(dir, "cases.tsv"), table)
			write(t, filepath.Join(dir, "tree", "p_test.go"), test.source)
			var stdout, stderr strings.Builder
			args := append([]string{"-cases", filepath.Join(dir, "cases.tsv"), "-tree", filepath.Join(dir, "tree")}, test.args...)
			if got := run(args, &stdout, &stderr); got != test.status {
				t.Errorf("status %d, want %d; stderr: %s", got, test.status, stderr.String())
			}
			for _, want := range test.want {
				if !strings.Contains(stdout.String(), want) {
					t.Errorf("no %q in\n%s", want, stdout.String())
				}
			}
		})
	}
}

func TestRunBadInput(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	write(t, filepath.Join(dir, "short.tsv"), "module\tclass\n")
	write(t, filepath.Join(dir, "odd.tsv"), "module\tclass\tmethod\tapplies\tbehaviour\nm\tC\tt\tperhaps\tb\n")
	write(t, filepath.Join(dir, "good.tsv"), table)
	tests := []struct {
		name string
		args []string
		want string
	}{
		{"too few fields", []string{"-cases", filepath.Join(dir, "short.tsv")}, "line 1 has 2 fields, not 5"},
		{"unknown word", []string{"-cases", filepath.Join(dir, "odd.tsv")}, `"perhaps" is none of`},
		{"exception without a reason", []string{"-cases", filepath.Join(dir, "good.tsv"), "-tree", dir, "-except", "C.t"}, "is not CLASS.METHOD=REASON"},
		{"unknown flag", []string{"-what"}, "not defined: -what"},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			t.Parallel()
			var stdout, stderr strings.Builder
			if got := run(test.args, &stdout, &stderr); got != 2 {
				t.Errorf("status %d, want 2", got)
			}
			if !strings.Contains(stderr.String(), test.want) {
				t.Errorf("no %q in %q", test.want, stderr.String())
			}
		})
	}
}

func TestRunWithoutTable(t *testing.T) {
	t.Parallel()
	var stdout, stderr strings.Builder
	if got := run([]string{"-cases", filepath.Join(t.TempDir(), "none.tsv")}, &stdout, &stderr); got != 0 {
		t.Errorf("status %d, want 0", got)
	}
	if !strings.Contains(stdout.String(), "skipped: there is no") {
		t.Errorf("stdout %q does not say that it skipped", stdout.String())
	}
}

func write(t *testing.T, path, text string) {
	t.Helper()
	if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(path, []byte(text), 0o644); err != nil {
		t.Fatal(err)
	}
}
