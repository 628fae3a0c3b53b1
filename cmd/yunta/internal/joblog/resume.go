package joblog

import "regexp"

// Resume knows which jobs a log has already.
type Resume struct {
	byNumber map[int]bool
	byText   map[string]int // how often each command is done
}

// NewResume reads a log for going on. again says that failed jobs are run once more. fits, when not nil, matches any command that this run
// could make: if all that is in the log does, jobs are known by their commands, whatever their place; else by their numbers, as GNU
// parallel knows them.
func NewResume(entries []Entry, again bool, fits *regexp.Regexp) *Resume {
	last := map[int]Entry{}
	r := &Resume{byNumber: map[int]bool{}}
	text := fits != nil
	counts := map[string]int{}
	failures := map[string]int{}
	for _, e := range entries {
		last[e.Seq] = e
		text = text && fits.MatchString(e.Command)
		if again && e.Failed() {
			failures[e.Command]++
		} else {
			counts[e.Command]++
		}
	}
	if text {
		r.byText = counts
		return r
	}
	for seq, e := range last {
		if !(again && e.Failed()) {
			r.byNumber[seq] = true
		}
	}
	return r
}

// Done reports whether a job needs not be run. A command that is done n times is so n times.
func (r *Resume) Done(seq int, command string) bool {
	if r.byText == nil {
		return r.byNumber[seq]
	}
	command = Escape(command)
	if r.byText[command] == 0 {
		return false
	}
	r.byText[command]--
	return true
}

// Anything makes a pattern that any command matches: jobs are known by their commands alone.
func Anything() *regexp.Regexp { return regexp.MustCompile("") }

// Failed knows the jobs whose last entry says that they have failed: those are the ones that are done, for who wants only them.
func Failed(entries []Entry) *Resume {
	last := map[string]Entry{}
	for _, e := range entries {
		last[e.Command] = e
	}
	r := &Resume{byText: map[string]int{}}
	for command, e := range last {
		if e.Failed() {
			r.byText[command] = 1
		}
	}
	return r
}
