package halt

import "testing"

func TestParse(t *testing.T) {
	t.Parallel()
	for text, want := range map[string]Rule{
		"never": {}, "0": {}, "1": {Count: 1}, "2": {Now: true, Count: 1}, "-1": {Event: Success, Count: 1}, "10%": {Percent: 10},
		"now,fail=1": {Now: true, Count: 1}, "soon,success=3": {Event: Success, Count: 3},
		"now,done=25%": {Now: true, Event: Done, Percent: 25},
	} {
		if got, err := Parse(text); err != nil || got != want {
			t.Errorf("%s: %+v, %v, want %+v", text, got, err, want)
		}
	}
	for _, text := range []string{"", "later,fail=1", "now,fails=1", "now,fail=0", "now,fail=-1", "now,fail=0%", "now,fail=101%", "now,fail=x", "now,fail", "-10%", "3", "x%"} {
		if r, err := Parse(text); err == nil {
			t.Errorf("%q: %+v", text, r)
		}
	}
}

// The statuses are those that GNU parallel 20221122 gave.
func TestCounter(t *testing.T) {
	t.Parallel()
	tests := []struct {
		rule   string
		jobs   []int // their exit statuses; the rest is not reached
		want   int   // jobs until it trips
		status int
	}{
		{"now,fail=1", []int{0, 3, 0, 4}, 2, 3},
		{"soon,fail=2", []int{5, 3, 4}, 2, 2},
		{"now,done=1", []int{5, 3}, 1, 5},
		{"soon,done=2", []int{1, 1, 1}, 2, 2},
		{"now,success=1", []int{5, 0, 4}, 2, 0},
		{"now,fail=1%", []int{5, 0, 0, 0, 0}, 1, 20},
		{"soon,fail=30%", []int{5, 0, 1, 0, 2, 3, 4, 5, 6, 7}, 5, 30},
		{"soon,fail=20%", []int{0, 1, 2, 0, 0, 3}, 3, 34},
		{"soon,success=50%", []int{0, 0, 1, 0, 0, 1}, 4, 0},
		{"never", []int{1, 1}, 0, 0},
	}
	for _, test := range tests {
		rule, err := Parse(test.rule)
		if err != nil {
			t.Fatal(err)
		}
		c := Counter{Rule: rule, Total: len(test.jobs)}
		at, status := 0, 0
		for i, s := range test.jobs {
			if c.Add(s == 0) {
				at, status = i+1, c.Status(s)
				break
			}
		}
		if at != test.want || status != test.status {
			t.Errorf("%s of %v: after %d with status %d, want %d and %d", test.rule, test.jobs, at, status, test.want, test.status)
		}
	}
}
