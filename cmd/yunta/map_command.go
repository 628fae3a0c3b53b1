package main

import (
	"errors"
	"fmt"
	"slices"
	"strings"
)

const (
	placeholder = "{}"
	valuesMark  = ":::"
)

// A template makes the argument vectors of yunta map: the value takes the place of each {}, or stands at the end.
type template struct {
	argv     []string
	replaces bool // there is a {}
}

// splitCommand divides the arguments of yunta map into the command and the values; values is nil when those come from stdin.
func splitCommand(args []string) (t template, values []string, err error) {
	t.argv = args
	if i := slices.Index(args, valuesMark); i >= 0 {
		t.argv, values = args[:i], args[i+1:]
		if values == nil {
			values = []string{}
		}
	}
	// What GNU parallel takes them for would otherwise silently be values, or a part of the command.
	for _, a := range args {
		switch {
		case a == "::::" || a == "::::+":
			return t, nil, fmt.Errorf("%s is not supported: for values from a file, use < FILE", a)
		case a == ":::+" || a == valuesMark && slices.Contains(values, valuesMark):
			return t, nil, errors.New("only one ::: is supported, and no :::+: make combinations of values before, one a line")
		}
	}
	switch {
	case len(t.argv) == 0:
		return t, nil, errors.New("needs a command to run")
	case t.argv[0] == "":
		return t, nil, errors.New("the command is empty")
	}
	t.replaces = slices.ContainsFunc(t.argv, func(a string) bool { return strings.Contains(a, placeholder) })
	return t, values, nil
}

// fixed reports whether the same program runs whatever the value is.
func (t template) fixed() bool { return !strings.Contains(t.argv[0], placeholder) }

// expand returns the argument vector for a value, which is one argument or a part of one and is looked at no further.
func (t template) expand(value string) []string {
	if !t.replaces {
		return append(slices.Clip(t.argv), value)
	}
	argv := make([]string, len(t.argv))
	for i, a := range t.argv {
		argv[i] = strings.ReplaceAll(a, placeholder, value)
	}
	return argv
}

// reserved are the words that a shell takes for something else at the beginning of a command.
var reserved = []string{
	"if", "then", "else", "elif", "fi", "do", "done", "case", "esac", "while", "until", "for", "in",
	"function", "select", "time", "coproc",
}

// shellCommand writes an argument vector so that any POSIX shell reads the same arguments.
func shellCommand(argv []string) string {
	var b strings.Builder
	for i, a := range argv {
		if i > 0 {
			b.WriteByte(' ')
		}
		if i == 0 && slices.Contains(reserved, a) {
			b.WriteString("'" + a + "'")
		} else {
			b.WriteString(shellWord(a))
		}
	}
	return b.String()
}

func shellWord(s string) string {
	if s != "" && strings.IndexFunc(s, unsafeInShell) < 0 {
		return s
	}
	return "'" + strings.ReplaceAll(s, "'", `'\''`) + "'"
}

func unsafeInShell(r rune) bool {
	switch {
	case r >= 'a' && r <= 'z', r >= 'A' && r <= 'Z', r >= '0' && r <= '9':
		return false
	}
	return !strings.ContainsRune("%+,-./:@_", r)
}

// shortened is how many bytes of a value a message shows.
const shortened = 60

// short shows a value in a message, on one line.
func short(value string) string {
	q := fmt.Sprintf("%.*q", shortened, value)
	if len([]rune(value)) > shortened {
		q += "..."
	}
	return q
}
