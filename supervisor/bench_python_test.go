package supervisor_test

import (
	"bufio"
	_ "embed"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"maps"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"testing"
)

//go:embed testdata/peers.py
var peersScript []byte

// python is a python3 that measures its own side of a row when asked.
type python struct {
	version string
	loky    bool  // it has joblib
	missing error // why there is none
	in      io.WriteCloser
	out     *bufio.Reader
}

// startPythons starts the python3 of the PATH and, if that has no joblib, the
// system's own beside it, where Debian puts its python3-joblib.
func startPythons(b *testing.B) (py, loky *python) {
	b.Helper()
	exe, err := exec.LookPath("python3")
	if err != nil {
		none := &python{missing: errors.New("there is no python3 on the PATH")}
		return none, none
	}
	// It may be a script that looks for the real one, at the price of some python3s.
	if real := output(exe, "-c", "import sys; print(sys.executable)"); real != "" {
		exe = real
	}
	if py = startPython(b, exe); py.loky {
		return py, py
	}
	const system = "/usr/bin/python3"
	if _, err := os.Stat(system); err == nil {
		if loky = startPython(b, system); loky.loky {
			return py, loky
		}
	}
	return py, &python{missing: errors.New("no python3 has joblib (Debian: python3-joblib)")}
}

// startPython starts one; it waits in a read until it is asked, and ends with b.
func startPython(b *testing.B, exe string) *python {
	b.Helper()
	script := filepath.Join(b.TempDir(), "peers.py")
	if err := os.WriteFile(script, peersScript, 0o600); err != nil {
		b.Fatal(err)
	}
	cmd := exec.Command(exe, script)
	cmd.Stderr = os.Stderr
	p := &python{}
	var err error
	if p.in, err = cmd.StdinPipe(); err != nil {
		b.Fatal(err)
	}
	out, err := cmd.StdoutPipe()
	if err != nil {
		b.Fatal(err)
	}
	p.out = bufio.NewReader(out)
	if err := cmd.Start(); err != nil {
		return &python{missing: fmt.Errorf("python3 does not start: %w", err)}
	}
	b.Cleanup(func() {
		p.in.Close()
		cmd.Wait()
	})
	line, err := p.line()
	if err != nil {
		p.missing = fmt.Errorf("python3 does not run the script: %w", err)
	}
	p.version, line, _ = strings.Cut(line, " ")
	p.loky = line == "loky"
	return p
}

func (p *python) line() (string, error) {
	s, err := p.out.ReadString('\n')
	return strings.TrimSpace(s), err
}

// args are the arguments of a job, as they are called in peers.py.
type args map[string]any

// asked is a side of a row: the job done by this python, 0 where there is none.
func (p *python) asked(job string, a args) func(*testing.B) float64 {
	return func(b *testing.B) float64 {
		if p.missing != nil {
			return 0
		}
		return p.ask(b, job, a)
	}
}

// ask has a job done and returns its figure, mostly the seconds it took.
func (p *python) ask(b *testing.B, job string, a args) float64 {
	b.Helper()
	m := args{"job": job}
	maps.Copy(m, a)
	line, err := json.Marshal(m)
	if err != nil {
		b.Fatal(err)
	}
	if _, err := p.in.Write(append(line, '\n')); err != nil {
		b.Fatalf("python3: %v", err)
	}
	s, err := p.line()
	if err != nil {
		b.Fatalf("python3: %s: %v", job, err)
	}
	t, err := strconv.ParseFloat(s, 64)
	if err != nil {
		b.Fatalf("python3: %s: %v", job, err)
	}
	return t
}
