package blocks

import (
	"bufio"
	"errors"
	"io"
	"regexp"
	"strconv"
	"strings"
)

// headerRoom bounds how far a header may reach, in bytes.
const headerRoom = 1 << 20

// HeaderPattern returns the regular expression for what --header says: ":" for the first line, a number of lines, or an expression.
func HeaderPattern(s string) (string, error) {
	if s == ":" {
		return `[^\n]*\n`, nil
	}
	if n, err := strconv.Atoi(s); err == nil && n >= 0 {
		return `(?:[^\n]*\n){` + strconv.Itoa(n) + `}`, nil
	}
	_, err := regexp.Compile(s)
	return s, err
}

// Header takes what matches a pattern off the beginning of an input; the pattern "" takes nothing.
func Header(r io.Reader, pattern string) (header []byte, rest io.Reader, err error) {
	if pattern == "" {
		return nil, r, nil
	}
	re, err := regexp.Compile("^(?:" + pattern + ")")
	if err != nil {
		return nil, r, err
	}
	b := bufio.NewReaderSize(r, headerRoom)
	lines := strings.Contains(pattern, "{") || strings.HasPrefix(pattern, "[^")
	for n := 512; ; n = min(2*n, headerRoom) {
		start, err := b.Peek(n)
		if err != nil && !errors.Is(err, io.EOF) {
			return nil, r, err
		}
		m := re.FindIndex(start)
		whole := err != nil || n == headerRoom
		if m != nil && (lines || m[1] < len(start)) || whole {
			if m == nil {
				return nil, b, nil
			}
			header = append(header, start[:m[1]]...)
			_, err = b.Discard(m[1])
			return header, b, err
		}
	}
}
