package main

import (
	"errors"
	"math"
	"os"
	"strconv"
	"strings"
	"time"

	"yunta/cmd/yunta/internal/getopt"
)

// parse reads the command line by flock's rules.
func (r *lockRequest) parse(args []string) error {
	if len(args) == 0 {
		return &lockError{exitUsageSys, "not enough arguments", true}
	}
	r.conflict = 1
	noInherit := false
	rest, err := r.options(&noInherit).Parse(args)
	if err != nil {
		if _, ok := errors.AsType[*lockError](err); ok || errors.Is(err, errLockHelp) || errors.Is(err, errLockVersion) {
			return err
		}
		return &lockError{exitUsageSys, err.Error(), true}
	}
	if r.noFork && noInherit {
		return lockErrorf(exitUsageSys, "the --no-fork and --close options are incompatible")
	}
	r.inherit = (r.inherit || r.asFlock) && !noInherit || r.noFork
	return r.operands(rest)
}

// options are flock's, and those that are only ours.
func (r *lockRequest) options(noInherit *bool) *getopt.Set {
	flag := func(names string, set func()) getopt.Option {
		return getopt.Option{Names: strings.Fields(names), Set: func(string, string) error { set(); return nil }}
	}
	own := func(name string, set *bool) getopt.Option {
		return getopt.Option{Names: []string{name}, Whole: true, Set: func(string, string) error {
			if r.asFlock {
				return errors.New("unrecognized option; flock has it as 'yunta lock' only")
			}
			*set = true
			return nil
		}}
	}
	return getopt.NewSet([]getopt.Option{
		flag("s shared", func() { r.how = lockShared }),
		flag("e x exclusive", func() { r.how = lockExclusive }),
		flag("u unlock", func() { r.how = lockNone }),
		flag("n nonblocking nb", func() { r.nonblock = true }),
		{Names: []string{"w", "timeout", "wait"}, Kind: getopt.Value, Set: func(_, v string) error { return r.setTimeout(v) }},
		{Names: []string{"E", "conflict-exit-code"}, Kind: getopt.Value, Set: func(_, v string) (err error) {
			r.conflict, err = strictInt(v, "invalid exit code")
			if err == nil && (r.conflict < 0 || r.conflict > 255) {
				err = lockErrorf(exitUsageSys, "exit code out of range (expected 0 to 255)")
			}
			return err
		}},
		flag("o close", func() { *noInherit = true }),
		flag("F no-fork", func() { r.noFork = true }),
		flag("verbose", func() { r.verbose = true }),
		{Names: []string{"h", "help"}, Set: func(string, string) error { return errLockHelp }},
		{Names: []string{"V", "version"}, Set: func(string, string) error { return errLockVersion }},
		own("inherit", &r.inherit),
		own("who", &r.who),
	})
}

// operands reads what follows the options.
func (r *lockRequest) operands(rest []string) (err error) {
	switch {
	case r.who && len(rest) == 1:
		r.file = rest[0]
	case r.who:
		return &lockError{exitUsageSys, "--who takes one file or directory", true}
	case len(rest) == 0:
		return lockErrorf(exitUsageSys, "requires file descriptor, file or directory")
	case len(rest) == 1:
		r.fd, err = strictInt(rest[0], "bad file descriptor")
	case rest[1] == "-c", rest[1] == "--command":
		if len(rest) != 3 {
			return lockErrorf(exitUsageSys, "%s requires exactly one command argument", rest[1])
		}
		shell := os.Getenv("SHELL")
		if shell == "" {
			shell = "/bin/sh"
		}
		r.file, r.argv = rest[0], []string{shell, "-c", rest[2]}
	default:
		r.file, r.argv = rest[0], rest[1:]
	}
	if r.file == "" && (r.argv != nil || r.who) {
		return lockErrorf(exitNoInput, "cannot open lock file: its name is empty")
	}
	return err
}

// strictInt reads a decimal number as strtol(3) does, all of it.
func strictInt(text, what string) (int, error) {
	n, err := strconv.ParseInt(strings.TrimLeft(text, " \t\n\v\f\r"), 10, 32)
	switch {
	case errors.Is(err, strconv.ErrRange):
		return 0, lockErrorf(exitUsageSys, "%s: %q: too large", what, text)
	case err != nil:
		return 0, lockErrorf(exitUsageSys, "%s: %q", what, text)
	}
	return int(n), nil
}

// setTimeout reads a number of seconds as strtod(3) does. What no timer can be set to is another error than what is no number.
func (r *lockRequest) setTimeout(text string) error {
	seconds, err := parseSeconds(text)
	switch {
	case err != nil:
		return lockErrorf(exitUsageSys, "invalid timeout value: %q", text)
	case math.IsNaN(seconds) || seconds < 0 || seconds > math.MaxInt64:
		return lockErrorf(exitOSErr, "cannot set a timer to %s seconds", strings.TrimSpace(text))
	}
	r.atOnce = seconds < 1e-6 // a timer of zero would never go off
	r.timeout = time.Duration(min(seconds*float64(time.Second), math.MaxInt64/2))
	return nil
}

func parseSeconds(text string) (float64, error) {
	text = strings.TrimLeft(text, " \t\n\v\f\r")
	if low := strings.ToLower(text); strings.Contains(low, "0x") && !strings.Contains(low, "p") {
		text += "p0"
	}
	if strings.Contains(text, "_") {
		return 0, strconv.ErrSyntax
	}
	seconds, err := strconv.ParseFloat(text, 64)
	if errors.Is(err, strconv.ErrRange) { // infinite, then
		err = nil
	}
	return seconds, err
}
