package quote

import (
	"os/exec"
	"strings"
	"testing"
)

// As GNU parallel 20221122 shows them with --dry-run.
func TestGNU(t *testing.T) {
	t.Parallel()
	for value, want := range map[string]string{
		"": `''`, "a": "a", "a b": "'a b'", "it's": `'it'"'"'s'`, "'": `"'"`, "a''b": `'a'"'"''"'"'b'`, "''": `"'"''"'"`,
		"'a'": `"'"'a'"'"`, "a'": `'a'"'"`, "x=y": "'x=y'", "@,:": "'@,:'", "+./-_": "+./-_", "é": "'é'", "a\nb": "'a\nb'",
	} {
		if got := GNU(value); got != want {
			t.Errorf("%q becomes %s, want %s", value, got, want)
		}
	}
}

// A shell reads the same arguments again.
func TestShellReadsThem(t *testing.T) {
	t.Parallel()
	values := []string{"", "a", "it's", "''", "$HOME `id` $(id)", "\\", "*", "~", "-n", "#", "a\nb", "\t", "\xff\xfe", "!", "{a,b}", "é", "a=b", "'\"'"}
	for name, q := range map[string]func(string) string{"GNU": GNU, "Word": Word} {
		line := "printf '%s|'"
		for _, v := range values {
			line += " " + q(v)
		}
		out, err := exec.CommandContext(t.Context(), "sh", "-c", line).Output()
		if want := strings.Join(values, "|") + "|"; err != nil || string(out) != want {
			t.Errorf("%s: %v, %q, want %q", name, err, out, want)
		}
	}
}
