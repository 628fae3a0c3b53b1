package supervisor_test

import (
	"bufio"
	"bytes"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strconv"
	"testing"
	"time"
)

const (
	// outputJobs print outputBytes in all.
	outputJobs  = 4
	outputBytes = 200_000_000
	// pipedBytes are cut into blocks by --pipe.
	pipedBytes = 1 << 30
)

// parallelRows are yunta parallel's own costs, and what it costs to pass data on.
func parallelRows() []*peerRow {
	c := new(commands)
	many := &peerRow{
		name: "CommandParallel", title: "yunta parallel of true, 1000 times, two at a time, output grouped", goals: []goal{{overLimit, 1 / 0.8}}, show: rate,
		ours:  func(b *testing.B) float64 { return c.map1000(b, c.yunta(b), "parallel", "-j", "2", "true") },
		limit: c.spawnLoop, limitIs: "posix_spawn in C, two in flight",
		also: []peerAlso{
			{what: "xargs -P 2", round: func(b *testing.B) float64 { return c.map1000(b, "xargs", "-P", "2", "-n", "1", "true") }},
			{what: "GNU parallel -j 2", round: func(b *testing.B) float64 { return c.map1000(b, "parallel", "--will-cite", "-j", "2", "true") }},
		},
	}
	one := &peerRow{
		name: "CommandParallelOne", title: "yunta parallel of one true, the whole process", goals: []goal{{atMost, 6e-3}},
		ours:  func(b *testing.B) float64 { return c.run(b, 9, c.yunta(b), "parallel", "true", ":::", "x") },
		limit: func(b *testing.B) float64 { return c.run(b, 9, c.yunta(b), "version") }, limitIs: "yunta version",
		also: []peerAlso{
			{what: "xargs", round: func(b *testing.B) float64 { return c.piped(b, nil, "xargs", "-P", "2", "-n", "1", "true") }},
			{what: "GNU parallel", round: func(b *testing.B) float64 { return c.piped(b, nil, "parallel", "--will-cite", "true", ":::", "x") }},
		},
	}
	output := &peerRow{
		name: "CommandOutput", title: "200 MB of output by four jobs into a file", goals: []goal{{overLimit, 2}},
		ours: func(b *testing.B) float64 {
			args := []string{"parallel", "-j", strconv.Itoa(outputJobs), "cat", ":::"}
			return c.printed(b, c.yunta(b), append(args, c.parts(b)...)...)
		},
		limit:   func(b *testing.B) float64 { return c.printed(b, "cat", c.parts(b)...) },
		limitIs: "cat of the same files",
		also: []peerAlso{{what: "GNU parallel", round: func(b *testing.B) float64 {
			args := []string{"--will-cite", "-j", strconv.Itoa(outputJobs), "cat", ":::"}
			return c.printed(b, "parallel", append(args, c.parts(b)...)...)
		}}},
	}
	pipe := &peerRow{
		name: "CommandPipe", title: "yunta parallel --pipe wc -l of 1 GiB", goals: []goal{{overLimit, 1.0 / 5}},
		ours:  func(b *testing.B) float64 { return c.fed(b, c.yunta(b), "parallel", "--pipe", "wc", "-l") },
		limit: func(b *testing.B) float64 { return c.fed(b, "parallel", "--will-cite", "--pipe", "wc", "-l") }, limitIs: "GNU parallel --pipe",
		also: []peerAlso{{what: "wc -l alone", round: func(b *testing.B) float64 { return c.fed(b, "wc", "-l") }}},
	}
	rows := []*peerRow{many, one, output, pipe}
	for _, r := range rows {
		r.needs = func() error { return c.probe(r) }
	}
	return rows
}

// file makes a file of so many bytes of numbered lines beside the programs, once.
func (c *commands) file(b *testing.B, name string, size int) string {
	b.Helper()
	path := filepath.Join(c.dir, name) // the folder is there: probe has built the command
	if _, err := os.Stat(path); err == nil {
		return path
	}
	var lines []byte
	for i := range 10_000 {
		lines = append(strconv.AppendInt(lines, int64(i), 10), ",a line of a table,with some text in it\n"...)
	}
	f, err := os.Create(path)
	if err != nil {
		b.Fatal(err)
	}
	w := bufio.NewWriter(f)
	for left := size; left > 0; left -= len(lines) {
		if _, err := w.Write(lines[:min(left, len(lines))]); err != nil {
			b.Fatal(err)
		}
	}
	if err := w.Flush(); err != nil {
		b.Fatal(err)
	}
	if err := f.Close(); err != nil {
		b.Fatal(err)
	}
	return path
}

// parts are what the jobs print: the same file again and again.
func (c *commands) parts(b *testing.B) []string {
	return slices.Repeat([]string{c.file(b, "part", outputBytes/outputJobs)}, outputJobs)
}

// printed is the time of a program that prints into a file; 0 when there is no such program.
func (c *commands) printed(b *testing.B, path string, args ...string) float64 {
	b.Helper()
	out, err := os.Create(filepath.Join(c.dir, "out"))
	if err != nil {
		b.Fatal(err)
	}
	defer out.Close()
	t := c.piped(b, func(cmd *exec.Cmd) { cmd.Stdout = out }, path, args...)
	if info, err := out.Stat(); err != nil || t > 0 && info.Size() != outputBytes {
		b.Fatalf("%s has printed %d bytes, want %d (%v)", path, info.Size(), outputBytes, err)
	}
	return t
}

// fed is the time of a program that gets the large file on its standard input and prints numbers of lines.
func (c *commands) fed(b *testing.B, path string, args ...string) float64 {
	b.Helper()
	in, err := os.Open(c.file(b, "piped", pipedBytes))
	if err != nil {
		b.Fatal(err)
	}
	defer in.Close()
	var out bytes.Buffer
	return c.piped(b, func(cmd *exec.Cmd) { cmd.Stdin, cmd.Stdout = in, &out }, path, args...)
}

// piped is the time of a program whose descriptors are set before it starts, by default a line to read; 0 when there is no such
// program.
func (c *commands) piped(b *testing.B, set func(*exec.Cmd), path string, args ...string) float64 {
	b.Helper()
	if _, err := exec.LookPath(path); err != nil {
		return 0
	}
	cmd := exec.Command(path, args...)
	cmd.Env = append(os.Environ(), "HOME="+c.dir) // GNU parallel writes there
	if cmd.Stdin = bytes.NewReader([]byte("x\n")); set != nil {
		set(cmd)
	}
	start := time.Now()
	if err := cmd.Run(); err != nil {
		b.Fatalf("%s %q: %v", path, args, err)
	}
	return time.Since(start).Seconds()
}
