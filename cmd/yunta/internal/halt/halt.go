// Package halt decides when a run that still has jobs begins no more of them.
package halt

import (
	"fmt"
	"strconv"
	"strings"
)

// Event is what a rule counts.
type Event int

// The events.
const (
	Fail Event = iota
	Success
	Done
)

// Rule says after how many jobs of a kind the run halts. The zero Rule never does.
type Rule struct {
	Now     bool // running jobs are killed; else they finish
	Event   Event
	Count   int     // 0: never, or see Percent
	Percent float64 // of all jobs
}

// Never reports whether the rule halts nothing.
func (r Rule) Never() bool { return r.Count == 0 && r.Percent == 0 }

// Parse reads never, now|soon,fail|success|done=N|N%, and GNU parallel's older forms: 0, 1, 2, -1, -2 and N%.
func Parse(s string) (Rule, error) {
	switch s {
	case "never", "0":
		return Rule{}, nil
	case "1":
		return Rule{Count: 1}, nil
	case "2":
		return Rule{Now: true, Count: 1}, nil
	case "-1":
		return Rule{Event: Success, Count: 1}, nil
	case "-2":
		return Rule{Now: true, Event: Success, Count: 1}, nil
	}
	var r Rule
	when, what, ok := strings.Cut(s, ",")
	if !ok {
		if p, found := strings.CutSuffix(s, "%"); found {
			return r, r.amount(p + "%")
		}
		return r, fmt.Errorf("must be never, or now or soon, a comma, and fail, success or done with =N or =N%%: now,fail=1")
	}
	switch when {
	case "now":
		r.Now = true
	case "soon":
	default:
		return r, fmt.Errorf("%q is neither now nor soon", when)
	}
	name, amount, counted := strings.Cut(what, "=")
	switch name {
	case "fail":
		r.Event = Fail
	case "success":
		r.Event = Success
	case "done":
		r.Event = Done
	default:
		return r, fmt.Errorf("%q is none of fail, success, done", name)
	}
	if !counted {
		return r, fmt.Errorf("%q does not say how many: %s=1", what, name)
	}
	return r, r.amount(amount)
}

func (r *Rule) amount(s string) error {
	if p, ok := strings.CutSuffix(s, "%"); ok {
		v, err := strconv.ParseFloat(p, 64)
		if err != nil || !(v > 0 && v <= 100) {
			return fmt.Errorf("%q is not a percentage above 0", s)
		}
		r.Percent = v
		return nil
	}
	n, err := strconv.Atoi(s)
	if err != nil || n < 1 {
		return fmt.Errorf("%q is not a number of jobs", s)
	}
	r.Count = n
	return nil
}

// Counter counts jobs against a rule.
type Counter struct {
	Rule
	Total             int // of jobs, for a percentage
	Succeeded, Failed int
	Tripped           bool
}

// Add counts a job that has ended, and reports whether the rule wants the run halted because of this one.
func (c *Counter) Add(success bool) bool {
	if success {
		c.Succeeded++
	} else {
		c.Failed++
	}
	n, concerns := c.Failed, !success
	switch c.Event {
	case Success:
		n, concerns = c.Succeeded, success
	case Done:
		n, concerns = c.Failed+c.Succeeded, true
	}
	if c.Tripped || !concerns || c.Never() {
		return false
	}
	if c.Count > 0 {
		c.Tripped = n >= c.Count
	} else {
		c.Tripped = c.Total > 0 && 100*float64(n) >= c.Percent*float64(c.Total)
	}
	return c.Tripped
}

// Status is GNU parallel's exit status of a halted run, given that of the job which tripped the rule: that one when the rule was about
// one job, the percentage of failed jobs, or else their number.
func (c *Counter) Status(last int) int {
	switch {
	case c.Event == Success:
		return 0
	case c.Percent > 0 && c.Total > 0:
		return min((100*c.Failed+c.Total-1)/c.Total, 100)
	case c.Count == 1:
		return last
	}
	return min(c.Failed, 101)
}
