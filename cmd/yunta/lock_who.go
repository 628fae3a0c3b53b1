package main

import (
	"errors"
	"fmt"
	"io"
	"strconv"
	"strings"
	"text/tabwriter"
	"time"
)

// A flockUser is a process that has the lock of a file, or waits for it.
type flockUser struct {
	shared  bool
	waits   bool
	pid     int       // 0 if it cannot be seen from here
	since   time.Time // the start of the process; zero if it is not known
	command string
}

// printWho lists who has a lock, and returns 0 if somebody has.
func printWho(w io.Writer, file string) (status int, err error) {
	users, err := flockUsers(file)
	if errors.Is(err, errors.ErrUnsupported) {
		return whoByTrying(w, file)
	}
	if err != nil {
		return 0, lockErrorf(exitNoInput, "%v", err)
	}
	if len(users) == 0 {
		fmt.Fprintf(w, "%s: free\n", file)
		return exitFailure, nil
	}
	t := tabwriter.NewWriter(w, 0, 0, 2, ' ', 0)
	for _, u := range users {
		since := "?"
		if !u.since.IsZero() {
			since = u.since.Format(time.DateTime)
		}
		pid := "?"
		if u.pid > 0 {
			pid = fmt.Sprint(u.pid)
		}
		fmt.Fprintf(t, "%s\t%s\t%s\t%s\n", u.doing(), pid, since, u.command)
	}
	return 0, t.Flush()
}

func (u *flockUser) doing() string {
	how := "exclusive"
	if u.shared {
		how = "shared"
	}
	if u.waits {
		return "waits, " + how
	}
	return how
}

// whoHas says in one line who has a lock.
func whoHas(file string) string {
	users, err := flockUsers(file)
	if err != nil {
		return file + " is locked"
	}
	var has []string
	for _, u := range users {
		if u.waits {
			continue
		}
		if u.pid == 0 {
			has = append(has, "a process that cannot be seen from here")
			continue
		}
		has = append(has, fmt.Sprintf("process %d since %s (%s)", u.pid, u.since.Format(time.DateTime), u.command))
	}
	switch n := len(has); {
	case n == 0:
		return file + " was locked" // until just now
	case n > 3:
		has = append(has[:3], fmt.Sprintf("and %d more", n-3))
	}
	return file + " is locked by " + strings.Join(has, ", ")
}

// printable keeps another process's words from moving the cursor.
func printable(text string) string {
	return strings.Map(func(c rune) rune {
		if strconv.IsPrint(c) {
			return c
		}
		return '?'
	}, strings.ToValidUTF8(text, "?"))
}
