package supervisor_test

import (
	"bufio"
	_ "embed"
	"encoding/json"
	"errors"
	"fmt"
	"io"
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
	missing error // why there is none
	in      io.WriteCloser
	out     *bufio.Reader
}

// startPython starts it; it waits in a read until it is asked, and ends with b.
func startPython(b *testing.B) *python {
	b.Helper()
	exe, err := exec.LookPath("python3")
	if err != nil {
		return &python{missing: errors.New("there is no python3 on the PATH")}
	}
	script := filepath.Join(b.TempDir(), "peers.py")
	if err := os.WriteFile(script, peersScript, 0o600); err != nil {
		b.Fatal(err)
	}
	cmd := exec.Command(exe, script)
	cmd.Stderr = os.Stderr
	p := &python{}
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
	if p.version, err = p.line(); err != nil {
		p.missing = fmt.Errorf("python3 does not run the script: %w", err)
	}
	return p
}

func (p *python) line() (string, error) {
	s, err := p.out.ReadString('\n')
	return strings.TrimSpace(s), err
}

// ask has a job done and returns the seconds it took.
func (p *python) ask(b *testing.B, job string, args map[string]int) float64 {
	b.Helper()
	m := map[string]any{"job": job}
	for k, v := range args {
		m[k] = v
	}
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
