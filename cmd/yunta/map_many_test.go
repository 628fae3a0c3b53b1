package main

import (
	"io"
	"strconv"
	"strings"
	"testing"
)

// Values by the million take no more memory than a few, in whatever shape they are used.
func TestMapMillionsOfInputs(t *testing.T) {
	t.Parallel()
	for _, test := range []struct {
		name string
		many int
		args []string
		sum  func(line string) (values int) // that a line of output stands for
	}{
		{"packed", 2_000_000, []string{"-X", "--", "sh", "-c", "echo $#", "sh"}, func(line string) int {
			n, _ := strconv.Atoi(line)
			return n
		}},
		{"shown", 10_000_000, []string{"--dry-run", "--", "echo"}, func(string) int { return 1 }},
	} {
		t.Run(test.name, func(t *testing.T) {
			many := test.many
			if raceDetector || testing.Short() {
				many /= 20
			}
			r, w := io.Pipe()
			total := &lineSum{value: test.sum}
			m := &mapping{cmd: command(t, append([]string{"map"}, test.args...)...), temp: t.TempDir()}
			m.cmd.Env = append(m.cmd.Env, "TMPDIR="+m.temp)
			m.cmd.Stdin, m.cmd.Stdout, m.cmd.Stderr = r, total, &m.stderr
			if err := m.cmd.Start(); err != nil {
				t.Fatal(err)
			}
			t.Cleanup(func() { _ = m.cmd.Process.Kill() })
			block := make([]byte, 0, 64<<10)
			for i := range many {
				block = append(strconv.AppendInt(block, int64(i), 10), '\n')
				if len(block) > 60<<10 || i == many-1 {
					if _, err := w.Write(block); err != nil {
						t.Fatal(err)
					}
					block = block[:0]
				}
			}
			m.checkMemory(t) // what is left is in pipes
			w.Close()
			if status := m.wait(t); status != 0 {
				t.Errorf("status %d, stderr %q", status, m.stderr.String())
			}
			if total.sum != many {
				t.Errorf("%d values have arrived, want %d", total.sum, many)
			}
		})
	}
}

// A lineSum adds up what lines stand for.
type lineSum struct {
	value func(line string) int
	rest  string
	sum   int
}

func (l *lineSum) Write(p []byte) (int, error) {
	text := l.rest + string(p)
	for {
		line, after, whole := strings.Cut(text, "\n")
		if !whole {
			l.rest = line
			return len(p), nil
		}
		l.sum += l.value(line)
		text = after
	}
}
