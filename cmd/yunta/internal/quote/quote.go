// Package quote writes arguments for a shell.
package quote

import (
	"slices"
	"strings"
)

// reserved are the words that a shell takes for something else at the beginning of a command.
var reserved = []string{
	"if", "then", "else", "elif", "fi", "do", "done", "case", "esac", "while", "until", "for", "in",
	"function", "select", "time", "coproc",
}

// Command writes an argument vector so that any POSIX shell reads the same arguments.
func Command(argv []string) string {
	var b strings.Builder
	for i, a := range argv {
		if i > 0 {
			b.WriteByte(' ')
		}
		if i == 0 && slices.Contains(reserved, a) {
			b.WriteString("'" + a + "'")
		} else {
			b.WriteString(Word(a))
		}
	}
	return b.String()
}

// Word writes one argument, in quotes if it needs them.
func Word(s string) string {
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

// GNU writes one argument as GNU parallel does (seen in its --dry-run): in single quotes unless it is made of letters, digits and +-./_,
// a single quote within double ones, and no empty pair of quotes at either end.
func GNU(s string) string {
	if s == "" {
		return "''"
	}
	safe := true
	for i := 0; i < len(s) && safe; i++ {
		safe = plain(s[i])
	}
	if safe {
		return s
	}
	q := "'" + strings.ReplaceAll(s, "'", `'"'"'`) + "'"
	q = strings.TrimPrefix(q, "''")
	return strings.TrimSuffix(q, "''")
}

func plain(c byte) bool {
	switch {
	case c >= 'a' && c <= 'z', c >= 'A' && c <= 'Z', c >= '0' && c <= '9':
		return true
	}
	return strings.IndexByte("+-./_", c) >= 0
}
