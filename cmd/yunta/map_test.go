package main

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"sync/atomic"
	"syscall"
	"testing"
)

// A mapping is a running yunta map.
type mapping struct {
	cmd            *exec.Cmd
	temp           string // its $TMPDIR
	stdout, stderr output
}

func startMap(t *testing.T, stdin io.Reader, args ...string) *mapping {
	t.Helper()
	m := &mapping{cmd: command(t, append([]string{"map"}, args...)...), temp: t.TempDir()}
	m.cmd.Env = append(m.cmd.Env, "TMPDIR="+m.temp)
	m.cmd.Stdin, m.cmd.Stdout, m.cmd.Stderr = stdin, &m.stdout, &m.stderr
	if err := m.cmd.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = m.cmd.Process.Kill() })
	return m
}

// wait waits for the end and returns the exit status, -1 after a signal. Nothing is left in the spill folder's place.
func (m *mapping) wait(t *testing.T) int {
	t.Helper()
	err := m.cmd.Wait()
	if exit, ok := errors.AsType[*exec.ExitError](err); err != nil && !ok {
		t.Fatal(err)
	} else if ok && exit.Sys().(syscall.WaitStatus).Signaled() {
		return -1
	}
	if left := m.spilled(t); len(left) > 0 {
		t.Errorf("left in $TMPDIR: %v", left)
	}
	return exitCode(err)
}

// spilled lists the folders of runs in $TMPDIR.
func (m *mapping) spilled(t *testing.T) []string {
	t.Helper()
	found, err := filepath.Glob(filepath.Join(m.temp, "yunta-*", "*"))
	if err != nil {
		t.Fatal(err)
	}
	return found
}

func runMapping(t *testing.T, stdin string, args ...string) (stdout, stderr string, status int) {
	t.Helper()
	m := startMap(t, strings.NewReader(stdin), args...)
	status = m.wait(t)
	return m.stdout.String(), m.stderr.String(), status
}

// hostile are values that a careless tool would split, interpret or lose.
var hostile = []string{
	"plain", "two words", " around ", "", "-n", "--", "--help", "{}", "a{}b", "$(touch x)", "`touch x`", "; touch x", "'", `"`, `\`, `\n`, "a'b\"c",
	"*", "~", "#", "!", "&", "|", ">x", "%s", "é", "東京", "\xff\xfe", "a\xc3", "\t", "\r", "\x01", strings.Repeat("long ", 8_000),
}

func TestMapHostileValues(t *testing.T) {
	t.Parallel()
	multiline := append(slices.Clone(hostile), "a\nb", "\n", "\n\n")
	tests := []struct {
		name   string
		values []string
		stdin  string
		flags  []string
		given  bool
	}{
		{"given", multiline, "", []string{"-k"}, true},
		{"null", multiline, strings.Join(multiline, "\x00") + "\x00", []string{"-k", "-0"}, false},
		{"lines", hostile, strings.Join(hostile, "\n") + "\n", []string{"-k"}, false},
		{"last line unended", hostile, strings.Join(hostile, "\n"), []string{"-k"}, false},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			t.Parallel()
			args := append(test.flags, "--", "printf", `%s\0<%s>\0`, "{}", "a{}b{}")
			var want bytes.Buffer
			for _, v := range test.values {
				fmt.Fprintf(&want, "%s\x00<a%[1]sb%[1]s>\x00", v)
			}
			if test.given {
				args = append(append(args, ":::"), test.values...)
			}
			stdout, stderr, status := runMapping(t, test.stdin, args...)
			if stdout != want.String() || stderr != "" || status != 0 {
				t.Errorf("status %d, stderr %q, stdout\n%.2000q\nwant\n%.2000q", status, stderr, stdout, want.String())
			}
		})
	}
}

// What --dry-run prints is read by a shell as the very same arguments.
func TestMapDryRunPasted(t *testing.T) {
	t.Parallel()
	values := append(slices.Clone(hostile), "a\nb")
	args := append([]string{"--dry-run", "--", "printf", `%s\0`, "{}", "x{}", ":::"}, values...)
	script, stderr, status := runMapping(t, "", args...)
	if stderr != "" || status != 0 {
		t.Fatalf("status %d, stderr %q", status, stderr)
	}
	sh := exec.CommandContext(t.Context(), "sh")
	sh.Stdin = strings.NewReader(script)
	got, err := sh.Output()
	if err != nil {
		t.Fatal(err)
	}
	var want bytes.Buffer
	for _, v := range values {
		fmt.Fprintf(&want, "%s\x00x%[1]s\x00", v)
	}
	if string(got) != want.String() {
		t.Errorf("got\n%.2000q\nwant\n%.2000q", got, want.String())
	}
}

// A line may be longer than any argument: that is its own job's failure.
func TestMapLongLine(t *testing.T) {
	t.Parallel()
	long := strings.Repeat("x", 1<<20)
	stdout, stderr, status := runMapping(t, "a\n"+long+"\nb\n", "-k", "--", "echo")
	if stdout != "a\nb\n" || status != 1 {
		t.Errorf("status %d, stdout %.100q", status, stdout)
	}
	if !strings.Contains(stderr, "job 2 (\"xxxx") || !strings.Contains(stderr, "argument list too long: the longest argument has 1048576 bytes") || len(stderr) > 2000 {
		t.Errorf("stderr %.2000q", stderr)
	}
	stdout, _, status = runMapping(t, long, "--dry-run", "--", "echo")
	if status != 0 || stdout != "echo "+long+"\n" {
		t.Errorf("dry run: status %d, %d bytes", status, len(stdout))
	}
}

// counter is an endless or long input: lines with numbers from 1.
type counter struct {
	next, last int // last 0: endless
	rest       []byte
}

func (c *counter) Read(p []byte) (int, error) {
	for len(c.rest) < len(p) && (c.last == 0 || c.next < c.last) {
		c.next++
		c.rest = fmt.Appendln(c.rest, c.next)
	}
	if len(c.rest) == 0 {
		return 0, io.EOF
	}
	n := copy(p, c.rest)
	c.rest = c.rest[:copy(c.rest, c.rest[n:])]
	return n, nil
}

func (c *counter) all() string {
	var b strings.Builder
	_, _ = io.Copy(&b, &counter{last: c.last})
	return b.String()
}

// maxMemory bounds a process, in bytes: what a Go program of this size needs, but not the input or output.
const maxMemory = 100 << 20

// checkMemory looks at the command and its workers while they are there.
func (m *mapping) checkMemory(t *testing.T) {
	t.Helper()
	for _, pid := range append(childrenOf(t, m.cmd.Process.Pid), m.cmd.Process.Pid) {
		peak := peakMemory(t, pid)
		t.Logf("process %d had at most %d MiB", pid, peak>>20)
		if peak > maxMemory && !raceDetector {
			t.Errorf("process %d grew to %d MiB, want at most %d", pid, peak>>20, maxMemory>>20)
		}
	}
}

func TestMapManyInputs(t *testing.T) {
	t.Parallel()
	tests := []struct {
		name string
		last int
		args []string
		want func(string) string
	}{
		{"dry run", 200_000, []string{"--dry-run", "--", "echo"}, func(s string) string {
			return "echo " + strings.ReplaceAll(strings.TrimSuffix(s, "\n"), "\n", "\necho ") + "\n"
		}},
		{"ordered", 2000, []string{"-k", "--", "echo"}, func(s string) string { return s }},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			t.Parallel()
			in := &counter{last: test.last}
			want := test.want(in.all())
			r, w := io.Pipe()
			m := startMap(t, r, test.args...)
			_, _ = io.Copy(w, in)
			// All that is not held back for a larger piece is there before the input ends.
			waitFor(t, "the output", func() bool { return m.stdout.len() > len(want)-lineBuffer })
			m.checkMemory(t)
			w.Close()
			if status := m.wait(t); status != 0 {
				t.Errorf("status %d, stderr %q", status, m.stderr.String())
			}
			if got := m.stdout.String(); got != want {
				t.Errorf("%d bytes, want %d: %.200q", len(got), len(want), got)
			}
		})
	}
}

// A reader that has enough ends everything, quietly, though the input has no end.
func TestMapReaderGoesAway(t *testing.T) {
	t.Parallel()
	for _, flags := range [][]string{{"--", "echo"}, {"-k", "--tag", "--", "echo"}, {"--dry-run", "--", "echo"}} {
		t.Run(strings.Join(flags, " "), func(t *testing.T) {
			t.Parallel()
			r, w, err := os.Pipe()
			if err != nil {
				t.Fatal(err)
			}
			m := &mapping{cmd: command(t, append([]string{"map"}, flags...)...), temp: t.TempDir()}
			m.cmd.Env = append(m.cmd.Env, "TMPDIR="+m.temp)
			in, err := m.cmd.StdinPipe()
			if err != nil {
				t.Fatal(err)
			}
			m.cmd.Stdout, m.cmd.Stderr = w, &m.stderr
			if err := m.cmd.Start(); err != nil {
				t.Fatal(err)
			}
			t.Cleanup(func() { _ = m.cmd.Process.Kill() })
			w.Close()
			fed := make(chan struct{})
			go func() {
				defer close(fed)
				_, _ = io.Copy(in, &counter{}) // until nobody reads it
				in.Close()
			}()
			if _, err := io.ReadFull(r, make([]byte, 200)); err != nil {
				t.Fatal(err)
			}
			r.Close()
			if status := m.wait(t); status != 141 && status != -1 {
				t.Errorf("status %d, want 141", status)
			}
			if m.stderr.String() != "" {
				t.Errorf("stderr %q", m.stderr.String())
			}
			<-fed
		})
	}
}

// A job's output may be of any length, on both streams, in one piece.
func TestMapLargeOutput(t *testing.T) {
	t.Parallel()
	const size = 256 << 20
	for _, flags := range [][]string{{"-j", "2"}, {"-j", "2", "-k", "--tag"}} {
		t.Run(strings.Join(flags, " "), func(t *testing.T) {
			t.Parallel()
			r, w := io.Pipe()
			m := &mapping{cmd: command(t, append(append([]string{"map"}, flags...), "--", "head", "-c", fmt.Sprint(size), "/dev/zero")...), temp: t.TempDir()}
			var got tally
			m.cmd.Env = append(m.cmd.Env, "TMPDIR="+m.temp)
			m.cmd.Stdin, m.cmd.Stdout, m.cmd.Stderr = r, &got, &m.stderr
			if err := m.cmd.Start(); err != nil {
				t.Fatal(err)
			}
			t.Cleanup(func() { _ = m.cmd.Process.Kill() })
			_, _ = io.WriteString(w, "--\n")
			waitFor(t, "the output", func() bool { return got.n.Load() >= size })
			m.checkMemory(t)
			w.Close()
			if status := m.wait(t); status != 0 || m.stderr.String() != "" {
				t.Errorf("status %d, stderr %q", status, m.stderr.String())
			}
			tag := int64(0)
			if len(flags) > 2 {
				tag = int64(len("--\t"))
			}
			if got := got.n.Load(); got != size+tag {
				t.Errorf("%d bytes, want %d", got, size+tag)
			}
		})
	}
}

// tally counts what is written to it.
type tally struct{ n atomic.Int64 }

func (w *tally) Write(p []byte) (int, error) {
	w.n.Add(int64(len(p)))
	return len(p), nil
}

func TestMapOutputsOfAllSizes(t *testing.T) {
	t.Parallel()
	const script = `head -c $0 /dev/zero | tr '\0' a; head -c $0 /dev/zero | tr '\0' b >&2`
	sizes := []int{0, 1, 65535, 65536, 65537, 0, 1, 300_000, 1_000_000, 0, 7}
	args := []string{"-j", "2", "-k", "--", "sh", "-c", script, ":::"}
	var a, b strings.Builder
	for _, n := range sizes {
		args = append(args, fmt.Sprint(n))
		a.WriteString(strings.Repeat("a", n))
		b.WriteString(strings.Repeat("b", n))
	}
	stdout, stderr, status := runMapping(t, "", args...)
	if status != 0 || stdout != a.String() || stderr != b.String() {
		t.Errorf("status %d, %d and %d bytes, want %d and %d", status, len(stdout), len(stderr), a.Len(), b.Len())
	}
}

// What a job does to its descriptors is its own affair.
func TestMapJobClosesItsOutput(t *testing.T) {
	t.Parallel()
	stdout, stderr, status := runMapping(t, "", "-j", "1", "-k", "--", "sh", "-c", "echo $0; exec >&- 2>&-; exit 0", ":::", "a", "b")
	if stdout != "a\nb\n" || stderr != "" || status != 0 {
		t.Errorf("status %d, stdout %q, stderr %q", status, stdout, stderr)
	}
}

// A job has the environment that the command was started with.
func TestMapEnvironment(t *testing.T) {
	t.Parallel()
	m := &mapping{cmd: command(t, "map", "--", "env", ":::", "X=1"), temp: t.TempDir()}
	m.cmd.Env = append(m.cmd.Env, "TMPDIR="+m.temp, "GOMAXPROCS=1", "GOMEMLIMIT=100MiB")
	m.cmd.Stdout, m.cmd.Stderr = &m.stdout, &m.stderr
	if err := m.cmd.Start(); err != nil {
		t.Fatal(err)
	}
	m.wait(t)
	var want []string
	seen := map[string]bool{}
	for _, kv := range slices.Backward(m.cmd.Environ()) {
		if key, _, _ := strings.Cut(kv, "="); !seen[key] {
			seen[key] = true
			want = append(want, kv)
		}
	}
	want = append(want, "X=1")
	got := strings.Split(strings.TrimSuffix(m.stdout.String(), "\n"), "\n")
	slices.Sort(got)
	slices.Sort(want)
	if !slices.Equal(got, want) {
		t.Errorf("got\n%q\nwant\n%q", got, want)
	}
}
