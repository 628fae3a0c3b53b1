package supervisor_test

import (
	"bytes"
	"errors"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"testing"
	"time"
)

// commands are programs that are built when the first row asks for them.
type commands struct {
	built map[string]string // where each is
	dir   string
	err   error
}

// mapInputs is how many lines the command's inputs are.
const mapInputs = 1000

// binary builds a program once and returns where it is.
func (c *commands) binary(name string, build func(out string) *exec.Cmd) (string, error) {
	if path, ok := c.built[name]; ok {
		return path, nil
	}
	if c.dir == "" {
		if c.dir, c.err = os.MkdirTemp("", "yunta-bench-"); c.err != nil {
			return "", c.err
		}
		benchDirs = append(benchDirs, c.dir)
		c.built = make(map[string]string)
	}
	path := filepath.Join(c.dir, name)
	if out, err := build(path).CombinedOutput(); err != nil {
		return "", errors.Join(err, errors.New(string(bytes.TrimSpace(out))))
	}
	c.built[name] = path
	return path, nil
}

// benchDirs are removed when the tests end.
var benchDirs []string

func goBuild(pkg string) func(out string) *exec.Cmd {
	return func(out string) *exec.Cmd {
		cmd := exec.Command("go", "build", "-o", out, pkg)
		cmd.Env = append(os.Environ(), "CGO_ENABLED=0") // as make build has it
		return cmd
	}
}

func built(b *testing.B, path string, err error) string {
	b.Helper()
	if err != nil {
		b.Fatal(err)
	}
	return path
}

func (c *commands) yunta(b *testing.B) string {
	path, err := c.binary("yunta", goBuild("yunta/cmd/yunta"))
	return built(b, path, err)
}

func (c *commands) small(b *testing.B) string {
	path, err := c.binary("small", goBuild("./testdata/small"))
	return built(b, path, err)
}

// probe says why a row of the command's cannot be measured.
func (c *commands) probe(r *peerRow) error {
	path, err := c.binary("yunta", goBuild("yunta/cmd/yunta"))
	if err != nil {
		return err
	}
	if r.name != "CommandMap" && r.name != "CommandMapOne" {
		return nil
	}
	if err := exec.Command(path, "map", "--", "true", ":::", "x").Run(); err != nil {
		return errors.New("this yunta has no subcommand map")
	}
	return nil
}

// run is the median time of a whole program.
func (c *commands) run(b *testing.B, n int, path string, args ...string) float64 {
	b.Helper()
	return medianOf(n, func() {
		if out, err := exec.Command(path, args...).CombinedOutput(); err != nil {
			b.Fatalf("%s %q: %v\n%s", path, args, err, out)
		}
	}).Seconds()
}

// map1000 is the time of a line when a program gets them on its standard
// input; 0 when there is no such program.
func (c *commands) map1000(b *testing.B, path string, args ...string) float64 {
	b.Helper()
	if _, err := exec.LookPath(path); err != nil {
		return 0
	}
	var lines bytes.Buffer
	for i := range mapInputs {
		lines.WriteString(strconv.Itoa(i) + "\n")
	}
	cmd := exec.Command(path, args...)
	cmd.Stdin = &lines
	start := time.Now()
	if out, err := cmd.CombinedOutput(); err != nil {
		b.Fatalf("%s %q: %v\n%s", path, args, err, out)
	}
	return time.Since(start).Seconds() / mapInputs
}

// spawnLoop is the same in C; 0 when there is no gcc.
func (c *commands) spawnLoop(b *testing.B) float64 {
	gcc, err := exec.LookPath("gcc")
	if err != nil {
		return 0
	}
	program, err := exec.LookPath("true")
	if err != nil {
		return 0
	}
	path, err := c.binary("spawn", func(out string) *exec.Cmd {
		return exec.Command(gcc, "-O2", "-o", out, filepath.Join("testdata", "spawn.c"))
	})
	built(b, path, err)
	start := time.Now()
	if out, err := exec.Command(path, strconv.Itoa(mapInputs), program).CombinedOutput(); err != nil {
		b.Fatalf("%v\n%s", err, out)
	}
	return time.Since(start).Seconds() / mapInputs
}
