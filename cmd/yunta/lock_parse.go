package main

import (
	"errors"
	"fmt"
	"math"
	"os"
	"strconv"
	"strings"
	"time"
)

// Letters of long options that have none.
const (
	optVerbose = 0x100 + iota
	optInherit
	optWho
)

var lockOptions = optionSet{
	short: "sexnoFuw:E:hV",
	long: []longOption{
		{name: "shared", as: 's'},
		{name: "exclusive", as: 'x'},
		{name: "unlock", as: 'u'},
		{name: "nonblocking", as: 'n'},
		{name: "nb", as: 'n'},
		{name: "timeout", as: 'w', value: true},
		{name: "wait", as: 'w', value: true},
		{name: "conflict-exit-code", as: 'E', value: true},
		{name: "close", as: 'o'},
		{name: "no-fork", as: 'F'},
		{name: "verbose", as: optVerbose},
		{name: "help", as: 'h'},
		{name: "version", as: 'V'},
		{name: "inherit", as: optInherit, whole: true},
		{name: "who", as: optWho, whole: true},
	},
}

// parse reads the command line by flock's rules.
func (r *lockRequest) parse(args []string) error {
	if len(args) == 0 {
		return &lockError{exitUsageSys, "not enough arguments", true}
	}
	r.conflict = 1
	noInherit := false
	rest, err := lockOptions.parse(args, func(opt rune, value string) (err error) {
		switch opt {
		case 's':
			r.how = lockShared
		case 'e', 'x':
			r.how = lockExclusive
		case 'u':
			r.how = lockNone
		case 'n':
			r.nonblock = true
		case 'o':
			noInherit = true
		case 'F':
			r.noFork = true
		case 'w':
			err = r.setTimeout(value)
		case 'E':
			r.conflict, err = strictInt(value, "invalid exit code")
			if err == nil && (r.conflict < 0 || r.conflict > 255) {
				err = lockErrorf(exitUsageSys, "exit code out of range (expected 0 to 255)")
			}
		case optVerbose:
			r.verbose = true
		case 'h':
			return errLockHelp
		case 'V':
			return errLockVersion
		case optInherit, optWho:
			if r.asFlock {
				return fmt.Errorf("unrecognized option; flock has it as '%s' only", "yunta lock")
			}
			r.inherit = r.inherit || opt == optInherit
			r.who = r.who || opt == optWho
		}
		return err
	})
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
