package supervisor_test

import (
	"os/exec"
	"path/filepath"
	"testing"
)

// calls is how many calls of a command are a round: a few milliseconds each.
const calls = 31

// shellRows are the command's locks and semaphores, called as scripts call them, one call and its `true`.
func shellRows() []*peerRow {
	c := new(commands)
	bare := func(b *testing.B) float64 { return c.run(b, calls, "true") }
	// The folder of the programs is there when one has been built, which probe does.
	file := func() string { return filepath.Join(c.dir, "lock") }
	lock := &peerRow{
		name: "CommandLock", title: "yunta lock of true, one call", goals: []goal{{atMost, 3e-3}},
		ours: func(b *testing.B) float64 {
			exe := c.yunta(b)
			return c.run(b, calls, exe, "lock", file(), "true")
		},
		limit: bare, limitIs: "true alone",
		also: []peerAlso{{what: "flock(1)", round: func(b *testing.B) float64 {
			if _, err := exec.LookPath("flock"); err != nil {
				return 0
			}
			return c.run(b, calls, "flock", file(), "true")
		}}},
	}
	sem := &peerRow{
		name: "CommandSem", title: "yunta sem --fg of true, one call", goals: []goal{{atMost, 3e-3}},
		ours:  func(b *testing.B) float64 { return c.run(b, calls, c.yunta(b), "sem", "--id", "bench", "--fg", "true") },
		limit: bare, limitIs: "true alone",
		also: []peerAlso{
			{what: "in the background", round: func(b *testing.B) float64 {
				exe := c.yunta(b)
				t := medianOf(calls, func() { // no pipe, whose end would be the command's
					if err := exec.Command(exe, "sem", "--id", "bench-bg", "-j", "0", "true").Run(); err != nil {
						b.Fatal(err)
					}
				})
				c.run(b, 1, exe, "sem", "--id", "bench-bg", "--wait")
				return t.Seconds()
			}},
			{what: "GNU sem --fg", round: func(b *testing.B) float64 {
				if _, err := exec.LookPath("sem"); err != nil {
					return 0
				}
				// It keeps its semaphores in HOME.
				return c.run(b, 3, "env", "HOME="+c.dir, "sem", "--will-cite", "--id", "bench", "--fg", "true")
			}},
		},
	}
	rows := []*peerRow{lock, sem}
	for _, r := range rows {
		r.needs = func() error { return c.probe(r) }
	}
	return rows
}
