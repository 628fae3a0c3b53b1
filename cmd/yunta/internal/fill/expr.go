package fill

import (
	"fmt"
	"regexp"
	"strconv"
	"strings"
	"sync"
	"unicode/utf8"
)

// expression reads the inside of {= =}: an optional position, then statements that change $_. GNU parallel gives it to perl; what is here
// is what people write there: s///, tr///, $_ = followed by $_, uc, lc, ucfirst, lcfirst, length, seq(), slot(), numbers and strings joined
// by . + - * /, and uq(). Anything else is an error.
func expression(text string) (p piece, err error) {
	body := strings.TrimSpace(text)
	number := body[:len(body)-len(strings.TrimLeft(strings.TrimPrefix(body, "-"), "0123456789"))]
	if number != "" && number != "-" {
		if p.position, err = strconv.Atoi(number); err != nil {
			return p, err
		}
		body = strings.TrimSpace(body[len(number):])
	}
	var steps []op
	for rest := body; ; {
		rest = strings.TrimLeft(rest, " \t\n;")
		if rest == "" {
			break
		}
		var step op
		if step, rest, err = statement(rest); err != nil {
			return p, fmt.Errorf("{=%s=}: %w", text, err)
		}
		steps = append(steps, step)
	}
	p.op = func(c *Context, v string) (string, error) {
		raw := false
		for _, s := range steps {
			var err error
			if v, err = s(c, v); err != nil {
				return "", err
			}
			raw = raw || c.raw
		}
		c.raw = raw
		return v, nil
	}
	return p, nil
}

func statement(s string) (o op, rest string, err error) {
	switch {
	case strings.HasPrefix(s, "uq()"):
		return func(c *Context, v string) (string, error) { c.raw = true; return v, nil }, s[4:], nil
	case strings.HasPrefix(s, "uq"):
		return func(c *Context, v string) (string, error) { c.raw = true; return v, nil }, s[2:], nil
	case delimited(s, "s"):
		return substitution(s[1:])
	case delimited(s, "tr"):
		return transliteration(s[2:])
	case delimited(s, "y"):
		return transliteration(s[1:])
	case strings.HasPrefix(s, "$_"):
		after := strings.TrimLeft(s[2:], " ")
		for _, combined := range []string{".=", "+=", "-=", "*=", "/="} {
			if strings.HasPrefix(after, combined) {
				return assignment("$_" + combined[:1] + "(" + upToSemicolon(after[2:]) + ")" + remainder(after[2:]))
			}
		}
		if strings.HasPrefix(after, "=") && !strings.HasPrefix(after, "=~") && !strings.HasPrefix(after, "==") {
			return assignment(after[1:])
		}
		if strings.HasPrefix(after, "++") {
			return assignment("$_+1" + after[2:])
		}
	}
	return nil, "", fmt.Errorf("only s///, tr///, $_ = ... and uq() are understood, not %q", s)
}

func upToSemicolon(s string) string { return s[:len(s)-len(remainder(s))] }

func remainder(s string) string {
	if i := strings.IndexByte(s, ';'); i >= 0 {
		return s[i:]
	}
	return ""
}

// delimited reports whether an operator such as s stands at the beginning, followed by a delimiter.
func delimited(s, operator string) bool {
	rest, ok := strings.CutPrefix(s, operator)
	return ok && rest != "" && strings.IndexByte("/|,:#!@%^{", rest[0]) >= 0
}

// parts reads two texts between delimiters, and letters behind them.
func parts(s string) (from, to, flags, rest string, err error) {
	one := func(s string, open byte) (text, rest string, ok bool) {
		shut := open
		if open == '{' {
			shut = '}'
		}
		for i := 0; i < len(s); i++ {
			switch s[i] {
			case '\\':
				i++
			case shut:
				return s[:i], s[i+1:], true
			}
		}
		return "", "", false
	}
	delimiter := s[0]
	from, rest, ok := one(s[1:], delimiter)
	if ok {
		if delimiter == '{' {
			rest = strings.TrimLeft(rest, " ")
			if !strings.HasPrefix(rest, "{") {
				return "", "", "", "", fmt.Errorf("a { is missing in %q", s)
			}
			rest = rest[1:]
		}
		to, rest, ok = one(rest, delimiter)
	}
	if !ok {
		return "", "", "", "", fmt.Errorf("no end of %q", s)
	}
	n := len(rest) - len(strings.TrimLeft(rest, "abcdefghijklmnopqrstuvwxyz"))
	if delimiter != '{' {
		escaped := `\` + string(delimiter)
		from, to = strings.ReplaceAll(from, escaped, string(delimiter)), strings.ReplaceAll(to, escaped, string(delimiter))
		if strings.IndexByte("|^", delimiter) >= 0 {
			from = strings.ReplaceAll(from, string(delimiter), escaped)
		}
	}
	return from, to, rest[:n], rest[n:], nil
}

func substitution(s string) (op, string, error) {
	from, to, flags, rest, err := parts(s)
	if err != nil {
		return nil, "", err
	}
	mode, all := "", false
	for _, f := range flags {
		switch f {
		case 'g':
			all = true
		case 'i', 's', 'm':
			mode += string(f)
		default:
			return nil, "", fmt.Errorf("s///%c is not understood", f)
		}
	}
	if mode != "" {
		from = "(?" + mode + ")" + from
	}
	re, err := regexp.Compile(from)
	if err != nil {
		return nil, "", err
	}
	to = strings.ReplaceAll(to, "$&", "$0")
	replacement := groups().ReplaceAllString(strings.ReplaceAll(strings.ReplaceAll(to, `\n`, "\n"), `\t`, "\t"), "$${$1}")
	replacement = strings.ReplaceAll(replacement, `\`, "")
	return pure(func(v string) string {
		return replace(re, v, replacement, all)
	}), rest, nil
}

// groups are perl's names of what a group has matched, in a replacement.
var groups = sync.OnceValue(func() *regexp.Regexp { return regexp.MustCompile(`[$\\]([0-9])`) })

func transliteration(s string) (op, string, error) {
	from, to, flags, rest, err := parts(s)
	if err != nil {
		return nil, "", err
	}
	if strings.Trim(flags, "d") != "" {
		return nil, "", fmt.Errorf("tr///%s is not understood", flags)
	}
	a, b := ranges(from), ranges(to)
	if len(b) == 0 && flags == "" {
		b = a
	}
	return pure(func(v string) string {
		return strings.Map(func(r rune) rune {
			for i, x := range a {
				switch {
				case x != r:
				case i < len(b):
					return b[i]
				case flags == "d":
					return -1
				default:
					return b[len(b)-1]
				}
			}
			return r
		}, v)
	}), rest, nil
}

// ranges writes a-z out.
func ranges(s string) (all []rune) {
	in := []rune(s)
	for i := 0; i < len(in); i++ {
		if i+2 < len(in) && in[i+1] == '-' && in[i] <= in[i+2] && in[i+2] < utf8.MaxRune {
			for r := in[i]; r <= in[i+2]; r++ {
				all = append(all, r)
			}
			i += 2
			continue
		}
		all = append(all, in[i])
	}
	return all
}
