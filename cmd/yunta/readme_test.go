package main

import (
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
)

// readmePrograms are the two programs that the README shows side by side.
func readmePrograms(t *testing.T) (goProgram, pythonProgram string) {
	t.Helper()
	readme, err := os.ReadFile("../../README.md")
	if err != nil {
		t.Fatal(err)
	}
	blocks := regexp.MustCompile("(?s)```(go|python)\n(.*?)```").FindAllStringSubmatch(string(readme), -1)
	if len(blocks) != 2 || blocks[0][1] != "go" || blocks[1][1] != "python" {
		t.Fatal("README.md does not show one Go and one Python program")
	}
	return blocks[0][2], blocks[1][2]
}

const readmeTotals = "[5000050000 20000100000 45000150000 80000200000]"

// The program works in a module of its own, made as the README says.
func TestReadmeGoProgram(t *testing.T) {
	t.Parallel()
	program, _ := readmePrograms(t)
	root, err := filepath.Abs("../..")
	if err != nil {
		t.Fatal(err)
	}
	sums, err := os.ReadFile(filepath.Join(root, "go.sum"))
	if err != nil {
		t.Fatal(err)
	}
	dir := t.TempDir()
	for name, text := range map[string]string{
		"main.go": program,
		"go.mod":  "module example\n\ngo 1.26.0\n",
		"go.sum":  string(sums), // what go mod tidy would fetch
	} {
		if err := os.WriteFile(filepath.Join(dir, name), []byte(text), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	runIn(t, dir, "go", "mod", "edit", "-require=yunta@v0.0.0", "-replace=yunta="+root)
	runIn(t, dir, "go", "build", "-mod=mod", "-o", "example", ".")
	if got, want := runIn(t, dir, "./example"), readmeTotals+" <nil>\n"; got != want {
		t.Errorf("got %q, want %q", got, want)
	}
}

func TestReadmePythonProgram(t *testing.T) {
	t.Parallel()
	if _, err := exec.LookPath("python3"); err != nil {
		t.Skip("there is no python3 to compare with")
	}
	_, program := readmePrograms(t)
	dir := t.TempDir()
	if err := os.WriteFile(filepath.Join(dir, "example.py"), []byte(program), 0o644); err != nil {
		t.Fatal(err)
	}
	got := runIn(t, dir, "python3", "example.py")
	if want := strings.ReplaceAll(readmeTotals, " ", ", ") + "\n"; got != want {
		t.Errorf("got %q, want %q", got, want)
	}
}

func runIn(t *testing.T, dir, name string, args ...string) string {
	t.Helper()
	cmd := exec.CommandContext(t.Context(), name, args...)
	cmd.Dir = dir
	cmd.Env = append(os.Environ(), "GOWORK=off")
	var stderr strings.Builder
	cmd.Stderr = &stderr
	out, err := cmd.Output()
	if err != nil {
		t.Fatalf("%s %s: %v\n%s", name, strings.Join(args, " "), err, stderr.String())
	}
	return string(out)
}
