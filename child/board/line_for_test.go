package board

import "testing"

// A supervisor may keep the line of a process that cannot.
func TestLineForAnotherProcess(t *testing.T) {
	t.Parallel()
	b, path := newBoard(t, 2)
	for _, c := range []struct {
		cpus []int
		want int
	}{{[]int{3}, 3}, {[]int{3, 4}, -1}, {nil, -1}} {
		must(t, b.Starting(1, 12345, 0))
		must(t, b.Serving(1))
		l, err := OpenLineFor(path, 1, 12345, c.cpus)
		must(t, err)
		l.Run("square", 7, 0, 1)
		if s := read(t, b, 1); s.PID != 12345 || s.CPU != c.want || s.State != Running || s.Entry != "square" || s.Job != 7 {
			t.Errorf("tied to %v: %+v", c.cpus, s)
		}
		l.Idle(1, 0)
		if s := read(t, b, 1); s.State != Idle || s.Done != 1 {
			t.Errorf("%+v", s)
		}
		must(t, l.Close())
	}
	if _, err := OpenLineFor(path, 2, 1, nil); err == nil {
		t.Error("there is no line 2")
	}
}
